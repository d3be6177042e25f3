//! What the commands do. `user`, `client`, `role`, `key` and `revoke` are each a few calls of the admin API;
//! the others need no server.

pub(crate) mod attack;
pub(crate) mod client;
pub(crate) mod jwk;
pub(crate) mod key;
pub(crate) mod lint;
pub(crate) mod revoke;
pub(crate) mod role;
pub(crate) mod token;
pub(crate) mod user;

use gatepass_jose::Timestamp;
use serde_json::Value;

use crate::args::Target;
use crate::{moment, print};

/// Prints a list: as JSON, or as a table of the named members.
fn show_list(target: &Target, items: Vec<Value>, members: &[&str]) {
    if target.json {
        return print::json(&Value::Array(items));
    }
    let rows: Vec<Vec<String>> =
        items.iter().map(|item| members.iter().map(|member| print::said(item, member)).collect()).collect();
    print::table(members, &rows);
}

/// Prints one answer: as JSON, or as lines of the members that say something.
fn show(target: &Target, answer: &Value) {
    if target.json {
        return print::json(answer);
    }
    let members = answer.as_object().into_iter().flat_map(|members| members.keys());
    let said: Vec<_> = members.map(|member| (member, said(answer, member))).collect();
    let said = || said.iter().filter(|(_, said)| !said.is_empty());
    let width = said().map(|(member, _)| member.len()).max().unwrap_or_default();
    for (member, said) in said() {
        print::line(format!("{member:<width$}  {said}"));
    }
}

/// A member as one would say it, instants too.
fn said(answer: &Value, member: &str) -> String {
    match answer.get(member).and_then(Value::as_i64).filter(|_| member.ends_with("_at")) {
        Some(secs) => moment::local(Timestamp::from_secs(secs)),
        None => print::said(answer, member),
    }
}

/// One segment of a path, with whatever it holds escaped.
fn segment(text: &str) -> String {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
    text.bytes()
        .map(|byte| if allowed(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

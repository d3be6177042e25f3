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

use serde_json::Value;

use crate::args::Target;
use crate::print;

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
    for member in answer.as_object().into_iter().flat_map(|members| members.keys()) {
        let said = print::said(answer, member);
        if !said.is_empty() {
            // A name that is too long for its column keeps its distance all the same.
            print::line(format!("{member:<15} {said}"));
        }
    }
}

/// One segment of a path, with whatever it holds escaped.
fn segment(text: &str) -> String {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
    text.bytes()
        .map(|byte| if allowed(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

//! From claims to header fields: `forward = { sub = "X-User-Id" }`.

use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Map, Value};

use crate::identity::Identity;

/// One claim, and the field that tells it to the upstream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Forward {
    pub(crate) claim: String,
    pub(crate) header: HeaderName,
}

/// A claim's value cannot be told in a header field without being read as something else.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the claim `{claim}` {problem}, so it cannot be forwarded")]
pub(crate) struct Unforwardable {
    pub(crate) claim: String,
    problem: &'static str,
}

/// Sets the fields of every claim that the token has. A claim that is absent, null or an empty array sets none.
///
/// Strings go as they are, numbers and booleans as in JSON, arrays with their elements joined by `,`.
pub(crate) fn set(headers: &mut HeaderMap, forward: &[Forward], identity: &Identity) -> Result<(), Unforwardable> {
    let mut payload = None;
    for Forward { claim, header } in forward {
        let told = match known(identity, claim) {
            Known::One(text) => text.map(|text| plain(text).and_then(value)).transpose(),
            Known::Many(elements) => join(elements.iter().map(|element| Ok(element.as_str().to_owned()))),
            Known::No => json(payload.get_or_insert_with(|| identity.payload()).get(claim)),
        };
        let told = told.map_err(|problem| Unforwardable { claim: claim.clone(), problem })?;
        if let Some(told) = told {
            headers.insert(header.clone(), told);
        }
    }
    Ok(())
}

/// A claim that the guard has read already.
enum Known<'i> {
    One(Option<&'i str>),
    Many(&'i [String]),
    No,
}

fn known<'i>(identity: &'i Identity, claim: &str) -> Known<'i> {
    let claims = identity.claims();
    match claim {
        "iss" => Known::One(Some(&claims.iss)),
        "sub" => Known::One(Some(&claims.sub)),
        "jti" => Known::One(Some(&claims.jti)),
        "client_id" => Known::One(Some(&claims.client_id)),
        "sid" => Known::One(claims.sid.as_deref()),
        "roles" => Known::Many(&claims.roles),
        _ => Known::No,
    }
}

fn json(claim: Option<&Value>) -> Result<Option<HeaderValue>, &'static str> {
    match claim {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Array(elements)) => join(elements.iter().map(scalar)),
        Some(single) => scalar(single).and_then(|text| plain(&text).and_then(value)).map(Some),
    }
}

fn scalar(claim: &Value) -> Result<String, &'static str> {
    match claim {
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) => Ok(number.to_string()),
        Value::Bool(truth) => Ok(truth.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => Err("is neither text, number nor boolean, nor a flat array of these"),
    }
}

fn join(elements: impl Iterator<Item = Result<String, &'static str>>) -> Result<Option<HeaderValue>, &'static str> {
    let mut joined = String::new();
    for (index, element) in elements.enumerate() {
        let element = element?;
        if index > 0 {
            joined.push(',');
        }
        // A role named "x,admin" must not be read as two.
        if element.is_empty() || element.contains(',') {
            return Err("has an element that is empty or holds a comma");
        }
        joined.push_str(plain(&element)?);
    }
    if joined.is_empty() { Ok(None) } else { value(&joined).map(Some) }
}

/// Receivers trim a field's value, and would see another value than the token's.
fn plain(text: &str) -> Result<&str, &'static str> {
    if text.chars().any(char::is_control) {
        return Err("holds a control character");
    }
    if text.trim() != text {
        return Err("begins or ends with white space");
    }
    Ok(text)
}

/// UTF-8 goes as it is: RFC 9110 section 5.5 calls those bytes opaque and lets them pass.
fn value(text: &str) -> Result<HeaderValue, &'static str> {
    HeaderValue::from_bytes(text.as_bytes()).map_err(|_| "holds a character that no header field can hold")
}

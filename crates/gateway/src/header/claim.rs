//! From claims to header fields: `forward = { sub = "X-User-Id" }`.

use gatepass_guard::{Admitted, ClaimName};
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;

/// One claim, and the field that tells it to the upstream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Forward {
    pub(crate) claim: ClaimName,
    pub(crate) header: HeaderName,
}

/// A claim's value cannot be told in a header field without being read as something else.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the claim `{claim}` {problem}, so it cannot be forwarded")]
pub(crate) struct Unforwardable {
    pub(crate) claim: ClaimName,
    problem: &'static str,
}

/// Sets the fields of every claim that the token has, or none at all if one cannot be told. A claim that is absent,
/// null or an empty array sets none.
///
/// Strings go as they are, numbers and booleans as in JSON, arrays with their elements joined by `,`.
pub(crate) fn set(
    headers: &mut HeaderMap,
    forward: &[Forward],
    token: &Admitted,
) -> Result<(), Unforwardable> {
    let mut fields = Vec::with_capacity(forward.len());
    for Forward { claim, header } in forward {
        let told = match claim.at_top() {
            // What the guard has read already needs no second look at the payload.
            Some("sub") => single(&token.sub).map(Some),
            Some("client_id") => single(&token.client_id).map(Some),
            Some("sid") => token.sid.as_deref().map(single).transpose(),
            Some("roles") => join(token.roles.iter().map(|role| Ok(role.clone()))),
            _ => json(token.claim_named(claim)),
        };
        let told = told.map_err(|problem| Unforwardable { claim: claim.clone(), problem })?;
        fields.extend(told.map(|told| (header, told)));
    }
    for (header, told) in fields {
        headers.insert(header.clone(), told);
    }
    Ok(())
}

fn json(claim: Option<&Value>) -> Result<Option<HeaderValue>, &'static str> {
    match claim {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Array(elements)) => join(elements.iter().map(scalar)),
        Some(other) => scalar(other).and_then(|text| single(&text)).map(Some),
    }
}

fn scalar(claim: &Value) -> Result<String, &'static str> {
    match claim {
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) => Ok(number.to_string()),
        Value::Bool(truth) => Ok(truth.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => {
            Err("is neither text, number nor boolean, nor a flat array of these")
        }
    }
}

fn join(
    elements: impl Iterator<Item = Result<String, &'static str>>,
) -> Result<Option<HeaderValue>, &'static str> {
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

fn single(text: &str) -> Result<HeaderValue, &'static str> {
    plain(text).and_then(value)
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn claims_as_header_values() {
        let cases = [
            (json!(null), Ok(None)),
            (json!([]), Ok(None)),
            (json!(""), Ok(Some(""))),
            (json!("ann"), Ok(Some("ann"))),
            (json!("a b, c"), Ok(Some("a b, c"))),
            (json!("S\u{e4}ge"), Ok(Some("S\u{e4}ge"))),
            (json!(7), Ok(Some("7"))),
            (json!(-1.5), Ok(Some("-1.5"))),
            (json!(true), Ok(Some("true"))),
            (json!(["a", "b"]), Ok(Some("a,b"))),
            (json!(["a", 1, false]), Ok(Some("a,1,false"))),
            (json!("a\r\nx: y"), Err("holds a control character")),
            (json!("a\u{0}"), Err("holds a control character")),
            (json!("a\u{7f}"), Err("holds a control character")),
            (json!("a\u{85}b"), Err("holds a control character")),
            (json!(" a"), Err("begins or ends with white space")),
            (json!("a\u{2003}"), Err("begins or ends with white space")),
            (json!(["a", "b\nc"]), Err("holds a control character")),
            (json!(["a", " b"]), Err("begins or ends with white space")),
            (json!(["a,b"]), Err("has an element that is empty or holds a comma")),
            (json!(["a", ""]), Err("has an element that is empty or holds a comma")),
            (json!({}), Err("is neither text, number nor boolean, nor a flat array of these")),
            (json!([["a"]]), Err("is neither text, number nor boolean, nor a flat array of these")),
            (json!([null]), Err("is neither text, number nor boolean, nor a flat array of these")),
        ];
        for (claim, want) in cases {
            let told = json(Some(&claim));
            let want = want.map(|text| text.map(|text| HeaderValue::from_bytes(text.as_bytes()).unwrap()));
            assert_eq!(told, want, "{claim}");
        }
        assert_eq!(json(None), Ok(None));
    }
}

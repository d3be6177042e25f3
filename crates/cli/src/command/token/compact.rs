//! A signed token in JSON, brought into the compact form, which is the form of a JWT.

use std::borrow::Cow;

use gatepass_jose::{Limits, not_null, parse_strict_json_within};
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::complaint::Complaint;

/// The members of RFC 7515 section 7.2: `signatures` in the general form, the others in the flattened one.
#[derive(Deserialize)]
struct Document {
    payload: String,
    #[serde(default, deserialize_with = "not_null")]
    signatures: Option<Vec<Signature>>,
    #[serde(default, deserialize_with = "not_null")]
    protected: Option<String>,
    #[serde(default, deserialize_with = "not_null")]
    header: Option<IgnoredAny>,
    #[serde(default, deserialize_with = "not_null")]
    signature: Option<String>,
}

#[derive(Deserialize)]
struct Signature {
    #[serde(default, deserialize_with = "not_null")]
    protected: Option<String>,
    #[serde(default, deserialize_with = "not_null")]
    header: Option<IgnoredAny>,
    signature: String,
}

/// The token in the compact form: as it is, or put together from the one signature of a JSON serialization.
/// What is signed is the same text in either.
pub(super) fn compact(token: &str) -> Result<Cow<'_, str>, Complaint> {
    if !token.trim_start().starts_with('{') {
        return Ok(Cow::Borrowed(token));
    }
    let refused = |why: &str| Complaint::refused("the token in JSON is not looked at").at(why);
    let limits = Limits::DEFAULT;
    if token.len() > limits.token_bytes {
        return Err(refused("it is longer than any token that is taken"));
    }
    let Document { payload, signatures, protected, header, signature } =
        parse_strict_json_within(token.as_bytes(), &limits).map_err(|error| {
            refused(&error.to_string()).try_this("gatepass token inspect, which shows what it is")
        })?;
    let Signature { protected, header, signature } = match (signatures, signature) {
        (None, Some(signature)) => Signature { protected, header, signature },
        (Some(signatures), None) if protected.is_none() && header.is_none() => {
            let [only] = <[_; 1]>::try_from(signatures)
                .map_err(|_| refused("it does not have exactly one signature, as a JWT does"))?;
            only
        }
        _ => return Err(refused("it has no signature, or mixes the two forms of RFC 7515 section 7.2")),
    };
    if header.is_some() {
        return Err(refused(
            "it has an unprotected header, which anybody can change and a JWT does not have",
        ));
    }
    Ok(Cow::Owned(format!("{}.{payload}.{signature}", protected.unwrap_or_default())))
}

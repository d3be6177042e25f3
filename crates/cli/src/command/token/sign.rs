//! `gatepass token sign`: claims from a file and from options, signed.

use gatepass_jose::{SigningKey, Timestamp, Typ, jwt};
use serde_json::{Value, json};

use super::claims::ClaimSet;
use super::size::Verdict;
use crate::args::token::{ClaimOptions, Sign};
use crate::complaint::{Complaint, Outcome};
use crate::input::Input;
use crate::key_file::KeyFile;
use crate::{clock, print};

pub(crate) fn run(sign: &Sign) -> anyhow::Result<Outcome> {
    let claims = claims(sign.claims.as_ref(), &sign.claim, clock::now())?;
    let key = KeyFile::read(&sign.key)?.signing_key(sign.alg, sign.kid.as_deref())?;
    let token = signed(&sign.claim.typ, &claims, &key)?;
    warn(&claims, &token);
    if sign.json {
        let header = json!({ "alg": key.alg(), "typ": sign.claim.typ.name(), "kid": key.kid() });
        let claims = serde_json::to_value(&claims).unwrap_or(Value::Null);
        print::json(&json!({ "token": token, "header": header, "claims": claims }));
    } else {
        print::line(token);
    }
    Ok(Outcome::Good)
}

/// The claims of a file with those of the options, sound enough to be signed.
pub(super) fn claims(
    file: Option<&Input>,
    options: &ClaimOptions,
    now: Timestamp,
) -> Result<ClaimSet, Complaint> {
    let mut claims = match file {
        Some(input) => ClaimSet::parse(&input.read_text()?)?,
        None => ClaimSet::default(),
    };
    claims.apply(options, now)?;
    claims.require_sound(options.expires_in)?;
    Ok(claims)
}

pub(super) fn signed(typ: &Typ, claims: &ClaimSet, key: &SigningKey) -> Result<String, Complaint> {
    jwt::sign(typ, claims, key).map_err(|error| Complaint::refused("the claims cannot be signed").at(error))
}

/// Says what verifiers will not like about a token that can be made all the same.
fn warn(claims: &ClaimSet, token: &str) {
    for name in claims.missing() {
        anstream::eprintln!("note: the token has no `{name}`, and verifiers that ask for one refuse it");
    }
    let verdict = Verdict::of(token.len());
    if !verdict.is_good() {
        anstream::eprintln!("note: the token has {} bytes: {}", token.len(), verdict.sentence());
    }
}

//! jwt-compact 0.8 as its documentation uses it: `UntrustedToken`, then a validator of the one
//! algorithm, then expiration and maturity. It leaves `typ`, `iss` and `aud` to its caller.

use std::hint::black_box;

use anyhow::{Context as _, Result, ensure};
use chrono::DateTime;
use gatepass_bench_exam::{AccessClaims, Candidate, Exam, Make, Subject, Take};
use jwt_compact::alg::{Ed25519, Es256, Hs256, Rsa};
use jwt_compact::jwk::JsonWebKey;
use jwt_compact::prelude::{Claims, Header, TimeOptions, UntrustedToken};
use jwt_compact::{Algorithm, AlgorithmExt as _, Token};
use serde::{Deserialize, Serialize};

/// Those of the table that it has.
const ALGORITHMS: [&str; 5] = ["HS256", "RS256", "PS256", "ES256", "EdDSA"];

pub struct JwtCompact;

/// What the library does not keep in a struct of its own.
#[derive(Clone, Serialize, Deserialize)]
struct Rest {
    iss: String,
    sub: String,
    aud: String,
    jti: String,
    client_id: String,
    scope: String,
    sid: String,
    roles: Vec<String>,
}

impl Candidate for JwtCompact {
    fn verifier<'e>(exam: &'e Exam, subject: &'e Subject) -> Result<Option<Take<'e>>> {
        if !ALGORITHMS.contains(&subject.alg.as_str()) {
            return Ok(None);
        }
        let json = subject.key.public_jwk.to_string();
        let jwk: JsonWebKey<'_> = serde_json::from_str(&json)?;
        Ok(match subject.alg.as_str() {
            "HS256" => Some(take(exam, Hs256, (&jwk).try_into()?)),
            "RS256" => Some(take(exam, Rsa::rs256(), (&jwk).try_into()?)),
            "PS256" => Some(take(exam, Rsa::ps256(), (&jwk).try_into()?)),
            "ES256" => Some(take(exam, Es256, (&jwk).try_into()?)),
            "EdDSA" => Some(take(exam, Ed25519, (&jwk).try_into()?)),
            _ => None,
        })
    }

    fn signer<'e>(exam: &'e Exam, subject: &'e Subject) -> Result<Option<Make<'e>>> {
        if !ALGORITHMS.contains(&subject.alg.as_str()) {
            return Ok(None);
        }
        let json = subject.key.private_jwk.to_string();
        let jwk: JsonWebKey<'_> = serde_json::from_str(&json)?;
        Ok(match subject.alg.as_str() {
            "HS256" => Some(make(exam, subject, Hs256, (&jwk).try_into()?)?),
            "RS256" => Some(make(exam, subject, Rsa::rs256(), (&jwk).try_into()?)?),
            "PS256" => Some(make(exam, subject, Rsa::ps256(), (&jwk).try_into()?)?),
            "ES256" => Some(make(exam, subject, Es256, (&jwk).try_into()?)?),
            "EdDSA" => Some(make(exam, subject, Ed25519, (&jwk).try_into()?)?),
            _ => None,
        })
    }
}

fn take<'e, A: Algorithm + 'e>(exam: &'e Exam, alg: A, key: A::VerifyingKey) -> Take<'e>
where
    A::VerifyingKey: 'e,
{
    let time = TimeOptions::default();
    Box::new(move |token| {
        let token = UntrustedToken::new(token)?;
        ensure!(token.header().token_type.as_ref() == Some(&exam.typ), "another typ");
        let token: Token<Rest> = alg.validator(&key).validate(&token)?;
        let claims = token.claims();
        claims.validate_expiration(&time)?.validate_maturity(&time)?;
        ensure!(claims.custom.iss == exam.issuer, "another issuer");
        ensure!(claims.custom.aud == exam.audience, "another audience");
        black_box(claims);
        Ok(())
    })
}

fn make<'e, A: Algorithm + 'e>(
    exam: &'e Exam,
    subject: &'e Subject,
    alg: A,
    key: A::SigningKey,
) -> Result<Make<'e>>
where
    A::SigningKey: 'e,
{
    let header = Header::empty().with_token_type(&exam.typ).with_key_id(&exam.kid);
    let claims = subject.claims.iter().map(own).collect::<Result<Vec<_>>>()?;
    Ok(Box::new(move |number| Ok(alg.token(&header, claims.get(number).context("no such claims")?, &key)?)))
}

/// The claims in its own struct.
fn own(claims: &AccessClaims) -> Result<Claims<Rest>> {
    let AccessClaims { iss, sub, aud, exp, iat, nbf, jti, client_id, scope, sid, roles } = claims.clone();
    let mut own = Claims::new(Rest { iss, sub, aud, jti, client_id, scope, sid, roles });
    let date = |seconds| DateTime::from_timestamp(i64::try_from(seconds).ok()?, 0);
    (own.expiration, own.issued_at, own.not_before) = (date(exp), date(iat), date(nbf));
    Ok(own)
}

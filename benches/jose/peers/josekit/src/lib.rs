//! josekit 0.10 as its README uses it: signer and verifier are made once, `decode_with_verifier` gives
//! a `JwtPayload`, which a `JwtPayloadValidator` checks. `typ` is compared by hand, a missing `exp` or
//! `aud` is refused by the struct.

use std::hint::black_box;

use anyhow::{Context as _, Result, ensure};
use gatepass_bench_exam::{AccessClaims, Candidate, Exam, Make, Subject, Take};
use josekit::jwe::{self, JweDecrypter, JweEncrypter, JweHeader};
use josekit::jwk::Jwk;
use josekit::jws::{self, JwsHeader, JwsSigner, JwsVerifier};
use josekit::jwt::{self, JwtPayload, JwtPayloadValidator};
use serde_json::Value;

pub struct Josekit;

impl Candidate for Josekit {
    fn verifier<'e>(exam: &'e Exam, subject: &'e Subject) -> Result<Option<Take<'e>>> {
        let jwk = jwk(&subject.key.public_jwk)?;
        let verifier: Box<dyn JwsVerifier> = match subject.alg.as_str() {
            "HS256" => Box::new(jws::HS256.verifier_from_jwk(&jwk)?),
            "RS256" => Box::new(jws::RS256.verifier_from_jwk(&jwk)?),
            "PS256" => Box::new(jws::PS256.verifier_from_jwk(&jwk)?),
            "ES256" => Box::new(jws::ES256.verifier_from_jwk(&jwk)?),
            "EdDSA" => Box::new(jws::EdDSA.verifier_from_jwk(&jwk)?),
            _ => return Ok(None),
        };
        let mut validator = JwtPayloadValidator::new();
        validator.set_issuer(&exam.issuer);
        validator.set_audience(&exam.audience);
        Ok(Some(Box::new(move |token| {
            let (payload, header) = jwt::decode_with_verifier(token, &*verifier)?;
            ensure!(header.token_type() == Some(exam.typ.as_str()), "another typ");
            validator.validate(&payload)?;
            black_box(read(&payload)?);
            Ok(())
        })))
    }

    fn signer<'e>(exam: &'e Exam, subject: &'e Subject) -> Result<Option<Make<'e>>> {
        let jwk = jwk(&subject.key.private_jwk)?;
        let signer: Box<dyn JwsSigner> = match subject.alg.as_str() {
            "HS256" => Box::new(jws::HS256.signer_from_jwk(&jwk)?),
            "RS256" => Box::new(jws::RS256.signer_from_jwk(&jwk)?),
            "PS256" => Box::new(jws::PS256.signer_from_jwk(&jwk)?),
            "ES256" => Box::new(jws::ES256.signer_from_jwk(&jwk)?),
            "EdDSA" => Box::new(jws::EdDSA.signer_from_jwk(&jwk)?),
            _ => return Ok(None),
        };
        let mut header = JwsHeader::new();
        header.set_token_type(&exam.typ);
        header.set_key_id(&exam.kid);
        Ok(Some(Box::new(move |number| {
            // Not through `JwtPayload`, which would have to be filled first.
            let claims = serde_json::to_vec(subject.claims.get(number).context("no such claims")?)?;
            Ok(jws::serialize_compact(&claims, &header, &*signer)?)
        })))
    }

    fn decrypter<'e>(_: &'e Exam, subject: &'e Subject) -> Result<Option<Take<'e>>> {
        let jwk = jwk(&subject.key.private_jwk)?;
        let decrypter: Box<dyn JweDecrypter> = match subject.alg.as_str() {
            "dir+A256GCM" => Box::new(jwe::Dir.decrypter_from_jwk(&jwk)?),
            "RSA-OAEP-256+A256GCM" => Box::new(jwe::RSA_OAEP_256.decrypter_from_jwk(&jwk)?),
            "ECDH-ES+A128KW+A256GCM" => Box::new(jwe::ECDH_ES_A128KW.decrypter_from_jwk(&jwk)?),
            _ => return Ok(None),
        };
        Ok(Some(Box::new(move |token| {
            black_box(jwe::deserialize_compact(token, &*decrypter)?);
            Ok(())
        })))
    }

    fn encrypter<'e>(exam: &'e Exam, subject: &'e Subject) -> Result<Option<Make<'e>>> {
        let jwk = jwk(&subject.key.public_jwk)?;
        let encrypter: Box<dyn JweEncrypter> = match subject.alg.as_str() {
            "dir+A256GCM" => Box::new(jwe::Dir.encrypter_from_jwk(&jwk)?),
            "RSA-OAEP-256+A256GCM" => Box::new(jwe::RSA_OAEP_256.encrypter_from_jwk(&jwk)?),
            "ECDH-ES+A128KW+A256GCM" => Box::new(jwe::ECDH_ES_A128KW.encrypter_from_jwk(&jwk)?),
            _ => return Ok(None),
        };
        let mut header = JweHeader::new();
        header.set_content_encryption("A256GCM");
        header.set_key_id(&exam.kid);
        let payloads = subject.claims.iter().map(serde_json::to_vec).collect::<Result<Vec<_>, _>>()?;
        Ok(Some(Box::new(move |number| {
            let payload = payloads.get(number).context("no such claims")?;
            Ok(jwe::serialize_compact(payload, &header, &*encrypter)?)
        })))
    }
}

fn jwk(json: &Value) -> Result<Jwk> {
    Ok(Jwk::from_bytes(json.to_string())?)
}

fn read(payload: &JwtPayload) -> Result<AccessClaims> {
    let value = |name: &str| payload.claim(name).context("a claim is missing");
    let text = |name: &str| Ok::<_, anyhow::Error>(value(name)?.as_str().context("no string")?.to_owned());
    let number = |name: &str| value(name)?.as_u64().context("no number");
    let roles = value("roles")?.as_array().context("no array")?.iter();
    Ok(AccessClaims {
        iss: text("iss")?,
        sub: text("sub")?,
        aud: text("aud")?,
        exp: number("exp")?,
        iat: number("iat")?,
        nbf: number("nbf")?,
        jti: text("jti")?,
        client_id: text("client_id")?,
        scope: text("scope")?,
        sid: text("sid")?,
        roles: roles.map(|role| Ok(role.as_str().context("no string")?.to_owned())).collect::<Result<_>>()?,
    })
}

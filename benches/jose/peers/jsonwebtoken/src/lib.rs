//! jsonwebtoken 11 with its aws-lc-rs backend, as its README uses it: `decode` and `encode` with keys
//! and a `Validation` that were made before. `typ` is compared by hand.

use std::hint::black_box;

use anyhow::{Context as _, Result, ensure};
use gatepass_bench_exam::{AccessClaims, Candidate, Exam, Make, Subject, Take};
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode};

pub struct Jsonwebtoken;

impl Candidate for Jsonwebtoken {
    fn verifier<'e>(exam: &'e Exam, subject: &'e Subject) -> Result<Option<Take<'e>>> {
        let Ok(alg) = subject.alg.parse::<Algorithm>() else { return Ok(None) };
        let jwk: Jwk = serde_json::from_value(subject.key.public_jwk.clone())?;
        let key = DecodingKey::from_jwk(&jwk)?;
        let mut validation = Validation::new(alg);
        validation.set_issuer(&[&exam.issuer]);
        validation.set_audience(&[&exam.audience]);
        validation.set_required_spec_claims(&["exp", "iss", "aud"]);
        validation.validate_nbf = true;
        Ok(Some(Box::new(move |token| {
            let token = decode::<AccessClaims>(token, &key, &validation)?;
            ensure!(token.header.typ.as_ref() == Some(&exam.typ), "another typ");
            black_box(token.claims);
            Ok(())
        })))
    }

    fn signer<'e>(exam: &'e Exam, subject: &'e Subject) -> Result<Option<Make<'e>>> {
        let Ok(alg) = subject.alg.parse::<Algorithm>() else { return Ok(None) };
        let key = match alg {
            Algorithm::HS256 => EncodingKey::from_secret(subject.key.secret()?),
            Algorithm::RS256 | Algorithm::PS256 => EncodingKey::from_rsa_pem(subject.key.pem()?.as_bytes())?,
            Algorithm::ES256 => EncodingKey::from_ec_pem(subject.key.pem()?.as_bytes())?,
            _ => EncodingKey::from_ed_pem(subject.key.pem()?.as_bytes())?,
        };
        let mut header = Header::new(alg);
        header.typ = Some(exam.typ.clone());
        header.kid = Some(exam.kid.clone());
        Ok(Some(Box::new(move |number| {
            Ok(encode(&header, subject.claims.get(number).context("no such claims")?, &key)?)
        })))
    }
}

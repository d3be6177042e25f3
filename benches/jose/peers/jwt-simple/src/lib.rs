//! jwt-simple 0.15 as its README uses it: keys once, `verify_token` with `VerificationOptions`, which
//! it takes by value and which know `typ`. Its own struct holds the registered claims.

use std::hint::black_box;

use anyhow::{Context as _, Result};
use gatepass_bench_exam::{AccessClaims, Candidate, Exam, Make, PrivateClaims, Subject, Take};
use jwt_simple::prelude::*;

pub struct JwtSimple;

type Verified = Result<JWTClaims<PrivateClaims>, jwt_simple::Error>;

impl Candidate for JwtSimple {
    fn verifier<'e>(exam: &'e Exam, subject: &'e Subject) -> Result<Option<Take<'e>>> {
        let jwk = subject.key.public_jwk.to_string();
        Ok(match subject.alg.as_str() {
            "HS256" => {
                let key = secret(subject)?;
                Some(take(exam, move |token, options| key.verify_token(token, options)))
            }
            "RS256" => {
                let key = RS256PublicKey::from_jwk(&jwk)?;
                Some(take(exam, move |token, options| key.verify_token(token, options)))
            }
            "PS256" => {
                let key = PS256PublicKey::from_jwk(&jwk)?;
                Some(take(exam, move |token, options| key.verify_token(token, options)))
            }
            "ES256" => {
                let key = ES256PublicKey::from_jwk(&jwk)?;
                Some(take(exam, move |token, options| key.verify_token(token, options)))
            }
            "EdDSA" => {
                let key = Ed25519PublicKey::from_jwk(&jwk)?;
                Some(take(exam, move |token, options| key.verify_token(token, options)))
            }
            "ML-DSA-44" => {
                let key = MLDSA44PublicKey::from_jwk(&jwk)?;
                Some(take(exam, move |token, options| key.verify_token(token, options)))
            }
            _ => None,
        })
    }

    fn signer<'e>(exam: &'e Exam, subject: &'e Subject) -> Result<Option<Make<'e>>> {
        let jwk = subject.key.private_jwk.to_string();
        let header = HeaderOptions { signature_type: Some(exam.typ.clone()), ..HeaderOptions::default() };
        let claims = move |number| own(subject.claims.get(number).context("no such claims")?);
        Ok(match subject.alg.as_str() {
            "HS256" => {
                let key = secret(subject)?.with_key_id(&exam.kid);
                Some(Box::new(move |number| key.authenticate_with_options(claims(number)?, &header)))
            }
            "RS256" => {
                let key = RS256KeyPair::from_jwk(&jwk)?;
                Some(Box::new(move |number| key.sign_with_options(claims(number)?, &header)))
            }
            "PS256" => {
                let key = PS256KeyPair::from_jwk(&jwk)?;
                Some(Box::new(move |number| key.sign_with_options(claims(number)?, &header)))
            }
            "ES256" => {
                let key = ES256KeyPair::from_jwk(&jwk)?;
                Some(Box::new(move |number| key.sign_with_options(claims(number)?, &header)))
            }
            "EdDSA" => {
                let key = Ed25519KeyPair::from_jwk(&jwk)?;
                Some(Box::new(move |number| key.sign_with_options(claims(number)?, &header)))
            }
            "ML-DSA-44" => {
                let key = MLDSA44KeyPair::from_jwk(&jwk)?;
                Some(Box::new(move |number| key.sign_with_options(claims(number)?, &header)))
            }
            _ => None,
        })
    }
}

fn take<'e>(exam: &'e Exam, verify: impl Fn(&str, Option<VerificationOptions>) -> Verified + 'e) -> Take<'e> {
    let options = VerificationOptions {
        allowed_issuers: Some(HashSet::from([exam.issuer.clone()])),
        allowed_audiences: Some(HashSet::from([exam.audience.clone()])),
        required_signature_type: Some(exam.typ.clone()),
        time_tolerance: Some(Duration::from_secs(60)),
        ..VerificationOptions::default()
    };
    Box::new(move |token| {
        black_box(verify(token, Some(options.clone()))?);
        Ok(())
    })
}

fn secret(subject: &Subject) -> Result<HS256Key> {
    Ok(HS256Key::from_bytes(subject.key.secret()?))
}

/// The claims in its own struct.
fn own(claims: &AccessClaims) -> Result<JWTClaims<PrivateClaims>> {
    let mut own = Claims::with_custom_claims(claims.private(), Duration::from_secs(1));
    own.issuer = Some(claims.iss.clone());
    own.subject = Some(claims.sub.clone());
    own.audiences = Some(Audiences::AsString(claims.aud.clone()));
    own.expires_at = Some(UnixTimeStamp::from_secs(claims.exp));
    own.issued_at = Some(UnixTimeStamp::from_secs(claims.iat));
    own.invalid_before = Some(UnixTimeStamp::from_secs(claims.nbf));
    own.jwt_id = Some(claims.jti.clone());
    Ok(own)
}

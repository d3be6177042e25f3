//! biscuit 0.8 as its documentation uses it: `into_decoded` with the one algorithm, then `validate`
//! with options, which it takes by value. `typ` is compared by hand.

use std::hint::black_box;
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use biscuit::jwa::SignatureAlgorithm;
use biscuit::jwk::{AlgorithmParameters, JWK};
use biscuit::jws::{Header, RegisteredHeader, Secret};
use biscuit::{
    ClaimPresenceOptions, ClaimsSet, Empty, JWT, Presence, RegisteredClaims, SingleOrMultiple,
    TemporalOptions, Validation, ValidationOptions,
};
use gatepass_bench_exam::{AccessClaims, Candidate, Exam, Make, PrivateClaims, Subject, Take};

pub struct Biscuit;

impl Candidate for Biscuit {
    fn verifier<'e>(exam: &'e Exam, subject: &'e Subject) -> Result<Option<Take<'e>>> {
        let Some(alg) = algorithm(subject) else { return Ok(None) };
        let jwk: JWK<Empty> = serde_json::from_value(subject.key.public_jwk.clone())?;
        let key = match jwk.algorithm {
            AlgorithmParameters::OctetKey(key) => Secret::Bytes(key.value),
            AlgorithmParameters::RSA(key) => key.jws_public_key_secret(),
            AlgorithmParameters::EllipticCurve(key) => key.jws_public_key_secret(),
            AlgorithmParameters::OctetKeyPair(_) => return Ok(None),
        };
        let options = options(exam);
        Ok(Some(Box::new(move |token| {
            let token = JWT::<PrivateClaims, Empty>::new_encoded(token).into_decoded(&key, alg)?;
            let typ = token.header()?.registered.media_type.as_ref();
            ensure!(typ == Some(&exam.typ), "another typ");
            token.payload()?.registered.validate(options.clone())?;
            black_box(token);
            Ok(())
        })))
    }

    fn signer<'e>(exam: &'e Exam, subject: &'e Subject) -> Result<Option<Make<'e>>> {
        let Some(alg) = algorithm(subject) else { return Ok(None) };
        let key = signing_key(subject, alg)?;
        let header = Header::from_registered_header(RegisteredHeader {
            algorithm: alg,
            media_type: Some(exam.typ.clone()),
            key_id: Some(exam.kid.clone()),
            ..RegisteredHeader::default()
        });
        Ok(Some(Box::new(move |number| {
            let claims = own(subject.claims.get(number).context("no such claims")?)?;
            let token = JWT::new_decoded(header.clone(), claims).into_encoded(&key)?;
            Ok(token.unwrap_encoded().to_string())
        })))
    }
}

fn algorithm(subject: &Subject) -> Option<SignatureAlgorithm> {
    match subject.alg.as_str() {
        "HS256" => Some(SignatureAlgorithm::HS256),
        "RS256" => Some(SignatureAlgorithm::RS256),
        "PS256" => Some(SignatureAlgorithm::PS256),
        "ES256" => Some(SignatureAlgorithm::ES256),
        _ => None,
    }
}

fn signing_key(subject: &Subject, alg: SignatureAlgorithm) -> Result<Secret> {
    let document = |pem: &str| {
        let body: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
        data_encoding::BASE64.decode(body.as_bytes())
    };
    Ok(match alg {
        SignatureAlgorithm::HS256 => Secret::Bytes(subject.key.secret()?.to_vec()),
        SignatureAlgorithm::ES256 => {
            let signing = &ring::signature::ECDSA_P256_SHA256_FIXED_SIGNING;
            let random = ring::rand::SystemRandom::new();
            let pkcs8 = document(subject.key.pem()?)?;
            let pair = ring::signature::EcdsaKeyPair::from_pkcs8(signing, &pkcs8, &random);
            Secret::EcdsaKeyPair(Arc::new(pair.ok().context("ring refuses the key")?))
        }
        _ => {
            let pair = ring::signature::RsaKeyPair::from_pkcs8(&document(subject.key.pem()?)?);
            Secret::RsaKeyPair(Arc::new(pair.ok().context("ring refuses the key")?))
        }
    })
}

fn options(exam: &Exam) -> ValidationOptions {
    ValidationOptions {
        claim_presence_options: ClaimPresenceOptions {
            expiry: Presence::Required,
            issuer: Presence::Required,
            audience: Presence::Required,
            ..ClaimPresenceOptions::default()
        },
        temporal_options: TemporalOptions { epsilon: chrono::Duration::seconds(60), now: None },
        issued_at: Validation::Ignored,
        issuer: Validation::Validate(exam.issuer.clone()),
        audience: Validation::Validate(exam.audience.clone()),
        ..ValidationOptions::default()
    }
}

/// The claims in its own struct.
fn own(claims: &AccessClaims) -> Result<ClaimsSet<PrivateClaims>> {
    let date = |seconds: u64| anyhow::Ok(Some(i64::try_from(seconds)?.into()));
    Ok(ClaimsSet {
        registered: RegisteredClaims {
            issuer: Some(claims.iss.clone()),
            subject: Some(claims.sub.clone()),
            audience: Some(SingleOrMultiple::Single(claims.aud.clone())),
            expiry: date(claims.exp)?,
            not_before: date(claims.nbf)?,
            issued_at: date(claims.iat)?,
            id: Some(claims.jti.clone()),
        },
        private: claims.private(),
    })
}

//! jose4rs 0.6 as its examples use it: `JsonWebSignature` with the one algorithm permitted, then
//! `JwtConsumer` for the claims, both made of what was parsed before. `typ` is compared by hand.

use std::hint::black_box;
use std::str::from_utf8;
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result, bail, ensure};
use gatepass_bench_exam::{AccessClaims, Candidate, Exam, Make, Subject, Take};
use jose4rs::jwa::{AlgorithmConstraints, ConstraintType};
use jose4rs::jwe::{ContentEncryptionAlgorithm, JsonWebEncryption, KeyManagementAlgorithm};
use jose4rs::jwk::JsonWebKey;
use jose4rs::jws::{AlgorithmIdentifier, JsonWebSignature};
use jose4rs::jwt::{JwtClaims, JwtConsumer, JwtConsumerBuilder};
use jose4rs::jwx::JsonWebStructure as _;

/// The argument that asks for [`IntoStruct`].
pub const STRUCT: &str = "struct";

/// Claims stay in the library's own `JwtClaims`, a tree of the JSON: its fastest way.
pub struct Jose4rs;

/// Claims are read out into a struct, as everybody else's are.
pub struct IntoStruct;

impl Candidate for Jose4rs {
    fn verifier<'e>(exam: &'e Exam, subject: &'e Subject) -> Result<Option<Take<'e>>> {
        verifier(exam, subject, |claims| {
            black_box(claims);
            Ok(())
        })
    }

    fn signer<'e>(exam: &'e Exam, subject: &'e Subject) -> Result<Option<Make<'e>>> {
        signer(exam, subject)
    }

    fn decrypter<'e>(_: &'e Exam, subject: &'e Subject) -> Result<Option<Take<'e>>> {
        let key = JsonWebKey::from_json(subject.key.private_jwk.to_string())?;
        Ok(Some(Box::new(move |token| {
            let mut jwe = JsonWebEncryption::from_compact_serialization(token)?;
            black_box(jwe.payload(&key)?);
            Ok(())
        })))
    }

    fn encrypter<'e>(exam: &'e Exam, subject: &'e Subject) -> Result<Option<Make<'e>>> {
        let (alg, enc) = subject.alg.rsplit_once('+').context("no enc")?;
        let (alg, enc): (KeyManagementAlgorithm, ContentEncryptionAlgorithm) = (alg.parse()?, enc.parse()?);
        let key = JsonWebKey::from_json(subject.key.public_jwk.to_string())?;
        let payloads = subject.claims.iter().map(serde_json::to_string).collect::<Result<Vec<_>, _>>()?;
        Ok(Some(Box::new(move |number| {
            let mut jwe = JsonWebEncryption::new();
            jwe.set_payload(payloads.get(number).context("no such claims")?);
            jwe.set_algorithm(alg);
            jwe.set_encryption_method(enc);
            jwe.set_key_id_header_value(&exam.kid);
            jwe.encrypt(&key)?;
            Ok(jwe.compact_serialization()?)
        })))
    }
}

impl Candidate for IntoStruct {
    fn verifier<'e>(exam: &'e Exam, subject: &'e Subject) -> Result<Option<Take<'e>>> {
        verifier(exam, subject, |claims| {
            black_box(read(claims)?);
            Ok(())
        })
    }

    /// As the other does.
    fn signer<'e>(_: &'e Exam, _: &'e Subject) -> Result<Option<Make<'e>>> {
        Ok(None)
    }
}

fn verifier<'e>(
    exam: &'e Exam,
    subject: &'e Subject,
    finish: fn(&JwtClaims) -> Result<()>,
) -> Result<Option<Take<'e>>> {
    let key = JsonWebKey::from_json(subject.key.public_jwk.to_string())?;
    let alg: AlgorithmIdentifier = subject.alg.parse()?;
    let permitted = AlgorithmConstraints::new(ConstraintType::Permit, [alg]);
    let consumer = consumer(exam);
    Ok(Some(Box::new(move |token| {
        let mut jws = JsonWebSignature::new();
        jws.set_algorithm_constraints(&permitted);
        jws.set_compact_serialization(token)?;
        let payload = from_utf8(jws.payload(&key)?)?; // verifies first
        ensure!(jws.header_name("typ") == Some(exam.typ.as_str()), "another typ");
        let claims = consumer.process_to_claims(payload)?;
        finish(&claims)
    })))
}

fn consumer(exam: &Exam) -> JwtConsumer<'_> {
    JwtConsumerBuilder::new()
        .set_expected_issuer(&exam.issuer)
        .set_expected_audience(true, false, &[&exam.audience])
        .set_require_expiration_time()
        .set_allowed_clock_skew(Duration::from_secs(60))
        .build()
}

fn read(claims: &JwtClaims) -> Result<AccessClaims> {
    let text = |name: &str| claims.string_claim(name).map(str::to_owned).context("a claim is missing");
    let seconds = |time: Option<SystemTime>| {
        let since = time.context("a date is missing")?.duration_since(SystemTime::UNIX_EPOCH)?;
        anyhow::Ok(since.as_secs())
    };
    Ok(AccessClaims {
        iss: text("iss")?,
        sub: text("sub")?,
        aud: text("aud")?,
        exp: seconds(claims.expiration_time())?,
        iat: seconds(claims.issued_at())?,
        nbf: seconds(claims.not_before())?,
        jti: text("jti")?,
        client_id: text("client_id")?,
        scope: text("scope")?,
        sid: text("sid")?,
        roles: claims.string_array_claim("roles").context("no roles")?,
    })
}

/// The claims are written by `serde_json`, which is faster than filling a `JwtClaims` first.
fn signer<'e>(exam: &'e Exam, subject: &'e Subject) -> Result<Option<Make<'e>>> {
    let key = JsonWebKey::from_json(subject.key.private_jwk.to_string())?;
    let alg: AlgorithmIdentifier = subject.alg.parse()?;
    Ok(Some(Box::new(move |number| {
        let Some(claims) = subject.claims.get(number) else { bail!("no such claims") };
        let mut jws = JsonWebSignature::new();
        jws.set_payload(serde_json::to_vec(claims)?);
        jws.set_algorithm(alg);
        jws.set_header_name("typ", &exam.typ);
        jws.set_key_id_header_value(&exam.kid);
        Ok(jws.compact_serialization(&key)?)
    })))
}

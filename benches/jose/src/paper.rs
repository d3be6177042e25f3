//! Writes the exam: our keys, tokens and claims in the forms that others read.

use anyhow::{Context as _, Result, ensure};
use gatepass_bench::sample::{AUDIENCE, ISSUER, KID, Sample};
use gatepass_bench_exam::{Bad, Exam, Key, Subject};
use gatepass_bench_jose::{Envelope, Ours};
use gatepass_jose::{Typ, base64url};
use gatepass_token::AccessClaims;
use serde_json::Value;

/// What every verifier must refuse, or it has left out a check that the table is about.
pub(crate) const MUST_REFUSE: [&str; 6] =
    ["expired", "not yet valid", "another issuer", "another audience", "another typ", "another signature"];

/// One line of JSON with everything that there is to do.
pub(crate) fn exam(ours: &Ours) -> Result<String> {
    let exam = Exam {
        issuer: ISSUER.to_owned(),
        audience: AUDIENCE.to_owned(),
        typ: Typ::ACCESS_TOKEN.name().to_owned(),
        kid: KID.to_owned(),
        signatures: ours.signatures.iter().map(signature).collect::<Result<_>>()?,
        encryptions: ours.envelopes.iter().map(encryption).collect::<Result<_>>()?,
    };
    Ok(serde_json::to_string(&exam)?)
}

fn signature(sample: &Sample) -> Result<Subject> {
    let claims = sample.claims.iter().map(serde_json::to_value).collect::<Result<Vec<_>, _>>()?;
    Ok(Subject {
        alg: sample.alg.name().to_owned(),
        key: key(sample)?,
        claims: claims.into_iter().map(serde_json::from_value).collect::<Result<_, _>>()?,
        tokens: sample.tokens.clone(),
        bad: bad(sample)?,
    })
}

fn key(sample: &Sample) -> Result<Key> {
    let private_jwk: Value = serde_json::from_str(&sample.signer.to_jwk()?.to_json())?;
    let public_jwk = match sample.signer.public_jwk() {
        Some(jwk) => serde_json::to_value(jwk)?,
        None => private_jwk.clone(),
    };
    let bytes = sample.signer.to_private_bytes()?;
    let (private_pem, secret) = match sample.alg.is_symmetric() {
        true => (None, Some(bytes.to_vec())),
        false => (Some(pem("PRIVATE KEY", &bytes)), None),
    };
    Ok(Key { private_jwk, public_jwk, private_pem, secret })
}

fn encryption(envelope: &Envelope) -> Result<Subject> {
    let claims = envelope.payloads.iter().map(|json| serde_json::from_str(json));
    Ok(Subject {
        alg: envelope.alg.clone(),
        key: Key {
            private_jwk: envelope.private_jwk.clone(),
            public_jwk: envelope.public_jwk.clone(),
            private_pem: None,
            secret: None,
        },
        claims: claims.collect::<Result<_, _>>()?,
        tokens: envelope.messages.clone(),
        bad: Vec::new(),
    })
}

/// RFC 7468.
fn pem(label: &str, der: &[u8]) -> String {
    let body = data_encoding::BASE64.encode(der);
    let lines: Vec<_> = body.as_bytes().chunks(64).map(String::from_utf8_lossy).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

/// Tokens that differ from a good one in one thing each.
fn bad(sample: &Sample) -> Result<Vec<Bad>> {
    let good = sample.tokens.first().context("no tokens")?;
    let header = format!(r#"{{"alg":"{}","typ":"at+jwt","kid":"{KID}"}}"#, sample.alg);
    let payload = serde_json::to_string(sample.claims.first().context("no claims")?)?;
    let hour = |ago: i64| sample.now.as_secs() - ago * 3600;
    let with = |name: &str, value: Value| -> Result<String> {
        let mut claims: Value = serde_json::from_str(&payload)?;
        *claims.get_mut(name).context("no such claim")? = value;
        sample.forge(&header, &claims.to_string())
    };
    let without_exp = || -> Result<String> {
        let mut claims: Value = serde_json::from_str(&payload)?;
        claims.as_object_mut().and_then(|claims| claims.remove("exp")).context("no exp")?;
        sample.forge(&header, &claims.to_string())
    };
    let header_with = |more: &str| header.replacen('{', &format!("{{{more},"), 1);
    let payload_twice = payload.replacen('{', r#"{"sub":"somebody-else","#, 1);
    let inner_twice = payload.replacen('{', r#"{"act":{"sub":"one","sub":"other"},"#, 1);
    let [none, typ] =
        [(sample.alg.name(), "none"), ("at+jwt", "id+jwt")].map(|(is, other)| header.replacen(is, other, 1));
    let bad = [
        ("expired", with("exp", hour(1).into())?),
        ("not yet valid", with("nbf", hour(-1).into())?),
        ("another issuer", with("iss", "https://evil.example.com".into())?),
        ("another audience", with("aud", "https://other.example.com".into())?),
        ("another typ", sample.forge(&typ, &payload)?),
        ("another signature", with_last(good, |value| value ^ 0b10_0000)?),
        ("alg none", format!("{}.", without_signature(&sample.forge(&none, &payload)?)?)),
        ("no exp", without_exp()?),
        ("unknown crit", sample.forge(&header_with(r#""crit":["x"],"x":1"#), &payload)?),
        ("header member twice", sample.forge(&header_with(r#""typ":"at+jwt""#), &payload)?),
        ("claim twice", sample.forge(&header, &payload_twice)?),
        ("member twice further in", sample.forge(&header, &inner_twice)?),
        ("stray bits", with_last(good, |value| value ^ 1)?),
    ];
    for (name, token) in &bad {
        let refused = sample.verifier.verify::<AccessClaims>(token, sample.now).is_err();
        ensure!(refused, "{}: we take a token that is wrong: {name}", sample.alg);
    }
    Ok(bad.into_iter().map(|(name, token)| Bad { name: name.to_owned(), token }).collect())
}

fn without_signature(token: &str) -> Result<&str> {
    Ok(token.rsplit_once('.').context("a token without dots")?.0)
}

/// Another last character. Its lowest bits belong to no byte of a signature of any of the algorithms.
fn with_last(token: &str, change: impl Fn(usize) -> usize) -> Result<String> {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let (rest, last) = token.split_at(token.len() - 1);
    let value = ALPHABET.iter().position(|letter| last.as_bytes() == [*letter]).context("not base64url")?;
    let letter = ALPHABET.get(change(value) % 64).context("a value of six bits")?;
    let changed = format!("{rest}{}", char::from(*letter));
    let signature = changed.rsplit_once('.').context("a token without dots")?.1;
    let stray = change(value) & 1 != value & 1;
    ensure!(base64url::decode(signature).is_err() == stray, "the last character has no room");
    Ok(changed)
}

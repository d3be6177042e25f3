//! `gatepass jwk generate`: a new key.

use std::fs;

use gatepass_jose::jwe::{DecryptionKey, KeyManagement};
use gatepass_jose::{Alg, Curve, Jwk, JwkAlg, PrivateJwk, RsaSize, SigningKey};
use serde_json::{Value, json};

use super::new_file::{self, Readers};
use crate::args::jwk::Generate;
use crate::complaint::{Complaint, Outcome};
use crate::json_text::laid_out;
use crate::print;

pub(crate) fn run(generate: &Generate) -> anyhow::Result<Outcome> {
    let jwk = make(generate)?;
    let public = jwk.public();
    write_files(generate, &jwk, public.as_ref())?;
    if generate.json {
        let private = serde_json::from_str::<Value>(&jwk.to_json())?;
        print::json(&json!({
            "kid": jwk.kid,
            "alg": jwk.alg,
            "thumbprint": jwk.thumbprint(),
            "out": generate.out,
            "public_out": generate.public_out,
            "private": generate.out.is_none().then_some(private),
            "public": public,
        }));
    } else if let Some(path) = &generate.out {
        let kid = jwk.kid.as_deref().unwrap_or_default();
        anstream::eprintln!("the private key \"{kid}\" is in {}, which only you can read", path.display());
    } else {
        print::line(laid_out(&jwk.to_json()));
    }
    Ok(Outcome::Good)
}

/// Writes both files or none: a public key without its private half verifies nothing that anybody can sign.
fn write_files(generate: &Generate, jwk: &PrivateJwk, public: Option<&Jwk>) -> Result<(), Complaint> {
    if generate.public_out.is_some() && public.is_none() {
        return Err(Complaint::unusable(format!("a key for {} has no public half", generate.alg))
            .at("it is a secret, which both sides share")
            .try_this("--out FILE alone"));
    }
    if let Some(path) = &generate.out {
        let mut text = jwk.to_json();
        text.push('\n');
        new_file::write(path, text.as_bytes(), Readers::Owner)?;
    }
    if let (Some(path), Some(public)) = (&generate.public_out, public) {
        let text = serde_json::to_string(public).unwrap_or_default() + "\n"; // strings are all there is in a key
        let written = new_file::write(path, text.as_bytes(), Readers::Everybody);
        if let (Err(_), Some(private)) = (&written, &generate.out) {
            let _ = fs::remove_file(private); // it was made a moment ago, and nobody knows it
        }
        written?;
    }
    Ok(())
}

fn make(generate: &Generate) -> Result<PrivateJwk, Complaint> {
    let kid = generate.kid.as_deref();
    let cannot = || Complaint::unusable(format!("cannot make a key for {}", generate.alg));
    let size =
        generate.bits.map(|bits| RsaSize::from_bits(bits).ok_or(bits)).transpose().map_err(|bits| {
            cannot()
                .at(format!("RSA keys have 2048, 3072 or 4096 bits here, not {bits}"))
                .try_this("--bits 3072")
        })?;
    match generate.alg {
        JwkAlg::KeyManagement(KeyManagement::Dir) => {
            Err(cannot().at("its key is that of the content encryption").try_this("--alg A256GCM"))
        }
        JwkAlg::KeyManagement(alg) if alg.name().starts_with("PBES2") => Err(cannot()
            .at("it takes a password, which is chosen and not made")
            .try_this("--password-file of gatepass token encrypt")),
        JwkAlg::Signature(alg) => {
            if generate.curve.is_some() {
                return Err(cannot().at("its curve, if it has one, is part of its name"));
            }
            signature_key(alg, kid, size).map_err(|error| cannot().at(error))
        }
        JwkAlg::KeyManagement(alg) => {
            let key = match size {
                Some(size) => DecryptionKey::generate_rsa(alg, kid, size),
                None => DecryptionKey::generate(alg, curve(alg, generate.curve), kid),
            };
            key.and_then(|key| key.to_jwk()).map_err(|error| cannot().at(error))
        }
        JwkAlg::Content(enc) => {
            if size.is_some() || generate.curve.is_some() {
                return Err(cannot().at("its size is part of its name"));
            }
            DecryptionKey::generate_direct(enc, kid)
                .and_then(|key| key.to_jwk())
                .map_err(|error| cannot().at(error))
        }
    }
}

fn signature_key(
    alg: Alg,
    kid: Option<&str>,
    size: Option<RsaSize>,
) -> Result<PrivateJwk, gatepass_jose::KeyError> {
    match size {
        Some(size) => SigningKey::generate_rsa(alg, kid, size)?.to_jwk(),
        None => SigningKey::generate(alg, kid)?.to_jwk(),
    }
}

/// The curve of a key agreement where none is named: the one that every implementation has.
fn curve(alg: KeyManagement, named: Option<Curve>) -> Option<Curve> {
    named.or_else(|| alg.name().starts_with("ECDH-ES").then_some(Curve::P256))
}

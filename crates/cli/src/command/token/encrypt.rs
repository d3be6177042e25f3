//! `gatepass token encrypt`: a text, or signed claims, for who holds a key.

use gatepass_jose::jwe::{DecryptionKey, Encrypter, EncryptionKey, JweKeyError, sign_then_encrypt};
use gatepass_jose::{ContentEncryption, JwkAlg, KeyManagement, SecretKey};
use serde_json::json;
use zeroize::Zeroizing;

use super::anatomy::Anatomy;
use super::sign;
use crate::args::token::{ClaimOptions, Encrypt, EncryptionKeyInput};
use crate::complaint::{Complaint, Outcome};
use crate::data::read_password;
use crate::key_file::{Key, KeyFile};
use crate::{clock, print};

pub(crate) fn run(encrypt: &Encrypt) -> anyhow::Result<Outcome> {
    let (key, own_enc) = encryption_key(&encrypt.key, encrypt.enc)?;
    let enc = encrypt.enc.or(own_enc).unwrap_or(ContentEncryption::A256GCM);
    let token = match (&encrypt.sign_key, &encrypt.plaintext) {
        (Some(file), _) => {
            let claims = sign::claims(encrypt.plaintext.as_ref(), &encrypt.claim, clock::now())?;
            let signing_key = KeyFile::read(file)?.signing_key(encrypt.sign_alg, None)?;
            sign_then_encrypt(&encrypt.claim.typ, &claims, &signing_key, enc, &key)
                .map_err(|error| Complaint::refused("the claims cannot be signed and encrypted").at(error))?
        }
        (None, Some(input)) => {
            require_no_claims(&encrypt.claim)?;
            let plaintext = input.read()?;
            let encrypter = Encrypter::new(enc);
            let encrypter = match &encrypt.cty {
                Some(cty) => encrypter.with_cty(cty),
                None => encrypter,
            };
            encrypter
                .encrypt(&plaintext, &key)
                .map_err(|error| Complaint::refused("the text cannot be encrypted").at(error))?
        }
        (None, None) => return Err(Complaint::unusable("there is nothing to encrypt").into()),
    };
    if encrypt.json {
        print::json(&json!({ "token": token, "header": Anatomy::of(&token).header() }));
    } else {
        print::line(token);
    }
    Ok(Outcome::Good)
}

/// Options for claims mean nothing where a text is encrypted as it is: somebody expects them inside.
fn require_no_claims(options: &ClaimOptions) -> Result<(), Complaint> {
    let ClaimOptions { typ: _, iss, aud, sub, expires_in, others } = options;
    if iss.is_none() && aud.is_empty() && sub.is_none() && expires_in.is_none() && others.is_empty() {
        return Ok(());
    }
    Err(Complaint::unusable("claims are given as options, and nothing is signed")
        .try_this("--sign-key FILE, or the claims in the text"))
}

/// The key, and the content encryption that it is for where it is for one.
fn encryption_key(
    input: &EncryptionKeyInput,
    enc: Option<ContentEncryption>,
) -> Result<(EncryptionKey, Option<ContentEncryption>), Complaint> {
    let kid = input.kid.as_deref();
    if let (Some(file), Some(alg)) = (&input.password_file, input.alg) {
        let key = EncryptionKey::from_password(alg, kid.unwrap_or_default(), &password(file)?);
        return key.map(|key| (key, None)).map_err(|error| refused("the password", &error, Some(alg)));
    }
    let Some(file) = &input.key else {
        return Err(Complaint::unusable("no key was named").try_this("--key FILE"));
    };
    let file = KeyFile::read(file)?;
    let name = file.name.clone();
    let key = file.chosen(kid)?;
    let own_enc = match key.alg() {
        Some(JwkAlg::Content(enc)) => Some(enc),
        _ => None,
    };
    let key = match key {
        Key::Public(mut jwk) => {
            jwk.kid = jwk.kid.or_else(|| input.kid.clone());
            EncryptionKey::from_jwk(&jwk, input.alg)
        }
        Key::Private(mut jwk) => {
            jwk.kid = jwk.kid.or_else(|| input.kid.clone());
            match jwk.public() {
                Some(public) => EncryptionKey::from_jwk(&public, input.alg),
                None => shared_key(&jwk, input.alg, enc).and_then(|key| key.encryption_key()),
            }
        }
    };
    key.map(|key| (key, own_enc)).map_err(|error| refused(&name, &error, input.alg))
}

/// A secret as a key: for `dir`, the content encryption is part of what it is.
pub(super) fn shared_key(
    jwk: &gatepass_jose::PrivateJwk,
    alg: Option<KeyManagement>,
    enc: Option<ContentEncryption>,
) -> Result<DecryptionKey, JweKeyError> {
    match (alg, jwk.alg, jwk.secret(), enc) {
        (Some(KeyManagement::Dir), None, Some(secret), Some(enc)) => {
            DecryptionKey::direct(enc, jwk.kid.as_deref().unwrap_or_default(), secret)
        }
        _ => DecryptionKey::from_jwk(jwk, alg),
    }
}

pub(super) fn password(file: &std::path::Path) -> Result<SecretKey, Complaint> {
    let text: Zeroizing<String> = read_password(file)
        .map_err(|error| Complaint::unusable("there is no password").at(format!("{error:#}")))?;
    Ok(SecretKey::new(text.as_bytes()))
}

pub(super) fn refused(name: &str, error: &JweKeyError, alg: Option<KeyManagement>) -> Complaint {
    let complaint = Complaint::refused(format!("{name} cannot be used as a key of a JWE")).at(error);
    match (error, alg) {
        (JweKeyError::AmbiguousAlg, Some(KeyManagement::Dir)) => {
            complaint.try_this("--enc A256GCM, or what the other side uses")
        }
        (JweKeyError::AmbiguousAlg, _) => complaint.try_this(
            "--alg RSA-OAEP-256 for an RSA key, ECDH-ES+A256KW for EC and X25519, A256KW or dir for a secret",
        ),
        _ => complaint.try_this("gatepass jwk generate --alg ECDH-ES+A256KW --out new.jwk"),
    }
}

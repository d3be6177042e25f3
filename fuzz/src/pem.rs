//! DER documents and PEM around them: what is accepted is written back as the same key.

use gatepass_jose::{Jwk, PrivateJwk, base64url};

use crate::bounds::bounded;
use crate::jwk;

/// The labels that are known.
const LABELS: [&str; 5] =
    ["PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY", "PUBLIC KEY", "RSA PUBLIC KEY"];

/// Takes `data` for PEM where it has a line that begins a block, else for a DER document of every kind.
pub fn check(data: &[u8]) -> bool {
    match std::str::from_utf8(data) {
        Ok(text) if text.contains("-----BEGIN") => check_text(text),
        _ => check_documents(data),
    }
}

fn check_text(text: &str) -> bool {
    let public = bounded(text.len(), || Jwk::from_pem(text)).ok();
    let private = bounded(text.len(), || PrivateJwk::from_pem(text)).ok();
    assert!(public.is_none() || private.is_none(), "a key is public or private");
    public.iter().for_each(check_public);
    private.iter().for_each(check_private);
    public.is_some() || private.is_some()
}

fn check_documents(document: &[u8]) -> bool {
    let len = document.len();
    let public = bounded(len, || Jwk::from_spki_der(document)).ok();
    let private = bounded(len, || PrivateJwk::from_pkcs8_der(document)).ok();
    public.iter().for_each(check_public);
    private.iter().for_each(check_private);
    let mut accepted = public.is_some() || private.is_some();
    for label in LABELS {
        accepted |=
            check_text(&format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", base64(document)));
    }
    accepted
}

fn check_public(key: &Jwk) {
    jwk::check_public(key);
    let document = key.to_spki_der().expect("a sound key can be written");
    assert_eq!(Jwk::from_spki_der(&document).as_ref(), Ok(key));
    let text = key.to_spki_pem().expect("a sound key can be written");
    assert_eq!(Jwk::from_pem(&text).as_ref(), Ok(key));
}

fn check_private(key: &PrivateJwk) {
    jwk::check_private(key);
    let document = key.to_pkcs8_der().expect("a key pair can be written");
    let text = key.to_pkcs8_pem().expect("a key pair can be written");
    let of_document = PrivateJwk::from_pkcs8_der(&document).expect("what was written is read");
    let of_text = PrivateJwk::from_pem(&text).expect("what was written is read");
    assert_eq!(of_document.to_json(), key.to_json());
    assert_eq!(of_text.to_json(), key.to_json());
}

/// With the standard alphabet and padding, in one line.
fn base64(bytes: &[u8]) -> String {
    let text = base64url::encode(bytes).replace('-', "+").replace('_', "/");
    let padding = "=".repeat(text.len().next_multiple_of(4) - text.len());
    text + &padding
}

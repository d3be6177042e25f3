//! Keys and certificates in PEM (RFC 7468).

use gatepass_jose::base64url;
use zeroize::Zeroizing;

use super::der::{self, Key};
use super::rsa;
use crate::quote::quoted;
use crate::report::Found;
use crate::rule::{KEY_MALFORMED, KEY_UNCOMMON, PRIVATE_KEY_PLAIN};

type Reader = for<'d> fn(&'d [u8]) -> Option<Key<'d>>;

/// The documents whose keys are looked at, and whether they are private.
const LABELS: &[(&str, bool, Reader)] = &[
    ("PUBLIC KEY", false, der::public_key),
    ("RSA PUBLIC KEY", false, der::rsa_public_key),
    ("CERTIFICATE", false, der::certificate),
    ("PRIVATE KEY", true, der::private_key),
    ("RSA PRIVATE KEY", true, der::rsa_private_key),
    ("EC PRIVATE KEY", true, der::ec_private_key),
];

/// Looks at every document of a PEM text and gives how many there were.
pub(crate) fn check(text: &str, found: &mut Found<'_>) -> u64 {
    let mut lines = text.lines().zip(1..);
    let mut count = 0;
    while let Some((line, number)) = lines.next() {
        let label = line.trim().strip_prefix("-----BEGIN ").and_then(|rest| rest.strip_suffix("-----"));
        // Parameters stand before the key that they belong to, and say nothing that it does not.
        let Some(label) = label.filter(|label| !label.ends_with("PARAMETERS")) else { continue };
        count += 1;
        found.line = number;
        let mut body = Zeroizing::new(String::new());
        let mut is_ended = false;
        for (line, _) in lines.by_ref() {
            if line.trim_start().starts_with("-----END ") {
                is_ended = true;
                break;
            }
            body.push_str(line.trim());
        }
        document(label, &body, is_ended, found);
    }
    count
}

fn document(label: &str, body: &str, is_ended: bool, found: &mut Found<'_>) {
    let row = LABELS.iter().find(|(name, ..)| *name == label);
    // Headers before the key (RFC 1421) are how OpenSSL marks an encrypted one.
    if body.contains("ENCRYPTED") || label == "ENCRYPTED PRIVATE KEY" {
        return;
    }
    let Some((_, is_private, read)) = row else {
        let label = quoted(label);
        return found.add(
            &KEY_UNCOMMON,
            "",
            format_args!("verifiers do not read a PEM document called {label}"),
        );
    };
    if *is_private {
        found.add(&PRIVATE_KEY_PLAIN, "", format_args!("the private key is not encrypted"));
    }
    let der = decode(body).map(Zeroizing::new);
    match der.as_ref().and_then(|der| read(der)).filter(|_| is_ended) {
        None => found.add(&KEY_MALFORMED, "", format_args!("the document {} cannot be read", quoted(label))),
        Some(Key::Rsa { n, e }) => rsa::check(n, e, "key", found),
        Some(Key::Unknown) => {
            found.add(&KEY_UNCOMMON, "", format_args!("the key is of no type that JOSE knows"))
        }
        Some(Key::Curve(name @ ("secp256k1" | "Ed448" | "X448"))) => {
            found.add(&KEY_UNCOMMON, "", format_args!("few verifiers know keys on {name}"));
        }
        Some(Key::Curve(_)) => {}
    }
}

/// Base64 with padding.
fn decode(body: &str) -> Option<Vec<u8>> {
    let text: Zeroizing<String> =
        Zeroizing::new(body.trim_end_matches('=').replace('+', "-").replace('/', "_"));
    base64url::decode(text.as_bytes()).ok()
}

//! What an RSA modulus and exponent give away.

use std::fmt;

use gatepass_jose::RsaNumber;

use crate::report::Found;
use crate::rule::*;

/// Looks at a public key of big-endian `n` and `e`. `path` leads to the key.
pub(super) fn check(n: &[u8], e: &[u8], path: impl fmt::Display, found: &mut Found<'_>) {
    let n = RsaNumber::new(n);
    size(n, &path, found);
    exponent(RsaNumber::new(e), &path, found);
    if let Some(factor) = n.small_factor() {
        found.add(&RSA_FACTOR, format_args!("{path}.n"), format_args!("{factor} divides the modulus"));
    } else if n.has_roca_fingerprint() {
        found.add(
            &RSA_ROCA,
            format_args!("{path}.n"),
            format_args!("the modulus has the form of CVE-2017-15361 and can be factored"),
        );
    }
}

fn size(n: RsaNumber<'_>, path: &impl fmt::Display, found: &mut Found<'_>) {
    let bits = n.bits();
    let path = format_args!("{path}.n");
    match bits {
        ..2048 => {
            found.add(&RSA_SMALL, path, format_args!("the RSA modulus has {bits} bits, 2048 are the least"))
        }
        2048..3072 => found.add(&RSA_2048, path, format_args!("the RSA modulus has {bits} bits")),
        3072..=8192 => {}
        _ => found.add(
            &KEY_UNCOMMON,
            path,
            format_args!("the RSA modulus has {bits} bits: verifiers are slow with it, or refuse it"),
        ),
    }
}

fn exponent(e: RsaNumber<'_>, path: &impl fmt::Display, found: &mut Found<'_>) {
    let path = format_args!("{path}.e");
    match e.to_u32() {
        None => {
            let bits = e.bits();
            found.add(&RSA_EXPONENT_BROKEN, path, format_args!("the exponent has {bits} bits"));
        }
        Some(value) if value <= 1 || value % 2 == 0 => {
            found.add(&RSA_EXPONENT_BROKEN, path, format_args!("the exponent is {value}"));
        }
        Some(value) if value < 65_537 => {
            found.add(&RSA_EXPONENT_SMALL, path, format_args!("the exponent is {value}"));
        }
        Some(_) => {}
    }
}

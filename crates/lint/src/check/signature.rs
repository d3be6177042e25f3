//! What a signature tells without a key.

use crate::alg::Purpose;
use crate::report::Found;
use crate::rule::{RSA_SMALL, SIGNATURE_LENGTH, SIGNATURE_MISSING, SIGNATURE_ZERO};
use crate::token::{Form, Token};

pub(super) fn check(token: &Token<'_>, found: &mut Found<'_>) {
    let Some(algorithm) = token.algorithm().filter(|row| row.signs()) else { return };
    if token.form != Form::Signed {
        return;
    }
    let (name, signature, path) = (algorithm.name, token.signature(), "signature");
    let len = signature.len();
    if token.parts.get(2).is_none_or(|part| part.text.is_empty()) {
        return found.add(
            &SIGNATURE_MISSING,
            path,
            format_args!("the header says {name}, and the signature is missing"),
        );
    }
    if is_zero(signature, algorithm.key.0 == "EC") {
        return found.add(&SIGNATURE_ZERO, path, format_args!("the {name} signature consists of zeros"));
    }
    let lengths: &[usize] = match algorithm.purpose {
        Purpose::Hmac(len) => &[len],
        Purpose::Signature(lengths) => lengths,
        Purpose::Rsa if (64..256).contains(&len) => {
            let bits = 8 * len;
            return found.add(
                &RSA_SMALL,
                path,
                format_args!("a signature of {len} bytes is that of an RSA key with {bits} bits at most"),
            );
        }
        Purpose::Rsa if (256..=2048).contains(&len) => return,
        Purpose::Rsa => &[256, 384, 512],
        Purpose::KeyManagement | Purpose::Content => return,
    };
    if lengths.contains(&len) {
        return;
    }
    let wanted = super::Listed(lengths);
    let der = signature.first() == Some(&0x30) && algorithm.key.0 == "EC";
    let hint = if der { ", and it begins like DER" } else { "" };
    found.add(
        &SIGNATURE_LENGTH,
        path,
        format_args!("an {name} signature has {wanted} bytes, this one has {len}{hint}"),
    );
}

/// Zeros throughout; for ECDSA one half is enough.
fn is_zero(signature: &[u8], has_halves: bool) -> bool {
    let zero = |bytes: &[u8]| !bytes.is_empty() && bytes.iter().all(|byte| *byte == 0);
    let (r, s) = signature.split_at(signature.len() / 2);
    zero(signature) || (has_halves && signature.len().is_multiple_of(2) && (zero(r) || zero(s)))
}

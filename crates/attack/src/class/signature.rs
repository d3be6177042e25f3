//! Signatures that are not quite one, or another's.

use super::{Class, Forge, NotTested, Variants, curve, mistake};
use crate::attempt::Attempt;
use crate::token::Token;

pub(super) const CLASSES: &[Class] = &[
    mistake(
        "signature-partial",
        "a part of the good signature, or more than it",
        "signatures are compared over the shorter length, so that a forger guesses a byte and not a signature",
        "RFC 7515 section 5.2; CWE-187; CVE-2020-28042",
        Forge::Token(signature_partial),
    ),
    mistake(
        "signature-of-another",
        "the signature of another good token",
        "a signature is looked up or checked apart from what it signs",
        "RFC 7515 section 5.2",
        Forge::SecondToken(signature_of_another),
    ),
    mistake(
        "ecdsa-psychic",
        "ECDSA signatures of zeros and of the curve's order",
        "an empty signature holds for every token of every key",
        "CVE-2022-21449; FIPS 186-5 section 6.4.2",
        Forge::Token(ecdsa_psychic),
    ),
];

fn signature_partial(token: &Token) -> Variants {
    let whole = token.signature.as_slice();
    let len = whole.len();
    let parts = [
        ("the first byte", whole.get(..1)),
        ("the first four bytes", whole.get(..4)),
        ("the first half", whole.get(..len / 2)),
        ("all but the last byte", whole.get(..len.saturating_sub(1))),
        ("all but the first byte", whole.get(1..)),
    ];
    let parts = parts.into_iter().filter_map(|(name, part)| Some((name, part?.to_vec())));
    let longer = [
        ("a byte more", [whole, &[0]].concat()),
        ("twice", [whole, whole].concat()),
        ("a thousand zeros more", [whole, &[0; 1000]].concat()),
    ];
    let attempt =
        |(name, signature): (&str, Vec<u8>)| Attempt::token(name, token.draft.with_signature(&signature));
    Ok(parts.chain(longer).map(attempt).collect())
}

fn signature_of_another(token: &Token, second: &Token) -> Variants {
    if token.draft.signing_input() == second.draft.signing_input() {
        return Err(NotTested::because("the second token says the same as the first"));
    }
    Ok(vec![
        Attempt::token("the second's signature", token.draft.with_signature(&second.signature)),
        Attempt::token("the first's signature", second.draft.with_signature(&token.signature)),
    ])
}

fn ecdsa_psychic(token: &Token) -> Variants {
    let curve = curve(token)?;
    let zero = vec![0; curve.coordinate];
    let mut one = zero.clone();
    one.extend([1]);
    one.remove(0);
    let order = curve.order();
    let fixed = [
        ("r = 0, s = 0", [&*zero, &*zero].concat()),
        ("r = n, s = n", [&*order, &*order].concat()),
        ("r = 0, s = 1", [&*zero, &*one].concat()),
        ("r = 1, s = 0", [&*one, &*zero].concat()),
        ("r = n, s = 1", [&*order, &*one].concat()),
        ("r = 1, s = n", [&*one, &*order].concat()),
        ("r = s = 2^k - 1", vec![0xff; curve.coordinate * 2]),
        ("DER of r = 0, s = 0", vec![0x30, 6, 2, 1, 0, 2, 1, 0]),
        ("DER of two empty numbers", vec![0x30, 4, 2, 0, 2, 0]),
        ("DER of an empty sequence", vec![0x30, 0]),
        ("a single zero", vec![0]),
    ];
    let attempt =
        |(name, signature): (&str, Vec<u8>)| Attempt::token(name, token.draft.with_signature(&signature));
    Ok(fixed.into_iter().map(attempt).collect())
}

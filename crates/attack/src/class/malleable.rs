//! The good signature in other spellings.

use super::{Class, Forge, NotTested, Variants, curve, mistake, note};
use crate::alg::{self, Curve, Primitive};
use crate::attempt::Attempt;
use crate::pem::to_standard_alphabet;
use crate::public_key::PublicKey;
use crate::token::Token;

pub(super) const CLASSES: &[Class] = &[
    mistake(
        "ecdsa-encoding",
        "the good ECDSA signature in DER, or with longer numbers",
        "one token has several spellings, so that lists of revoked tokens by their text can be passed by",
        "RFC 7518 section 3.4; CVE-2020-14966",
        Forge::Token(ecdsa_encoding),
    ),
    note(
        "ecdsa-malleable",
        "the good ECDSA signature with n - s for s",
        "one token has two signatures; harmless unless tokens are told apart by their text",
        "RFC 7518 section 3.4, which does not forbid it",
        Forge::Token(ecdsa_malleable),
    ),
    mistake(
        "eddsa-malleable",
        "the good Ed25519 signature with S + L for S",
        "one token has several spellings, so that lists of revoked tokens by their text can be passed by",
        "RFC 8032 section 5.1.7; CVE-2020-36843",
        Forge::Token(eddsa_malleable),
    ),
    mistake(
        "rsa-malleable",
        "the good RSA signature with n added, or with a leading zero",
        "one token has several spellings, so that lists of revoked tokens by their text can be passed by",
        "RFC 8017 sections 8.1.2 and 8.2.2; CVE-2020-14968",
        Forge::PublicKey(rsa_malleable),
    ),
    mistake(
        "base64-malleable",
        "the good token in other spellings of base64",
        "one token has several spellings, so that lists of revoked tokens by their text can be passed by",
        "RFC 7515 section 2; RFC 4648 section 3.5",
        Forge::Token(base64_malleable),
    ),
];

/// `r` and `s` of the good signature.
fn halves<'t>(token: &'t Token, curve: &Curve) -> Result<(&'t [u8], &'t [u8]), NotTested> {
    let halves = token.signature.split_at_checked(curve.coordinate).filter(|(r, s)| r.len() == s.len());
    halves.ok_or_else(|| NotTested::because("the good signature has not the length of an ECDSA signature"))
}

fn ecdsa_encoding(token: &Token) -> Variants {
    let (r, s) = halves(token, curve(token)?)?;
    let longer = [&[0], r, &[0], s].concat();
    Ok(vec![
        Attempt::token("DER", token.draft.with_signature(&der_sequence(r, s))),
        Attempt::token("a zero before r and s", token.draft.with_signature(&longer)),
        Attempt::token("r and s in turn", token.draft.with_signature(&[s, r].concat())),
    ])
}

/// `SEQUENCE { r INTEGER, s INTEGER }` (RFC 3279 section 2.2.3).
fn der_sequence(r: &[u8], s: &[u8]) -> Vec<u8> {
    let body = [der_integer(r), der_integer(s)].concat();
    let mut der = vec![0x30];
    if body.len() >= 0x80 {
        der.push(0x81); // P-521 is the only curve whose signatures need a second byte for their length
    }
    der.extend(u8::try_from(body.len()));
    [der, body].concat()
}

fn der_integer(number: &[u8]) -> Vec<u8> {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    let digits = number.get(zeros..).unwrap_or_default();
    let is_negative = digits.first().is_none_or(|byte| *byte >= 0x80);
    let sign: &[u8] = if is_negative { &[0] } else { &[] };
    let len = u8::try_from(sign.len() + digits.len()).unwrap_or_default();
    [&[2, len], sign, digits].concat()
}

fn ecdsa_malleable(token: &Token) -> Variants {
    let curve = curve(token)?;
    let (r, s) = halves(token, curve)?;
    let other = subtracted(&curve.order(), s);
    Ok(vec![Attempt::token("n - s", token.draft.with_signature(&[r, &other].concat()))])
}

fn eddsa_malleable(token: &Token) -> Variants {
    /// The order of the base point, 2^252 + 27742317777372353535851937790883648493 (RFC 8032 section 5.1), little-endian.
    const L: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let not_ed25519 =
        || NotTested::because(format!("the token is signed with {}, not with Ed25519", token.alg));
    let Some(Primitive::Ed25519) = alg::find(&token.alg) else { return Err(not_ed25519()) };
    let (point, scalar) = token.signature.split_at_checked(32).ok_or_else(not_ed25519)?;
    let big_endian = |bytes: &[u8]| bytes.iter().rev().copied().collect::<Vec<u8>>();
    let (mut sum, carry) = added(&big_endian(scalar), &big_endian(&L));
    if carry != 0 {
        return Err(NotTested::because("S + L does not fit into 32 bytes"));
    }
    sum.reverse();
    Ok(vec![Attempt::token("S + L", token.draft.with_signature(&[point, &sum].concat()))])
}

fn rsa_malleable(token: &Token, key: &PublicKey) -> Variants {
    let Some(modulus) = key.modulus() else {
        return Err(NotTested::because(format!("the token is signed with {}, not with RSA", token.alg)));
    };
    let led_by_zero = [&[0], token.signature.as_slice()].concat();
    let (sum, carry) = added(&token.signature, &modulus);
    let sum = if carry == 0 { sum } else { [&[carry], sum.as_slice()].concat() };
    Ok(vec![
        Attempt::token("a leading zero", token.draft.with_signature(&led_by_zero)),
        Attempt::token("s + n", token.draft.with_signature(&sum)),
    ])
}

/// The sum of two big-endian numbers of one length, and its carry.
fn added(one: &[u8], other: &[u8]) -> (Vec<u8>, u8) {
    let mut carry = 0_u16;
    let mut sum: Vec<u8> = Vec::with_capacity(one.len());
    for (a, b) in one.iter().rev().zip(other.iter().rev()) {
        carry += u16::from(*a) + u16::from(*b);
        sum.extend(carry.to_le_bytes().first());
        carry >>= 8;
    }
    sum.reverse();
    (sum, u8::try_from(carry).unwrap_or_default())
}

/// The difference of two big-endian numbers of one length, the first of which is the greater.
fn subtracted(one: &[u8], other: &[u8]) -> Vec<u8> {
    let mut borrow = 0_u8;
    let mut difference = Vec::with_capacity(one.len());
    for (a, b) in one.iter().rev().zip(other.iter().rev()) {
        let (digit, first) = a.overflowing_sub(*b);
        let (digit, second) = digit.overflowing_sub(borrow);
        borrow = u8::from(first || second);
        difference.push(digit);
    }
    difference.reverse();
    difference
}

fn base64_malleable(token: &Token) -> Variants {
    let signature = gatepass_jose::base64url::encode(&token.signature);
    let (header, payload) = (token.draft.header(), token.draft.payload());
    let mut attempts = Vec::new();
    for (part, text) in [("header", header), ("payload", payload), ("signature", &*signature)] {
        for (how, spelt) in other_spellings(text) {
            let (mut h, mut p, mut s) = (header, payload, &*signature);
            match part {
                "header" => h = &spelt,
                "payload" => p = &spelt,
                _ => s = &spelt,
            }
            attempts.push(Attempt::token(format!("{how} in the {part}"), format!("{h}.{p}.{s}")));
        }
    }
    Ok(attempts)
}

/// Other texts that careless decoders read as the same bytes. A newline is not among them: HTTP cannot
/// carry one in a header field.
fn other_spellings(text: &str) -> Vec<(&'static str, String)> {
    let padding = "=".repeat((4 - text.len() % 4) % 4);
    let mut spellings =
        vec![("more padding", format!("{text}====")), ("one sign of padding", format!("{text}="))];
    if !padding.is_empty() && padding != "=" {
        spellings.push(("padding", format!("{text}{padding}")));
    }
    let standard = to_standard_alphabet(text);
    if standard != text {
        spellings.push(("the standard alphabet", standard));
    }
    spellings.extend(stray_bits(text).map(|spelt| ("stray bits at the end", spelt)));
    if let Some((front, back)) = text.split_at_checked(text.len() / 2) {
        for (how, inserted) in
            [("a space", " "), ("a tab", "\t"), ("a stranger's character", "!"), ("a percent sign", "%")]
        {
            spellings.push((how, format!("{front}{inserted}{back}")));
        }
    }
    spellings
}

/// The last character with a bit set that belongs to no byte; `None` where there are no such bits.
fn stray_bits(text: &str) -> Option<String> {
    const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    if text.len() % 4 < 2 {
        return None;
    }
    let (rest, last) = text.split_at_checked(text.len() - 1)?;
    let value = ALPHABET.find(last)?;
    Some(format!("{rest}{}", ALPHABET.get(value + 1..value + 2)?))
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
    use gatepass_jose::{Alg, SigningKey, Typ, jwt};
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_are_added_and_subtracted() {
        assert_eq!(added(&[0xff, 0xff], &[0, 1]), (vec![0, 0], 1));
        assert_eq!(added(&[1, 2], &[3, 4]), (vec![4, 6], 0));
        assert_eq!(subtracted(&[1, 0, 0], &[0, 0, 1]), [0, 0xff, 0xff]);
        assert_eq!(subtracted(&[5], &[2]), [3]);
    }

    #[test]
    fn integers_of_der_are_positive_and_short() {
        for (number, want) in
            [(vec![0, 1], vec![2, 1, 1]), (vec![0x80], vec![2, 2, 0, 0x80]), (vec![0, 0], vec![2, 1, 0])]
        {
            assert_eq!(der_integer(&number), want, "{number:?}");
        }
    }

    #[test]
    fn other_forms_of_a_good_signature_do_hold_where_they_are_taken() {
        // Both halves of the signature take all shapes within a few tries.
        let key = SigningKey::generate(Alg::ES256, None).unwrap();
        let jwk = json!({"keys": [serde_json::to_value(key.public_jwk().unwrap()).unwrap()]});
        let public = PublicKey::parse_set(jwk.to_string().as_bytes()).unwrap().remove(0);
        let (_, point) =
            public.encodings("ES256").into_iter().find(|(name, _)| *name == "uncompressed point").unwrap();
        for number in 0..50 {
            let token = jwt::sign(&Typ::ACCESS_TOKEN, &json!({"jti": number}), &key).unwrap();
            let token = Token::parse(&token).unwrap();
            let signature = |attempt: &Attempt| {
                let text = attempt.only_token().unwrap().rsplit_once('.').unwrap().1;
                gatepass_jose::base64url::decode(text).unwrap()
            };
            let input = token.draft.signing_input();
            let der = signature(&ecdsa_encoding(&token).unwrap()[0]);
            UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, &point).verify(input.as_bytes(), &der).unwrap();
            let other = signature(&ecdsa_malleable(&token).unwrap()[0]);
            UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &point)
                .verify(input.as_bytes(), &other)
                .unwrap();
        }
    }

    #[test]
    fn stray_bits_are_set_where_there_are_some() {
        for (text, want) in
            [("AA", Some("AB")), ("AAA", Some("AAB")), ("Ag", Some("Ah")), ("AAAA", None), ("", None)]
        {
            assert_eq!(stray_bits(text).as_deref(), want, "{text}");
        }
    }
}

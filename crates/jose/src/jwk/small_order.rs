//! Public keys of small order on the two forms of Curve25519, which are no keys at all: with such an
//! Ed25519 key anybody can sign every message, and with such an X25519 key everybody agrees on zeros.
//!
//! The crypto library takes them and offers no check: it refuses only the agreement, once it is made. Both
//! curves have so few of these points that they can be listed
//! ([RFC 7748 section 7](https://www.rfc-editor.org/rfc/rfc7748#section-7),
//! [RFC 8032 section 8.9](https://www.rfc-editor.org/rfc/rfc8032#section-8.9)).

use super::Curve;

/// Whether `x`, the 32 bytes of an `OKP` key, is a point whose order divides 8.
pub(super) fn is_of_small_order(curve: Curve, x: &[u8]) -> bool {
    let order_8 = match curve {
        Curve::Ed25519 => ED25519_ORDER_8,
        Curve::X25519 => X25519_ORDER_8,
        Curve::P256 | Curve::P384 | Curve::P521 => return false,
    };
    let Some((last, rest)) = x.split_last() else { return false };
    // The top bit is the sign of the other coordinate on Ed25519, and nothing on X25519.
    let is = |point: &[u8; 32]| point.split_last() == Some((&(last & 0x7f), rest));
    ORDER_1_2_AND_4.iter().chain(&order_8).any(is)
}

/// The points of order 1, 2 and 4 have 0, 1 or -1 as their y (Ed25519) and as their u (X25519). Of these,
/// 0 and 1 can also be written as p and p + 1, where p is 2²⁵⁵ - 19, and the numbers end there: p + 18 is
/// the greatest that 255 bits hold.
const ORDER_1_2_AND_4: [[u8; 32]; 5] = [
    [0; 32],
    little_endian(0x01, 0x00, 0x00), // 1
    little_endian(0xec, 0xff, 0x7f), // p - 1
    little_endian(0xed, 0xff, 0x7f), // p
    little_endian(0xee, 0xff, 0x7f), // p + 1
];

/// The y of the four points of order 8 of `-x² + y² = 1 + d·x²·y²`. Doubled they have the y of a point of
/// order 4, which is 0, so x² is -y²: these are the two roots of `d·y⁴ + 2·y² - 1`, each the other's negative.
const ED25519_ORDER_8: [[u8; 32]; 2] = [
    [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98,
        0xf0, //
        0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05,
    ],
    [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67,
        0x0f, //
        0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a,
    ],
];

/// The u of the same points on the other form of the curve, `(1 + y) / (1 - y)`.
const X25519_ORDER_8: [[u8; 32]; 2] = [
    [
        0x5f, 0x9c, 0x95, 0xbc, 0xa3, 0x50, 0x8c, 0x24, 0xb1, 0xd0, 0xb1, 0x55, 0x9c, 0x83, 0xef,
        0x5b, //
        0x04, 0x44, 0x5c, 0xc4, 0x58, 0x1c, 0x8e, 0x86, 0xd8, 0x22, 0x4e, 0xdd, 0xd0, 0x9f, 0x11, 0x57,
    ],
    [
        0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f, 0xc4,
        0x6a, //
        0xda, 0x09, 0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49, 0xb8, 0x00,
    ],
];

/// A number whose bytes between the first and the last are all the same.
const fn little_endian(first: u8, between: u8, last: u8) -> [u8; 32] {
    let mut number = [between; 32];
    [number[0], number[31]] = [first, last];
    number
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::agreement::{PrivateKey, UnparsedPublicKey, X25519, agree};
    use aws_lc_rs::signature::{self, ED25519, Ed25519KeyPair, KeyPair};

    use super::*;
    use crate::jwk::{Jwk, PublicParams};
    use crate::key::KeyError;
    use crate::{Alg, VerifyingKey, base64url};

    /// Every spelling: each number with either top bit.
    fn spellings(order_8: [[u8; 32]; 2]) -> impl Iterator<Item = [u8; 32]> {
        let with_top_bit = |mut number: [u8; 32]| {
            number[31] |= 0x80;
            number
        };
        ORDER_1_2_AND_4.into_iter().chain(order_8).flat_map(move |number| [number, with_top_bit(number)])
    }

    /// A message that the library takes `signature` for one of by the key `x`, of the first thousand.
    fn message_signed_by(x: &[u8], signature: &[u8; 64]) -> Option<String> {
        let key = signature::UnparsedPublicKey::new(&ED25519, x);
        (0..1000)
            .map(|number| format!("message {number}"))
            .find(|text| key.verify(text.as_bytes(), signature).is_ok())
    }

    #[test]
    fn anybody_signs_for_an_ed25519_key_of_small_order() {
        // S = 0 and R the neutral element: signed is each message whose hash the key's order divides.
        let mut signature = [0; 64];
        signature[0] = 1;
        let forged = spellings(ED25519_ORDER_8).filter(|x| message_signed_by(x, &signature).is_some());
        // The library reads those that RFC 8032 section 5.1.3 does. What it does not, others do.
        assert_eq!(forged.count(), 8);
        let honest = Ed25519KeyPair::generate().unwrap();
        assert_eq!(message_signed_by(honest.public_key().as_ref(), &signature), None);
    }

    #[test]
    fn an_x25519_key_of_small_order_agrees_with_nobody() {
        let ours = PrivateKey::generate(&X25519).unwrap();
        let agrees = |x: &[u8]| agree(&ours, UnparsedPublicKey::new(&X25519, x), (), |_| Ok(())).is_ok();
        for x in spellings(X25519_ORDER_8) {
            assert!(!agrees(&x), "{x:02x?}");
        }
        assert!(agrees(ours.compute_public_key().unwrap().as_ref()));
    }

    #[test]
    fn points_of_small_order_are_no_keys() {
        let lists = [(Curve::Ed25519, ED25519_ORDER_8), (Curve::X25519, X25519_ORDER_8)];
        for (curve, order_8) in lists {
            for x in spellings(order_8) {
                let key = PublicParams::Okp { crv: curve.name().to_owned(), x: base64url::encode(&x) };
                assert_eq!(key.decode().err(), Some(KeyError::SmallOrder), "{curve:?} {x:02x?}");
                let jwk = Jwk { key, kid: None, alg: None, key_use: None };
                let written = serde_json::to_vec(&jwk).unwrap();
                assert_eq!(
                    Jwk::parse(&written).err(),
                    Some(KeyError::SmallOrder.into()),
                    "{curve:?} {x:02x?}"
                );
                if curve == Curve::Ed25519 {
                    let verifying = VerifyingKey::from_jwk(&jwk, &[Alg::EdDSA]);
                    assert_eq!(verifying.err(), Some(KeyError::SmallOrder), "{x:02x?}");
                }
            }
        }
    }

    #[test]
    fn other_points_and_neighbours_are_keys() {
        for (curve, order_8) in [(Curve::Ed25519, ED25519_ORDER_8), (Curve::X25519, X25519_ORDER_8)] {
            for x in spellings(order_8) {
                for at in [0, 15, 31] {
                    let mut neighbour = x;
                    neighbour[at] ^= 0x10;
                    assert!(!is_of_small_order(curve, &neighbour), "{curve:?} {neighbour:02x?}");
                }
            }
        }
        assert!(!is_of_small_order(Curve::X25519, &ED25519_ORDER_8[0]));
        assert!(!is_of_small_order(Curve::Ed25519, &[]));
        assert!(!is_of_small_order(Curve::P256, &[0; 32]));
    }
}

//! What a sound RSA modulus and exponent look like.

use super::KeyError;

/// RFC 7518 section 3.3 asks for 2048 bits at least; past 8192 a key only serves to slow the verifier down.
const MODULUS_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// The last prime below 1000.
const LAST_SMALL_PRIME: u32 = 997;

/// Refuses a public key that is too small, too large, not written in the fewest bytes, of no use as
/// RSA (an even number, an exponent of 1) or made by the generator of CVE-2017-15361.
pub(crate) fn require_sound(n: &[u8], e: &[u8]) -> Result<(), KeyError> {
    require_minimal("n", n)?;
    require_minimal("e", e)?;
    let (modulus, exponent) = (RsaNumber::new(n), RsaNumber::new(e));
    let bits = modulus.bits();
    if !MODULUS_BITS.contains(&bits) {
        return Err(KeyError::ModulusSize { bits });
    }
    // No generator in use picks an exponent past 32 bits, and each bit is work for the verifier.
    let is_usable = |exponent: u32| exponent >= 3 && exponent % 2 == 1;
    if modulus.remainder(2) == 0 || !exponent.to_u32().is_some_and(is_usable) {
        return Err(KeyError::Exponent);
    }
    if modulus.has_roca_fingerprint() { Err(KeyError::Roca) } else { Ok(()) }
}

/// Refuses a number with leading zeros (RFC 7518 section 2, `Base64urlUInt`), and with them 0.
pub(crate) fn require_minimal(member: &'static str, number: &[u8]) -> Result<(), KeyError> {
    if number.first() == Some(&0) { Err(KeyError::LeadingZero(member)) } else { Ok(()) }
}

/// A number of an RSA public key, the modulus or the exponent, and what can be told of it at a glance.
///
/// It is for looking at keys, sound or not. A [`Jwk`](crate::Jwk) that was parsed has been looked at.
///
/// ```
/// use gatepass_jose::RsaNumber;
/// let exponent = RsaNumber::new(&[0, 1, 0, 1]);
/// assert_eq!((exponent.bits(), exponent.to_u32()), (17, Some(65_537)));
/// assert_eq!(RsaNumber::new(&[0xff; 256]).small_factor(), Some(3));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct RsaNumber<'n>(&'n [u8]);

impl<'n> RsaNumber<'n> {
    /// The number of these bytes, the most significant first. Leading zeros are nothing to it.
    #[must_use]
    pub fn new(big_endian: &'n [u8]) -> Self {
        let zeros = big_endian.iter().take_while(|byte| **byte == 0).count();
        Self(big_endian.get(zeros..).unwrap_or_default())
    }

    /// The bits from the highest that is set; none for 0.
    #[must_use]
    pub fn bits(self) -> usize {
        self.0.len() * 8 - self.0.first().map_or(0, |byte| byte.leading_zeros() as usize)
    }

    /// The number itself, if it has no more than 32 bits.
    #[must_use]
    pub fn to_u32(self) -> Option<u32> {
        let mut bytes = [0; 4];
        let zeros = bytes.len().checked_sub(self.0.len())?;
        bytes.get_mut(zeros..)?.copy_from_slice(self.0);
        Some(u32::from_be_bytes(bytes))
    }

    /// The least prime below 1000 that divides the number. One that divides a modulus has factored it.
    #[must_use]
    pub fn small_factor(self) -> Option<u32> {
        primes().take_while(|prime| *prime <= LAST_SMALL_PRIME).find(|prime| self.remainder(*prime) == 0)
    }

    /// Whether a modulus is of the form that Infineon's generator gave to its moduli
    /// (CVE-2017-15361), which can be factored.
    ///
    /// Its primes are `k·M + (65537^a mod M)`, where `M` is the product of the first primes: 39 of them, up
    /// to 167, for moduli of less than 992 bits, 71 for less than 1984, 126 for less than 3968, and more
    /// for longer ones. So modulo each of those primes the modulus is a power of 65537. For a random
    /// modulus that holds once in 2^27 times for the shortest and in 2^167 for those of 1984 bits and more;
    /// the first few primes already tell it apart.
    #[must_use]
    pub fn has_roca_fingerprint(self) -> bool {
        let largest = match self.bits() {
            ..992 => 167,
            992..1984 => 353,
            _ => 701,
        };
        let mut odd = primes().skip(1).take_while(|prime| *prime <= largest);
        odd.all(|prime| is_power_of_65537(self.remainder(prime), prime))
    }

    /// The number modulo a small one.
    fn remainder(self, modulus: u32) -> u32 {
        self.0.iter().fold(0, |rest, byte| (rest * 256 + u32::from(*byte)) % modulus)
    }
}

fn primes() -> impl Iterator<Item = u32> {
    (2..).filter(|number: &u32| {
        (2..).take_while(|d: &u32| d.pow(2) <= *number).all(|d| !number.is_multiple_of(d))
    })
}

fn is_power_of_65537(residue: u32, prime: u32) -> bool {
    // The powers come back to 1 after at most `prime - 1` steps.
    let powers = std::iter::successors(Some(1), |power| Some(power * 65537 % prime));
    powers.take(prime as usize).any(|power| power == residue)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn modulus(bytes: usize, first: u8, last: u8) -> Vec<u8> {
        let mut n = vec![0xa7; bytes];
        n[0] = first;
        n[bytes - 1] = last;
        n
    }

    #[test]
    fn bounds_of_the_modulus_and_the_exponent() {
        let good = modulus(256, 0x80, 1);
        let f4 = &[1, 0, 1][..];
        let cases = [
            ("bits_2048", good.clone(), f4, Ok(())),
            ("bits_2047", modulus(256, 0x7f, 1), f4, Err(KeyError::ModulusSize { bits: 2047 })),
            ("bits_8192", modulus(1024, 0xff, 1), f4, Ok(())),
            ("bits_8193", modulus(1025, 0x01, 1), f4, Err(KeyError::ModulusSize { bits: 8193 })),
            ("bits_1024", modulus(128, 0xff, 1), f4, Err(KeyError::ModulusSize { bits: 1024 })),
            ("no_modulus", vec![], f4, Err(KeyError::ModulusSize { bits: 0 })),
            ("even_modulus", modulus(256, 0x80, 2), f4, Err(KeyError::Exponent)),
            ("zero_before_the_modulus", modulus(257, 0, 1), f4, Err(KeyError::LeadingZero("n"))),
            ("exponent_3", good.clone(), &[3], Ok(())),
            ("exponent_of_32_bits", good.clone(), &[0xff, 0xff, 0xff, 0xff], Ok(())),
            ("exponent_of_33_bits", good.clone(), &[1, 0, 0, 0, 1], Err(KeyError::Exponent)),
            ("exponent_1", good.clone(), &[1], Err(KeyError::Exponent)),
            ("exponent_0", good.clone(), &[0], Err(KeyError::LeadingZero("e"))),
            ("exponent_2", good.clone(), &[2], Err(KeyError::Exponent)),
            ("even_exponent", good.clone(), &[1, 0, 0], Err(KeyError::Exponent)),
            ("no_exponent", good.clone(), &[], Err(KeyError::Exponent)),
            ("zero_before_the_exponent", good, &[0, 1, 0, 1], Err(KeyError::LeadingZero("e"))),
        ];
        for (name, n, e, want) in cases {
            assert_eq!(require_sound(&n, e), want, "{name}");
        }
    }

    #[test]
    fn remainders_are_those_of_plain_division() {
        for number in [0_u64, 1, 700, 701, 702, 65537, u64::MAX, 0x0123_4567_89ab_cdef] {
            for divisor in [3_u32, 11, 127, 701] {
                let want = u32::try_from(number % u64::from(divisor)).unwrap();
                assert_eq!(
                    RsaNumber::new(&number.to_be_bytes()).remainder(divisor),
                    want,
                    "{number} mod {divisor}"
                );
            }
        }
    }

    /// A power of 65537 has the fingerprint by its form: built here by multiplying 65537 by itself.
    #[test]
    fn a_power_of_65537_has_the_fingerprint() {
        for bytes in [64, 128, 256, 512] {
            let mut n = vec![1_u8];
            while n.len() <= bytes {
                n = times(&n, 65_537);
            }
            let padded = [&[0, 0], n.as_slice()].concat();
            assert!(RsaNumber::new(&padded).has_roca_fingerprint(), "{bytes}");
            let refusal = require_sound(&n, &[1, 0, 1]).err();
            assert_eq!(refusal == Some(KeyError::Roca), bytes >= 256, "{bytes}");
            *n.last_mut().unwrap() ^= 2;
            assert!(!RsaNumber::new(&n).has_roca_fingerprint(), "{bytes}");
        }
        assert!(!RsaNumber::new(&[0xff; 256]).has_roca_fingerprint());
    }

    /// Each number is 1, which is a power of 65537, modulo every odd prime up to the largest.
    #[test]
    fn a_short_modulus_has_the_form_of_fewer_primes_than_a_long_one() {
        let cases = [
            ("short", 167, 32, 167, true),
            ("medium_of_the_short_form", 167, 125, 353, false),
            ("medium", 353, 125, 353, true),
            ("long_of_the_medium_form", 353, 249, 701, false),
            ("long", 701, 249, 701, true),
        ];
        for (name, largest, least_bytes, wanted, is_made_so) in cases {
            let odd = primes().skip(1).take_while(|prime| *prime <= largest);
            let mut n = odd.fold(vec![2], |product, prime| times(&product, prime));
            n.resize(n.len().max(least_bytes), 0);
            *n.last_mut().unwrap() |= 1;
            assert_eq!(RsaNumber::new(&n).has_roca_fingerprint(), is_made_so, "{name}: up to {wanted}");
        }
    }

    #[test]
    fn numbers_at_a_glance() {
        let cases = [
            ("nothing", &[][..], 0, Some(0), Some(2)),
            ("zero", &[0], 0, Some(0), Some(2)),
            ("one", &[1], 1, Some(1), None),
            ("leading_zeros", &[0, 0, 1, 0], 9, Some(256), Some(2)),
            ("bits_32", &[0xff; 4], 32, Some(u32::MAX), Some(3)),
            ("bits_33", &[1, 0, 0, 0, 0], 33, None, Some(2)),
            ("last_prime", &[0x03, 0xe5], 10, Some(997), Some(997)),
            ("first_prime_past_1000", &[0x03, 0xf1], 10, Some(1009), None),
        ];
        for (name, bytes, bits, value, factor) in cases {
            let number = RsaNumber::new(bytes);
            assert_eq!(
                (number.bits(), number.to_u32(), number.small_factor()),
                (bits, value, factor),
                "{name}"
            );
        }
    }

    fn times(number: &[u8], factor: u32) -> Vec<u8> {
        let mut carry = 0;
        let digits = number.iter().rev().chain(&[0; 4]).map(|byte| {
            carry += u32::from(*byte) * factor;
            let digit = carry as u8;
            carry >>= 8;
            digit
        });
        let mut product: Vec<u8> = digits.collect();
        product.reverse();
        let zeros = product.iter().take_while(|byte| **byte == 0).count();
        product.split_off(zeros)
    }
}

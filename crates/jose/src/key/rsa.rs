//! What a sound RSA modulus and exponent look like.

use super::KeyError;

/// RFC 7518 section 3.3 asks for 2048 bits at least; past 8192 a key only serves to slow the verifier down.
const MODULUS_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;
/// No generator in use picks a longer exponent, and each bit is work for the verifier.
const MAX_EXPONENT_BYTES: usize = 4;

/// Refuses a public key that is too small, too large, not written in the fewest bytes, of no use as
/// RSA (an even number, an exponent of 1) or made by the generator of CVE-2017-15361.
pub(crate) fn require_sound(n: &[u8], e: &[u8]) -> Result<(), KeyError> {
    require_minimal("n", n)?;
    require_minimal("e", e)?;
    let bits = n.len() * 8 - n.first().map_or(0, |byte| byte.leading_zeros() as usize);
    if !MODULUS_BITS.contains(&bits) {
        return Err(KeyError::ModulusSize { bits });
    }
    let is_odd = |number: &[u8]| number.last().is_some_and(|byte| byte & 1 == 1);
    if !is_odd(n) || !is_odd(e) || e == [1] || e.len() > MAX_EXPONENT_BYTES {
        return Err(KeyError::Exponent);
    }
    if has_roca_fingerprint(n) { Err(KeyError::Roca) } else { Ok(()) }
}

fn require_minimal(member: &'static str, number: &[u8]) -> Result<(), KeyError> {
    if number.first() == Some(&0) { Err(KeyError::LeadingZero(member)) } else { Ok(()) }
}

/// Whether `n` is of the form that Infineon's generator gave to its moduli (CVE-2017-15361).
///
/// Its primes are `k·M + (65537^a mod M)`, where `M` is the product of the first primes: 126 of them,
/// up to 701, for moduli of 2048 to 3936 bits, and more for longer ones. So modulo each of those primes
/// the modulus is a power of 65537. For a random modulus all of that holds once in 2^167 times, and the
/// first few primes already tell it apart.
fn has_roca_fingerprint(n: &[u8]) -> bool {
    const LARGEST: u32 = 701;
    let is_prime =
        |number: &u32| (2..*number).take_while(|d| d * d <= *number).all(|d| !number.is_multiple_of(d));
    (3..=LARGEST).filter(is_prime).all(|prime| is_power_of_65537(remainder(n, prime), prime))
}

/// `number mod divisor`, the number's bytes being big-endian.
fn remainder(number: &[u8], divisor: u32) -> u32 {
    number.iter().fold(0, |rest, byte| (rest * 256 + u32::from(*byte)) % divisor)
}

fn is_power_of_65537(residue: u32, prime: u32) -> bool {
    let base = 65537 % prime;
    // The powers come back to 1 after at most `prime - 1` steps.
    let powers = std::iter::successors(Some(1), |power| Some(power * base % prime));
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
                assert_eq!(remainder(&number.to_be_bytes(), divisor), want, "{number} mod {divisor}");
            }
        }
    }

    /// The product of powers of 65537 modulo every prime is one: built here by multiplying 65537 by
    /// itself until it has 2048 bits, which has the fingerprint by its form.
    #[test]
    fn a_power_of_65537_has_the_fingerprint() {
        let mut n = vec![1_u8];
        while n.len() < 257 {
            n = times_65537(&n);
        }
        assert_eq!(require_sound(&n, &[1, 0, 1]), Err(KeyError::Roca));
        *n.last_mut().unwrap() ^= 2;
        assert_eq!(require_sound(&n, &[1, 0, 1]), Ok(()));
    }

    /// `number * 65537`, which is the number added to itself two bytes to the left.
    fn times_65537(number: &[u8]) -> Vec<u8> {
        let mut product = vec![0_u8; number.len() + 3];
        for shift in [0, 2] {
            let mut carry = 0_u32;
            for at in 0..product.len() - shift {
                let digit = number.iter().rev().nth(at).copied().unwrap_or(0);
                let place = product.len() - 1 - shift - at;
                carry += u32::from(product[place]) + u32::from(digit);
                product[place] = carry as u8;
                carry >>= 8;
            }
        }
        let zeros = product.iter().take_while(|byte| **byte == 0).count();
        product.split_off(zeros)
    }
}

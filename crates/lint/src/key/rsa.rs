//! What an RSA modulus and exponent give away.

use std::fmt;

use crate::report::Found;
use crate::rule::*;

/// Looks at a public key of big-endian `n` and `e`. `path` leads to the key.
pub(super) fn check(n: &[u8], e: &[u8], path: impl fmt::Display, found: &mut Found<'_>) {
    let n = without_leading_zeros(n);
    size(n, &path, found);
    exponent(without_leading_zeros(e), &path, found);
    if let Some(factor) = small_primes().find(|prime| remainder(n, *prime) == 0) {
        found.add(&RSA_FACTOR, format_args!("{path}.n"), format_args!("{factor} divides the modulus"));
    } else if is_roca(n) {
        found.add(
            &RSA_ROCA,
            format_args!("{path}.n"),
            format_args!("the modulus has the form of CVE-2017-15361 and can be factored"),
        );
    }
}

fn size(n: &[u8], path: &impl fmt::Display, found: &mut Found<'_>) {
    let bits = bits(n);
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

fn exponent(e: &[u8], path: &impl fmt::Display, found: &mut Found<'_>) {
    let path = format_args!("{path}.e");
    let value = e.iter().take(5).fold(0_u64, |value, byte| value << 8 | u64::from(*byte));
    if e.len() > 4 {
        let bits = bits(e);
        found.add(&RSA_EXPONENT_BROKEN, path, format_args!("the exponent has {bits} bits"));
    } else if value <= 1 || value % 2 == 0 {
        found.add(&RSA_EXPONENT_BROKEN, path, format_args!("the exponent is {value}"));
    } else if value < 65_537 {
        found.add(&RSA_EXPONENT_SMALL, path, format_args!("the exponent is {value}"));
    }
}

fn without_leading_zeros(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    number.get(zeros..).unwrap_or_default()
}

fn bits(number: &[u8]) -> usize {
    number.len() * 8 - number.first().map_or(0, |byte| byte.leading_zeros() as usize)
}

/// `number` modulo a small one.
fn remainder(number: &[u8], modulus: u32) -> u32 {
    number.iter().fold(0, |remainder, byte| (remainder << 8 | u32::from(*byte)) % modulus)
}

/// Whether the modulus is a power of 65537 modulo each of the first odd primes, which a random one
/// is once in 2^27 times (CVE-2017-15361).
fn is_roca(n: &[u8]) -> bool {
    let mut primes = small_primes().filter(|prime| (3..=167).contains(prime));
    primes.all(|prime| is_power_of_65537(remainder(n, prime), prime))
}

fn is_power_of_65537(residue: u32, prime: u32) -> bool {
    let mut power = 1;
    for _ in 0..prime {
        if power == residue {
            return true;
        }
        power = power * (65_537 % prime) % prime;
    }
    false
}

/// The primes below 1000.
fn small_primes() -> impl Iterator<Item = u32> {
    (2..1000).filter(|number: &u32| (2..).take_while(|d| d * d <= *number).all(|d| !number.is_multiple_of(d)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 65537 to that power, big-endian: a number of ROCA's form.
    fn power_of_65537(exponent: usize) -> Vec<u8> {
        let mut little = vec![1_u8];
        for _ in 0..exponent {
            // times 2^16 + 1
            let shifted = [&[0, 0], little.as_slice()].concat();
            let mut carry = 0_u16;
            let sum = shifted.iter().enumerate().map(|(at, byte)| {
                let sum = u16::from(*byte) + little.get(at).map_or(0, |byte| u16::from(*byte)) + carry;
                carry = sum >> 8;
                sum as u8
            });
            little = sum.collect();
        }
        little.reverse();
        little
    }

    #[test]
    fn the_form_of_roca_is_recognised() {
        assert_eq!(power_of_65537(2), [1, 0, 2, 0, 1]);
        assert!(is_roca(&power_of_65537(128)));
        let mut other = power_of_65537(128);
        *other.last_mut().unwrap() ^= 2;
        assert!(!is_roca(&other));
        assert!(!is_roca(&[0xff; 256]));
    }

    #[test]
    fn arithmetic_on_bytes() {
        assert_eq!(small_primes().take(6).collect::<Vec<_>>(), [2, 3, 5, 7, 11, 13]);
        assert_eq!((small_primes().count(), small_primes().last()), (168, Some(997)));
        assert_eq!(remainder(&[1, 0, 0], 997), 65_536 % 997);
        assert_eq!(bits(&[1, 0]), 9);
        assert_eq!(bits(&[]), 0);
        assert_eq!(without_leading_zeros(&[0, 0, 1, 0]), [1, 0]);
    }
}

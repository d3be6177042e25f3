//! Password hashes as they are kept: our own, and those that other systems made.

use std::borrow::Cow;
use std::num::NonZeroU32;
use std::str::FromStr as _;

use argon2::password_hash::phc::{self, Ident, Output, ParamsString, Salt};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use aws_lc_rs::{constant_time, pbkdf2};
use bcrypt::HashParts;
use thiserror::Error;
use zeroize::Zeroizing;

use super::Password;

/// The most memory that one hash may ask for: what OWASP recommends at most for any of them.
const MAX_KIB: u64 = 128 * 1024;
/// The most work, each about two seconds of a core: kibibytes written by Argon2, blocks of 128 bytes mixed by scrypt,
/// rounds of an HMAC, and bcrypt's cost, which counts doublings.
const MAX_ARGON2_WORK: u64 = 1024 * 1024;
const MAX_SCRYPT_WORK: u64 = 4 * 1024 * 1024;
const MAX_PBKDF2_WORK: u64 = 4_000_000;
const MAX_BCRYPT_COST: u32 = 14;
/// Fewer would be found by trying, or be met by another password.
const MIN_OUTPUT: usize = 16;
/// RFC 8018 section 4.2.
const MIN_PBKDF2_ITERATIONS: u32 = 1000;
/// As many bytes of a password as bcrypt looks at.
const BCRYPT_READS: usize = 72;

/// A text is no password hash that can be verified here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum InvalidHash {
    /// Nothing that is known.
    #[error(
        "a password hash begins with $argon2id$, $argon2i$, $2a$, $2b$, $2y$, $scrypt$, $pbkdf2-sha256$, \
        $pbkdf2-sha512$, $pbkdf2-sha1$ or, as Django writes it, pbkdf2_sha256$"
    )]
    UnknownScheme,
    /// It begins like one and does not go on like one.
    #[error("the password hash is cut off, or has parts that do not belong there")]
    Malformed,
    /// It costs more than a login may.
    #[error("verifying the password hash would take more than 128 MiB or about two seconds")]
    TooCostly,
    /// It was made in a way that protects nothing.
    #[error("the password hash is shorter than 16 bytes or made with fewer than 1,000 iterations")]
    TooWeak,
}

/// A hash that is worth computing: of a known scheme, within the limits.
pub(super) enum Kept {
    Argon2 { algorithm: Algorithm, version: Version, params: Params, salt: Salt, output: Output },
    Bcrypt(Box<str>),
    Scrypt { params: scrypt::Params, salt: Salt, output: Output },
    Pbkdf2 { algorithm: pbkdf2::Algorithm, iterations: NonZeroU32, salt: Salt, output: Output },
}

/// The spelling under which a hash of another system is kept: bcrypt's own, or a PHC string.
pub(super) fn canonical(text: &str) -> Result<Cow<'_, str>, InvalidHash> {
    let text = match text.strip_prefix("pbkdf2_") {
        Some(django) => Cow::Owned(from_django(django)?),
        None => from_passlib(text).map_or(Cow::Borrowed(text), Cow::Owned),
    };
    Kept::parse(&text)?;
    Ok(text)
}

impl Kept {
    pub(super) fn parse(text: &str) -> Result<Self, InvalidHash> {
        if ["$2a$", "$2b$", "$2y$"].iter().any(|prefix| text.starts_with(prefix)) {
            let parts = HashParts::from_str(text).map_err(|_| InvalidHash::Malformed)?;
            return match parts.get_cost() {
                0..4 => Err(InvalidHash::Malformed),
                4..=MAX_BCRYPT_COST => Ok(Self::Bcrypt(text.into())),
                _ => Err(InvalidHash::TooCostly),
            };
        }
        let scheme = text.strip_prefix('$').and_then(|text| text.split('$').next()).unwrap_or_default();
        let parse: fn(&phc::PasswordHash, Salt, Output) -> Result<Self, InvalidHash> = match scheme {
            "argon2id" | "argon2i" => argon2,
            "scrypt" => scrypt,
            "pbkdf2-sha1" | "pbkdf2-sha256" | "pbkdf2-sha512" => pbkdf2,
            _ => return Err(InvalidHash::UnknownScheme),
        };
        let hash = phc::PasswordHash::new(text).map_err(|_| InvalidHash::Malformed)?;
        let (Some(salt), Some(output)) = (hash.salt, hash.hash) else { return Err(InvalidHash::Malformed) };
        if output.len() < MIN_OUTPUT {
            return Err(InvalidHash::TooWeak);
        }
        parse(&hash, salt, output)
    }

    /// Whether `password` is the one it was made of. `memory` is Argon2's; whoever gives it may keep it.
    pub(super) fn matches(&self, password: &Password, memory: &mut Vec<Block>) -> bool {
        let password = password.0.as_bytes();
        let equal = |expected: &Output, compute: &mut dyn FnMut(&mut [u8]) -> Option<()>| {
            let mut output = Zeroizing::new(vec![0; expected.len()]);
            compute(&mut output).is_some()
                && constant_time::verify_slices_are_equal(&output, expected.as_bytes()).is_ok()
        };
        match self {
            Self::Argon2 { algorithm, version, params, salt, output } => equal(output, &mut |computed| {
                let memory = memory_for(memory, params);
                Argon2::new(*algorithm, *version, params.clone())
                    .hash_password_into_with_memory(password, salt.as_ref(), computed, memory)
                    .ok()
            }),
            Self::Bcrypt(text) => bcrypt::verify(password, text).unwrap_or(false),
            Self::Scrypt { params, salt, output } => equal(output, &mut |computed| {
                ::scrypt::scrypt(password, salt.as_ref(), params, computed).ok()
            }),
            Self::Pbkdf2 { algorithm, iterations, salt, output } => {
                pbkdf2::verify(*algorithm, *iterations, salt.as_ref(), password, output.as_bytes()).is_ok()
            }
        }
    }

    /// Whether it is what `params` make today.
    pub(super) fn is_current(&self, current: &Params) -> bool {
        let cost = |params: &Params| (params.m_cost(), params.t_cost(), params.p_cost());
        let Self::Argon2 { algorithm: Algorithm::Argon2id, version: Version::V0x13, params, .. } = self
        else {
            return false;
        };
        cost(params) == cost(current)
    }

    /// Whether it was made of all of `password`. bcrypt looks at the beginning of a long one, so that what was typed
    /// behind it need not be what its user once chose.
    pub(super) fn covers(&self, password: &Password) -> bool {
        !matches!(self, Self::Bcrypt(_)) || password.0.len() <= BCRYPT_READS
    }
}

/// Enough blocks for `params`; a hash kept with other parameters brings its own need.
pub(super) fn memory_for<'m>(memory: &'m mut Vec<Block>, params: &Params) -> &'m mut [Block] {
    if memory.len() < params.block_count() {
        memory.resize(params.block_count(), Block::new());
    }
    memory
}

fn argon2(hash: &phc::PasswordHash, salt: Salt, output: Output) -> Result<Kept, InvalidHash> {
    let [memory, passes, lanes] = numbers(&hash.params, ["m", "t", "p"])?;
    let version = match hash.version {
        None | Some(0x10) => Version::V0x10, // what wrote no version was the first
        Some(0x13) => Version::V0x13,
        Some(_) => return Err(InvalidHash::Malformed),
    };
    let work = u64::from(memory) * u64::from(passes);
    if u64::from(memory) > MAX_KIB || work > MAX_ARGON2_WORK {
        return Err(InvalidHash::TooCostly);
    }
    let params =
        Params::new(memory, passes, lanes, Some(output.len())).map_err(|_| InvalidHash::Malformed)?;
    let algorithm =
        if hash.algorithm.as_str() == "argon2id" { Algorithm::Argon2id } else { Algorithm::Argon2i };
    Ok(Kept::Argon2 { algorithm, version, params, salt, output })
}

fn scrypt(hash: &phc::PasswordHash, salt: Salt, output: Output) -> Result<Kept, InvalidHash> {
    let [log_n, block, lanes] = numbers(&hash.params, ["ln", "r", "p"])?;
    let mixed = 1_u64.checked_shl(log_n).and_then(|n| n.checked_mul(u64::from(block)));
    let mixed = mixed.filter(|_| log_n < u64::BITS).ok_or(InvalidHash::TooCostly)?;
    let work = mixed.checked_mul(u64::from(lanes)).ok_or(InvalidHash::TooCostly)?;
    if mixed > MAX_KIB * 1024 / 128 || work > MAX_SCRYPT_WORK {
        return Err(InvalidHash::TooCostly);
    }
    let log_n = u8::try_from(log_n).map_err(|_| InvalidHash::TooCostly)?;
    let params = ::scrypt::Params::new(log_n, block, lanes).map_err(|_| InvalidHash::Malformed)?;
    Ok(Kept::Scrypt { params, salt, output })
}

fn pbkdf2(hash: &phc::PasswordHash, salt: Salt, output: Output) -> Result<Kept, InvalidHash> {
    let iterations = match numbers(&hash.params, ["i", "l"]) {
        Ok([iterations, length]) if u32::try_from(output.len()) == Ok(length) => iterations,
        Ok(_) => return Err(InvalidHash::Malformed),
        Err(_) => numbers(&hash.params, ["i"]).map(|[iterations]| iterations)?,
    };
    let (algorithm, digest) = match hash.algorithm.as_str() {
        "pbkdf2-sha1" => (pbkdf2::PBKDF2_HMAC_SHA1, 20),
        "pbkdf2-sha256" => (pbkdf2::PBKDF2_HMAC_SHA256, 32),
        _ => (pbkdf2::PBKDF2_HMAC_SHA512, 64),
    };
    if u64::from(iterations) * output.len().div_ceil(digest) as u64 > MAX_PBKDF2_WORK {
        return Err(InvalidHash::TooCostly);
    }
    let enough = NonZeroU32::new(iterations).filter(|iterations| iterations.get() >= MIN_PBKDF2_ITERATIONS);
    Ok(Kept::Pbkdf2 { algorithm, iterations: enough.ok_or(InvalidHash::TooWeak)?, salt, output })
}

/// The decimal values of exactly these parameters, each there once.
fn numbers<const N: usize>(params: &ParamsString, names: [&str; N]) -> Result<[u32; N], InvalidHash> {
    let mut values = [0; N];
    for (value, name) in values.iter_mut().zip(names) {
        *value = params.get_decimal(name).ok_or(InvalidHash::Malformed)?;
    }
    if params.iter().count() == N { Ok(values) } else { Err(InvalidHash::Malformed) }
}

/// `sha256$ITERATIONS$SALT$BASE64`, where the salt is its own characters.
fn from_django(rest: &str) -> Result<String, InvalidHash> {
    let mut parts = rest.split('$');
    let (Some(digest), Some(iterations), Some(salt), Some(output), None) =
        (parts.next(), parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(InvalidHash::Malformed);
    };
    let malformed = |_| InvalidHash::Malformed;
    let hash = phc::PasswordHash {
        algorithm: Ident::new(&format!("pbkdf2-{digest}")).map_err(malformed)?,
        version: None,
        params: format!("i={iterations}").parse().map_err(malformed)?,
        salt: Some(Salt::new(salt.as_bytes()).map_err(malformed)?),
        hash: Some(Output::decode(output.trim_end_matches('=')).map_err(malformed)?),
    };
    Ok(hash.to_string())
}

/// `$pbkdf2-sha256$ITERATIONS$SALT$OUTPUT` with a dot for each plus; `$pbkdf2$` is SHA-1.
fn from_passlib(text: &str) -> Option<String> {
    let (scheme, rest) = text.strip_prefix("$pbkdf2")?.split_once('$')?;
    let (iterations, rest) = rest.split_once('$')?;
    let is_number = !iterations.is_empty() && iterations.bytes().all(|byte| byte.is_ascii_digit());
    let scheme = if scheme.is_empty() { "-sha1" } else { scheme };
    is_number.then(|| format!("$pbkdf2{scheme}$i={iterations}${}", rest.replace('.', "+")))
}

#[cfg(test)]
mod tests;

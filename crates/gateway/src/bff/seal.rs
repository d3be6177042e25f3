//! The key that sessions are sealed with, and what is made with it. Whoever steals the store alone holds nothing.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, RandomizedNonceKey};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Prk, Salt};
use aws_lc_rs::{hmac, rand};
use base64_simd::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

/// Of a session's name in its cookie: so much is random,
const RANDOM: usize = 32;
/// and so much says that it was made here, so that a guess costs no look into the store.
const TAG: usize = 16;

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyFileError {
    /// The file cannot be read or made.
    #[error("cannot use the key file {}: {source}", path.display())]
    Io {
        /// The file that was configured.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is not what this makes.
    #[error("{} holds no key: 43 characters of base64url, 32 random bytes", path.display())]
    Malformed {
        /// The file that was configured.
        path: PathBuf,
    },
    /// There are sessions, and not the key that they were sealed with.
    #[error(
        "{} is missing: without it the sessions in the store cannot be opened; remove the store as well to begin anew",
        path.display()
    )]
    Missing {
        /// The file that was configured.
        path: PathBuf,
    },
    /// The system gave no randomness.
    #[error("the system gave no randomness")]
    Random,
}

/// 32 random bytes.
pub(super) struct SealKey(Zeroizing<[u8; 32]>);

/// A session's name in the store: the SHA-256 digest of its name in the cookie. Opens nothing.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct SessionId(pub(super) [u8; 32]);

/// What is sealed; each has keys of its own.
#[derive(Clone, Copy, Debug)]
pub(super) enum Purpose {
    /// What the store has of a session.
    Session,
    /// What a browser has of a login that has begun.
    Login,
}

/// What was not sealed here, or was changed since.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it was sealed with another key, or changed since")]
pub(super) struct NotSealedHere;

/// Seals, and names sessions.
pub(super) struct Sealer {
    expand: Prk,
    names: hmac::Key,
    subjects: hmac::Key,
}

struct Len32;

impl KeyType for Len32 {
    fn len(&self) -> usize {
        32
    }
}

/// Reads the key. It is made, for its owner to read alone, if there is neither a key nor anything sealed with one.
pub(super) fn key_file(path: &Path, store_exists: bool) -> Result<SealKey, KeyFileError> {
    let failed = |source| KeyFileError::Io { path: path.to_owned(), source };
    match fs::read(path).map(Zeroizing::new) {
        Ok(text) => parse(&text).ok_or_else(|| KeyFileError::Malformed { path: path.to_owned() }),
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(error)),
        Err(_) if store_exists => Err(KeyFileError::Missing { path: path.to_owned() }),
        Err(_) => {
            let key = Zeroizing::new(random::<32>().ok_or(KeyFileError::Random)?);
            let text = Zeroizing::new(format!("{}\n", URL_SAFE_NO_PAD.encode_to_string(key.as_slice())));
            make(path, text.as_bytes()).map_err(failed)?;
            // Of two gateways that begin at once, one made it for both.
            let text = fs::read(path).map(Zeroizing::new).map_err(failed)?;
            parse(&text).ok_or_else(|| KeyFileError::Malformed { path: path.to_owned() })
        }
    }
}

/// Makes the file whole, unless there is one by then.
fn make(path: &Path, text: &[u8]) -> io::Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let new = PathBuf::from(name);
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
    file.write_all(text)?;
    file.sync_all()?;
    let linked = match fs::hard_link(&new, path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        linked => linked,
    };
    fs::remove_file(&new)?;
    linked
}

fn parse(text: &[u8]) -> Option<SealKey> {
    let bytes = Zeroizing::new(URL_SAFE_NO_PAD.decode_to_vec(text.trim_ascii()).ok()?);
    bytes.as_slice().try_into().ok().map(|key| SealKey(Zeroizing::new(key)))
}

/// `N` random bytes, if the system gives any.
fn random<const N: usize>() -> Option<[u8; N]> {
    let mut bytes = [0; N];
    rand::fill(&mut bytes).ok().map(|()| bytes)
}

/// 256 random bits as text that a URL takes as it is.
pub(super) fn random_text() -> Option<Zeroizing<String>> {
    random::<32>().map(|bytes| Zeroizing::new(URL_SAFE_NO_PAD.encode_to_string(bytes)))
}

/// The S256 `code_challenge` of a verifier. RFC 7636 section 4.2.
pub(super) fn code_challenge(verifier: &str) -> String {
    digest_text(verifier)
}

/// The SHA-256 digest of a text, as text that a URL and a cookie take as it is.
pub(super) fn digest_text(text: &str) -> String {
    URL_SAFE_NO_PAD.encode_to_string(digest(&SHA256, text.as_bytes()))
}

impl Sealer {
    pub(super) fn new(key: &SealKey) -> Result<Self, KeyFileError> {
        let expand = Salt::new(HKDF_SHA256, b"gatepass-gateway").extract(key.0.as_slice());
        let mac = |purpose: &[u8]| {
            let key = derive(&expand, &[purpose]).ok_or(KeyFileError::Random)?;
            Ok::<_, KeyFileError>(hmac::Key::new(hmac::HMAC_SHA256, key.as_slice()))
        };
        let (names, subjects) = (mac(b"names of sessions")?, mac(b"subjects of sessions")?);
        Ok(Self { expand, names, subjects })
    }

    /// A new session's name, and what its cookie has.
    pub(super) fn new_session(&self) -> Option<(SessionId, Zeroizing<String>)> {
        let name = Zeroizing::new(random::<RANDOM>()?);
        let mut cookie = Zeroizing::new(name.to_vec());
        cookie.extend_from_slice(hmac::sign(&self.names, name.as_slice()).as_ref().get(..TAG)?);
        Some((
            session_id(name.as_slice())?,
            Zeroizing::new(URL_SAFE_NO_PAD.encode_to_string(cookie.as_slice())),
        ))
    }

    /// The session that a cookie names, if this made the cookie. Whether there is such a session is the store's to
    /// say.
    pub(super) fn session(&self, cookie: &[u8]) -> Option<SessionId> {
        if cookie.len() != URL_SAFE_NO_PAD.encoded_length(RANDOM + TAG) {
            return None;
        }
        let bytes = Zeroizing::new(URL_SAFE_NO_PAD.decode_to_vec(cookie).ok()?);
        let (name, tag) = bytes.split_at_checked(RANDOM)?;
        verify_slices_are_equal(hmac::sign(&self.names, name).as_ref().get(..TAG)?, tag).ok()?;
        session_id(name)
    }

    /// What the store has instead of a subject.
    pub(super) fn subject(&self, sub: &str) -> [u8; 32] {
        fill(hmac::sign(&self.subjects, sub.as_bytes()).as_ref())
    }

    /// Encrypts with AES-256-GCM, under a key for this purpose and context alone.
    pub(super) fn seal(
        &self,
        purpose: Purpose,
        context: &[u8],
        plain: &[u8],
    ) -> Result<Vec<u8>, NotSealedHere> {
        let mut sealed = Vec::with_capacity(plain.len() + 64);
        sealed.extend_from_slice(plain);
        let nonce = self
            .key(purpose, context)?
            .seal_in_place_append_tag(Aad::from(context), &mut sealed)
            .map_err(|_| NotSealedHere)?;
        sealed.extend_from_slice(nonce.as_ref());
        Ok(sealed)
    }

    /// Decrypts what [`Sealer::seal`] made for the same purpose and context.
    pub(super) fn open(
        &self,
        purpose: Purpose,
        context: &[u8],
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, NotSealedHere> {
        let at = sealed.len().checked_sub(NONCE_LEN).ok_or(NotSealedHere)?;
        let (ciphertext, nonce) = sealed.split_at_checked(at).ok_or(NotSealedHere)?;
        let nonce: [u8; NONCE_LEN] = nonce.try_into().map_err(|_| NotSealedHere)?;
        let mut buffer = Zeroizing::new(ciphertext.to_vec());
        let opened =
            self.key(purpose, context)?.open_in_place((&nonce).into(), Aad::from(context), &mut buffer);
        let len = opened.map_err(|_| NotSealedHere)?.len();
        buffer.truncate(len);
        Ok(buffer)
    }

    fn key(&self, purpose: Purpose, context: &[u8]) -> Result<RandomizedNonceKey, NotSealedHere> {
        let purpose: &[u8] = match purpose {
            Purpose::Session => b"sessions at rest ",
            Purpose::Login => b"logins that have begun ",
        };
        let key = derive(&self.expand, &[purpose, context]).ok_or(NotSealedHere)?;
        RandomizedNonceKey::new(&AES_256_GCM, key.as_slice()).map_err(|_| NotSealedHere)
    }
}

fn derive(expand: &Prk, info: &[&[u8]]) -> Option<Zeroizing<[u8; 32]>> {
    let mut key = Zeroizing::new([0; 32]);
    expand.expand(info, Len32).and_then(|okm| okm.fill(key.as_mut_slice())).ok()?;
    Some(key)
}

fn session_id(name: &[u8]) -> Option<SessionId> {
    digest(&SHA256, name).as_ref().try_into().ok().map(SessionId)
}

fn fill(from: &[u8]) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
    bytes
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn sealer() -> Sealer {
        Sealer::new(&SealKey(Zeroizing::new(random().unwrap()))).unwrap()
    }

    #[test]
    fn what_is_sealed_opens_only_as_what_it_is() {
        let sealer = sealer();
        let sealed = sealer.seal(Purpose::Session, b"one", b"tokens").unwrap();
        assert_eq!(sealer.open(Purpose::Session, b"one", &sealed).unwrap().as_slice(), b"tokens");
        assert!(sealer.open(Purpose::Session, b"two", &sealed).is_err(), "another session");
        assert!(sealer.open(Purpose::Login, b"one", &sealed).is_err(), "another purpose");
        for len in 0..sealed.len() {
            assert!(sealer.open(Purpose::Session, b"one", &sealed[..len]).is_err(), "cut to {len}");
        }
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(sealer.open(Purpose::Session, b"one", &changed).is_err(), "changed at {at}");
        }
        assert!(super::tests::sealer().open(Purpose::Session, b"one", &sealed).is_err(), "another key");
    }

    #[test]
    fn a_session_is_named_by_a_cookie_that_was_made_here() {
        let sealer = sealer();
        let (id, cookie) = sealer.new_session().unwrap();
        assert_eq!((sealer.session(cookie.as_bytes()), cookie.len()), (Some(id), 64));
        assert_ne!(sealer.new_session().unwrap().0, id);
        let mut forged = cookie.as_bytes().to_vec();
        for at in 0..forged.len() {
            let was = forged[at];
            forged[at] = if was == b'A' { b'B' } else { b'A' };
            assert_eq!(sealer.session(&forged), None, "changed at {at}");
            forged[at] = was;
        }
        for other in [&b""[..], b"x", &[b'A'; 63], &[b'A'; 64], &[b'A'; 65], &[0xff; 64]] {
            assert_eq!(sealer.session(other), None);
        }
        assert_eq!(super::tests::sealer().session(cookie.as_bytes()), None, "another key");
    }

    #[test]
    fn the_key_is_made_once_and_missed_when_it_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sessions.key");
        assert!(matches!(key_file(&path, true), Err(KeyFileError::Missing { .. })));
        let made = key_file(&path, false).unwrap();
        assert_eq!(key_file(&path, true).unwrap().0, made.0);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left");
        for text in ["", "short", "====", &"A".repeat(44)] {
            fs::write(&path, text).unwrap();
            assert!(matches!(key_file(&path, true), Err(KeyFileError::Malformed { .. })), "{text:?}");
        }
    }
}

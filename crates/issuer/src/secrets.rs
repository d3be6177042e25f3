//! What must not be in the store: the master key, and the keys derived from it.

mod seal;

use std::fmt;

use arc_swap::ArcSwap;
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Salt};
use aws_lc_rs::{hmac, rand};
use gatepass_jose::{Alg, SecretKey, base64url};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::client::{ClientSecret, SealedSecret, SecretDigest};
use crate::code::CodeDigest;
use crate::device::{DeviceCodeDigest, UserCode, UserCodeDigest};
use crate::id::{ClientId, StreamId};
use crate::pushed_request::RequestUriDigest;
use crate::registration::RegistrationTokenDigest;
use crate::user::Username;

use self::seal::Seals;
pub use self::seal::{Reseal, Sealed};
pub(crate) use self::seal::{Roots, Seal};

/// 32 random bytes that open the roots of every other secret of the issuer. They come from a file or
/// the environment, never from the store: whoever steals the store alone can neither sign, nor
/// forge a refresh token, nor try client secrets.
pub struct MasterKey(Zeroizing<[u8; 32]>);

/// Something secret could not be made, read or opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SecretError {
    /// The text is not a master key.
    #[error("a master key is 43 characters of base64url: 32 random bytes")]
    MasterKey,
    /// The operating system gave no randomness, or the crypto library failed.
    #[error("the system gave no randomness")]
    Random,
    /// The data were sealed under another master key, or changed since.
    #[error("what is sealed in the store does not open with this master key")]
    Sealed,
}

/// `N` random bytes.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], SecretError> {
    let mut bytes = [0; N];
    rand::fill(&mut bytes).map_err(|_| SecretError::Random)?;
    Ok(bytes)
}

impl MasterKey {
    /// A fresh key.
    ///
    /// # Errors
    /// [`SecretError::Random`].
    pub fn generate() -> Result<Self, SecretError> {
        Ok(Self(Zeroizing::new(random()?)))
    }

    /// Reads the text of a key; white space around it is ignored.
    ///
    /// # Errors
    /// [`SecretError::MasterKey`].
    pub fn parse(text: &str) -> Result<Self, SecretError> {
        let bytes = Zeroizing::new(base64url::decode(text.trim()).map_err(|_| SecretError::MasterKey)?);
        let bytes = bytes.as_slice().try_into().map_err(|_| SecretError::MasterKey)?;
        Ok(Self(Zeroizing::new(bytes)))
    }

    /// The text to keep in a file that only the issuer can read.
    #[must_use]
    pub fn expose(&self) -> Zeroizing<String> {
        Zeroizing::new(base64url::encode(self.0.as_slice()))
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey(..)")
    }
}

/// One purpose's key: HKDF-SHA-256 (RFC 5869) with the purpose as `info`.
fn expand(root: &[u8; 32], purpose: &'static [u8]) -> Result<Zeroizing<[u8; 32]>, SecretError> {
    struct Len32;
    impl KeyType for Len32 {
        fn len(&self) -> usize {
            32
        }
    }

    let mut bytes = Zeroizing::new([0; 32]);
    Salt::new(HKDF_SHA256, b"gatepass")
        .extract(root)
        .expand(&[purpose], Len32)
        .and_then(|okm| okm.fill(bytes.as_mut_slice()))
        .map_err(|_| SecretError::Random)?;
    Ok(bytes)
}

/// The derived keys, ready for use.
pub(crate) struct Secrets {
    pub(crate) refresh_mac: hmac::Key,
    pub(crate) login_mac: hmac::Key,
    pub(crate) form_mac: hmac::Key,
    pub(crate) known_device_mac: hmac::Key,
    pub(crate) decoy_mac: hmac::Key,
    typed_name_mac: hmac::Key,
    pub(crate) dpop_nonces: SecretKey,
    pub(crate) token_copies: SecretKey,
    client_mac: hmac::Key,
    code_mac: hmac::Key,
    request_uri_mac: hmac::Key,
    device_code_mac: hmac::Key,
    user_code_mac: hmac::Key,
    registration_mac: hmac::Key,
    pub(crate) subject_mac: hmac::Key,
    /// For what browsers carry of logins at providers. It does not change with the master key, because nothing of it is in
    /// the store.
    pub(crate) provider_logins: Seal,
    roots: ArcSwap<Roots>,
    seals: ArcSwap<Seals>,
}

impl Secrets {
    /// From the roots that a store keeps; from the master key itself where it keeps none.
    pub(crate) fn from_store(master: &MasterKey, roots: Option<&[u8]>) -> Result<Self, SecretError> {
        match roots {
            Some(sealed) => Self::derive(Roots::open(master, sealed)?),
            None => Self::derive(Roots::of(master)),
        }
    }

    pub(crate) fn derive(roots: Roots) -> Result<Self, SecretError> {
        let mac = |purpose| Ok(hmac::Key::new(hmac::HMAC_SHA256, expand(&roots.macs, purpose)?.as_slice()));
        Ok(Self {
            refresh_mac: mac(b"refresh tokens")?,
            login_mac: mac(b"login cookies")?,
            form_mac: mac(b"form tokens")?,
            known_device_mac: mac(b"known devices")?,
            decoy_mac: mac(b"logins of unknown users")?,
            typed_name_mac: mac(b"unknown names in the log")?,
            dpop_nonces: SecretKey::new(expand(&roots.macs, b"DPoP nonces")?.as_slice()),
            token_copies: SecretKey::new(expand(&roots.macs, b"encrypted access tokens")?.as_slice()),
            client_mac: mac(b"client secrets")?,
            code_mac: mac(b"authorization codes")?,
            request_uri_mac: mac(b"request URIs")?,
            device_code_mac: mac(b"device codes")?,
            user_code_mac: mac(b"user codes")?,
            registration_mac: mac(b"registration tokens")?,
            subject_mac: mac(b"pairwise subjects")?,
            provider_logins: Seal::new(expand(&roots.macs, b"logins at providers")?.as_slice())?,
            seals: ArcSwap::from_pointee(Seals::of(&roots)?),
            roots: ArcSwap::from_pointee(roots),
        })
    }

    /// The roots for another master key, and what makes of everything sealed what opens with them.
    pub(crate) fn renew(&self) -> Result<(Roots, Reseal), SecretError> {
        let roots = self.roots.load().renewed()?;
        let (from, to) = (self.seals.load_full(), Seals::of(&roots)?);
        Ok((roots, Reseal::new(move |sealed| from.reseal(sealed, &to))))
    }

    /// Seals with `roots` from now on. What the roots before have sealed still opens.
    pub(crate) fn take_over(&self, roots: Roots) -> Result<(), SecretError> {
        self.seals.store(Seals::of(&roots)?.into());
        self.roots.store(roots.into());
        Ok(())
    }

    /// What the store keeps of a client secret.
    pub(crate) fn digest(&self, secret: &ClientSecret) -> SecretDigest {
        SecretDigest(tag(&self.client_mac, secret.expose().as_bytes()))
    }

    /// What the log says of a name that is nobody's: the same for the same name.
    pub(crate) fn typed_name_digest(&self, name: &Username) -> [u8; 8] {
        let [a, b, c, d, e, f, g, h, ..] = tag(&self.typed_name_mac, name.folded().as_bytes());
        [a, b, c, d, e, f, g, h]
    }

    /// What the store keeps of an authorization code, which is how it is found.
    pub(crate) fn code_digest(&self, code: &str) -> CodeDigest {
        CodeDigest(tag(&self.code_mac, code.as_bytes()))
    }

    /// What the store keeps of the name of a pushed request, which is how it is found.
    pub(crate) fn request_uri_digest(&self, request_uri: &str) -> RequestUriDigest {
        RequestUriDigest(tag(&self.request_uri_mac, request_uri.as_bytes()))
    }

    /// What the store keeps of a device code, which is how it is found.
    pub(crate) fn device_code_digest(&self, device_code: &str) -> DeviceCodeDigest {
        DeviceCodeDigest(tag(&self.device_code_mac, device_code.as_bytes()))
    }

    /// What the store keeps of a user code, which is how it is found. Without the key it could be found by trying
    /// all of them.
    pub(crate) fn user_code_digest(&self, user_code: &UserCode) -> UserCodeDigest {
        UserCodeDigest(tag(&self.user_code_mac, user_code.letters().as_bytes()))
    }

    /// What the store keeps of a token with which clients register, or manage their registration.
    pub(crate) fn registration_token_digest(&self, token: &str) -> RegistrationTokenDigest {
        RegistrationTokenDigest(tag(&self.registration_mac, token.as_bytes()))
    }

    /// Whether `presented` is the token that `digest` was made of, in constant time.
    pub(crate) fn is_registration_token(&self, presented: &str, digest: RegistrationTokenDigest) -> bool {
        hmac::verify(&self.registration_mac, presented.as_bytes(), &digest.0).is_ok()
    }

    /// Whether `presented` is the secret that `digest` was made of, in constant time.
    pub(crate) fn is_secret(&self, presented: &str, digest: SecretDigest) -> bool {
        hmac::verify(&self.client_mac, presented.as_bytes(), &digest.0).is_ok()
    }

    /// Encrypts a private key for the store, bound to its name and algorithm.
    pub(crate) fn seal(&self, kid: &str, alg: Alg, private: &[u8]) -> Result<Vec<u8>, SecretError> {
        self.seals.load().seal_key(kid, alg, private)
    }

    /// Decrypts what [`Secrets::seal`] made for the same name and algorithm.
    pub(crate) fn open(&self, kid: &str, alg: Alg, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SecretError> {
        self.seals.load().open_key(kid, alg, sealed)
    }

    /// Encrypts a client's secret for the store, bound to the client.
    pub(crate) fn seal_client_secret(
        &self,
        client: &ClientId,
        secret: &ClientSecret,
    ) -> Result<SealedSecret, SecretError> {
        self.seals.load().seal_secret(client, secret.expose().as_bytes())
    }

    /// Encrypts what is sent as `Authorization` to a receiver, bound to its stream.
    pub(crate) fn seal_stream_authorization(
        &self,
        stream: StreamId,
        value: &str,
    ) -> Result<SealedSecret, SecretError> {
        self.seals.load().seal_authorization(stream, value.as_bytes())
    }

    /// What was sealed for the same stream.
    pub(crate) fn open_stream_authorization(
        &self,
        stream: StreamId,
        sealed: &SealedSecret,
    ) -> Result<SecretKey, SecretError> {
        let opened = self.seals.load().open_authorization(stream, sealed)?;
        Ok(SecretKey::new(opened.as_slice()))
    }

    /// The octets of a secret that was sealed for the same client, which are the key of its assertions'
    /// MACs ([OpenID Connect Core 1.0 section 10.1](https://openid.net/specs/openid-connect-core-1_0.html#Signing)).
    pub(crate) fn open_client_secret(
        &self,
        client: &ClientId,
        sealed: &SealedSecret,
    ) -> Result<SecretKey, SecretError> {
        let opened = self.seals.load().open_secret(client, sealed)?;
        Ok(SecretKey::new(opened.as_slice()))
    }
}

fn tag(key: &hmac::Key, text: &[u8]) -> [u8; 32] {
    let mut tag = [0; 32];
    for (to, from) in tag.iter_mut().zip(hmac::sign(key, text).as_ref()) {
        *to = *from;
    }
    tag
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sealed_keys_open_only_as_what_they_are() {
        let secrets = Secrets::derive(Roots::generate().unwrap()).unwrap();
        let sealed = secrets.seal("k1", Alg::ES256, b"private").unwrap();
        assert_eq!(secrets.open("k1", Alg::ES256, &sealed).unwrap().as_slice(), b"private");
        assert!(secrets.open("k2", Alg::ES256, &sealed).is_err(), "another name");
        assert!(secrets.open("k1", Alg::ES384, &sealed).is_err(), "another algorithm");
        for len in 0..sealed.len() {
            assert!(secrets.open("k1", Alg::ES256, &sealed[..len]).is_err(), "cut to {len}");
        }
        let other = Secrets::derive(Roots::generate().unwrap()).unwrap();
        assert_eq!(other.open("k1", Alg::ES256, &sealed).err(), Some(SecretError::Sealed));
    }

    #[test]
    fn a_sealed_client_secret_opens_for_its_client_alone() {
        let secrets = Secrets::derive(Roots::generate().unwrap()).unwrap();
        let secret = ClientSecret::from_random(&[7; 32]);
        let (shop, other) = ("shop".parse().unwrap(), "other".parse().unwrap());
        let sealed = secrets.seal_client_secret(&shop, &secret).unwrap();
        assert_eq!(secrets.open_client_secret(&shop, &sealed).unwrap().expose(), secret.expose().as_bytes());
        assert_eq!(secrets.open_client_secret(&other, &sealed).err(), Some(SecretError::Sealed));
        let key = secrets.seal("shop", Alg::ES256, b"private").unwrap();
        assert!(secrets.open_client_secret(&shop, &SealedSecret(key)).is_err(), "a key is no secret");
    }

    /// Compiles only while none of these types can be compared with `==`, which takes the longer the more of a guess is right.
    /// What is presented is compared by its MAC, or found by it.
    #[test]
    fn no_secret_is_compared_byte_by_byte() {
        macro_rules! cannot_be_compared {
            ($($secret:ty),*) => { $({
                trait Ambiguous<Which> {
                    fn found() {}
                }
                struct Comparable;
                impl<T> Ambiguous<()> for T {}
                impl<T: PartialEq> Ambiguous<Comparable> for T {}
                <$secret as Ambiguous<_>>::found();
            })* };
        }
        cannot_be_compared!(
            MasterKey,
            SecretKey,
            ClientSecret,
            crate::code::Code,
            crate::device::DeviceCode,
            crate::known_device::DeviceCookie,
            crate::password::Password,
            crate::refresh_token::RefreshToken,
            crate::registration::RegistrationToken,
            crate::sign_on::LoginCookie
        );
        let secrets = Secrets::derive(Roots::generate().unwrap()).unwrap();
        let secret = ClientSecret::from_random(&[7; 32]);
        let digest = secrets.digest(&secret);
        let token = secrets.registration_token_digest(secret.expose());
        let good = secret.expose();
        let cut = good.get(1..).unwrap();
        let doubled = good.repeat(2);
        for (name, presented, want) in
            [("same", good, true), ("cut", cut, false), ("doubled", &doubled, false), ("nothing", "", false)]
        {
            assert_eq!(secrets.is_secret(presented, digest), want, "{name}");
            assert_eq!(secrets.is_registration_token(presented, token), want, "{name}");
        }
    }

    #[test]
    fn a_master_key_survives_its_file_and_shows_nothing() {
        let master = MasterKey::generate().unwrap();
        let read = MasterKey::parse(&format!("{}\n", *master.expose())).unwrap();
        assert_eq!(*read.expose(), *master.expose());
        assert!(!format!("{master:?}").contains(&master.expose()[..8]));
        for text in ["", "AAAA", &"A".repeat(44), &"=".repeat(43)] {
            assert!(MasterKey::parse(text).is_err(), "{text}");
        }
    }
}

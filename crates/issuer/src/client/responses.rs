//! In which form a client wants to be told things: signed by what, and encrypted for whom.

use gatepass_jose::{Alg, ContentEncryption, KeyManagement};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::ClientKeySource;
use crate::response::DEFAULT_RESPONSE_ALG;

/// How a client's key can be used to encrypt for it. `RSA-OAEP` is for clients that know nothing newer.
pub const ENCRYPTION_ALGS: [KeyManagement; 5] = [
    KeyManagement::RsaOaep256,
    KeyManagement::RsaOaep,
    KeyManagement::EcdhEs,
    KeyManagement::EcdhEsA128KW,
    KeyManagement::EcdhEsA256KW,
];
/// How content can be encrypted for a client.
pub const ENCRYPTION_ENCS: [ContentEncryption; 4] = [
    ContentEncryption::A128CbcHs256,
    ContentEncryption::A256CbcHs512,
    ContentEncryption::A128GCM,
    ContentEncryption::A256GCM,
];
/// What encrypts content where a client has not said.
const DEFAULT_ENC: ContentEncryption = ContentEncryption::A128CbcHs256;

/// The members and what changes them, from one table.
macro_rules! response_formats {
    ($($(#[$doc:meta])* $member:ident: $type:ty,)*) => {
        /// In which form a client is told things, under the names of its registration. Each member left out is the default:
        /// `ES256` signs what is always signed, the rest is plain JSON, and nothing is encrypted. A client that registers and
        /// does not say what signs its ID tokens gets `RS256` written down there, where the server has a key for it.
        #[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(default)]
        pub struct ResponseFormats {
            $($(#[$doc])* #[serde(skip_serializing_if = "Option::is_none")] pub $member: Option<$type>,)*
        }

        /// What is to change about them; `None` leaves it, `Some(None)` goes back to the default.
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        #[allow(missing_docs)] // the names are those of `ResponseFormats`
        pub struct ChangeResponses {
            $(pub $member: Option<Option<$type>>,)*
        }

        impl ChangeResponses {
            /// The change that leaves nothing of what was.
            #[must_use]
            pub fn to(formats: ResponseFormats) -> Self {
                Self { $($member: Some(formats.$member),)* }
            }

            pub(crate) fn of(self, before: ResponseFormats) -> ResponseFormats {
                ResponseFormats { $($member: self.$member.unwrap_or(before.$member),)* }
            }
        }
    };
}

response_formats! {
    /// What signs its ID tokens and logout tokens
    /// ([OpenID Connect Registration 1.0 section 2](https://openid.net/specs/openid-connect-registration-1_0.html#ClientMetadata)).
    id_token_signed_response_alg: Alg,
    /// How they are encrypted for it.
    id_token_encrypted_response_alg: KeyManagement,
    /// What encrypts their content.
    id_token_encrypted_response_enc: ContentEncryption,
    /// What signs the answers of the userinfo endpoint.
    userinfo_signed_response_alg: Alg,
    /// How they are encrypted for it.
    userinfo_encrypted_response_alg: KeyManagement,
    /// What encrypts their content.
    userinfo_encrypted_response_enc: ContentEncryption,
    /// What signs authorization responses that it asks for as JWTs
    /// ([JARM section 3](https://openid.net/specs/oauth-v2-jarm.html#section-3)).
    authorization_signed_response_alg: Alg,
    /// How they are encrypted for it.
    authorization_encrypted_response_alg: KeyManagement,
    /// What encrypts their content.
    authorization_encrypted_response_enc: ContentEncryption,
    /// What signs the answers to introspections that are asked for as a JWT
    /// ([RFC 9701 section 6](https://www.rfc-editor.org/rfc/rfc9701#section-6)).
    introspection_signed_response_alg: Alg,
    /// How they are encrypted for it.
    introspection_encrypted_response_alg: KeyManagement,
    /// What encrypts their content.
    introspection_encrypted_response_enc: ContentEncryption,
}

/// What a client is told as a JWT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// ID tokens, and logout tokens, which go the same way
    /// ([OpenID Connect Back-Channel Logout 1.0 section 2.4](https://openid.net/specs/openid-connect-backchannel-1_0.html#LogoutToken)).
    IdToken,
    /// What the userinfo endpoint says.
    UserInfo,
    /// Authorization responses.
    Authorization,
    /// Answers to introspections.
    Introspection,
}

impl Told {
    const ALL: [Self; 4] = [Self::IdToken, Self::UserInfo, Self::Authorization, Self::Introspection];

    fn signing_member(self) -> &'static str {
        match self {
            Self::IdToken => "id_token_signed_response_alg",
            Self::UserInfo => "userinfo_signed_response_alg",
            Self::Authorization => "authorization_signed_response_alg",
            Self::Introspection => "introspection_signed_response_alg",
        }
    }
}

/// How something is encrypted for a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Encryption {
    pub(crate) alg: KeyManagement,
    pub(crate) enc: ContentEncryption,
}

/// Why nothing can be encrypted as a client wants it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum InvalidEncryption {
    /// What encrypts the content is named, and not what its key is encrypted by.
    #[error("an encrypted_response_enc goes with an encrypted_response_alg")]
    EncAlone,
    /// This server does not encrypt so.
    #[error("this server does not encrypt with {0}")]
    Alg(KeyManagement),
    /// This server does not encrypt content so.
    #[error("this server does not encrypt content with {0}")]
    Enc(ContentEncryption),
    /// Nobody could read it: the client has no key for that.
    #[error("the client has no public key for {0}: it needs one in its jwks, with \"use\": \"enc\"")]
    NoKey(KeyManagement),
}

impl ResponseFormats {
    /// The algorithms that have to sign for it, each with the member that says so.
    pub fn signing_algs(&self) -> impl Iterator<Item = (&'static str, Alg)> {
        Told::ALL.into_iter().filter_map(|told| Some((told.signing_member(), self.signed(told)?)))
    }

    /// The algorithms with which it is encrypted for.
    pub(crate) fn encryption_algs(&self) -> impl Iterator<Item = KeyManagement> {
        Told::ALL.into_iter().filter_map(|told| Some(self.encrypted(told)?.alg))
    }

    /// Whether it is told that as a JWT, where it could be plain JSON.
    pub(crate) fn is_jwt(&self, told: Told) -> bool {
        self.signed(told).is_some() || self.encrypted(told).is_some()
    }

    /// What signs for it; `None`: the default.
    pub(crate) fn signed(&self, told: Told) -> Option<Alg> {
        self.members(told).0
    }

    /// How it is encrypted, if it is.
    pub(crate) fn encrypted(&self, told: Told) -> Option<Encryption> {
        let (_, alg, enc) = self.members(told);
        Some(Encryption { alg: alg?, enc: enc.unwrap_or(DEFAULT_ENC) })
    }

    /// The same with the defaults of this server, which are not those of the specifications: a client that reads its
    /// registration need not know them.
    #[must_use]
    pub fn spelled_out(mut self) -> Self {
        let defaults = [
            Some(&mut self.id_token_signed_response_alg),
            Some(&mut self.authorization_signed_response_alg),
            Some(&mut self.introspection_signed_response_alg),
            Some(&mut self.userinfo_signed_response_alg)
                .filter(|_| self.userinfo_encrypted_response_alg.is_some()),
        ];
        for alg in defaults.into_iter().flatten() {
            alg.get_or_insert(DEFAULT_RESPONSE_ALG);
        }
        self
    }

    fn members(&self, told: Told) -> (Option<Alg>, Option<KeyManagement>, Option<ContentEncryption>) {
        match told {
            Told::IdToken => (
                self.id_token_signed_response_alg,
                self.id_token_encrypted_response_alg,
                self.id_token_encrypted_response_enc,
            ),
            Told::UserInfo => (
                self.userinfo_signed_response_alg,
                self.userinfo_encrypted_response_alg,
                self.userinfo_encrypted_response_enc,
            ),
            Told::Authorization => (
                self.authorization_signed_response_alg,
                self.authorization_encrypted_response_alg,
                self.authorization_encrypted_response_enc,
            ),
            Told::Introspection => (
                self.introspection_signed_response_alg,
                self.introspection_encrypted_response_alg,
                self.introspection_encrypted_response_enc,
            ),
        }
    }

    /// That what is to be encrypted can be, for one of `keys` where those are given.
    pub(crate) fn require_encryptable(
        &self,
        keys: Option<&ClientKeySource>,
    ) -> Result<(), InvalidEncryption> {
        for told in Told::ALL {
            match (self.members(told), self.encrypted(told)) {
                ((_, None, Some(_)), _) => return Err(InvalidEncryption::EncAlone),
                (_, None) => {}
                (_, Some(Encryption { alg, .. })) if !ENCRYPTION_ALGS.contains(&alg) => {
                    return Err(InvalidEncryption::Alg(alg));
                }
                (_, Some(Encryption { enc, .. })) if !ENCRYPTION_ENCS.contains(&enc) => {
                    return Err(InvalidEncryption::Enc(enc));
                }
                (_, Some(Encryption { alg, .. })) => {
                    let is_there = |keys: &ClientKeySource| match keys {
                        ClientKeySource::Given(keys) => keys.encryption(alg).is_some(),
                        ClientKeySource::Published { .. } => true,
                    };
                    if !keys.is_some_and(is_there) {
                        return Err(InvalidEncryption::NoKey(alg));
                    }
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use gatepass_jose::jwe::DecryptionKey;
    use gatepass_jose::{Curve, JwkSet};

    use super::*;
    use crate::client::ClientKeys;

    #[test]
    fn nothing_is_encrypted_that_nobody_can_read() {
        use ContentEncryption::{A192GCM, A256GCM};
        use KeyManagement::{Dir, EcdhEs, RsaOaep256, RsaOaep384};
        let key = DecryptionKey::generate(EcdhEs, Some(Curve::P256), Some("e")).unwrap().to_jwk().unwrap();
        let keys = ClientKeys::new(JwkSet { keys: vec![key.public().unwrap()] }).unwrap().into();
        let cases = [
            ("nothing", None, None, Ok(())),
            ("default_content", Some(EcdhEs), None, Ok(())),
            ("both", Some(EcdhEs), Some(A256GCM), Ok(())),
            ("content_alone", None, Some(A256GCM), Err(InvalidEncryption::EncAlone)),
            ("no_key", Some(RsaOaep256), None, Err(InvalidEncryption::NoKey(RsaOaep256))),
            ("a_shared_secret", Some(Dir), None, Err(InvalidEncryption::Alg(Dir))),
            ("unserved", Some(RsaOaep384), None, Err(InvalidEncryption::Alg(RsaOaep384))),
            ("unserved_content", Some(EcdhEs), Some(A192GCM), Err(InvalidEncryption::Enc(A192GCM))),
        ];
        for (name, alg, enc, want) in cases {
            let formats = ResponseFormats {
                userinfo_encrypted_response_alg: alg,
                userinfo_encrypted_response_enc: enc,
                ..ResponseFormats::default()
            };
            assert_eq!(formats.require_encryptable(Some(&keys)), want, "{name}");
        }
        let formats = ResponseFormats { id_token_encrypted_response_alg: Some(EcdhEs), ..Default::default() };
        assert_eq!(formats.require_encryptable(None), Err(InvalidEncryption::NoKey(EcdhEs)));
    }
}

//! The [FAPI 2.0 Security Profile](https://openid.net/specs/fapi-security-profile-2_0-final.html) as one switch.
//!
//! Most of it holds for everybody: codes live a minute and count once, PKCE is S256, `iss` is in every answer, an
//! assertion names this issuer alone. What is left is what a client may otherwise choose.

use gatepass_jose::Alg;
use thiserror::Error;

use crate::binding::Binding;
use crate::client::{Client, Credential};
use crate::config::{Config, Signing};
use crate::id::ClientId;
use crate::issuer::Issuer;
use crate::rotation::Renewal;
use crate::store::{Page, Store, StoreError};

/// What is demanded of all clients.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Profile {
    /// What OAuth 2.1 demands.
    #[default]
    OAuth21,
    /// What the FAPI 2.0 Security Profile demands beyond that: clients authenticate with `private_key_jwt` or by a TLS
    /// certificate, push their requests with PKCE, and get no token that is not bound to a DPoP key or, where they are
    /// registered for that, to their certificate; their refresh tokens do not rotate; all signatures are ES256, PS256 or
    /// EdDSA.
    ///
    /// Clients whose tokens are for this issuer alone, such as its administrators, are not held to it.
    Fapi2,
}

/// Why something does not fit the profile.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ProfileMismatch {
    /// The client proves who it is in another way, or not at all.
    #[error("FAPI 2.0 demands that clients authenticate with private_key_jwt or by a TLS certificate")]
    Authentication,
    /// A key of the client's is for another algorithm.
    #[error("FAPI 2.0 demands keys for ES256, PS256 or EdDSA, not {0}")]
    ClientAlg(Alg),
    /// The tokens of a resource server are signed otherwise.
    #[error("FAPI 2.0 demands that tokens for {0} are signed with ES256, PS256 or EdDSA")]
    Signing(String),
}

impl Profile {
    /// Whether signatures of this algorithm are taken and made
    /// ([section 5.4.1](https://openid.net/specs/fapi-security-profile-2_0-final.html#section-5.4.1)).
    #[must_use]
    pub fn takes(self, alg: Alg) -> bool {
        match self {
            Self::OAuth21 => true,
            Self::Fapi2 => matches!(alg, Alg::ES256 | Alg::PS256 | Alg::EdDSA | Alg::Ed25519),
        }
    }

    /// Whether a client's refresh tokens rotate, which proved who it is or did not, and shows these keys.
    pub(crate) fn renewal(self, is_public: bool, shown: Binding) -> Renewal {
        match self {
            Self::Fapi2 if !is_public && shown.is_some() => Renewal::Keep,
            Self::Fapi2 | Self::OAuth21 => Renewal::Rotate,
        }
    }

    /// The client as the profile takes it: held to all that the profile demands, whatever it is registered for.
    fn hold(self, client: Client, issuer: &str) -> Result<Client, ProfileMismatch> {
        let is_for_issuer = !client.audience.is_empty() && client.audience.iter().all(|own| own == issuer);
        if self == Self::OAuth21 || is_for_issuer {
            return Ok(client);
        }
        // Of keys that are published those of other algorithms are passed over when they are fetched.
        let keys = match &client.credential {
            Credential::Keys(keys) => keys.given(),
            Credential::Certificate(_) => None,
            Credential::None | Credential::Secret(_) | Credential::SharedSecret(_) => {
                return Err(ProfileMismatch::Authentication);
            }
        };
        let given = keys.map(|keys| keys.verifying(&client.signing_algs(self))).unwrap_or_default();
        if let Some(key) = given.keys().iter().find(|key| !self.takes(key.alg())) {
            return Err(ProfileMismatch::ClientAlg(key.alg()));
        }
        let mut client = client;
        client.require_pkce = true;
        client.require_pushed = true;
        let extensions = &mut client.extensions;
        extensions.dpop_bound_access_tokens |= !extensions.tls_client_certificate_bound_access_tokens;
        Ok(client)
    }
}

impl Config {
    /// Demands that what is configured fits the profile.
    ///
    /// # Errors
    /// [`ProfileMismatch::Signing`].
    pub fn require_profile(&self) -> Result<(), ProfileMismatch> {
        let fits = |signing: &Signing| match signing {
            Signing::Published(alg) => self.profile.takes(*alg),
            Signing::Shared(_) => self.profile == Profile::OAuth21,
        };
        match self.resource_servers.iter().find(|server| !fits(&server.signing)) {
            Some(unfit) => Err(ProfileMismatch::Signing(unfit.audience.clone())),
            None => Ok(()),
        }
    }

    /// The clients of a store that could do nothing under this configuration because they do not fit the profile, and why.
    /// It can be asked before an [`Issuer`] is opened, which takes over keys.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn unfit_clients(
        &self,
        store: &dyn Store,
    ) -> Result<Vec<(ClientId, ProfileMismatch)>, StoreError> {
        let mut unfit = Vec::new();
        let mut after = None;
        loop {
            let page = store.list_clients(Page { after, limit: 500 }).await?;
            let Some(last) = page.last() else { return Ok(unfit) };
            after = Some(last.id.clone());
            for client in page.into_iter().filter(|client| !client.disabled) {
                let id = client.id.clone();
                unfit.extend(self.held(client).err().map(|why| (id, why)));
            }
        }
    }

    fn held(&self, client: Client) -> Result<Client, ProfileMismatch> {
        self.profile.hold(client, self.issuer.as_str())
    }
}

impl Issuer {
    /// A client as the profile takes it.
    pub(crate) fn held(&self, client: Client) -> Result<Client, ProfileMismatch> {
        self.config.held(client)
    }

    /// The clients that can do nothing here because they do not fit the profile, and why.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn unfit_clients(&self) -> Result<Vec<(ClientId, ProfileMismatch)>, StoreError> {
        self.config.unfit_clients(&*self.store).await
    }
}

#[cfg(test)]
mod tests {
    use gatepass_jose::{JwkSet, RsaSize, SecretKey, SigningKey};

    use super::*;
    use crate::authorize::test_client;
    use crate::certificate::RegisteredCertificate;
    use crate::client::ClientKeys;
    use crate::config::{ResourceServer, ResourceServers, SharedSecret};

    const ISSUER: &str = "https://auth.example.com";

    fn with_key(alg: Alg) -> Client {
        let key = match alg {
            Alg::PS256 | Alg::RS256 => SigningKey::generate_rsa(alg, Some("k"), RsaSize::Bits2048),
            alg => SigningKey::generate(alg, Some("k")),
        };
        let keys = JwkSet { keys: vec![key.unwrap().public_jwk().unwrap()] };
        Client { credential: Credential::Keys(ClientKeys::new(keys).unwrap().into()), ..test_client() }
    }

    #[test]
    fn which_clients_fit() {
        let public = || Client { credential: Credential::None, ..test_client() };
        let of_issuer = |client| Client { audience: vec![ISSUER.into()], ..client };
        let also =
            |client| Client { audience: vec![ISSUER.into(), "https://api.example.com".into()], ..client };
        let certified = || {
            let known = RegisteredCertificate::SanDns("client.example.com".into());
            Client { credential: Credential::Certificate(known), ..test_client() }
        };
        let authentication = Err(ProfileMismatch::Authentication);
        let cases = [
            ("es256", with_key(Alg::ES256), Ok(())),
            ("ps256", with_key(Alg::PS256), Ok(())),
            ("eddsa", with_key(Alg::EdDSA), Ok(())),
            ("rs256", with_key(Alg::RS256), Err(ProfileMismatch::ClientAlg(Alg::RS256))),
            ("es512", with_key(Alg::ES512), Err(ProfileMismatch::ClientAlg(Alg::ES512))),
            ("secret", test_client(), authentication.clone()),
            ("public", public(), authentication.clone()),
            ("certificate", certified(), Ok(())),
            ("administrator", of_issuer(test_client()), Ok(())),
            ("not_only_an_administrator", also(test_client()), authentication),
        ];
        for (name, client, want) in cases {
            let held = Profile::Fapi2.hold(client.clone(), ISSUER);
            assert_eq!(held.as_ref().map(drop), want.as_ref().map(drop), "{name}");
            assert_eq!(Profile::OAuth21.hold(client.clone(), ISSUER), Ok(client), "{name}");
        }
        let held =
            Profile::Fapi2.hold(Client { require_pkce: false, ..with_key(Alg::ES256) }, ISSUER).unwrap();
        assert!(held.require_pkce && held.require_pushed && held.extensions.dpop_bound_access_tokens);
        for by_certificate in [false, true] {
            let mut client = certified();
            client.extensions.tls_client_certificate_bound_access_tokens = by_certificate;
            let held = Profile::Fapi2.hold(client, ISSUER).unwrap();
            assert!(held.require_pkce && held.require_pushed);
            assert_eq!(held.extensions.dpop_bound_access_tokens, !by_certificate, "one of the two binds");
        }
    }

    #[test]
    fn which_resource_servers_fit() {
        let issuer = gatepass_jose::Issuer::new(ISSUER).unwrap();
        let secret = SharedSecret { current: SecretKey::new([1; 32]), previous: None };
        let cases = [
            ("es256", Signing::Published(Alg::ES256), true),
            ("rs256", Signing::Published(Alg::RS256), false),
            ("shared", Signing::Shared(secret), false),
        ];
        for (name, signing, fits) in cases {
            let server = ResourceServer {
                audience: "https://a".into(),
                signing,
                scope: None,
                not_before: false,
                encryption: None,
            };
            let servers = ResourceServers::new(&issuer, vec![server]).unwrap();
            let mut config = Config::new(issuer.clone(), servers);
            assert!(config.require_profile().is_ok(), "{name}");
            config.profile = Profile::Fapi2;
            assert_eq!(config.require_profile().is_ok(), fits, "{name}");
        }
    }
}

//! `[[identity_provider]]`: providers elsewhere that users log in with.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use gatepass_issuer::user::RoleName;
use gatepass_issuer::{
    AccountPolicy, IdentityProvider, ProviderCredential, ProviderId, ProviderProtocol, ProviderResponseMode,
    SecretMethod, UserInfoMembers,
};
use gatepass_jose::{Alg, Issuer, PrivateJwk, SecretKey, SigningKey};
use gatepass_server::{Fetch, Origin};
use gatepass_token::ScopeSet;
use serde::Deserialize;
use url::Url;
use zeroize::Zeroizing;

use super::parse_all;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawIdentityProvider {
    /// Stands in the redirect URI.
    id: String,
    /// What users call it.
    name: String,
    /// An OpenID Connect provider, which says the rest itself.
    issuer: Option<String>,
    /// The one algorithm of its ID tokens, in the place of those that its metadata name.
    id_token_signed_response_alg: Option<Alg>,
    /// A plain OAuth 2.0 server, in the place of `issuer`: where browsers go,
    authorization_endpoint: Option<Url>,
    /// where codes are exchanged,
    token_endpoint: Option<Url>,
    /// where it says who the user is,
    userinfo_endpoint: Option<Url>,
    /// where in that answer,
    members: Option<RawMembers>,
    /// and where it lists the user's addresses, if they are not in that answer.
    emails_endpoint: Option<Url>,
    /// How it sends users back.
    #[serde(default)]
    response_mode: ProviderResponseMode,
    client_id: String,
    client_secret_file: Option<PathBuf>,
    /// The environment variable with the secret, in the place of the file.
    client_secret_env: Option<String>,
    /// A private JWK, in the place of a secret.
    private_key_file: Option<PathBuf>,
    token_endpoint_auth_method: Option<SecretMethod>,
    scope: Option<Vec<String>>,
    /// Who may come in.
    #[serde(default)]
    accounts: RawAccounts,
    /// With `accounts = "create"`: the domains of the addresses; without it, any.
    #[serde(default)]
    email_domains: Vec<String>,
    /// With `accounts = "create"`: the roles of who becomes a user.
    #[serde(default)]
    roles: Vec<String>,
    /// Origins that may have private addresses and speak plain http.
    #[serde(default)]
    private_origins: Vec<String>,
}

/// JSON Pointers into the answer of the userinfo endpoint.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawMembers {
    subject: String,
    email: Option<String>,
    email_verified: Option<String>,
    name: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum RawAccounts {
    /// Users who have linked their account.
    #[default]
    Linked,
    /// They, and whoever has a verified address.
    Create,
}

/// All of them, no two with one id.
pub(super) fn check(
    providers: &[RawIdentityProvider],
    folder: &Path,
) -> anyhow::Result<Vec<Arc<IdentityProvider>>> {
    for (at, provider) in providers.iter().enumerate() {
        if providers.iter().take(at).any(|before| before.id == provider.id) {
            bail!("`identity_provider` {}: there are two of that id", provider.id);
        }
    }
    let checked = |provider: &RawIdentityProvider| {
        let checked = provider.check(folder).map(Arc::new);
        checked.with_context(|| format!("`identity_provider` {}", provider.id))
    };
    providers.iter().map(checked).collect()
}

impl RawIdentityProvider {
    fn check(&self, folder: &Path) -> anyhow::Result<IdentityProvider> {
        if self.name.trim().is_empty() || self.client_id.is_empty() {
            bail!(
                "it needs a `name` that users know it by, and the `client_id` that it knows this server by"
            );
        }
        let id: ProviderId = self.id.parse()?;
        let private: Vec<Origin> = parse_all("private_origins", &self.private_origins)?;
        let protocol = self.protocol(&private)?;
        let accounts = self.accounts(&protocol)?;
        let scope = self.scope(&protocol)?;
        let credential = self.credential(folder)?;
        let source = Arc::new(Fetch::new(private));
        let (name, client_id) = (self.name.clone(), self.client_id.clone());
        let provider =
            IdentityProvider::new(id, name, protocol, client_id, credential, scope, accounts, source);
        Ok(provider.answering_by(self.response_mode))
    }

    fn protocol(&self, private: &[Origin]) -> anyhow::Result<ProviderProtocol> {
        let endpoints =
            (&self.authorization_endpoint, &self.token_endpoint, &self.userinfo_endpoint, &self.members);
        match (&self.issuer, endpoints) {
            (Some(issuer), (None, None, None, None)) => {
                let url = Url::parse(issuer).context("`issuer`")?;
                require_web(&url, private).context("`issuer`")?;
                if url.query().is_some() {
                    bail!("`issuer`: a URL without query, as the provider writes it in `iss`");
                }
                if self.emails_endpoint.is_some() {
                    bail!("`emails_endpoint` goes with `userinfo_endpoint`");
                }
                if self.id_token_signed_response_alg.is_some_and(Alg::is_symmetric) {
                    bail!("`id_token_signed_response_alg` is an algorithm of public keys");
                }
                let id_token_signed_response_alg = self.id_token_signed_response_alg;
                Ok(ProviderProtocol::OpenIdConnect {
                    issuer: Issuer::new(issuer)?,
                    id_token_signed_response_alg,
                })
            }
            (None, (Some(authorization), Some(token), Some(userinfo), Some(members))) => {
                for url in [authorization, token, userinfo].into_iter().chain(&self.emails_endpoint) {
                    require_web(url, private).with_context(|| url.to_string())?;
                }
                if self.id_token_signed_response_alg.is_some() {
                    bail!("`id_token_signed_response_alg` goes with `issuer`");
                }
                if self.emails_endpoint.is_some()
                    && (members.email.is_some() || members.email_verified.is_some())
                {
                    bail!(
                        "`emails_endpoint` stands in the place of `members.email` and `members.email_verified`"
                    );
                }
                Ok(ProviderProtocol::OAuth {
                    authorization_endpoint: authorization.clone(),
                    token_endpoint: token.clone(),
                    userinfo_endpoint: userinfo.clone(),
                    members: members.check()?,
                    emails_endpoint: self.emails_endpoint.clone(),
                })
            }
            _ => bail!(
                "it needs either an `issuer`, or `authorization_endpoint`, `token_endpoint`, `userinfo_endpoint` and `members`"
            ),
        }
    }

    fn accounts(&self, protocol: &ProviderProtocol) -> anyhow::Result<AccountPolicy> {
        if self.accounts == RawAccounts::Linked {
            if !self.email_domains.is_empty() || !self.roles.is_empty() {
                bail!("`email_domains` and `roles` go with `accounts = \"create\"`");
            }
            return Ok(AccountPolicy::Linked);
        }
        if let ProviderProtocol::OAuth { members, emails_endpoint: None, .. } = protocol
            && (members.email.is_none() || members.email_verified.is_none())
        {
            bail!(
                "`accounts = \"create\"` needs `members.email` and `members.email_verified`, or an `emails_endpoint`"
            );
        }
        let roles: Vec<RoleName> = parse_all("roles", &self.roles)?;
        if roles.contains(&RoleName::admin()) {
            bail!("`roles`: who becomes a user by themselves does not administer; give the role by hand");
        }
        if self.email_domains.iter().any(|domain| domain.is_empty() || domain.contains('@')) {
            bail!("`email_domains` are what stands behind the @");
        }
        Ok(AccountPolicy::Create { email_domains: self.email_domains.clone(), roles })
    }

    fn scope(&self, protocol: &ProviderProtocol) -> anyhow::Result<String> {
        let is_openid = matches!(protocol, ProviderProtocol::OpenIdConnect { .. });
        let scope = match &self.scope {
            Some(scopes) => scopes.join(" "),
            None if is_openid => "openid email profile".to_owned(),
            None => bail!("it needs a `scope` with which it says who the user is"),
        };
        let scope: ScopeSet = scope.parse().context("`scope`")?;
        if is_openid && !scope.contains("openid") {
            bail!("`scope`: without openid it gives no ID token");
        }
        Ok(scope.to_string())
    }

    fn credential(&self, folder: &Path) -> anyhow::Result<ProviderCredential> {
        let text = match (&self.client_secret_file, &self.client_secret_env, &self.private_key_file) {
            (Some(file), None, None) => read(&folder.join(file))?,
            (None, Some(name), None) => {
                let value = std::env::var(name);
                Zeroizing::new(value.with_context(|| format!("the environment variable {name}"))?)
            }
            (None, None, Some(file)) => {
                if self.token_endpoint_auth_method.is_some() {
                    bail!("`token_endpoint_auth_method` goes with a secret");
                }
                let file = folder.join(file);
                let jwk = PrivateJwk::parse(read(&file)?.as_bytes());
                let key =
                    jwk.map_err(anyhow::Error::from).and_then(|jwk| Ok(SigningKey::from_jwk(&jwk, None)?));
                let key = key.with_context(|| format!("{} is refused", file.display()))?;
                if key.alg().is_symmetric() {
                    bail!("{} is a secret, and no private key", file.display());
                }
                return Ok(ProviderCredential::PrivateKey(key));
            }
            _ => bail!("it needs a `client_secret_file`, a `client_secret_env` or a `private_key_file`"),
        };
        match text.trim() {
            "" => bail!("the client's secret is empty"),
            secret => Ok(ProviderCredential::Secret {
                secret: SecretKey::new(secret.as_bytes()),
                method: self.token_endpoint_auth_method,
            }),
        }
    }
}

impl RawMembers {
    fn check(&self) -> anyhow::Result<UserInfoMembers> {
        let Self { subject, email, email_verified, name } = self.clone();
        let pointers = [Some(&subject), email.as_ref(), email_verified.as_ref(), name.as_ref()];
        if let Some(pointer) = pointers.into_iter().flatten().find(|pointer| !pointer.starts_with('/')) {
            bail!("`members`: {pointer:?} is no JSON Pointer; write \"/id\"");
        }
        Ok(UserInfoMembers { subject, email, email_verified, name })
    }
}

/// Codes and secrets go there: `https`, save to this operator's own network.
fn require_web(url: &Url, private: &[Origin]) -> anyhow::Result<()> {
    let origin = url.origin().ascii_serialization().parse::<Origin>();
    let is_private = origin.is_ok_and(|origin| private.contains(&origin));
    if url.fragment().is_some() || url.scheme() != "https" && !is_private {
        bail!("an https URL without fragment, or one whose origin is among `private_origins`");
    }
    Ok(())
}

fn read(file: &Path) -> anyhow::Result<Zeroizing<String>> {
    let text = fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    Ok(Zeroizing::new(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPENID: &str = r#"id = "corp"
name = "Corp"
client_id = "gatepass"
client_secret_file = "secret"
issuer = "https://login.example.com""#;
    const OAUTH: &str = r#"id = "hub"
name = "Hub"
client_id = "gatepass"
client_secret_file = "secret"
scope = ["user"]
authorization_endpoint = "https://hub.example.com/authorize"
token_endpoint = "https://hub.example.com/token"
userinfo_endpoint = "https://api.hub.example.com/user"
members = { subject = "/id", email = "/email" }"#;

    #[test]
    fn what_is_taken_of_a_provider() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("secret"), "s3cret\n").unwrap();
        fs::write(folder.path().join("empty"), " \n").unwrap();
        let cases = [
            ("openid", OPENID, "", true),
            (
                "create",
                OPENID,
                "accounts = \"create\"\nroles = [\"clerk\"]\nemail_domains = [\"example.com\"]",
                true,
            ),
            ("oauth", OAUTH, "", true),
            ("create_without_word_of_verification", OAUTH, "accounts = \"create\"", false),
            ("posted", OPENID, "response_mode = \"form_post\"", true),
            ("fragment", OPENID, "response_mode = \"fragment\"", false),
            ("list_of_addresses", OPENID, "emails_endpoint = \"https://a.example/emails\"", false),
            ("addresses_twice", OAUTH, "emails_endpoint = \"https://a.example/emails\"", false),
            ("both", OPENID, "token_endpoint = \"https://a.example/token\"", false),
            ("administrators", OPENID, "accounts = \"create\"\nroles = [\"admin\"]", false),
            ("roles_for_nobody", OPENID, "roles = [\"clerk\"]", false),
            ("an_address_for_a_domain", OPENID, "accounts = \"create\"\nemail_domains = [\"a@b.c\"]", false),
            ("no_openid", OPENID, "scope = [\"email\"]", false),
            ("symmetric", OPENID, "id_token_signed_response_alg = \"HS256\"", false),
            ("two_credentials", OPENID, "client_secret_env = \"X\"", false),
            ("unknown_key", OPENID, "isuer = \"x\"", false),
        ];
        let read = |text: &str| -> anyhow::Result<IdentityProvider> {
            toml::from_str::<RawIdentityProvider>(text)?.check(folder.path())
        };
        for (name, base, more, want) in cases {
            assert_eq!(read(&format!("{base}\n{more}")).is_ok(), want, "{name}");
        }
        let replaced = [
            ("plain_http", OPENID.replace("https://login", "http://login"), false),
            ("query", OPENID.replace(".com", ".com/?x=1"), false),
            ("empty_secret", OPENID.replace("\"secret\"", "\"empty\""), false),
            ("no_file", OPENID.replace("\"secret\"", "\"none\""), false),
            ("odd_id", OPENID.replace("corp", "a/b"), false),
            ("no_pointer", OAUTH.replace("/id", "id"), false),
            ("no_scope", OAUTH.replace("scope = [\"user\"]", ""), false),
            ("script", OAUTH.replace("https://hub.example.com/authorize", "javascript:alert(1)"), false),
        ];
        let listed = OAUTH.replace(", email = \"/email\"", "");
        let listed = |url: &str| format!("{listed}\naccounts = \"create\"\nemails_endpoint = \"{url}\"");
        let replaced = replaced.into_iter().chain([
            ("listed", listed("https://api.hub.example.com/user/emails"), true),
            ("listed_in_the_open", listed("http://api.hub.example.com/user/emails"), false),
        ]);
        for (name, text, want) in replaced {
            assert_eq!(read(&text).is_ok(), want, "{name}");
        }
        let local = OPENID.replace("https://login.example.com", "http://127.0.0.1:4711");
        assert!(read(&format!("{local}\nprivate_origins = [\"http://127.0.0.1:4711\"]")).is_ok());
        let twice: Vec<RawIdentityProvider> =
            vec![toml::from_str(OPENID).unwrap(), toml::from_str(OPENID).unwrap()];
        assert!(check(&twice, folder.path()).is_err());
    }
}

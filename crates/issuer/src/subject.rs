//! What a user is called towards a client
//! ([OpenID Connect Core 1.0 section 8](https://openid.net/specs/openid-connect-core-1_0.html#SubjectIDTypes)).
//!
//! A pairwise subject is a keyed function of the user and of the client's sector. The key is derived from the root that
//! stays when the master key changes, so that subjects outlive every rotation, and is nowhere in the store. A client's
//! access tokens say the pairwise subject too, because a client can read them; so a session's row says it, and with every
//! entry of the revocation log that names a user the store appends one for each such name. Guards know nothing of it.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use aws_lc_rs::hmac;
use gatepass_jose::{Timestamp, base64url};
use serde::{Deserialize, Serialize};
use url::Url;

use crate::admin::AdminError;
use crate::client::{Client, GrantType};
use crate::id::UserId;
use crate::id_token::Hint;
use crate::issuer::Issuer;
use crate::redirect_uri::RedirectUri;
use crate::remote_document::{RemoteDocumentSource, RemoteDocuments};
use crate::store::StoreError;

/// How a client's users are called.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SubjectType {
    /// The same towards every client.
    #[default]
    Public,
    /// Another in every sector, so that clients of two sectors cannot tell that they have the same user.
    Pairwise,
}

impl Client {
    /// Whose clients are called the same pairwise subjects: the host of its `sector_identifier_uri`, or else of its
    /// redirect URIs. Addresses that any program of a device can listen at are nobody's host; a client that has one of them
    /// is alone in its sector, or it would learn what a site calls its users by naming the site as well. So is one whose
    /// devices get tokens at no URI at all, which nobody vouches for.
    pub(crate) fn sector(&self) -> Cow<'_, str> {
        let uri = self.extensions.sector_identifier_uri.as_ref().map(|uri| uri.as_str());
        let has_hosts_alone = self.redirect_uris.iter().all(is_at_host);
        match uri.and_then(host).or_else(|| hosts(self).pop_first().filter(|_| has_hosts_alone)) {
            Some(host) if !self.may_use(GrantType::DeviceCode) => Cow::Owned(host),
            _ => Cow::Owned(format!("client {}", self.id)), // no host has a space
        }
    }
}

/// That a client's sector is one, as far as can be said without asking anybody.
pub(crate) fn require_sector(client: &Client) -> Result<(), AdminError> {
    let extensions = &client.extensions;
    let is_named = extensions.sector_identifier_uri.is_some();
    match extensions.subject_type {
        SubjectType::Pairwise if !is_named && hosts(client).len() > 1 => Err(AdminError::Sector(
            "redirect URIs of several hosts need a sector_identifier_uri for pairwise subjects".into(),
        )),
        _ => Ok(()),
    }
}

/// The hosts of the redirect URIs that are somebody's.
fn hosts(client: &Client) -> BTreeSet<String> {
    client.redirect_uris.iter().filter(|uri| is_at_host(uri)).filter_map(|uri| host(uri.as_str())).collect()
}

fn is_at_host(uri: &RedirectUri) -> bool {
    uri.as_str().starts_with("https://")
}

fn host(uri: &str) -> Option<String> {
    Url::parse(uri).ok()?.host_str().map(str::to_owned)
}

/// What a client calls users.
#[derive(Clone, Default)]
pub struct Subjects(Option<(hmac::Key, String)>);

impl Subjects {
    /// The name of the user in the client's sector; `None` for a client that calls users by their own identifiers.
    #[must_use]
    pub fn pairwise(&self, user: UserId) -> Option<String> {
        self.0.as_ref().map(|(key, sector)| pairwise(key, sector, user))
    }
}

impl fmt::Debug for Subjects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Subjects").field(&self.0.as_ref().map(|(_, sector)| sector)).finish()
    }
}

/// What every pairwise subject begins with: no user's and no client's identifier does.
const PREFIX: &str = "p:";

/// Whether a subject is a pairwise one.
pub(crate) fn is_pairwise(subject: &str) -> bool {
    subject.starts_with(PREFIX)
}

/// The subject of a user in a sector.
fn pairwise(key: &hmac::Key, sector: &str, user: UserId) -> String {
    let mut context = hmac::Context::with_key(key);
    context.update(sector.as_bytes());
    context.update(&[0]); // no sector has one, and every user has as many bytes
    context.update(user.as_bytes());
    format!("{PREFIX}{}", base64url::encode(context.sign().as_ref()))
}

impl Issuer {
    /// Lets clients refer to documents of theirs by URL.
    #[must_use]
    pub fn with_remote_documents(mut self, source: Arc<dyn RemoteDocumentSource>) -> Self {
        self.remote = Some(RemoteDocuments::new(source));
        self
    }

    /// What `user` is called towards `client`; `None` for the operator's own apps.
    pub(crate) fn subject(&self, client: Option<&Client>, user: UserId) -> String {
        let pairwise = client.and_then(|client| self.subjects(client).pairwise(user));
        pairwise.unwrap_or_else(|| user.to_string())
    }

    /// What `client` calls users.
    pub(crate) fn subjects(&self, client: &Client) -> Subjects {
        let is_pairwise = client.extensions.subject_type == SubjectType::Pairwise;
        Subjects(is_pairwise.then(|| (self.secrets.subject_mac.clone(), client.sector().into_owned())))
    }

    /// Whether an ID token that came back was made for this user.
    pub(crate) async fn names(&self, hint: &Hint, user: UserId, now: Timestamp) -> Result<bool, StoreError> {
        if hint.subject == user.to_string() {
            return Ok(true);
        }
        let client = self.client_of(&hint.client, now).await?;
        Ok(client.is_some_and(|client| self.subject(Some(&client), user) == hint.subject))
    }

    /// That the document at the client's `sector_identifier_uri` names all its redirect URIs: whoever writes there speaks
    /// for the sector, and a stranger must not learn what its users are called.
    pub(crate) async fn require_sector_document(
        &self,
        client: &Client,
        now: Timestamp,
    ) -> Result<(), AdminError> {
        let Some(uri) = &client.extensions.sector_identifier_uri else { return Ok(()) };
        let refused = |why: String| AdminError::Sector(format!("sector_identifier_uri: {why}"));
        if client.redirect_uris.is_empty() {
            return Err(refused("there is no redirect URI for it to name".into()));
        }
        let remote = self.remote.as_ref().ok_or_else(|| refused("this server fetches nothing".into()))?;
        let document = remote.fetch(uri, now).await.map_err(|error| {
            // Why is the operator's to know: it tells of the network that this server is in.
            tracing::info!(client_id = %client.id, %error, "a sector_identifier_uri cannot be fetched");
            refused("it cannot be fetched".into())
        })?;
        let named: Vec<String> = gatepass_jose::parse_strict_json(&document.body)
            .map_err(|_| refused("it is no JSON array of redirect URIs".into()))?;
        match client.redirect_uris.iter().find(|uri| !named.iter().any(|named| named == uri.as_str())) {
            Some(missing) => Err(refused(format!("it does not name {}", missing.as_str()))),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authorize::test_client;
    use crate::id::ClientId;
    use crate::secrets::{Roots, Secrets};

    const ALICE: UserId = UserId::from_bytes([1; 16]);

    fn client(redirect_uris: &[&str], sector: Option<&str>) -> Client {
        let mut client = test_client();
        client.redirect_uris = redirect_uris.iter().map(|uri| uri.parse().unwrap()).collect();
        client.extensions.subject_type = SubjectType::Pairwise;
        client.extensions.sector_identifier_uri = sector.map(|uri| uri.parse().unwrap());
        client
    }

    #[test]
    fn whose_sector_a_client_is_of() {
        let cases: [(&[&str], Option<&str>, &str, bool); 9] = [
            (&["https://a.example/1", "https://a.example/2"], None, "a.example", true),
            (&["https://a.example/1"], Some("https://s.example/uris"), "s.example", true),
            (&["https://a.example/1", "https://b.example/"], None, "a.example", false),
            (&["https://a.example/1", "https://b.example/"], Some("https://s.example/"), "s.example", true),
            (&["http://127.0.0.1/cb"], None, "client web", true),
            (&["com.example.app:/cb"], None, "client web", true),
            (&[], None, "client web", true),
            (&["https://a.example/1", "http://127.0.0.1/cb"], None, "client web", true),
            (&["https://a.example/1", "http://127.0.0.1/cb"], Some("https://s.example/"), "s.example", true),
        ];
        for (uris, sector, want, allowed) in cases {
            let client = client(uris, sector);
            assert_eq!(client.sector(), want, "{uris:?}");
            assert_eq!(require_sector(&client).is_ok(), allowed, "{uris:?}");
        }
    }

    #[test]
    fn a_client_whose_tokens_need_no_redirect_uri_is_alone_in_its_sector() {
        for sector in [None, Some("https://s.example/uris")] {
            let mut client = client(&["https://a.example/1"], sector);
            client.grants.push(GrantType::DeviceCode);
            assert_eq!(client.sector(), "client web", "{sector:?}");
        }
    }

    #[test]
    fn a_subject_is_another_for_every_user_sector_and_key() {
        let key = |byte| hmac::Key::new(hmac::HMAC_SHA256, &[byte; 32]);
        let of = |sector, user| pairwise(&key(1), sector, user);
        let subject = of("a.example", ALICE);
        assert_eq!(subject, of("a.example", ALICE));
        assert!(subject.len() == 45 && subject.parse::<UserId>().is_err(), "nobody's own identifier");
        assert!(is_pairwise(&subject) && subject.parse::<ClientId>().is_err());
        let others = [
            of("b.example", ALICE),
            of("a.example", UserId::from_bytes([2; 16])),
            pairwise(&key(2), "a.example", ALICE),
        ];
        assert!(!others.contains(&subject));
    }

    #[test]
    fn a_subject_outlives_the_master_key() {
        let secrets = Secrets::derive(Roots::generate().unwrap()).unwrap();
        let after = Secrets::derive(secrets.renew().unwrap().0).unwrap();
        let of = |secrets: &Secrets| pairwise(&secrets.subject_mac, "a.example", ALICE);
        assert_eq!(of(&secrets), of(&after));
    }
}

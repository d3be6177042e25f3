//! The signing keys in memory, and the set that is published of them.

use std::sync::Arc;

use gatepass_jose::{Alg, Audience, Jwk, JwkSet, KeySet, SigningKey, Timestamp, Typ, Verifier};
use gatepass_token::{access_verifier, ticket_verifier};

use crate::config::Config;
use crate::issuer::OpenError;
use crate::keys::{self, KeyRecord};
use crate::retired_key::RetiredKeys;
use crate::secrets::Secrets;

/// Tokens whose signature is not verified a second time when they are introspected or shown to the issuer itself: 280 kB.
const SEEN_TOKENS: usize = 1 << 14;

/// A key that can sign, beside its record.
struct RingKey {
    record: KeyRecord,
    key: Arc<SigningKey>,
}

impl AsRef<KeyRecord> for RingKey {
    fn as_ref(&self) -> &KeyRecord {
        &self.record
    }
}

/// All keys of a moment. Replaced whole when one changes; a hand-over that was appointed for a later
/// moment happens by itself, because the signer is asked for with the time.
pub(crate) struct KeyRing {
    keys: Vec<RingKey>,
    /// The key set as it is published.
    pub(crate) published: Published,
    /// Verifies this issuer's own tokens, save those under a shared secret.
    verifier: Verifier,
    /// Verifies its tickets.
    tickets: Verifier,
}

/// The JWK Set as it goes over the wire, and a name for this state of it.
#[derive(Clone, Debug)]
pub struct Published {
    /// The JSON document ([RFC 7517 section 5](https://www.rfc-editor.org/rfc/rfc7517#section-5)).
    pub json: Arc<[u8]>,
    /// Changes when the document does.
    pub etag: Arc<str>,
}

impl KeyRing {
    pub(crate) fn load(
        records: Vec<KeyRecord>,
        secrets: &Secrets,
        config: &Config,
    ) -> Result<Self, OpenError> {
        let keys = records
            .into_iter()
            .map(|record| {
                let private = secrets.open(&record.kid, record.alg, &record.sealed)?;
                let key = SigningKey::from_private_bytes(record.alg, &record.kid, &private)?;
                Ok(RingKey { record, key: Arc::new(key) })
            })
            .collect::<Result<Vec<_>, OpenError>>()?;
        let public = |ring: &RingKey| ring.key.public_jwk();
        let set = JwkSet { keys: keys.iter().filter_map(public).collect() };
        let trusted = keys.iter().map(|ring| ring.key.verifying_key()).collect::<Result<Vec<_>, _>>()?;
        let audiences = config.resource_servers.iter().map(|server| server.audience.as_str());
        let audience = Audience::new(audiences.chain([config.issuer.as_str()]))?;
        let trusted = KeySet::new(trusted);
        let tickets = ticket_verifier(config.issuer.clone(), audience.clone(), trusted.clone());
        let verifier =
            access_verifier(config.issuer.clone(), audience, trusted).remembering_signatures(SEEN_TOKENS);
        Ok(Self { keys, published: publish(&set), verifier, tickets })
    }

    /// The key that signs tokens of `alg` at `now`.
    pub(crate) fn signer(&self, alg: Alg, now: Timestamp) -> Option<&Arc<SigningKey>> {
        let of_alg = self.keys.iter().filter(|ring| ring.record.alg == alg);
        keys::signer(of_alg, now).map(|ring| &ring.key)
    }

    /// Verifies tokens that only this issuer can have minted.
    pub(crate) fn verifier(&self) -> &Verifier {
        &self.verifier
    }

    /// Verifies tickets of this issuer.
    pub(crate) fn tickets(&self) -> &Verifier {
        &self.tickets
    }

    /// Verifies ID tokens that come back, made for the client of that name, under a key of this moment or of `retired`.
    pub(crate) fn hint_verifier(&self, typ: Typ, client: &str, retired: &RetiredKeys) -> Option<Verifier> {
        let keys = self.keys.iter().filter_map(|ring| ring.key.verifying_key().ok());
        let keys = keys.chain(retired.verifying(|kid| self.records().any(|key| key.kid == kid))).collect();
        let audience = Audience::new([client]).ok()?;
        Some(Verifier::new(self.verifier.issuer().clone(), audience, typ, KeySet::new(keys)))
    }

    /// The public half of the key of that name, beside its record.
    pub(crate) fn public_half(&self, kid: &str) -> Option<(&KeyRecord, Jwk)> {
        let ring = self.keys.iter().find(|ring| ring.record.kid == kid)?;
        Some((&ring.record, ring.key.public_jwk()?))
    }

    pub(crate) fn records(&self) -> impl Iterator<Item = &KeyRecord> {
        self.keys.iter().map(|ring| &ring.record)
    }
}

fn publish(set: &JwkSet) -> Published {
    // Strings and enums only: there is nothing in a set that JSON could refuse.
    let json = serde_json::to_vec(set).unwrap_or_default();
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &json);
    let tag = gatepass_jose::base64url::encode(digest.as_ref().get(..12).unwrap_or_default());
    Published { json: json.into(), etag: format!("\"{tag}\"").into() }
}

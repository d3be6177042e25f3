use std::time::Duration;

use gatepass_jose::{
    Issuer, KeySet, Limits, NumericDate, SignError, SigningKey, Timestamp, Typ, jws, jwt, parse_strict_json,
};
use serde::{Deserialize, Serialize};

use crate::entry::millis;
use crate::{Entry, LogId};

/// Everything in the log that is not to be forgotten yet, signed by the issuer: where a guard begins.
///
/// It travels as a JWT of the type [`Snapshot::TYP`]. A million entries are a legitimate snapshot, so its
/// size is bounded by who fetches one and not by the limits of tokens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// The issuer whose log this is.
    pub iss: String,
    /// When it was taken.
    pub iat: NumericDate,
    /// When it is no longer to be loaded.
    pub exp: NumericDate,
    /// The `seq` of the newest entry of the log, forgotten ones included; 0 for an empty log.
    pub seq: u64,
    /// The issuer's clock, in milliseconds on the wire.
    #[serde(with = "millis")]
    pub now: Timestamp,
    /// The log that this is of, if the issuer names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<LogId>,
    /// The entries, in any order.
    pub entries: Vec<Entry>,
}

/// Why a snapshot was not believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SnapshotError {
    /// No compact JWS, of another type, or not signed by a key of the issuer's set.
    #[error("the revocation snapshot is refused: {0}")]
    Rejected(#[from] jws::Rejection),
    /// The payload is not that of a snapshot.
    #[error("the revocation snapshot cannot be read: {0}")]
    Claims(gatepass_jose::JsonError),
    /// `iss` is another's.
    #[error("the revocation snapshot was issued by somebody else")]
    Issuer,
    /// It is too old to load.
    #[error("the revocation snapshot expired at {exp}, and it is {now}")]
    Expired {
        /// Its expiry.
        exp: Timestamp,
        /// The guard's clock.
        now: Timestamp,
    },
}

impl Snapshot {
    /// The type that keeps a snapshot from passing for any other token, and the reverse.
    pub const TYP: Typ = Typ::new("gatepass-revocations+jwt");
    /// How long after it was taken a snapshot may be loaded.
    pub const LIFETIME: Duration = Duration::from_secs(300);
    /// How far the clocks of issuer and guard may differ.
    pub const CLOCK_SKEW: Duration = Duration::from_secs(300);

    /// A snapshot taken at `now`.
    #[must_use]
    pub fn new(issuer: &str, seq: u64, now: Timestamp, entries: Vec<Entry>) -> Self {
        Snapshot {
            iss: issuer.to_owned(),
            iat: now.into(),
            exp: now.saturating_add(Self::LIFETIME).into(),
            seq,
            now,
            log: None,
            entries,
        }
    }

    /// The same snapshot, of the log of that id.
    #[must_use]
    pub fn of_log(self, log: LogId) -> Self {
        Snapshot { log: Some(log), ..self }
    }

    /// The snapshot as a JWT.
    ///
    /// # Errors
    /// [`SignError`] if the key cannot sign.
    pub fn sign(&self, key: &SigningKey) -> Result<String, SignError> {
        jwt::sign(&Self::TYP, self, key)
    }

    /// Verifies type, signature, issuer and expiry of a snapshot, in this order.
    ///
    /// # Errors
    /// [`SnapshotError`], with the first check that failed.
    ///
    /// ```
    /// use gatepass_jose::{Alg, Issuer, KeySet, SigningKey, Timestamp};
    /// use gatepass_revocation::Snapshot;
    ///
    /// let key = SigningKey::generate(Alg::ES256, None)?;
    /// let keys = KeySet::new(vec![key.verifying_key()?]);
    /// let issuer = Issuer::new("https://auth.example.com")?;
    /// let now = Timestamp::from_secs(1_763_780_000);
    ///
    /// let token = Snapshot::new(issuer.as_str(), 7, now, Vec::new()).sign(&key)?;
    /// assert_eq!(Snapshot::verify(&token, &issuer, &keys, now)?.seq, 7);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn verify(
        token: &str,
        issuer: &Issuer,
        keys: &KeySet,
        now: Timestamp,
    ) -> Result<Self, SnapshotError> {
        let limits = Limits { token_bytes: usize::MAX, ..Limits::DEFAULT };
        let verifier = jws::Verifier::new(keys.clone()).requiring_typ(Self::TYP).with_limits(limits);
        let signed = verifier.verify(token)?;
        let snapshot: Snapshot = parse_strict_json(signed.payload()).map_err(SnapshotError::Claims)?;
        if snapshot.iss != issuer.as_str() {
            return Err(SnapshotError::Issuer);
        }
        let exp = snapshot.exp.0;
        if exp.saturating_add(Self::CLOCK_SKEW) <= now {
            return Err(SnapshotError::Expired { exp, now });
        }
        Ok(snapshot)
    }
}

#[cfg(test)]
mod tests {
    use gatepass_jose::{Alg, Malformed, SecretKey, base64url};

    use super::*;
    use crate::{Kind, Reason};

    const ISSUER: &str = "https://auth.example.com";
    const NOW: Timestamp = Timestamp::from_millis(1_763_780_000_123);

    fn key(alg: Alg, kid: &str) -> SigningKey {
        SigningKey::generate(alg, Some(kid)).unwrap()
    }

    fn keys(key: &SigningKey) -> KeySet {
        KeySet::new(vec![key.verifying_key().unwrap()])
    }

    fn verify(token: &str, keys: &KeySet) -> Result<Snapshot, SnapshotError> {
        Snapshot::verify(token, &Issuer::new(ISSUER).unwrap(), keys, NOW)
    }

    fn snapshot(entries: u64) -> Snapshot {
        let entry = |seq| Entry {
            seq,
            kind: Kind::Session,
            id: format!("session-{seq}"),
            issued_before: NOW,
            forget_after: NOW.saturating_add(Duration::from_secs(900)),
            reason: Reason::LOGOUT,
        };
        Snapshot::new(ISSUER, entries, NOW, (1..=entries).map(entry).collect())
    }

    #[test]
    fn a_snapshot_far_larger_than_any_token_is_read_back() {
        let key = key(Alg::ES256, "k1");
        let snapshot = snapshot(5_000).of_log(LogId::new([5; 16]));
        let token = snapshot.sign(&key).unwrap();
        assert!(token.len() > 500_000);
        let read = verify(&token, &keys(&key)).unwrap();
        assert_eq!((read.entries, read.seq, read.now), (snapshot.entries, 5_000, NOW));
        assert_eq!(read.log, snapshot.log);
    }

    #[test]
    fn what_is_signed_and_refused_all_the_same() {
        let ours = key(Alg::ES256, "k1");
        let sign = |typ: &Typ, change: fn(&mut Snapshot)| {
            let mut snapshot = snapshot(1);
            change(&mut snapshot);
            jwt::sign(typ, &snapshot, &ours).unwrap()
        };
        let at = |secs: i64| Timestamp::from_secs(NOW.as_secs() + secs);
        let cases = [
            ("as_issued", sign(&Snapshot::TYP, |_| {}), None),
            ("another_issuer", sign(&Snapshot::TYP, |s| s.iss.push('/')), Some(SnapshotError::Issuer)),
            (
                "expired_beyond_the_skew",
                sign(&Snapshot::TYP, |s| s.exp = Timestamp::from_secs(NOW.as_secs() - 300).into()),
                Some(SnapshotError::Expired { exp: at(-300), now: NOW }),
            ),
            (
                "expired_within_the_skew",
                sign(&Snapshot::TYP, |s| s.exp = Timestamp::from_secs(NOW.as_secs() - 299).into()),
                None,
            ),
            (
                "an_entry_without_its_id",
                sign(&Snapshot::TYP, |s| s.entries[0].id.clear()),
                Some(SnapshotError::Claims(gatepass_jose::JsonError::Malformed)),
            ),
        ];
        for (name, token, want) in cases {
            assert_eq!(verify(&token, &keys(&ours)).err(), want, "{name}");
        }
        let access_token = verify(&sign(&Typ::ACCESS_TOKEN, |_| {}), &keys(&ours));
        assert!(matches!(access_token, Err(SnapshotError::Rejected(jws::Rejection::Typ { .. }))));
    }

    #[test]
    fn what_others_made_is_refused() {
        let ours = key(Alg::ES256, "k1");
        let good = snapshot(1).sign(&ours).unwrap();
        let (head, signature) = good.rsplit_once('.').unwrap();
        let (header, payload) = head.split_once('.').unwrap();
        let public = serde_json::to_vec(&ours.public_jwk().unwrap()).unwrap();
        let confused = SigningKey::from_secret(Alg::HS256, "k1", &SecretKey::new(public)).unwrap();
        let crit = r#"{"alg":"ES256","typ":"gatepass-revocations+jwt","kid":"k1","crit":["x"]}"#;
        let crit = base64url::encode(crit.as_bytes());
        let parts = jws::Rejection::Malformed(Malformed::Parts);
        let cases = [
            ("another_key", snapshot(1).sign(&key(Alg::ES256, "k1")).unwrap(), jws::Rejection::Signature),
            ("another_kid", snapshot(1).sign(&key(Alg::ES256, "k2")).unwrap(), jws::Rejection::UnknownKey),
            ("no_signature", format!("{head}."), jws::Rejection::Signature),
            ("payload_replaced", format!("{header}.e30.{signature}"), jws::Rejection::Signature),
            ("crit", format!("{crit}.{payload}.{signature}"), Malformed::Critical.into()),
            ("one_part_more", format!("{header}.{payload}.{payload}.{signature}"), parts.clone()),
            ("one_part", header.to_owned(), parts.clone()),
            ("two_parts", format!("{header}.{payload}"), parts),
            ("empty", String::new(), Malformed::Parts.into()),
        ];
        for (name, token, want) in cases {
            assert_eq!(verify(&token, &keys(&ours)).err(), Some(want.into()), "{name}");
        }
        let confused = verify(&snapshot(1).sign(&confused).unwrap(), &keys(&ours));
        assert!(matches!(confused, Err(SnapshotError::Rejected(jws::Rejection::AlgMismatch { .. }))));
    }
}

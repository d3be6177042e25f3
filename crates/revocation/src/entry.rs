use gatepass_jose::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{Kind, LogId, Reason};

/// One line of the ordered revocation log.
///
/// On the wire it is a JSON object with instants as whole milliseconds since the Unix epoch:
///
/// ```
/// use gatepass_revocation::{Entry, Kind};
///
/// let entry: Entry = serde_json::from_str(
///     r#"{"seq":7,"kind":"session","id":"s1","issued_before":1763780000123,
///         "forget_after":1763781000000,"reason":"logout"}"#,
/// )?;
/// assert_eq!((entry.seq, entry.kind, entry.id.as_str()), (7, Kind::Session, "s1"));
/// # Ok::<(), serde_json::Error>(())
/// ```
///
/// Members that are not known are ignored, so that a later issuer can add some; an entry that lacks
/// one, or whose `id` does not fit its kind, is refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Wire", into = "Wire")]
pub struct Entry {
    /// The place in the log: 1 for the first entry, one more for each that follows.
    pub seq: u64,
    /// What `id` names.
    pub kind: Kind,
    /// The `jti`, `sid`, `sub`, `client_id` or `kid` that is revoked; empty for [`Kind::All`].
    pub id: String,
    /// Tokens minted strictly before this instant are dead. Kinds that [are final](Kind::is_final)
    /// end every token, whenever it was minted.
    pub issued_before: Timestamp,
    /// The last moment at which a token concerned could still be alive, clock skew included.
    pub forget_after: Timestamp,
    /// Why.
    pub reason: Reason,
}

impl Entry {
    /// The longest `id`, in bytes.
    pub const MAX_ID_LEN: usize = 1024;

    /// Checks that `id` is what `kind` demands: empty for [`Kind::All`], else 1 to
    /// [`MAX_ID_LEN`](Self::MAX_ID_LEN) bytes.
    ///
    /// # Errors
    /// [`InvalidId`] says which of the two was broken.
    pub fn require_id(kind: Kind, id: &str) -> Result<(), InvalidId> {
        match kind {
            Kind::All if id.is_empty() => Ok(()),
            Kind::All => Err(InvalidId::Unexpected),
            _ if id.is_empty() => Err(InvalidId::Missing(kind)),
            _ if id.len() > Self::MAX_ID_LEN => Err(InvalidId::TooLong),
            _ => Ok(()),
        }
    }
}

/// An `id` that does not fit the kind of its revocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidId {
    /// The kind needs an id and there is none.
    #[error("a revocation of kind {0} needs the id of what it revokes")]
    Missing(Kind),
    /// An id beside `all`, which would be ignored.
    #[error("a revocation of kind all takes no id")]
    Unexpected,
    /// Longer than [`Entry::MAX_ID_LEN`].
    #[error("the id of a revocation is at most 1024 bytes long")]
    TooLong,
}

/// What the feed sends about once a second: the newest `seq`, so that a missing entry shows, and the
/// issuer's time, so that a delayed feed shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heartbeat {
    /// The `seq` of the newest entry of the log; 0 for an empty log.
    pub seq: u64,
    /// The issuer's clock, in milliseconds on the wire.
    #[serde(with = "millis")]
    pub now: Timestamp,
    /// The log that `seq` counts in, if the issuer names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<LogId>,
}

#[derive(Serialize, Deserialize)]
struct Wire {
    seq: u64,
    kind: Kind,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    id: String,
    #[serde(with = "millis")]
    issued_before: Timestamp,
    #[serde(with = "millis")]
    forget_after: Timestamp,
    reason: Reason,
}

impl TryFrom<Wire> for Entry {
    type Error = InvalidId;

    fn try_from(wire: Wire) -> Result<Self, InvalidId> {
        Entry::require_id(wire.kind, &wire.id)?;
        Ok(Entry {
            seq: wire.seq,
            kind: wire.kind,
            id: wire.id,
            issued_before: wire.issued_before,
            forget_after: wire.forget_after,
            reason: wire.reason,
        })
    }
}

impl From<Entry> for Wire {
    fn from(entry: Entry) -> Self {
        Wire {
            seq: entry.seq,
            kind: entry.kind,
            id: entry.id,
            issued_before: entry.issued_before,
            forget_after: entry.forget_after,
            reason: entry.reason,
        }
    }
}

/// Instants as whole milliseconds: `NumericDate` counts seconds, and a revocation must be exact to the
/// millisecond to tell the token before it from the one after.
pub(crate) mod millis {
    use super::{Deserialize, Deserializer, Serializer, Timestamp};

    pub(crate) fn serialize<S: Serializer>(at: &Timestamp, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_i64(at.as_millis())
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Timestamp, D::Error> {
        i64::deserialize(from).map(Timestamp::from_millis)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SESSION: &str = r#"{"seq":7,"kind":"session","id":"s1","issued_before":1763780000123,"forget_after":1763781000000,"reason":"logout"}"#;

    #[test]
    fn an_entry_keeps_its_wire_form() {
        let entry: Entry = serde_json::from_str(SESSION).unwrap();
        assert_eq!(entry.issued_before.as_millis(), 1_763_780_000_123);
        assert_eq!(entry.reason, Reason::LOGOUT);
        assert_eq!(serde_json::to_string(&entry).unwrap(), SESSION);
    }

    #[test]
    fn what_is_an_entry() {
        let with = |from: &str, to: &str| SESSION.replace(from, to);
        let cases = [
            ("as_documented", SESSION.to_owned(), true),
            ("unknown_member", with("{", r#"{"later":{"a":[1]},"#), true),
            ("all_without_id", with(r#""session","id":"s1""#, r#""all""#), true),
            ("all_with_empty_id", with(r#""session","id":"s1""#, r#""all","id":"""#), true),
            ("all_with_id", with("session", "all"), false),
            ("session_without_id", with(r#","id":"s1""#, ""), false),
            ("session_with_empty_id", with("s1", ""), false),
            ("longest_id", with("s1", &"x".repeat(1024)), true),
            ("id_too_long", with("s1", &"x".repeat(1025)), false),
            ("unknown_kind", with("session", "galaxy"), false),
            ("kind_as_object", with(r#""session""#, r#"{"session":null}"#), false),
            ("fractional_instant", with("1763780000123", "1763780000.123"), false),
            ("instant_as_text", with("1763780000123", "\"1763780000123\""), false),
            ("negative_seq", with("7", "-7"), false),
            ("seq_twice", with("{", r#"{"seq":8,"#), false),
            ("no_reason", with(r#","reason":"logout""#, ""), false),
        ];
        for (name, json, fits) in cases {
            assert_eq!(serde_json::from_str::<Entry>(&json).is_ok(), fits, "{name}: {json}");
        }
    }

    #[test]
    fn a_heartbeat_keeps_its_wire_form() {
        let now = Timestamp::from_millis(1_763_780_000_123);
        let cases = [
            (None, r#"{"seq":7,"now":1763780000123}"#),
            (Some(LogId::new([7; 16])), r#"{"seq":7,"now":1763780000123,"log":"BwcHBwcHBwcHBwcHBwcHBw"}"#),
        ];
        for (log, json) in cases {
            let heartbeat = Heartbeat { seq: 7, now, log };
            assert_eq!(serde_json::to_string(&heartbeat).unwrap(), json);
            assert_eq!(serde_json::from_str::<Heartbeat>(json).unwrap(), heartbeat);
        }
        assert!(serde_json::from_str::<Heartbeat>(r#"{"seq":7,"now":1,"log":"x"}"#).is_err());
    }
}

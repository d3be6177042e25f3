use std::fmt;

use gatepass_jose::base64url;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Which log a snapshot or a heartbeat speaks of: 128 random bits that an issuer makes anew whenever it
/// starts.
///
/// Places in a log are only comparable within one log. An issuer that is put back to an older backup
/// goes on with other entries under places that it had given away before; once it has reached a guard's
/// place again, nothing but another id tells that guard that it followed something else.
///
/// On the wire it is 22 characters of base64url.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct LogId([u8; 16]);

impl LogId {
    /// An id of random bits.
    #[must_use]
    pub const fn new(random: [u8; 16]) -> Self {
        LogId(random)
    }
}

impl fmt::Display for LogId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&base64url::encode(&self.0))
    }
}

impl fmt::Debug for LogId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LogId({self})")
    }
}

impl Serialize for LogId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for LogId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = base64url::decode(&text).ok().and_then(|bytes| bytes.try_into().ok());
        bytes.map(LogId).ok_or_else(|| de::Error::custom("the id of a log is 22 characters of base64url"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_keeps_its_wire_form() {
        let id = LogId::new([7; 16]);
        let json = serde_json::to_string(&id).unwrap();
        assert_eq!(json, "\"BwcHBwcHBwcHBwcHBwcHBw\"");
        assert_eq!(serde_json::from_str::<LogId>(&json).unwrap(), id);
    }

    #[test]
    fn what_is_no_id() {
        for json in ["\"\"", "\"BwcHBwcHBwcHBwcHBwcH\"", "\"BwcHBwcHBwcHBwcHBwcHBwc\"", "\"?\"", "7", "null"]
        {
            assert!(serde_json::from_str::<LogId>(json).is_err(), "{json}");
        }
    }
}

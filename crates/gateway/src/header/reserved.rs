//! Header names that only the gateway may set: whoever reads them behind it takes them for the truth.

use http::HeaderName;

use super::{canonical, reads_like, starts_like};

/// `x-gatepass-*`, and every name that some route's `forward` sets.
///
/// A name is recognised in any spelling that a server behind could read as the same, such as `X_User_Id`
/// for `X-User-Id`.
#[derive(Debug, Default)]
pub(crate) struct ReservedHeaders {
    /// Lower case, with `-` for whatever is neither letter nor digit.
    names: Vec<Box<str>>,
    /// Bit *n* is set if a name is *n* bytes long, so that most fields are passed with one look.
    lengths: u128,
}

/// Always reserved, for what the gateway itself may tell.
const OWN_PREFIX: &str = "x-gatepass-";

impl ReservedHeaders {
    pub(crate) fn insert(&mut self, name: &HeaderName) {
        let canonical: Box<str> = name.as_str().bytes().map(|byte| char::from(canonical(byte))).collect();
        self.lengths |= length_bit(canonical.len());
        if !self.names.contains(&canonical) {
            self.names.push(canonical);
        }
    }

    pub(crate) fn contains(&self, name: &HeaderName) -> bool {
        let name = name.as_str().as_bytes();
        let may_be_listed = self.lengths & length_bit(name.len()) != 0;
        starts_like(name, OWN_PREFIX)
            || (may_be_listed && self.names.iter().any(|reserved| reads_like(name, reserved)))
    }
}

fn length_bit(length: usize) -> u128 {
    1 << length.min(127)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_a_reserved_name() {
        let mut reserved = ReservedHeaders::default();
        reserved.insert(&HeaderName::from_static("x-user-id"));
        reserved.insert(&HeaderName::from_static("x_tenant"));
        let cases = [
            ("X-User-Id", true),
            ("x-user-id", true),
            ("X_User_Id", true),
            ("x-user_id", true),
            ("X_USER-ID", true),
            ("x.user.id", true),
            ("x~user!id", true),
            ("x-tenant", true),
            ("X_Tenant", true),
            ("X-Gatepass-Subject", true),
            ("x_gatepass_subject", true),
            ("X-GATEPASS_anything", true),
            ("x-gatepass-", true),
            ("x-gatepass", false),
            ("x-user-ids", false),
            ("x-userid", false),
            ("user-id", false),
            ("accept", false),
        ];
        for (name, want) in cases {
            assert_eq!(reserved.contains(&name.parse().unwrap()), want, "{name}");
        }
    }
}

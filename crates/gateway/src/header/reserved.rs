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
    /// Names that a client may send, but in no other spelling than this.
    spellings: Vec<HeaderName>,
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

    /// Reserves every spelling of a name but this: the route was chosen by the field that is spelled so.
    pub(crate) fn insert_other_spellings(&mut self, name: &HeaderName) {
        self.lengths |= length_bit(name.as_str().len());
        if !self.spellings.contains(name) {
            self.spellings.push(name.clone());
        }
    }

    /// Every name that some route sets, in lower case with `-` for whatever is neither letter nor digit.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(|name| &**name)
    }

    pub(crate) fn contains(&self, name: &HeaderName) -> bool {
        let (field, name) = (name, name.as_str().as_bytes());
        let may_be_listed = self.lengths & length_bit(name.len()) != 0;
        starts_like(name, OWN_PREFIX)
            || (may_be_listed
                && (self.names.iter().any(|reserved| reads_like(name, reserved))
                    || self.is_another_spelling(field)))
    }

    fn is_another_spelling(&self, field: &HeaderName) -> bool {
        let name = field.as_str().as_bytes();
        let reads_alike = |own: &HeaderName| {
            let bytes = own.as_str().bytes();
            name.len() == bytes.len()
                && name.iter().zip(bytes).all(|(one, other)| canonical(*one) == canonical(other))
        };
        self.spellings.iter().any(reads_alike) && !self.spellings.contains(field)
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

    #[test]
    fn a_field_that_routes_go_by_has_one_spelling() {
        let mut reserved = ReservedHeaders::default();
        reserved.insert_other_spellings(&HeaderName::from_static("x-api-version"));
        reserved.insert_other_spellings(&HeaderName::from_static("x_odd"));
        let cases = [
            ("X-Api-Version", false),
            ("x_api_version", true),
            ("x-api_version", true),
            ("x.api.version", true),
            ("x-api-versions", false),
            ("x_odd", false),
            ("x-odd", true),
        ];
        for (name, want) in cases {
            assert_eq!(reserved.contains(&name.parse().unwrap()), want, "{name}");
        }
    }
}

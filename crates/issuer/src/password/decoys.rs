//! How long a login takes for a user who does not exist.
//!
//! A hash of another system takes its own time, and that would tell who has an account. So an unknown name gets the work
//! of a hash like those that users have: always the same for one name, and each kind as often as among users.

use aws_lc_rs::hmac;

use super::PasswordHash;
use crate::user::Username;

/// So many users' hashes stand for all of them.
pub(crate) const SAMPLE: u32 = 256;

/// A sample of users' hashes, each kind in a row.
#[derive(Debug, Default)]
pub(crate) struct Decoys(Vec<PasswordHash>);

impl Decoys {
    /// Like hashes stand together, so that another sample changes little for most names.
    pub(crate) fn of(mut sample: Vec<PasswordHash>) -> Self {
        sample.sort_unstable_by(|a, b| a.as_phc().cmp(b.as_phc()));
        Self(sample)
    }

    /// The one whose work is done for `name`; `None` where there are no users.
    pub(crate) fn pick(&self, key: &hmac::Key, name: &Username) -> Option<&PasswordHash> {
        let tag = hmac::sign(key, name.folded().as_bytes());
        let place = tag.as_ref().first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes));
        // The upper half of the product: a fraction of the length, for a length of any size.
        let at = (u128::from(place) * self.0.len() as u128) >> 64;
        self.0.get(usize::try_from(at).ok()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_names_get_each_kind_as_often_as_users_have_it_and_keep_it() {
        let hash = |kind: &str, at: usize| PasswordHash::from_phc(&format!("{kind}{at}"));
        let sample = |offset: usize| {
            let all =
                (0..256).map(|at| hash(if at % 4 == 0 { "$2b$12$" } else { "$argon2id$" }, at + offset));
            Decoys::of(all.collect())
        };
        let (before, after) = (sample(0), sample(1000));
        let key = hmac::Key::new(hmac::HMAC_SHA256, &[7; 32]);
        let mut bcrypt = 0;
        for at in 0..4000 {
            let name: Username = format!("user{at}").parse().unwrap();
            let kind = |decoys: &Decoys| decoys.pick(&key, &name).unwrap().as_phc().starts_with("$2b$");
            bcrypt += usize::from(kind(&before));
            assert_eq!(kind(&before), kind(&after), "{name}");
        }
        assert!((850..1150).contains(&bcrypt), "{bcrypt} of 4000, and 1000 are due");
        assert!(Decoys::default().pick(&key, &"anybody".parse().unwrap()).is_none());
    }
}

//! What was asked for last, in bounded room.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};

use gatepass_jose::Timestamp;

/// The most values that are kept.
pub(crate) const MOST_KEPT: usize = 1000;

/// Values by their keys. A new one takes the place of the one that nobody has asked for the longest.
pub(crate) struct Recent<K, V>(Mutex<HashMap<K, Used<V>>>);

struct Used<V> {
    value: V,
    at: Timestamp,
}

impl<K, V> Default for Recent<K, V> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Clone + Eq + Hash, V: Clone> Recent<K, V> {
    /// The value of that key, asked for now.
    pub(crate) fn find(&self, key: &K, now: Timestamp) -> Option<V> {
        find(&mut self.lock(), key, now)
    }

    /// Keeps a value.
    pub(crate) fn keep(&self, key: K, value: V, now: Timestamp) {
        keep(&mut self.lock(), key, value, now);
    }

    /// The value of that key, asked for now and made where there is none: once, whoever asks at the same time.
    pub(crate) fn find_or_keep(&self, key: K, make: impl FnOnce() -> V, now: Timestamp) -> V {
        let mut values = self.lock();
        find(&mut values, &key, now).unwrap_or_else(|| {
            let made = make();
            keep(&mut values, key, made.clone(), now);
            made
        })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<K, Used<V>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.lock().len()
    }
}

fn find<K: Eq + Hash, V: Clone>(values: &mut HashMap<K, Used<V>>, key: &K, now: Timestamp) -> Option<V> {
    let used = values.get_mut(key)?;
    used.at = now;
    Some(used.value.clone())
}

fn keep<K: Clone + Eq + Hash, V>(values: &mut HashMap<K, Used<V>>, key: K, value: V, now: Timestamp) {
    if values.len() >= MOST_KEPT
        && !values.contains_key(&key)
        && let Some(oldest) = values.iter().min_by_key(|(_, used)| used.at).map(|(key, _)| key.clone())
    {
        values.remove(&oldest);
    }
    values.insert(key, Used { value, at: now });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_asked_for_the_longest_ago_makes_room_for_what_is_new_alone() {
        let (recent, at) = (Recent::default(), |second: usize| Timestamp::from_secs(second as i64));
        for number in 0..MOST_KEPT {
            recent.keep(number, number, at(number));
        }
        recent.keep(1, 11, at(MOST_KEPT));
        assert_eq!(recent.len(), MOST_KEPT);
        assert_eq!(recent.find(&0, at(MOST_KEPT + 1)), Some(0), "nothing had to go for what was there");
        assert_eq!(recent.find_or_keep(MOST_KEPT, || 7, at(MOST_KEPT + 2)), 7);
        assert_eq!(recent.find_or_keep(MOST_KEPT, || 8, at(MOST_KEPT + 3)), 7, "it is made once");
        assert_eq!((recent.len(), recent.find(&2, at(MOST_KEPT + 4))), (MOST_KEPT, None));
        assert_eq!([0, 1, 3].map(|key| recent.find(&key, at(0))), [Some(0), Some(11), Some(3)]);
    }
}

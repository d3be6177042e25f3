use std::collections::HashSet;

/// Which of the places that a feed has it is followed at, and whether a snapshot is needed first.
///
/// Places are replicas, and each may be away, lag behind the others or have gone back to a backup. Something missing is
/// made up for where it is known to exist; for all else the next place may be better. A snapshot that ends before
/// what is known already is not taken, so that nobody forgets a revocation for having changed places; only where every
/// place has gone back has the log itself, as after a restored backup, and then the shorter one is right.
///
/// A state machine without connection, as [`Follower`](crate::Follower) is: its driver connects to
/// [`place`](Self::place), and says what it was [interrupted](Self::interrupted) by.
#[derive(Clone, Debug)]
pub struct Places {
    count: usize,
    place: usize,
    from_snapshot: bool,
    /// Those whose last snapshot ended before what was known.
    behind: HashSet<usize>,
}

/// What came in between, as far as it decides how to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interruption {
    /// The view may lack an entry: only a snapshot helps.
    Incomplete,
    /// The snapshot [ends before](Places::is_behind) what is known.
    Behind,
    /// Anything else: no connection, no answer, silence, the end of a stream.
    Broken,
}

impl Places {
    /// Begins with the first of so many places, and with a snapshot.
    #[must_use]
    pub fn new(count: usize) -> Self {
        Places { count, place: 0, from_snapshot: true, behind: HashSet::new() }
    }

    /// The number of the place to connect to.
    #[must_use]
    pub fn place(&self) -> usize {
        self.place
    }

    /// Whether to begin with a snapshot there.
    #[must_use]
    pub fn from_snapshot(&self) -> bool {
        self.from_snapshot
    }

    /// Whether a snapshot of this place that ends at `seq` has less than the `known` one, and so is not to be taken.
    #[must_use]
    pub fn is_behind(&self, seq: u64, known: u64) -> bool {
        let others = self.behind.iter().filter(|other| **other != self.place).count();
        // All the others had less, too: nobody is left who could know better.
        let is_last_word = others + 1 >= self.count;
        seq < known && !is_last_word
    }

    /// Decides how to go on. `last_event_id` is the [follower's](crate::Follower::last_event_id).
    pub fn interrupted(&mut self, by: Interruption, last_event_id: Option<u64>) {
        self.from_snapshot = by != Interruption::Broken || last_event_id.is_none();
        match by {
            Interruption::Incomplete => return,
            Interruption::Behind => {
                self.behind.insert(self.place);
            }
            Interruption::Broken if !self.from_snapshot => self.behind.clear(),
            Interruption::Broken => {}
        }
        self.place = (self.place + 1) % self.count.max(1);
    }
}

#[cfg(test)]
mod tests {
    use super::Interruption::{Behind, Broken, Incomplete};
    use super::*;

    #[test]
    fn what_is_missing_is_made_up_for_where_it_is_known_to_exist() {
        let mut places = Places::new(2);
        assert_eq!((places.place(), places.from_snapshot()), (0, true));
        places.interrupted(Incomplete, Some(7));
        assert_eq!((places.place(), places.from_snapshot()), (0, true));
        places.interrupted(Broken, Some(7));
        assert_eq!((places.place(), places.from_snapshot()), (1, false), "it goes on where it was");
        places.interrupted(Broken, None);
        assert_eq!((places.place(), places.from_snapshot()), (0, true));
    }

    #[test]
    fn less_than_is_known_is_taken_only_where_nobody_has_more() {
        let mut places = Places::new(3);
        assert!(!places.is_behind(7, 7) && !places.is_behind(8, 7));
        assert!(places.is_behind(6, 7));
        places.interrupted(Behind, Some(7));
        assert!(places.is_behind(5, 7) && places.from_snapshot());
        places.interrupted(Behind, Some(7));
        assert!(!places.is_behind(4, 7), "the others had less, too");
        // The third cannot be reached: whether it has more, nobody knows, so the counting begins anew.
        places.interrupted(Broken, Some(7));
        assert!(places.is_behind(6, 7));

        // One place alone has the last word at once.
        assert!(!Places::new(1).is_behind(0, 7));
    }
}

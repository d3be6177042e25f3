use std::sync::atomic::{AtomicI64, AtomicU32, AtomicU64, Ordering};

use gatepass_jose::Timestamp;

/// What a slot says about one id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Revocation {
    /// Tokens minted strictly before this are dead.
    pub(super) issued_before: Timestamp,
    pub(super) forget_after: ForgetAfter,
    /// The place of the reason in the view's list.
    pub(super) reason: u8,
}

/// Whole seconds since the epoch, rounded up. What does not fit is kept for ever: an entry forgotten too
/// late costs a little memory, one forgotten too early lets a dead token back in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ForgetAfter(u32);

impl ForgetAfter {
    const NEVER: ForgetAfter = ForgetAfter(u32::MAX);

    pub(super) fn is_over(self, now: Timestamp) -> bool {
        self != Self::NEVER && i64::from(self.0) < now.as_secs()
    }

    pub(super) fn as_secs(self) -> u32 {
        self.0
    }
}

impl From<Timestamp> for ForgetAfter {
    fn from(at: Timestamp) -> Self {
        let secs = at.as_millis().div_euclid(1000) + i64::from(at.as_millis().rem_euclid(1000) != 0);
        u32::try_from(secs.max(0)).map_or(Self::NEVER, ForgetAfter)
    }
}

/// 24 bytes: an id's tag and its revocation, each word readable at any moment.
///
/// The last word also carries 24 bits of a second hash, by which ids of the same tag are told apart.
#[derive(Default)]
pub(super) struct Slot {
    tag: AtomicU64,
    issued_before: AtomicI64,
    forget_after: AtomicU32,
    check_and_reason: AtomicU32,
}

impl Slot {
    /// A free slot, in which nothing is revoked.
    pub(super) fn vacant() -> Self {
        let slot = Slot::default();
        slot.clear();
        slot
    }

    /// Nothing is revoked any more; the slot stays its id's.
    pub(super) fn clear(&self) {
        self.issued_before.store(i64::MIN, Ordering::Relaxed);
        self.forget_after.store(0, Ordering::Relaxed);
    }

    pub(super) fn is_vacant(&self) -> bool {
        self.issued_before.load(Ordering::Relaxed) == i64::MIN
    }

    /// Gives the slot to an id. The tag comes last: who sees it sees the rest.
    pub(super) fn fill(&self, tag: u64, check: u32, revocation: Revocation) {
        self.store(check, revocation);
        self.tag.store(tag, Ordering::Release);
    }

    /// The id's tag; 0 in a free slot.
    pub(super) fn tag(&self) -> u64 {
        self.tag.load(Ordering::Acquire)
    }

    pub(super) fn check(&self) -> u32 {
        self.check_and_reason.load(Ordering::Relaxed) >> 8
    }

    pub(super) fn revocation(&self) -> Revocation {
        // Pairs with the release in `store`: the reason is that of the instant read, or of a later one.
        let issued_before = Timestamp::from_millis(self.issued_before.load(Ordering::Acquire));
        Revocation {
            issued_before,
            forget_after: ForgetAfter(self.forget_after.load(Ordering::Relaxed)),
            reason: (self.check_and_reason.load(Ordering::Relaxed) & 0xff) as u8,
        }
    }

    /// Takes the later of both instants each, so that entries may arrive twice and in any order. The
    /// reason is that of the later `issued_before`.
    pub(super) fn raise(&self, to: Revocation) {
        let was = self.revocation();
        let reason = if to.issued_before > was.issued_before { to.reason } else { was.reason };
        let revocation = Revocation {
            issued_before: was.issued_before.max(to.issued_before),
            forget_after: was.forget_after.max(to.forget_after),
            reason,
        };
        self.store(self.check(), revocation);
    }

    fn store(&self, check: u32, revocation: Revocation) {
        let check_and_reason = check << 8 | u32::from(revocation.reason);
        self.check_and_reason.store(check_and_reason, Ordering::Relaxed);
        self.forget_after.store(revocation.forget_after.0, Ordering::Relaxed);
        self.issued_before.store(revocation.issued_before.as_millis(), Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forgetting_is_rounded_up_and_never_early() {
        let cases = [
            ("whole_second", 5_000, 5_999, false),
            ("whole_second_and_one_more", 5_000, 6_000, true),
            ("fraction_counts_as_the_next_second", 5_001, 6_999, false),
            ("after_that_second", 5_001, 7_000, true),
            ("before_the_epoch", -5_000, 1_000, true),
            ("last_second_that_fits", 4_294_967_294_000, 4_294_967_295_000, true),
            ("past_what_fits_is_for_ever", 4_294_967_295_000, i64::MAX, false),
            ("end_of_time", i64::MAX, i64::MAX, false),
        ];
        for (name, forget_after, now, over) in cases {
            let forget_after = ForgetAfter::from(Timestamp::from_millis(forget_after));
            assert_eq!(forget_after.is_over(Timestamp::from_millis(now)), over, "{name}");
        }
    }

    #[test]
    fn raising_keeps_the_later_instants_the_id_and_the_reason_of_the_later() {
        let at = |issued_before, forget_after, reason| Revocation {
            issued_before: Timestamp::from_millis(issued_before),
            forget_after: ForgetAfter(forget_after),
            reason,
        };
        let slot = Slot::vacant();
        slot.fill(7, 0xab_cdef, at(20, 100, 1));
        slot.raise(at(10, 200, 2));
        assert_eq!(slot.revocation(), at(20, 200, 1));
        slot.raise(at(20, 50, 3));
        assert_eq!(slot.revocation(), at(20, 200, 1));
        slot.raise(at(30, 50, 255));
        assert_eq!(slot.revocation(), at(30, 200, 255));
        assert_eq!((slot.tag(), slot.check()), (7, 0xab_cdef));
        assert_eq!(size_of::<Slot>(), 24);
    }
}

//! The authorization server and its replicas: its disk, its clock, its crashes, and who can reach it.

use std::cell::RefCell;
use std::ops::Range;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use async_trait::async_trait;
use gatepass_jose::Timestamp;
use gatepass_revocation::{Entry, FeedEvent, Kind, LogId, Reason, Snapshot};

use super::mirror::Mirror;
use super::{HEALED, Setting, TICK};
use crate::feed::{Feed, Log, LogPosition};
use crate::store::StoreError;

/// How long a token lives, and with it the duty to refuse it; in milliseconds, as everything here.
pub(super) const LIFE: i64 = 14_000;
/// How far clocks may be off, on either side.
const ALLOWANCE: i64 = 21_000;
/// The issuer's clock is never further off than this.
pub(super) const OFF: i64 = 10_000;

/// A stream of numbers from a seed (SplitMix64).
pub(super) struct Chance(u64);

impl Chance {
    pub(super) fn new(seed: u64, stream: u64) -> Self {
        Chance(
            seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(stream.wrapping_mul(0xd134_2543_de82_ef95)),
        )
    }

    pub(super) fn pick(&mut self, range: Range<i64>) -> i64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let width = u64::try_from(range.end - range.start).unwrap();
        range.start + i64::try_from((mixed ^ (mixed >> 31)) % width).unwrap()
    }

    /// True once in `often` times.
    pub(super) fn once_in(&mut self, often: i64) -> bool {
        self.pick(0..often) == 0
    }
}

/// A revocation that somebody was told is done.
#[derive(Clone)]
pub(super) struct Acknowledged {
    pub(super) at: i64,
    pub(super) kind: Kind,
    pub(super) id: String,
}

/// What is on the disk, and so in a backup.
#[derive(Clone, Default)]
pub(super) struct Disk {
    pub(super) entries: Vec<Entry>,
    pub(super) last: u64,
    /// Those that are acknowledged, in order; not on any disk, but what is to be true of it.
    acknowledged: Vec<Acknowledged>,
    /// Durable, and the server fell before it could say so.
    unsaid: Vec<Acknowledged>,
}

#[async_trait]
impl Log for Mutex<Disk> {
    async fn entries_after(&self, seq: u64, limit: u32) -> Result<Vec<Entry>, StoreError> {
        let disk = self.lock().unwrap();
        Ok(disk.entries.iter().filter(|entry| entry.seq > seq).take(limit as usize).cloned().collect())
    }

    async fn last_entry(&self) -> Result<u64, StoreError> {
        Ok(self.lock().unwrap().last)
    }
}

/// A process that serves a feed: the issuer's, or that of a replica.
#[derive(Default)]
pub(super) struct Server {
    /// `None` while it is down.
    pub(super) feed: Option<Feed>,
    /// Counts its starts: a connection ends with the one it was opened in.
    pub(super) run: usize,
    /// What the issuer had by then, it has.
    pub(super) as_of: i64,
    /// How often the log that it has a copy of had been put back.
    pub(super) generation: usize,
    /// The last snapshot and the place it was taken at.
    pub(super) taken: RefCell<Option<(u64, Arc<Snapshot>)>>,
}

pub(super) struct World {
    chance: Chance,
    is_log_named: bool,
    disk: Mutex<Disk>,
    backup: Disk,
    issuer: Server,
    mirrors: Vec<Mirror>,
    up_again_at: i64,
    /// How far the issuer's clock is ahead of the true time.
    offset: i64,
    /// Guards that reach nobody, and until when.
    cut_off: Option<(Range<usize>, i64)>,
    pub(super) revocations: usize,
    pub(super) restarts: usize,
    pub(super) restored: usize,
}

impl World {
    pub(super) fn new(setting: &Setting) -> Self {
        let mut world = World {
            chance: Chance::new(setting.seed, 0),
            is_log_named: setting.is_log_named,
            disk: Mutex::default(),
            backup: Disk::default(),
            issuer: Server::default(),
            mirrors: match setting.has_mirrors {
                true => vec![
                    Mirror::new(1, Chance::new(setting.seed, 1_000_001), 3_000, false),
                    Mirror::new(2, Chance::new(setting.seed, 1_000_002), 100, true),
                ],
                false => Vec::new(),
            },
            up_again_at: 0,
            offset: 3_000,
            cut_off: None,
            revocations: 0,
            restarts: 0,
            restored: 0,
        };
        world.start(0);
        world
    }

    /// How many places the feed has.
    pub(super) fn places(&self) -> usize {
        1 + self.mirrors.len()
    }

    /// How often the log has been put back.
    pub(super) fn generation(&self) -> usize {
        self.restored
    }

    /// The server at a place, whoever can reach it, with its feed.
    pub(super) fn server(&self, place: usize) -> Option<(&Server, &Feed)> {
        let mirror = place.checked_sub(1).and_then(|mirror| self.mirrors.get(mirror));
        let server = mirror.map_or(&self.issuer, |mirror| &mirror.server);
        Some((server, server.feed.as_ref()?))
    }

    /// The server at a place, if a guard can reach it.
    pub(super) fn reach(&self, place: usize, guard: usize, now: i64) -> Option<(&Server, &Feed)> {
        self.server(place).filter(|_| self.cut_off_until(place, guard, now).is_none())
    }

    /// Until when a guard is cut off from a place, if it is.
    pub(super) fn cut_off_until(&self, place: usize, guard: usize, now: i64) -> Option<i64> {
        let (guards, until) = self.cut_off.as_ref()?;
        // Each place has other guards on its side of the cut.
        (guards.contains(&((guard + 25 * place) % 100)) && now < *until).then_some(*until)
    }

    pub(super) fn snapshot(&self, server: &Server, feed: &Feed, now: i64) -> Arc<Snapshot> {
        let mut taken = server.taken.borrow_mut();
        match &*taken {
            Some((seq, snapshot)) if *seq == feed.newest() => Arc::clone(snapshot),
            _ => {
                let mut snapshot = feed.snapshot("https://auth.example.com", self.wall(now));
                if !self.is_log_named {
                    snapshot.log = None;
                }
                let snapshot = Arc::new(snapshot);
                *taken = Some((feed.newest(), Arc::clone(&snapshot)));
                snapshot
            }
        }
    }

    pub(super) fn heartbeat(&self, feed: &Feed, position: LogPosition, now: i64) -> FeedEvent {
        let mut heartbeat = feed.heartbeat(position, self.wall(now));
        if !self.is_log_named {
            heartbeat.log = None;
        }
        heartbeat.into()
    }

    /// What was acknowledged within a span of time, and is in the log of today.
    pub(super) fn acknowledged(&self, from: i64, to: i64) -> Vec<Acknowledged> {
        let disk = self.disk.lock().unwrap();
        let at = |time| disk.acknowledged.partition_point(|done| done.at <= time);
        disk.acknowledged.get(at(from)..at(to)).unwrap_or_default().to_vec()
    }

    fn wall(&self, now: i64) -> Timestamp {
        Timestamp::from_millis(now + self.offset)
    }

    pub(super) fn step(&mut self, now: i64) {
        self.step_issuer(now);
        let wall = self.wall(now);
        if self.issuer.feed.is_some() {
            self.issuer.as_of = now;
        }
        let generation = self.generation();
        let disk = self.disk.lock().unwrap();
        for mirror in &mut self.mirrors {
            // A replica learns nothing of an issuer that is down.
            if self.issuer.feed.is_some() {
                mirror.step(&disk, generation, now);
            }
            if now % 2_000 == 0 {
                mirror.forget(wall);
            }
        }
    }

    fn step_issuer(&mut self, now: i64) {
        if self.issuer.feed.is_none() {
            if now >= self.up_again_at {
                self.start(now);
            }
            return;
        }
        if self.chance.once_in(5) {
            self.revoke(now);
        }
        if now % 2_000 == 0 {
            self.forget(now);
        }
        if now >= HEALED {
            self.cut_off = None;
        } else {
            self.go_wrong(now);
        }
    }

    fn go_wrong(&mut self, now: i64) {
        if self.chance.once_in(200) {
            self.backup = self.disk.lock().unwrap().clone();
        }
        if self.chance.once_in(100) {
            let first = usize::try_from(self.chance.pick(0..80)).unwrap();
            self.cut_off = Some((first..first + 40, now + self.chance.pick(100..15_000)));
        }
        if self.chance.once_in(400) {
            // By more than what a heartbeat may be held up for: a smaller step could hide behind that.
            let step = self.chance.pick(5_000..10_000);
            self.offset = if self.offset + step > OFF { self.offset - step } else { self.offset + step };
        }
        if self.chance.once_in(300) {
            self.fall(now);
        }
    }

    fn fall(&mut self, now: i64) {
        self.issuer.feed = None;
        self.up_again_at = (now + self.chance.pick(TICK..3_000)).min(HEALED);
    }

    fn start(&mut self, now: i64) {
        self.restarts += 1;
        self.issuer.taken.take();
        self.issuer.run = self.restarts;
        let had = self.disk.lock().unwrap().last;
        let is_restored = self.restarts > 1 && self.chance.once_in(3);
        if is_restored {
            self.restored += 1;
            self.issuer.generation = self.restored;
            *self.disk.lock().unwrap() = self.backup.clone();
        }
        {
            let mut disk = self.disk.lock().unwrap();
            let found = std::mem::take(&mut disk.unsaid);
            disk.acknowledged.extend(found.into_iter().map(|found| Acknowledged { at: now, ..found }));
        }
        let log = LogId::new([u8::try_from(self.restarts % 256).unwrap(); 16]);
        self.issuer.feed = Some(at_once(Feed::load(&self.disk, log)).unwrap());
        // The worst case: before anybody is back, the log is as long as it was, and sometimes longer.
        if is_restored && self.chance.once_in(2) {
            let more = self.chance.pick(0..3);
            while i64::try_from(self.disk.lock().unwrap().last).unwrap() < i64::try_from(had).unwrap() + more
            {
                self.revoke(now);
            }
        }
    }

    fn revoke(&mut self, now: i64) {
        let Some(feed) = &self.issuer.feed else { return };
        self.revocations += 1;
        let kind = [Kind::Token, Kind::Session, Kind::Subject, Kind::Client][self.revocations % 4];
        let done = Acknowledged { at: now, kind, id: format!("r{}", self.revocations) };
        let mut disk = self.disk.lock().unwrap();
        disk.last += 1;
        let (wall, seq) = (self.wall(now), disk.last);
        disk.entries.push(Entry {
            seq,
            kind,
            id: done.id.clone(),
            issued_before: wall,
            forget_after: wall.saturating_add(Duration::from_millis((LIFE + ALLOWANCE).unsigned_abs())),
            reason: Reason::ADMIN,
        });
        if now < HEALED && self.chance.once_in(50) {
            disk.unsaid.push(done);
            drop(disk);
            return self.fall(now);
        }
        disk.acknowledged.push(done);
        drop(disk);
        at_once(feed.pump(&self.disk)).unwrap();
    }

    fn forget(&mut self, now: i64) {
        let wall = self.wall(now);
        if let Some(feed) = &self.issuer.feed {
            feed.forget(wall);
        }
        self.disk.lock().unwrap().entries.retain(|entry| entry.forget_after >= wall);
    }
}

/// The outcome of what has nothing to wait for.
pub(super) fn at_once<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(outcome) => outcome,
        Poll::Pending => panic!("it waits for something"),
    }
}

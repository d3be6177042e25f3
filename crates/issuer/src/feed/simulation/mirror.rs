//! A replica of the feed: it has what the issuer had a while ago, and now and then less than that.

use std::collections::VecDeque;
use std::sync::Mutex;

use gatepass_jose::Timestamp;
use gatepass_revocation::LogId;

use super::world::{Chance, Disk, Server, at_once};
use super::{HEALED, TICK};
use crate::feed::Feed;

/// Marks are kept for so long: nobody goes back further.
const KEPT: i64 = 10_000;

pub(super) struct Mirror {
    chance: Chance,
    place: u8,
    /// How far it lags behind while things go wrong.
    lag: i64,
    /// Whether an old copy of its disk is put back now and then.
    goes_back: bool,
    disk: Mutex<Disk>,
    pub(super) server: Server,
    /// Until then it copies nothing.
    idle_until: i64,
    marks: VecDeque<Mark>,
}

/// How long the issuer's log was.
#[derive(Clone, Copy)]
struct Mark {
    at: i64,
    generation: usize,
    last: u64,
}

impl Mirror {
    pub(super) fn new(place: u8, chance: Chance, lag: i64, goes_back: bool) -> Self {
        Mirror {
            chance,
            place,
            lag,
            goes_back,
            disk: Mutex::default(),
            server: Server::default(),
            idle_until: 0,
            marks: VecDeque::new(),
        }
    }

    /// `generation` counts how often the issuer's log has been put back.
    pub(super) fn step(&mut self, origin: &Disk, generation: usize, now: i64) {
        self.marks.push_back(Mark { at: now, generation, last: origin.last });
        while self.marks.pop_front_if(|mark| mark.at < now - KEPT).is_some() {}
        if now < HEALED {
            if now < self.idle_until {
                return;
            }
            if self.goes_back && self.chance.once_in(200) {
                return self.go_back(now);
            }
            if self.chance.once_in(400) {
                self.server.feed = None;
                self.idle_until = now + self.chance.pick(TICK..3_000);
                return;
            }
        }
        let lag = if now < HEALED { self.lag } else { TICK };
        let mark = self.marks.iter().rev().find(|mark| mark.at <= now - lag).copied();
        // What was copied of a log that has been put back since is served on, until there is enough of the new one.
        if let Some(mark) = mark.filter(|mark| mark.generation == generation) {
            self.copy(origin, mark);
        }
    }

    pub(super) fn forget(&self, wall: Timestamp) {
        if let Some(feed) = &self.server.feed {
            feed.forget(wall);
        }
        self.disk.lock().unwrap().entries.retain(|entry| entry.forget_after >= wall);
    }

    fn copy(&mut self, origin: &Disk, mark: Mark) {
        let is_new = self.server.feed.is_none() || self.server.generation != mark.generation;
        let mut disk = self.disk.lock().unwrap();
        if is_new {
            *disk = Disk::default();
        }
        let wanted = origin.entries.iter().filter(|entry| entry.seq > disk.last && entry.seq <= mark.last);
        let wanted: Vec<_> = wanted.cloned().collect();
        disk.entries.extend(wanted);
        disk.last = disk.last.max(mark.last);
        drop(disk);
        self.server.generation = mark.generation;
        self.server.as_of = mark.at;
        match &self.server.feed {
            Some(feed) if !is_new => at_once(feed.pump(&self.disk)).unwrap(),
            _ => self.start(),
        }
    }

    fn go_back(&mut self, now: i64) {
        let generation = self.server.generation;
        let back = now - self.lag - self.chance.pick(500..6_000);
        let mark = self.marks.iter().rev().find(|mark| mark.at <= back && mark.generation == generation);
        let Some(mark) = mark.copied() else { return };
        let mut disk = self.disk.lock().unwrap();
        disk.entries.retain(|entry| entry.seq <= mark.last);
        disk.last = mark.last.min(disk.last);
        drop(disk);
        self.server.as_of = mark.at.min(self.server.as_of);
        self.idle_until = now + self.chance.pick(500..4_000);
        self.start();
    }

    /// Another process, and so another id of the log.
    fn start(&mut self) {
        self.server.run += 1;
        let mut log = [self.place; 16];
        log[1] = u8::try_from(self.server.run % 256).unwrap();
        self.server.taken.take();
        self.server.feed = Some(at_once(Feed::load(&self.disk, LogId::new(log))).unwrap());
    }
}

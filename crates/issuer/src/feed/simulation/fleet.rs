//! One guard: a real follower and view, and a driver that does what a guard's does on sockets.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use gatepass_jose::Timestamp;
use gatepass_revocation::sse::Parser;
use gatepass_revocation::{
    Action, FeedEvent, Follower, Interruption, Kind, Places, Snapshot, TokenRef, View,
};

use super::clock::Clock;
use super::world::{Acknowledged, Chance, LIFE, OFF, Server, World};
use super::{HEALED, Setting};
use crate::feed::LogPosition;

/// Without a heartbeat for this long a stream is opened again.
const SILENCE: i64 = 3_000;
const HEARTBEAT: i64 = 1_000;
const FORGET_EVERY: i64 = 10_000;
const SKEW: Duration = Duration::from_secs(20);
/// As many entries as the server sends in one piece.
const BATCH: usize = 256;

pub(super) struct Guard {
    pub(super) number: usize,
    chance: Chance,
    clock: Clock,
    /// It looks at what came only so often.
    pause: i64,
    /// Its feed goes through text, as on the wire.
    is_on_the_wire: bool,
    follower: Follower,
    places: Places,
    /// The checks that are left out where a test has to show what they are for.
    takes_less: bool,
    trusts_its_clock: bool,
    doing: Doing,
    backoff: i64,
    busy_until: i64,
    /// What was acknowledged by then is known to be in the view, as it claimed.
    held_to: i64,
    /// What it had may be gone: a snapshot has taken its place, or it was forgotten by a clock that was set since.
    recheck: bool,
    forget_at: i64,
    pub(super) proofs: usize,
    pub(super) snapshots: usize,
    pub(super) streams: usize,
    /// How often a place had less than was known.
    pub(super) behind: usize,
    /// How often a clock was set back behind what was forgotten.
    pub(super) set_back: usize,
    tell: bool,
}

enum Doing {
    Waiting {
        until: i64,
    },
    /// The answer is made somewhere between question and arrival.
    Asking {
        asked_at: i64,
        made_at: i64,
        arrives_at: i64,
        answer: Option<Answer>,
    },
    Opening {
        at: i64,
    },
    Reading(Stream),
}

#[derive(Clone)]
struct Answer {
    snapshot: Arc<Snapshot>,
    as_of: i64,
    generation: usize,
}

struct Stream {
    opened_at: i64,
    run: usize,
    position: LogPosition,
    next_heartbeat: i64,
    coming: VecDeque<Frame>,
    heard_at: i64,
    /// What the quickest heartbeat of this stream took to get here.
    quickest: i64,
    parser: Parser,
}

#[derive(Clone)]
struct Frame {
    sent_at: i64,
    /// What the issuer had by then, its sender had.
    as_of: i64,
    arrives_at: i64,
    what: What,
}

#[derive(Clone)]
enum What {
    Event(FeedEvent),
    Unreadable,
    End,
}

impl Guard {
    pub(super) fn new(number: usize, setting: &Setting, places: usize, tell: bool) -> Self {
        let mut chance = Chance::new(setting.seed, number as u64 + 1);
        let is_slow = number % 10 == 3;
        Guard {
            number,
            clock: Clock::new(&mut chance),
            pause: if is_slow { chance.pick(200..2_000) } else { 0 },
            is_on_the_wire: number.is_multiple_of(20),
            follower: Follower::new(Arc::new(View::new())),
            doing: Doing::Waiting { until: chance.pick(0..2_000) },
            chance,
            places: Places::new(places),
            takes_less: setting.takes_less,
            trusts_its_clock: setting.trusts_their_clocks,
            backoff: 100,
            busy_until: 0,
            held_to: -1,
            recheck: false,
            forget_at: FORGET_EVERY,
            proofs: 0,
            snapshots: 0,
            streams: 0,
            behind: 0,
            set_back: 0,
            tell,
        }
    }

    /// What its wall clock says, less the skew that it allows for.
    fn wall(&self, now: i64) -> Timestamp {
        self.clock.wall(now).saturating_sub(SKEW)
    }

    /// As the guard's: whatever was proven, a view that forgot what is in force is not whole.
    fn staleness(&self, now: i64) -> Option<Duration> {
        if !self.trusts_its_clock && self.follower.view().lacks_at(self.wall(now)) {
            return None;
        }
        self.follower.staleness(self.clock.steady(now))
    }

    fn tell(&self, now: i64, what: impl FnOnce() -> String) {
        if self.tell {
            eprintln!("{now:>7}: guard {}: {}", self.number, what());
        }
    }

    /// How long something takes on the way.
    fn way(&mut self, now: i64) -> i64 {
        match now < HEALED && self.chance.once_in(10) {
            true => self.chance.pick(300..8_000),
            false => self.chance.pick(1..200),
        }
    }

    pub(super) fn step(&mut self, world: &World, now: i64) -> Result<(), String> {
        self.recheck |= self.clock.step(&mut self.chance, now);
        let doing = std::mem::replace(&mut self.doing, Doing::Waiting { until: now });
        let (doing, leeway) = match doing {
            Doing::Waiting { until } if now < until => (Doing::Waiting { until }, None),
            Doing::Waiting { .. } => (self.begin(now), None),
            Doing::Asking { .. } => self.ask(doing, world, now),
            Doing::Opening { at } if now < at => (Doing::Opening { at }, None),
            Doing::Opening { .. } => (self.open(world, now), None),
            Doing::Reading(stream) => self.read(stream, world, now),
        };
        self.doing = doing;
        leeway.map_or(Ok(()), |leeway| self.require_true(world, now, leeway))
    }

    fn begin(&mut self, now: i64) -> Doing {
        let way = self.way(now);
        if !self.places.from_snapshot() {
            return Doing::Opening { at: now + way };
        }
        let made_at = now + self.chance.pick(0..way);
        Doing::Asking { asked_at: now, made_at, arrives_at: now + way, answer: None }
    }

    /// The second value says that the view may be proven anew, and by how much that may flatter.
    fn ask(&mut self, doing: Doing, world: &World, now: i64) -> (Doing, Option<i64>) {
        let Doing::Asking { asked_at, made_at, arrives_at, mut answer } = doing else { return (doing, None) };
        if now >= made_at && answer.is_none() {
            match world.reach(self.places.place(), self.number, now) {
                Some((server, feed)) => {
                    let (as_of, generation) = (server.as_of, server.generation);
                    answer = Some(Answer { snapshot: world.snapshot(server, feed, now), as_of, generation });
                }
                None => return (self.interrupted(Interruption::Broken, now), None),
            }
        }
        let Some(Answer { snapshot, as_of, generation }) = answer.as_ref().filter(|_| now >= arrives_at)
        else {
            return (Doing::Asking { asked_at, made_at, arrives_at, answer }, None);
        };
        self.snapshots += 1;
        self.tell(now, || {
            let place = self.places.place();
            format!(
                "snapshot of {} of {:?} from {place}, asked for at {asked_at}",
                snapshot.seq, snapshot.log
            )
        });
        let known = self.follower.view().seq();
        if self.places.is_behind(snapshot.seq, known) && !self.takes_less {
            self.behind += 1;
            return (self.interrupted(Interruption::Behind, now), None);
        }
        self.follower.snapshot(snapshot, self.clock.steady(asked_at));
        // A log that was put back has lost what it has lost. Otherwise, who changes places forgets nothing.
        if (snapshot.seq < known && !self.takes_less) || *generation != world.generation() {
            self.held_to = self.held_to.min(*as_of);
        }
        self.recheck = true;
        (Doing::Opening { at: now + self.chance.pick(1..200) }, Some((asked_at - as_of).max(0)))
    }

    fn open(&mut self, world: &World, now: i64) -> Doing {
        let Some((server, feed)) = world.reach(self.places.place(), self.number, now) else {
            return self.interrupted(Interruption::Broken, now);
        };
        self.streams += 1;
        let after = self.follower.last_event_id();
        self.tell(now, || format!("stream after {after:?}"));
        Doing::Reading(Stream {
            opened_at: now,
            run: server.run,
            position: feed.position(after),
            next_heartbeat: now,
            coming: VecDeque::new(),
            heard_at: now,
            quickest: i64::MAX,
            parser: Parser::new(),
        })
    }

    fn read(&mut self, mut stream: Stream, world: &World, now: i64) -> (Doing, Option<i64>) {
        self.serve(&mut stream, world, now);
        if now < self.busy_until {
            return (Doing::Reading(stream), None);
        }
        self.busy_until = now + self.pause;
        let mut leeway = None;
        if stream.coming.front().is_some_and(|frame| frame.arrives_at <= now) {
            if !self.trusts_its_clock && self.follower.wall_clock(self.wall(now)) != Action::Continue {
                self.set_back += 1;
                self.tell(now, || "the clock was set back".to_owned());
                return (self.interrupted(Interruption::Incomplete, now), None);
            }
            if now >= self.forget_at {
                self.forget_at = now + FORGET_EVERY;
                self.follower.view().forget(self.wall(now));
            }
        }
        while let Some(frame) = stream.coming.pop_front_if(|frame| frame.arrives_at <= now) {
            let behind = frame.sent_at - frame.as_of;
            match self.take(&mut stream, frame, now) {
                Ok(true) => {
                    let lost = self.clock.lost(now - stream.opened_at);
                    leeway = Some(stream.quickest + behind + lost);
                }
                Ok(false) => {}
                Err(interrupted) => return (self.interrupted(interrupted, now), leeway),
            }
        }
        if now - stream.heard_at > SILENCE {
            self.tell(now, || "silence".to_owned());
            return (self.interrupted(Interruption::Broken, now), leeway);
        }
        (Doing::Reading(stream), leeway)
    }

    /// The server's side of the stream, and what the network makes of it.
    fn serve(&mut self, stream: &mut Stream, world: &World, now: i64) {
        let server = world.server(self.places.place()).filter(|(server, _)| stream.run == server.run);
        let Some((Server { as_of, .. }, feed)) = server else {
            // The machine is gone, or another process has its port.
            return self.send(stream, world, What::End, (now, now));
        };
        let entries = feed.read(&mut stream.position, BATCH);
        let is_all = entries.len() < BATCH;
        for entry in entries {
            self.send(stream, world, What::Event(entry.into()), (now, *as_of));
        }
        if now >= stream.next_heartbeat && is_all && !stream.position.is_before(feed.newest()) {
            stream.next_heartbeat = now + HEARTBEAT;
            let heartbeat = world.heartbeat(feed, stream.position, now);
            self.send(stream, world, What::Event(heartbeat), (now, *as_of));
        }
    }

    fn send(&mut self, stream: &mut Stream, world: &World, what: What, (now, as_of): (i64, i64)) {
        let last = stream.coming.back().map_or(0, |frame| frame.arrives_at);
        // What is sent to somebody who is cut off arrives afterwards, if he still listens.
        let until = world.cut_off_until(self.places.place(), self.number, now).unwrap_or(now);
        let frame =
            Frame { sent_at: now, as_of, arrives_at: last.max(until + self.chance.pick(0..60)), what };
        if now >= HEALED {
            return stream.coming.push_back(frame);
        }
        match self.chance.pick(0..600) {
            0 => {}
            1 => {
                stream.coming.push_back(frame.clone());
                stream.coming.push_back(frame);
            }
            2 => {
                let before = stream.coming.pop_back();
                stream.coming.push_back(frame);
                stream.coming.extend(before);
            }
            3 => stream.coming.push_back(Frame { what: What::Unreadable, ..frame }),
            4 => stream.coming.push_back(Frame { what: What::End, ..frame }),
            5..8 => {
                let arrives_at = frame.arrives_at + self.chance.pick(500..6_000);
                stream.coming.push_back(Frame { arrives_at, ..frame });
            }
            _ => stream.coming.push_back(frame),
        }
    }

    /// Hands a frame to the follower; `true` for a heartbeat.
    fn take(&mut self, stream: &mut Stream, frame: Frame, now: i64) -> Result<bool, Interruption> {
        let event = match frame.what {
            What::Event(event) if self.is_on_the_wire => across(&mut stream.parser, &event),
            What::Event(event) => event,
            What::End => return Err(Interruption::Broken),
            What::Unreadable => {
                self.tell(now, || "unreadable".to_owned());
                return match self.follower.unreadable() {
                    Action::Resync => Err(Interruption::Incomplete),
                    action => panic!("{action:?} after what could not be read"),
                };
            }
        };
        self.tell(now, || format!("{event:?}, sent at {}", frame.sent_at));
        let (action, is_heartbeat) = match event {
            FeedEvent::Entry(entry) => (self.follower.entry(&entry), false),
            FeedEvent::Heartbeat(heartbeat) => {
                let action = self.follower.heartbeat(&heartbeat, self.clock.steady(now));
                stream.quickest = stream.quickest.min(now - frame.sent_at);
                (action, true)
            }
        };
        if is_heartbeat && action == Action::Continue {
            (stream.heard_at, self.backoff) = (now, 100);
        }
        match action {
            Action::Continue => Ok(is_heartbeat),
            Action::Resync => Err(Interruption::Incomplete),
            Action::Reconnect => Err(Interruption::Broken),
        }
    }

    fn interrupted(&mut self, interruption: Interruption, now: i64) -> Doing {
        self.places.interrupted(interruption, self.follower.last_event_id());
        self.follower.disconnected();
        let wait = self.backoff / 2 + self.chance.pick(0..self.backoff / 2);
        self.backoff = (self.backoff * 2).min(5_000);
        Doing::Waiting { until: now + wait }
    }

    /// Whether the view holds everything that was acknowledged by the moment from which it claims to be whole,
    /// less what the proof took to get here.
    fn require_true(&mut self, world: &World, now: i64, leeway: i64) -> Result<(), String> {
        let Some(staleness) = self.staleness(now) else { return Ok(()) };
        let staleness = i64::try_from(staleness.as_millis()).unwrap();
        let whole_at = now - staleness - self.clock.lost(staleness) - leeway;
        let recheck = std::mem::take(&mut self.recheck);
        if whole_at <= self.held_to && !recheck {
            return Ok(());
        }
        self.proofs += 1;
        let from = if recheck { now - LIFE } else { self.held_to };
        for done in world.acknowledged(from, whole_at.max(self.held_to)) {
            if !self.knows(&done) && self.is_needed(&done, now) {
                return Err(format!("{} of {} is missing, whole at {whole_at}", done.id, done.at));
            }
        }
        self.held_to = self.held_to.max(whole_at);
        Ok(())
    }

    /// At the end, when nothing has gone wrong for a while: all is there, and it is known to be.
    pub(super) fn require_whole(&self, world: &World, now: i64) -> Result<(), String> {
        let staleness = self.staleness(now);
        if staleness
            .is_none_or(|staleness| staleness > Duration::from_millis(2_000 + self.pause.unsigned_abs()))
        {
            return Err(format!("in the end it is {staleness:?} stale"));
        }
        let slack = 2_000 + self.pause;
        let missing = world.acknowledged(now - LIFE, now - slack).into_iter().find(|done| !self.knows(done));
        missing.map_or(Ok(()), |done| Err(format!("in the end {} is missing", done.id)))
    }

    /// Whether a token of before lives, and would be let in by this guard's own clock.
    fn is_needed(&self, done: &Acknowledged, now: i64) -> bool {
        let latest = Timestamp::from_millis(done.at + LIFE + OFF);
        done.at + LIFE > now && latest > self.wall(now)
    }

    fn knows(&self, done: &Acknowledged) -> bool {
        let name = |kind| if done.kind == kind { done.id.as_str() } else { "-" };
        let token = TokenRef {
            jti: name(Kind::Token),
            sid: Some(name(Kind::Session)),
            sub: name(Kind::Subject),
            client_id: name(Kind::Client),
            kid: "k",
            minted_at: Timestamp::from_millis(-1_000_000),
        };
        self.follower.view().check(&token).is_err()
    }
}

/// The same event, written down and read again in two pieces.
fn across(parser: &mut Parser, event: &FeedEvent) -> FeedEvent {
    let text = event.to_event().to_frame();
    let (first, second) = text.as_bytes().split_at(text.len() / 2);
    let mut events = parser.push(first).unwrap();
    events.extend(parser.push(second).unwrap());
    match &events[..] {
        [event] => FeedEvent::parse(event).unwrap().unwrap(),
        events => panic!("{} events of one", events.len()),
    }
}

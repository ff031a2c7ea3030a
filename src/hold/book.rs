//! Which callbacks wait for Kafka's ack, which were acked lately, and who wants to hear of it. Pure.
//!
//! ```text
//!            take: new                      ack
//!  (unknown) ─────────► pending ───────────────────────► acked ── age ──► (unknown)
//!      ▲                  │  ▲ take: joins                  ▲ take: 200 at once, no second record
//!      └── refuse ────────┘  └─ also after a 503
//! ```
//!
//! An entry of the window is pending while there is a record of its number, and acked from then on: a record leaves only by
//! its ack, or together with its entry.

use super::share::Share;
use crate::{
    callback::names::{EventName, Family, SourceName},
    clock::Millis,
    spool::{CeId, Envelope, How, Record, Seq, window::Window},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// Somebody who waits for a record's ack.
pub(super) trait Waits {
    /// Nobody listens any more.
    fn is_gone(&self) -> bool;
}

/// What a lane holds now.
#[derive(Debug, Clone, Copy, Default)]
struct Load {
    records: usize,
    bytes: usize,
}

/// A record that isn't acked.
#[derive(Debug)]
struct Held<W> {
    record: Record,
    event: EventName,
    /// Its lane is done with it: its copy for the quarantine is what is waited for.
    aside: bool,
    waiting: Vec<(How, W)>,
}

/// What became of a callback that came.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Taken<W> {
    /// It is a record of its own now.
    New,
    /// It waits with an identical one.
    Joined,
    /// An identical one was acked.
    Acked(Seq),
    /// It wasn't taken, and whoever brought it doesn't wait.
    Refused(Refused, W),
}

/// Why not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// Its lane holds as much as it may.
    Full,
    /// Its topic takes nothing.
    Blocked,
    /// The end.
    Closed,
}

/// A record that is no longer held.
#[derive(Debug)]
pub(super) struct Gone<W> {
    pub(super) source: SourceName,
    pub(super) event: EventName,
    pub(super) waiting: Vec<(How, W)>,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Book<W> {
    window: Window,
    share: Share,
    loads: Vec<Load>,
    blocked: BTreeSet<Family>,
    records: BTreeMap<Seq, Held<W>>,
    /// Of their bodies.
    bytes: usize,
    last: Seq,
    last_accepted: Millis,
    last_acked: Millis,
    sources: Vec<SourceName>,
    closed: bool,
}

impl<W: Waits> Book<W> {
    /// An empty one.
    pub(super) fn new(window: Window, share: Share) -> Self {
        Self {
            loads: vec![Load::default(); share.lanes.len() + 1],
            window,
            share,
            blocked: BTreeSet::new(),
            records: BTreeMap::new(),
            bytes: 0,
            last: Seq(0),
            last_accepted: Millis(0),
            last_acked: Millis(0),
            sources: Vec::new(),
            closed: false,
        }
    }

    /// Looks a callback up and takes it, in one step: of two identical ones the second finds the first.
    pub(super) fn take(
        &mut self,
        now: Millis,
        ce_id: CeId,
        event: EventName,
        envelope: Envelope,
        waiter: W,
    ) -> Taken<W> {
        if self.closed {
            return Taken::Refused(Refused::Closed, waiter);
        }
        self.last_accepted = self.window.move_on(self.last_accepted, now);
        let source = self.place_of(&envelope.source);
        let found = self.window.find(source, ce_id);
        let blocked = self.is_blocked(envelope.family);
        if let Some(seq) = found {
            let Some(held) = self.records.get_mut(&seq) else {
                return Taken::Acked(seq);
            };
            if blocked && !held.aside {
                return Taken::Refused(Refused::Blocked, waiter);
            }
            // A sender that tries again and again while Kafka is away leaves nothing behind.
            held.waiting.retain(|(_, waiter)| !waiter.is_gone());
            held.waiting.push((How::Duplicate, waiter));
            return Taken::Joined;
        }
        if blocked {
            return Taken::Refused(Refused::Blocked, waiter);
        }
        if !self.has_room(envelope.family, envelope.body.len()) {
            return Taken::Refused(Refused::Full, waiter);
        }
        self.last = self.last.next();
        self.window
            .insert(source, ce_id, self.last, self.last_accepted);
        self.load(envelope.family, envelope.body.len(), usize::wrapping_add);
        self.bytes += envelope.body.len();
        let held = Held {
            record: Record {
                seq: self.last,
                ce_id,
                accepted_at: self.last_accepted,
                envelope,
            },
            event,
            aside: false,
            waiting: vec![(How::New, waiter)],
        };
        self.records.insert(self.last, held);
        Taken::New
    }

    /// All in-sync replicas have it. It stays known, so that what is identical is no second record.
    pub(super) fn ack(&mut self, seq: Seq, now: Millis) -> Option<Gone<W>> {
        self.last_acked = self.last_acked.max(now);
        let held = self.remove(seq)?;
        Some(self.gone(held))
    }

    /// Its lane is done with it, and has room for another; what counts is its copy for the quarantine.
    pub(super) fn set_aside(&mut self, seq: Seq) {
        let Some(held) = self.records.get_mut(&seq).filter(|held| !held.aside) else {
            return;
        };
        held.aside = true;
        let envelope = &held.record.envelope;
        let (family, bytes) = (envelope.family, envelope.body.len());
        self.load(family, bytes, usize::wrapping_sub);
    }

    /// It will never be acked. It is forgotten before anybody is told, so that the sender's retry is taken anew.
    pub(super) fn refuse(&mut self, seq: Seq) -> Option<Gone<W>> {
        let held = self.remove(seq)?;
        self.window.forget(seq);
        Some(self.gone(held))
    }

    /// The topic of these families takes nothing, or takes it again. Whoever waits for one of their records needn't wait; the
    /// records stay, since the first of them is what the topic is tried with.
    pub(super) fn block(&mut self, families: &[Family], blocked: bool) -> Vec<W> {
        if !blocked {
            families.iter().for_each(|family| {
                self.blocked.remove(family);
            });
            return Vec::new();
        }
        self.blocked.extend(families);
        let theirs =
            |held: &&mut Held<W>| !held.aside && families.contains(&held.record.envelope.family);
        let theirs = self.records.values_mut().filter(theirs);
        theirs.flat_map(take_waiting).collect()
    }

    /// The end. Whoever waits is to be told.
    pub(super) fn close(&mut self) -> Vec<W> {
        self.closed = true;
        self.records.values_mut().flat_map(take_waiting).collect()
    }

    /// The first record after this one, at most `limit`, of a family that is wanted.
    pub(super) fn next(
        &self,
        after: Seq,
        limit: Seq,
        wanted: &dyn Fn(Family) -> bool,
    ) -> Option<Record> {
        if after >= limit {
            return None;
        }
        let mut range = self.records.range(after.next()..=limit);
        let found = range.find(|(_, held)| !held.aside && wanted(held.record.envelope.family));
        found.map(|(_, held)| held.record.clone())
    }

    /// The last number that was given away.
    pub(super) const fn last(&self) -> Seq {
        self.last
    }

    #[cfg(test)]
    pub(super) const fn go_on_after(&mut self, last: Seq) {
        self.last = last;
    }

    /// Records not acked, and the bytes of their bodies.
    pub(super) fn pending(&self) -> (usize, usize) {
        (self.records.len(), self.bytes)
    }

    /// When the oldest record was taken that isn't acked.
    pub(super) fn oldest(&self) -> Option<Millis> {
        let first = self.records.first_key_value();
        first.map(|(_, held)| held.record.accepted_at)
    }

    /// Whether a record whose topic isn't blocked has waited for longer than this, and nothing was acked for as long.
    pub(super) fn is_stuck(&self, now: Millis, patience: Duration) -> bool {
        // A copy goes to another topic, about which nothing is known here.
        let waits =
            |held: &&Held<W>| !held.aside && !self.blocked.contains(&held.record.envelope.family);
        let first = self.records.values().find(waits);
        let waited = first.map(|held| now.since(held.record.accepted_at.max(self.last_acked)));
        waited.is_some_and(|waited| waited > patience)
    }

    /// Callbacks in the window.
    pub(super) fn remembered(&self) -> usize {
        self.window.len()
    }

    /// How many were forgotten since the last call, only because there were too many.
    pub(super) fn take_evicted(&mut self) -> u64 {
        self.window.take_evicted()
    }

    /// What each lane may hold.
    pub(super) const fn share(&self) -> &Share {
        &self.share
    }

    /// Whether a callback of this family needn't wait: its topic takes nothing, and a record is there to try it with.
    fn is_blocked(&self, family: Family) -> bool {
        let load = self.loads.get(self.share.lane(family));
        let tries = load.is_some_and(|load| load.records > 0);
        tries && self.blocked.contains(&family)
    }

    fn has_room(&self, family: Family, bytes: usize) -> bool {
        let load = self.loads.get(self.share.lane(family));
        load.is_some_and(|load| {
            load.records < self.share.records
                && load.bytes.saturating_add(bytes) <= self.share.bytes
        })
    }

    fn load(&mut self, family: Family, bytes: usize, change: fn(usize, usize) -> usize) {
        if let Some(load) = self.loads.get_mut(self.share.lane(family)) {
            load.records = change(load.records, 1);
            load.bytes = change(load.bytes, bytes);
        }
    }

    fn remove(&mut self, seq: Seq) -> Option<Held<W>> {
        let held = self.records.remove(&seq)?;
        let envelope = &held.record.envelope;
        self.bytes -= envelope.body.len();
        if !held.aside {
            self.load(envelope.family, envelope.body.len(), usize::wrapping_sub);
        }
        Some(held)
    }

    fn gone(&self, held: Held<W>) -> Gone<W> {
        Gone {
            source: held.record.envelope.source,
            event: held.event,
            waiting: held.waiting,
        }
    }

    fn place_of(&mut self, source: &SourceName) -> u16 {
        let known = self.sources.iter().position(|s| s == source);
        let place = known.unwrap_or_else(|| {
            self.sources.push(source.clone());
            self.sources.len() - 1
        });
        // Sources come from the settings: there are never so many.
        u16::try_from(place).unwrap_or(u16::MAX)
    }
}

fn take_waiting<W>(held: &mut Held<W>) -> impl Iterator<Item = W> + use<W> {
    std::mem::take(&mut held.waiting)
        .into_iter()
        .map(|(_, waiter)| waiter)
}

#[cfg(test)]
#[path = "book_tests.rs"]
mod tests;

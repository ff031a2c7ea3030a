//! What a lane has under way: deliveries come back in any order, the checkpoint moves in order.
//!
//! Pure. One [`Window`] per lane holds a slot for every record that the lane has met and that isn't settled together
//! with all before it. A family is settled up to just before its first slot, or as far as the lane has looked. Numbers
//! have holes, since other lanes' records lie between.
//!
//! ```text
//!  seq      11    14    15    19    20 ........ 31
//!  slot    Done  Sent  Done  Due              ▲ passed: everything up to here was looked at
//!           └─ dropped: settled is 13 (just before 14)
//! ```

use super::room::Load;
use crate::{
    callback::names::Family,
    clock::Millis,
    spool::{Seq, Settled},
};
use std::collections::VecDeque;

/// A record that isn't settled yet.
#[derive(Debug, Clone, Copy)]
struct Slot {
    seq: Seq,
    bytes: usize,
    accepted_at: Millis,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// To be sent (again).
    Due,
    /// With a producer.
    Sent,
    /// Acked, quarantined, discarded or corrupt.
    Done,
}

/// The slots of one family, by number.
#[derive(Debug)]
struct Track {
    family: Family,
    slots: VecDeque<Slot>,
    settled: Seq,
}

/// What a record that was read is to the lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Never met.
    New,
    /// Met, and to be sent again.
    Due,
    /// Under way or settled: to be passed over.
    Over,
}

/// See the module.
#[derive(Debug)]
pub struct Window {
    span: usize,
    tracks: Vec<Track>,
    passed: Seq,
    sent: Load,
    slots: usize,
}

impl Window {
    /// A window over these families, which were settled so far. It has at most `span` slots, those of reported records that
    /// wait for an earlier one included: a stuck partition must not fill the memory.
    #[must_use]
    pub fn new(span: usize, families: &[Family], settled: &Settled) -> Self {
        let track = |&family| Track {
            family,
            slots: VecDeque::new(),
            settled: settled.of(family),
        };
        let least = families.iter().map(|&f| settled.of(f)).min();
        Self {
            span,
            tracks: families.iter().map(track).collect(),
            passed: least.unwrap_or_default(),
            sent: Load::default(),
            slots: 0,
        }
    }

    /// Everything up to here was looked at: it is settled or has a slot.
    #[must_use]
    pub const fn passed(&self) -> Seq {
        self.passed
    }

    /// Records with a producer.
    #[must_use]
    pub const fn in_flight(&self) -> usize {
        self.sent.records
    }

    /// These, and their bytes.
    #[must_use]
    pub const fn load(&self) -> Load {
        self.sent
    }

    /// Whether nothing waits or is under way, up to `passed`.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.slots == 0
    }

    /// When the oldest record that isn't settled was accepted.
    #[must_use]
    pub fn oldest(&self) -> Option<Millis> {
        let first = self.tracks.iter().filter_map(|t| t.slots.front());
        first.min_by_key(|slot| slot.seq).map(|s| s.accepted_at)
    }

    /// The first record that isn't settled, of those that were met.
    #[must_use]
    pub fn first(&self) -> Option<Seq> {
        let first = self.tracks.iter().filter_map(|t| t.slots.front());
        first.map(|slot| slot.seq).min()
    }

    /// Where a cursor has to start, so that it meets every record that is due.
    #[must_use]
    pub fn restart(&self) -> Seq {
        let due = |track: &Track| {
            let mut slots = track.slots.iter();
            slots.find(|s| s.state == State::Due).map(|s| s.seq)
        };
        let first = self.tracks.iter().filter_map(due).min();
        first.map_or(self.passed, |seq| Seq(seq.0.saturating_sub(1)))
    }

    /// Whether there is a slot for one more. A record that is due again has its own already.
    #[must_use]
    pub fn has_slot(&self, standing: Standing) -> bool {
        standing == Standing::Due || self.slots < self.span
    }

    /// What this record is to the lane.
    #[must_use]
    pub fn standing(&self, family: Family, seq: Seq) -> Standing {
        let Some(track) = self.tracks.iter().find(|t| t.family == family) else {
            return Standing::Over;
        };
        match track.find(seq).and_then(|at| track.slots.get(at)) {
            Some(slot) if slot.state == State::Due => Standing::Due,
            Some(_) => Standing::Over,
            None if seq <= track.settled || seq <= self.passed => Standing::Over,
            None => Standing::New,
        }
    }

    /// The record is with a producer now. `New` ones must come in the order of their numbers.
    ///
    /// # Panics
    /// If it is under way or settled already, or of a family that isn't this lane's.
    pub fn sent(&mut self, family: Family, seq: Seq, bytes: usize, accepted_at: Millis) {
        match self.standing(family, seq) {
            Standing::New => self.meet(family, seq, bytes, accepted_at, State::Sent),
            Standing::Due => self.put(family, seq, State::Sent),
            Standing::Over => panic!("record {seq} was sent twice"),
        }
        self.sent.records += 1;
        self.sent.bytes += self.bytes_of(family, seq);
    }

    /// The record was settled without being sent: quarantined, discarded or corrupt.
    ///
    /// # Panics
    /// If it is under way or settled already, or of a family that isn't this lane's.
    pub fn settled_unsent(&mut self, family: Family, seq: Seq, accepted_at: Millis) {
        match self.standing(family, seq) {
            Standing::New => self.meet(family, seq, 0, accepted_at, State::Done),
            Standing::Due => self.put(family, seq, State::Done),
            Standing::Over => panic!("record {seq} was settled twice"),
        }
        self.advance(family);
    }

    /// A sent record is settled: acked, or refused alone and quarantined. Returns when it was accepted.
    ///
    /// # Panics
    /// If it isn't under way: it was settled twice, or never sent.
    pub fn settle(&mut self, family: Family, seq: Seq) -> Millis {
        let (bytes, accepted_at) = self.take_sent(family, seq);
        self.sent.records -= 1;
        self.sent.bytes -= bytes;
        self.advance(family);
        accepted_at
    }

    /// Its producer is gone: whatever was sent and not reported is due again.
    pub fn rewind(&mut self) {
        let slots = self.tracks.iter_mut().flat_map(|t| t.slots.iter_mut());
        for slot in slots.filter(|s| s.state == State::Sent) {
            slot.state = State::Due;
        }
        self.sent = Load::default();
    }

    /// Everything up to `seq` was looked at, and what wasn't met isn't this lane's.
    pub fn pass_to(&mut self, seq: Seq) {
        self.passed = self.passed.max(seq);
    }

    /// Puts how far each family is settled into `settled`.
    pub fn report(&self, settled: &mut Settled) {
        for track in &self.tracks {
            let through = match track.slots.front() {
                Some(first) => Seq(first.seq.0.saturating_sub(1)),
                None => self.passed,
            };
            settled.advance(track.family, through.max(track.settled));
        }
    }

    /// The same as if everything sent were settled.
    pub fn report_with_sent(&self, settled: &mut Settled) {
        for track in &self.tracks {
            let mut slots = track.slots.iter();
            let through = match slots.find(|slot| slot.state == State::Due) {
                Some(first) => Seq(first.seq.0.saturating_sub(1)),
                None => self.passed,
            };
            settled.advance(track.family, through.max(track.settled));
        }
    }

    /// Of what was sent, some is settled, the rest is due again. Calls `published` with the number of each of
    /// the settled ones, and when it was accepted.
    pub fn resolve(
        &mut self,
        is_settled: impl Fn(Family, Seq) -> bool,
        mut published: impl FnMut(Seq, Millis),
    ) {
        for track in &mut self.tracks {
            for slot in track.slots.iter_mut().filter(|s| s.state == State::Sent) {
                if is_settled(track.family, slot.seq) {
                    slot.state = State::Done;
                    published(slot.seq, slot.accepted_at);
                } else {
                    slot.state = State::Due;
                }
            }
        }
        self.sent = Load::default();
        for family in self.families() {
            self.advance(family);
        }
    }

    fn families(&self) -> Vec<Family> {
        self.tracks.iter().map(|track| track.family).collect()
    }

    fn meet(&mut self, family: Family, seq: Seq, bytes: usize, accepted_at: Millis, state: State) {
        let slot = Slot {
            seq,
            bytes,
            accepted_at,
            state,
        };
        if let Some(track) = self.tracks.iter_mut().find(|t| t.family == family) {
            track.slots.push_back(slot);
            self.slots += 1;
            self.passed = seq;
        }
    }

    fn put(&mut self, family: Family, seq: Seq, state: State) {
        if let Some(slot) = self.slot(family, seq) {
            slot.state = state;
        }
    }

    fn bytes_of(&mut self, family: Family, seq: Seq) -> usize {
        self.slot(family, seq).map_or(0, |slot| slot.bytes)
    }

    fn take_sent(&mut self, family: Family, seq: Seq) -> (usize, Millis) {
        match self.slot(family, seq) {
            Some(slot) if slot.state == State::Sent => {
                slot.state = State::Done;
                (slot.bytes, slot.accepted_at)
            }
            _ => panic!("record {seq} was settled twice, or never sent"),
        }
    }

    fn slot(&mut self, family: Family, seq: Seq) -> Option<&mut Slot> {
        let track = self.tracks.iter_mut().find(|t| t.family == family)?;
        let at = track.find(seq)?;
        track.slots.get_mut(at)
    }

    /// Drops the slots that are done up to the first that isn't.
    fn advance(&mut self, family: Family) {
        let Some(track) = self.tracks.iter_mut().find(|t| t.family == family) else {
            return;
        };
        while let Some(slot) = track.slots.pop_front_if(|slot| slot.state == State::Done) {
            track.settled = track.settled.max(slot.seq);
            self.slots -= 1;
        }
    }
}

impl Track {
    fn find(&self, seq: Seq) -> Option<usize> {
        // What is new is asked for as often as what is under way, and what has just been met right after that.
        match self.slots.back() {
            Some(last) if last.seq == seq => return Some(self.slots.len() - 1),
            Some(last) if last.seq > seq => {}
            _ => return None,
        }
        self.slots.binary_search_by_key(&seq, |slot| slot.seq).ok()
    }
}

#[cfg(test)]
#[path = "window_tests.rs"]
mod tests;

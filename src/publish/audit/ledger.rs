//! What should be in the topics, and what was found of it. Pure; some hundred bytes a record.

use super::{
    identity::{Arrived, Identity, Mark, Print, stream},
    murmur,
    order::Order,
    report::Kind,
};
use crate::{
    clock::Millis,
    publish::message::Message,
    spool::{CeId, Record, Seq, look::Outcome},
};
use std::collections::BTreeMap;

/// Damaged records that are looked for one by one. A spool with more has other worries.
const DAMAGED_MAX: usize = 10_000;

/// Everything that is known of one record.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    identity: Identity,
    pub(super) ce_id: CeId,
    pub(super) seq: Seq,
    pub(super) accepted_at: Millis,
    /// Its place in the list of topics.
    pub(super) topic: u16,
    pub(super) outcome: Outcome,
    /// The hash of its key that decides on its partition; none without a key.
    pub(super) murmur: Option<u32>,
    /// The hash of topic and key; meaningless without a key.
    pub(super) stream: u64,
    /// None: no typed event under the present settings.
    print: Option<Print>,
    pub(super) first: Option<Place>,
    /// Messages without a mark.
    copies: u32,
    /// Messages with one.
    again: u32,
    altered: Option<(Parts, Place)>,
}

/// Where a message lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) at: Millis,
    pub(super) partition: i32,
    pub(super) offset: i64,
}

/// Which parts of a message differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Parts {
    pub(super) key: bool,
    pub(super) headers: bool,
    pub(super) value: bool,
}

/// A record whose bytes are damaged, of which the index still says this much.
#[derive(Debug, Clone, Copy)]
pub(super) struct Damaged {
    pub(super) seq: Seq,
    pub(super) accepted_at: Millis,
    pub(super) topic: u16,
    pub(super) settled: bool,
    pub(super) found: bool,
}

/// What a message turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Match {
    /// Of this record; whether its content differs.
    Record(Seq, bool),
    /// Of a record whose bytes are damaged.
    Damaged,
    /// Of none that was looked for.
    Other,
}

/// What is to be said of one record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) kind: Kind,
    pub(super) seq: Seq,
    pub(super) ce_id: CeId,
    pub(super) accepted_at: Millis,
    pub(super) topic: u16,
    pub(super) place: Option<Place>,
    pub(super) detail: Detail,
}

/// What is said besides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Detail {
    /// Nothing.
    None,
    /// In words.
    Words(String),
    /// Which parts differ.
    Differs(Parts),
    /// How many copies there are.
    Copies(u32),
    /// The earlier record of the stream that lies behind it.
    After(Seq, i64),
    /// Its bytes in the spool are damaged.
    Damaged,
}

/// What is known of the topics when the ledger is judged.
pub(super) trait Facts {
    /// Why a message of this record may be gone without anybody's fault; none if there is no such reason.
    fn may_be_gone(&self, topic: u16, murmur: Option<u32>, accepted_at: Millis) -> Option<String>;

    /// Whether the partition lost messages that were published when the record was accepted, or later.
    fn lost_beginning(&self, topic: u16, partition: i32, accepted_at: Millis) -> bool;
}

/// Hears what is found, and counts it.
pub(super) trait Hears {
    fn say(&mut self, said: Said);
    fn record(&mut self, topic: u16, how: How);
    fn across_partitions(&mut self, topic: u16);
}

/// How a record that was looked for was met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    /// There; whether its content could be compared.
    Found(bool),
    /// There, but only marked.
    FoundAgainOnly,
    /// Neither published nor there.
    Pending,
    /// Not there.
    Absent,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    entries: Vec<Entry>,
    damaged: BTreeMap<[u8; 16], Damaged>,
}

impl Ledger {
    pub(super) fn with_room_for(records: usize) -> Self {
        Self {
            entries: Vec::with_capacity(records),
            damaged: BTreeMap::new(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// `rendered`: as the present settings publish it; none if they don't. `key` counts in both cases.
    pub(super) fn add(
        &mut self,
        record: &Record,
        outcome: Outcome,
        (topic, name): (u16, &str),
        key: Option<&[u8]>,
        rendered: Option<&Message>,
    ) {
        self.entries.push(Entry {
            identity: Identity::of(record),
            ce_id: record.ce_id,
            seq: record.seq,
            accepted_at: record.accepted_at,
            topic,
            outcome,
            murmur: key.map(murmur::positive),
            stream: key.map_or(0, |key| stream(name, key)),
            print: rendered.map(Print::of),
            first: None,
            copies: 0,
            again: 0,
            altered: None,
        });
    }

    /// False: there is no room for more of them.
    pub(super) fn add_damaged(&mut self, ce_id: CeId, damaged: Damaged) -> bool {
        if self.damaged.len() >= DAMAGED_MAX {
            return false;
        }
        self.damaged.insert(ce_id.0, damaged);
        true
    }

    /// The topics that something is looked for in, and the earliest acceptance of each.
    pub(super) fn topics(&self) -> BTreeMap<u16, Millis> {
        let mut topics: BTreeMap<u16, Millis> = BTreeMap::new();
        let entries = self.entries.iter().map(|e| (e.topic, e.accepted_at));
        let damaged = self.damaged.values().map(|d| (d.topic, d.accepted_at));
        for (topic, at) in entries.chain(damaged) {
            topics
                .entry(topic)
                .and_modify(|known| *known = at.min(*known))
                .or_insert(at);
        }
        topics
    }

    /// To be called once, when all records are there and before the first message comes.
    pub(super) fn seal(&mut self) {
        self.entries.sort_unstable_by_key(|e| (e.identity, e.topic));
    }

    /// Takes a message; its identity is known already.
    pub(super) fn arrive(
        &mut self,
        topic: u16,
        arrived: &Arrived<'_>,
        (identity, ce_id): (Identity, [u8; 16]),
    ) -> Match {
        let key = (identity, topic);
        let at = self
            .entries
            .binary_search_by_key(&key, |e| (e.identity, e.topic));
        let entry = at.ok().and_then(|at| self.entries.get_mut(at));
        if let Some(entry) = entry.filter(|e| e.ce_id.0 == ce_id) {
            let differs = entry.arrive(arrived);
            return Match::Record(entry.seq, differs);
        }
        match self.damaged.get_mut(&ce_id) {
            Some(damaged) if damaged.topic == topic => {
                damaged.found = true;
                Match::Damaged
            }
            _ => Match::Other,
        }
    }

    /// Says of every record what there is to say. Afterwards no message can come any more.
    pub(super) fn judge(mut self, facts: &dyn Facts, hears: &mut dyn Hears) {
        for (ce_id, damaged) in &self.damaged {
            damaged.judge(CeId(*ce_id), facts, hears);
        }
        self.entries
            .sort_unstable_by_key(|e| (e.topic, e.murmur.is_some(), e.stream, e.seq));
        let mut order = Order::default();
        for entry in &self.entries {
            entry.judge(facts, hears);
            order.next(entry, facts, hears);
        }
        order.end(hears);
    }
}

impl Entry {
    fn arrive(&mut self, arrived: &Arrived<'_>) -> bool {
        let place = Place {
            at: arrived.at,
            partition: arrived.partition,
            offset: arrived.offset,
        };
        if arrived.mark() == Mark::None {
            self.copies = self.copies.saturating_add(1);
            // Offsets of several partitions say nothing about what was first.
            let before = |first: Place| (place.at, place.offset) < (first.at, first.offset);
            if self
                .first
                .is_none_or(|first| match first.partition == place.partition {
                    true => place.offset < first.offset,
                    false => before(first),
                })
            {
                self.first = Some(place);
            }
        } else {
            self.again = self.again.saturating_add(1);
        }
        let Some(print) = self.print else {
            return false;
        };
        let found = arrived.print();
        let parts = Parts {
            key: print.key != found.key,
            headers: print.headers != found.headers,
            value: print.value != found.value,
        };
        if print != found && self.altered.is_none() {
            self.altered = Some((parts, place));
        }
        print != found
    }

    pub(super) fn said(&self, kind: Kind, place: Option<Place>, detail: Detail) -> Said {
        Said {
            kind,
            seq: self.seq,
            ce_id: self.ce_id,
            accepted_at: self.accepted_at,
            topic: self.topic,
            place,
            detail,
        }
    }

    fn judge(&self, facts: &dyn Facts, hears: &mut dyn Hears) {
        let (there, comparable) = (self.copies > 0 || self.again > 0, self.print.is_some());
        let how = match self.outcome {
            _ if self.copies > 0 => How::Found(comparable),
            _ if there => How::FoundAgainOnly,
            Outcome::Pending => How::Pending,
            Outcome::Quarantined => return,
            Outcome::Published => How::Absent,
        };
        hears.record(self.topic, how);
        if how == How::Absent {
            let gone = facts.may_be_gone(self.topic, self.murmur, self.accepted_at);
            let said = match gone {
                Some(why) => self.said(Kind::Untold, None, Detail::Words(why)),
                None => self.said(Kind::Missing, None, Detail::None),
            };
            hears.say(said);
        }
        if let Some((parts, place)) = self.altered {
            hears.say(self.said(Kind::Altered, Some(place), Detail::Differs(parts)));
        }
        if self.copies > 1 {
            hears.say(self.said(Kind::Duplicated, self.first, Detail::Copies(self.copies)));
        }
    }
}

impl Damaged {
    fn judge(&self, ce_id: CeId, facts: &dyn Facts, hears: &mut dyn Hears) {
        let how = match (self.found, self.settled) {
            (true, _) => How::Found(false),
            (false, false) => How::Pending,
            (false, true) => How::Absent,
        };
        hears.record(self.topic, how);
        if how != How::Absent {
            return;
        }
        let gone = facts.may_be_gone(self.topic, None, self.accepted_at);
        let (kind, detail) = match gone {
            Some(why) => (Kind::Untold, Detail::Words(why)),
            None => (Kind::Missing, Detail::Damaged),
        };
        hears.say(Said {
            kind,
            seq: self.seq,
            ce_id,
            accepted_at: self.accepted_at,
            topic: self.topic,
            place: None,
            detail,
        });
    }
}

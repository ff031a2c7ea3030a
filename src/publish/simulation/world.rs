//! The world around the simulated publisher: what its spool holds, and a Kafka with moods. `parts` is the publisher's
//! way to it.

use super::Dice;
use crate::{
    callback::names::{Family, SourceName},
    clock::Millis,
    publish::{
        classify::Code,
        mailbox::{Mail, ProducerId, Report, Ticket},
        plan::Tick,
    },
    spool::{CeId, Envelope, Record, Seq, Settled},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
};

pub(super) type WorldRef = Arc<Mutex<World>>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Plain,
    /// The broker refuses every batch that holds it.
    Poison,
    Untypable,
    /// Damaged on disk.
    Corrupt,
    /// Its family goes nowhere.
    Off,
}

const FAMILIES: [(Family, &str); 5] = [
    (Family::Recording, "a"),
    (Family::RecordingStatus, "a"),
    (Family::Stream, "b"),
    (Family::Screenshot, "c"),
    (Family::Quality, ""),
];
const RETRIABLE: [i32; 8] = [-192, -195, -148, -150, 7, 19, 45, 77_777];
const TOPIC_GONE: [i32; 3] = [3, 29, -188];

/// (topic, key): a partition holds one key here, so that order per partition is order per key.
pub(super) type Place = (String, u64);

#[derive(Debug, Default)]
pub(super) struct Held {
    pub(super) queues: BTreeMap<Place, Vec<Ticket>>,
    /// Failed; takes nothing more to the broker.
    pub(super) dead: bool,
    /// Purged by the publisher.
    pub(super) closing: bool,
}

pub(super) struct World {
    pub(super) now: Tick,
    pub(super) records: Vec<(Record, Fate)>,
    pub(super) checkpoint: Settled,
    pub(super) aside: BTreeSet<Seq>,
    acked: BTreeSet<Seq>,
    discarded_or_corrupt: BTreeSet<Seq>,
    pub(super) corrupt_seen: BTreeSet<Seq>,
    log: BTreeMap<Place, Vec<Seq>>,
    pub(super) producers: BTreeMap<ProducerId, Held>,
    mail: Vec<Report>,
    closed: Vec<ProducerId>,
    fatal: Vec<(ProducerId, Code)>,
    pub(super) gone: BTreeSet<&'static str>,
    pub(super) no_room: bool,
    rough: u64,
    pub(super) calm: bool,
}

impl World {
    pub(super) fn new(dice: &mut Dice) -> WorldRef {
        Arc::new(Mutex::new(Self {
            now: Tick::ZERO,
            records: Vec::new(),
            checkpoint: Settled::default(),
            aside: BTreeSet::new(),
            acked: BTreeSet::new(),
            discarded_or_corrupt: BTreeSet::new(),
            corrupt_seen: BTreeSet::new(),
            log: BTreeMap::new(),
            producers: BTreeMap::new(),
            mail: Vec::new(),
            closed: Vec::new(),
            fatal: Vec::new(),
            gone: BTreeSet::new(),
            no_room: false,
            rough: 3 + dice.roll(60),
            calm: false,
        }))
    }

    pub(super) fn accept(&mut self, dice: &mut Dice) -> u64 {
        let count = 1 + dice.roll(4);
        for _ in 0..count {
            let seq = Seq(self.records.len() as u64 + 1);
            let (family, _) = FAMILIES[dice.roll(5) as usize];
            let fate = match dice.roll(40) {
                _ if family == Family::Quality => Fate::Off,
                0 => Fate::Poison,
                1 => Fate::Untypable,
                2 => Fate::Corrupt,
                _ => Fate::Plain,
            };
            if matches!(fate, Fate::Off | Fate::Corrupt) {
                self.discarded_or_corrupt.insert(seq);
            }
            let record = Record {
                seq,
                ce_id: CeId([0; 16]),
                accepted_at: Millis(seq.0),
                envelope: Envelope {
                    source: SourceName::parse("tencent").unwrap(),
                    family,
                    received_at: Millis(seq.0),
                    traceparent: None,
                    body: vec![b'x'; 1 + dice.roll(3) as usize].into(),
                },
            };
            self.records.push((record, fate));
        }
        count
    }

    pub(super) fn fortune_turns(&mut self, dice: &mut Dice) {
        let topic = ["a", "b", "c"][dice.roll(3) as usize];
        match dice.roll(6) {
            0 => drop(self.gone.insert(topic)),
            1..4 => drop(self.gone.remove(topic)),
            4 => self.no_room = !self.no_room,
            _ => self.no_room = false,
        }
    }

    pub(super) fn heal(&mut self) {
        self.gone.clear();
        self.no_room = false;
        self.calm = true;
    }

    fn key(&self, seq: Seq) -> u64 {
        seq.0 * 7 % 3
    }

    pub(super) fn place(&self, ticket: Ticket) -> Place {
        let topic = FAMILIES
            .iter()
            .find(|(f, _)| *f == ticket.family)
            .unwrap()
            .1;
        (topic.into(), self.key(ticket.seq))
    }

    /// One producer gets somewhere, or not.
    pub(super) fn broker_acts(&mut self, dice: &mut Dice) {
        let ids: Vec<_> = self.producers.keys().copied().collect();
        let Some(&id) = ids.get(dice.roll(ids.len().max(1) as u64) as usize) else {
            return;
        };
        if self.producers[&id].closing {
            self.finish(id, dice);
            return;
        }
        let held = &self.producers[&id];
        let places: Vec<_> = held.queues.keys().cloned().collect();
        if held.dead || places.is_empty() {
            return;
        }
        let place = places[dice.roll(places.len() as u64) as usize].clone();
        let most = 1 + dice.roll(5) as usize;
        let queue = self
            .producers
            .get_mut(&id)
            .unwrap()
            .queues
            .get_mut(&place)
            .unwrap();
        let batch: Vec<Ticket> = queue.drain(..most.min(queue.len())).collect();
        if queue.is_empty() {
            self.producers.get_mut(&id).unwrap().queues.remove(&place);
        }
        self.handle(id, &place, batch, dice);
    }

    fn handle(&mut self, id: ProducerId, place: &Place, batch: Vec<Ticket>, dice: &mut Dice) {
        let rough = !self.calm && dice.one_in(self.rough);
        let poison = batch.iter().any(|t| self.fate(t.seq) == Fate::Poison);
        let code = if self.gone.contains(place.0.as_str()) {
            Some(TOPIC_GONE[dice.roll(3) as usize])
        } else if poison {
            Some(10)
        } else if rough {
            Some(RETRIABLE[dice.roll(8) as usize])
        } else {
            None
        };
        let taken = code.is_none() || (rough && !poison && dice.one_in(2));
        if taken && !self.gone.contains(place.0.as_str()) {
            self.append(place, &batch);
        }
        if let Some(code) = code {
            self.producers.get_mut(&id).unwrap().dead = true;
            // Not every report comes; what tells of the failure may be the client itself.
            if dice.one_in(5) {
                self.fatal.push((id, Code(-150)));
            } else if let Some(&first) = batch.first() {
                self.post(id, first, Err(Code(code)));
            }
            for ticket in batch.into_iter().skip(1) {
                if !dice.one_in(4) {
                    self.post(id, ticket, Err(Code(code)));
                }
            }
        } else {
            for ticket in batch {
                self.post(id, ticket, Ok(()));
            }
        }
    }

    fn append(&mut self, place: &Place, batch: &[Ticket]) {
        let log = self.log.entry(place.clone()).or_default();
        log.extend(batch.iter().map(|t| t.seq));
    }

    fn post(&mut self, producer: ProducerId, ticket: Ticket, result: Result<(), Code>) {
        if result.is_ok() {
            self.acked.insert(ticket.seq);
        }
        self.mail.push(Report {
            producer,
            ticket,
            result,
        });
    }

    /// A purged producer: one request may still have been under way; the other records are purged, some silently.
    fn finish(&mut self, id: ProducerId, dice: &mut Dice) {
        let held = self.producers.remove(&id).unwrap();
        for (place, mut queue) in held.queues {
            if !held.dead && dice.one_in(3) {
                let most = (1 + dice.roll(3) as usize).min(queue.len());
                let batch: Vec<_> = queue.drain(..most).collect();
                let fine = batch.iter().all(|t| self.fate(t.seq) == Fate::Plain)
                    && !self.gone.contains(place.0.as_str());
                if fine {
                    self.append(&place, &batch);
                    if dice.one_in(2) {
                        batch.into_iter().for_each(|t| self.post(id, t, Ok(())));
                    }
                }
            }
            for ticket in queue {
                if dice.one_in(2) {
                    self.post(id, ticket, Err(Code(-152)));
                }
            }
        }
        // Not even this always comes: a client can hang in its resolver.
        if self.calm || !dice.one_in(10) {
            self.closed.push(id);
        }
    }

    pub(super) fn process_dies(&mut self, dice: &mut Dice) {
        let ids: Vec<_> = self.producers.keys().copied().collect();
        for id in ids {
            self.finish(id, dice);
        }
    }

    pub(super) fn forget_mail(&mut self) {
        // The dropped producers of the dead process are no producers of the new one.
        self.producers.clear();
        self.mail.clear();
        self.closed.clear();
        self.fatal.clear();
        self.corrupt_seen.clear();
    }

    /// Some of what has arrived. A producer is closed only when its reports are all out.
    pub(super) fn mail(&mut self, dice: &mut Dice) -> Mail {
        let most = dice.roll(8) as usize + usize::from(self.calm);
        let reports: Vec<_> = self.mail.drain(..most.min(self.mail.len())).collect();
        let mut closed = Vec::new();
        if self.mail.is_empty() {
            closed.append(&mut self.closed);
        }
        let fatal = self.fatal.drain(..).collect();
        Mail {
            reports,
            closed,
            fatal,
            ..Mail::default()
        }
    }

    pub(super) fn fate(&self, seq: Seq) -> Fate {
        self.records[seq.0 as usize - 1].1
    }

    pub(super) fn durable_end(&self) -> Seq {
        Seq(self.records.len() as u64)
    }

    pub(super) fn checkpointed(&self) -> Settled {
        self.checkpoint
    }

    pub(super) fn is_aside(&self, seq: Seq) -> bool {
        self.aside.contains(&seq)
    }

    pub(super) fn corrupt_seen(&self) -> u64 {
        self.corrupt_seen.len() as u64
    }

    pub(super) fn is_settled(&self, seq: Seq) -> bool {
        self.acked.contains(&seq)
            || self.aside.contains(&seq)
            || self.discarded_or_corrupt.contains(&seq)
    }

    pub(super) fn unsettled(&self) -> u64 {
        let above = |(r, _): &&(Record, Fate)| r.seq > self.checkpoint.of(r.envelope.family);
        self.records.iter().filter(above).count() as u64
    }

    pub(super) fn assert_order(&mut self, seed: u64) {
        for (place, log) in &self.log {
            let mut seen = BTreeSet::new();
            let firsts: Vec<_> = log.iter().filter(|seq| seen.insert(**seq)).collect();
            assert!(firsts.is_sorted(), "seed {seed}: {place:?} {firsts:?}");
        }
    }
}

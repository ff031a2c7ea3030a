//! The world around the simulated publisher: what its spool holds, and its Kafka. `parts` is the publisher's way to it.

use super::kafka::{Kafka, KafkaRef};
use crate::{
    callback::names::{Family, SourceName},
    clock::Millis,
    spool::{CeId, Envelope, Record, Seq, Settled},
};
use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard},
};
use support::dice::Dice;

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
pub(super) struct World {
    pub(super) kafka: KafkaRef,
    pub(super) records: Vec<(Record, Fate)>,
    pub(super) checkpoint: Settled,
    pub(super) aside: BTreeSet<Seq>,
    discarded_or_corrupt: BTreeSet<Seq>,
    /// Counted as corrupt by this run.
    pub(super) corrupt: u64,
    pub(super) no_room: bool,
}

/// Three streams.
pub(super) fn key_of(seq: Seq) -> Vec<u8> {
    vec![b'0' + u8::try_from(seq.0 * 7 % 3).unwrap()]
}

impl World {
    pub(super) fn new(dice: &mut Dice) -> WorldRef {
        Arc::new(Mutex::new(Self {
            kafka: Kafka::new(dice),
            records: Vec::new(),
            checkpoint: Settled::default(),
            aside: BTreeSet::new(),
            discarded_or_corrupt: BTreeSet::new(),
            corrupt: 0,
            no_room: false,
        }))
    }

    pub(super) fn accept(&mut self, dice: &mut Dice) -> u64 {
        let count = 1 + dice.below(4);
        for _ in 0..count {
            let seq = Seq(self.records.len() as u64 + 1);
            let (family, _) = FAMILIES[dice.below(5) as usize];
            let fate = match dice.below(40) {
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
                    body: vec![b'x'; 1 + dice.below(3) as usize].into(),
                },
            };
            self.records.push((record, fate));
        }
        count
    }

    pub(super) fn fortune_turns(&mut self, dice: &mut Dice) {
        let topic = ["a", "b", "c"][dice.below(3) as usize];
        match dice.below(10) {
            8 => drop(self.kafka().odd.insert(topic.into())),
            9 => drop(self.kafka().odd.remove(topic)),
            6 => drop(self.kafka().lame.insert(topic.into())),
            7 => drop(self.kafka().lame.remove(topic)),
            0 => drop(self.kafka().gone.insert(topic.into())),
            1..4 => drop(self.kafka().gone.remove(topic)),
            4 => self.no_room = !self.no_room,
            _ => self.no_room = false,
        }
    }

    pub(super) fn heal(&mut self) {
        self.no_room = false;
        let mut kafka = self.kafka();
        kafka.gone.clear();
        kafka.lame.clear();
        kafka.odd.clear();
        kafka.calm = true;
    }

    /// Whether everything that goes elsewhere is settled.
    pub(super) fn all_settled_but(&self, topic: &str) -> bool {
        let elsewhere = |record: &Record| {
            let mut of = FAMILIES
                .iter()
                .filter(|(family, _)| *family == record.envelope.family);
            of.all(|(_, to)| *to != topic)
        };
        let mut others = self.records.iter().filter(|(record, _)| elsewhere(record));
        others.all(|(record, _)| self.is_settled(record.seq))
    }

    pub(super) fn kafka(&self) -> MutexGuard<'_, Kafka> {
        self.kafka.lock().unwrap()
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

    pub(super) fn is_settled(&self, seq: Seq) -> bool {
        self.kafka().has_acked(seq)
            || self.aside.contains(&seq)
            || self.discarded_or_corrupt.contains(&seq)
    }

    pub(super) fn unsettled(&self) -> u64 {
        let above = |(r, _): &&(Record, Fate)| r.seq > self.checkpoint.of(r.envelope.family);
        self.records.iter().filter(above).count() as u64
    }

    pub(super) fn assert_order(&self, seed: u64) {
        for (place, log) in self.kafka().log() {
            let mut seen = BTreeSet::new();
            let seqs = log.iter().map(|item| item.ticket.seq());
            let firsts: Vec<_> = seqs.filter(|seq| seen.insert(*seq)).collect();
            assert!(firsts.is_sorted(), "seed {seed}: {place:?} {firsts:?}");
        }
    }
}

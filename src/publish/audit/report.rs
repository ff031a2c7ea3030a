//! What an audit found.

use crate::clock::Millis;
use serde::Serialize;
use std::collections::BTreeMap;

/// What can be wrong with a record, or is only worth knowing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Published by the checkpoint, and not in its topic.
    Missing,
    /// There, but not as the present settings would publish it.
    Altered,
    /// First in Kafka after a later record of its stream.
    OutOfOrder,
    /// There more than once, without a mark that says why.
    Duplicated,
    /// Not there, and the topic's retention may be why.
    Untold,
}

impl Kind {
    /// All, the gravest first.
    pub const ALL: [Self; 5] = [
        Self::Missing,
        Self::Altered,
        Self::OutOfOrder,
        Self::Duplicated,
        Self::Untold,
    ];

    /// For people.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Altered => "altered",
            Self::OutOfOrder => "out of order",
            Self::Duplicated => "duplicated",
            Self::Untold => "can't be told",
        }
    }
}

/// One thing that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What it is.
    pub kind: Kind,
    /// The record's number in the spool.
    pub seq: u64,
    /// Its identity: 32 hex digits.
    pub ce_id: String,
    /// The event's name; none if the record can't be read any more.
    pub event: Option<String>,
    /// Its stream, the key in Kafka.
    pub stream: Option<String>,
    /// When the relay accepted it.
    pub accepted_at: Millis,
    /// Where it belongs.
    pub topic: String,
    /// Where the message that this is about lies; none if there is none.
    pub partition: Option<i32>,
    /// Its place in the partition.
    pub offset: Option<i64>,
    /// More, in words.
    pub detail: String,
}

/// One topic in numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct TopicCounts {
    /// Records of the spool that were looked for.
    pub records: u64,
    /// Those that are there.
    pub found: u64,
    /// Those that are there only as a replay, or put back from the quarantine.
    pub found_again_only: u64,
    /// Those that are not there and not published yet either.
    pub pending: u64,
    /// Those that have no typed event under the present settings, so that their content could not be compared.
    pub not_comparable: u64,
    /// See [`Kind::Missing`].
    pub missing: u64,
    /// See [`Kind::Altered`].
    pub altered: u64,
    /// See [`Kind::OutOfOrder`].
    pub out_of_order: u64,
    /// See [`Kind::Duplicated`].
    pub duplicated: u64,
    /// See [`Kind::Untold`].
    pub untold: u64,
    /// Streams that lie in several partitions, since their number changed: no order can be told between those.
    pub streams_across_partitions: u64,
    /// Messages that were read.
    pub messages: u64,
    /// Those marked as replayed.
    pub replayed: u64,
    /// Those marked as put back from the quarantine.
    pub requeued: u64,
    /// Those marked as probes.
    pub probes: u64,
    /// Those of no record that was looked for: older ones, another replica's, another producer's.
    pub others: u64,
    /// Partitions that the topic has now.
    pub partitions: u64,
}

impl TopicCounts {
    /// How many there are of a kind.
    #[must_use]
    pub const fn of(&self, kind: Kind) -> u64 {
        match kind {
            Kind::Missing => self.missing,
            Kind::Altered => self.altered,
            Kind::OutOfOrder => self.out_of_order,
            Kind::Duplicated => self.duplicated,
            Kind::Untold => self.untold,
        }
    }

    /// What is counted message by message and set once isn't among it.
    pub(super) const fn add(&mut self, judged: &Self) {
        self.found += judged.found;
        self.found_again_only += judged.found_again_only;
        self.pending += judged.pending;
        self.not_comparable += judged.not_comparable;
        self.missing += judged.missing;
        self.altered += judged.altered;
        self.out_of_order += judged.out_of_order;
        self.duplicated += judged.duplicated;
        self.untold += judged.untold;
        self.streams_across_partitions += judged.streams_across_partitions;
    }

    pub(super) const fn count(&mut self, kind: Kind) {
        match kind {
            Kind::Missing => self.missing += 1,
            Kind::Altered => self.altered += 1,
            Kind::OutOfOrder => self.out_of_order += 1,
            Kind::Duplicated => self.duplicated += 1,
            Kind::Untold => self.untold += 1,
        }
    }
}

/// All that was found.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Report {
    /// The spool's random name.
    pub spool_id: String,
    /// How the topics were read: `read_committed` with exactly-once, else `read_uncommitted`.
    pub isolation: &'static str,
    /// How often the spool and the topics were gone through, each time for a part of the streams.
    pub passes: usize,
    /// Records selected, all of them.
    pub records: u64,
    /// Those in the quarantine: not expected in their topic.
    pub quarantined: u64,
    /// Those of a family that is `off`: discarded.
    pub off: u64,
    /// Those whose bytes in the spool are damaged: only their presence was looked for, by `ce_id`.
    pub damaged: u64,
    /// Numbers that should be in the spool and aren't: nothing is known of them.
    pub lost: u64,
    /// By topic.
    pub topics: BTreeMap<String, TopicCounts>,
    /// By kind, then number; a limited number of each kind.
    pub findings: Vec<Finding>,
    /// Findings that are only counted.
    pub not_listed: u64,
}

impl Report {
    /// How many there are of a kind in all topics.
    #[must_use]
    pub fn of(&self, kind: Kind) -> u64 {
        self.topics.values().map(|topic| topic.of(kind)).sum()
    }

    pub(super) fn topic(&mut self, name: &str) -> &mut TopicCounts {
        self.topics.entry(name.to_owned()).or_default()
    }
}

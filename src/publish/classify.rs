//! What an error code of Kafka or librdkafka means for the publisher: pure and total.
//!
//! Only [`Class::Poison`] can ever lead to a record being set aside, and only when it was refused alone. A code that
//! nobody has thought about is retriable: waiting is safe, giving up isn't.

use std::fmt;

/// A Kafka error code (positive, from a broker) or one of librdkafka's own (negative).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Code(pub i32);

/// What to do about a failed record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Wait, rebuild the producer, send again. No count and no time turns it into anything else.
    Retriable,
    /// As retriable, but the producer itself is done for: its id, epoch or sequence is no longer good.
    Fatal,
    /// This topic takes nothing until somebody acts: its lane waits and probes, the others go on.
    Blocked,
    /// The broker won't take something in this batch: its lane goes on one record at a time.
    Poison(Refusal),
}

/// Why a record can never be taken: the `reason` label of the quarantine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Refusal {
    /// Larger than the topic, the broker or the client takes.
    TooLarge,
    /// The broker failed to validate it.
    InvalidRecord,
    /// Its timestamp is out of the topic's range.
    InvalidTimestamp,
    /// A policy of the broker is against it.
    Policy,
}

impl Refusal {
    /// The `reason` label.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::TooLarge => "too_large",
            Self::InvalidRecord => "invalid_record",
            Self::InvalidTimestamp => "invalid_timestamp",
            Self::Policy => "policy",
        }
    }
}

impl Class {
    /// The `class` label.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Retriable => "retriable",
            Self::Fatal => "fatal",
            Self::Blocked => "blocked",
            Self::Poison(_) => "poison",
        }
    }
}

macro_rules! codes {
    ($($number:literal, $name:literal, $class:expr;)*) => {
        /// The codes that have a name here; any other is labelled `other` and retriable.
        pub const NAMED: &[Code] = &[$(Code($number),)*];

        impl Code {
            /// Kafka's or librdkafka's name for it, `other` if it has none here. A bounded label.
            #[must_use]
            pub const fn label(self) -> &'static str {
                match self.0 { $($number => $name,)* _ => "other" }
            }

            /// What it means for the publisher.
            #[must_use]
            pub const fn class(self) -> Class {
                match self.0 { $($number => $class,)* _ => Class::Retriable }
            }
        }
    };
}

use Class::{Blocked, Fatal, Poison, Retriable};

codes! {
    // Ours: the record was never refused, or nobody knows whether it was taken.
    -197, "_DESTROY", Retriable;
    -196, "_FAIL", Retriable;
    -195, "_TRANSPORT", Retriable;
    -192, "_MSG_TIMED_OUT", Retriable;
    -187, "_ALL_BROKERS_DOWN", Retriable;
    -185, "_TIMED_OUT", Retriable;
    -184, "_QUEUE_FULL", Retriable;
    -183, "_ISR_INSUFF", Retriable;
    -181, "_SSL", Retriable;
    -169, "_AUTHENTICATION", Retriable;
    -152, "_PURGE_QUEUE", Retriable;
    -151, "_PURGE_INFLIGHT", Retriable;
    -1, "UNKNOWN", Retriable;
    2, "INVALID_MSG", Retriable;
    5, "LEADER_NOT_AVAILABLE", Retriable;
    6, "NOT_LEADER_FOR_PARTITION", Retriable;
    7, "REQUEST_TIMED_OUT", Retriable;
    8, "BROKER_NOT_AVAILABLE", Retriable;
    13, "NETWORK_EXCEPTION", Retriable;
    19, "NOT_ENOUGH_REPLICAS", Retriable;
    20, "NOT_ENOUGH_REPLICAS_AFTER_APPEND", Retriable;
    56, "KAFKA_STORAGE_ERROR", Retriable;
    58, "SASL_AUTHENTICATION_FAILED", Retriable;
    89, "THROTTLING_QUOTA_EXCEEDED", Retriable;
    // The producer's end, not the record's.
    -150, "_FATAL", Fatal;
    -148, "_GAPLESS_GUARANTEE", Fatal;
    -144, "_FENCED", Fatal;
    31, "CLUSTER_AUTHORIZATION_FAILED", Fatal;
    45, "OUT_OF_ORDER_SEQUENCE_NUMBER", Fatal;
    46, "DUPLICATE_SEQUENCE_NUMBER", Fatal;
    47, "INVALID_PRODUCER_EPOCH", Fatal;
    49, "INVALID_PRODUCER_ID_MAPPING", Fatal;
    59, "UNKNOWN_PRODUCER_ID", Fatal;
    90, "PRODUCER_FENCED", Fatal;
    // The topic's.
    -190, "_UNKNOWN_PARTITION", Blocked;
    -188, "_UNKNOWN_TOPIC", Blocked;
    3, "UNKNOWN_TOPIC_OR_PART", Blocked;
    17, "TOPIC_EXCEPTION", Blocked;
    29, "TOPIC_AUTHORIZATION_FAILED", Blocked;
    100, "UNKNOWN_TOPIC_ID", Blocked;
    // A record's; a whole batch is told of it.
    -138, "_INVALID_DIFFERENT_RECORD", Poison(Refusal::InvalidRecord);
    10, "MSG_SIZE_TOO_LARGE", Poison(Refusal::TooLarge);
    18, "RECORD_LIST_TOO_LARGE", Poison(Refusal::TooLarge);
    32, "INVALID_TIMESTAMP", Poison(Refusal::InvalidTimestamp);
    44, "POLICY_VIOLATION", Poison(Refusal::Policy);
    87, "INVALID_RECORD", Poison(Refusal::InvalidRecord);
}

impl Code {
    /// The client's queue has no room: feeding stops for a moment.
    pub const QUEUE_FULL: Self = Self(-184);
    /// Something without a code of its own.
    pub const FAIL: Self = Self(-196);
    /// No connection.
    pub const TRANSPORT: Self = Self(-195);
    /// A record had its time; whether it was taken is not known.
    pub const MSG_TIMED_OUT: Self = Self(-192);
    /// No broker is in reach; the client goes on trying.
    pub const ALL_BROKERS_DOWN: Self = Self(-187);

    /// Whether a purge of ours made this report: the record is kept, and nobody is to blame.
    #[must_use]
    pub const fn is_purge(self) -> bool {
        matches!(self.0, -152 | -151)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.label(), self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeout_a_purge_and_an_unknown_code_keep_the_record() {
        for code in [-192, -185, -152, -151, 7, 20, -1, 9_999, -9_999, 0] {
            assert_eq!(Code(code).class(), Class::Retriable, "{code}");
        }
    }

    fn all_of(class: Class) -> Vec<i32> {
        (-1000..1000)
            .filter(|&n| Code(n).class() == class)
            .collect()
    }

    #[test]
    fn only_what_says_so_blocks_a_topic_and_only_the_producers_end_is_fatal() {
        assert_eq!(all_of(Class::Blocked), [-190, -188, 3, 17, 29, 100]);
        let fatal = [-150, -148, -144, 31, 45, 46, 47, 49, 59, 90];
        assert_eq!(all_of(Class::Fatal), fatal);
    }

    #[test]
    fn only_the_refusals_of_the_contract_are_poison() {
        let poison: Vec<i32> = (-1000..1000)
            .filter(|&n| matches!(Code(n).class(), Class::Poison(_)))
            .collect();
        assert_eq!(poison, [-138, 10, 18, 32, 44, 87]);
    }

    #[test]
    fn labels_are_bounded_and_distinct() {
        let labels: std::collections::BTreeSet<_> = NAMED.iter().map(|c| c.label()).collect();
        assert_eq!(labels.len(), NAMED.len());
        assert_eq!(Code(4242).label(), "other");
    }
}

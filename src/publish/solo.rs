//! What a lane has of its own while it doesn't go with the others: a producer, a record on its way, its turn. Pure but for the
//! producer.

use super::{broker::Producer, classify::Code, mailbox::ProducerId, plan::Tick};
use crate::spool::{Record, Seq};
use std::mem;

/// See the module. In at-least-once `Sending` and `Closing`, in exactly-once the others.
#[derive(Debug, Default)]
pub(super) enum Solo<P> {
    /// Nothing.
    #[default]
    None,
    /// A producer that sends one record at a time.
    Sending {
        id: ProducerId,
        producer: P,
        record: Option<Record>,
    },
    /// It is closing. The record's own report may still come, and says more.
    Closing {
        id: ProducerId,
        why: Why,
        /// It isn't waited for any longer than this.
        until: Tick,
        record: Record,
    },
    /// A producer that tries the topic with this record, and throws it away.
    Probing {
        id: ProducerId,
        producer: P,
        record: Record,
        /// It was asked for something, and will answer.
        is_asked: bool,
    },
    /// No such producer can be had: the lane's next record goes in a transaction that it has for itself.
    InTurn,
    /// The record is in a transaction that the lane has for itself.
    InTransaction {
        record: Record,
        /// And has its turn until that is over.
        in_turn: bool,
    },
}

/// Why a producer closes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    /// It said that it is done for.
    Died(Code),
    /// Another is to log in anew.
    Renewed,
}

impl<P: Producer> Solo<P> {
    /// Whether a record is on its way.
    pub(super) const fn has_record(&self) -> bool {
        match self {
            Self::None | Self::InTurn => false,
            Self::Sending { record, .. } => record.is_some(),
            Self::Closing { .. } | Self::Probing { .. } | Self::InTransaction { .. } => true,
        }
    }

    pub(super) const fn is_in_turn(&self) -> bool {
        matches!(self, Self::InTurn)
    }

    /// The record, if this report is about it.
    pub(super) fn take(&mut self, report_of: ProducerId, seq: Seq) -> Option<Record> {
        match self {
            Self::Sending { id, record, .. } if *id == report_of => {
                record.take_if(|record| record.seq == seq)
            }
            Self::Closing { id, record, .. } if *id == report_of && record.seq == seq => {
                self.close()
            }
            _ => None,
        }
    }

    /// Whether this producer closes for another to log in anew.
    pub(super) fn gave_way(&self, producer: ProducerId) -> bool {
        matches!(self, Self::Closing { id, why: Why::Renewed, .. } if *id == producer)
    }

    /// The producer that sends must go. If it has nothing on its way, nothing is waited for.
    pub(super) fn ends(&mut self, ended: ProducerId, why: Why, until: Tick) {
        if !matches!(self, Self::Sending { id, .. } if *id == ended) {
            return;
        }
        if let Some(record) = self.close() {
            *self = Self::Closing {
                id: ended,
                why,
                until,
                record,
            };
        }
    }

    /// Another producer is to log in anew. What was only tried is tried again.
    pub(super) fn renew(&mut self, until: Tick) {
        match *self {
            Self::Sending { id, .. } => self.ends(id, Why::Renewed, until),
            Self::Probing { .. } => drop(self.close()),
            _ => {}
        }
    }

    /// A closing producer has closed: the record that it never reported, and why it closed.
    pub(super) fn closed(&mut self, closed: ProducerId) -> Option<(Record, Why)> {
        let Self::Closing { id, why, .. } = *self else {
            return None;
        };
        let record = (id == closed).then(|| self.close()).flatten();
        record.map(|record| (record, why))
    }

    pub(super) fn is_probed_by(&self, other: ProducerId) -> bool {
        matches!(self, Self::Probing { id, .. } if *id == other)
    }

    /// The record goes in a transaction that the lane has for itself.
    pub(super) fn in_transaction(&mut self, record: Record) {
        let in_turn = self.is_in_turn();
        *self = Self::InTransaction { record, in_turn };
    }

    /// The record that is in such a transaction: what becomes of it is known, or will never be.
    pub(super) fn take_of_transaction(&mut self) -> Option<Record> {
        match mem::take(self) {
            Self::InTransaction { record, in_turn } => {
                if in_turn {
                    *self = Self::InTurn;
                }
                Some(record)
            }
            other => {
                *self = other;
                None
            }
        }
    }

    /// The lane had its turn.
    pub(super) fn turn_is_over(&mut self) {
        if self.is_in_turn() {
            *self = Self::None;
        }
    }

    /// Lets go of all of it, and gives back the record.
    pub(super) fn close(&mut self) -> Option<Record> {
        match mem::take(self) {
            Self::None | Self::InTurn => None,
            Self::Sending {
                producer, record, ..
            } => {
                producer.close();
                record
            }
            Self::Probing {
                producer, record, ..
            } => {
                producer.close();
                Some(record)
            }
            Self::Closing { record, .. } | Self::InTransaction { record, .. } => Some(record),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        callback::names::{Family, SourceName},
        clock::Millis,
        publish::{broker::Enqueued, mailbox::Ticket, message::Message},
        spool::{CeId, Envelope},
    };

    struct Any;

    impl Producer for Any {
        fn enqueue(&self, _: &Message, _: Ticket) -> Enqueued {
            Enqueued::Taken
        }

        fn close(self) {}
    }

    const FIRST: ProducerId = ProducerId(1);
    const OTHER: ProducerId = ProducerId(2);
    const WHY: Why = Why::Died(Code::TRANSPORT);

    fn record(seq: u64) -> Record {
        Record {
            seq: Seq(seq),
            accepted_at: Millis(0),
            ce_id: CeId([0; 16]),
            envelope: Envelope {
                source: SourceName::parse("tencent").unwrap(),
                family: Family::Recording,
                received_at: Millis(0),
                traceparent: None,
                body: "{}".into(),
            },
        }
    }

    fn sending(record: Option<Record>) -> Solo<Any> {
        Solo::Sending {
            id: FIRST,
            producer: Any,
            record,
        }
    }

    #[test]
    fn a_record_that_is_reported_while_its_producer_closes_leaves_nothing_to_the_next_ones() {
        let mut solo = sending(Some(record(7)));
        solo.ends(FIRST, WHY, Tick::ZERO);
        assert!(solo.take(OTHER, Seq(7)).is_none() && solo.take(FIRST, Seq(8)).is_none());
        assert_eq!(solo.take(FIRST, Seq(7)).unwrap().seq, Seq(7));
        assert!(matches!(solo, Solo::None), "the next may be opened");
        // What the next one sends is its own, whatever comes of the first.
        solo = Solo::Sending {
            id: OTHER,
            producer: Any,
            record: Some(record(8)),
        };
        assert!(solo.closed(FIRST).is_none());
        solo.ends(FIRST, WHY, Tick::ZERO);
        assert!(matches!(solo, Solo::Sending { id: OTHER, .. }));
    }

    #[test]
    fn with_nothing_on_its_way_no_end_is_waited_for() {
        let mut solo = sending(None);
        solo.ends(FIRST, WHY, Tick::ZERO);
        assert!(matches!(solo, Solo::None));
    }

    #[test]
    fn what_was_never_reported_is_known_with_the_reason() {
        let mut solo = sending(Some(record(7)));
        solo.renew(Tick::ZERO);
        assert!(solo.closed(OTHER).is_none() && solo.has_record());
        let (record, why) = solo.closed(FIRST).unwrap();
        assert_eq!((record.seq, why), (Seq(7), Why::Renewed));
        assert!(!solo.has_record());
    }

    #[test]
    fn a_turn_lasts_until_it_is_over_and_nobody_else_has_one() {
        let mut solo = Solo::<Any>::InTurn;
        solo.in_transaction(record(7));
        assert_eq!(solo.take_of_transaction().unwrap().seq, Seq(7));
        assert!(solo.is_in_turn());
        solo.turn_is_over();
        solo.in_transaction(record(8));
        assert!(solo.take_of_transaction().is_some() && !solo.is_in_turn());
        // What tries a topic is in no such transaction.
        let mut solo = Solo::Probing {
            id: FIRST,
            producer: Any,
            record: record(9),
            is_asked: true,
        };
        assert!(solo.take_of_transaction().is_none() && solo.has_record());
        solo.renew(Tick::ZERO);
        assert!(matches!(solo, Solo::None));
    }
}

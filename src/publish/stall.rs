//! Whether a topic takes nothing although Kafka answers: pure, with the time as an argument.
//!
//! Some refusals never become a report. A broker with too few replicas in sync says so, librdkafka sends the same again
//! within a second, for ever, and nobody hears of it; a partition without a leader isn't even asked. What can be seen
//! is a lane whose first record stays the first. That alone is no verdict, since it is the same when no broker is in
//! reach: so the brokers are asked about the topic, and only if they answer twice, [`Patience::again`] apart, and the
//! record is still the first, the topic is what is to blame.
//!
//! A stalled lane goes on as it was: its producer keeps trying, and one stuck partition of a topic doesn't stop the
//! others. It ends as soon as the record is settled.
//!
//! In exactly-once the first record of every topic stays the first as long as a transaction doesn't end. Only a topic of which
//! can be seen why it takes nothing is called blocked there, and only if it owes an ack, or nobody does.

use super::plan::Tick;
use crate::spool::Seq;
use std::time::Duration;

/// How long is long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// The first question is asked after this long. Longer than what brokers take to elect another leader.
    pub first: Duration,
    /// The next ones this much later. Together: when a topic that takes nothing is called blocked.
    pub again: Duration,
}

impl Default for Patience {
    /// 20 s and 10 s: a restarted or killed broker's partitions have another leader by then.
    fn default() -> Self {
        Self {
            first: Duration::from_secs(20),
            again: Duration::from_secs(10),
        }
    }
}

/// What a look at the lane came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// All is well, or nothing more is to be known: look again when something happens.
    Rest,
    /// Look again at this time.
    Until(Tick),
    /// Ask the brokers about the topic, for the sake of this record, and look again at that time.
    Ask(Seq, Tick),
}

/// One lane, as far as it stands still.
#[derive(Debug)]
pub struct Stall {
    patience: Patience,
    /// The record that it stands at.
    first: Option<Seq>,
    /// When the next question is due.
    ask_at: Tick,
    /// When the brokers answered first.
    answered_at: Option<Tick>,
    /// Why it is blocked, if it is.
    why: Option<String>,
}

impl Stall {
    /// Nothing stands still yet.
    #[must_use]
    pub const fn new(patience: Patience) -> Self {
        Self {
            patience,
            first: None,
            ask_at: Tick::ZERO,
            answered_at: None,
            why: None,
        }
    }

    /// Nothing is watched any more.
    pub fn rest(&mut self) {
        *self = Self::new(self.patience);
    }

    /// Whether the topic takes nothing although Kafka answers.
    #[must_use]
    pub const fn is_blocked(&self) -> bool {
        self.why.is_some()
    }

    /// What the brokers say about it, if it is blocked.
    #[must_use]
    pub fn why(&self) -> Option<&str> {
        self.why.as_deref()
    }

    /// `first` is the lane's first record that isn't settled; `under_way` whether a producer has any of its records.
    pub fn look(&mut self, now: Tick, first: Option<Seq>, under_way: bool) -> Look {
        if first != self.first || (!under_way && !self.is_blocked()) {
            *self = Self::new(self.patience);
            self.first = first;
            self.ask_at = now + self.patience.first;
        }
        let Some(first) = first.filter(|_| under_way && !self.is_blocked()) else {
            return Look::Rest;
        };
        if now < self.ask_at {
            return Look::Until(self.ask_at);
        }
        self.ask_at = now + self.patience.again;
        Look::Ask(first, self.ask_at)
    }

    /// The answer to a question: what the brokers say that is wrong with the topic; none if none of them answers, or it isn't the
    /// topic's fault. True: it is blocked from now on.
    pub fn heard(&mut self, now: Tick, about: Seq, answer: Option<String>) -> bool {
        if self.first != Some(about) || self.is_blocked() {
            return false;
        }
        let Some(why) = answer else {
            // Kafka as a whole is away, or another topic is to blame.
            self.answered_at = None;
            return false;
        };
        let since = *self.answered_at.get_or_insert(now);
        // The question took time, and its answer.
        if now.saturating_sub(since) < self.patience.again / 2 {
            return false;
        }
        self.why = Some(why);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Option<Seq> = Some(Seq(7));

    fn stall() -> Stall {
        Stall::new(Patience::default())
    }

    fn at(secs: u64) -> Tick {
        Tick::from_secs(secs)
    }

    fn answer() -> Option<String> {
        Some("1 of 3 in sync".into())
    }

    /// Looked at from 0 s, and asked about at 20 s.
    fn asked() -> Stall {
        let mut stall = stall();
        assert_eq!(stall.look(at(0), FIRST, true), Look::Until(at(20)));
        assert_eq!(stall.look(at(19), FIRST, true), Look::Until(at(20)));
        assert_eq!(stall.look(at(20), FIRST, true), Look::Ask(Seq(7), at(30)));
        stall
    }

    #[test]
    fn a_topic_is_blocked_when_the_brokers_answer_and_it_still_takes_nothing() {
        let mut stall = asked();
        assert!(!stall.heard(at(20), Seq(7), answer()));
        assert!(!stall.is_blocked(), "it may take a moment more");
        assert_eq!(stall.look(at(30), FIRST, true), Look::Ask(Seq(7), at(40)));
        assert!(stall.heard(at(30), Seq(7), answer()));
        assert_eq!(stall.why(), Some("1 of 3 in sync"));
        // Another topic's error replaces the producer meanwhile: it stays what it is.
        assert_eq!(stall.look(at(31), FIRST, false), Look::Rest);
        assert_eq!(stall.look(at(99), FIRST, true), Look::Rest);
        assert!(stall.is_blocked());
        // Settled: it flows.
        assert_eq!(
            stall.look(at(100), Some(Seq(8)), true),
            Look::Until(at(120))
        );
        assert!(!stall.is_blocked());
    }

    #[test]
    fn a_kafka_that_does_not_answer_is_no_topics_fault() {
        let mut stall = asked();
        assert!(!stall.heard(at(25), Seq(7), None));
        assert_eq!(stall.look(at(30), FIRST, true), Look::Ask(Seq(7), at(40)));
        // It is back: the record gets its time.
        assert!(!stall.heard(at(30), Seq(7), answer()));
        assert!(!stall.is_blocked());
        assert!(!stall.heard(at(31), Seq(7), None));
        assert!(!stall.heard(at(40), Seq(7), answer()));
        assert!(stall.heard(at(50), Seq(7), answer()));
    }

    #[test]
    fn who_moves_or_has_nothing_under_way_is_not_asked_about() {
        let mut stall = stall();
        for secs in 0..100 {
            let moves = Some(Seq(secs / 10));
            assert!(!matches!(stall.look(at(secs), moves, true), Look::Ask(..)));
        }
        for secs in 100..200 {
            assert_eq!(stall.look(at(secs), FIRST, false), Look::Rest);
        }
        // From when it had nothing under way.
        assert_eq!(stall.look(at(200), FIRST, true), Look::Until(at(219)));
        assert_eq!(stall.look(at(200), None, false), Look::Rest);
    }

    #[test]
    fn an_answer_about_another_record_counts_for_nothing() {
        let mut stall = asked();
        assert!(!stall.heard(at(20), Seq(6), answer()));
        assert!(!stall.heard(at(30), Seq(7), answer()));
        assert!(!stall.is_blocked());
    }
}

//! Whether one lane ends the producer that all share, again and again, with errors that say nothing about its topic: pure.
//!
//! A lane whose batch is refused first each time would keep the others from getting anywhere. Where nobody else has anything under
//! way, nothing is gained by trying it aside. Where all are refused alike, each may be tried aside in the end; none is called
//! blocked by that, as long as no other gets on.

use super::classify::Class;
use crate::spool::Seq;

/// Ends of the producer, without the lane getting any further in between, before it is suspected.
const TIMES_MAX: u32 = 3;

/// The end of the shared producer, as one lane sees it.
#[derive(Debug, Clone, Copy)]
pub struct End {
    /// The gravest among the reports of the lane's records. None: no error was about any of them.
    pub class: Option<Class>,
    /// What another lane had under way is due again, too, and no error was about that.
    pub others_lose: bool,
    /// The first record that isn't settled.
    pub first: Seq,
    /// The last record that the lane has met.
    pub passed: Seq,
}

/// What to think of the lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Suspicion {
    /// Nothing yet.
    None,
    /// Its first record may be what is refused, or anything.
    First,
    /// Its first record was tried and taken, so it is one of those after it.
    Later,
}

/// How often the lane's errors ended it without its getting any further.
#[derive(Debug, Default)]
pub(super) struct Ended {
    /// The first record that wasn't settled.
    first: Seq,
    /// Others lost by it.
    times: u32,
    /// What it had met when it was last suspected.
    suspected: Option<Seq>,
}

impl Ended {
    /// It did once more.
    pub(super) fn again(&mut self, end: &End) -> Suspicion {
        if self.first != end.first {
            (self.first, self.times) = (end.first, 0);
        }
        self.times += u32::from(end.others_lose);
        if self.times < TIMES_MAX {
            return Suspicion::None;
        }
        self.times = 0;
        match self.suspected.replace(end.passed) {
            Some(before) if end.first <= before => Suspicion::Later,
            _ => Suspicion::First,
        }
    }
}

/// What a lane's records that were sent alone have shown, since one was taken.
#[derive(Debug, Default)]
pub(super) struct Tries {
    /// Acks that there had been, of all lanes, when the last one was sent.
    acks: u64,
    failures: u32,
}

impl Tries {
    pub(super) const fn sent(&mut self, acks: u64) {
        self.acks = acks;
    }

    /// It failed. Whether that is the topic's trouble: it did so before, and others were acked meanwhile.
    pub(super) const fn failed(&mut self, acks: u64) -> bool {
        self.failures = self.failures.saturating_add(1);
        self.failures > 1 && acks > self.acks
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_topics_trouble_if_it_fails_twice_and_others_are_acked_meanwhile() {
        let mut tries = Tries::default();
        tries.sent(5);
        assert!(!tries.failed(9), "once says nothing");
        tries.sent(9);
        assert!(!tries.failed(9), "nobody was acked");
        tries.sent(9);
        assert!(tries.failed(10));
    }
}

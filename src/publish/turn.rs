//! Whose turn it is to poll the shared producer: its own thread's, or the publisher's while reports come in crowds. Pure.
//!
//! By reports, not by records under way: those of a topic that takes nothing may be under way for hours.

use super::plan::Tick;
use std::time::Duration;

/// For how long reports are counted.
const SPAN: Duration = Duration::from_millis(100);
/// So many reports within a span are worth the publisher's while. With fewer, its looks would cost more than they save, and the
/// ack of a lone record would wait for one.
const MANY: usize = 512;
/// Fewer are not.
const FEW: usize = MANY / 2;
/// How often it looks.
const LOOK: Duration = Duration::from_millis(2);

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Turn {
    ours: bool,
    /// When the span began.
    since: Tick,
    /// Reports in it so far.
    heard: usize,
}

impl Turn {
    /// So many reports have come since the last time. True: the producer's own thread has its turn again.
    pub(super) fn heard(&mut self, now: Tick, reports: usize) -> bool {
        let over = now >= self.since + SPAN;
        self.heard = self.heard.saturating_add(reports);
        if self.ours && over {
            self.ours = self.heard >= FEW;
            self.begin(now, 0);
            return !self.ours;
        }
        if over {
            self.begin(now, reports);
        }
        if !self.ours && self.heard >= MANY {
            self.ours = true;
            self.begin(now, 0);
        }
        false
    }

    fn begin(&mut self, now: Tick, heard: usize) {
        self.since = now;
        self.heard = heard;
    }

    /// Whether it is the publisher's.
    pub(super) const fn is_ours(&self) -> bool {
        self.ours
    }

    /// When the publisher has to look again.
    pub(super) fn look_at(&self, now: Tick) -> Option<Tick> {
        self.ours.then(|| now + LOOK)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(millis: u64) -> Tick {
        Tick::from_millis(millis)
    }

    #[test]
    fn the_publisher_polls_while_many_reports_come() {
        let mut turn = Turn::default();
        assert_eq!(turn.look_at(at(5)), None);
        turn.heard(at(1000), MANY / 2);
        turn.heard(at(1050), MANY / 2 - 1);
        assert!(!turn.is_ours());
        turn.heard(at(1099), 1);
        assert!(turn.is_ours());
        assert_eq!(turn.look_at(at(1100)), Some(at(1102)));
        for span in 0..10 {
            let begin = 1099 + 100 * span;
            turn.heard(at(begin + 1), FEW);
            assert!(!turn.heard(at(begin + 100), 0));
            assert!(turn.is_ours());
        }
    }

    #[test]
    fn a_trickle_never_makes_it_the_publishers_however_long_it_lasts() {
        let mut turn = Turn::default();
        for span in 0..100 {
            turn.heard(at(100 * span), MANY / 4);
            turn.heard(at(100 * span + 50), MANY / 4);
            assert!(!turn.is_ours());
        }
    }

    #[test]
    fn it_is_given_back_once_when_few_come() {
        let mut turn = Turn::default();
        assert!(!turn.heard(at(1), MANY) && turn.is_ours());
        assert!(!turn.heard(at(50), FEW - 1));
        assert!(turn.heard(at(101), 0));
        assert!(!turn.is_ours() && !turn.heard(at(300), 0));
    }
}

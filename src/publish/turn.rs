//! Whose turn it is to poll the shared producer: its own thread's, or the publisher's while much is under way. Pure.

use super::plan::Tick;
use std::time::Duration;

/// So many records under way are worth the publisher's while. Below, its looks would cost more than they save, and the ack
/// of a lone record would wait for one.
const MANY: usize = 512;
/// Fewer are not.
const FEW: usize = MANY / 2;
/// How long it looks for reports that don't come: brokers may be away for hours.
const PATIENCE: Duration = Duration::from_millis(100);
/// How often it looks.
const LOOK: Duration = Duration::from_millis(2);

/// See the module.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Turn {
    /// The producer's own thread polls.
    #[default]
    Theirs,
    /// The publisher does.
    Ours {
        /// When the last report came.
        heard: Tick,
    },
}

impl Turn {
    /// What follows, with so many records under way; `heard`: a report came just now.
    pub(super) fn next(self, now: Tick, under_way: usize, heard: bool) -> Self {
        match self {
            Self::Theirs if heard && under_way >= MANY => Self::Ours { heard: now },
            Self::Ours { .. } if heard && under_way >= FEW => Self::Ours { heard: now },
            Self::Ours { heard } if under_way >= FEW && now < heard + PATIENCE => self,
            Self::Theirs | Self::Ours { .. } => Self::Theirs,
        }
    }

    /// When the publisher has to look again.
    pub(super) fn look_at(self, now: Tick) -> Option<Tick> {
        (self != Self::Theirs).then(|| now + LOOK)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(millis: u64) -> Tick {
        Tick::from_millis(millis)
    }

    #[test]
    fn the_publisher_polls_while_much_is_under_way_and_reports_come() {
        let theirs = Turn::default();
        assert_eq!(theirs.next(at(1), MANY - 1, true), Turn::Theirs);
        assert_eq!(theirs.next(at(1), MANY, false), Turn::Theirs, "none came");
        let ours = theirs.next(at(1), MANY, true);
        assert_eq!(ours, Turn::Ours { heard: at(1) });
        assert_eq!(ours.look_at(at(5)), Some(at(7)));
        assert_eq!(ours.next(at(100), FEW, false), ours);
        assert_eq!(ours.next(at(100), FEW, true), Turn::Ours { heard: at(100) });
    }

    #[test]
    fn it_gives_up_when_little_is_left_or_nothing_comes() {
        let ours = Turn::Ours { heard: at(1) };
        assert_eq!(ours.next(at(2), FEW - 1, true), Turn::Theirs);
        assert_eq!(ours.next(at(101), MANY, false), Turn::Theirs);
        assert_eq!(Turn::Theirs.look_at(at(5)), None);
    }
}

//! What a lane may do next: pure, with the time as an argument.
//!
//! ```text
//!             topic unknown or not authorised            a batch was refused
//!             ┌──────────────────────────────── Flowing ─────────────────────┐
//!             ▼                                 ▲  ▲ │                       ▼
//!  Blocked: probe with the first record ────────┘  │ │ untypable,       Singly: one record at a time, until past
//!  through a producer of its own, 1 … 60 s         │ │ no room          all that was in flight when it happened
//!             ▲                                    │ ▼                       │
//!             └─────────── (from Singly, too)     NoRoom: quarantine full, ◄─┘ refused alone, no room
//!                                                 try again, 1 … 60 s
//! ```
//!
//! An error that says nothing about a topic ends the producer for all, and all begin again. If it is always the same lane's
//! records that end it, and others lose by that, the lane is suspected: it is probed as if it were blocked, at once.

use super::{
    classify::{Class, Refusal},
    ended::{End, Ended, Suspicion},
    plan::{Mode, Tick, Way},
    retry::Backoff,
};
use crate::spool::Seq;

/// What one lane is up to.
#[derive(Debug)]
pub struct Course {
    state: State,
    backoff: Backoff,
    ended: Ended,
}

#[derive(Debug, Clone, Copy)]
enum State {
    Flowing,
    Blocked {
        probe_at: Tick,
        then_singly: Option<Seq>,
        /// It was seen to take nothing; false: it is only suspected.
        proven: bool,
    },
    Singly {
        through: Seq,
        not_before: Tick,
    },
    NoRoom {
        until: Tick,
        before: Before,
    },
}

/// What a lane was up to when the quarantine had no room, and goes on with.
#[derive(Debug, Clone, Copy)]
enum Before {
    Flowing,
    Singly {
        through: Seq,
    },
    Blocked {
        then_singly: Option<Seq>,
        proven: bool,
    },
}

/// What becomes of a record that was refused when nothing else was in its batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alone {
    /// Quarantine it, for this reason.
    Quarantine(Refusal),
    /// Send it again, later.
    Again,
}

impl Course {
    /// All is well. The seed is for the jitter of its waits.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            state: State::Flowing,
            backoff: Backoff::for_probe(seed),
            ended: Ended::default(),
        }
    }

    /// The state's name.
    #[must_use]
    pub const fn mode(&self) -> Mode {
        match self.state {
            State::Flowing | State::Blocked { proven: false, .. } => Mode::Flowing,
            State::Blocked { proven: true, .. } => Mode::Blocked,
            State::Singly { .. } => Mode::Singly,
            State::NoRoom { .. } => Mode::QuarantineFull,
        }
    }

    /// Whether the topic takes nothing, as far as anybody knows.
    #[must_use]
    pub const fn is_blocked(&self) -> bool {
        let waits = matches!(
            self.state,
            State::NoRoom {
                before: Before::Blocked { proven: true, .. },
                ..
            }
        );
        waits || matches!(self.state, State::Blocked { proven: true, .. })
    }

    /// Whether the topic is to be tried before anything else goes there: it is blocked, or suspected to be.
    #[must_use]
    pub const fn is_probed(&self) -> bool {
        let waits = matches!(
            self.state,
            State::NoRoom {
                before: Before::Blocked { .. },
                ..
            }
        );
        waits || matches!(self.state, State::Blocked { .. })
    }

    /// How the lane may send at `now`. While there is no room, the first record is tried again the way it was before.
    #[must_use]
    pub fn way(&self, now: Tick) -> Way {
        let (not_before, way) = match self.state {
            State::Flowing => (Tick::ZERO, Way::Shared),
            State::Blocked { probe_at, .. } => (probe_at, Way::Alone),
            State::Singly { not_before, .. } => (not_before, Way::Alone),
            State::NoRoom { until, before } => match before {
                Before::Flowing => (until, Way::Shared),
                Before::Singly { .. } | Before::Blocked { .. } => (until, Way::Alone),
            },
        };
        if now < not_before {
            Way::NotBefore(not_before)
        } else {
            way
        }
    }

    /// The shared producer has ended. True: others lose by what can't be told from the topic's own trouble, so it is tried by
    /// itself now.
    pub fn shared_failed(&mut self, now: Tick, end: End) -> bool {
        match end.class {
            None => {}
            Some(Class::Retriable | Class::Fatal) => {
                return match self.ended.again(&end) {
                    Suspicion::None => false,
                    Suspicion::First => self.suspect(now, None),
                    Suspicion::Later => self.suspect(now, Some(end.passed)),
                };
            }
            Some(Class::Blocked) => self.block(now, None),
            Some(Class::Poison(_)) => {
                self.state = State::Singly {
                    through: end.passed,
                    not_before: now,
                };
            }
        }
        false
    }

    /// The topic takes nothing, as the client says before anything was sent.
    pub fn block(&mut self, now: Tick, then_singly: Option<Seq>) {
        let probe_at = now + self.backoff.next_wait();
        self.state = State::Blocked {
            probe_at,
            then_singly,
            proven: true,
        };
    }

    /// A record that the lane sent by itself had its time, or went down with its transaction: the topic takes nothing.
    pub fn stuck(&mut self, now: Tick) {
        self.block(now, self.singly_through());
    }

    /// A transaction failed that it had a part in, and nobody knows whose fault that was: to be tried aside, at once.
    pub fn doubt(&mut self, now: Tick) {
        self.suspect(now, None);
    }

    fn suspect(&mut self, now: Tick, then_singly: Option<Seq>) -> bool {
        if let State::Flowing
        | State::NoRoom {
            before: Before::Flowing,
            ..
        } = self.state
        {
            self.state = State::Blocked {
                probe_at: now,
                then_singly,
                proven: false,
            };
            return true;
        }
        false
    }

    /// The topic could not be tried, for no fault of its own.
    pub fn put_off(&mut self, now: Tick) {
        if let State::Blocked { probe_at, .. } = &mut self.state {
            *probe_at = now + self.backoff.next_wait();
        }
    }

    /// The topic took a record that was only to try it. The next wait is no shorter before one is published.
    pub const fn probed(&mut self) {
        self.state = match self.singly_through() {
            Some(through) => State::Singly {
                through,
                not_before: Tick::ZERO,
            },
            None => State::Flowing,
        };
    }

    /// The topic judges records again, and refused the one that was to try it.
    pub const fn judges(&mut self, passed: Seq) {
        let through = match self.singly_through() {
            Some(through) => through,
            None => passed,
        };
        self.state = State::Singly {
            through,
            not_before: Tick::ZERO,
        };
    }

    /// Something was published.
    pub fn worked(&mut self) {
        if let State::Flowing = self.state {
            self.backoff.reset();
        }
    }

    /// The record sent alone was acked, or quarantined. `restart` is where the lane goes on.
    pub fn alone_settled(&mut self, restart: Seq) {
        self.backoff.reset();
        self.state = match self.singly_through() {
            Some(through) if restart < through => State::Singly {
                through,
                not_before: Tick::ZERO,
            },
            _ => State::Flowing,
        };
    }

    /// The record sent alone failed. `takes_nothing`: the topic was seen to take nothing while others are taken.
    pub fn alone_failed(&mut self, now: Tick, class: Class, takes_nothing: bool) -> Alone {
        let then_singly = self.singly_through();
        match class {
            Class::Poison(refusal) => {
                if self.is_probed() {
                    // It judges records again: the topic takes some.
                    self.state = State::Singly {
                        through: then_singly.unwrap_or_default(),
                        not_before: now,
                    };
                }
                return Alone::Quarantine(refusal);
            }
            Class::Blocked => self.block(now, then_singly),
            Class::Retriable | Class::Fatal => {
                let not_before = now + self.backoff.next_wait();
                self.state = match then_singly {
                    Some(through) if !self.is_probed() && !takes_nothing => State::Singly {
                        through,
                        not_before,
                    },
                    _ => State::Blocked {
                        probe_at: not_before,
                        then_singly,
                        proven: takes_nothing || self.is_blocked(),
                    },
                };
            }
        }
        Alone::Again
    }

    /// The quarantine had no room for the lane's next record.
    pub fn no_room(&mut self, now: Tick) {
        let before = match self.state {
            State::Flowing => Before::Flowing,
            State::Singly { through, .. } => Before::Singly { through },
            State::Blocked {
                then_singly,
                proven,
                ..
            } => Before::Blocked {
                then_singly,
                proven,
            },
            State::NoRoom { before, .. } => before,
        };
        self.state = State::NoRoom {
            until: now + self.backoff.next_wait(),
            before,
        };
    }

    /// The quarantine took the record that had to wait, or the record didn't need it after all.
    pub fn room_again(&mut self) {
        if let State::NoRoom { before, .. } = self.state {
            self.backoff.reset();
            self.state = match before {
                Before::Flowing => State::Flowing,
                Before::Singly { through } => State::Singly {
                    through,
                    not_before: Tick::ZERO,
                },
                Before::Blocked {
                    then_singly,
                    proven,
                } => State::Blocked {
                    probe_at: Tick::ZERO,
                    then_singly,
                    proven,
                },
            };
        }
    }

    const fn singly_through(&self) -> Option<Seq> {
        match self.state {
            State::Flowing => None,
            State::Singly { through, .. } => Some(through),
            State::Blocked { then_singly, .. } => then_singly,
            State::NoRoom { before, .. } => match before {
                Before::Flowing => None,
                Before::Singly { through } => Some(through),
                Before::Blocked { then_singly, .. } => then_singly,
            },
        }
    }
}

#[cfg(test)]
#[path = "course_tests.rs"]
mod tests;

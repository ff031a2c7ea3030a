//! What a lane may do next: pure, with the time as an argument.
//!
//! ```text
//!             topic unknown or not authorised            a batch was refused
//!             ┌──────────────────────────────── Flowing ─────────────────────┐
//!             ▼                                 ▲  ▲ │                       ▼
//!  Blocked: probe with the first record ────────┘  │ │ untypable,       Singly: one record at a time, until past
//!  through a producer of its own, 1 … 60 s         │ │ no room          all that was in flight when it happened
//!             ▲                                    │ ▼                       │
//!             └─────────── (from Singly, too)     no room: quarantine full, ◄┘ refused alone, no room
//!                                                 try again, 1 … 60 s
//! ```
//!
//! An error that says nothing about a topic ends the producer for all, and all begin again. If it is always the same lane's
//! records that end it, and others lose by that, the lane is suspected: it is probed as if it were blocked, at once.

use super::{
    classify::{Class, Refusal},
    plan::Tick,
    retry::Backoff,
    suspicion::{End, Ended, Suspicion},
};
use crate::spool::Seq;

/// How a lane may send now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// With all others, through the shared producer.
    Shared,
    /// One record, through a producer of its own, then wait for its report.
    Alone,
    /// Not before this.
    NotBefore(Tick),
}

/// The name of a course, for status and metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// All is well.
    Flowing,
    /// The topic takes nothing; probed from time to time.
    Blocked,
    /// One record at a time, since a batch was refused.
    Singly,
    /// The quarantine is full; an operator must look.
    QuarantineFull,
}

/// What one lane is up to.
#[derive(Debug)]
pub struct Course {
    state: State,
    /// The lane's next record found no room in the quarantine: it is tried again then, the way it was before.
    no_room_until: Option<Tick>,
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
            no_room_until: None,
            backoff: Backoff::for_probe(seed),
            ended: Ended::default(),
        }
    }

    /// The state's name.
    #[must_use]
    pub const fn mode(&self) -> Mode {
        match self.state {
            _ if self.no_room_until.is_some() => Mode::QuarantineFull,
            State::Flowing | State::Blocked { proven: false, .. } => Mode::Flowing,
            State::Blocked { proven: true, .. } => Mode::Blocked,
            State::Singly { .. } => Mode::Singly,
        }
    }

    /// Whether the topic takes nothing, as far as anybody knows.
    #[must_use]
    pub const fn is_blocked(&self) -> bool {
        matches!(self.state, State::Blocked { proven: true, .. })
    }

    /// Whether the topic is to be tried before anything else goes there: it is blocked, or suspected to be.
    #[must_use]
    pub const fn is_probed(&self) -> bool {
        matches!(self.state, State::Blocked { .. })
    }

    /// How the lane may send at `now`.
    #[must_use]
    pub fn way(&self, now: Tick) -> Way {
        let (not_before, way) = match self.state {
            State::Flowing => (Tick::ZERO, Way::Shared),
            State::Blocked { probe_at, .. } => (probe_at, Way::Alone),
            State::Singly { not_before, .. } => (not_before, Way::Alone),
        };
        let not_before = self.no_room_until.unwrap_or(not_before);
        if now < not_before {
            Way::NotBefore(not_before)
        } else {
            way
        }
    }

    /// Whatever the quarantine had no room for is no longer what comes next.
    const fn becomes(&mut self, state: State) {
        self.state = state;
        self.no_room_until = None;
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
            Some(Class::Poison(_)) => self.becomes(State::Singly {
                through: end.passed,
                not_before: now,
            }),
        }
        false
    }

    /// The topic takes nothing, as the client says before anything was sent.
    pub fn block(&mut self, now: Tick, then_singly: Option<Seq>) {
        let probe_at = now + self.backoff.next_wait();
        self.becomes(State::Blocked {
            probe_at,
            then_singly,
            proven: true,
        });
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
        let flows = matches!(self.state, State::Flowing);
        if flows {
            self.becomes(State::Blocked {
                probe_at: now,
                then_singly,
                proven: false,
            });
        }
        flows
    }

    /// The topic could not be tried, for no fault of its own.
    pub fn put_off(&mut self, now: Tick) {
        if let State::Blocked { probe_at, .. } = &mut self.state {
            *probe_at = now + self.backoff.next_wait();
            self.no_room_until = self.no_room_until.map(|_| *probe_at);
        }
    }

    /// The topic took a record that was only to try it. The next wait is no shorter before one is published.
    pub fn probed(&mut self) {
        self.becomes(match self.singly_through() {
            Some(through) => State::Singly {
                through,
                not_before: Tick::ZERO,
            },
            None => State::Flowing,
        });
    }

    /// The topic judges records again, and refused the one that was to try it.
    pub fn judges(&mut self, passed: Seq) {
        self.becomes(State::Singly {
            through: self.singly_through().unwrap_or(passed),
            not_before: Tick::ZERO,
        });
    }

    /// Something was published.
    pub fn worked(&mut self) {
        if self.mode() == Mode::Flowing && !self.is_probed() {
            self.backoff.reset();
        }
    }

    /// The record sent alone was acked, or quarantined. `restart` is where the lane goes on.
    pub fn alone_settled(&mut self, restart: Seq) {
        self.backoff.reset();
        self.becomes(match self.singly_through() {
            Some(through) if restart < through => State::Singly {
                through,
                not_before: Tick::ZERO,
            },
            _ => State::Flowing,
        });
    }

    /// The record sent alone failed. `takes_nothing`: the topic was seen to take nothing while others are taken.
    pub fn alone_failed(&mut self, now: Tick, class: Class, takes_nothing: bool) -> Alone {
        let then_singly = self.singly_through();
        match class {
            Class::Poison(refusal) => {
                if self.is_probed() {
                    // It judges records again: the topic takes some.
                    self.becomes(State::Singly {
                        through: then_singly.unwrap_or_default(),
                        not_before: now,
                    });
                }
                return Alone::Quarantine(refusal);
            }
            Class::Blocked => self.block(now, then_singly),
            Class::Retriable | Class::Fatal => {
                let not_before = now + self.backoff.next_wait();
                self.becomes(match then_singly {
                    Some(through) if !self.is_probed() && !takes_nothing => State::Singly {
                        through,
                        not_before,
                    },
                    _ => State::Blocked {
                        probe_at: not_before,
                        then_singly,
                        proven: takes_nothing || self.is_blocked(),
                    },
                });
            }
        }
        Alone::Again
    }

    /// The quarantine had no room for the lane's next record.
    pub fn no_room(&mut self, now: Tick) {
        self.no_room_until = Some(now + self.backoff.next_wait());
    }

    /// The quarantine took the record that had to wait, or the record didn't need it after all.
    pub fn room_again(&mut self) {
        if self.no_room_until.take().is_none() {
            return;
        }
        self.backoff.reset();
        match &mut self.state {
            State::Flowing => {}
            State::Singly { not_before: at, .. } | State::Blocked { probe_at: at, .. } => {
                *at = Tick::ZERO;
            }
        }
    }

    const fn singly_through(&self) -> Option<Seq> {
        match self.state {
            State::Flowing => None,
            State::Singly { through, .. } => Some(through),
            State::Blocked { then_singly, .. } => then_singly,
        }
    }
}

#[cfg(test)]
#[path = "course_tests.rs"]
mod tests;

//! One transaction after the other: when one begins, takes no more, gets its checkpoint, is committed or aborted. Pure.
//!
//! ```text
//!            a record                full, 50 ms, or nothing more        every report is ok
//!   Idle ──────────────► Filling ──────────────────────────► Settling ──────────────► Sealing: the checkpoint is sent
//!    ▲                      │                                    │                        │ its report is ok
//!    │ committed: all of it │ a report is not ok                 │                        ▼
//!    │ is published         └───────────────► Aborting ◄─────────┴──── must abort ─── Committing
//!    │                                           │                                        │
//!    └──── aborted: all of it is due again ──────┘        fatal, or nobody knows: Off ◄───┘ a new producer, and the
//!                                                                                           checkpoint in Kafka decides
//! ```

use crate::publish::lanes::LaneId;
use crate::publish::plan::Tick;
use std::time::Duration;

/// The most records of one transaction.
pub(in crate::publish) const RECORDS_MAX: usize = 10_000;
/// The most bytes of their bodies.
pub(in crate::publish) const BYTES_MAX: usize = 16 << 20;
/// How long one takes records at least, while there are more.
const FILLS_FOR: Duration = Duration::from_millis(50);
/// And at most, however long it takes to end one.
const FILLS_AT_MOST: Duration = Duration::from_secs(1);
/// Between the two: so many times as long as the end of the last one took, during which nothing is sent.
const FILLS_TIMES: u32 = 4;
/// How long a record sent alone is waited for: the others wait, too.
const ALONE_FOR: Duration = Duration::from_secs(5);
/// Since it began: its records have 15 s, its end takes milliseconds, and brokers that are exchanged a few seconds.
const HANGS_AFTER: Duration = Duration::from_secs(45);
/// Before a commit or an abort is asked for again.
const AGAIN: Duration = Duration::from_millis(100);

/// What became of a commit or an abort, or of the wish to begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Done.
    Done,
    /// Not yet: ask for the same again.
    Again,
    /// It can't be committed: abort.
    MustAbort,
    /// The producer is done for, or nobody knows what became of it.
    Unknown,
}

/// Where the transaction is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::publish) enum Phase {
    /// There is no producer that could have one.
    Off,
    Idle,
    Filling,
    /// Waits for the reports.
    Settling,
    /// Waits for the checkpoint's report.
    Sealing,
    Committing,
    Aborting,
}

/// What to do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub(in crate::publish) enum Do {
    Nothing,
    /// Send the checkpoint.
    Seal,
    Commit,
    Abort,
    /// It is committed: everything in it is published.
    Advance,
    /// It is aborted: everything in it is due again.
    Rewind,
    /// Replace the producer.
    Rebuild,
}

/// See the module.
#[derive(Debug)]
pub(in crate::publish) struct Transaction {
    phase: Phase,
    number: u64,
    since: Tick,
    records: usize,
    bytes: usize,
    unreported: usize,
    /// The lane that has it for itself.
    alone: Option<LaneId>,
    again_at: Option<Tick>,
    /// Since when it takes no more.
    closed_at: Tick,
    /// From then until it was committed, the last time.
    ending: Duration,
}

impl Transaction {
    pub(in crate::publish) const fn new() -> Self {
        Self {
            phase: Phase::Off,
            number: 0,
            since: Tick::ZERO,
            records: 0,
            bytes: 0,
            unreported: 0,
            alone: None,
            again_at: None,
            closed_at: Tick::ZERO,
            ending: Duration::ZERO,
        }
    }

    pub(in crate::publish) const fn phase(&self) -> Phase {
        self.phase
    }

    /// The number of the last one. Reports of earlier ones mean nothing any more.
    pub(in crate::publish) const fn number(&self) -> u64 {
        self.number
    }

    /// The lane that has it for itself.
    pub(in crate::publish) const fn alone(&self) -> Option<LaneId> {
        self.alone
    }

    /// Reports are still to come.
    pub(in crate::publish) const fn is_waiting(&self) -> bool {
        self.unreported > 0
    }

    /// It takes no more, and is to be committed. After an abort its records are due again before anything that follows.
    pub(in crate::publish) const fn is_ending(&self) -> bool {
        matches!(
            self.phase,
            Phase::Settling | Phase::Sealing | Phase::Committing
        )
    }

    /// There is a producer, and nothing is under way in it.
    pub(in crate::publish) const fn ready(&mut self) {
        self.phase = Phase::Idle;
    }

    /// The producer is gone.
    pub(in crate::publish) const fn off(&mut self) {
        self.phase = Phase::Off;
        self.again_at = None;
    }

    /// One has begun.
    pub(in crate::publish) fn began(&mut self, now: Tick, alone: Option<LaneId>) {
        assert_eq!(self.phase, Phase::Idle, "one transaction at a time");
        *self = Self {
            phase: Phase::Filling,
            number: self.number + 1,
            since: now,
            alone,
            ending: self.ending,
            ..Self::new()
        };
    }

    /// Whether a record of this size may go into it. One is always admitted; one that is sent alone waits for the one
    /// before it.
    pub(in crate::publish) fn admits(&self, alone: Option<LaneId>, bytes: usize) -> bool {
        let fits = self.records < RECORDS_MAX && self.bytes.saturating_add(bytes) <= BYTES_MAX;
        self.phase == Phase::Filling
            && self.alone == alone
            && (fits || self.records == 0)
            && (alone.is_none() || self.unreported == 0)
    }

    /// A record is with the producer.
    pub(in crate::publish) const fn sent(&mut self, bytes: usize) {
        self.records += 1;
        self.bytes += bytes;
        self.unreported += 1;
    }

    /// The feed has had its turn; `more` says whether there is something to send that could still go into this one.
    pub(in crate::publish) fn fed(&mut self, now: Tick, more: bool) -> Do {
        let full = self.records >= RECORDS_MAX || now >= self.since + self.fills_for();
        if self.phase == Phase::Filling && (full || !more) {
            self.phase = Phase::Settling;
            self.closed_at = now;
            return self.settled();
        }
        Do::Nothing
    }

    /// With a backlog it is the longer the longer an end takes, so that most of the time something is sent. Without one it
    /// ends as soon as there is nothing more.
    fn fills_for(&self) -> Duration {
        (self.ending * FILLS_TIMES).clamp(FILLS_FOR, FILLS_AT_MOST)
    }

    fn settled(&mut self) -> Do {
        if self.phase == Phase::Settling && self.unreported == 0 {
            self.phase = Phase::Sealing;
            return Do::Seal;
        }
        Do::Nothing
    }

    /// A record of it was acked.
    pub(in crate::publish) fn acked(&mut self) -> Do {
        self.unreported = self.unreported.saturating_sub(1);
        self.settled()
    }

    /// Its checkpoint was acked.
    pub(in crate::publish) fn sealed(&mut self) -> Do {
        if self.phase == Phase::Sealing {
            self.phase = Phase::Committing;
            return Do::Commit;
        }
        Do::Nothing
    }

    /// Something in it failed, and it isn't being committed: then it can't be any more.
    pub(in crate::publish) fn failed(&mut self) -> Do {
        match self.phase {
            Phase::Filling | Phase::Settling | Phase::Sealing => {
                self.phase = Phase::Aborting;
                Do::Abort
            }
            Phase::Off | Phase::Idle | Phase::Committing | Phase::Aborting => Do::Nothing,
        }
    }

    /// What became of the commit, or of the abort.
    pub(in crate::publish) fn answered(&mut self, now: Tick, outcome: Outcome) -> Do {
        match (self.phase, outcome) {
            (Phase::Committing, Outcome::Done) => {
                self.phase = Phase::Idle;
                self.ending = now.saturating_sub(self.closed_at);
                Do::Advance
            }
            (Phase::Aborting, Outcome::Done) => {
                self.phase = Phase::Idle;
                Do::Rewind
            }
            // Never an abort for a commit whose outcome is open.
            (Phase::Committing | Phase::Aborting, Outcome::Again) => {
                self.again_at = Some(now + AGAIN);
                Do::Nothing
            }
            (Phase::Committing, Outcome::MustAbort) => {
                self.phase = Phase::Aborting;
                Do::Abort
            }
            (Phase::Committing, Outcome::Unknown)
            | (Phase::Aborting, Outcome::Unknown | Outcome::MustAbort) => {
                self.off();
                Do::Rebuild
            }
            _ => Do::Nothing,
        }
    }

    /// What is due by now, if nothing has arrived.
    pub(in crate::publish) fn tend(&mut self, now: Tick) -> Do {
        if self.again_at.is_some_and(|at| now >= at) {
            self.again_at = None;
            return match self.phase {
                Phase::Committing => Do::Commit,
                Phase::Aborting => Do::Abort,
                _ => Do::Nothing,
            };
        }
        Do::Nothing
    }

    /// The lane whose record, sent alone, has had its time.
    pub(in crate::publish) fn overdue(&self, now: Tick) -> Option<LaneId> {
        let is_over = self.is_taking_reports() && now >= self.since + ALONE_FOR;
        self.alone.filter(|_| is_over)
    }

    const fn is_taking_reports(&self) -> bool {
        matches!(self.phase, Phase::Filling | Phase::Settling) && self.unreported > 0
    }

    /// From when on it is odd that it hasn't ended.
    pub(in crate::publish) fn hangs_from(&self) -> Option<Tick> {
        let ends = matches!(
            self.phase,
            Phase::Sealing | Phase::Committing | Phase::Aborting
        );
        ends.then(|| self.since + HANGS_AFTER)
    }

    /// When to come back if nothing arrives.
    pub(in crate::publish) fn wake(&self) -> Option<Tick> {
        match self.phase {
            Phase::Filling if self.alone.is_none() || self.unreported == 0 => {
                Some(self.since + self.fills_for())
            }
            Phase::Filling | Phase::Settling if self.alone.is_some() => {
                Some(self.since + ALONE_FOR)
            }
            Phase::Committing | Phase::Aborting => self.again_at,
            _ => None,
        }
    }
}

#[cfg(test)]
#[path = "transaction_tests.rs"]
mod tests;

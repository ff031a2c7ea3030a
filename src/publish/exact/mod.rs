//! `delivery = "exactly-once"`: records and the checkpoint in one Kafka transaction, so that a reader of committed messages
//! sees each record once, whatever was killed.
//!
//! ```text
//!  open ─► fence whoever was before ─► read the checkpoint ─► decide ─┬─► claim ─► transaction after transaction
//!   ▲                                                                 │             │
//!   └───────────────── fatal, fenced, or nobody knows ◄───────────────┼─────────────┘
//!                                                                     └─► stand down: another run publishes
//! ```
//!
//! What was sent is not published before its commit returns; a commit of unknown outcome is decided by the checkpoint
//! that is read back. Being fenced says nothing: a transaction that took too long is fenced as well. A rival shows by
//! its name in the checkpoint; the loser never fences back.

mod account;
mod ahead;
mod checkpoint;
mod clerk;
mod commit;
mod decide;
mod flow;
mod lead;
mod places;
mod probe;
mod reader;
mod repair;
#[cfg(test)]
mod simulation;
mod transaction;

pub use decide::Found;
pub(in crate::publish) use flow::By;
pub use places::Places;
pub use transaction::Outcome;
pub(in crate::publish) use {
    clerk::{Clerk, judge},
    reader::Reader,
    transaction::{BYTES_MAX, RECORDS_MAX},
};

use super::{classify::Code, plan::Tick};
use crate::publish::lanes::LaneId;
use crate::spool::{Instance, Record, Run, Settled};
use account::Account;
use serde::Serialize;
use std::sync::Arc;
use transaction::Transaction;

/// What a transactional producer is for.
#[derive(Debug, Clone)]
pub struct Purpose {
    /// The spool's.
    pub spool_id: String,
    /// Where checkpoints are.
    pub topic: Arc<str>,
    /// The runs that the spool has seen.
    pub runs: Vec<Run>,
    /// The topic that it is only to try; none for the one that publishes.
    pub tries: Option<Arc<str>>,
}

impl Purpose {
    /// One at a time has it.
    #[must_use]
    pub fn transactional_id(&self) -> String {
        match &self.tries {
            None => format!("livebridge-{}", self.spool_id),
            Some(topic) => format!("livebridge-{}-try-{topic}", self.spool_id),
        }
    }
}

/// How it stands with exactly-once, for `/status`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Standing {
    /// What it is up to.
    pub state: State,
    /// The transactional id.
    pub transactional_id: String,
    /// Transactions committed in this run.
    pub committed: u64,
    /// The run that publishes in its place, if it has stood down.
    pub rival: Option<String>,
}

/// What exactly-once is up to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Has no producer, or learns what was committed.
    Preparing,
    /// Publishes.
    Publishing,
    /// Another run publishes. `spool adopt` is the way out.
    StoodDown,
}

/// What the publisher keeps for exactly-once.
#[derive(Debug)]
pub(super) struct Exact {
    topic: Arc<str>,
    transaction: Transaction,
    runs: Vec<Run>,
    /// Settled according to the checkpoint in Kafka: what is met up to here was published before.
    floor: Settled,
    /// The same when this run first read it: that was an earlier run's.
    before: Option<Settled>,
    last_seen: Option<Instance>,
    /// The checkpoint in Kafka names this run.
    claimed: bool,
    /// Settled here, as the checkpoint says that is under way.
    sealed: Settled,
    /// Settled here, and in a committed checkpoint.
    pub(super) committed: Settled,
    commits: u64,
    committed_at: Tick,
    /// No transaction begins earlier.
    not_before: Tick,
    /// When a producer that isn't ready is asked again.
    ask_at: Option<Tick>,
    /// Who may be why the transaction under way fails, or the last one did.
    account: Account,
    /// The record whose failure ends a transaction that a lane had for itself.
    refused: Option<(LaneId, Record, Code)>,
    /// The last transaction was one lane's own: now it is the others' turn.
    others_turn: bool,
    /// A lane that goes alone was told to wait for the others.
    deferred: bool,
    /// The number of the last transaction that was told of because it doesn't end.
    hangs: u64,
    /// This run leaves: what is under way may end until then.
    leave_by: Option<Tick>,
    rival: Option<String>,
}

impl Exact {
    pub(super) fn new(topic: Arc<str>, settled: Settled, rival: Option<String>) -> Self {
        Self {
            topic,
            transaction: Transaction::new(),
            runs: Vec::new(),
            floor: Settled::default(),
            before: None,
            last_seen: None,
            claimed: false,
            sealed: settled,
            committed: settled,
            commits: 0,
            committed_at: Tick::ZERO,
            not_before: Tick::ZERO,
            ask_at: None,
            account: Account::default(),
            refused: None,
            others_turn: false,
            deferred: false,
            hangs: 0,
            leave_by: None,
            rival,
        }
    }

    /// Another run publishes.
    pub(super) const fn has_stood_down(&self) -> bool {
        self.rival.is_some()
    }

    /// Whether this lane's topic doesn't take what the transaction under way has sent to it.
    pub(super) fn owes(&self, lane: LaneId) -> bool {
        self.account.owes(lane)
    }

    pub(super) fn standing(&self, spool_id: &str) -> Standing {
        let state = if self.has_stood_down() {
            State::StoodDown
        } else if self.claimed && self.transaction.phase() != transaction::Phase::Off {
            State::Publishing
        } else {
            State::Preparing
        };
        Standing {
            state,
            transactional_id: format!("livebridge-{spool_id}"),
            committed: self.commits,
            rival: self.rival.clone(),
        }
    }
}

//! `control.sock` in the spool's directory (0600): how commands reach the relay that holds the spool.
//!
//! One request a connection, one JSON object on one line; then lines of answers, the last of which isn't a
//! [`Reply::Progress`]. Few connections, small requests, and time limits: nobody can tie the relay up with it.
//!
//! ```text
//!  {"replay":{"selection":{"since":1750000000000},"dry_run":false}}   ──►
//!                                                 ◄── {"progress":{"done":100,"all":250}}
//!                                                 ◄── {"replayed":{"by_topic":{"live.recording":250},…}}
//! ```
//!
//! A follower's lines go on until one of the two ends: see [`crate::follow`].

mod client;
mod follow;
mod place;
mod server;
#[cfg(test)]
mod tests;

pub use client::{Client, ClientError};
pub use server::{Handler, Socket, serve};

use crate::{
    follow::{Decision, Filter},
    publish::again::{Replayed, Requeued},
    rejects::Reverified,
    spool::Selection,
};
use serde::{Deserialize, Serialize};

/// What can be asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// What `/status` shows.
    Status {},
    /// Publish retained records again.
    Replay {
        /// Which.
        selection: Selection,
        /// Only count.
        dry_run: bool,
    },
    /// Publish records of the quarantine.
    Requeue {
        /// Their numbers; none: all.
        records: Option<Vec<u64>>,
    },
    /// Accept those of these refused callbacks that pass with the keys of now.
    Reverify {
        /// Their names in the ledger.
        names: Vec<String>,
    },
    /// Tell what the door decides, from now on.
    Follow {
        /// Of which callbacks.
        filter: Filter,
    },
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// So far; more follows.
    Progress {
        /// Records.
        done: u64,
        /// Of so many.
        all: u64,
    },
    /// What `/status` shows.
    Status(serde_json::Value),
    /// Done.
    Replayed(Replayed),
    /// Done.
    Requeued(Requeued),
    /// Done.
    Reverified(Reverified),
    /// From now on decisions are told.
    Following {},
    /// One of them.
    Decision(Box<Decision>),
    /// So many were passed over, before the filter, since they weren't taken in time.
    Lost {
        /// Decisions.
        decisions: u64,
    },
    /// There are no more: the relay stops.
    Ended {},
    /// Why not, or not further.
    Failed(String),
}

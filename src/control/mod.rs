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

mod client;
mod place;
mod server;
#[cfg(test)]
mod tests;

pub use client::{Client, ClientError};
pub use server::{Handler, Socket, serve};

use crate::{
    publish::again::{Replayed, Requeued},
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
    /// Why not, or not further.
    Failed(String),
}

//! The ledger of refusals: the last callbacks that were answered 400 or 401, in `rejects/` beside the spool. After a key
//! was mis-rotated, what was wrongly refused is verified again with the right one (`livebridge rejects reverify`).
//!
//! ```text
//!  door ── offer, never waits ──► queue: 256 entries, 4 MiB ──► thread ──► rejects/<milliseconds>.log × 8 at most
//!           └─ full: dropped and counted                                    the oldest file goes first
//! ```
//!
//! Nothing here is promised to anybody, so nothing is synced. A flood of forgeries pushes out what is old: the limits are
//! the settings' `rejects.*`.

mod entry;
mod files;
mod reverify;
mod writer;

pub use entry::Entry;
pub use files::{mark_accepted, read};
pub use reverify::{Gate, NotAll, Passed, Reverified, accept, judge};
pub use writer::{Ledger, Metrics, open};

use crate::callback::verify::Refused;

/// Why a callback was refused, as the ledger keeps it: `malformed-json` (400), or a label of
/// `livebridge_signature_failures_total` (401).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// Not one JSON object.
    NotJson,
    /// Not authentic.
    NotAuthentic(Refused),
}

impl Reason {
    /// The word for it.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::NotJson => "malformed-json",
            Self::NotAuthentic(refused) => refused.label(),
        }
    }
}

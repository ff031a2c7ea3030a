//! The durable log between the door and Kafka.
//!
//! ```text
//!  Appender ──► writer: dedup window, group commit ──► segments ──► Cursor ──► publisher
//!                 ▲                                       ▲                       │
//!               zeros written ahead, indices, deletion: housekeeper ◄── checkpoint ◄┘
//! ```
//!
//! * Formats, pure: `frame`, `envelope`, `segment`, `index`, `checkpoint`.
//! * Deciding, pure: `scan` (what a crash left), `lost` (what an index that is gone said), `window` (duplicates), `view` (what is where, and settled).
//! * Doing, over the `disk` trait: `load`, `recovery`, `writer`, `prepare`, `removal`, `housekeeper`, `cursor`, `quarantine`,
//!   `lineage`.
//! * Tying: `store`. From outside, reading only: [`look`], and [`volume`] where there is none yet.

pub mod append;
mod bytes;
mod checkpoint;
mod corrupt;
mod cursor;
mod disk;
mod envelope;
mod frame;
mod fullness;
mod housekeeper;
mod identity;
mod index;
mod lineage;
mod load;
mod log_outlet;
pub mod look;
mod lost;
#[doc(hidden)]
pub mod measured;
mod metrics;
mod opened;
pub mod outlet;
mod prepare;
mod quarantine;
pub mod record;
mod recovery;
mod removal;
mod scan;
mod segment;
pub mod select;
mod shared;
mod store;
mod view;
pub mod volume;
pub(crate) mod window;
mod writer;

#[cfg(test)]
pub(crate) mod simulated;
#[cfg(test)]
mod tests;

pub use append::{AfterSync, AppendError, Appender, Durable, How, Receipt, Receipts};
pub use cursor::LogCursor;
pub use identity::{Adopted, Lock, adopt};
pub use lineage::{Run, Written};
pub use log_outlet::LogOutlet;
pub use opened::{OpenError, Opened, Report, Status, StatusSource, Stopped, Threads};
pub(crate) use outlet::Unrelated;
pub use outlet::{Aside, Cursor, Lineage, Next, Outlet, QuarantineError, Reason, Settled};
pub use quarantine::Quarantined;
pub use record::{CeId, Envelope, Record, Seq};
pub use segment::Instance;
pub use select::{About, Selection};
pub use store::{Settings, open};

//! The durable log between the door and Kafka.

pub mod append;
pub mod outlet;
pub mod record;

pub use append::{AppendError, Appender, Durable, How};
pub use outlet::{Cursor, Next, Outlet, QuarantineError, Reason, Settled};
pub use record::{CeId, Envelope, Record, Seq};

//! What the integration tests and benches stand on: a real Apache Kafka, the relay as a process, a sender of signed
//! callbacks, and an oracle that says whether anything was lost or reordered.
//!
//! ```text
//!  load ──► http ──► relay (real process) ──► kafka (real broker) ──► reader (Kafka's Java client)
//!   │ what was answered 200, per stream                                     │ what is there
//!   └──────────────────────────────► oracle ◄───────────────────────────────┘
//! ```
//!
//! Whatever is missing on the machine (java, mvn, python3) is a failure that says so, never a skipped test. Every
//! process that is started here ends with the test, also when the test panics or is killed.

pub mod admin;
pub mod callback;
pub mod cluster;
pub mod dice;
pub mod docs;
pub mod doors;
pub mod guarded;
pub mod http;
pub mod kafka;
pub mod kubernetes;
pub mod load;
pub mod metrics;
pub mod oracle;
pub mod port;
pub mod process;
pub mod prometheus;
pub mod proxy;
pub mod python;
pub mod reader;
pub mod relay;
pub mod small_disk;
pub mod tools;
pub mod topics;
pub mod wait;

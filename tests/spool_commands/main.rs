//! The commands around a spool, by the real binary: on a copy, beside a relay that writes, and through one.

#![expect(
    clippy::unwrap_used,
    reason = "what is missing in a test is a failure of it"
)]

mod looking;
mod prove;
mod publishing;
mod rig;

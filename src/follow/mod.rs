//! Whoever follows the door's decisions (`livebridge tail`): what was decided about each callback, as it is decided.
//!
//! ```text
//!  door ── begin: does anybody follow? one relaxed load ──► no: nothing else is done
//!            └─ yes: notes, and at the end a decision ──► ring of 1024 ──► follower ──► filter ──► control.sock
//!                                                          └─ overtaken: it loses the oldest, and is told how many
//! ```
//!
//! The door never waits for a follower. A decision holds no body, no signature, no key and no path: what it says of a
//! callback is its event, its stream, its size, and why it was refused.

mod decision;
mod filter;
mod hub;

pub use decision::{Decision, Outcome, REASONS, STREAM_MAX, shortened};
pub use filter::Filter;
pub use hub::{Decisions, FOLLOWERS, Follower, NoFollower, Seen};

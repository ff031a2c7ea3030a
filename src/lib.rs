//! livebridge: a durable bridge from live-streaming callbacks to Kafka.
//!
//! **The promise.** A 200 means that the callback is fsynced on local disk (with `ack = "kafka"`: held by all in-sync
//! replicas of Kafka). It *will* be in Kafka, at least once
//! with one and the same `ce_id`, in order per topic and stream, whatever dies. Every design choice serves that
//! sentence; `ARCHITECTURE.md` lists the invariants and the test that holds each.
//!
//! ```text
//!              front              callback            spool                      publish
//!  sender ──► read body ──► verify ──► parse ──► append ──► write + sync ──► read ──► lane ──► Kafka
//!    ▲                                             │                          │
//!    └───────── 200 {"code":0} ◄── Durable ◄───────┘       checkpoint ◄───────┘ contiguous, per family
//! ```
//!
//! * [`callback`]: pure. What a callback means: signature, identity, typed events. Rust consumers of the topics
//!   deserialize with [`callback::event`].
//! * [`front`]: hyper. Reads requests within limits and answers; a 200 needs a proof of durability.
//! * [`spool`]: the durable log between door and Kafka, and the dedup window.
//! * [`hold`]: what stands in the spool's place where there is no disk: memory until Kafka's ack, which is then the proof.
//! * [`publish`]: lanes from the spool to Kafka, in order, with retry; the local quarantine.
//! * [`rejects`]: the ledger of refused callbacks, for the day a key was mis-rotated.
//! * [`follow`]: the door's decisions, for whoever follows them live.
//! * [`control`]: the socket in the spool's directory through which commands reach a running relay.
//! * [`traces`]: `traceparent`s taken over or begun, and their spans for a collector.
//! * [`config`], [`app`], [`cli`]: settings; the only place that builds and ties the parts; the commands.

// They panic when nobody takes what they say: a full disk, a reader that has gone.
#![cfg_attr(not(test), deny(clippy::print_stderr, clippy::print_stdout))]

pub mod app;
pub mod callback;
mod certificate;
pub mod cli;
pub mod clock;
pub mod config;
pub mod control;
pub mod follow;
pub mod front;
pub mod health;
pub mod hold;
#[cfg(test)]
mod logged;
pub mod metrics;
mod owner;
pub mod publish;
pub mod rejects;
#[cfg(test)]
mod simulation;
pub mod spool;
pub mod traces;

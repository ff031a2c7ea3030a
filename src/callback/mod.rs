//! What a callback means: pure, without IO, clock, tokio or Kafka.

pub mod canonical;
pub mod event;
pub mod id;
pub mod json;
pub mod names;
pub mod verify;

//! What a callback means: pure, without IO, clock, tokio or Kafka.

pub mod json;
pub mod names;

//! The way from the spool to Kafka.

pub mod message;

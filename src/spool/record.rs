//! What the spool keeps: the words that door, spool and publisher share.

use crate::{
    callback::names::{Family, SourceName},
    clock::Millis,
};
use bytes::Bytes;
use std::fmt;

/// The number of a record in its spool: 1, 2, 3, … Never used twice. 0 means "none yet".
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Seq(pub u64);

impl Seq {
    /// The number after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The identity of a callback: equal for the sender's retries and our replays. See `callback::id`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CeId(pub [u8; 16]);

impl fmt::Display for CeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0; 32];
        hex::encode_to_slice(self.0, &mut text).map_err(|_| fmt::Error)?;
        f.write_str(std::str::from_utf8(&text).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for CeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CeId({self})")
    }
}

/// A callback as it was received, with what is known only at its receipt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// Who sent it.
    pub source: SourceName,
    /// Decided once, at the door, and stored, since checkpoints go by family and a later release may know more
    /// kinds of events. `unknown` for a callback without an integer `event_type`.
    pub family: Family,
    /// The wall clock when the body was read.
    pub received_at: Millis,
    /// The request's W3C `traceparent`, if it had a valid one.
    pub traceparent: Option<Box<str>>,
    /// The body, byte for byte.
    pub body: Bytes,
}

/// A durable record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its number.
    pub seq: Seq,
    /// Its identity, computed at the door, never again.
    pub ce_id: CeId,
    /// When the writer took it: never before the last one, unless the clock was ahead then by more than the dedup window.
    pub accepted_at: Millis,
    /// The callback.
    pub envelope: Envelope,
}

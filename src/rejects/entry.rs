//! One refused callback, and its form in a file. Pure.
//!
//! ```text
//!  {"at":1750000000042,"address":"192.0.2.1","source":"tencent","reason":"mismatch","bytes":102}\n
//!  the body, byte for byte as received\n
//! ```

use crate::{callback::names::SourceName, clock::Millis};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// A refused callback.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// When its body was read.
    pub at: Millis,
    /// Whose it was.
    pub address: IpAddr,
    /// The source that its path named.
    pub source: SourceName,
    /// See [`super::Reason::label`].
    pub reason: String,
    /// The request's `traceparent`.
    pub traceparent: Option<String>,
    /// The body as received.
    pub body: Bytes,
}

#[derive(Serialize, Deserialize)]
struct Line {
    at: u64,
    address: IpAddr,
    source: String,
    reason: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    traceparent: Option<String>,
    bytes: usize,
}

impl Entry {
    /// As it is written.
    pub(super) fn encode(&self) -> Vec<u8> {
        let line = Line {
            at: self.at.0,
            address: self.address,
            source: self.source.to_string(),
            reason: self.reason.clone(),
            traceparent: self.traceparent.clone(),
            bytes: self.body.len(),
        };
        let line = serde_json::to_vec(&line).unwrap_or_default();
        [&line, b"\n".as_slice(), &self.body, b"\n"].concat()
    }

    /// The first entry and what follows it; none if there is no whole one, as after a crash.
    pub(super) fn decode(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let end = bytes.iter().position(|b| *b == b'\n')?;
        let (line, rest) = bytes.split_at_checked(end)?;
        let line: Line = serde_json::from_slice(line).ok()?;
        let (body, rest) = rest.get(1..)?.split_at_checked(line.bytes)?;
        let rest = rest.strip_prefix(b"\n")?;
        let entry = Self {
            at: Millis(line.at),
            address: line.address,
            source: SourceName::parse(&line.source).ok()?,
            reason: line.reason,
            traceparent: line.traceparent,
            body: Bytes::copy_from_slice(body),
        };
        Some((entry, rest))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;

    pub(in crate::rejects) fn entry(at: u64, body: &[u8]) -> Entry {
        Entry {
            at: Millis(at),
            address: [192, 0, 2, 1].into(),
            source: SourceName::parse("tencent").unwrap(),
            reason: "mismatch".into(),
            traceparent: None,
            body: Bytes::copy_from_slice(body),
        }
    }

    proptest! {
        #[test]
        fn every_body_comes_back_and_a_torn_end_is_no_entry(body: Vec<u8>, at: u64, cut: prop::sample::Index) {
            let (one, two) = (entry(at, &body), entry(at, b"\n\n{"));
            let bytes = [one.encode(), two.encode()].concat();
            let (first, rest) = Entry::decode(&bytes).unwrap();
            let (second, end) = Entry::decode(rest).unwrap();
            prop_assert_eq!((&first, &second, end.len()), (&one, &two, 0));
            let torn = &rest[..cut.index(rest.len())];
            prop_assert_eq!(Entry::decode(torn), None);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            Entry::decode(&bytes);
        }
    }
}

//! The payload of a frame: one callback as it was received, with what is known only at its receipt. Pure, versioned,
//! fixed little-endian.
//!
//! ```text
//!  0           1             2          3           4              6          8              16
//!  ├───────────┼─────────────┼──────────┼───────────┼──────────────┼──────────┼──────────────┼────────┬─────────────┬──────┐
//!  │ version u8│id version u8│ family u8│ source u8 │ traceparent  │ 0 u16    │ received_at  │ source │ traceparent │ body │
//!  │     1     │      1      │          │ (length)  │ u16 (length) │          │ u64 ms       │        │             │      │
//!  └───────────┴─────────────┴──────────┴───────────┴──────────────┴──────────┴──────────────┴────────┴─────────────┴──────┘
//!  a traceparent length of 65535 means: the request had none
//! ```
//!
//! `id version` says which canonical form the frame's `ce_id` was computed from; it is never recomputed.

use super::record::Envelope;
use crate::{
    callback::names::{Family, SourceName},
    clock::Millis,
};
use bytes::Bytes;

/// The version written.
pub(in crate::spool) const VERSION: u8 = 1;
/// The canonical form that `ce_id`s are made from.
pub(in crate::spool) const ID_VERSION: u8 = 1;
/// Bytes before the source.
pub(in crate::spool) const FIXED: usize = 16;
/// The most bytes that an envelope adds to a body, as the door makes them: a source name, a `traceparent`.
pub(in crate::spool) const OVERHEAD_MAX: usize = 1 << 10;

const NO_TRACEPARENT: u16 = u16::MAX;

/// Why a payload isn't understood. Its checksum was right, so it isn't damage.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(in crate::spool) enum NotUnderstood {
    /// Of a later release.
    #[error("envelope version {0}")]
    Version(u8),
    /// Of a later release.
    #[error("callback id version {0}")]
    IdVersion(u8),
    /// Of a later release.
    #[error("family number {0}")]
    Family(u8),
    /// Never written by any release.
    #[error("an envelope whose lengths don't add up")]
    Malformed,
}

/// How many bytes [`encode`] appends.
pub(in crate::spool) fn size_of(envelope: &Envelope) -> usize {
    FIXED
        + envelope.source.as_str().len()
        + traceparent(envelope).map_or(0, str::len)
        + envelope.body.len()
}

/// A `traceparent` has 55 bytes; one that no length field can hold is left out rather than cut.
fn traceparent(envelope: &Envelope) -> Option<&str> {
    envelope
        .traceparent
        .as_deref()
        .filter(|text| text.len() < usize::from(NO_TRACEPARENT))
}

/// Appends the payload.
pub(in crate::spool) fn encode(envelope: &Envelope, out: &mut Vec<u8>) {
    let source = envelope.source.as_str().as_bytes();
    let traceparent = traceparent(envelope);
    let traceparent_len = traceparent
        .and_then(|text| u16::try_from(text.len()).ok())
        .unwrap_or(NO_TRACEPARENT);
    // A source name has at most 32 bytes, by its type.
    let source_len = u8::try_from(source.len()).unwrap_or(u8::MAX);
    out.extend_from_slice(&[VERSION, ID_VERSION, envelope.family.code(), source_len]);
    out.extend_from_slice(&traceparent_len.to_le_bytes());
    out.extend_from_slice(&[0; 2]);
    out.extend_from_slice(&envelope.received_at.0.to_le_bytes());
    out.extend_from_slice(source);
    out.extend_from_slice(traceparent.unwrap_or_default().as_bytes());
    out.extend_from_slice(&envelope.body);
}

/// The parts of a payload, still borrowed.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::spool) struct Parts<'a> {
    pub(in crate::spool) family: Family,
    pub(in crate::spool) received_at: Millis,
    pub(in crate::spool) source: &'a str,
    pub(in crate::spool) traceparent: Option<&'a str>,
    pub(in crate::spool) body: &'a [u8],
}

impl Parts<'_> {
    /// Owned, with a copy of the body.
    pub(in crate::spool) fn to_envelope(&self) -> Result<Envelope, NotUnderstood> {
        Ok(Envelope {
            source: SourceName::parse(self.source).map_err(|_| NotUnderstood::Malformed)?,
            family: self.family,
            received_at: self.received_at,
            traceparent: self.traceparent.map(Into::into),
            body: Bytes::copy_from_slice(self.body),
        })
    }
}

/// Takes a payload apart.
pub(in crate::spool) fn decode(payload: &[u8]) -> Result<Parts<'_>, NotUnderstood> {
    let ([version, id_version, family, source_len], rest) = payload
        .split_first_chunk::<4>()
        .ok_or(NotUnderstood::Malformed)?;
    if *version != VERSION {
        return Err(NotUnderstood::Version(*version));
    }
    if *id_version != ID_VERSION {
        return Err(NotUnderstood::IdVersion(*id_version));
    }
    let family = Family::from_code(*family).ok_or(NotUnderstood::Family(*family))?;
    let lengths = || -> Option<Parts<'_>> {
        let (traceparent_len, rest) = rest.split_first_chunk::<2>()?;
        let (_reserved, rest) = rest.split_first_chunk::<2>()?;
        let (received_at, rest) = rest.split_first_chunk::<8>()?;
        let (source, rest) = rest.split_at_checked(usize::from(*source_len))?;
        let (traceparent, body) = match u16::from_le_bytes(*traceparent_len) {
            NO_TRACEPARENT => (None, rest),
            len => {
                let (text, body) = rest.split_at_checked(usize::from(len))?;
                (Some(std::str::from_utf8(text).ok()?), body)
            }
        };
        Some(Parts {
            family,
            received_at: Millis(u64::from_le_bytes(*received_at)),
            source: std::str::from_utf8(source).ok()?,
            traceparent,
            body,
        })
    };
    lengths().ok_or(NotUnderstood::Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_was_put_in_comes_out(
            source in "[a-z0-9-]{1,32}",
            family in 0u8..9,
            received_at: u64,
            traceparent in proptest::option::of(".{0,80}"),
            body in proptest::collection::vec(any::<u8>(), 0..2000),
        ) {
            let envelope = Envelope {
                source: SourceName::parse(&source).unwrap(),
                family: Family::from_code(family).unwrap(),
                received_at: Millis(received_at),
                traceparent: traceparent.map(Into::into),
                body: body.into(),
            };
            let mut bytes = Vec::new();
            encode(&envelope, &mut bytes);
            prop_assert_eq!(bytes.len(), size_of(&envelope));
            prop_assert_eq!(decode(&bytes).unwrap().to_envelope(), Ok(envelope));
        }

        #[test]
        fn any_bytes_are_taken_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = decode(&bytes).map(|parts| parts.to_envelope());
        }
    }

    #[test]
    fn a_later_version_is_told_from_damage() {
        let mut bytes = vec![0; 40];
        bytes[0] = 2;
        assert_eq!(decode(&bytes), Err(NotUnderstood::Version(2)));
        bytes[..2].copy_from_slice(&[1, 9]);
        assert_eq!(decode(&bytes), Err(NotUnderstood::IdVersion(9)));
        bytes[..3].copy_from_slice(&[1, 1, 200]);
        assert_eq!(decode(&bytes), Err(NotUnderstood::Family(200)));
    }
}

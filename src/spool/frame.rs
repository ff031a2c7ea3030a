//! The bytes of one record: pure, fixed little-endian, and checked as a whole. A frame belongs to one segment: its
//! checksum covers the segment's random salt, so that bytes of another segment, or of a body that imitates a frame,
//! never pass for a record.
//!
//! ```text
//!  0         4         8         16               24            32        48          48 + len
//!  ├─────────┼─────────┼─────────┼────────────────┼─────────────┼─────────┼───────────┼─────────┤
//!  │ len u32 │ crc u32 │ seq u64 │ synced_thr. u64│ accept. u64 │ ce_id   │ payload   │ zeros   │
//!  └─────────┴─────────┴─────────┴────────────────┴─────────────┴─────────┴───────────┴─────────┘
//!  crc = CRC32C(salt ‖ len ‖ everything after crc, the zeros included)      padded to 8 bytes
//! ```
//!
//! `len` counts the payload alone and is never 0: 48 zero bytes are the clean end of what was written. Frames start at
//! multiples of 8, which is where a scan looks for the next one after damage.

use super::{
    bytes::pad,
    envelope,
    record::{CeId, Seq},
};
use crate::{clock::Millis, config::BODY_BYTES_MAX};

/// Bytes before the payload.
pub(in crate::spool) const HEADER: usize = 48;
/// Frames start at multiples of this.
pub(in crate::spool) const ALIGNMENT: usize = 8;
/// No payload is longer: a length over this is damage, whatever the settings say.
pub(in crate::spool) const PAYLOAD_MAX: usize = BODY_BYTES_MAX + envelope::OVERHEAD_MAX;

const _: () = assert!(HEADER == 4 + 4 + 8 + 8 + 8 + 16 && HEADER.is_multiple_of(ALIGNMENT));
const _: () = assert!(PAYLOAD_MAX < u32::MAX as usize / 2);

/// What a frame says about its record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::spool) struct Head {
    /// The record's number.
    pub(in crate::spool) seq: Seq,
    /// The durable end when the frame was written.
    pub(in crate::spool) synced_through: Seq,
    /// When the writer took it.
    pub(in crate::spool) accepted_at: Millis,
    /// Its identity.
    pub(in crate::spool) ce_id: CeId,
}

/// What bytes turned out to be.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::spool) enum Decoded<'a> {
    /// A whole, valid frame.
    Record {
        /// Its head.
        head: Head,
        /// Its payload.
        payload: &'a [u8],
        /// Its length with head and padding.
        size: usize,
    },
    /// Nothing was ever written here: zeros, or no bytes at all.
    End,
    /// The bytes stop in the middle of a frame.
    Short,
    /// The bytes are there and are wrong.
    Bad,
}

/// A payload that no frame can hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a payload of {0} bytes doesn't fit a frame: 1 to {PAYLOAD_MAX}")]
pub(in crate::spool) struct Unframable(usize);

/// The length of a frame with this much payload, padding included.
pub(in crate::spool) const fn size_of(payload: usize) -> usize {
    HEADER + payload.next_multiple_of(ALIGNMENT)
}

/// Appends a frame to `out`; `payload` appends the payload. Leaves `out` as it was on an error.
pub(in crate::spool) fn encode(
    salt: u64,
    head: &Head,
    payload: impl FnOnce(&mut Vec<u8>),
    out: &mut Vec<u8>,
) -> Result<usize, Unframable> {
    let start = out.len();
    out.extend_from_slice(&[0; 8]);
    out.extend_from_slice(&head.seq.0.to_le_bytes());
    out.extend_from_slice(&head.synced_through.0.to_le_bytes());
    out.extend_from_slice(&head.accepted_at.0.to_le_bytes());
    out.extend_from_slice(&head.ce_id.0);
    payload(out);
    let payload_len = out.len() - start - HEADER;
    if payload_len == 0 || payload_len > PAYLOAD_MAX {
        out.truncate(start);
        return Err(Unframable(payload_len));
    }
    pad(out, start + size_of(payload_len));
    let len = u32::try_from(payload_len)
        .map_err(|_| Unframable(payload_len))?
        .to_le_bytes();
    let crc = checksum(salt, len, out.get(start + 8..).unwrap_or_default());
    for (at, bytes) in [(start, len), (start + 4, crc.to_le_bytes())] {
        if let Some(place) = out.get_mut(at..at + 4) {
            place.copy_from_slice(&bytes);
        }
    }
    Ok(size_of(payload_len))
}

/// Reads the frame at the start of `bytes`.
pub(in crate::spool) fn decode(salt: u64, bytes: &[u8]) -> Decoded<'_> {
    if bytes.is_empty() {
        return Decoded::End;
    }
    let Some((head, _)) = bytes.split_first_chunk::<HEADER>() else {
        return Decoded::Short;
    };
    if head == &[0; HEADER] {
        return Decoded::End;
    }
    let Some((len, parsed)) = parse_head(head) else {
        return Decoded::Bad;
    };
    let size = size_of(len);
    let Some((frame, _)) = bytes.split_at_checked(size) else {
        return Decoded::Short;
    };
    let (Some((len_bytes, after)), Some(payload)) = (
        frame.split_first_chunk::<4>(),
        frame.get(HEADER..HEADER + len),
    ) else {
        return Decoded::Bad;
    };
    let Some((crc, covered)) = after.split_first_chunk::<4>() else {
        return Decoded::Bad;
    };
    if checksum(salt, *len_bytes, covered) != u32::from_le_bytes(*crc) {
        return Decoded::Bad;
    }
    Decoded::Record {
        head: parsed,
        payload,
        size,
    }
}

/// What the head claims, unchecked but for a possible length. For a scan that looks for the next frame: the claim tells
/// most places that hold none before a checksum is worth its time.
pub(in crate::spool) fn parse_head(head: &[u8; HEADER]) -> Option<(usize, Head)> {
    let (len, rest) = head.split_first_chunk::<4>()?;
    let (_crc, rest) = rest.split_first_chunk::<4>()?;
    let (seq, rest) = rest.split_first_chunk::<8>()?;
    let (synced_through, rest) = rest.split_first_chunk::<8>()?;
    let (accepted_at, rest) = rest.split_first_chunk::<8>()?;
    let (ce_id, _) = rest.split_first_chunk::<16>()?;
    let len = usize::try_from(u32::from_le_bytes(*len)).ok()?;
    (1..=PAYLOAD_MAX).contains(&len).then_some((
        len,
        Head {
            seq: Seq(u64::from_le_bytes(*seq)),
            synced_through: Seq(u64::from_le_bytes(*synced_through)),
            accepted_at: Millis(u64::from_le_bytes(*accepted_at)),
            ce_id: CeId(*ce_id),
        },
    ))
}

fn checksum(salt: u64, len: [u8; 4], covered: &[u8]) -> u32 {
    let crc = crc32c::crc32c(&salt.to_le_bytes());
    let crc = crc32c::crc32c_append(crc, &len);
    crc32c::crc32c_append(crc, covered)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: Head = Head {
        seq: Seq(7),
        synced_through: Seq(5),
        accepted_at: Millis(1_750_000_000_000),
        ce_id: CeId(*b"0123456789abcdef"),
    };

    fn frame(payload: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        let size = encode(9, &HEAD, |out| out.extend_from_slice(payload), &mut bytes).unwrap();
        assert_eq!(size, bytes.len());
        bytes
    }

    #[test]
    fn every_cut_is_short_and_every_flip_is_caught() {
        let bytes = frame(b"recording finished");
        let record = Decoded::Record {
            head: HEAD,
            payload: b"recording finished",
            size: 72,
        };
        assert_eq!(decode(9, &bytes), record);
        for cut in 1..bytes.len() {
            assert_eq!(decode(9, &bytes[..cut]), Decoded::Short, "cut at {cut}");
        }
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(
                !matches!(decode(9, &flipped), Decoded::Record { .. }),
                "bit {bit}"
            );
        }
    }

    #[test]
    fn a_frame_of_another_segment_is_no_record() {
        assert_eq!(decode(10, &frame(b"x")), Decoded::Bad);
    }

    #[test]
    fn zeros_are_a_clean_end_and_a_few_bytes_are_short() {
        assert_eq!(decode(9, &[0; 4096]), Decoded::End);
        assert_eq!(decode(9, &[]), Decoded::End);
        assert_eq!(decode(9, &[0; 8]), Decoded::Short);
    }

    #[test]
    fn a_payload_too_long_or_empty_is_refused_and_leaves_nothing_behind() {
        for len in [0, PAYLOAD_MAX + 1] {
            let mut out = vec![1, 2, 3];
            let fill = |out: &mut Vec<u8>| out.resize(out.len() + len, 0);
            assert_eq!(encode(9, &HEAD, fill, &mut out), Err(Unframable(len)));
            assert_eq!(out, [1, 2, 3]);
        }
    }

    #[test]
    fn the_largest_body_that_the_settings_allow_fits_with_its_envelope() {
        let largest = BODY_BYTES_MAX + envelope::OVERHEAD_MAX;
        let mut out = Vec::new();
        let fill = |out: &mut Vec<u8>| out.resize(out.len() + largest, 1);
        let size = encode(9, &HEAD, fill, &mut out).expect("it fits");
        assert!(matches!(decode(9, &out), Decoded::Record { size: read, .. } if read == size));
    }

    #[test]
    fn the_bytes_on_disk_are_those_of_the_picture() {
        let bytes = frame(b"ab");
        let golden = "02000000 3c72551b 0700000000000000 0500000000000000 00dc207497010000 \
                      30313233343536373839616263646566 6162000000000000";
        assert_eq!(hex::encode(&bytes), golden.replace(' ', ""));
    }
}

//! A segment: its name and its first block. Pure.
//!
//! ```text
//!  0000000007-9f86d081884c7d65.segment
//!  ordinal    salt
//!
//!  0                                                    4096
//!  ├────────────────────────────────────────────────────┼───────┬───────┬───────┬──────────────────┐
//!  │ header, zeros up to 4096                           │ frame │ frame │ frame │ zeros, written   │
//!  │                                                    │       │       │       │ before they're   │
//!  └────────────────────────────────────────────────────┴───────┴───────┴───────┴─ needed ─────────┘
//!
//!  header, little-endian:
//!  0            8             12        16         24            32              40              56
//!  ├────────────┼─────────────┼─────────┼──────────┼─────────────┼───────────────┼───────────────┤
//!  │ "LBSEGMNT" │ version u32 │ crc u32 │ salt u64 │ ordinal u64 │ first_seq u64 │ instance [16] │
//!  └────────────┴─────────────┴─────────┴──────────┴─────────────┴───────────────┴───────────────┘
//!  crc = CRC32C(the block without it)
//! ```
//!
//! A segment is written ahead with zeros, before its first sequence number is known: so its name carries an ordinal, and
//! its header is written with its first batch, by the same write and sync. The salt is in the name too, so that the frames
//! of a segment can be checked even if its header is damaged.

use super::{
    bytes::{pad, written},
    record::Seq,
};
use std::{fmt, str::FromStr};

/// Bytes before the first frame.
pub(in crate::spool) const HEADER: usize = 4096;
/// The format written.
pub(in crate::spool) const VERSION: u32 = 1;
const MAGIC: &[u8; 8] = b"LBSEGMNT";
const USED: usize = 56;
const CRC_AT: usize = 12;

const _: () = assert!(HEADER.is_multiple_of(super::frame::ALIGNMENT) && USED <= HEADER);

/// The random name of one run of a process.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Instance(pub [u8; 16]);

impl fmt::Display for Instance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Instance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Instance({self})")
    }
}

impl Instance {
    /// The name in 32 hex digits.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; 16];
        hex::decode_to_slice(text, &mut bytes).ok()?;
        Some(Self(bytes))
    }
}

/// Which segment: its place in the log, and the salt of its checksums.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::spool) struct Name {
    /// The order of segments.
    pub(in crate::spool) ordinal: u64,
    /// Random.
    pub(in crate::spool) salt: u64,
}

impl Name {
    /// The file with its index.
    pub(in crate::spool) fn index(&self) -> String {
        format!("{:010}-{:016x}.index", self.ordinal, self.salt)
    }

    /// The segment that an index file belongs to.
    pub(in crate::spool) fn of_index(file: &str) -> Option<Self> {
        let name = Self::parse_stem(file.strip_suffix(".index")?)?;
        (name.index() == file).then_some(name)
    }

    fn parse_stem(stem: &str) -> Option<Self> {
        let (ordinal, salt) = stem.split_once('-')?;
        Some(Self {
            ordinal: ordinal.parse().ok()?,
            salt: u64::from_str_radix(salt, 16).ok()?,
        })
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:010}-{:016x}.segment", self.ordinal, self.salt)
    }
}

impl FromStr for Name {
    type Err = ();

    fn from_str(file: &str) -> Result<Self, ()> {
        let name = Self::parse_stem(file.strip_suffix(".segment").ok_or(())?).ok_or(())?;
        // One spelling per name.
        (name.to_string() == file).then_some(name).ok_or(())
    }
}

/// What the first block says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::spool) struct Header {
    /// As in the name.
    pub(in crate::spool) name: Name,
    /// The first record. Everything before it was durable when this was written.
    pub(in crate::spool) first_seq: Seq,
    /// The run that wrote it.
    pub(in crate::spool) instance: Instance,
}

/// What a first block turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::spool) enum Block {
    /// A valid header.
    Header(Header),
    /// All zeros: nothing was written.
    Unused,
    /// Damaged, or of another segment.
    Bad,
    /// Valid, of a later format.
    Newer(u32),
}

impl Header {
    /// The whole block.
    pub(in crate::spool) fn encode(&self, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&self.name.salt.to_le_bytes());
        out.extend_from_slice(&self.name.ordinal.to_le_bytes());
        out.extend_from_slice(&self.first_seq.0.to_le_bytes());
        out.extend_from_slice(&self.instance.0);
        pad(out, start + HEADER);
        let crc = out.get(start..).map_or(0, checksum);
        if let Some(place) = out.get_mut(start + CRC_AT..start + CRC_AT + 4) {
            place.copy_from_slice(&crc.to_le_bytes());
        }
    }

    /// Reads the first block of the segment with this name.
    pub(in crate::spool) fn decode(name: Name, bytes: &[u8]) -> Block {
        let Some((block, _)) = bytes.split_at_checked(HEADER) else {
            return Block::Bad;
        };
        if written(block) == 0 {
            return Block::Unused;
        }
        parse(name, block).unwrap_or(Block::Bad)
    }
}

fn parse(name: Name, block: &[u8]) -> Option<Block> {
    let (magic, rest) = block.split_first_chunk::<8>()?;
    let (version, rest) = rest.split_first_chunk::<4>()?;
    let (crc, rest) = rest.split_first_chunk::<4>()?;
    if magic != MAGIC || checksum(block) != u32::from_le_bytes(*crc) {
        return None;
    }
    let version = u32::from_le_bytes(*version);
    if version != VERSION {
        return Some(Block::Newer(version));
    }
    let (salt, rest) = rest.split_first_chunk::<8>()?;
    let (ordinal, rest) = rest.split_first_chunk::<8>()?;
    let (first_seq, rest) = rest.split_first_chunk::<8>()?;
    let (instance, _) = rest.split_first_chunk::<16>()?;
    let header = Header {
        name: Name {
            ordinal: u64::from_le_bytes(*ordinal),
            salt: u64::from_le_bytes(*salt),
        },
        first_seq: Seq(u64::from_le_bytes(*first_seq)),
        instance: Instance(*instance),
    };
    (header.name == name).then_some(Block::Header(header))
}

fn checksum(block: &[u8]) -> u32 {
    let (before, rest) = block.split_at_checked(CRC_AT).unwrap_or_default();
    let after = rest.get(4..).unwrap_or_default();
    crc32c::crc32c_append(crc32c::crc32c(before), after)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: Name = Name {
        ordinal: 7,
        salt: 0x9f86_d081_884c_7d65,
    };

    #[test]
    fn a_name_has_one_spelling() {
        let text = "0000000007-9f86d081884c7d65.segment";
        assert_eq!(NAME.to_string(), text);
        assert_eq!(text.parse(), Ok(NAME));
        assert_eq!(Name::of_index(&NAME.index()), Some(NAME));
        for other in [
            "7-9f86d081884c7d65.segment",
            "+000000007-9f86d081884c7d65.segment",
            "0000000007-9F86D081884C7D65.segment",
            "0000000007-9f86d081884c7d65.index",
            "0000000007.segment",
        ] {
            assert_eq!(other.parse::<Name>(), Err(()), "{other}");
        }
    }

    #[test]
    fn the_bytes_on_disk_are_those_of_the_picture() {
        let header = Header {
            name: NAME,
            first_seq: Seq(42),
            instance: Instance(*b"0123456789abcdef"),
        };
        let mut bytes = Vec::new();
        header.encode(&mut bytes);
        let golden = "4c425345474d4e54 01000000 9acdc99a 657d4c8881d0869f 0700000000000000 \
                      2a00000000000000 30313233343536373839616263646566";
        assert_eq!(hex::encode(&bytes[..USED]), golden.replace(' ', ""));
        assert_eq!(bytes[USED..], [0; HEADER - USED]);
    }

    #[test]
    fn every_flip_in_a_header_is_caught() {
        let header = Header {
            name: NAME,
            first_seq: Seq(42),
            instance: Instance([3; 16]),
        };
        let mut bytes = Vec::new();
        header.encode(&mut bytes);
        assert_eq!(bytes.len(), HEADER);
        assert_eq!(Header::decode(NAME, &bytes), Block::Header(header));
        assert_eq!(Header::decode(NAME, &[0; HEADER]), Block::Unused);
        assert_eq!(Header::decode(NAME, &bytes[..100]), Block::Bad);
        let other = Name { salt: 1, ..NAME };
        assert_eq!(Header::decode(other, &bytes), Block::Bad);
        for bit in 0..HEADER * 8 {
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Header::decode(NAME, &bytes), Block::Bad, "bit {bit}");
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
    }

    #[test]
    fn a_later_format_is_told_from_damage() {
        let mut bytes = Vec::new();
        let header = Header {
            name: NAME,
            first_seq: Seq(42),
            instance: Instance([3; 16]),
        };
        header.encode(&mut bytes);
        bytes[8] = 2;
        let crc = checksum(&bytes);
        bytes[CRC_AT..CRC_AT + 4].copy_from_slice(&crc.to_le_bytes());
        assert_eq!(Header::decode(NAME, &bytes), Block::Newer(2));
    }
}

//! Reading the frames of one segment, in order, in large pieces.

use super::super::{
    disk::{Dir, ReadDisk, ReadFile},
    envelope,
    frame::{self, Decoded},
    index::Entry,
    record::Record,
    segment::Name,
};
use super::disk::ReadOnly;
use std::io;

/// Bytes read at once.
const CHUNK: usize = 1 << 20;

/// An open segment.
pub(super) struct Frames {
    name: Name,
    file: Box<dyn ReadFile>,
    chunk: Vec<u8>,
    at: u64,
}

/// What is where an entry points.
pub(super) enum Found {
    /// The record.
    Record(Box<Record>),
    /// Something else: damage.
    Corrupt,
    /// A record of a later release.
    Newer(String),
}

impl Frames {
    /// None: the segment is gone.
    pub(super) fn open(disk: &ReadOnly, name: Name) -> io::Result<Option<Self>> {
        match disk.open(Dir::Root, &name.to_string()) {
            Ok(file) => Ok(Some(Self {
                name,
                file,
                chunk: Vec::new(),
                at: 0,
            })),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// Reads and checks the frame that an entry points to.
    pub(super) fn read(&mut self, entry: &Entry) -> io::Result<Found> {
        let salt = self.name.salt;
        let bytes = self.bytes(entry)?;
        let Decoded::Record { head, payload, .. } = frame::decode(salt, bytes) else {
            return Ok(Found::Corrupt);
        };
        if head.seq != entry.seq || head.ce_id != entry.ce_id {
            return Ok(Found::Corrupt);
        }
        Ok(
            match envelope::decode(payload).and_then(|parts| parts.to_envelope()) {
                Ok(envelope) => Found::Record(Box::new(Record {
                    seq: head.seq,
                    ce_id: head.ce_id,
                    accepted_at: head.accepted_at,
                    envelope,
                })),
                Err(why) => Found::Newer(why.to_string()),
            },
        )
    }

    fn bytes(&mut self, entry: &Entry) -> io::Result<&[u8]> {
        let size = entry.size as usize;
        if entry.offset < self.at || entry.end() > self.at + self.chunk.len() as u64 {
            self.chunk.resize(CHUNK.max(size), 0);
            self.at = entry.offset;
            let read = self.file.read_at(&mut self.chunk, self.at);
            self.chunk.truncate(*read.as_ref().unwrap_or(&0));
            read?;
        }
        let start = usize::try_from(entry.offset - self.at).unwrap_or(usize::MAX);
        let rest = self.chunk.get(start..).unwrap_or_default();
        Ok(rest.get(..size).unwrap_or(rest))
    }
}

//! Copies of damaged ranges, under `corrupt/`: for people to look at, never read by the relay, never more than a limit.

use super::{
    disk::{Dir, Disk, write_whole},
    segment::Name,
};
use std::{
    io,
    sync::atomic::{AtomicU64, Ordering},
};

/// The most bytes kept; what is found beyond it is only counted.
const BYTES_MAX: u64 = 64 << 20;

/// The bytes that this run has put there.
#[derive(Debug, Default)]
pub(in crate::spool) struct CorruptStore {
    put: AtomicU64,
}

impl CorruptStore {
    /// Keeps a copy of bytes that were found at `offset` of a segment. Putting the same again changes nothing.
    pub(in crate::spool) fn put(
        &self,
        disk: &dyn Disk,
        name: Name,
        offset: u64,
        bytes: &[u8],
    ) -> io::Result<()> {
        let file = format!("{:010}-{:016x}-{offset:012}.bytes", name.ordinal, name.salt);
        if disk.list(Dir::Corrupt)?.contains(&file) {
            return Ok(());
        }
        let more = bytes.len() as u64;
        if self.put.fetch_add(more, Ordering::Relaxed) + more > BYTES_MAX {
            self.put.fetch_sub(more, Ordering::Relaxed);
            return Err(io::Error::new(
                io::ErrorKind::QuotaExceeded,
                format!("corrupt/ took {BYTES_MAX} bytes in this run already"),
            ));
        }
        write_whole(disk, Dir::Corrupt, &file, &[bytes])
    }
}

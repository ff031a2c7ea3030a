//! What the disk can do: the same bytes, nobody to wait for and nobody to tell.

use crate::{Fallible, clients::Measured, group::Store, peers::BareFile, spool::FRAME};
use std::{
    path::Path,
    time::{Duration, Instant},
};

/// `batch` records a write, each write synced.
pub fn measure(dir: &Path, batch: usize, time: Duration) -> Fallible<Measured> {
    let mut file = BareFile::open(dir)?;
    let bytes = vec![0x5a; batch * FRAME];
    let begin = Instant::now();
    let mut took = Vec::new();
    while begin.elapsed() < time {
        let start = Instant::now();
        file.write(&bytes)?;
        took.push(start.elapsed());
    }
    let syncs = took.len() as u64;
    Ok(Measured::of(took, batch, begin.elapsed(), syncs))
}

//! What a spool would find in a place, whether there is one yet or not: for whoever checks settings.

use super::{disk::Space, fullness, segment::Name};
use bytesize::ByteSize;
use rustix::fs::{Access, AtFlags, CWD, accessat};
use std::{
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

/// Why a spool with this limit might not do well here, as sentences.
#[must_use]
pub fn doubts(dir: &Path, max_bytes: u64) -> Vec<String> {
    let place = existing(dir);
    let looked = room_in(dir, &place, max_bytes);
    let room = match looked {
        Ok(room) if room < max_bytes / 10 * 9 => {
            let size = |bytes| ByteSize(bytes).display().iec();
            Some(format!(
                "the volume of {} has room for {} of spool.max_bytes ({}): the spool will be full before it reaches its limit",
                dir.display(),
                size(room),
                size(max_bytes)
            ))
        }
        Ok(_) => None,
        Err(e) => Some(format!("{}: {e}", dir.display())),
    };
    let writing = accessat(
        CWD,
        &place,
        Access::WRITE_OK | Access::EXEC_OK,
        AtFlags::EACCESS,
    );
    let denied = writing.is_err().then(|| {
        format!(
            "{} can't be written by uid {}, as which this check runs; it belongs to uid {}",
            place.display(),
            rustix::process::geteuid().as_raw(),
            fs::metadata(&place).map_or(0, |found| found.uid())
        )
    });
    room.into_iter().chain(denied).collect()
}

/// The directory, or that in which it would be made.
fn existing(dir: &Path) -> PathBuf {
    let absolute = std::path::absolute(dir).unwrap_or_else(|_| dir.into());
    let mut above = absolute.ancestors();
    let found = above.find(|place| place.is_dir());
    found.unwrap_or(Path::new("/")).into()
}

fn room_in(dir: &Path, place: &Path, max_bytes: u64) -> io::Result<u64> {
    let found = rustix::fs::statvfs(place)?;
    let space = Space::of(&found);
    Ok(fullness::room(max_bytes, 0, segments(dir)?, space))
}

/// Bytes of the segments that are there: settled or not, they are the spool's already.
fn segments(dir: &Path) -> io::Result<u64> {
    let entries = match fs::read_dir(dir) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(0),
        other => other?,
    };
    let mut bytes = 0;
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        if name
            .to_str()
            .is_some_and(|name| name.parse::<Name>().is_ok())
        {
            match entry.metadata() {
                Ok(found) => bytes += found.len(),
                // A relay that runs has just removed it.
                Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                Err(e) => return Err(e),
            }
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_that_the_volume_cannot_hold_is_told_also_before_the_directory_is_there() {
        let dir = tempfile::tempdir().unwrap();
        let spool = dir.path().join("not/yet");
        assert_eq!(doubts(&spool, 1 << 20), [""; 0]);
        let told = doubts(&spool, 1 << 62);
        assert!(
            told.len() == 1 && told[0].contains("spool.max_bytes (4"),
            "{told:?}"
        );
        assert!(!dir.path().join("not").exists(), "it only looks");
    }
}

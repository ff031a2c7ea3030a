//! Everything the spool asks of a disk: few verbs over one directory with two subdirectories, so that a fake one that
//! forgets what was not synced, and fails any chosen call, fits on a page. All IO of the spool goes through here,
//! but for the lock, and a look at a volume that may have no spool yet.

use crate::owner;
use rustix::fs::{Advice, StatVfs};
use std::{
    fs::{self, File},
    io,
    os::unix::fs::{DirBuilderExt, FileExt},
    path::{Path, PathBuf},
};

/// The directories of a spool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::spool) enum Dir {
    /// Segments, indices, the checkpoint, the identity.
    Root,
    /// Copies of damaged ranges, for people to look at.
    Corrupt,
    /// Records that can't be published.
    Quarantine,
}

impl Dir {
    pub(in crate::spool) const fn subdirectory(self) -> &'static str {
        match self {
            Self::Root => "",
            Self::Corrupt => "corrupt",
            Self::Quarantine => "quarantine",
        }
    }
}

/// What is left on the filesystem.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::spool) struct Space {
    /// Bytes that we may still use.
    pub(in crate::spool) free: u64,
    /// Bytes of the whole filesystem.
    pub(in crate::spool) total: u64,
}

/// The verbs that change nothing.
pub(in crate::spool) trait ReadDisk: Send + Sync {
    /// The names of the files in a directory, unsorted.
    fn list(&self, dir: Dir) -> io::Result<Vec<String>>;
    /// An existing file, to read.
    fn open(&self, dir: Dir, name: &str) -> io::Result<Box<dyn ReadFile>>;
    /// The length of a file in bytes, without opening it.
    fn size(&self, dir: Dir, name: &str) -> io::Result<u64>;
}

/// All verbs. Only [`Disk::sync_dir`] makes creations, renames and removals survive a power cut.
pub(in crate::spool) trait Disk: ReadDisk {
    /// A new, empty file; an error if there is one of that name.
    fn create(&self, dir: Dir, name: &str) -> io::Result<Box<dyn DiskFile>>;
    /// An existing file, to read and write.
    fn open_to_write(&self, dir: Dir, name: &str) -> io::Result<Box<dyn DiskFile>>;
    /// Gives a file another name, replacing what has it.
    fn rename(&self, dir: Dir, from: &str, to: &str) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, dir: Dir, name: &str) -> io::Result<()>;
    /// Makes what was done to the names in a directory durable.
    fn sync_dir(&self, dir: Dir) -> io::Result<()>;
    /// Space on the filesystem.
    fn space(&self) -> io::Result<Space>;
    /// Tells the system that nobody is about to read a file: it may use the memory that it keeps its bytes in.
    fn uncache(&self, _dir: Dir, _name: &str) -> io::Result<()> {
        Ok(())
    }
    /// Fills with random bytes, for names and salts: the machine's, but for a simulation that is to be replayed.
    fn random(&self, bytes: &mut [u8]) -> io::Result<()> {
        getrandom::fill(bytes).map_err(io::Error::other)
    }
}

/// An open file, read at given places.
pub(in crate::spool) trait ReadFile: Send + Sync {
    /// Reads some bytes; fewer than asked for only at the end of the file.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;
    /// The length in bytes.
    fn len(&self) -> io::Result<u64>;
}

/// One that is written to as well.
pub(in crate::spool) trait DiskFile: ReadFile {
    /// Writes all bytes.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;
    /// Makes content and length durable.
    fn sync_data(&self) -> io::Result<()>;
}

/// Whether a place on the disk can't be read, as opposed to a fault of ours or of the system's.
pub(in crate::spool) fn is_unreadable(error: &io::Error) -> bool {
    error.raw_os_error() == Some(rustix::io::Errno::IO.raw_os_error())
}

/// Reads a whole file of at most `max` bytes.
pub(in crate::spool) fn read_all(
    disk: &dyn ReadDisk,
    dir: Dir,
    name: &str,
    max: u64,
) -> io::Result<Vec<u8>> {
    let file = disk.open(dir, name)?;
    let len = file.len()?;
    if len > max {
        let text = format!("{name} has {len} bytes, more than the {max} that it can have");
        return Err(io::Error::new(io::ErrorKind::InvalidData, text));
    }
    let mut bytes = vec![0; usize::try_from(len).unwrap_or(usize::MAX)];
    let read = file.read_at(&mut bytes, 0)?;
    bytes.truncate(read);
    Ok(bytes)
}

/// Puts a whole file in place so that a crash leaves either none, the old or the new one: temporary name, sync, rename, sync of
/// the directory.
pub(in crate::spool) fn write_whole(
    disk: &dyn Disk,
    dir: Dir,
    name: &str,
    parts: &[&[u8]],
) -> io::Result<()> {
    let temporary = format!("{name}.tmp");
    let write = || -> io::Result<()> {
        let file = match disk.create(dir, &temporary) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
                disk.remove(dir, &temporary)?;
                disk.create(dir, &temporary)?
            }
            other => other?,
        };
        let mut offset = 0;
        for part in parts {
            file.write_at(part, offset)?;
            offset += part.len() as u64;
        }
        file.sync_data()?;
        disk.rename(dir, &temporary, name)
    };
    if let Err(e) = write() {
        // Best effort: what is left of it is removed at the next start.
        let _ = disk.remove(dir, &temporary);
        return Err(e);
    }
    disk.sync_dir(dir)
}

impl Space {
    pub(in crate::spool) const fn of(found: &StatVfs) -> Self {
        Self {
            free: found.f_bavail.saturating_mul(found.f_frsize),
            total: found.f_blocks.saturating_mul(found.f_frsize),
        }
    }
}

/// A real directory.
#[derive(Debug)]
pub(in crate::spool) struct RealDisk {
    root: PathBuf,
}

impl RealDisk {
    /// Makes the directories if they aren't there, for us alone (0700).
    pub(in crate::spool) fn new(root: &Path) -> io::Result<Self> {
        let disk = Self { root: root.into() };
        let mut all_above = fs::DirBuilder::new();
        all_above.recursive(true).mode(0o700).create(root)?;
        for dir in [Dir::Corrupt, Dir::Quarantine] {
            owner::make_directory(&disk.directory(dir))?;
        }
        if let Some(parent) = root.canonicalize()?.parent() {
            // Best effort: the directory above may not be ours to open.
            let _ = File::open(parent).and_then(|above| above.sync_all());
        }
        disk.sync_dir(Dir::Root)?;
        Ok(disk)
    }

    fn directory(&self, dir: Dir) -> PathBuf {
        self.root.join(dir.subdirectory())
    }

    fn path(&self, dir: Dir, name: &str) -> PathBuf {
        self.directory(dir).join(name)
    }
}

impl ReadDisk for RealDisk {
    fn list(&self, dir: Dir) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(self.directory(dir))? {
            let entry = entry?;
            if entry.file_type()?.is_file()
                && let Ok(name) = entry.file_name().into_string()
            {
                names.push(name);
            }
        }
        Ok(names)
    }

    fn open(&self, dir: Dir, name: &str) -> io::Result<Box<dyn ReadFile>> {
        Ok(Box::new(File::open(self.path(dir, name))?))
    }

    fn size(&self, dir: Dir, name: &str) -> io::Result<u64> {
        Ok(fs::metadata(self.path(dir, name))?.len())
    }
}

impl Disk for RealDisk {
    fn create(&self, dir: Dir, name: &str) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(owner::make(&self.path(dir, name))?))
    }

    fn open_to_write(&self, dir: Dir, name: &str) -> io::Result<Box<dyn DiskFile>> {
        let file = owner::through_no_link().open(self.path(dir, name))?;
        Ok(Box::new(file))
    }

    fn rename(&self, dir: Dir, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.path(dir, from), self.path(dir, to))
    }

    fn remove(&self, dir: Dir, name: &str) -> io::Result<()> {
        fs::remove_file(self.path(dir, name))
    }

    fn sync_dir(&self, dir: Dir) -> io::Result<()> {
        File::open(self.directory(dir))?.sync_all()
    }

    fn uncache(&self, dir: Dir, name: &str) -> io::Result<()> {
        let file = File::open(self.path(dir, name))?;
        Ok(rustix::fs::fadvise(&file, 0, None, Advice::DontNeed)?)
    }

    fn space(&self) -> io::Result<Space> {
        Ok(Space::of(&rustix::fs::statvfs(&self.root)?))
    }
}

impl ReadFile for File {
    fn read_at(&self, mut buffer: &mut [u8], mut offset: u64) -> io::Result<usize> {
        let wanted = buffer.len();
        while !buffer.is_empty() {
            match FileExt::read_at(self, buffer, offset) {
                Ok(0) => break,
                Ok(read) => {
                    offset += read as u64;
                    buffer = buffer.get_mut(read..).unwrap_or_default();
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(wanted - buffer.len())
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }
}

impl DiskFile for File {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.write_all_at(bytes, offset)
    }

    fn sync_data(&self) -> io::Result<()> {
        Self::sync_data(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn directories_and_files_are_for_us_alone() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("a/spool");
        let disk = RealDisk::new(&root).unwrap();
        disk.create(Dir::Corrupt, "x").unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&root), 0o700);
        assert_eq!(mode(&root.join("corrupt")), 0o700);
        assert_eq!(mode(&root.join("corrupt/x")), 0o600);
    }

    #[test]
    fn a_whole_file_replaces_the_old_one_and_leaves_no_other() {
        let dir = tempfile::tempdir().unwrap();
        let disk = RealDisk::new(dir.path()).unwrap();
        for content in [&b"one"[..], b"two"] {
            write_whole(&disk, Dir::Root, "f", &[content]).unwrap();
            assert_eq!(read_all(&disk, Dir::Root, "f", 3).unwrap(), content);
        }
        assert_eq!(disk.list(Dir::Root).unwrap(), ["f"]);
        assert!(read_all(&disk, Dir::Root, "f", 2).is_err());
    }
}

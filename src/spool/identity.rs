//! Who a spool is and who has it: its random name, made with it; the lock that one process holds for life; the
//! random name of a run.

use super::{
    disk::{Dir, Disk, read_all, write_whole},
    segment::Instance,
};
use std::{
    fs::{File, OpenOptions, TryLockError},
    io,
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

const NAME: &str = "spool-id";

/// The lock, held until dropped or until the process ends.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock of the spool in this directory; none if another process has it.
    ///
    /// # Errors
    /// If there is no such directory, or it isn't ours to write.
    pub fn take(dir: &Path) -> io::Result<Option<Self>> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(dir.join("lock"))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self { _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(e)) => Err(e),
        }
    }
}

/// 16 random bytes.
fn random(disk: &dyn Disk) -> io::Result<[u8; 16]> {
    let mut bytes = [0; 16];
    disk.random(&mut bytes)?;
    Ok(bytes)
}

/// A name for this run.
pub(in crate::spool) fn new_instance(disk: &dyn Disk) -> io::Result<Instance> {
    random(disk).map(Instance)
}

/// A salt for a segment.
pub(in crate::spool) fn new_salt(disk: &dyn Disk) -> io::Result<u64> {
    let mut bytes = [0; 8];
    disk.random(&mut bytes)?;
    Ok(u64::from_le_bytes(bytes))
}

/// The spool's name, 32 hex digits; made if there is none yet.
pub(in crate::spool) fn spool_id(disk: &dyn Disk) -> io::Result<String> {
    let id = match read_all(disk, Dir::Root, NAME, 4096) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).trim().to_owned(),
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            let id = hex::encode(random(disk)?);
            write_whole(disk, Dir::Root, NAME, &[id.as_bytes(), b"\n"])?;
            id
        }
        Err(e) => return Err(e),
    };
    let valid = id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit());
    if valid {
        Ok(id)
    } else {
        let text = format!(
            "the file {NAME} doesn't hold 32 hex digits: put the spool's id back, or remove the file to get a new one"
        );
        Err(io::Error::new(io::ErrorKind::InvalidData, text))
    }
}

#[cfg(test)]
mod tests {
    use super::super::disk::RealDisk;
    use super::*;

    #[test]
    fn a_spool_keeps_its_name_and_a_run_gets_a_new_one() {
        let dir = tempfile::tempdir().unwrap();
        let disk = RealDisk::new(dir.path()).unwrap();
        let id = spool_id(&disk).unwrap();
        assert_eq!((id.len(), spool_id(&disk).unwrap()), (32, id.clone()));
        assert_ne!(new_instance(&disk).unwrap(), new_instance(&disk).unwrap());
    }

    #[test]
    fn s1_1_one_holder_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let first = Lock::take(dir.path()).unwrap();
        assert!(first.is_some());
        assert!(Lock::take(dir.path()).unwrap().is_none());
        drop(first);
        assert!(Lock::take(dir.path()).unwrap().is_some());
    }
}

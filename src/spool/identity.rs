//! Who a spool is and who has it: its random name, made with it; the lock that one process holds for life; the
//! random name of a run.

use super::{
    checkpoint::Checkpoint,
    disk::{Dir, Disk, RealDisk, read_all, write_whole},
    lineage, look,
    outlet::Settled,
    segment::Instance,
};
use crate::{callback::names::Family, owner};
use std::{
    fs::{File, TryLockError},
    io,
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
        let file = owner::open_or_make(&dir.join("lock"))?;
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

/// A spool that had stood down and has a name of its own now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Adopted {
    /// The name that it shares no more.
    pub before: String,
    /// Its name from now on.
    pub now: String,
    /// The run that it had stood down for.
    pub rival: String,
}

/// Gives a spool that has stood down a new name, so that the next run publishes what it alone holds; or `all` that it didn't
/// publish itself, whoever else holds it.
///
/// # Errors
/// In words: if there is no spool that has stood down, a process has it, or the disk fails. It may be called again.
pub fn adopt(dir: &Path, all: bool) -> Result<Adopted, String> {
    let shown = dir.display();
    look::find(dir).map_err(|e| e.to_string())?;
    let failed = |e: io::Error| format!("the spool {shown}: {e}");
    let _lock = Lock::take(dir).map_err(failed)?.ok_or_else(|| {
        format!("the spool {shown} is in use: stop the relay that has it, then adopt it")
    })?;
    let disk = RealDisk::new(dir).map_err(failed)?;
    let before = spool_id(&disk).map_err(failed)?;
    let Some(stood_down) = lineage::stood_down(&disk).map_err(failed)? else {
        return Err(format!(
            "the spool {shown} has not stood down: there is nothing to adopt, start `serve`"
        ));
    };
    let now = hex::encode(random(&disk).map_err(failed)?);
    // First the name: with the old one it must not go on.
    write_whole(&disk, Dir::Root, NAME, &[now.as_bytes(), b"\n"]).map_err(failed)?;
    if !all {
        leave_to_the_other(&disk, &stood_down.covered)
            .map_err(|why| format!("the spool {shown}: {why}"))?;
    }
    lineage::stand_up(&disk).map_err(failed)?;
    let rival = stood_down.rival;
    Ok(Adopted { before, now, rival })
}

/// What the run has that this spool stood down for counts as settled from now on.
fn leave_to_the_other(disk: &dyn Disk, covered: &Settled) -> Result<(), String> {
    let (mut checkpoint, found) = Checkpoint::open(disk).map_err(|e| e.to_string())?;
    if found.is_lost() {
        return Err("its checkpoint is damaged or gone: `livebridge serve` mends it and goes on standing down; then adopt it".into());
    }
    let mut settled = checkpoint.settled();
    for family in Family::ALL {
        settled.advance(*family, covered.of(*family));
    }
    // All of it was durable when this spool stood down.
    let durable = settled.most();
    checkpoint
        .store(&settled, durable)
        .map_err(|e| e.to_string())
}

#[cfg(test)]
mod tests {
    use super::super::record::Seq;
    use super::*;

    #[test]
    fn only_a_spool_that_has_stood_down_and_is_at_rest_is_adopted() {
        let dir = tempfile::tempdir().unwrap();
        assert!(adopt(dir.path(), false).unwrap_err().contains("no spool"));
        let disk = RealDisk::new(dir.path()).unwrap();
        let before = spool_id(&disk).unwrap();
        assert!(
            adopt(dir.path(), false)
                .unwrap_err()
                .contains("not stood down")
        );
        let mut covered = Settled::default();
        covered.advance(Family::Recording, Seq(7));
        covered.advance(Family::Stream, Seq(9));
        let (mut checkpoint, _) = Checkpoint::open(&disk).unwrap();
        let mut settled = Settled::default();
        settled.advance(Family::Recording, Seq(8));
        checkpoint.store(&settled, Seq(20)).unwrap();
        lineage::stand_down(&disk, Instance([7; 16]), &covered).unwrap();
        let lock = Lock::take(dir.path()).unwrap();
        assert!(adopt(dir.path(), false).unwrap_err().contains("in use"));
        drop(lock);
        let adopted = adopt(dir.path(), false).unwrap();
        assert_eq!(adopted.before, before);
        assert_ne!(adopted.now, before);
        assert_eq!(spool_id(&disk).unwrap(), adopted.now);
        assert_eq!(lineage::stood_down(&disk).unwrap(), None);
        // What the other one has is settled now, and what was settled stays so.
        let (checkpoint, _) = Checkpoint::open(&disk).unwrap();
        let settled = checkpoint.settled();
        let of = |family| settled.of(family).0;
        assert_eq!((of(Family::Recording), of(Family::Stream)), (8, 9));
        assert_eq!(of(Family::Screenshot), 0);
        drop(checkpoint);
        covered.advance(Family::Screenshot, Seq(15));
        lineage::stand_down(&disk, Instance([8; 16]), &covered).unwrap();
        adopt(dir.path(), true).unwrap();
        let (checkpoint, _) = Checkpoint::open(&disk).unwrap();
        assert_eq!(checkpoint.settled(), settled, "all but that");
    }

    #[test]
    fn a_spool_keeps_its_name_and_a_run_gets_a_new_one() {
        let dir = tempfile::tempdir().unwrap();
        let disk = RealDisk::new(dir.path()).unwrap();
        let id = spool_id(&disk).unwrap();
        assert_eq!((id.len(), spool_id(&disk).unwrap()), (32, id.clone()));
        assert_ne!(new_instance(&disk).unwrap(), new_instance(&disk).unwrap());
    }

    #[test]
    fn one_holder_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let first = Lock::take(dir.path()).unwrap();
        assert!(first.is_some());
        assert!(Lock::take(dir.path()).unwrap().is_none());
        drop(first);
        assert!(Lock::take(dir.path()).unwrap().is_some());
    }
}

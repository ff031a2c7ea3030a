//! The quarantine from outside: what is in it, and taking a record out once it is elsewhere.
//!
//! Nothing here changes a file but [`Shelf::remove`], which syncs: a record is removed only after whoever has it now said so.

use super::super::{
    disk::{Dir, ReadDisk, read_all},
    opened::StatusSource,
    quarantine::{self, Quarantined},
    record::{CeId, Envelope, Record, Seq},
};
use super::{LookError, disk::ReadOnly};
use crate::{
    callback::names::{Family, SourceName},
    clock::Millis,
};
use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

/// No record is larger: a body and its first line.
const BYTES_MAX: u64 = 128 << 20;

/// The quarantine of one spool.
#[derive(Debug)]
pub struct Shelf {
    root: PathBuf,
    disk: ReadOnly,
    /// The running relay's count, if it is this process.
    bytes: Option<Arc<AtomicU64>>,
}

/// A file in it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The record's number.
    pub seq: u64,
    file: String,
}

/// Why a file in the quarantine can't be used.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// The disk; or somebody removed it.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// Not written by this program, or damaged.
    #[error("its first line doesn't describe a record: {0}")]
    Form(String),
}

impl Shelf {
    /// Of the spool in this directory.
    ///
    /// # Errors
    /// If there is no spool.
    pub fn of(dir: &Path) -> Result<Self, LookError> {
        super::find(dir)?;
        Ok(Self {
            root: dir.into(),
            disk: ReadOnly::new(dir),
            bytes: None,
        })
    }

    /// What is taken out counts for the running spool at once.
    #[must_use]
    pub fn counted_by(self, spool: &StatusSource) -> Self {
        Self {
            bytes: Some(Arc::clone(&spool.quarantine_bytes)),
            ..self
        }
    }

    /// What is there, by number.
    ///
    /// # Errors
    /// If the directory can't be read.
    pub fn list(&self) -> io::Result<Vec<Place>> {
        list(&self.disk)
    }

    /// One record: what is known about it, and the record itself.
    ///
    /// # Errors
    /// If it can't be read, or isn't one.
    pub fn read(&self, place: &Place) -> Result<(Quarantined, Record), Unreadable> {
        let bytes = read_all(&self.disk, Dir::Quarantine, &place.file, BYTES_MAX)?;
        let end = bytes.iter().position(|byte| *byte == b'\n');
        let (line, body) = end
            .and_then(|end| bytes.split_at_checked(end + 1))
            .ok_or_else(|| Unreadable::Form("it has no first line".into()))?;
        let about: Quarantined =
            serde_json::from_slice(line).map_err(|e| Unreadable::Form(e.to_string()))?;
        let record = record(&about, body).map_err(Unreadable::Form)?;
        Ok((about, record))
    }

    /// Takes a record out for good: removed, and the directory synced. One that is gone already is no error.
    ///
    /// # Errors
    /// If the disk fails.
    pub fn remove(&self, place: &Place) -> io::Result<()> {
        let directory = self.root.join(Dir::Quarantine.subdirectory());
        let path = directory.join(&place.file);
        let len = fs::metadata(&path).map_or(0, |file| file.len());
        match fs::remove_file(path) {
            Ok(()) => {
                if let Some(bytes) = &self.bytes {
                    let less = |held: u64| Some(held.saturating_sub(len));
                    let _ = bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
                }
            }
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
            Err(_) => {}
        }
        File::open(directory)?.sync_all()
    }
}

fn record(about: &Quarantined, body: &[u8]) -> Result<Record, String> {
    let mut ce_id = [0; 16];
    hex::decode_to_slice(&about.ce_id, &mut ce_id).map_err(|e| format!("ce_id: {e}"))?;
    let family = Family::ALL
        .iter()
        .find(|family| family.key() == about.family);
    Ok(Record {
        seq: Seq(about.seq),
        ce_id: CeId(ce_id),
        accepted_at: Millis(about.accepted_at),
        envelope: Envelope {
            source: SourceName::parse(&about.source).map_err(|e| e.to_string())?,
            family: *family.ok_or_else(|| format!("no family is called {:?}", about.family))?,
            received_at: Millis(about.received_at),
            traceparent: about.traceparent.as_deref().map(Into::into),
            body: body.to_vec().into(),
        },
    })
}

fn list(disk: &ReadOnly) -> io::Result<Vec<Place>> {
    let place = |file: String| {
        let seq = quarantine::seq_of(&file)?;
        Some(Place { seq, file })
    };
    let files = disk.list(Dir::Quarantine)?;
    let mut places: Vec<_> = files.into_iter().filter_map(place).collect();
    places.sort_unstable();
    Ok(places)
}

/// The numbers of the records that are there, sorted.
pub(super) fn numbers(disk: &ReadOnly) -> io::Result<Vec<u64>> {
    Ok(list(disk)?.into_iter().map(|place| place.seq).collect())
}

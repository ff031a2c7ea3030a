//! The local quarantine: records that can't be published, one fsynced file each, below a limit of its own, swept by nobody but
//! an operator.
//!
//! ```text
//!  quarantine/00000000000000000042-33e0806ffc6202bba399b46e8f1f3d2a.record
//!             seq                  ce_id
//!
//!  {"seq":42,"ce_id":"33e0…","source":"tencent","family":"recording","received_at":…,"reason":"untypable",…}\n
//!  the body, byte for byte as received
//! ```

use super::{
    disk::{Dir, Disk, write_whole},
    outlet::{QuarantineError, Reason},
    record::Record,
};
use crate::clock::Millis;
use serde::{Deserialize, Serialize};
use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

const SUFFIX: &str = ".record";
/// At the limit, how often to look whether an operator has made room: there may be very many files.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

/// The first line of a quarantined record. Times are milliseconds since the epoch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quarantined {
    /// Its number in this spool.
    pub seq: u64,
    /// Its identity.
    pub ce_id: String,
    /// Who sent it.
    pub source: String,
    /// Its family's key.
    pub family: String,
    /// When its body was read.
    pub received_at: u64,
    /// When the writer took it.
    pub accepted_at: u64,
    /// The request's `traceparent`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
    /// Why it is here: the label in metrics.
    pub reason: String,
    /// What was wrong, for people.
    pub detail: String,
    /// The topic that it was meant for.
    pub topic: String,
    /// When it was put here.
    pub at: u64,
}

/// The store, with its size known.
pub(in crate::spool) struct Quarantine {
    /// Also taken from where records are taken out: see [`super::look::aside`].
    bytes: Arc<AtomicU64>,
    max_bytes: u64,
    /// When the files were last listed for room.
    listed_at: Option<Millis>,
}

impl Quarantine {
    /// Looks at what is there; its size then always stands in `bytes`.
    pub(in crate::spool) fn open(
        disk: &dyn Disk,
        max_bytes: u64,
        bytes: Arc<AtomicU64>,
    ) -> io::Result<Self> {
        for name in disk.list(Dir::Quarantine)? {
            if name.ends_with(".tmp") {
                disk.remove(Dir::Quarantine, &name)?;
            }
        }
        // What an earlier run renamed and didn't sync must not vanish any more.
        disk.sync_dir(Dir::Quarantine)?;
        let store = Self {
            bytes,
            max_bytes,
            listed_at: None,
        };
        store.recount(disk)?;
        Ok(store)
    }

    fn recount(&self, disk: &dyn Disk) -> io::Result<()> {
        let mut bytes = 0;
        for name in disk.list(Dir::Quarantine)? {
            if name.ends_with(SUFFIX) {
                bytes += match disk.size(Dir::Quarantine, &name) {
                    // An operator took it out just now.
                    Err(e) if e.kind() == io::ErrorKind::NotFound => 0,
                    size => size?,
                };
            }
        }
        self.bytes.store(bytes, Ordering::Relaxed);
        Ok(())
    }

    pub(in crate::spool) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// A clock that jumped back is no reason to wait for it.
    fn may_look(&self, now: Millis) -> bool {
        self.listed_at
            .is_none_or(|at| now < at || now.since(at) >= LOOK_AGAIN)
    }

    /// Puts a record aside, synced. A record that is there already stays as it is.
    pub(in crate::spool) fn put(
        &mut self,
        disk: &dyn Disk,
        record: &Record,
        reason: &Reason,
        now: Millis,
    ) -> Result<(), QuarantineError> {
        let name = format!("{:020}-{}{SUFFIX}", record.seq.0, record.ce_id);
        match disk.open(Dir::Quarantine, &name) {
            // Its name may be newer than the directory's last sync, if the one who put it here was killed.
            Ok(_) => return Ok(disk.sync_dir(Dir::Quarantine)?),
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) => return Err(e.into()),
        }
        let mut line =
            serde_json::to_vec(&describe(record, reason, now)).map_err(io::Error::from)?;
        line.push(b'\n');
        let more = (line.len() + record.envelope.body.len()) as u64;
        let fits = |store: &Self| store.bytes().saturating_add(more) <= store.max_bytes;
        if !fits(self) && self.may_look(now) {
            self.recount(disk)?;
            self.listed_at = Some(now);
        }
        if !fits(self) {
            return Err(QuarantineError::Full {
                bytes: self.bytes(),
                max_bytes: self.max_bytes,
            });
        }
        write_whole(
            disk,
            Dir::Quarantine,
            &name,
            &[&line, &record.envelope.body],
        )?;
        self.bytes.fetch_add(more, Ordering::Relaxed);
        Ok(())
    }
}

/// The number in a file's name; none if it is no record's file.
pub(in crate::spool) fn seq_of(file: &str) -> Option<u64> {
    let (seq, _) = file.strip_suffix(SUFFIX)?.split_once('-')?;
    seq.parse().ok()
}

pub(in crate::spool) fn describe(record: &Record, reason: &Reason, now: Millis) -> Quarantined {
    let envelope = &record.envelope;
    Quarantined {
        seq: record.seq.0,
        ce_id: record.ce_id.to_string(),
        source: envelope.source.as_str().to_owned(),
        family: envelope.family.key().to_owned(),
        received_at: envelope.received_at.0,
        accepted_at: record.accepted_at.0,
        traceparent: envelope.traceparent.as_deref().map(ToOwned::to_owned),
        reason: reason.label.to_owned(),
        detail: reason.detail.clone(),
        topic: reason.topic.clone(),
        at: now.0,
    }
}

#[cfg(test)]
mod tests {
    use super::super::{
        disk::{RealDisk, read_all},
        record::{CeId, Envelope, Seq},
    };
    use super::*;
    use crate::callback::names::{Family, SourceName};

    fn record(n: u64, body: &'static [u8]) -> Record {
        Record {
            seq: Seq(n),
            ce_id: CeId([7; 16]),
            accepted_at: Millis(2),
            envelope: Envelope {
                source: SourceName::parse("tencent").unwrap(),
                family: Family::Recording,
                received_at: Millis(1),
                traceparent: None,
                body: body.into(),
            },
        }
    }

    #[test]
    fn a_record_put_aside_is_there_once_whole_and_the_limit_holds() {
        let dir = tempfile::tempdir().unwrap();
        let disk = RealDisk::new(dir.path()).unwrap();
        let reason = Reason {
            label: "untypable",
            detail: "no event_type".into(),
            topic: "t".into(),
        };
        let mut store = Quarantine::open(&disk, 500, Arc::default()).unwrap();
        store
            .put(&disk, &record(42, b"{\"a\":\n1}"), &reason, Millis(3))
            .unwrap();
        let held = store.bytes();
        // Also after a restart.
        let mut store = Quarantine::open(&disk, 500, Arc::default()).unwrap();
        store
            .put(&disk, &record(42, b"{\"a\":\n1}"), &reason, Millis(9))
            .unwrap();
        assert_eq!((store.bytes(), held), (held, store.bytes()));
        let name = format!("{:020}-{}.record", 42, CeId([7; 16]));
        let bytes = read_all(&disk, Dir::Quarantine, &name, 1000).unwrap();
        let line = bytes.iter().position(|b| *b == b'\n').unwrap();
        let first: Quarantined = serde_json::from_slice(&bytes[..line]).unwrap();
        assert_eq!(
            (first.seq, first.reason.as_str(), first.at),
            (42, "untypable", 3)
        );
        assert_eq!(&bytes[line + 1..], b"{\"a\":\n1}");
        store
            .put(&disk, &record(43, b"{}"), &reason, Millis(3))
            .unwrap();
        let full = store.put(&disk, &record(44, b"{}"), &reason, Millis(3));
        assert!(
            matches!(full, Err(QuarantineError::Full { max_bytes: 500, .. })),
            "{full:?}"
        );
        // What an operator removes makes room, seen at the next look.
        disk.remove(Dir::Quarantine, &name).unwrap();
        let mut at = |now| store.put(&disk, &record(44, b"{}"), &reason, Millis(now));
        let full = at(60_002);
        assert!(
            matches!(full, Err(QuarantineError::Full { .. })),
            "the files are listed once a minute: {full:?}"
        );
        at(60_003).unwrap();
    }
}

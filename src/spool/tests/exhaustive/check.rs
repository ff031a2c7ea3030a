//! Recovering from what is left, and holding it against the promise.

use super::{
    super::{
        fake_disk::{FakeDisk, State},
        rig,
    },
    history::Promise,
};
use crate::{
    clock::Millis,
    spool::{
        corrupt::CorruptStore,
        disk::{Dir, ReadDisk},
        envelope,
        frame::{self, Decoded},
        index::Entry,
        load,
        record::Seq,
        recovery::{self, Recovered},
        segment::{Instance, Name},
    },
};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

/// Returns what was on the disk at each change of the recovery, if `watched`.
pub(super) fn check(
    left: State,
    promise: &Promise,
    watched: bool,
    context: &dyn Fn() -> String,
) -> Vec<State> {
    let disk = left.disk();
    let during: Arc<Mutex<Vec<State>>> = Arc::default();
    if watched {
        let seen = Arc::clone(&during);
        disk.watch(Some(Box::new(move |state| {
            seen.lock().unwrap().push(state.clone());
        })));
    }
    let recover = || {
        let corrupt = CorruptStore::open(&disk).map_err(|e| e.to_string())?;
        let recovered = recovery::recover(
            &disk,
            rig::DEDUP,
            Millis(1_500),
            &corrupt,
            Instance::default(),
        );
        recovered.map_err(|e| e.to_string())
    };
    let recovered = recover().unwrap_or_else(|e| panic!("{}: {e}", context()));
    disk.watch(None);
    assert!(
        recovered.corrupt_records == 0 && recovered.damage.is_empty(),
        "{}: {:?}",
        context(),
        recovered.damage
    );
    let stored = recovered.checkpoint.settled().least();
    assert!(
        stored == promise.stored || stored == promise.storing,
        "{}: the checkpoint says {stored}: {promise:?}",
        context()
    );
    let records = read(&disk, &recovered, context);
    for (n, seq) in &promise.acked {
        let found = records.get(seq);
        assert!(
            found == Some(n) || (found.is_none() && *seq <= promise.storing),
            "{}: callback {n}, record {seq}: {found:?} is there",
            context()
        );
    }
    let used = promise.acked.values().chain(records.keys()).max();
    assert!(
        recovered.next_seq() > used.copied().unwrap_or_default(),
        "{}: a number twice",
        context()
    );
    std::mem::take(&mut *during.lock().unwrap())
}

/// Every record, byte for byte what was handed in: number to callback.
fn read(
    disk: &FakeDisk,
    recovered: &Recovered,
    context: &dyn Fn() -> String,
) -> BTreeMap<Seq, u64> {
    let mut records = BTreeMap::new();
    for segment in recovered.view.younger_than(Millis(0), Duration::MAX) {
        let name = segment.summary.name;
        let entries = match segment.entries {
            Some(entries) => entries,
            None => Arc::new(load::entries(disk, &segment.summary).unwrap()),
        };
        let file = disk.open(Dir::Root, &name.to_string()).unwrap();
        for entry in entries.iter() {
            let mut bytes = vec![0; entry.size as usize];
            file.read_at(&mut bytes, entry.offset).unwrap();
            let n = callback(name, entry, &bytes);
            let n = n.unwrap_or_else(|| panic!("{}: {entry:?} is invented", context()));
            let last = records.last_key_value().map_or(Seq(0), |(seq, _)| *seq);
            assert!(entry.seq > last, "{}: out of order", context());
            records.insert(entry.seq, n);
        }
    }
    records
}

/// Which callback a frame holds, if it is wholly as it was handed in.
fn callback(name: Name, entry: &Entry, bytes: &[u8]) -> Option<u64> {
    let Decoded::Record { head, payload, .. } = frame::decode(name.salt, bytes) else {
        return None;
    };
    let envelope = envelope::decode(payload).ok()?.to_envelope().ok()?;
    let n = envelope.received_at.0;
    let same = envelope == rig::envelope(n) && head.ce_id == rig::ce_id(n);
    (same && head.seq == entry.seq && head.ce_id == entry.ce_id).then_some(n)
}

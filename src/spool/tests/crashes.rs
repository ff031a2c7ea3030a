//! Power cuts and kills at every call of one history with everything in it. See [`super::exhaustive`] for many short ones.

use super::{
    super::{disk::Disk, record::Seq},
    fake_disk::{FakeDisk, Survives},
    rig::{self, Run, ce_id, envelope},
};
use std::{collections::BTreeMap, sync::Arc};

/// What must still be there: number to seq; and the checkpoint that was synced.
#[derive(Debug, Default, Clone)]
pub(super) struct Promised {
    acked: BTreeMap<u64, Seq>,
    settled: Seq,
}

const MAX_BYTES: u64 = 1 << 20;

/// Appends, duplicates, rotations, checkpoints, deletions and a second run; stops at the first fault.
pub(super) fn history(disk: &FakeDisk, promised: &mut Promised) -> Option<()> {
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    let mut run = rig::open(&shared, MAX_BYTES, 1_000).ok()?;
    batch(&mut run, &[1, 2, 3], promised)?;
    batch(&mut run, &[2, 4, 4], promised)?;
    run.housekeeping();
    batch(&mut run, &(10..25).collect::<Vec<_>>(), promised)?;
    run.housekeeping();
    settle(&mut run, Seq(5), promised)?;
    run.housekeeping();
    batch(&mut run, &[30], promised)?;
    drop(run);
    let mut run = rig::open(&shared, MAX_BYTES, 1_500).ok()?;
    batch(&mut run, &[40, 41, 1], promised)?;
    // Older than the window: settled segments may go.
    run.clock
        .0
        .store(4_000_000, std::sync::atomic::Ordering::SeqCst);
    let end = promised.acked.values().max().copied()?;
    settle(&mut run, end, promised)?;
    run.housekeeping();
    batch(&mut run, &(50..60).collect::<Vec<_>>(), promised)
}

fn batch(run: &mut Run, numbers: &[u64], promised: &mut Promised) -> Option<()> {
    let (result, answers) = run.commit(numbers);
    for (n, answer) in numbers.iter().zip(answers) {
        if let Some(Ok(durable)) = answer {
            let seq = durable.seq();
            assert_eq!(
                *promised.acked.entry(*n).or_insert(seq),
                seq,
                "callback {n} has two records"
            );
        }
    }
    result.ok()
}

fn settle(run: &mut Run, through: Seq, promised: &mut Promised) -> Option<()> {
    let result = run.settle_all(through).ok();
    // After a fault either checkpoint may be on disk.
    promised.settled = through;
    result
}

/// Opens what is left and holds it against the promise.
pub(super) fn check(disk: &FakeDisk, promised: &Promised, context: &str) -> Run {
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    let mut run =
        rig::open(&shared, MAX_BYTES, 4_000_000).unwrap_or_else(|e| panic!("{context}: {e}"));
    let (records, corrupt) = run.read(Seq(0));
    assert_eq!(
        (corrupt.len(), run.report.corrupt_records),
        (0, 0),
        "{context}"
    );
    for pair in records.windows(2) {
        assert!(
            pair[0].seq < pair[1].seq,
            "{context}: {} before {}",
            pair[0].seq,
            pair[1].seq
        );
    }
    let found: BTreeMap<Seq, _> = records.iter().map(|r| (r.seq, r)).collect();
    for (n, seq) in promised
        .acked
        .iter()
        .filter(|(_, seq)| **seq > promised.settled)
    {
        let record = found
            .get(seq)
            .unwrap_or_else(|| panic!("{context}: callback {n}, record {seq} is gone"));
        assert_eq!(
            (record.ce_id, &record.envelope),
            (ce_id(*n), &envelope(*n)),
            "{context}"
        );
    }
    for record in &records {
        let n = record.envelope.received_at.0;
        assert_eq!(
            (record.ce_id, &record.envelope),
            (ce_id(n), &envelope(n)),
            "{context}: invented"
        );
    }
    // It goes on with numbers never used.
    let last = promised.acked.values().max().copied().unwrap_or_default();
    let next = run.commit_ok(&[900]);
    assert!(
        next[0].seq() > last.max(records.last().map_or(Seq(0), |r| r.seq)),
        "{context}: a number twice"
    );
    run
}

fn ways() -> impl Iterator<Item = Survives> {
    [Survives::All, Survives::Nothing]
        .into_iter()
        .chain((1..=6_u64).map(|n| Survives::Some(n.wrapping_mul(0x9e37_79b9_7f4a_7c15))))
}

fn calls_of_history() -> u64 {
    let disk = FakeDisk::new();
    let mut promised = Promised::default();
    assert_eq!(history(&disk, &mut promised), Some(()));
    assert!(promised.acked.len() > 30);
    disk.calls()
}

#[test]
fn a_power_cut_or_kill_at_any_call_never_takes_an_acknowledged_record() {
    let mut states = 0;
    for call in 1..=calls_of_history() {
        let disk = FakeDisk::new();
        disk.die_at(call);
        let mut promised = Promised::default();
        let _ = history(&disk, &mut promised);
        for survives in ways() {
            states += 1;
            check(
                &disk.after_crash(survives),
                &promised,
                &format!("dies at call {call}, {survives:?}"),
            );
        }
    }
    println!("{states} crash states");
}

/// A kill leaves whole frames in the page cache only. Once they were relied on, a power cut must not take them.
#[test]
fn what_recovery_takes_over_survives_a_power_cut() {
    let mut relied = 0;
    for call in 1..=calls_of_history() {
        let disk = FakeDisk::new();
        disk.die_at(call);
        history(&disk, &mut Promised::default());
        let killed = disk.after_crash(Survives::All);
        let shared: Arc<dyn Disk> = Arc::new(killed.clone());
        let run = rig::open(&shared, MAX_BYTES, 1_600).unwrap();
        let (seen, _) = run.read(Seq(0));
        drop(run);
        for survives in [Survives::Nothing, Survives::Some(call)] {
            let shared: Arc<dyn Disk> = Arc::new(killed.after_crash(survives));
            let (after, _) = rig::open(&shared, MAX_BYTES, 1_600).unwrap().read(Seq(0));
            assert_eq!(seen, after, "dies at call {call}, {survives:?}");
        }
        relied += seen.len();
    }
    assert!(relied > 1000);
}

//! The quarantine across crashes.

use super::{
    super::{
        disk::{Dir, Disk, ReadDisk},
        outlet::{Outlet, Reason},
        record::Seq,
    },
    fake_disk::{FakeDisk, Survives},
    rig,
};
use std::sync::Arc;

fn on(disk: &FakeDisk) -> Arc<dyn Disk> {
    Arc::new(disk.clone())
}

/// Killed at any call while a record is put aside; the next run puts it aside again, and settles it; then the power fails.
#[test]
fn a_record_in_quarantine_survives_a_kill_and_then_a_power_cut() {
    let base = FakeDisk::new();
    let mut run = rig::open(&on(&base), 1 << 20, 1).unwrap();
    run.commit_ok(&[1]);
    drop(run);
    let reason = Reason {
        label: "untypable",
        detail: String::new(),
        topic: "t".into(),
    };
    for call in 1.. {
        let disk = base.after_crash(Survives::All);
        let mut run = rig::open(&on(&disk), 1 << 20, 1).unwrap();
        let record = run.read(Seq(0)).0.remove(0);
        disk.die_at(disk.calls() + call);
        let done = run.outlet.quarantine(&record, &reason).is_ok();
        drop(run);
        let disk = disk.after_crash(Survives::All);
        let mut run = rig::open(&on(&disk), 1 << 20, 1).unwrap();
        run.outlet.quarantine(&record, &reason).unwrap();
        run.settle_all(Seq(1)).unwrap();
        drop(run);
        let disk = disk.after_crash(Survives::Nothing);
        let aside = disk.list(Dir::Quarantine).unwrap();
        assert!(
            aside.iter().any(|name| name.ends_with(".record")),
            "settled, and in no quarantine, when killed at call {call}"
        );
        if done {
            return;
        }
    }
}

//! Standing down: what the rival has is noted, and settled only when the spool is adopted.

use super::{
    super::{
        disk::Disk,
        lineage,
        outlet::{Lineage, Outlet},
        record::Seq,
        segment::Instance,
    },
    fake_disk::FakeDisk,
    rig,
};
use std::sync::Arc;

#[test]
fn what_the_rival_has_stays_pending_and_in_the_spool() {
    let disk: Arc<dyn Disk> = Arc::new(FakeDisk::new());
    let mut run = rig::open(&disk, 1 << 20, 1).unwrap();
    run.commit_ok(&[1, 2, 3, 4, 5, 6]);
    run.outlet.checkpoint(&rig::settled(Seq(2))).unwrap();
    let covered = rig::settled(Seq(5));
    run.outlet.stand_down(Instance([7; 16]), &covered).unwrap();
    assert!(run.outlet.rival().is_some());
    // Nobody has published 3 to 5 as far as this spool knows, and the rival's disk may be lost.
    assert_eq!(run.shared.status().pending_records, 4);
    drop(run);
    let noted = lineage::stood_down(&*disk).unwrap().unwrap();
    assert_eq!(noted.covered, covered);
    let run = rig::open(&disk, 1 << 20, 1).unwrap();
    assert_eq!(run.shared.status().pending_records, 4);
    assert_eq!(run.read(Seq(2)).0.len(), 4);
}

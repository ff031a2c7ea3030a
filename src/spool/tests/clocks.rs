//! A clock that was far ahead, and is set right: nothing lasts longer for it than the window is long.

use super::{
    super::{append::How, disk::Disk, outlet::Outlet, record::Seq},
    fake_disk::FakeDisk,
    rig::{self, Run},
};
use std::sync::{Arc, atomic::Ordering};

const MINUTE: u64 = 60_000;
/// Long after the right time.
const AHEAD: u64 = 1 << 42;

fn on(disk: &FakeDisk) -> Arc<dyn Disk> {
    Arc::new(disk.clone())
}

fn open(disk: &FakeDisk, at: u64) -> Run {
    rig::open(&on(disk), 1 << 20, at).unwrap()
}

fn at(run: &Run, now: u64) {
    run.clock.0.store(now, Ordering::SeqCst);
}

fn how(run: &mut Run, n: u64) -> How {
    run.commit_ok(&[n])[0].how()
}

#[test]
fn a_clock_that_was_far_ahead_does_not_stretch_the_window() {
    let disk = FakeDisk::new();
    let mut run = open(&disk, AHEAD);
    run.commit_ok(&[1]);
    at(&run, MINUTE);
    run.commit_ok(&[2]);
    assert_eq!(how(&mut run, 2), How::Duplicate);
    at(&run, 31 * MINUTE);
    assert_eq!(how(&mut run, 2), How::New, "half an hour later");
    let times: Vec<u64> = run.read(Seq(0)).0.iter().map(|r| r.accepted_at.0).collect();
    assert_eq!(times, [AHEAD, MINUTE, 31 * MINUTE]);
}

#[test]
fn nor_after_a_restart() {
    let disk = FakeDisk::new();
    drop(open(&disk, AHEAD).commit_ok(&[1]));
    let mut run = open(&disk, MINUTE);
    assert_eq!(run.report.window_entries, 0);
    run.commit_ok(&[2]);
    at(&run, 20 * MINUTE);
    run.commit_ok(&[3]);
    drop(run);
    // What was taken since the clock was set right is known, and lasts as long as it should.
    let mut run = open(&disk, 30 * MINUTE);
    assert_eq!(run.report.window_entries, 2);
    assert_eq!(how(&mut run, 2), How::Duplicate);
    drop(run);
    let mut run = open(&disk, 31 * MINUTE);
    let heard = [1, 2, 3].map(|n| how(&mut run, n));
    assert_eq!(heard, [How::New, How::New, How::Duplicate]);
}

#[test]
fn a_restart_remembers_no_more_than_the_run_before_it_did() {
    let disk = FakeDisk::new();
    let mut run = open(&disk, MINUTE);
    run.commit_ok(&[1]);
    at(&run, AHEAD);
    run.commit_ok(&[2]);
    at(&run, 2 * MINUTE);
    run.commit_ok(&[3]);
    drop(run);
    let mut run = open(&disk, 3 * MINUTE);
    assert_eq!(run.report.window_entries, 1);
    assert_eq!(how(&mut run, 3), How::Duplicate);
}

#[test]
fn a_clock_that_was_far_ahead_keeps_no_settled_segment() {
    let disk = FakeDisk::new();
    drop(open(&disk, AHEAD).commit_ok(&[1]));
    let mut run = open(&disk, MINUTE);
    run.commit_ok(&[2]);
    drop(run);
    let mut run = open(&disk, 2 * MINUTE);
    run.settle_all(run.outlet.durable_end()).unwrap();
    run.housekeeping();
    assert_eq!(run.shared.status().segments, 2, "young");
    at(&run, 40 * MINUTE);
    run.housekeeping();
    assert_eq!(run.shared.status().segments, 0, "old by a right clock");
}

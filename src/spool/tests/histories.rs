//! What a spool does when nothing is damaged: order, duplicates, limits, numbers.

use super::{
    super::{
        append::{AppendError, How},
        disk::{Dir, Disk},
        outlet::{Cursor, Next, Outlet},
        record::Seq,
        segment::Name,
    },
    fake_disk::{FakeDisk, Survives},
    rig::{self, Run},
};
use crate::{callback::names::Family, logged::logged};
use std::sync::{Arc, atomic::Ordering};

fn on(disk: &FakeDisk) -> Arc<dyn Disk> {
    Arc::new(disk.clone())
}

fn segments(disk: &FakeDisk) -> Vec<Name> {
    rig::segments(disk)
}

fn numbers(run: &Run, after: u64) -> Vec<u64> {
    run.read(Seq(after))
        .0
        .iter()
        .map(|r| r.envelope.received_at.0)
        .collect()
}

#[test]
fn no_run_appends_to_an_earlier_runs_segment() {
    let disk = FakeDisk::new();
    let mut run = rig::open(&on(&disk), 1 << 20, 1).unwrap();
    run.commit_ok(&[1]);
    drop(run);
    let mut run = rig::open(&on(&disk), 1 << 20, 1).unwrap();
    let before = segments(&disk);
    run.commit_ok(&[2]);
    assert_eq!((before.len(), segments(&disk)), (2, before));
    assert_eq!(numbers(&run, 0), [1, 2]);
}

#[test]
fn readers_follow_in_order_across_segments_and_never_pass_the_durable_end() {
    let disk = FakeDisk::new();
    let mut run = rig::open(&on(&disk), 1 << 20, 1).unwrap();
    let mut cursor = run.outlet.cursor(Seq(0));
    let mut seen = Vec::new();
    for round in 0..40_u64 {
        let batch: Vec<u64> = (round * 10..round * 10 + 10).collect();
        run.commit_ok(&batch);
        if round % 3 == 0 {
            run.housekeeping();
        }
        while let Some(Next::Record(record)) = cursor.next(&|_| true, Seq(u64::MAX)).unwrap() {
            assert!(record.seq <= run.outlet.durable_end());
            seen.push(record.envelope.received_at.0);
        }
        assert_eq!(cursor.passed(), run.outlet.durable_end());
    }
    assert_eq!(seen, (0..400).collect::<Vec<_>>());
    assert!(segments(&disk).len() > 10);
    assert_eq!(numbers(&run, 100), (100..400).collect::<Vec<_>>());
    let mut limited = run.outlet.cursor(Seq(10));
    let streams = |f: Family| f == Family::Stream;
    let mut of_streams = Vec::new();
    while let Some(Next::Record(record)) = limited.next(&streams, Seq(19)).unwrap() {
        of_streams.push(record.seq.0);
    }
    assert_eq!(
        (of_streams, limited.passed()),
        (vec![11, 13, 15, 17, 19], Seq(19))
    );
}

#[test]
fn a_whole_frame_that_was_never_answered_is_kept() {
    let disk = FakeDisk::new();
    let mut run = rig::open(&on(&disk), 1 << 20, 1).unwrap();
    run.commit_ok(&[1]);
    // The next write reaches the page cache, its sync doesn't come.
    disk.die_at(disk.calls() + 2);
    let (result, answers) = run.commit(&[2, 2]);
    assert!(
        result.is_err()
            && answers
                .iter()
                .all(|a| *a == Some(Err(AppendError::Stopped)))
    );
    let disk = disk.after_crash(Survives::All);
    let mut run = rig::open(&on(&disk), 1 << 20, 1).unwrap();
    assert_eq!(numbers(&run, 0), [1, 2]);
    assert_eq!(run.commit_ok(&[2])[0].how(), How::Duplicate);
}

#[test]
fn numbers_go_on_after_the_checkpoint_even_if_the_log_is_gone() {
    let disk = FakeDisk::new();
    let mut run = rig::open(&on(&disk), 1 << 20, 1).unwrap();
    run.commit_ok(&[1, 2, 3, 4]);
    let mut settled = rig::settled(Seq(2));
    settled.advance(Family::Stream, Seq(4));
    run.outlet.checkpoint(&settled).unwrap();
    drop(run);
    for name in segments(&disk) {
        disk.remove(Dir::Root, &name.to_string()).unwrap();
    }
    let mut run = rig::open(&on(&disk), 1 << 20, 1).unwrap();
    assert_eq!(run.commit_ok(&[9])[0].seq(), Seq(5));
    drop(run);
    assert_eq!(numbers(&rig::open(&on(&disk), 1 << 20, 1).unwrap(), 0), [9]);
}

#[test]
fn after_a_failed_sync_nobody_hears_yes_and_the_retry_is_a_new_record() {
    let disk = FakeDisk::new();
    let mut run = rig::open(&on(&disk), 1 << 20, 1).unwrap();
    run.commit_ok(&[1]);
    disk.fail_at(disk.calls() + 2);
    let (result, answers) = run.commit(&[2, 3, 2]);
    assert!(result.is_err());
    assert_eq!(answers, [const { Some(Err(AppendError::Stopped)) }; 3]);
    assert_eq!(
        (run.outlet.durable_end(), numbers(&run, 0)),
        (Seq(1), vec![1])
    );
    let disk = disk.after_crash(Survives::Nothing);
    let mut run = rig::open(&on(&disk), 1 << 20, 1).unwrap();
    assert_eq!(run.commit_ok(&[2])[0].how(), How::New);
}

#[test]
fn full_at_max_bytes_and_open_again_below_95_percent_without_a_restart() {
    let disk = FakeDisk::new();
    let max = 64 << 10;
    let mut run = rig::open(&on(&disk), max, 1).unwrap();
    let mut taken = 0;
    for n in 0..1000 {
        let (result, answers) = run.commit(&[n]);
        result.unwrap();
        match answers[0] {
            Some(Ok(_)) => taken += 1,
            Some(Err(AppendError::Full)) => break,
            ref other => panic!("{other:?}"),
        }
    }
    assert!((100..300).contains(&taken), "{taken}");
    let status = run.shared.status();
    assert!(
        status.full && status.unsettled_bytes <= max && status.unsettled_bytes > max - 1000,
        "{status:?}"
    );
    // A duplicate of something durable is still answered.
    assert_eq!(run.commit_ok(&[0])[0].how(), How::Duplicate);
    run.settle_all(Seq(3)).unwrap();
    assert!(run.shared.status().full, "above 95 % it stays full");
    run.settle_all(Seq(20)).unwrap();
    assert!(!run.shared.status().full);
    run.commit_ok(&[2000]);
    run.settle_all(run.outlet.durable_end()).unwrap();
    assert_eq!(
        (
            run.shared.status().unsettled_bytes,
            run.shared.status().pending_records
        ),
        (0, 0)
    );
}

#[test]
fn that_it_is_full_and_that_it_no_longer_is_are_one_line_each() {
    let text = logged(|| {
        let mut run = rig::open(&on(&FakeDisk::new()), 64 << 10, 1).unwrap();
        let mut refused = 0;
        for n in 0..1000 {
            refused += u64::from(run.commit(&[n]).1[0] == Some(Err(AppendError::Full)));
        }
        assert!(refused > 100, "{refused}");
        run.settle_all(run.outlet.durable_end()).unwrap();
    });
    let lines = |words| text.lines().filter(|line| line.contains(words)).count();
    assert_eq!(lines("ERROR"), 1, "{text}");
    assert_eq!(
        lines("takes no new records: the unsettled records reached spool.max_bytes"),
        1,
        "{text}"
    );
    assert_eq!(lines("takes records again"), 1, "{text}");
}

#[test]
fn a_full_filesystem_is_full_and_then_not() {
    let disk = FakeDisk::new();
    let mut run = rig::open(&on(&disk), 1 << 20, 1).unwrap();
    run.commit_ok(&(0..10).collect::<Vec<_>>());
    disk.set_free(100);
    run.housekeeping();
    assert!(run.shared.status().full);
    assert_eq!(run.commit(&[50]).1, [Some(Err(AppendError::Full))]);
    // It also opens, with nothing to write to, so that what is pending can be published.
    drop(run);
    let mut run = rig::open(&on(&disk), 1 << 20, 1).unwrap();
    assert_eq!(numbers(&run, 0).len(), 10);
    assert!(run.shared.status().full);
    disk.set_free(1 << 40);
    run.housekeeping();
    assert!(!run.shared.status().full);
    run.commit_ok(&[50]);
}

#[test]
fn settled_segments_go_oldest_first_after_their_time_or_when_in_the_way() {
    let disk = FakeDisk::new();
    let mut run = rig::open(&on(&disk), 1 << 20, 1).unwrap();
    for n in 0..20 {
        run.commit_ok(&(n * 10..n * 10 + 10).collect::<Vec<_>>());
        run.housekeeping();
    }
    let all = segments(&disk);
    run.settle_all(Seq(100)).unwrap();
    run.housekeeping();
    assert_eq!(
        segments(&disk),
        all,
        "young ones stay, for the dedup window"
    );
    run.clock.0.store(10_000_000, Ordering::SeqCst);
    run.housekeeping();
    let left = segments(&disk);
    assert!(left.len() < all.len() && all.ends_with(&left));
    assert_eq!(numbers(&run, 100), (100..200).collect::<Vec<_>>());
    drop(run);
    let run = rig::open(&on(&disk), 1 << 20, 10_000_000).unwrap();
    assert_eq!(
        (run.report.recovered_records, run.report.corrupt_records),
        (100, 0)
    );
    assert_eq!(numbers(&run, 100), (100..200).collect::<Vec<_>>());
}

#[test]
fn identical_callbacks_in_one_batch_share_a_record() {
    let disk = FakeDisk::new();
    let mut run = rig::open(&on(&disk), 1 << 20, 1).unwrap();
    let heard = run.commit_ok(&[7, 7, 8, 7]);
    let how: Vec<_> = heard.iter().map(|d| (d.seq().0, d.how())).collect();
    assert_eq!(
        how,
        [
            (1, How::New),
            (1, How::Duplicate),
            (2, How::New),
            (1, How::Duplicate)
        ]
    );
    assert_eq!((numbers(&run, 0), run.accepted()), (vec![7, 8], 2));
}

#[test]
fn a_clock_that_jumps_back_neither_reorders_nor_lengthens() {
    let disk = FakeDisk::new();
    let mut run = rig::open(&on(&disk), 1 << 20, 5_000_000).unwrap();
    run.commit_ok(&[1]);
    run.clock.0.store(4_000_000, Ordering::SeqCst);
    run.commit_ok(&[2]);
    let (records, _) = run.read(Seq(0));
    assert_eq!(records[0].accepted_at, records[1].accepted_at);
    drop(run);
    let mut run = rig::open(&on(&disk), 1 << 20, 4_000_000).unwrap();
    assert_eq!(run.commit_ok(&[1])[0].how(), How::Duplicate);
    run.clock.0.store(5_000_000 + 1_800_000, Ordering::SeqCst);
    assert_eq!(run.commit_ok(&[1])[0].how(), How::New);
}

#[test]
fn the_window_is_rebuilt_from_young_records_whatever_became_of_them() {
    let disk = FakeDisk::new();
    let mut run = rig::open(&on(&disk), 1 << 20, 1_000).unwrap();
    run.commit_ok(&[1]);
    run.clock.0.store(1_000_000, Ordering::SeqCst);
    run.commit_ok(&[2]);
    run.settle_all(Seq(2)).unwrap();
    drop(run);
    let mut run = rig::open(&on(&disk), 1 << 20, 1_801_500).unwrap();
    assert_eq!(run.report.window_entries, 1);
    let how: Vec<_> = run.commit_ok(&[1, 2]).iter().map(|d| d.how()).collect();
    assert_eq!(how, [How::New, How::Duplicate]);
}

#[test]
fn a_start_reads_no_more_than_the_window_may_hold() {
    let disk = FakeDisk::new();
    let mut run = rig::open(&on(&disk), 4 << 20, 1_000).unwrap();
    let most = rig::DEDUP.max_entries as u64;
    let records = 5 * most;
    for n in 0..records / 100 {
        run.commit_ok(&(n * 100..n * 100 + 100).collect::<Vec<_>>());
        run.housekeeping();
    }
    let segments = rig::segments(&disk).len() as u64;
    assert!(segments > 5, "{segments} of them");
    drop(run);
    let mut run = rig::open(&on(&disk), 4 << 20, 1_000).unwrap();
    assert_eq!(run.report.window_entries as u64, most);
    // A duplicate, for which nothing has to go.
    let newest = [records - most, records - 1];
    let how: Vec<_> = run.commit_ok(&newest).iter().map(|d| d.how()).collect();
    assert_eq!(how, [How::Duplicate; 2]);
    // What was put in only to fall out again: less than a segment, not all that is young.
    let evicted = run.shared.metrics.dedup_evicted.get();
    assert!(evicted < most, "{evicted} of {records}");
    assert_eq!(run.commit_ok(&[records - most - 1])[0].how(), How::New);
}

#[test]
fn pending_is_exact_per_family_through_checkpoints_and_restarts() {
    let disk = FakeDisk::new();
    let mut run = rig::open(&on(&disk), 4 << 20, 1).unwrap();
    for n in 0..50 {
        run.commit_ok(&(n * 10..n * 10 + 10).collect::<Vec<_>>());
        if n % 4 == 0 {
            run.housekeeping();
        }
    }
    let mut settled = rig::settled(Seq(100));
    settled.advance(Family::Stream, Seq(333));
    run.outlet.checkpoint(&settled).unwrap();
    // Streams have the odd numbers: 167 of them up to 333 are settled, and 50 of the others.
    let expected = 500 - 167 - 50;
    assert_eq!(run.shared.status().pending_records, expected);
    drop(run);
    let run = rig::open(&on(&disk), 4 << 20, 1).unwrap();
    assert_eq!(
        (
            run.shared.status().pending_records,
            run.report.recovered_records
        ),
        (expected, expected)
    );
}

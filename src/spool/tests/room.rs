//! Little room: what is settled goes before anything is refused, and no more of it than has to.

use super::{
    super::{
        append::AppendError,
        disk::{Dir, Disk, DiskFile, ReadDisk, ReadFile, Space},
        load,
        outlet::Outlet,
        prepare,
        record::Seq,
        scan::Item,
        segment::{self, Name},
    },
    fake_disk::{EIO, FakeDisk, Verb},
    rig::{self, Run},
};
use std::{
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
        mpsc::{self, Receiver},
    },
    thread,
    time::Duration,
};

/// No test waits longer for what must not take long.
const PATIENCE: Duration = Duration::from_secs(20);

fn on(disk: &FakeDisk) -> Arc<dyn Disk> {
    Arc::new(disk.clone())
}

fn reserve(disk: &FakeDisk) -> u64 {
    prepare::reserve(disk.space().unwrap())
}

/// Several closed segments, everything settled, a segment ready; as young as the window, so `retain` keeps them.
fn settled_run(disk: &FakeDisk) -> Run {
    let mut run = rig::open(&on(disk), 1 << 20, 1).unwrap();
    for batch in 0..12 {
        run.commit_ok(&(1 + batch * 10..11 + batch * 10).collect::<Vec<_>>());
        run.housekeeping();
    }
    let end = run.outlet.durable_end();
    run.settle_all(end).unwrap();
    run.housekeeping();
    assert!(run.shared.status().segments > 4, "retained");
    run
}

#[test]
fn room_in_the_segment_being_written_is_no_full_spool() {
    let disk = FakeDisk::new();
    let mut run = rig::open(&on(&disk), 1 << 30, 1).unwrap();
    run.commit_ok(&[1]);
    let end = run.outlet.durable_end();
    run.settle_all(end).unwrap();
    // The next segment isn't ready yet, and has no room besides the reserve.
    prepare::take(&run.shared).map(drop).unwrap();
    disk.set_free(reserve(&disk) + 100);
    (0..5).for_each(|_| run.housekeeping());
    let status = run.shared.status();
    assert!(!status.full, "{status:?}");
    run.commit_ok(&[2]);
}

#[test]
fn no_more_settled_segments_go_than_have_to() {
    let disk = FakeDisk::new();
    let run = settled_run(&disk);
    let before = run.shared.status().segments;
    drop(prepare::take(&run.shared).unwrap());
    // One segment's length is missing for the next one.
    let used = disk.used();
    disk.set_capacity(used + reserve(&disk));
    run.housekeeping();
    let status = run.shared.status();
    assert!(!status.full, "{status:?}");
    let gone = before - status.segments;
    assert!((1..=2).contains(&gone), "{gone} of {before} were deleted");
}

#[test]
fn the_writer_deletes_what_is_settled_before_it_says_full() {
    let disk = FakeDisk::new();
    let mut run = settled_run(&disk);
    disk.set_capacity(disk.used() + reserve(&disk));
    // The housekeeper is late.
    for n in 1000..1060 {
        let (result, answers) = run.commit(&[n]);
        result.unwrap();
        assert!(
            !matches!(answers[..], [Some(Err(AppendError::Full))]),
            "{n}: {:?}",
            run.shared.status()
        );
    }
}

#[test]
fn what_is_said_to_fit_fits_and_is_all_that_fits() {
    let disk = FakeDisk::new();
    let mut run = rig::open(&on(&disk), 1 << 30, 1).unwrap();
    run.commit_ok(&[1]);
    run.housekeeping();
    let segment = run.shared.status().disk_bytes;
    disk.set_capacity(disk.used() + reserve(&disk) + 10 * segment);
    run.housekeeping();
    let promised = run.shared.status().room_bytes;
    let before = run.shared.status().unsettled_bytes;
    let mut n = 2;
    while run.commit(&[n]).1.iter().all(|a| matches!(a, Some(Ok(_)))) {
        run.housekeeping();
        n += 1;
    }
    let status = run.shared.status();
    assert!(status.full, "{status:?}");
    let taken = status.unsettled_bytes - before;
    // These segments are tiny: their heads and indices count.
    let heads = status.segments as u64 * segment::HEADER as u64;
    let besides = heads + disk.used() - status.disk_bytes;
    assert!(
        taken <= promised && promised <= taken + besides + 2 * segment,
        "{promised} promised, {taken} taken, {besides} besides"
    );
    assert!(status.room_bytes <= besides + 2 * segment, "{status:?}");
}

#[test]
fn an_idle_settled_segment_goes_when_the_filesystem_is_nearly_full() {
    let disk = FakeDisk::new();
    let mut run = rig::open(&on(&disk), 1 << 30, 1).unwrap();
    run.commit_ok(&[1]);
    let end = run.outlet.durable_end();
    run.settle_all(end).unwrap();
    run.housekeeping();
    // Somebody else has taken a little of the reserve.
    disk.set_capacity(disk.used() + reserve(&disk) - 100);
    run.housekeeping();
    let status = run.shared.status();
    assert!(!status.full, "{status:?}");
    run.commit_ok(&[2]);
    assert_eq!(run.read(end).0.len(), 1);
}

#[test]
fn a_segment_with_a_pending_record_stays_however_full_the_filesystem_is() {
    let disk = FakeDisk::new();
    let mut run = rig::open(&on(&disk), 1 << 30, 1).unwrap();
    run.commit_ok(&[1, 2]);
    disk.set_free(0);
    (0..3).for_each(|_| run.housekeeping());
    assert!(run.shared.status().full);
    assert_eq!(run.read(run.outlet.settled_at_start().least()).0.len(), 2);
    disk.set_free(1 << 40);
    run.housekeeping();
    assert!(!run.shared.status().full);
    run.commit_ok(&[3]);
}

#[test]
fn a_settled_segment_whose_removal_failed_is_removed_later() {
    let disk = FakeDisk::new();
    let run = settled_run(&disk);
    let files = |disk: &FakeDisk| disk.list(Dir::Root).unwrap();
    let oldest = files(&disk).into_iter().filter(|n| n.ends_with(".segment"));
    let oldest = oldest.min().unwrap();
    run.clock.0.store(10 * 3_600_000, Ordering::SeqCst);
    // The first thing that the housekeeper asks of the disk is to remove it.
    disk.fail_at(disk.calls() + 1);
    run.housekeeping();
    assert!(files(&disk).contains(&oldest));
    run.housekeeping();
    assert!(!files(&disk).contains(&oldest), "it leaks");
}

fn last_of(disk: &FakeDisk, name: Name) -> Seq {
    let scanned = load::scanned(disk, name).unwrap();
    let last = scanned.items.iter().rev().find_map(|item| match item {
        Item::Frame(frame) => Some(frame.entry.seq),
        Item::Bad(_) => None,
    });
    last.unwrap()
}

#[test]
fn what_is_settled_leaves_the_page_cache_once_and_what_somebody_reads_stays() {
    let disk = FakeDisk::new();
    let mut run = rig::open(&on(&disk), 1 << 20, 1).unwrap();
    for batch in 0..12 {
        run.commit_ok(&(1 + batch * 10..11 + batch * 10).collect::<Vec<_>>());
        run.housekeeping();
    }
    assert!(disk.uncached().is_empty(), "all of it is to be published");
    let segments = rig::segments(&disk);
    let [first, second, third, ..] = segments[..] else {
        panic!("{segments:?}")
    };
    run.settle_all(last_of(&disk, second)).unwrap();
    run.housekeeping();
    let files = |names: &[Name]| names.iter().map(Name::to_string).collect::<Vec<_>>();
    assert_eq!(disk.uncached(), files(&[first, second]));
    // Advice that isn't taken is no fault, and not given again.
    disk.fail_verb_at(Verb::Uncache, disk.calls_of(Verb::Uncache) + 1, EIO);
    run.settle_all(last_of(&disk, third)).unwrap();
    run.housekeeping();
    run.housekeeping();
    assert!(disk.uncached().is_empty());
    assert_eq!(run.shared.status().last_error, None);
    // After a restart nobody knows what is in the cache.
    drop(run);
    let run = rig::open(&on(&disk), 1 << 20, 1).unwrap();
    run.housekeeping();
    assert_eq!(disk.uncached(), files(&[first, second, third]));
}

/// A disk on which, once armed, the next file of a kind isn't put in place until somebody says so.
struct Stuck {
    disk: FakeDisk,
    kind: &'static str,
    armed: AtomicBool,
    reached: mpsc::SyncSender<()>,
    go_on: Mutex<Receiver<()>>,
}

impl ReadDisk for Stuck {
    fn list(&self, dir: Dir) -> io::Result<Vec<String>> {
        self.disk.list(dir)
    }
    fn open(&self, dir: Dir, name: &str) -> io::Result<Box<dyn ReadFile>> {
        self.disk.open(dir, name)
    }
    fn size(&self, dir: Dir, name: &str) -> io::Result<u64> {
        self.disk.size(dir, name)
    }
}

impl Disk for Stuck {
    fn create(&self, dir: Dir, name: &str) -> io::Result<Box<dyn DiskFile>> {
        self.disk.create(dir, name)
    }
    fn open_to_write(&self, dir: Dir, name: &str) -> io::Result<Box<dyn DiskFile>> {
        self.disk.open_to_write(dir, name)
    }
    fn rename(&self, dir: Dir, from: &str, to: &str) -> io::Result<()> {
        if to.ends_with(self.kind) && self.armed.swap(false, Ordering::SeqCst) {
            self.reached.send(()).unwrap();
            let _ = self.go_on.lock().unwrap().recv();
        }
        self.disk.rename(dir, from, to)
    }
    fn remove(&self, dir: Dir, name: &str) -> io::Result<()> {
        self.disk.remove(dir, name)
    }
    fn sync_dir(&self, dir: Dir) -> io::Result<()> {
        self.disk.sync_dir(dir)
    }
    fn space(&self) -> io::Result<Space> {
        self.disk.space()
    }
}

/// The disk; what is told when it is stuck; and what lets it go on.
fn stuck_at(kind: &'static str) -> (Arc<Stuck>, Receiver<()>, mpsc::SyncSender<()>) {
    let (reached, at_rename) = mpsc::sync_channel(1);
    let (release, go_on) = mpsc::sync_channel(1);
    let stuck = Stuck {
        disk: FakeDisk::new(),
        kind,
        armed: AtomicBool::new(false),
        reached,
        go_on: Mutex::new(go_on),
    };
    (Arc::new(stuck), at_rename, release)
}

#[test]
fn a_segment_removed_while_its_index_is_written_leaves_none() {
    let (stuck, at_rename, release) = stuck_at(".index");
    let disk: Arc<dyn Disk> = stuck.clone();
    let mut run = rig::open(&disk, 1 << 20, 1).unwrap();
    // More than one segment, the first closed; all settled.
    while run.shared.status().segments < 2 {
        let next = run.outlet.durable_end().next().0;
        run.commit_ok(&[next]);
    }
    run.settle_all(run.outlet.durable_end()).unwrap();
    let closed = rig::segments(&stuck.disk)[0];
    stuck.armed.store(true, Ordering::SeqCst);
    let shared = Arc::clone(&run.shared);
    let housekeeper =
        thread::spawn(move || super::super::housekeeper::step(&shared, crate::clock::Millis(1)));
    at_rename.recv_timeout(PATIENCE).unwrap();
    // The writer needs room: what is settled goes.
    stuck
        .disk
        .set_capacity(stuck.disk.used() + reserve(&stuck.disk));
    drop(prepare::take(&run.shared));
    drop(prepare::take(&run.shared));
    assert!(
        !rig::segments(&stuck.disk).contains(&closed),
        "it is still there"
    );
    release.send(()).unwrap();
    housekeeper.join().unwrap();
    let files = stuck.disk.list(Dir::Root).unwrap();
    assert!(!files.contains(&closed.index()), "{files:?}");
}

#[test]
fn a_stuck_disk_holds_up_neither_the_writer_nor_the_status() {
    let (stuck, at_rename, release) = stuck_at(".segment");
    let disk: Arc<dyn Disk> = stuck.clone();
    let mut run = rig::open(&disk, 1 << 30, 1).unwrap();
    run.commit_ok(&[1]);
    stuck.armed.store(true, Ordering::SeqCst);
    let shared = Arc::clone(&run.shared);
    let housekeeper =
        thread::spawn(move || super::super::housekeeper::step(&shared, crate::clock::Millis(1)));
    at_rename.recv_timeout(PATIENCE).unwrap();
    let (done, end) = mpsc::sync_channel(1);
    let shared = Arc::clone(&run.shared);
    let others = thread::spawn(move || {
        run.commit_ok(&[2]);
        done.send(shared.status().durable_end).unwrap();
        run
    });
    let told = end.recv_timeout(PATIENCE);
    release.send(()).unwrap();
    housekeeper.join().unwrap();
    drop(others.join().unwrap());
    assert_eq!(told, Ok(2), "they wait for the disk");
}

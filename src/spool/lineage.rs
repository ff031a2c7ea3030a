//! The runs that this spool has seen, by the random name of each: a list on disk, so that a copy of the spool that goes
//! its own way can be told from an earlier run of this one. Kept for exactly-once only.
//!
//! A text file, a line a run, the latest last: the name in 32 hex digits, and the last record that it wrote as far as
//! this spool knows. And beside it, once another run has taken over, a file that says so: the name of that run, and a line a
//! family up to which record it has what this spool has, published or not.

use super::{
    disk::{Dir, Disk, ReadDisk, read_all, write_whole},
    outlet::Settled,
    record::Seq,
    removal::no_room,
    segment::{Instance, Name},
};
use crate::callback::names::Family;
use std::{fmt::Write as _, io};

const NAME: &str = "instances";
const STOOD_DOWN: &str = "stood-down";
/// More runs are not remembered: the oldest go. Only one that was the last to publish must never be missed.
const RUNS_MAX: usize = 16 << 10;
/// 32 digits, a space, at most 20 digits, a line's end.
const LINE_MAX: usize = 54;

/// A run that this spool has seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// Its name.
    pub instance: Instance,
    /// The last of its records that was in this spool; 0 if there was none.
    pub last: Seq,
}

/// Records in the log that one run has written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// The run. All zeros if the segment's header is damaged.
    pub by: Instance,
    /// The first of them.
    pub from: Seq,
    /// The last of them.
    pub through: Seq,
}

/// The list as it has to be from now on: what was there, what the log shows, and this run last.
fn merged(mut runs: Vec<Run>, log: &[Written], own: Instance) -> Vec<Run> {
    for written in log.iter().filter(|w| w.by != Instance::default()) {
        match runs.iter_mut().find(|run| run.instance == written.by) {
            Some(run) => run.last = run.last.max(written.through),
            None => runs.push(Run {
                instance: written.by,
                last: written.through,
            }),
        }
    }
    let at = runs.iter().position(|run| run.instance == own);
    let own = match at {
        Some(at) => runs.remove(at),
        None => Run {
            instance: own,
            last: Seq(0),
        },
    };
    runs.push(own);
    runs.drain(..runs.len().saturating_sub(RUNS_MAX));
    runs
}

/// Puts this run on the list, fsynced, and returns it.
pub(in crate::spool) fn enlist(
    disk: &dyn Disk,
    log: &[Written],
    own: Instance,
) -> io::Result<Vec<Run>> {
    let before = read(disk)?;
    let runs = merged(before.clone(), log, own);
    if runs != before {
        let mut text = String::with_capacity(runs.len() * LINE_MAX);
        for run in &runs {
            // Writing to a string can't fail.
            let _ = writeln!(text, "{} {}", run.instance, run.last);
        }
        if !names_all(&before, &runs) {
            write_making_room(disk, NAME, &text)?;
            return Ok(runs);
        }
        match write_whole(disk, Dir::Root, NAME, &[text.as_bytes()]) {
            // Kafka would never get what fills the disk. No run is missing in the list, and what each has written is in the log, too.
            Err(e) if no_room(&e) => {
                tracing::warn!(
                    "the list of runs can't be brought up to date, it will be later: {e}"
                );
            }
            written => written?,
        }
    }
    Ok(runs)
}

fn names_all(list: &[Run], runs: &[Run]) -> bool {
    let named = |run: &Run| list.iter().any(|known| known.instance == run.instance);
    runs.iter().all(named)
}

fn read(disk: &dyn ReadDisk) -> io::Result<Vec<Run>> {
    let most = (2 * RUNS_MAX * LINE_MAX) as u64;
    let bytes = match read_all(disk, Dir::Root, NAME, most) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other?,
    };
    let text = String::from_utf8_lossy(&bytes);
    let runs: Option<Vec<Run>> = text.lines().map(parse).collect();
    runs.ok_or_else(|| {
        let text =
            format!("the file {NAME} is damaged: put the one of a backup back, or remove it");
        io::Error::new(io::ErrorKind::InvalidData, text)
    })
}

fn parse(line: &str) -> Option<Run> {
    let (name, last) = line.split_once(' ')?;
    Some(Run {
        instance: Instance::parse(name)?,
        last: Seq(last.parse().ok()?),
    })
}

/// For whom this spool has stood down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::spool) struct StoodDown {
    /// The name of the run that publishes in its place.
    pub(in crate::spool) rival: String,
    /// What that run has, published or not.
    pub(in crate::spool) covered: Settled,
}

/// For whom this spool has stood down, if it has.
pub(in crate::spool) fn stood_down(disk: &dyn ReadDisk) -> io::Result<Option<StoodDown>> {
    let bytes = match read_all(disk, Dir::Root, STOOD_DOWN, 4096) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other?,
    };
    let text = String::from_utf8_lossy(&bytes);
    let mut lines = text.lines();
    let rival = lines.next().unwrap_or_default().trim().to_owned();
    let mut covered = Settled::default();
    for line in lines {
        let Some((family, through)) = family_line(line) else {
            let text = format!(
                "the file {STOOD_DOWN} is damaged, or of a later release: {line:?} names no family and record"
            );
            return Err(io::Error::new(io::ErrorKind::InvalidData, text));
        };
        covered.advance(family, through);
    }
    Ok(Some(StoodDown { rival, covered }))
}

fn family_line(line: &str) -> Option<(Family, Seq)> {
    let (key, through) = line.split_once(' ')?;
    let family = Family::ALL.iter().find(|family| family.key() == key)?;
    Some((*family, Seq(through.parse().ok()?)))
}

/// This spool stands down, fsynced.
pub(in crate::spool) fn stand_down(
    disk: &dyn Disk,
    rival: Instance,
    covered: &Settled,
) -> io::Result<()> {
    let mut text = format!("{rival}\n");
    for family in Family::ALL {
        // Writing to a string can't fail.
        let _ = writeln!(text, "{} {}", family.key(), covered.of(*family));
    }
    write_making_room(disk, STOOD_DOWN, &text)
}

/// Writes a small file without which nothing is published, or nothing can be left to another relay. On a full disk indices go for it, as
/// many as it takes: without one its segment is read through. What fills the disk would stay there for ever otherwise.
fn write_making_room(disk: &dyn Disk, name: &str, text: &str) -> io::Result<()> {
    loop {
        let written = write_whole(disk, Dir::Root, name, &[text.as_bytes()]);
        let Err(full) = &written else { return Ok(()) };
        if !no_room(full) || !remove_an_index(disk)? {
            return written;
        }
    }
}

/// False: there is none.
fn remove_an_index(disk: &dyn Disk) -> io::Result<bool> {
    let files = disk.list(Dir::Root)?;
    let Some(index) = files.iter().find(|file| Name::of_index(file).is_some()) else {
        return Ok(false);
    };
    tracing::warn!(
        index,
        "the disk is full: an index goes for what has to be written"
    );
    match disk.remove(Dir::Root, index) {
        // The housekeeper was quicker.
        Err(e) if e.kind() == io::ErrorKind::NotFound => {}
        removed => removed?,
    }
    // Only then the filesystem has to give the room back.
    disk.sync_dir(Dir::Root)?;
    Ok(true)
}

/// This spool publishes again.
pub(in crate::spool) fn stand_up(disk: &dyn Disk) -> io::Result<()> {
    disk.remove(Dir::Root, STOOD_DOWN)?;
    disk.sync_dir(Dir::Root)
}

#[cfg(test)]
mod tests {
    use super::super::{
        disk::RealDisk,
        tests::fake_disk::{ENOSPC, FakeDisk, Verb},
    };
    use super::*;

    const fn run(n: u8, last: u64) -> Run {
        Run {
            instance: Instance([n; 16]),
            last: Seq(last),
        }
    }

    const fn written(n: u8, from: u64, through: u64) -> Written {
        Written {
            by: Instance([n; 16]),
            from: Seq(from),
            through: Seq(through),
        }
    }

    #[test]
    fn every_run_is_on_the_list_and_stays_when_its_segments_are_gone() {
        let dir = tempfile::tempdir().unwrap();
        let disk = RealDisk::new(dir.path()).unwrap();
        let first = enlist(&disk, &[], Instance([1; 16])).unwrap();
        assert_eq!(first, [run(1, 0)]);
        let log = [written(1, 1, 40), written(2, 41, 50)];
        let second = enlist(&disk, &log, Instance([3; 16])).unwrap();
        assert_eq!(second, [run(1, 40), run(2, 50), run(3, 0)]);
        // Asked again in the same run, and once more when only its own segments are left.
        let log = [written(3, 51, 60)];
        let again = enlist(&disk, &log, Instance([3; 16])).unwrap();
        assert_eq!(again, [run(1, 40), run(2, 50), run(3, 60)]);
        assert_eq!(read(&disk).unwrap(), again);
    }

    #[test]
    fn a_full_disk_stops_nobody_who_is_on_the_list_already() {
        let disk = FakeDisk::new();
        enlist(&disk, &[], Instance([1; 16])).unwrap();
        let full = || disk.fail_verb_at(Verb::Create, disk.calls_of(Verb::Create) + 1, ENOSPC);
        full();
        let runs = enlist(&disk, &[written(1, 1, 40)], Instance([1; 16])).unwrap();
        assert_eq!(runs, [run(1, 40)]);
        assert_eq!(read(&disk).unwrap(), [run(1, 0)], "as it was");
        full();
        let unknown = enlist(&disk, &[], Instance([2; 16]));
        assert!(unknown.is_err(), "a run that isn't on the list on disk");
    }

    /// Nothing would ever be published then, so the disk would stay full.
    #[test]
    fn on_a_full_disk_indices_go_for_a_run_that_is_not_on_the_list_yet_and_for_who_stands_down() {
        let disk = FakeDisk::new();
        let salt = 7;
        let index = |ordinal| Name { ordinal, salt }.index();
        for ordinal in 1..=4 {
            write_whole(&disk, Dir::Root, &index(ordinal), &[&[1; 100]]).unwrap();
        }
        write_whole(&disk, Dir::Root, "other", &[&[1; 500]]).unwrap();
        disk.set_capacity(disk.used());
        assert_eq!(enlist(&disk, &[], Instance([2; 16])).unwrap(), [run(2, 0)]);
        assert_eq!(read(&disk).unwrap(), [run(2, 0)]);
        // What is only to be brought up to date can wait.
        disk.set_capacity(disk.used());
        let before = disk.list(Dir::Root).unwrap();
        enlist(&disk, &[written(2, 1, 40)], Instance([2; 16])).unwrap();
        assert_eq!(disk.list(Dir::Root).unwrap(), before);
        stand_down(&disk, Instance([3; 16]), &Settled::default()).unwrap();
        let files = disk.list(Dir::Root).unwrap();
        assert!(
            files.contains(&"other".to_owned()) && files.contains(&index(4)),
            "{files:?}"
        );
        // Without any left it is an error, as ever.
        for file in files.iter().filter(|file| Name::of_index(file).is_some()) {
            disk.remove(Dir::Root, file).unwrap();
        }
        disk.set_capacity(disk.used());
        assert!(enlist(&disk, &[], Instance([4; 16])).is_err());
    }

    #[test]
    fn a_damaged_header_is_nobody() {
        assert_eq!(
            merged(Vec::new(), &[written(0, 1, 9)], Instance([4; 16])),
            [run(4, 0)]
        );
    }

    #[test]
    fn however_many_runs_the_list_has_an_end() {
        let mut runs = Vec::new();
        for n in 0..(RUNS_MAX as u128 + 10) {
            runs.push(Run {
                instance: Instance(n.to_le_bytes()),
                last: Seq(0),
            });
        }
        let own = Instance([0xff; 16]);
        let kept = merged(runs, &[], own);
        assert_eq!(
            (kept.len(), kept.last().map(|r| r.instance)),
            (RUNS_MAX, Some(own))
        );
    }

    #[test]
    fn standing_down_lasts_until_taken_back() {
        let dir = tempfile::tempdir().unwrap();
        let disk = RealDisk::new(dir.path()).unwrap();
        assert_eq!(stood_down(&disk).unwrap(), None);
        let rival = Instance([7; 16]);
        let mut covered = Settled::default();
        covered.advance(Family::Stream, Seq(41));
        stand_down(&disk, rival, &covered).unwrap();
        let expected = StoodDown {
            rival: rival.to_string(),
            covered,
        };
        assert_eq!(stood_down(&disk).unwrap(), Some(expected));
        // As the first release wrote it: what the rival has was settled at once.
        write_whole(&disk, Dir::Root, STOOD_DOWN, &[b"0707\n"]).unwrap();
        let before = stood_down(&disk).unwrap().unwrap();
        assert_eq!(
            (before.rival.as_str(), before.covered),
            ("0707", Settled::default())
        );
        write_whole(&disk, Dir::Root, STOOD_DOWN, &[b"0707\nstream x\n"]).unwrap();
        assert!(stood_down(&disk).is_err());
        stand_up(&disk).unwrap();
        assert_eq!(stood_down(&disk).unwrap(), None);
    }
}

//! The files of the ledger: appended to, turned over, the oldest deleted; read by commands, also while `serve` writes.

use super::entry::Entry;
use crate::{clock::Millis, config::Rejects};
use std::{
    collections::BTreeSet,
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Write},
    ops::ControlFlow,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

/// Files at most: the unit in which old entries go.
const FILES: usize = 8;
const SUFFIX: &str = ".log";
const ACCEPTED: &str = "accepted";

/// `rejects/` of a spool's directory.
fn directory(spool: &Path) -> PathBuf {
    spool.join("rejects")
}

/// The numbers of the files, ascending: each is when the file was begun.
fn numbers(dir: &Path) -> io::Result<Vec<u64>> {
    let mut all = Vec::new();
    for file in fs::read_dir(dir)? {
        let name = file?.file_name();
        let number: Option<u64> = name
            .to_str()
            .and_then(|name| name.strip_suffix(SUFFIX)?.parse().ok());
        all.extend(number);
    }
    all.sort_unstable();
    Ok(all)
}

fn path(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("{number:015}{SUFFIX}"))
}

/// Where the ledger is written.
#[derive(Debug)]
pub(super) struct Files {
    dir: PathBuf,
    limits: Rejects,
    current: Option<Current>,
}

#[derive(Debug)]
struct Current {
    file: File,
    entries: usize,
    bytes: u64,
}

impl Files {
    /// Makes the directory. A new run begins a new file.
    pub(super) fn open(spool: &Path, limits: Rejects) -> io::Result<Self> {
        let dir = directory(spool);
        DirBuilder::new().recursive(true).mode(0o700).create(&dir)?;
        Ok(Self {
            dir,
            limits,
            current: None,
        })
    }

    /// Writes an entry; false if it is larger than there is room for.
    pub(super) fn append(&mut self, entry: &Entry) -> io::Result<bool> {
        let bytes = entry.encode();
        let len = bytes.len() as u64;
        let most = self.limits.max_bytes / FILES as u64;
        if len > most {
            return Ok(false);
        }
        let full = |current: &Current| {
            current.bytes + len > most || current.entries >= self.limits.max_entries.div_ceil(FILES)
        };
        let mut current = match self.current.take() {
            Some(current) if !full(&current) => current,
            _ => self.begin(entry.at)?,
        };
        current.file.write_all(&bytes)?;
        current.bytes += len;
        current.entries += 1;
        self.current = Some(current);
        Ok(true)
    }

    fn begin(&self, at: Millis) -> io::Result<Current> {
        let all = numbers(&self.dir)?;
        let surplus = (all.len() + 1).saturating_sub(FILES);
        for oldest in all.iter().take(surplus) {
            fs::remove_file(path(&self.dir, *oldest))?;
        }
        // A clock that was put back doesn't bring the order down.
        let number = all.last().map_or(at.0, |last| at.0.max(last + 1));
        let file = OpenOptions::new()
            .append(true)
            .create_new(true)
            .mode(0o600)
            .open(path(&self.dir, number))?;
        Ok(Current {
            file,
            entries: 0,
            bytes: 0,
        })
    }

    /// Deletes the files whose last entry is too old: those before the first one that was begun in time, but for its
    /// direct predecessor, which may reach into it.
    pub(super) fn sweep(&mut self, now: Millis) -> io::Result<()> {
        let age = u64::try_from(self.limits.max_age.as_millis()).unwrap_or(u64::MAX);
        let oldest = now.0.saturating_sub(age);
        let all = numbers(&self.dir)?;
        for (number, next) in all.iter().zip(all.iter().skip(1)) {
            if *next < oldest {
                fs::remove_file(path(&self.dir, *number))?;
            }
        }
        // The last one has no successor to tell: what it holds is younger than its last change.
        if let Some(last) = all.last() {
            let path = path(&self.dir, *last);
            let changed = fs::metadata(&path)?.modified()?;
            let since = changed
                .duration_since(std::time::UNIX_EPOCH)
                .unwrap_or_default();
            if since.as_millis() < u128::from(oldest) {
                self.current = None;
                fs::remove_file(path)?;
            }
        }
        Ok(())
    }
}

/// Reads all entries of a spool's ledger, oldest first, each with its name and whether it was accepted since. Blocks.
///
/// # Errors
/// If a file can't be read. No ledger at all is one without entries.
pub fn read(
    spool: &Path,
    mut each: impl FnMut(&str, Entry, bool) -> ControlFlow<()>,
) -> io::Result<()> {
    let dir = directory(spool);
    let numbers = match numbers(&dir) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        numbers => numbers?,
    };
    let accepted = accepted(&dir)?;
    for number in numbers {
        let content = match fs::read(path(&dir, number)) {
            // It went meanwhile.
            Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
            content => content?,
        };
        let mut rest = content.as_slice();
        for place in 1.. {
            let Some((entry, behind)) = Entry::decode(rest) else {
                break;
            };
            rest = behind;
            let name = format!("{number}.{place}");
            let was = accepted.contains(&name);
            if each(&name, entry, was).is_break() {
                return Ok(());
            }
        }
    }
    Ok(())
}

fn accepted(dir: &Path) -> io::Result<BTreeSet<String>> {
    match fs::read_to_string(dir.join(ACCEPTED)) {
        Ok(names) => Ok(names.lines().map(str::to_owned).collect()),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(BTreeSet::new()),
        Err(e) => Err(e),
    }
}

/// Notes that entries are in the spool now, so that they aren't put there again.
///
/// # Errors
/// If that can't be written: they would be offered again.
pub fn mark_accepted(spool: &Path, names: &[String]) -> io::Result<()> {
    let dir = directory(spool);
    let present = numbers(&dir)?;
    let still_there = |name: &String| {
        let number = name
            .split('.')
            .next()
            .and_then(|number| number.parse().ok());
        number.is_some_and(|number: u64| present.contains(&number))
    };
    let mut all = accepted(&dir)?;
    all.extend(names.iter().cloned());
    let lines: String = all
        .iter()
        .filter(|name| still_there(name))
        .map(|name| format!("{name}\n"))
        .collect();
    let written = dir.join("accepted.tmp");
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&written)?;
    file.write_all(lines.as_bytes())?;
    fs::rename(written, dir.join(ACCEPTED))
}

#[cfg(test)]
mod tests {
    use super::{super::entry::tests::entry, *};
    use std::{os::unix::fs::PermissionsExt, time::Duration};

    const LIMITS: Rejects = Rejects {
        max_entries: 80,
        max_bytes: 64 << 10,
        max_age: Duration::from_secs(60),
    };

    fn all(spool: &Path) -> Vec<(String, u64, bool)> {
        let mut all = Vec::new();
        read(spool, |name, entry, accepted| {
            all.push((name.to_owned(), entry.at.0, accepted));
            ControlFlow::Continue(())
        })
        .unwrap();
        all
    }

    fn on_disk(spool: &Path) -> u64 {
        let files = fs::read_dir(directory(spool)).unwrap();
        files
            .map(|file| file.unwrap().metadata().unwrap().len())
            .sum()
    }

    #[test]
    fn the_last_ones_are_kept_within_count_and_bytes() {
        let spool = tempfile::tempdir().unwrap();
        assert_eq!(all(spool.path()), []);
        let mut files = Files::open(spool.path(), LIMITS).unwrap();
        for at in 1..=1000 {
            assert!(files.append(&entry(at, b"{}")).unwrap());
            assert!(all(spool.path()).len() <= LIMITS.max_entries);
        }
        let kept = all(spool.path());
        assert!(kept.len() > LIMITS.max_entries / 2);
        assert_eq!(kept.last().unwrap().1, 1000);
        for at in 1001..1100 {
            files.append(&entry(at, &[b'x'; 5000])).unwrap();
            assert!(on_disk(spool.path()) <= LIMITS.max_bytes);
        }
        assert!(
            !files.append(&entry(1, &[b'x'; 9000])).unwrap(),
            "larger than a file"
        );
        for file in fs::read_dir(directory(spool.path())).unwrap() {
            assert_eq!(
                file.unwrap().metadata().unwrap().permissions().mode() & 0o777,
                0o600
            );
        }
        assert_eq!(
            fs::metadata(directory(spool.path()))
                .unwrap()
                .permissions()
                .mode()
                & 0o777,
            0o700
        );
    }

    #[test]
    fn a_new_run_goes_on_beside_the_old_one_and_what_is_too_old_goes() {
        let spool = tempfile::tempdir().unwrap();
        for run in 0..3 {
            let mut files = Files::open(spool.path(), LIMITS).unwrap();
            // The clock was put back before the last run.
            files.append(&entry([1000, 2000, 500][run], b"{}")).unwrap();
        }
        let kept: Vec<_> = all(spool.path()).into_iter().map(|(_, at, _)| at).collect();
        assert_eq!(kept, [1000, 2000, 500]);
        let mut files = Files::open(spool.path(), LIMITS).unwrap();
        files.sweep(Millis(61_000)).unwrap();
        assert_eq!(all(spool.path()).len(), 3);
        files.sweep(Millis(62_002)).unwrap();
        assert_eq!(all(spool.path()).len(), 1);
        files.sweep(Millis(u64::MAX)).unwrap();
        assert_eq!(all(spool.path()), []);
    }

    #[test]
    fn what_was_accepted_is_remembered_and_a_torn_end_is_passed_over() {
        let spool = tempfile::tempdir().unwrap();
        let mut files = Files::open(spool.path(), LIMITS).unwrap();
        files.append(&entry(1, b"{}")).unwrap();
        files.append(&entry(2, b"{}")).unwrap();
        let names: Vec<_> = all(spool.path())
            .into_iter()
            .map(|(name, ..)| name)
            .collect();
        mark_accepted(spool.path(), &[names[1].clone(), "999.1".into()]).unwrap();
        assert_eq!(
            all(spool.path()),
            [(names[0].clone(), 1, false), (names[1].clone(), 2, true)]
        );
        let file = path(&directory(spool.path()), 1);
        let content = fs::read(&file).unwrap();
        fs::write(&file, &content[..content.len() - 1]).unwrap();
        assert_eq!(all(spool.path()).len(), 1);
    }
}

//! The files of the ledger: appended to, turned over, the oldest deleted; read by commands, also while `serve` writes.

use super::entry::Entry;
use crate::{clock::Millis, config::Rejects, owner};
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
    /// When it was begun, which is also its name.
    begun: u64,
    entries: usize,
    bytes: u64,
}

impl Files {
    /// Those of the spool in this directory; none is touched yet.
    pub(super) fn of(spool: &Path, limits: Rejects) -> Self {
        Self {
            dir: directory(spool),
            limits,
            current: None,
        }
    }

    #[cfg(test)]
    pub(super) fn open(spool: &Path, limits: Rejects) -> io::Result<Self> {
        let mut files = Self::of(spool, limits);
        files.go_on().map(|()| files)
    }

    /// Makes the directory. A new run goes on in the last file, unless that has a torn end: else a few restarts would push out what
    /// there is room for.
    pub(super) fn go_on(&mut self) -> io::Result<()> {
        self.make_directory()?;
        if let Some(last) = numbers(&self.dir)?.last() {
            self.current = Current::go_on(&self.dir, *last)?;
        }
        Ok(())
    }

    /// Writes an entry; false if it is larger than there is room for.
    pub(super) fn append(&mut self, entry: &Entry) -> io::Result<bool> {
        let bytes = entry.encode();
        let len = bytes.len() as u64;
        let most = self.limits.max_bytes / FILES as u64;
        if len > most {
            return Ok(false);
        }
        // A file goes as a whole, so none may hold what is of very different ages.
        let span =
            u64::try_from(self.limits.max_age.as_millis()).unwrap_or(u64::MAX) / FILES as u64;
        let full = |current: &Current| {
            current.bytes + len > most
                || current.entries >= self.limits.max_entries.div_ceil(FILES)
                || entry.at.0.saturating_sub(current.begun) > span
        };
        let mut current = match self.current.take() {
            Some(current) if !full(&current) => current,
            _ => self.begin(entry.at)?,
        };
        if let Err(e) = current.file.write_all(&bytes) {
            // What follows a torn entry couldn't be read; and another file for each try would push out whole ones.
            if current.file.set_len(current.bytes).is_ok() {
                self.current = Some(current);
            }
            return Err(e);
        }
        current.bytes += len;
        current.entries += 1;
        self.current = Some(current);
        Ok(true)
    }

    fn make_directory(&self) -> io::Result<()> {
        if let Some(spool) = self.dir.parent() {
            let mut above = DirBuilder::new();
            above.recursive(true).mode(0o700).create(spool)?;
        }
        owner::make_directory(&self.dir)
    }

    fn begin(&self, at: Millis) -> io::Result<Current> {
        self.make_directory()?;
        let all = numbers(&self.dir)?;
        // A clock that was put back doesn't bring the order down.
        let number = all.last().map_or(at.0, |last| at.0.max(last + 1));
        let file = OpenOptions::new()
            .append(true)
            .create_new(true)
            .mode(0o600)
            .open(path(&self.dir, number))?;
        owner::give(&file, &self.dir);
        // Only when there is a new one.
        let surplus = (all.len() + 1).saturating_sub(FILES);
        for oldest in all.iter().take(surplus) {
            fs::remove_file(path(&self.dir, *oldest))?;
        }
        Ok(Current {
            file,
            begun: number,
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

impl Current {
    /// The file of this number, to be written on. None if it ends in a torn entry: nothing behind that could be read.
    fn go_on(dir: &Path, number: u64) -> io::Result<Option<Self>> {
        let path = path(dir, number);
        let content = fs::read(&path)?;
        let (mut rest, mut entries) = (content.as_slice(), 0);
        while let Some((_, behind)) = Entry::decode(rest) {
            rest = behind;
            entries += 1;
        }
        if !rest.is_empty() {
            return Ok(None);
        }
        Ok(Some(Self {
            file: owner::through_no_link().append(true).open(path)?,
            begun: number,
            entries,
            bytes: content.len() as u64,
        }))
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
    match fs::remove_file(&written) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    let mut file = owner::make(&written)?;
    file.write_all(lines.as_bytes())?;
    fs::rename(written, dir.join(ACCEPTED))
}

#[cfg(test)]
mod tests;

//! A disk that keeps what was written apart from what was synced, names included; that dies at a chosen call, forgets
//! what the test chooses of the unsynced, and fails any chosen call.

use super::super::disk::{Dir, Disk, DiskFile, Space};
use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex},
};

type Path = (Dir, String);
const SECTOR: usize = 512;

/// What survives of unsynced bytes and names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::spool) enum Survives {
    /// A killed process: all of it.
    All,
    /// A power cut at its worst: nothing.
    Nothing,
    /// A power cut: any sectors of any writes, the names as far as they came in order, by this seed.
    Some(u64),
}

#[derive(Debug, Clone, Default)]
struct Content {
    live: Vec<u8>,
    synced: Vec<u8>,
}

#[derive(Debug, Default)]
struct State {
    names: BTreeMap<Path, u64>,
    synced_names: BTreeMap<Path, u64>,
    /// Names as they were after each unsynced change.
    history: Vec<BTreeMap<Path, u64>>,
    contents: BTreeMap<u64, Content>,
    next: u64,
    /// Of the names and salts: the same from run to run.
    chance: u64,
    calls: u64,
    dies_at: Option<u64>,
    fails_at: Option<u64>,
    free: u64,
    /// If set, what files take is no longer free.
    capacity: Option<u64>,
}

#[derive(Debug, Clone)]
pub(in crate::spool) struct FakeDisk(Arc<Mutex<State>>);

struct FakeFile {
    disk: FakeDisk,
    id: u64,
}

impl State {
    fn used(&self) -> u64 {
        let lengths = self.names.values().map(|id| self.contents[id].live.len());
        lengths.sum::<usize>() as u64
    }
}

impl FakeDisk {
    pub(in crate::spool) fn new() -> Self {
        Self(Arc::new(Mutex::new(State {
            free: 1 << 40,
            ..State::default()
        })))
    }

    pub(in crate::spool) fn calls(&self) -> u64 {
        self.0.lock().unwrap().calls
    }

    /// From the call with this number on, everything fails; a write then is under way.
    pub(in crate::spool) fn die_at(&self, call: u64) {
        self.0.lock().unwrap().dies_at = Some(call);
    }

    /// This one call fails.
    pub(in crate::spool) fn fail_at(&self, call: u64) {
        self.0.lock().unwrap().fails_at = Some(call);
    }

    pub(in crate::spool) fn set_free(&self, free: u64) {
        self.0.lock().unwrap().free = free;
    }

    /// From here on files and free space are this together.
    pub(in crate::spool) fn set_capacity(&self, capacity: u64) {
        self.0.lock().unwrap().capacity = Some(capacity);
    }

    /// Bytes of all files.
    pub(in crate::spool) fn used(&self) -> u64 {
        self.0.lock().unwrap().used()
    }

    /// What the next process finds.
    pub(in crate::spool) fn after_crash(&self, survives: Survives) -> Self {
        let state = self.0.lock().unwrap();
        let mut random = match survives {
            Survives::Some(seed) => seed | 1,
            _ => 1,
        };
        let mut draw = move || {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            random
        };
        let names = match survives {
            Survives::All => state.names.clone(),
            Survives::Nothing => state.synced_names.clone(),
            Survives::Some(_) => {
                let kept = usize::try_from(draw()).unwrap() % (state.history.len() + 1);
                kept.checked_sub(1).map_or_else(
                    || state.synced_names.clone(),
                    |at| state.history[at].clone(),
                )
            }
        };
        let contents = state
            .contents
            .iter()
            .map(|(id, content)| {
                let kept = match survives {
                    Survives::All => content.live.clone(),
                    Survives::Nothing => content.synced.clone(),
                    Survives::Some(_) => {
                        let mut kept = content.synced.clone();
                        for (at, sector) in content.live.chunks(SECTOR).enumerate() {
                            let start = at * SECTOR;
                            let old = kept.get(start..(start + sector.len()).min(kept.len()));
                            if old != Some(sector) && draw() % 2 == 0 {
                                kept.resize(kept.len().max(start + sector.len()), 0);
                                kept[start..start + sector.len()].copy_from_slice(sector);
                            }
                        }
                        kept
                    }
                };
                // A killed process leaves unsynced bytes unsynced.
                let synced = if survives == Survives::All {
                    content.synced.clone()
                } else {
                    kept.clone()
                };
                (*id, Content { live: kept, synced })
            })
            .collect();
        let synced_names = if survives == Survives::All {
            state.synced_names.clone()
        } else {
            names.clone()
        };
        let history = if survives == Survives::All {
            state.history.clone()
        } else {
            Vec::new()
        };
        Self(Arc::new(Mutex::new(State {
            names,
            synced_names,
            history,
            contents,
            next: state.next,
            chance: state.chance,
            free: state.free,
            capacity: state.capacity,
            ..State::default()
        })))
    }

    /// Changes bytes behind everyone's back.
    pub(in crate::spool) fn damage(&self, dir: Dir, name: &str, at: usize, len: usize) {
        let mut state = self.0.lock().unwrap();
        let id = state.names[&(dir, name.to_owned())];
        let content = state.contents.get_mut(&id).unwrap();
        for bytes in [&mut content.live, &mut content.synced] {
            bytes[at..at + len].iter_mut().for_each(|b| *b ^= 0x55);
        }
    }

    fn call<T>(&self, act: impl FnOnce(&mut State) -> io::Result<T>) -> io::Result<T> {
        let mut state = self.0.lock().unwrap();
        state.calls += 1;
        if state.dies_at.is_some_and(|at| state.calls >= at) {
            return Err(io::Error::other("power cut"));
        }
        if state.fails_at == Some(state.calls) {
            return Err(io::Error::from_raw_os_error(5));
        }
        act(&mut state)
    }

    fn rename_in(state: &mut State, change: impl FnOnce(&mut BTreeMap<Path, u64>)) {
        change(&mut state.names);
        let now = state.names.clone();
        state.history.push(now);
    }

    fn file(&self, id: u64) -> Box<dyn DiskFile> {
        Box::new(FakeFile {
            disk: self.clone(),
            id,
        })
    }
}

fn not_found() -> io::Error {
    io::ErrorKind::NotFound.into()
}

impl Disk for FakeDisk {
    fn list(&self, dir: Dir) -> io::Result<Vec<String>> {
        self.call(|s| {
            Ok(s.names
                .keys()
                .filter(|p| p.0 == dir)
                .map(|p| p.1.clone())
                .collect())
        })
    }

    fn create(&self, dir: Dir, name: &str) -> io::Result<Box<dyn DiskFile>> {
        let id = self.call(|s| {
            if s.names.contains_key(&(dir, name.to_owned())) {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            s.next += 1;
            let id = s.next;
            s.contents.insert(id, Content::default());
            Self::rename_in(s, |names| {
                names.insert((dir, name.to_owned()), id);
            });
            Ok(id)
        })?;
        Ok(self.file(id))
    }

    fn open(&self, dir: Dir, name: &str) -> io::Result<Box<dyn DiskFile>> {
        let id = self.call(|s| {
            s.names
                .get(&(dir, name.to_owned()))
                .copied()
                .ok_or_else(not_found)
        })?;
        Ok(self.file(id))
    }

    fn rename(&self, dir: Dir, from: &str, to: &str) -> io::Result<()> {
        self.call(|s| {
            let id = *s.names.get(&(dir, from.to_owned())).ok_or_else(not_found)?;
            Self::rename_in(s, |names| {
                names.remove(&(dir, from.to_owned()));
                names.insert((dir, to.to_owned()), id);
            });
            Ok(())
        })
    }

    fn remove(&self, dir: Dir, name: &str) -> io::Result<()> {
        self.call(|s| {
            let path = (dir, name.to_owned());
            if !s.names.contains_key(&path) {
                return Err(not_found());
            }
            Self::rename_in(s, |names| {
                names.remove(&path);
            });
            Ok(())
        })
    }

    fn size(&self, dir: Dir, name: &str) -> io::Result<u64> {
        self.call(|s| {
            let id = s.names.get(&(dir, name.to_owned())).ok_or_else(not_found)?;
            Ok(s.contents[id].live.len() as u64)
        })
    }

    fn sync_dir(&self, dir: Dir) -> io::Result<()> {
        self.call(|s| {
            s.synced_names.retain(|path, _| path.0 != dir);
            let synced: Vec<_> = s
                .names
                .iter()
                .filter(|(p, _)| p.0 == dir)
                .map(|(p, id)| (p.clone(), *id))
                .collect();
            s.synced_names.extend(synced);
            s.history.clear();
            Ok(())
        })
    }

    /// No call of the disk: it neither dies nor fails here.
    fn random(&self, bytes: &mut [u8]) -> io::Result<()> {
        let mut state = self.0.lock().unwrap();
        for byte in bytes {
            state.chance = state
                .chance
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            *byte = u8::try_from(state.chance >> 56).unwrap();
        }
        Ok(())
    }

    fn space(&self) -> io::Result<Space> {
        self.call(|s| {
            Ok(Space {
                free: s
                    .capacity
                    .map_or(s.free, |capacity| capacity.saturating_sub(s.used())),
                total: 1 << 40,
            })
        })
    }
}

impl DiskFile for FakeFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.disk.call(|s| {
            let live = &s.contents[&self.id].live;
            let rest = live
                .get(usize::try_from(offset).unwrap()..)
                .unwrap_or_default();
            let len = rest.len().min(buffer.len());
            buffer[..len].copy_from_slice(&rest[..len]);
            Ok(len)
        })
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let write = |s: &mut State| {
            let live = &mut s.contents.get_mut(&self.id).unwrap().live;
            let (start, end) = (
                usize::try_from(offset).unwrap(),
                usize::try_from(offset).unwrap() + bytes.len(),
            );
            live.resize(live.len().max(end), 0);
            live[start..end].copy_from_slice(bytes);
        };
        let result = self.disk.call(|s| {
            write(s);
            Ok(())
        });
        let mut state = self.disk.0.lock().unwrap();
        // The power fails while this write is under way; later ones never reach the disk.
        if state.dies_at == Some(state.calls) {
            write(&mut state);
        }
        result
    }

    fn sync_data(&self) -> io::Result<()> {
        self.disk.call(|s| {
            let content = s.contents.get_mut(&self.id).unwrap();
            content.synced.clone_from(&content.live);
            Ok(())
        })
    }

    fn len(&self) -> io::Result<u64> {
        self.disk
            .call(|s| Ok(s.contents[&self.id].live.len() as u64))
    }
}

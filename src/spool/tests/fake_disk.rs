//! A disk that keeps what was written apart from what was synced, names included; that dies at a chosen call, forgets
//! what the test chooses of the unsynced, and fails any chosen call.

mod calls;
pub(in crate::spool) mod content;
pub(in crate::spool) mod names;

use super::super::disk::{Dir, DiskFile};
use content::Content;
use names::Names;
use std::{
    collections::BTreeMap,
    io,
    ops::Range,
    sync::{Arc, Mutex},
};

pub(in crate::spool) const EIO: i32 = 5;
pub(in crate::spool) const ENOSPC: i32 = 28;

/// What survives of unsynced bytes and names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::spool) enum Survives {
    /// A killed process: all of it.
    All,
    /// A power cut at its worst: nothing.
    Nothing,
    /// A power cut: any sectors of any writes, any of the changes of names, by this seed.
    Some(u64),
}

/// What a call does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::spool) enum Verb {
    List,
    Create,
    Open,
    Rename,
    Remove,
    Size,
    SyncDir,
    Space,
    Uncache,
    Read,
    Write,
    Sync,
    Len,
}

impl Verb {
    pub(in crate::spool) const ALL: [Self; 13] = [
        Self::List,
        Self::Create,
        Self::Open,
        Self::Rename,
        Self::Remove,
        Self::Size,
        Self::SyncDir,
        Self::Space,
        Self::Uncache,
        Self::Read,
        Self::Write,
        Self::Sync,
        Self::Len,
    ];
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Why {
    Death,
    Error,
}

/// Everything but what is watched: cheap to copy.
#[derive(Debug, Clone, Default)]
pub(in crate::spool) struct State {
    pub(in crate::spool) names: Names,
    pub(in crate::spool) contents: BTreeMap<u64, Content>,
    next: u64,
    /// Of the names and salts: the same from run to run.
    chance: u64,
    free: u64,
    /// If set, what files take is no longer free.
    capacity: Option<u64>,
}

/// Sees the disk as it is when a call that changes or syncs something has done so, and nothing of it is certain yet.
pub(in crate::spool) type Watch = Box<dyn FnMut(&State) + Send>;

#[derive(Default)]
struct Machine {
    state: State,
    calls: u64,
    of_verb: [u64; Verb::ALL.len()],
    dies_at: Option<u64>,
    fails_at: Option<u64>,
    verb_fails: Option<(Verb, u64, i32)>,
    watch: Option<Watch>,
    /// Of which files the page cache was told to let go.
    uncached: Vec<String>,
}

#[derive(Clone)]
pub(in crate::spool) struct FakeDisk(Arc<Mutex<Machine>>);

struct FakeFile {
    disk: FakeDisk,
    id: u64,
}

impl State {
    fn used(&self) -> u64 {
        let live = self.names.live().iter();
        let lengths = live.map(|(_, _, id)| self.contents[id].live().len());
        lengths.sum::<usize>() as u64
    }

    fn file(&mut self, id: u64) -> &mut Content {
        self.contents.get_mut(&id).unwrap()
    }

    /// What the next process finds after a power cut, by these choices: see [`Content::after_power_cut`] and
    /// [`Names::after_power_cut`]. `length` is asked for each file that may have several.
    pub(in crate::spool) fn after_power_cut(
        &self,
        done: impl FnMut(usize) -> bool,
        mut choose: impl FnMut(u64, usize, usize) -> usize,
        mut length: impl FnMut(u64, usize) -> usize,
    ) -> Self {
        let names = self.names.after_power_cut(done);
        let contents = names.live().iter().map(|(_, _, id)| {
            let content = &self.contents[id];
            let others = content.other_lengths();
            let length = if others > 0 {
                length(*id, others + 1)
            } else {
                0
            };
            let kept = content.after_power_cut(|sector, n| choose(*id, sector, n), length);
            (*id, kept)
        });
        Self {
            contents: contents.collect(),
            names: names.clone(),
            ..*self
        }
    }

    pub(in crate::spool) fn disk(self) -> FakeDisk {
        FakeDisk(Arc::new(Mutex::new(Machine {
            state: self,
            ..Machine::default()
        })))
    }
}

impl FakeDisk {
    pub(in crate::spool) fn new() -> Self {
        let state = State {
            free: 1 << 40,
            ..State::default()
        };
        state.disk()
    }

    pub(in crate::spool) fn state(&self) -> State {
        self.0.lock().unwrap().state.clone()
    }

    pub(in crate::spool) fn calls(&self) -> u64 {
        self.0.lock().unwrap().calls
    }

    /// How many calls there were of this kind.
    pub(in crate::spool) fn calls_of(&self, verb: Verb) -> u64 {
        self.0.lock().unwrap().of_verb[verb as usize]
    }

    /// From the call with this number on, everything fails; a write then is under way.
    pub(in crate::spool) fn die_at(&self, call: u64) {
        self.0.lock().unwrap().dies_at = Some(call);
    }

    /// This one call fails.
    pub(in crate::spool) fn fail_at(&self, call: u64) {
        self.0.lock().unwrap().fails_at = Some(call);
    }

    /// This one call of this kind fails, with this error.
    pub(in crate::spool) fn fail_verb_at(&self, verb: Verb, call: u64, error: i32) {
        self.0.lock().unwrap().verb_fails = Some((verb, call, error));
    }

    pub(in crate::spool) fn watch(&self, watch: Option<Watch>) {
        self.0.lock().unwrap().watch = watch;
    }

    pub(in crate::spool) fn set_free(&self, free: u64) {
        self.0.lock().unwrap().state.free = free;
    }

    /// From here on files and free space are this together.
    pub(in crate::spool) fn set_capacity(&self, capacity: u64) {
        self.0.lock().unwrap().state.capacity = Some(capacity);
    }

    /// Bytes of all files.
    pub(in crate::spool) fn used(&self) -> u64 {
        self.0.lock().unwrap().state.used()
    }

    /// Of which files the page cache was told to let go since the last time that this was asked.
    pub(in crate::spool) fn uncached(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap().uncached)
    }

    /// What the next process finds.
    pub(in crate::spool) fn after_crash(&self, survives: Survives) -> Self {
        let state = self.state();
        let mut random = match survives {
            Survives::All => return state.disk(),
            Survives::Nothing => {
                let oldest = |_, _, _| 1;
                return state.after_power_cut(|_| false, oldest, |_, _| 1).disk();
            }
            Survives::Some(seed) => seed | 1,
        };
        let mut draw = |below: usize| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            usize::try_from(random >> 32).unwrap() % below
        };
        let done: Vec<bool> = (0..state.names.unsynced()).map(|_| draw(2) == 1).collect();
        let seed = draw(usize::MAX);
        let by_place = |id: u64, at: usize, below: usize| {
            let mixed = (seed as u64 ^ (id << 32) ^ at as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            usize::try_from(mixed >> 33).unwrap() % below
        };
        let length = |id, below| by_place(id, usize::MAX, below);
        state
            .after_power_cut(|at| done[at], by_place, length)
            .disk()
    }

    /// Changes bytes behind everyone's back.
    pub(in crate::spool) fn damage(&self, dir: Dir, name: &str, at: usize, len: usize) {
        self.behind(dir, name, |content| content.damage(at, len));
    }

    /// Bytes that were once written are zeros again.
    pub(in crate::spool) fn zero(&self, dir: Dir, name: &str, bytes: Range<usize>) {
        self.behind(dir, name, |content| content.zero(bytes));
    }

    /// From now on reading these bytes fails, until they are written.
    pub(in crate::spool) fn make_unreadable(&self, dir: Dir, name: &str, bytes: Range<usize>) {
        self.behind(dir, name, |content| content.make_unreadable(bytes));
    }

    fn behind(&self, dir: Dir, name: &str, act: impl FnOnce(&mut Content)) {
        let mut machine = self.0.lock().unwrap();
        let id = machine.state.names.find(dir, name).unwrap();
        act(machine.state.file(id));
    }

    /// `fails` says what is left of it when it fails, or when the power fails or a kill comes meanwhile.
    fn call<T>(
        &self,
        verb: Verb,
        act: impl FnOnce(&mut State) -> io::Result<T>,
        fails: impl FnOnce(&mut State, Why),
    ) -> io::Result<T> {
        let mut machine = self.0.lock().unwrap();
        machine.calls += 1;
        machine.of_verb[verb as usize] += 1;
        if machine.dies_at.is_some_and(|at| machine.calls >= at) {
            if machine.dies_at == Some(machine.calls) {
                fails(&mut machine.state, Why::Death);
            }
            return Err(io::Error::other("power cut"));
        }
        let of_verb = machine.of_verb[verb as usize];
        let error = match machine.verb_fails {
            Some((which, at, error)) if which == verb && at == of_verb => Some(error),
            _ => (machine.fails_at == Some(machine.calls)).then_some(EIO),
        };
        if let Some(error) = error {
            fails(&mut machine.state, Why::Error);
            return Err(io::Error::from_raw_os_error(error));
        }
        let syncs = matches!(verb, Verb::Sync | Verb::SyncDir);
        let changes = matches!(
            verb,
            Verb::Create | Verb::Rename | Verb::Remove | Verb::Write
        );
        if syncs {
            machine.show();
        }
        let result = act(&mut machine.state);
        if changes {
            machine.show();
        }
        result
    }

    fn ask<T>(&self, verb: Verb, act: impl FnOnce(&mut State) -> io::Result<T>) -> io::Result<T> {
        self.call(verb, act, |_, _| {})
    }

    fn file(&self, id: u64) -> Box<dyn DiskFile> {
        Box::new(FakeFile {
            disk: self.clone(),
            id,
        })
    }
}

impl Machine {
    fn show(&mut self) {
        if let Some(watch) = &mut self.watch {
            watch(&self.state);
        }
    }
}

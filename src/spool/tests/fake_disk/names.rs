//! The names in the directories: as a process sees them, as they are on the platter, and what was done to them in between.
//!
//! A crash may leave any part of what was done since the last sync of the directory, whatever came first: a filesystem with a
//! journal leaves a beginning of it, one without leaves what it likes. A directory's sync that fails leaves all as it was: unlike
//! a page of data, nobody forgets it.

use super::super::super::disk::Dir;
use std::{
    hash::{Hash, Hasher},
    sync::Arc,
};

/// Which file has which name.
pub(in crate::spool) type Table = Vec<(Dir, Arc<str>, u64)>;

#[derive(Debug, Clone, Hash)]
enum Act {
    Link(Arc<str>, u64),
    Unlink(Arc<str>),
    Rename(Arc<str>, Arc<str>, u64),
}

#[derive(Debug, Clone, Default)]
pub(in crate::spool) struct Names {
    live: Table,
    synced: Table,
    acts: Vec<(Dir, Act)>,
}

fn find(table: &Table, dir: Dir, name: &str) -> Option<u64> {
    let found = table.iter().find(|(d, n, _)| *d == dir && **n == *name);
    found.map(|(_, _, id)| *id)
}

fn apply(table: &mut Table, dir: Dir, act: &Act) {
    let mut put = |name: &Arc<str>, id: Option<u64>| {
        table.retain(|(d, n, _)| *d != dir || n != name);
        table.extend(id.map(|id| (dir, Arc::clone(name), id)));
    };
    match act {
        Act::Link(name, id) => put(name, Some(*id)),
        Act::Unlink(name) => put(name, None),
        Act::Rename(from, to, id) => {
            put(from, None);
            put(to, Some(*id));
        }
    }
}

impl Names {
    pub(in crate::spool) fn find(&self, dir: Dir, name: &str) -> Option<u64> {
        find(&self.live, dir, name)
    }

    pub(in crate::spool) fn live(&self) -> &Table {
        &self.live
    }

    pub(in crate::spool) fn link(&mut self, dir: Dir, name: &str, id: u64) {
        self.act(dir, Act::Link(name.into(), id));
    }

    pub(in crate::spool) fn unlink(&mut self, dir: Dir, name: &str) {
        self.act(dir, Act::Unlink(name.into()));
    }

    pub(in crate::spool) fn rename(&mut self, dir: Dir, from: &str, to: &str, id: u64) {
        self.act(dir, Act::Rename(from.into(), to.into(), id));
    }

    fn act(&mut self, dir: Dir, act: Act) {
        apply(&mut self.live, dir, &act);
        self.acts.push((dir, act));
    }

    pub(in crate::spool) fn sync(&mut self, dir: Dir) {
        self.synced.retain(|(d, _, _)| *d != dir);
        let now = self.live.iter().filter(|(d, _, _)| *d == dir);
        self.synced.extend(now.cloned());
        self.acts.retain(|(d, _)| *d != dir);
    }

    /// How much was done that a crash may undo.
    pub(in crate::spool) fn unsynced(&self) -> usize {
        self.acts.len()
    }

    /// What was done, in order: tells apart what lies between a process and the platter.
    pub(in crate::spool) fn hash_unsynced(&self, hasher: &mut impl Hasher) {
        for (dir, act) in &self.acts {
            (*dir, act).hash(hasher);
        }
    }

    /// After a power cut, with those acts done for which `done` says so.
    pub(in crate::spool) fn after_power_cut(&self, mut done: impl FnMut(usize) -> bool) -> Self {
        let mut table = self.synced.clone();
        for (at, (dir, act)) in self.acts.iter().enumerate() {
            if done(at) {
                apply(&mut table, *dir, act);
            }
        }
        Self {
            live: table.clone(),
            synced: table,
            acts: Vec::new(),
        }
    }
}

//! Every state that a crash may leave, of what was written and not synced.
//!
//! * A kill leaves all of it, still unsynced.
//! * A power cut leaves any part of the changes of names, and of each sector that was written since its last sync that worked, any of
//!   the contents that it had since: in any combination, so torn writes and reordered ones are among them.
//!
//! Few changes are tried in all combinations. Where those are more than a limit (only where a batch
//! of more than nine sectors is written), these are: all, none, each alone, all but each, each beginning (torn), each end (reordered), and others drawn
//! at random until the limit. Files under temporary names are deleted unread by the next start: of those only the name counts.

use super::super::fake_disk::State;
use std::hash::{DefaultHasher, Hash, Hasher};

/// Combinations of one state's names, or of its sectors, that are tried.
const COMBINATIONS: usize = 512;

/// What survives: for each change of names whether, and for each place in doubt (file, sector) which of its contents; see
/// [`State::after_power_cut`].
#[derive(Debug, Clone)]
pub(super) struct Choice {
    names: Vec<usize>,
    places: Vec<(u64, usize)>,
    contents: Vec<usize>,
}

impl Choice {
    fn content(&self, id: u64, sector: usize) -> usize {
        let found = self.places.binary_search(&(id, sector));
        found.map_or(0, |at| self.contents[at])
    }

    fn name(&self, at: usize) -> bool {
        self.names[at] == 1
    }
}

/// Every way to choose one of `choices[i]` for each i; see the module.
fn combinations(choices: &[usize]) -> Vec<Vec<usize>> {
    let all = choices
        .iter()
        .try_fold(1_usize, |all, n| all.checked_mul(*n))
        .filter(|all| *all <= COMBINATIONS);
    let Some(all) = all else {
        return some_combinations(choices);
    };
    let nth = |mut n: usize| {
        let mut digit = |base: &usize| {
            let digit = n % base;
            n /= base;
            digit
        };
        choices.iter().map(&mut digit).collect()
    };
    (0..all).map(nth).collect()
}

fn some_combinations(choices: &[usize]) -> Vec<Vec<usize>> {
    let places = choices.len();
    // 0 is what was written last, 1 the oldest.
    let by = |old: &dyn Fn(usize) -> bool| (0..places).map(|at| usize::from(old(at))).collect();
    let mut found: Vec<Vec<usize>> = Vec::new();
    for cut in 0..=places {
        found.push(by(&|at| at >= cut));
        found.push(by(&|at| at < cut));
        found.push(by(&|at| at == cut));
        found.push(by(&|at| at != cut));
    }
    let mut random = places as u64;
    while found.len() < COMBINATIONS {
        let draw = |below: &usize| {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            usize::try_from(random >> 33).unwrap() % below
        };
        found.push(choices.iter().map(draw).collect());
    }
    found
}

/// Calls `each` with every choice for a power cut, and a number that tells apart what it leaves.
pub(super) fn of_power_cut(state: &State, mut each: impl FnMut(&Choice, u64)) {
    for names in combinations(&vec![2; state.names.unsynced()]) {
        let table = state.names.after_power_cut(|at| names[at] == 1);
        let mut places = Vec::new();
        for (dir, name, id) in table.live() {
            if !is_read(name) {
                continue;
            }
            let doubts = state.contents[id].doubts();
            places.extend(doubts.map(|(sector, contents)| (*id, sector, contents)));
            assert_eq!(
                state.contents[id].other_lengths(),
                0,
                "{dir:?} {name}: a file in use has a length that was never synced"
            );
        }
        places.sort_unstable();
        places.dedup();
        let choices: Vec<usize> = places.iter().map(|(_, _, contents)| *contents).collect();
        let places: Vec<(u64, usize)> = places.into_iter().map(|(id, at, _)| (id, at)).collect();
        for contents in combinations(&choices) {
            let choice = Choice {
                names: names.clone(),
                places: places.clone(),
                contents,
            };
            let mut hasher = DefaultHasher::new();
            let mut files: Vec<_> = table.live().iter().collect();
            files.sort_unstable();
            for (dir, name, id) in files {
                (dir, name).hash(&mut hasher);
                if is_read(name) {
                    let chosen = |sector, _| choice.content(*id, sector);
                    hasher.write_u64(state.contents[id].digest(chosen, 0));
                }
            }
            each(&choice, hasher.finish());
        }
    }
}

fn is_read(name: &str) -> bool {
    !name.ends_with(".tmp")
}

/// What the next process finds after this power cut.
pub(super) fn after(state: &State, choice: &Choice) -> State {
    state.after_power_cut(
        |at| choice.name(at),
        |id, sector, _| choice.content(id, sector),
        |_, _| 0,
    )
}

/// Tells apart what a killed process leaves, the page cache with what is unsynced in it.
pub(super) fn of_kill(state: &State) -> u64 {
    let mut hasher = DefaultHasher::new();
    state.names.hash_unsynced(&mut hasher);
    let mut files: Vec<_> = state.names.live().iter().collect();
    files.sort_unstable();
    for (dir, name, id) in files {
        let content = &state.contents[id];
        (dir, name, content.digest(|_, _| 0, 0)).hash(&mut hasher);
        for (sector, contents) in content.doubts() {
            let oldest = content.digest(|at, _| usize::from(at == sector), 0);
            (sector, contents, oldest).hash(&mut hasher);
        }
    }
    hasher.finish()
}

//! Every short history, crashed everywhere: of every sequence of up to four steps (see [`history::Step`]), at every call that changes
//! or syncs something, every state that a crash there may leave (see [`survivors`]), each distinct one once; and of those again a
//! crash at every call of the recovery, with every state that it may leave.
//!
//! A longer sequence contains the shorter ones: so only its last step is crashed.
//!
//! `LIVEBRIDGE_TEST_STEPS` makes the histories longer (each step is about ten times as much), `LIVEBRIDGE_TEST_TWICE` says of which
//! share of the states the recovery is crashed too (1: of all).

mod check;
mod history;
mod long;
mod survivors;

use super::{fake_disk::State, rig::Meters};
use check::check;
use history::{History, Moment, Promise, Step};
use std::{
    collections::HashSet,
    hash::{DefaultHasher, Hash, Hasher},
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

/// States that were looked at.
#[derive(Default)]
struct Explored {
    seen: Digests,
    /// Those whose recovery was crashed, too.
    twice: Digests,
    /// Moments of histories, and of recoveries: what led there doesn't matter.
    moments: Digests,
    moments_twice: Digests,
    after_one: AtomicUsize,
    after_two: AtomicUsize,
}

#[derive(Default)]
struct Digests(Mutex<HashSet<u64>>);

impl Digests {
    /// Whether it is new.
    fn insert(&self, key: u64) -> bool {
        self.0.lock().unwrap().insert(key)
    }
}

/// The same bytes are another state if something else was promised.
fn key(digest: u64, promised: u64) -> u64 {
    (digest ^ promised).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

fn digest_of(promise: &Promise) -> u64 {
    let mut hasher = DefaultHasher::new();
    promise.hash(&mut hasher);
    hasher.finish()
}

/// How far to go.
#[derive(Clone, Copy)]
struct Scope {
    steps: usize,
    /// Of each so-many-th state the recovery is crashed, too.
    twice: u64,
}

/// A setting of the test.
fn number(name: &str, usual: u64) -> u64 {
    std::env::var_os(name).map_or(usual, |value| {
        let value = value.into_string().unwrap();
        value.parse().unwrap_or_else(|e| panic!("{name}: {e}"))
    })
}

fn scope() -> Scope {
    Scope {
        steps: usize::try_from(number("LIVEBRIDGE_TEST_STEPS", 4)).unwrap(),
        twice: number("LIVEBRIDGE_TEST_TWICE", 64),
    }
}

/// All sequences of at most so many steps.
fn histories(steps: usize) -> Vec<Vec<Step>> {
    let mut all = vec![Vec::new()];
    let mut last = all.clone();
    for _ in 0..steps {
        last = last
            .iter()
            .flat_map(|before| Step::ALL.map(|step| [&before[..], &[step]].concat()))
            .collect();
        all.extend(last.iter().cloned());
    }
    all
}

#[test]
fn no_crash_of_any_short_history_takes_an_acknowledged_record() {
    let (scope, explored) = (scope(), Explored::default());
    let histories = histories(scope.steps);
    let next = AtomicUsize::new(0);
    let threads = thread::available_parallelism().map_or(2, usize::from);
    thread::scope(|scope_of_threads| {
        for _ in 0..threads {
            scope_of_threads.spawn(|| {
                let meters = Meters::new();
                while let Some(steps) = histories.get(next.fetch_add(1, Ordering::Relaxed)) {
                    explore(steps, scope, &meters, &explored);
                }
            });
        }
    });
    let (one, two) = (
        explored.after_one.into_inner(),
        explored.after_two.into_inner(),
    );
    println!(
        "{} histories, {one} distinct states after a crash, {two} after a second crash during the recovery: {}",
        histories.len(),
        one + two
    );
    assert!(scope.steps < 4 || one + two >= 100_000, "{one} + {two}");
}

fn explore(steps: &[Step], scope: Scope, meters: &Meters, explored: &Explored) {
    let mut history = History::new(meters);
    let moments = match steps.split_last() {
        None => history.watched(History::start),
        Some((last, before)) => {
            history.go_through(before);
            history.watched(|history| history.step(*last))
        }
    };
    for Moment { state, promise } in moments {
        let promised = digest_of(&promise);
        let crashed = |digest: u64, left: &dyn Fn() -> State, how: &dyn std::fmt::Debug| {
            let key = key(digest, promised);
            let watched = key.is_multiple_of(scope.twice) && explored.twice.insert(key);
            if explored.seen.insert(key) {
                explored.after_one.fetch_add(1, Ordering::Relaxed);
            } else if !watched {
                return;
            }
            let context = || format!("{steps:?}, then {how:?}");
            let during = check(left(), &promise, watched, &context);
            for (change, state) in during.into_iter().enumerate() {
                crash_again(&state, &promise, explored, &|| {
                    format!("{}; in the recovery at change {change}", context())
                });
            }
        };
        let kill = survivors::of_kill(&state);
        if !explored.moments.insert(key(kill, promised)) {
            continue;
        }
        crashed(kill, &|| state.clone(), &"a kill");
        survivors::of_power_cut(&state, |choice, digest| {
            crashed(digest, &|| survivors::after(&state, choice), choice);
        });
    }
}

fn crash_again(
    state: &State,
    promise: &Promise,
    explored: &Explored,
    context: &dyn Fn() -> String,
) {
    let promised = digest_of(promise);
    let moment = key(survivors::of_kill(state), promised);
    if !explored.moments_twice.insert(moment) {
        return;
    }
    survivors::of_power_cut(state, |choice, digest| {
        if explored.seen.insert(key(digest, promised)) {
            explored.after_two.fetch_add(1, Ordering::Relaxed);
            let left = survivors::after(state, choice);
            let context = || format!("{}: {choice:?}", context());
            check(left, promise, false, &context);
        }
    });
}

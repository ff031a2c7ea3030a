//! Long histories by chance, each a dozen lives: the power fails, or the process is killed, in the middle of some step; what is left,
//! by chance, is what the next life starts from.
//!
//! A seed tells it all. `LIVEBRIDGE_TEST_SEED` replays one, `LIVEBRIDGE_TEST_SEEDS` says how many to go through.

use super::{
    check::check,
    history::{History, Moment, Step},
    number, survivors,
};
use crate::spool::tests::{fake_disk::State, rig::Meters};
use std::{
    sync::atomic::{AtomicU64, Ordering},
    thread,
};

const LIVES: usize = 12;
const STEPS: usize = 8;

struct Chance(u64);

impl Chance {
    fn below(&mut self, below: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % below
    }
}

fn live(seed: u64, meters: &Meters) {
    let mut chance = Chance(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let mut history = History::new(meters);
    for life in 0..LIVES {
        history.start();
        for _ in 0..chance.below(STEPS) {
            history.step(Step::ALL[chance.below(Step::ALL.len())]);
        }
        let last = Step::ALL[chance.below(Step::ALL.len())];
        let mut moments = history.watched(|history| history.step(last));
        let moment = moments.swap_remove(chance.below(moments.len()));
        history.resume(crash(&moment, &mut chance), moment.promise.clone());
        let context = || format!("LIVEBRIDGE_TEST_SEED={seed}, life {life}, in {last:?}");
        check(history.disk.state(), &moment.promise, false, &context);
    }
}

fn crash(moment: &Moment, chance: &mut Chance) -> State {
    if chance.below(3) == 0 {
        return moment.state.clone();
    }
    let mut all = Vec::new();
    survivors::of_power_cut(&moment.state, |choice, _| all.push(choice.clone()));
    survivors::after(&moment.state, &all[chance.below(all.len())])
}

#[test]
fn many_lives_by_chance_lose_nothing_and_invent_nothing() {
    let only = number("LIVEBRIDGE_TEST_SEED", u64::MAX);
    let seeds = match only {
        u64::MAX => 0..number("LIVEBRIDGE_TEST_SEEDS", 300),
        seed => seed..seed + 1,
    };
    let next = AtomicU64::new(seeds.start);
    thread::scope(|threads| {
        for _ in 0..2 {
            threads.spawn(|| {
                let meters = Meters::new();
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if !seeds.contains(&seed) {
                        break;
                    }
                    live(seed, &meters);
                }
            });
        }
    });
    println!("seeds {seeds:?}, {LIVES} lives each");
}

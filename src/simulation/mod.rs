//! The whole pipeline on one thread, through thousands of made-up days: door, spool, publisher, a disk that forgets and fails, a
//! Kafka with moods, clocks that jump, senders that try again, and a process that dies at any call of the disk.
//!
//! ```text
//!  senders ──► the door's handler ──► writer, housekeeper ──► publisher ──► simulated Kafka
//!     │         (requests in memory)   over a disk that forgets                 │
//!     └─ what was answered 200 ──────────────► oracle ◄── what is in it ────────┘
//! ```
//!
//! In the evening: whatever was answered 200 is in Kafka with its `ce_id`, or in the quarantine if it must; first occurrences are
//! in the durable order; nothing was invented; recovered + accepted = published + quarantined + corrupt + discarded + pending.
//!
//! Everything is drawn from the seed. `SEED=n cargo test --lib simulation` lives through one day; one that fails is noted in
//! `seeds.txt`, to be checked in: those come first. `SEEDS=n` says how many, `SEEDS_FROM=n` which.
//!
//! Outside of it: the threads (each a loop around a step that is called here), hyper's reading of sockets, librdkafka, the order in
//! which a real disk's calls overlap. `tests/e2e_kill.rs` and `tests/e2e_chaos.rs` have those.

mod day;
mod evening;
mod oracle;
mod relay;
mod senders;
mod without_disk;

use evening::Tally;
use std::{
    fs::OpenOptions,
    io::{Write, stderr},
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    path::PathBuf,
    sync::Mutex,
    thread,
    time::Instant,
};

/// Days, unless told otherwise.
const SEEDS: u64 = 2_000;

/// Failed once.
const FAILED: &str = include_str!("seeds.txt");

fn live(seed: u64) -> Tally {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_time().start_paused(true).build().unwrap();
    let day = tokio::task::unconstrained(day::live(seed));
    let lived = catch_unwind(AssertUnwindSafe(|| runtime.block_on(day)));
    lived.unwrap_or_else(|broken| {
        note(seed);
        eprintln!(
            "seed {seed} failed: SEED={seed} cargo test --lib simulation lives through it again"
        );
        resume_unwind(broken)
    })
}

/// Into the file that is checked in.
fn note(seed: u64) {
    let known = FAILED.lines().any(|line| line.parse() == Ok(seed));
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/simulation/seeds.txt");
    if !known && let Ok(mut file) = OpenOptions::new().append(true).open(path) {
        let _ = writeln!(file, "{seed}");
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a seed to replay comes from the environment"
)]
fn from_environment(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{name}={text} is no number")),
    )
}

#[test]
fn whatever_was_answered_200_is_published_in_order_whatever_happens() {
    if let Some(seed) = from_environment("SEED") {
        println!("{:?}", live(seed));
        return;
    }
    let start = Instant::now();
    let failed = FAILED.lines().filter_map(|line| line.parse().ok());
    let first = from_environment("SEEDS_FROM").unwrap_or(1);
    let asked = from_environment("SEEDS");
    let seeds = Mutex::new(failed.chain(first..first + asked.unwrap_or(SEEDS)));
    let next = || seeds.lock().unwrap().next();
    let lives = || {
        std::iter::from_fn(next)
            .map(live)
            .fold(Tally::default(), Tally::add)
    };
    // Each day has one thread; two of them have a machine.
    let sum = thread::scope(|scope| {
        let other = scope.spawn(lives);
        let sum = lives();
        sum.add(other.join().unwrap())
    });
    // Past the capture of tests that pass: how much was tried is worth knowing every time.
    let _ = writeln!(stderr(), "simulation: {:?} for {sum:?}", start.elapsed());
    assert!(sum.answered > 5 * sum.days && sum.kills + sum.power_cuts > sum.days);
}

#[test]
fn a_day_can_be_lived_through_again() {
    for seed in 1..=20 {
        assert_eq!(live(seed), live(seed), "seed {seed}");
    }
}

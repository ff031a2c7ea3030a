//! What a part of the door costs on the plain path: this relay against another build of it, in turns, round by round.
//!
//! The other build is whatever there is to compare with: an earlier commit in a work tree of its own, or this one with a
//! part taken out. Kafka is away, so that the door and the spool are all that is measured. Besides, always: this
//! relay with somebody following its decisions, and a second process of the very same binary, which shows the noise.
//!
//! ```text
//! cargo bench --bench cost [-- --against PATH] [--relay PATH] [--seconds 2] [--rounds 9] [--connections 64]
//! ```

#[path = "../door/generator.rs"]
#[expect(dead_code, reason = "the other bench needs more of it")]
mod generator;

use generator::Measured;
use std::{process::Command, time::Duration};
use support::{process::Process, relay::Relay, topics::Topics};

const THIS: &str = env!("CARGO_BIN_EXE_livebridge");

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let value = |name: &str| {
        let mut rest = arguments.iter().skip_while(|a| *a != name).skip(1);
        rest.next().cloned()
    };
    let number = |name: &str, default: u64| {
        let text = value(name);
        text.map_or(default, |text| text.parse().expect("a number"))
    };
    let time = Duration::from_secs(number("--seconds", 2));
    let connections = usize::try_from(number("--connections", 64)).expect("few");
    let this = value("--relay").unwrap_or_else(|| THIS.into());
    let mut all = vec![
        Contender::start("this relay", &this),
        Contender::start("the same once more", &this),
        Contender::start("followed", &this).followed(&this),
    ];
    if let Some(path) = value("--against") {
        all.push(Contender::start("the other build", &path));
    }
    // For nothing: caches, segments written ahead.
    for contender in &mut all {
        contender.round(connections, time);
        contender.rounds.clear();
    }
    let rounds = usize::try_from(number("--rounds", 9)).expect("few");
    for round in 0..rounds {
        // Nobody is always the first.
        for place in 0..all.len() {
            let place = (place + round) % all.len();
            if let Some(contender) = all.get_mut(place) {
                contender.round(connections, time);
            }
        }
    }
    println!(
        "{connections} connections, {rounds} rounds of {time:?}; each to the first of its own round: median (least to most)"
    );
    println!("                     requests/s   CPU us   requests/s, ratio     CPU, ratio");
    let first = all.first().map(|first| first.rounds.clone());
    let first = first.unwrap_or_default();
    for contender in &all {
        contender.print(&first);
    }
}

/// A relay, and what its rounds showed.
struct Contender {
    name: &'static str,
    relay: Relay,
    rounds: Vec<Measured>,
    _follower: Option<(Process, tempfile::TempDir)>,
}

impl Contender {
    fn start(name: &'static str, binary: &str) -> Self {
        let mut relay = Relay::new(binary, "127.0.0.1:1", &Topics::named())
            .set("spool.segment_bytes", "\"64MiB\"")
            .set("drain.publish", "\"0s\"");
        relay.start();
        Self {
            name,
            relay,
            rounds: Vec::new(),
            _follower: None,
        }
    }

    /// By somebody who wants to hear of refusals only, as one does for hours.
    fn followed(mut self, binary: &str) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let mut tail = Command::new(binary);
        tail.args(["tail", "--outcome", "refused", "--spool-dir"])
            .arg(self.relay.spool_dir());
        let log = dir.path().join("log");
        let tail = Process::spawn("tail", tail, &log, dir.path());
        self._follower = Some((tail, dir));
        self
    }

    fn round(&mut self, connections: usize, time: Duration) {
        let before = self.relay.cpu();
        let load = generator::run(&self.relay.address(), connections, time);
        let used = self.relay.cpu() - before;
        self.rounds.push(load.measured(used.as_secs_f64()));
    }

    fn print(&self, first: &[Measured]) {
        let of = |figure: fn(&Measured) -> f64| spread(self.rounds.iter().map(figure).collect());
        let to_first = |figure: fn(&Measured) -> f64| {
            let pairs = self.rounds.iter().zip(first);
            spread(
                pairs
                    .map(|(ours, its)| figure(ours) / figure(its))
                    .collect(),
            )
        };
        let show = |(least, median, most): (f64, f64, f64)| {
            format!("{median:.3} ({least:.3} to {most:.3})")
        };
        println!(
            "{:<20} {:>10.0}   {:>6.1}   {}  {}",
            self.name,
            of(|m| m.per_second).1,
            of(|m| m.cpu_micros).1,
            show(to_first(|m| m.per_second)),
            show(to_first(|m| m.cpu_micros)),
        );
    }
}

/// Least, median, most.
fn spread(mut figures: Vec<f64>) -> (f64, f64, f64) {
    figures.sort_by(f64::total_cmp);
    let at = |place: usize| figures.get(place).copied().unwrap_or(f64::NAN);
    (
        at(0),
        at(figures.len() / 2),
        at(figures.len().saturating_sub(1)),
    )
}

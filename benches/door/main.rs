//! Requests a second and CPU a callback: the relay (verifying, spooling with a sync, publishing to a real Kafka)
//! against a bare hyper server that reads the body and answers, in the same run, taking turns.
//!
//! Absolute figures belong to the machine; the ratios are what to compare from release to release.
//!
//! ```text
//! cargo bench --bench door [-- [capacity] [latency] [backlog] [linear] [steady] [--seconds 5] [--rounds 3] [--set key=value ..]
//!     [--against PATH] [--gather 25] [--delivery at-least-once|exactly-once]]
//! ```
//!
//! `steady` runs only when it is named, for `--minutes 20`. `--against` is for `capacity` and `backlog`: another build, in turns with
//! this one. `--gather` and `--delivery` are for `backlog`: the seconds for which callbacks gather, and one way of delivery instead of both.

mod bare;
mod contender;
mod generator;
mod linear;
mod open_loop;
mod options;
mod producer;
mod steady;

use contender::{Contender, published};
use generator::{Measured, Rounds};
use options::Options;
use std::{
    process::Command,
    time::{Duration, Instant},
};
use support::{kafka::Broker, port::Port, process::Process, relay::Relay, topics::Topics, wait};

const BINARY: &str = env!("CARGO_BIN_EXE_livebridge");
const CONNECTIONS: [usize; 2] = [64, 256];
/// Callbacks a second of the open-loop sender.
const RATE: u32 = 2000;
/// Messages for the producer alone.
const MESSAGES: u64 = 600_000;
const SETTLE: Duration = Duration::from_secs(300);

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [word, address] = arguments.as_slice()
        && word == bare::WORD
    {
        return bare::serve(address);
    }
    let mut bench = Bench::new(Options::parse(&arguments));
    println!(
        "{} bytes a body, {:?} a round, the median of {} rounds",
        generator::body_bytes(),
        bench.options.time,
        bench.options.rounds
    );
    let named = |name: &str| arguments.iter().any(|a| a == name);
    let steady = named("steady");
    let all = !steady
        && !["capacity", "latency", "backlog", "linear"]
            .into_iter()
            .any(named);
    bench.warm_up();
    for (name, part) in [
        ("capacity", Bench::capacity as fn(&mut Bench)),
        ("latency", Bench::latency),
        ("backlog", Bench::backlog),
        ("linear", Bench::linear),
    ] {
        if all || named(name) {
            part(&mut bench);
        }
    }
    if steady {
        bench.steady();
    }
}

/// Everything that runs side by side.
struct Bench {
    broker: Broker,
    topics: Topics,
    relay: Relay,
    options: Options,
    bare: Bare,
}

impl Bench {
    fn new(options: Options) -> Self {
        let broker = Broker::for_load();
        let topics = Topics::create(&broker, 6);
        let mut relay = made(BINARY, &broker, &topics, &options.settings);
        relay.start();
        println!("memory at rest: {} MiB", relay.memory() >> 20);
        Self {
            broker,
            topics,
            relay,
            options,
            bare: Bare::start(),
        }
    }

    /// For nothing: the broker compiles what it runs.
    fn warm_up(&mut self) {
        published(&mut self.relay, CONNECTIONS[0], self.options.time);
    }

    /// As many as each can take.
    fn capacity(&mut self) {
        println!(
            "\nconnections  server       requests/s   CPU us/request   p50 ms   p99 ms   broker's CPU us"
        );
        let mut against = self.options.against.as_deref().map(|binary| {
            let mut relay = made(binary, &self.broker, &self.topics, &self.options.settings);
            relay.start();
            // For nothing, as the other one was.
            published(&mut relay, CONNECTIONS[0], self.options.time);
            relay
        });
        for connections in CONNECTIONS {
            let mut hyper = Rounds::default();
            let mut ours = Contender::new("livebridge", &mut self.relay);
            let mut other = against
                .as_mut()
                .map(|relay| Contender::new("against", relay));
            for round in 0..self.options.rounds {
                let before = self.bare.process.cpu();
                let load =
                    generator::run(&self.bare.port.address(), connections, self.options.time);
                hyper.push(load.measured((self.bare.process.cpu() - before).as_secs_f64()));
                let mut turns: Vec<_> = other.iter_mut().chain([&mut ours]).collect();
                // Nobody is always the first.
                turns.rotate_left(usize::from(round % 2 == 1));
                for contender in turns {
                    contender.load(&self.broker, connections, self.options.time);
                }
            }
            let hyper = hyper.median();
            print_row(connections, "bare hyper", &hyper, "");
            if let Some(other) = &other {
                let [least, median, most] = other.rounds.cpu_to(&ours.rounds);
                println!(
                    "  CPU of the other one to this one's: {median:.2} ({least:.2} to {most:.2})"
                );
            }
            for contender in [Some(ours), other].into_iter().flatten() {
                contender.print(connections, &hyper);
            }
        }
    }

    /// How long an answer takes when there is capacity to spare.
    fn latency(&mut self) {
        println!("\n{RATE} callbacks a second, open loop    p50 ms   p99 ms");
        let [mut hyper, mut ours, mut sync] = [const { [const { Vec::new() }; 2] }; 3];
        for _ in 0..self.options.rounds {
            for (address, times) in [
                (self.bare.port.address(), &mut hyper),
                (self.relay.address(), &mut ours),
            ] {
                let sorted = open_loop::run(&address, RATE, self.options.time);
                let [p50, p99] = times;
                p50.push(open_loop::at(&sorted, 0.5).as_secs_f64() * 1e3);
                p99.push(open_loop::at(&sorted, 0.99).as_secs_f64() * 1e3);
            }
            let dir = tempfile::tempdir_in(self.relay.spool_dir().parent().expect("its parent"));
            let (p50, p99) = open_loop::sync_times(dir.expect("a directory").path());
            let [of_p50, of_p99] = &mut sync;
            of_p50.push(p50.as_secs_f64() * 1e3);
            of_p99.push(p99.as_secs_f64() * 1e3);
        }
        for (name, [p50, p99]) in [
            ("bare hyper", &mut hyper),
            ("livebridge", &mut ours),
            ("a write and its sync", &mut sync),
        ] {
            println!("{name:<36}   {:>6.2}   {:>6.2}", median(p50), median(p99));
        }
        self.relay.wait_until_settled(SETTLE);
    }

    /// What gathered while Kafka was away, against the client library alone: at least once, and exactly once. A round for nothing
    /// first: the broker compiles what it runs, and transactions are new to it.
    fn backlog(&mut self) {
        println!("\nbacklog                       messages/s");
        let topic = self.topics.of("recording").to_owned();
        let mut alone = Vec::new();
        let mut contenders = self.contenders();
        for round in 0..=self.options.rounds {
            let rate = producer::rate(&self.broker.bootstrap(), &topic, MESSAGES);
            println!("  the producer alone: {rate:.0}/s");
            alone.extend((round > 0).then_some(rate));
            // Nobody is always the first.
            contenders.rotate_left(usize::from(round % 2 == 1));
            for (name, relay, rates) in &mut contenders {
                relay.start();
                println!("  {name}:");
                let rate = gather_and_drain(&self.broker, relay, self.options.gather);
                rates.extend((round > 0).then_some(rate));
                relay.kill();
            }
        }
        let alone = median(&mut alone);
        println!("the producer alone            {alone:>10.0}");
        contenders.sort_by(|(a, ..), (b, ..)| b.cmp(a));
        for (name, _, mut rates) in contenders {
            let rate = median(&mut rates);
            println!("{name:<30}{rate:>10.0}");
            println!("ratio                         {:>10.2}", rate / alone);
        }
    }

    /// The ways of delivery, of this relay and of the one that it is compared with.
    fn contenders(&self) -> Vec<(String, Relay, Vec<f64>)> {
        let topics = self.topics.clone().with_checkpoint(&self.broker);
        let mut contenders = Vec::new();
        for (whose, binary) in [
            ("livebridge", Some(BINARY)),
            ("against", self.options.against.as_deref()),
        ] {
            let Some(binary) = binary else { continue };
            for delivery in &self.options.deliveries {
                let relay = made(binary, &self.broker, &topics, &self.options.settings);
                let relay = relay.set("delivery", &format!("\"{delivery}\""));
                contenders.push((format!("{whose}, {delivery}"), relay, Vec::new()));
            }
        }
        contenders
    }
}

fn made(binary: &str, broker: &Broker, topics: &Topics, settings: &[(String, String)]) -> Relay {
    let relay =
        Relay::new(binary, &broker.bootstrap(), topics).set("spool.segment_bytes", "\"64MiB\"");
    settings
        .iter()
        .fold(relay, |relay, (key, value)| relay.set(key, value))
}

/// Callbacks gather while the broker is away; from the relay's start after a kill -9 to the last ack, a second.
fn gather_and_drain(broker: &Broker, relay: &mut Relay, gather: Duration) -> f64 {
    broker.freeze();
    generator::run(&relay.address(), CONNECTIONS[0], gather);
    let pending = relay.metrics().flow().pending;
    let memory = relay.memory() >> 20;
    relay.kill();
    broker.thaw();
    broker.wait_until_up();
    let of_broker = broker.cpu();
    let begin = Instant::now();
    relay.start();
    let ready = begin.elapsed();
    relay.wait_until_settled(SETTLE);
    let rate = pending as f64 / begin.elapsed().as_secs_f64();
    let micros = |cpu: Duration| cpu.as_secs_f64() * 1e6 / pending as f64;
    println!(
        "  {pending} records waited; {memory} MiB; ready {ready:.0?} after a kill -9, {} MiB; {rate:.0}/s; a record {:.1} us, {:.1} us of the broker",
        relay.memory() >> 20,
        micros(relay.cpu()),
        micros(broker.cpu() - of_broker),
    );
    rate
}

fn median(figures: &mut [f64]) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}

fn print_row(connections: usize, server: &str, m: &Measured, broker: &str) {
    println!(
        "{connections:>11}  {server:<10}   {:>10.0}   {:>14.1}   {:>6.2}   {:>6.2}   {broker:>15}",
        m.per_second, m.cpu_micros, m.p50_millis, m.p99_millis
    );
}

struct Bare {
    process: Process,
    port: Port,
    _dir: tempfile::TempDir,
}

impl Bare {
    /// A process of its own, so that its CPU time is its own.
    fn start() -> Self {
        let (port, dir) = (
            Port::claim(),
            tempfile::tempdir().expect("a temporary directory"),
        );
        let mut serve = Command::new(std::env::current_exe().expect("the path of this bench"));
        serve.args([bare::WORD, &port.address()]);
        let process = Process::spawn(
            "the bare server",
            serve,
            &dir.path().join("log"),
            dir.path(),
        );
        wait::until("the bare server", Duration::from_secs(10), || {
            std::net::TcpStream::connect(port.address()).ok()
        });
        Self {
            process,
            port,
            _dir: dir,
        }
    }
}

//! Requests a second and CPU a callback: the relay (verifying, spooling with a sync, publishing to a real Kafka)
//! against a bare hyper server that reads the body and answers, in the same run, taking turns.
//!
//! Absolute figures belong to the machine; the ratios are what to compare from release to release.
//!
//! ```text
//! cargo bench --bench door [-- --seconds 5 --rounds 3]
//! ```

mod bare;
mod generator;

use generator::{Measured, Rounds};
use std::{process::Command, time::Duration};
use support::{kafka::Broker, port::Port, process::Process, relay::Relay, topics::Topics, wait};

const CONNECTIONS: [usize; 2] = [64, 256];
const SETTLE: Duration = Duration::from_secs(300);

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, word, address] = arguments.as_slice()
        && word == bare::WORD
    {
        return bare::serve(address);
    }
    let number = |name: &str, default| {
        let mut rest = arguments.iter().skip_while(|a| *a != name).skip(1);
        rest.next()
            .and_then(|text| text.parse().ok())
            .unwrap_or(default)
    };
    let time = Duration::from_secs(number("--seconds", 5));
    let rounds = number("--rounds", 3);

    let broker = &Broker::for_load();
    let topics = Topics::create(broker, 6);
    let mut relay = Relay::new(
        env!("CARGO_BIN_EXE_livebridge"),
        &broker.bootstrap(),
        &topics,
    )
    .set("spool.segment_bytes", "\"64MiB\"");
    for setting in arguments.iter().skip_while(|a| *a != "--set").skip(1) {
        let (key, value) = setting.split_once('=').expect("--set key=value");
        relay = relay.set(key, value);
    }
    relay.start();
    let bare = Bare::start();

    println!(
        "{} bytes a body, {time:?} a round, the median of {rounds} rounds",
        generator::body_bytes()
    );
    println!(
        "connections  server       requests/s   CPU us/request   p50 ms   p99 ms   broker's CPU us"
    );
    // Once for nothing: the broker compiles what it runs.
    let address = relay.address();
    generator::run(&address, CONNECTIONS[0], time);
    relay.wait_until_settled(SETTLE);
    for connections in CONNECTIONS {
        let (mut hyper, mut ours) = (Rounds::default(), Rounds::default());
        let mut broker_micros = Vec::new();
        for _ in 0..rounds {
            hyper.push(measure(
                &bare.port.address(),
                connections,
                time,
                || bare.process.cpu(),
                || {},
            ));
            // Publishing belongs to the relay's work: it is counted to its end.
            let relay = std::cell::RefCell::new(&mut relay);
            let address = relay.borrow().address();
            let settle = || {
                relay.borrow_mut().wait_until_settled(SETTLE);
            };
            let before = broker.cpu();
            let round = measure(&address, connections, time, || relay.borrow().cpu(), settle);
            let used = (broker.cpu() - before).as_secs_f64() * 1e6;
            broker_micros.push(used / round.count as f64);
            ours.push(round);
        }
        broker_micros.sort_by(f64::total_cmp);
        let (hyper, ours) = (hyper.median(), ours.median());
        print_row(connections, "bare hyper", &hyper, "");
        let of_broker = broker_micros.get(broker_micros.len() / 2);
        let of_broker = of_broker.map_or(String::new(), |us| format!("{us:.1}"));
        print_row(connections, "livebridge", &ours, &of_broker);
        println!(
            "{connections:>11}  ratio        {:>10.2}   {:>14.2}",
            ours.per_second / hyper.per_second,
            ours.cpu_micros / hyper.cpu_micros
        );
    }
}

fn print_row(connections: usize, server: &str, m: &Measured, broker: &str) {
    println!(
        "{connections:>11}  {server:<10}   {:>10.0}   {:>14.1}   {:>6.2}   {:>6.2}   {broker:>15}",
        m.per_second, m.cpu_micros, m.p50_millis, m.p99_millis
    );
}

fn measure(
    address: &str,
    connections: usize,
    time: Duration,
    cpu: impl Fn() -> Duration,
    settle: impl FnOnce(),
) -> Measured {
    let before = cpu();
    let load = generator::run(address, connections, time);
    settle();
    load.measured((cpu() - before).as_secs_f64())
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

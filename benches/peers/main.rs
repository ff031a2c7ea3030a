//! The relay beside what others would put in its place, at the same load, in turns, in the same run: median of the rounds.
//!
//! ```text
//! ./dev bench peers [--seconds 5] [--rounds 3] [--connections 64] [--rate 500] [--relay PATH] [--only NAME ..]
//! ```
//!
//! What a 200 means differs, and is said. Peers are fetched once, into `target/kafka/`. With
//! `--plot`, the figures replace `docs/img/peers.svg`.

#[path = "../door/bare.rs"]
mod bare;
mod collector;
mod contender;
#[path = "../door/generator.rs"]
#[expect(dead_code, reason = "the other bench needs more of it")]
mod generator;
#[path = "../door/open_loop.rs"]
#[expect(dead_code, reason = "the other bench needs more of it")]
mod open_loop;
mod plot;

use contender::Contender;
use generator::Rounds;
use std::{path::Path, time::Duration};
use support::{kafka::Broker, topics::Topics};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [word, address] = arguments.as_slice()
        && word == bare::WORD
    {
        return bare::serve(address);
    }
    let after = |name: &str| {
        let mut rest = arguments.iter().skip_while(|a| *a != name).skip(1);
        rest.next().cloned()
    };
    let number = |name: &str, default: u32| {
        after(name).map_or(default, |text| text.parse().expect("a number"))
    };
    let only: Vec<_> = arguments
        .iter()
        .skip_while(|a| *a != "--only")
        .skip(1)
        .collect();
    let (rounds, connections) = (number("--rounds", 3), number("--connections", 64));
    let (rate, time) = (
        number("--rate", 500),
        Duration::from_secs(number("--seconds", 5).into()),
    );

    let broker = Broker::for_load();
    let topics = Topics::create(&broker, 6);
    let relay = after("--relay").unwrap_or_else(|| env!("CARGO_BIN_EXE_livebridge").into());
    let mut all = contender::all(&broker, &topics, &relay);
    all.retain(|c| only.is_empty() || only.iter().any(|name| c.name.contains(name.as_str())));
    println!(
        "{connections} connections for {time:?}, and {rate} a second in an open loop; the median of {rounds} rounds"
    );
    // For nothing: everything is compiled or warmed up somewhere.
    for contender in &mut all {
        generator::run(&contender.address, connections as usize, time);
        contender.settle();
    }
    for round in 0..rounds as usize {
        // Nobody is always the first.
        for place in 0..all.len() {
            let place = (place + round) % all.len();
            if let Some(contender) = all.get_mut(place) {
                contender.round(connections as usize, rate, time);
            }
        }
    }
    let figures: Vec<_> = all.iter_mut().map(Contender::figures).collect();
    println!(
        "\nserver                   answers/s   CPU us   p50 ms   p99 ms   open loop: p50   p99   a 200 means"
    );
    for figure in &figures {
        println!(
            "{:<24} {:>9.0} {:>8.1} {:>8.2} {:>8.2} {:>16.2} {:>5.2}   {}",
            figure.name,
            figure.closed.per_second,
            figure.closed.cpu_micros,
            figure.closed.p50_millis,
            figure.closed.p99_millis,
            figure.open_p50,
            figure.open_p99,
            figure.means
        );
    }
    if arguments.iter().any(|a| a == "--plot") {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/img/peers.svg");
        std::fs::create_dir_all(file.parent().expect("a directory")).expect("docs/img");
        std::fs::write(&file, plot::svg(&figures, connections)).expect("the plot");
        println!("\nwritten: docs/img/peers.svg");
    }
}

/// What one contender showed.
struct Figures {
    name: &'static str,
    means: &'static str,
    closed: generator::Measured,
    open_p50: f64,
    open_p99: f64,
}

/// The rounds of one contender.
#[derive(Debug, Default)]
struct Shown {
    closed: Rounds,
    open_p50: Vec<f64>,
    open_p99: Vec<f64>,
}

impl Shown {
    fn open(&mut self, sorted: &[Duration]) {
        let millis = |share| open_loop::at(sorted, share).as_secs_f64() * 1e3;
        self.open_p50.push(millis(0.5));
        self.open_p99.push(millis(0.99));
    }
}

fn median(figures: &mut [f64]) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}

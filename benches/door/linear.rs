//! Whether cost grows no faster than what there is to do: CPU a callback over few and many streams, CPU a record of a small
//! backlog and of a large one. A small one takes tenths of a second, and the clock of the kernel's accounts counts in 10 ms.

use crate::{Bench, SETTLE, generator};
use std::{fmt::Display, time::Duration};
use support::relay::Relay;

const STREAMS: [u64; 3] = [1_000, 10_000, 100_000];
const BACKLOGS: [i64; 3] = [20_000, 200_000, 1_000_000];
const CONNECTIONS: usize = 64;
/// Callbacks come for so long between two looks at how many wait.
const A_WHILE: Duration = Duration::from_millis(500);

impl Bench {
    /// By the number of streams; then by the length of the backlog. In turns, and nobody is always the first.
    pub(crate) fn linear(&mut self) {
        println!("\n  streams   CPU us a callback, published   to the fewest");
        let mut all = STREAMS.map(|streams| (streams, Vec::new()));
        for round in 0..self.rounds {
            all.rotate_left(round % STREAMS.len());
            for (streams, micros) in &mut all {
                generator::over(*streams);
                micros.push(a_callback(&mut self.relay, self.time));
            }
            all.sort_by_key(|(streams, _)| *streams);
        }
        generator::over(generator::STREAMS);
        print(&mut all);
        println!("\n   waited   CPU us a record, published    to the fewest");
        let mut all = BACKLOGS.map(|records| (records, Vec::new()));
        for round in 0..self.rounds {
            all.rotate_left(round % BACKLOGS.len());
            for (records, micros) in &mut all {
                micros.push(self.a_record(*records));
            }
            all.sort_by_key(|(records, _)| *records);
        }
        print(&mut all);
    }

    /// The CPU of each record from when Kafka is back to its ack, after at least so many had to wait.
    fn a_record(&mut self, records: i64) -> f64 {
        self.broker.freeze();
        let mut pending = 0;
        while pending < records {
            generator::run(&self.relay.address(), CONNECTIONS, A_WHILE);
            pending = self.relay.metrics().flow().pending;
        }
        let before = self.relay.cpu();
        self.broker.thaw();
        self.relay.wait_until_settled(SETTLE);
        (self.relay.cpu() - before).as_secs_f64() * 1e6 / pending as f64
    }
}

/// The CPU of a callback, from the door to the ack.
fn a_callback(relay: &mut Relay, time: Duration) -> f64 {
    let before = relay.cpu();
    let load = generator::run(&relay.address(), CONNECTIONS, time);
    relay.wait_until_settled(SETTLE);
    load.measured((relay.cpu() - before).as_secs_f64())
        .cpu_micros
}

fn print<T: Display>(all: &mut [(T, Vec<f64>)]) {
    let mut first = f64::NAN;
    for (of, micros) in all {
        let median = crate::median(micros);
        first = if first.is_nan() { median } else { first };
        println!("{of:>9}   {median:>28.1}   {:>13.2}", median / first);
    }
}

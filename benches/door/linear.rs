//! Whether cost grows no faster than what there is to do: CPU a callback over few and many streams, CPU a record of a small
//! backlog and of a large one. A small one takes tenths of a second, and the clock of the kernel's accounts counts in 10 ms.

use crate::{Bench, SETTLE, contender, generator, median};
use std::time::Duration;

const STREAMS: [u64; 3] = [1_000, 10_000, 100_000];
const BACKLOGS: [u64; 3] = [20_000, 200_000, 1_000_000];
const CONNECTIONS: usize = 64;
/// Callbacks come for so long between two looks at how many wait.
const A_WHILE: Duration = Duration::from_millis(500);

impl Bench {
    /// By the number of streams; then by the length of the backlog.
    pub(crate) fn linear(&mut self) {
        println!("\n  streams   CPU us a callback, published   to the fewest");
        self.in_turns(STREAMS, |bench, streams| {
            generator::over(streams);
            contender::published(&mut bench.relay, CONNECTIONS, bench.options.time).cpu_micros
        });
        generator::over(generator::STREAMS);
        println!("\n   waited   CPU us a record, published     to the fewest");
        self.in_turns(BACKLOGS, Self::a_record);
    }

    /// Round by round, and nobody is always the first.
    fn in_turns(&mut self, sizes: [u64; 3], micros: impl Fn(&mut Self, u64) -> f64) {
        let mut all = sizes.map(|size| (size, Vec::new()));
        for _ in 0..self.options.rounds {
            for (size, rounds) in &mut all {
                rounds.push(micros(self, *size));
            }
            all.rotate_left(1);
        }
        all.sort_by_key(|(size, _)| *size);
        let all = all.map(|(size, mut rounds)| (size, median(&mut rounds)));
        let [(_, fewest), ..] = all;
        for (size, micros) in all {
            println!("{size:>9}   {micros:>28.1}   {:>13.2}", micros / fewest);
        }
    }

    /// The CPU of each record from when Kafka is back to its ack, after at least so many had to wait.
    fn a_record(&mut self, records: u64) -> f64 {
        self.broker.freeze();
        let mut pending = 0.0;
        while pending < records as f64 {
            generator::run(&self.relay.address(), CONNECTIONS, A_WHILE);
            pending = self.relay.metrics().flow().pending as f64;
        }
        let before = self.relay.cpu();
        self.broker.thaw();
        self.relay.wait_until_settled(SETTLE);
        (self.relay.cpu() - before).as_secs_f64() * 1e6 / pending
    }
}

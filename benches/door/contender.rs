//! Relays that take turns.

use crate::{
    SETTLE,
    generator::{self, Measured, Rounds},
    median, print_row,
};
use std::time::Duration;
use support::{kafka::Broker, relay::Relay};

/// A relay that takes turns with others.
pub(crate) struct Contender<'a> {
    name: &'static str,
    relay: &'a mut Relay,
    pub(crate) rounds: Rounds,
    of_broker: Vec<f64>,
}

impl<'a> Contender<'a> {
    pub(crate) fn new(name: &'static str, relay: &'a mut Relay) -> Self {
        Self {
            name,
            relay,
            rounds: Rounds::default(),
            of_broker: Vec::new(),
        }
    }

    pub(crate) fn load(&mut self, broker: &Broker, connections: usize, time: Duration) {
        let of_broker = broker.cpu();
        let round = published(self.relay, connections, time);
        let used = (broker.cpu() - of_broker).as_secs_f64() * 1e6;
        println!(
            "  {}: {:.0}/s, {:.1} us",
            self.name, round.per_second, round.cpu_micros
        );
        self.of_broker.push(used / round.count as f64);
        self.rounds.push(round);
    }

    pub(crate) fn print(mut self, connections: usize, hyper: &Measured) {
        let ours = self.rounds.median();
        let of_broker = format!("{:.1}", median(&mut self.of_broker));
        print_row(connections, self.name, &ours, &of_broker);
        println!(
            "{connections:>11}  ratio        {:>10.2}   {:>14.2}",
            ours.per_second / hyper.per_second,
            ours.cpu_micros / hyper.cpu_micros
        );
    }
}

/// As many callbacks as the relay takes. Publishing belongs to its work: it is counted to its end.
pub(crate) fn published(relay: &mut Relay, connections: usize, time: Duration) -> Measured {
    let before = relay.cpu();
    let load = generator::run(&relay.address(), connections, time);
    relay.wait_until_settled(SETTLE);
    load.measured((relay.cpu() - before).as_secs_f64())
}

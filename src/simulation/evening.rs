//! The end of a made-up day: all is well again, everybody gets an answer, everything is published; then the oracle is asked.

use super::{
    day::{Day, NEVER},
    oracle,
    relay::Relay,
};
use crate::publish::simulation::kafka::Item;
use std::hash::{DefaultHasher, Hash, Hasher};

/// What a day had.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) days: u64,
    pub(super) callbacks: u64,
    pub(super) answered: u64,
    pub(super) published: u64,
    pub(super) kills: u64,
    pub(super) power_cuts: u64,
    /// Of those, in the middle of a start.
    pub(super) at_start: u64,
    /// Ends by an error of the disk.
    pub(super) faults: u64,
    pub(super) stops: u64,
    pub(super) refused: u64,
    /// Of everything in Kafka: two runs of a seed must agree.
    pub(super) digest: u64,
}

impl Tally {
    pub(super) fn add(self, day: Self) -> Self {
        Self {
            days: self.days + day.days,
            callbacks: self.callbacks + day.callbacks,
            answered: self.answered + day.answered,
            published: self.published + day.published,
            kills: self.kills + day.kills,
            power_cuts: self.power_cuts + day.power_cuts,
            at_start: self.at_start + day.at_start,
            faults: self.faults + day.faults,
            stops: self.stops + day.stops,
            refused: self.refused + day.refused,
            digest: self.digest ^ day.digest,
        }
    }
}

impl Day {
    pub(super) fn heal(&mut self) {
        let mut kafka = self.kafka();
        kafka.gone.clear();
        kafka.lame.clear();
        kafka.down = false;
        kafka.calm = true;
        drop(kafka);
        let disk = &self.machine.disk;
        disk.set_free(1 << 40);
        disk.fail_at(0);
        disk.die_at(NEVER);
        self.doom = NEVER;
    }

    /// One step of an evening in which all goes well. True: everybody has an answer, and nothing is left to publish.
    pub(super) async fn evening(&mut self) -> bool {
        let written = self.relay().spool.write(usize::MAX);
        self.survive(written);
        self.relay().spool.keep_house();
        let all_heard = self.under_way.is_empty() && self.callbacks.iter().all(|c| c.due.is_none());
        if self.publish(all_heard) {
            return true;
        }
        for _ in 0..3 {
            self.machine.kafka.lock().unwrap().acts(&mut self.dice);
        }
        // What is waited for comes.
        let now = self.machine.clocks.now();
        let wake = self.relay().publisher.wake;
        let dues = self.callbacks.iter().filter_map(|c| c.due);
        let next = dues.chain(wake).min();
        if let Some(next) = next.filter(|next| *next > now && self.dice.below(4) == 0) {
            self.pass(next - now).await;
        }
        false
    }

    /// The oracle; and what the process counted.
    pub(super) fn take_stock(mut self) -> Tally {
        let relay = self.relay.take().unwrap();
        let (taken, accounted) = relay.identity();
        assert_eq!(
            taken, accounted,
            "recovered + accepted, and what became of them"
        );
        assert_eq!(
            (
                relay.spool.pending.get(),
                relay.spool.status().pending_records
            ),
            (0, 0)
        );
        relay.stop();
        let again = Relay::start(&self.machine).unwrap();
        assert_eq!(again.spool.report.recovered_records, 0);
        let kafka = self.kafka();
        oracle::check(&self.callbacks, &kafka, &self.machine.disk.quarantine());
        let mut digest = DefaultHasher::new();
        let items = || kafka.log().values().flatten();
        for Item { ticket, message } in items() {
            (ticket.seq(), &message.payload).hash(&mut digest);
        }
        Tally {
            days: 1,
            callbacks: self.callbacks.len() as u64,
            answered: self
                .callbacks
                .iter()
                .filter(|c| c.answered.is_some())
                .count() as u64,
            published: items().count() as u64,
            digest: digest.finish(),
            ..self.tally.clone()
        }
    }
}

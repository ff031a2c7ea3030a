//! One made-up day: what happens, in which order, is drawn from the seed. In the evening all is well again, and nothing may be
//! missing.

use super::{
    evening::Tally,
    relay::{Answer, Clocks, Machine, Relay, topics},
    senders::Callback,
};
use crate::{
    publish::simulation::kafka::Kafka,
    spool::simulated::{Crash, SimulatedDisk},
};
use std::{
    sync::{Arc, MutexGuard},
    task::{Context, Poll, Waker},
    time::Duration,
};
use support::dice::Dice;

/// What happens until the evening: from a few steps to very many.
const STEPS: std::ops::Range<u64> = 20..160;
/// Long enough for any evening.
const EVENING: u64 = 30_000;
pub(super) const NEVER: u64 = u64::MAX;

pub(super) struct Day {
    pub(super) dice: Dice,
    pub(super) machine: Machine,
    /// None while it is down, which is never seen from outside [`Day::crash`].
    pub(super) relay: Option<Relay>,
    pub(super) callbacks: Vec<Callback>,
    pub(super) under_way: Vec<(usize, Answer)>,
    pub(super) step: u64,
    /// The call of the disk at which it all ends.
    pub(super) doom: u64,
    /// The call of the disk that fails.
    fault: u64,
    pub(super) tally: Tally,
}

/// Lives through a day. Panics if a promise was broken.
pub(super) async fn live(seed: u64) -> Tally {
    let mut dice = Dice::new(seed);
    let machine = Machine {
        disk: SimulatedDisk::new(),
        kafka: Kafka::new(&mut dice),
        clocks: Arc::new(Clocks::default()),
        topics: topics(),
        seed,
    };
    let mut day = Day {
        dice,
        relay: Some(Relay::start(&machine).unwrap()),
        machine,
        callbacks: Vec::new(),
        under_way: Vec::new(),
        step: 0,
        doom: NEVER,
        fault: NEVER,
        tally: Tally::default(),
    };
    let evening = STEPS.start + day.dice.below(STEPS.end - STEPS.start);
    while day.step < evening {
        day.something_happens();
        day.go_on().await;
    }
    day.heal();
    while !day.evening().await {
        assert!(
            day.step < evening + EVENING,
            "{:#?}",
            day.relay().publisher.status()
        );
        day.go_on().await;
    }
    day.take_stock()
}

impl Day {
    pub(super) fn relay(&mut self) -> &mut Relay {
        self.relay.as_mut().unwrap()
    }

    pub(super) fn kafka(&self) -> MutexGuard<'_, Kafka> {
        self.machine.kafka.lock().unwrap()
    }

    fn something_happens(&mut self) {
        match self.dice.below(100) {
            0..24 => self.callbacks_come(),
            24..50 => {
                let most = 1 + self.dice.below(8) as usize;
                let written = self.relay().spool.write(most);
                self.survive(written);
            }
            50..58 => self.relay().spool.keep_house(),
            58..78 => drop(self.publish(false)),
            78..92 => {
                let mut kafka = self.machine.kafka.lock().unwrap();
                kafka.acts(&mut self.dice);
            }
            92..95 => self.kafka_turns(),
            95..97 => self.disk_turns(),
            97 => self.doom(),
            98 => self.end_now(),
            _ => {
                let wrong = self.dice.below(600_000) as i64 - 300_000;
                self.machine.clocks.set_wrong(wrong);
            }
        }
    }

    /// Answers come, retries are sent, time passes; whoever is doomed dies.
    async fn go_on(&mut self) {
        self.step += 1;
        if self.machine.disk.calls() >= self.doom {
            self.crash_by_chance();
        }
        self.send_what_is_due();
        self.hear();
        let millis = match self.dice.below(40) {
            0 => self.dice.below(100_000),
            1..4 => self.dice.below(2_000),
            _ => self.dice.below(6),
        };
        self.pass(Duration::from_millis(millis)).await;
    }

    pub(super) async fn pass(&mut self, time: Duration) {
        self.machine.clocks.pass(time);
        tokio::time::advance(time).await;
    }

    fn callbacks_come(&mut self) {
        for _ in 0..=self.dice.below(3) {
            let now = self.machine.clocks.now();
            let number = self.callbacks.len();
            let callback = Callback::new(number, self.step, now, &mut self.dice);
            self.callbacks.push(callback);
        }
    }

    fn send_what_is_due(&mut self) {
        let (now, seconds) = (
            self.machine.clocks.now(),
            self.machine.clocks.true_seconds(),
        );
        let relay = self.relay.as_ref().unwrap();
        for (at, callback) in self.callbacks.iter_mut().enumerate() {
            if callback.due.take_if(|due| *due <= now).is_none() {
                continue;
            }
            // Now and then twice at once.
            for _ in 0..=u64::from(self.dice.below(15) == 0) {
                callback.attempts += 1;
                let answer = relay.post(callback.body(seconds));
                self.under_way.push((at, answer));
            }
        }
    }

    fn hear(&mut self) {
        let now = self.machine.clocks.now();
        let mut context = Context::from_waker(Waker::noop());
        for (at, mut answer) in std::mem::take(&mut self.under_way) {
            match answer.as_mut().poll(&mut context) {
                Poll::Ready(status) => {
                    self.tally.refused += u64::from(status == 503);
                    let callback = &mut self.callbacks[at];
                    callback.heard(Some(status), self.step, now, &mut self.dice);
                }
                Poll::Pending => self.under_way.push((at, answer)),
            }
        }
    }

    pub(super) fn publish(&mut self, stop: bool) -> bool {
        let now = self.machine.clocks.now();
        let relay = self.relay.as_mut().unwrap();
        let published = relay.publisher.step(now, &mut self.dice, stop);
        let done = matches!(published, Ok(true));
        self.survive(published);
        done
    }

    /// A part that ends by an error ends the process; until then the door answers what is still under way.
    pub(super) fn survive<T, E>(&mut self, ended: Result<T, E>) {
        if ended.is_ok() {
            return;
        }
        self.relay().spool.fail();
        self.hear();
        if self.machine.disk.calls() >= self.doom {
            self.crash_by_chance();
        } else {
            self.tally.faults += 1;
            self.crash(Crash::Kill);
        }
    }

    fn kafka_turns(&mut self) {
        let topic = ["recordings", "streams", "pictures", "others"][self.dice.below(4) as usize];
        let turn = self.dice.below(10);
        let mut kafka = self.kafka();
        match turn {
            0 => drop(kafka.gone.insert(topic.into())),
            1..4 => drop(kafka.gone.remove(topic)),
            4 => kafka.down = true,
            8 => drop(kafka.lame.insert(topic.into())),
            9 => drop(kafka.lame.remove(topic)),
            _ => kafka.down = false,
        }
    }

    fn disk_turns(&mut self) {
        let soon = self.machine.disk.calls() + 1 + self.dice.below(20);
        match self.dice.below(6) {
            0 => self.machine.disk.set_free(0),
            1..4 => self.machine.disk.set_free(1 << 40),
            _ => {
                self.fault = soon;
                self.machine.disk.fail_at(soon);
            }
        }
    }

    /// Death comes in the middle of something.
    fn doom(&mut self) {
        self.doom = self.machine.disk.calls() + 1 + self.dice.below(30);
        self.machine.disk.die_at(self.doom);
    }

    fn end_now(&mut self) {
        if self.dice.below(3) == 0 && self.under_way.is_empty() && self.doom == NEVER {
            self.tally.stops += 1;
            self.relay.take().unwrap().stop();
            self.kafka().process_died(&mut Dice::new(self.step));
            self.start();
        } else {
            self.crash_by_chance();
        }
    }

    fn crash_by_chance(&mut self) {
        let crash = match self.dice.below(4) {
            0 => Crash::Kill,
            1 => Crash::PowerCut,
            _ => Crash::Torn(self.dice.roll()),
        };
        self.crash(crash);
    }

    /// The process is gone; so are its connections.
    fn crash(&mut self, crash: Crash) {
        let now = self.machine.clocks.now();
        for (at, _) in std::mem::take(&mut self.under_way) {
            self.callbacks[at].heard(None, self.step, now, &mut self.dice);
        }
        let mut kafka = self.machine.kafka.lock().unwrap();
        kafka.process_died(&mut self.dice);
        drop(kafka);
        self.relay = None;
        self.lose(crash);
        self.start();
    }

    fn lose(&mut self, crash: Crash) {
        match crash {
            Crash::Kill => self.tally.kills += 1,
            Crash::PowerCut | Crash::Torn(_) => self.tally.power_cuts += 1,
        }
        self.machine.disk = self.machine.disk.after(crash);
        (self.doom, self.fault) = (NEVER, NEVER);
    }

    /// The next process, maybe not at the first try.
    fn start(&mut self) {
        loop {
            let calm = self.kafka().calm;
            match self.dice.below(6) {
                0 if !calm => self.doom(),
                1 if !calm => self.disk_turns(),
                _ => {}
            }
            match Relay::start(&self.machine) {
                Ok(relay) => {
                    let report = &relay.spool.report;
                    assert_eq!(report.corrupt_records, 0, "{:?}", report.damage);
                    // What can't be read at the first try is told, even if nothing is lost by it.
                    let failed = (1..=self.machine.disk.calls()).contains(&self.fault);
                    assert!(failed || report.damage.is_empty(), "{:?}", report.damage);
                    self.relay = Some(relay);
                    return;
                }
                Err(_) => {
                    self.tally.at_start += 1;
                    let crash = match self.dice.below(2) {
                        0 => Crash::Kill,
                        _ => Crash::Torn(self.dice.roll()),
                    };
                    self.lose(crash);
                }
            }
        }
    }
}

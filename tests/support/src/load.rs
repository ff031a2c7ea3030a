//! Senders that go on until told to stop, each like the real one: a callback that isn't answered 200 is sent again,
//! signed anew; now and then it is given up.
//!
//! A stream belongs to one sender, which sends its next callback only after the last was answered or given up: so the
//! numbers of a stream are the order in which its callbacks became durable.

use crate::{callback, dice::Dice, http::Client, wait};
use std::{
    collections::BTreeMap,
    sync::{
        Arc, RwLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

/// What was sent, by stream: each number in the order of sending, and whether a 200 was heard.
#[derive(Debug, Clone, Default)]
pub struct Journal(pub BTreeMap<String, Vec<(u64, bool)>>);

impl Journal {
    /// How many were answered 200.
    pub fn answered(&self) -> usize {
        self.0
            .values()
            .flatten()
            .filter(|(_, answered)| *answered)
            .count()
    }
}

/// What kind of load.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// How many senders, with a connection each.
    pub senders: usize,
    /// How many streams each has.
    pub streams: usize,
    /// The pause of a sender between callbacks.
    pub pause: Duration,
    /// Of a hundred callbacks without a 200, how many are given up rather than sent again.
    pub give_up_percent: u64,
}

/// Running senders. Dropping it stops them.
#[derive(Debug)]
pub struct Load {
    stop: Arc<AtomicBool>,
    hold: Arc<RwLock<()>>,
    answered: Arc<AtomicU64>,
    senders: Vec<JoinHandle<Journal>>,
}

impl Load {
    /// Starts the senders.
    pub fn start(address: &str, plan: Plan, dice: &mut Dice) -> Self {
        Self::of_streams("stream", address, plan, dice)
    }

    /// The same with streams whose names begin so: another load on the same relay.
    pub fn of_streams(prefix: &str, address: &str, plan: Plan, dice: &mut Dice) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let hold = Arc::new(RwLock::new(()));
        let answered = Arc::new(AtomicU64::new(0));
        let senders = (0..plan.senders).map(|number| {
            let sender = Sender {
                client: Client::new(address),
                plan,
                dice: Dice::new(dice.roll()),
                stop: Arc::clone(&stop),
                hold: Arc::clone(&hold),
                answered: Arc::clone(&answered),
                resigned: 0,
            };
            let name = format!("{prefix}-{number}");
            std::thread::spawn(move || sender.run(&name))
        });
        Self {
            senders: senders.collect(),
            stop,
            hold,
            answered,
        }
    }

    /// Lets nothing be sent while `quiet` runs; callbacks under way are answered first.
    pub fn hold_while<T>(&self, quiet: impl FnOnce() -> T) -> T {
        let _nothing_under_way = self.hold.write();
        quiet()
    }

    /// How many 200s were heard so far.
    pub fn answered(&self) -> u64 {
        self.answered.load(Ordering::Relaxed)
    }

    /// Waits for this many more 200s.
    #[track_caller]
    pub fn wait_for_more(&self, count: u64, deadline: Duration) {
        let goal = self.answered() + count;
        wait::until("more callbacks to be answered 200", deadline, || {
            (self.answered() >= goal).then_some(())
        });
    }

    /// Stops the senders, each after the callback at hand, and tells what was sent.
    #[track_caller]
    pub fn stop(mut self) -> Journal {
        self.stop.store(true, Ordering::Relaxed);
        let mut all = Journal::default();
        for sender in self.senders.drain(..) {
            all.0
                .extend(sender.join().expect("a sender doesn't panic").0);
        }
        all
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

struct Sender {
    client: Client,
    plan: Plan,
    dice: Dice,
    stop: Arc<AtomicBool>,
    /// Shared while a callback is under way.
    hold: Arc<RwLock<()>>,
    answered: Arc<AtomicU64>,
    resigned: u64,
}

impl Sender {
    fn run(mut self, name: &str) -> Journal {
        let names: Vec<_> = (0..self.plan.streams)
            .map(|s| format!("{name}-{s}"))
            .collect();
        let mut journal = Journal::default();
        for count in 1.. {
            for name in &names {
                if self.stop.load(Ordering::Relaxed) {
                    return journal;
                }
                let answered = self.send(&callback::recording(name, count));
                journal
                    .0
                    .entry(name.clone())
                    .or_default()
                    .push((count, answered));
                wait::pass(self.plan.pause);
            }
        }
        journal
    }

    /// Whether a 200 was heard in the end.
    fn send(&mut self, body: &str) -> bool {
        loop {
            // Another `t` each time, as if the sender signed each try anew.
            self.resigned += 1;
            let body = callback::signed_at(body, callback::fresh_t() - self.resigned % 300);
            let under_way = self.hold.read();
            let answer = self.client.post("/callbacks/tencent", &body);
            drop(under_way);
            match answer {
                Ok(response) if response.status == 200 => {
                    self.answered.fetch_add(1, Ordering::Relaxed);
                    return true;
                }
                Ok(response) => assert_eq!(response.status, 503, "{}", response.text()),
                Err(_) => {}
            }
            if self.stop.load(Ordering::Relaxed) || self.dice.below(100) < self.plan.give_up_percent
            {
                return false;
            }
            wait::pass(self.dice.millis(5, 50));
        }
    }
}

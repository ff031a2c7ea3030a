//! A history of a spool, step by step, and what it has promised at each moment.

use super::super::{
    fake_disk::{EIO, FakeDisk, State, Verb},
    rig::{Meters, Run},
};
use crate::{
    callback::names::EventName,
    spool::{append::Receipt, disk::Disk, outlet::Outlet, record::Seq, tests::rig},
};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, atomic::Ordering},
};

/// What can happen next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// A batch of two.
    Few,
    /// A batch of eight, over seven sectors.
    Crowd,
    /// One of four sectors: two of them fill a segment, so the next segment begins.
    Big,
    /// A batch of one that is known and one that isn't.
    Again,
    /// A batch whose sync fails; the next run takes over.
    Fails,
    /// Half of what is pending is settled.
    Half,
    /// Everything is settled.
    All,
    /// The housekeeper: indices, the next segment, deletion.
    House,
    /// An hour later the housekeeper comes by: what is settled is deleted.
    Later,
    /// Killed, and started again.
    Kill,
}

impl Step {
    pub(super) const ALL: [Self; 10] = [
        Self::Few,
        Self::Crowd,
        Self::Big,
        Self::Again,
        Self::Fails,
        Self::Half,
        Self::All,
        Self::House,
        Self::Later,
        Self::Kill,
    ];
}

/// What must be true of whatever a crash leaves.
#[derive(Debug, Clone, Default, Hash)]
pub(super) struct Promise {
    /// The callbacks that were answered yes, and their records' numbers.
    pub(super) acked: BTreeMap<u64, Seq>,
    /// The checkpoint that was stored: it must still be there …
    pub(super) stored: Seq,
    /// … or this one, which was being stored. What it covers may be deleted.
    pub(super) storing: Seq,
}

/// A promise, and the receipts that it will grow by.
#[derive(Default)]
pub(super) struct Ledger {
    pub(super) promise: Promise,
    waiting: Vec<(u64, Receipt)>,
}

impl Ledger {
    /// As of now.
    pub(super) fn promise(&mut self) -> &Promise {
        let promise = &mut self.promise;
        self.waiting
            .retain_mut(|(n, receipt)| match rig::poll(receipt) {
                None => true,
                Some(Err(_)) => false,
                Some(Ok(durable)) => {
                    let seq = durable.seq();
                    // The same record, or, after its time, a later one.
                    let known = promise.acked.insert(*n, seq);
                    assert!(
                        known.is_none_or(|known| known <= seq),
                        "callback {n} goes back"
                    );
                    false
                }
            });
        promise
    }
}

pub(super) const MAX_BYTES: u64 = 1 << 20;
const HOUR: u64 = 3_600_000;

/// A history under way.
pub(super) struct History {
    pub(super) disk: FakeDisk,
    pub(super) ledger: Arc<Mutex<Ledger>>,
    meters: Meters,
    run: Option<Run>,
    now: u64,
    /// The next callback.
    next: u64,
}

impl History {
    /// Nothing has happened yet: not even the first start.
    pub(super) fn new(meters: &Meters) -> Self {
        Self {
            disk: FakeDisk::new(),
            ledger: Arc::default(),
            meters: meters.clone(),
            run: None,
            now: 1_000,
            next: 1,
        }
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap()
    }

    pub(super) fn start(&mut self) {
        self.run = None;
        let disk: Arc<dyn Disk> = Arc::new(self.disk.clone());
        let run = rig::open_with(&disk, MAX_BYTES, self.now, &self.meters).unwrap();
        // If it crashed while one was stored, either may be there.
        self.ledger().promise.stored = run.outlet.settled_at_start().least();
        self.run = Some(run);
    }

    /// Goes on from what a crash has left.
    pub(super) fn resume(&mut self, left: State, promise: Promise) {
        self.run = None;
        self.disk = left.disk();
        *self.ledger() = Ledger {
            promise,
            waiting: Vec::new(),
        };
    }

    /// Does it all without being watched.
    pub(super) fn go_through(&mut self, steps: &[Step]) {
        self.start();
        for step in steps {
            self.step(*step);
        }
    }

    pub(super) fn step(&mut self, step: Step) {
        match step {
            Step::Few => {
                let next = self.fresh(2, 0);
                assert!(self.commit(&next));
            }
            Step::Crowd => {
                let next = self.fresh(8, 0);
                assert!(self.commit(&next));
            }
            Step::Big => {
                let next = self.fresh(1, rig::BIG);
                assert!(self.commit(&next));
            }
            Step::Again => {
                let mut batch = self.fresh(1, 0);
                let known = self.ledger().promise().acked.keys().next().copied();
                batch.splice(0..0, known);
                assert!(self.commit(&batch));
            }
            Step::Fails => {
                let next = self.fresh(2, 0);
                let syncs = self.disk.calls_of(Verb::Sync);
                // If the segment is full, the sync that fails is one of the next one's preparation.
                self.disk.fail_verb_at(Verb::Sync, syncs + 1, EIO);
                self.commit(&next);
                self.start();
            }
            Step::Half => {
                let run = self.run.as_ref().unwrap();
                let (from, to) = (self.ledger().promise.stored.0, run.outlet.durable_end().0);
                self.settle(Seq(from + (to - from) / 2));
            }
            Step::All => {
                let end = self.run.as_ref().unwrap().outlet.durable_end();
                self.settle(end);
            }
            Step::House => self.run.as_ref().unwrap().housekeeping(),
            Step::Later => {
                self.now += HOUR;
                let run = self.run.as_ref().unwrap();
                run.clock.0.store(self.now, Ordering::SeqCst);
                run.housekeeping();
            }
            Step::Kill => self.start(),
        }
        self.ledger().promise();
    }

    fn fresh(&mut self, count: u64, kind: u64) -> Vec<u64> {
        self.next += count;
        (self.next - count..self.next).map(|n| n + kind).collect()
    }

    /// Whether it went well.
    fn commit(&mut self, numbers: &[u64]) -> bool {
        let run = self.run.as_mut().unwrap();
        let mut ledger = self.ledger.lock().unwrap();
        for n in numbers {
            let receipt = run.submit(rig::ce_id(*n), EventName::RecordingFile, rig::envelope(*n));
            ledger.waiting.push((*n, receipt));
        }
        drop(ledger);
        run.commit_waiting().is_ok()
    }

    fn settle(&mut self, through: Seq) {
        self.ledger().promise.storing = through;
        self.run.as_mut().unwrap().settle_all(through).unwrap();
        self.ledger().promise.stored = through;
    }
}

/// What was seen at one moment.
pub(super) struct Moment {
    pub(super) state: State,
    pub(super) promise: Promise,
}

impl History {
    /// Everything that is on the disk while `act` goes on, and after it.
    pub(super) fn watched(&mut self, act: impl FnOnce(&mut Self)) -> Vec<Moment> {
        let moments: Arc<Mutex<Vec<Moment>>> = Arc::default();
        let (seen, ledger) = (Arc::clone(&moments), Arc::clone(&self.ledger));
        self.disk.watch(Some(Box::new(move |state| {
            seen.lock().unwrap().push(Moment {
                state: state.clone(),
                promise: ledger.lock().unwrap().promise().clone(),
            });
        })));
        act(self);
        self.disk.watch(None);
        let mut moments = std::mem::take(&mut *moments.lock().unwrap());
        moments.push(Moment {
            state: self.disk.state(),
            promise: self.ledger().promise().clone(),
        });
        moments
    }
}

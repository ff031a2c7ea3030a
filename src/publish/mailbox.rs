//! Where everything that happens reaches the publisher's thread: reports, new records, the wish to stop.
//!
//! Whoever puts something in wakes the thread at once; there is no interval. Bounded by nature: a record has one
//! report, and the windows bound the records under way.

use super::{
    classify::{Class, Code},
    plan::Tick,
};
use crate::{callback::names::Family, spool::Seq};
use std::{
    mem,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// A producer's number; never used twice in a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProducerId(pub u64);

/// Which record a report is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ticket {
    /// The record's family, which says the lane.
    pub family: Family,
    /// Its number.
    pub seq: Seq,
}

/// What became of a record that was enqueued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Report {
    /// Who had it.
    pub producer: ProducerId,
    /// Which record.
    pub ticket: Ticket,
    /// Acked by all in-sync replicas, or why not.
    pub result: Result<(), Code>,
}

/// Takes what producers have to say. Called on their threads; must not block for long.
pub trait Reports: Send + Sync + 'static {
    /// A record was acked, or failed.
    fn report(&self, report: Report);
    /// Something is wrong between a producer and its brokers; it goes on trying by itself.
    fn trouble(&self, producer: ProducerId, code: Code, reason: &str);
    /// A closing producer has said all that it will ever say.
    fn closed(&self, producer: ProducerId);
}

/// What has arrived since the last look.
#[derive(Debug, Default)]
pub struct Mail {
    /// In the order of their arrival.
    pub reports: Vec<Report>,
    /// Producers that are done.
    pub closed: Vec<ProducerId>,
    /// The last trouble that a producer told of: the code, and a text for people.
    pub trouble: Option<(Code, String)>,
    /// Producers that are done for, as they say themselves: a report of each record may never come.
    pub fatal: Vec<(ProducerId, Code)>,
    /// Stop, at the latest after this much time.
    pub stop_within: Option<Duration>,
}

#[derive(Debug, Default)]
struct Inside {
    mail: Mail,
    rung: bool,
}

/// See the module.
#[derive(Debug)]
pub struct Mailbox {
    inside: Mutex<Inside>,
    wake: Condvar,
    started: Instant,
}

impl Default for Mailbox {
    fn default() -> Self {
        Self {
            inside: Mutex::default(),
            wake: Condvar::new(),
            started: Instant::now(),
        }
    }
}

impl Mailbox {
    /// Time since this mailbox was made.
    pub fn now(&self) -> Tick {
        self.started.elapsed()
    }

    /// There may be new durable records.
    pub fn ring(&self) {
        self.put(|_| {});
    }

    /// Asks to stop within this time. The shortest wish holds.
    pub fn stop(&self, within: Duration) {
        self.put(|mail| {
            let wish = mail.stop_within.map_or(within, |other| other.min(within));
            mail.stop_within = Some(wish);
        });
    }

    /// Waits until something is there, or until `until` (none: for ever), and takes it all.
    pub fn take(&self, until: Option<Tick>) -> Mail {
        let mut inside = self.lock();
        while !inside.rung {
            let now = self.now();
            match until {
                Some(until) if until <= now => break,
                Some(until) => {
                    let waited = self.wake.wait_timeout(inside, until - now);
                    inside = waited.unwrap_or_else(PoisonError::into_inner).0;
                }
                None => {
                    let waited = self.wake.wait(inside);
                    inside = waited.unwrap_or_else(PoisonError::into_inner);
                }
            }
        }
        inside.rung = false;
        mem::take(&mut inside.mail)
    }

    fn put(&self, change: impl FnOnce(&mut Mail)) {
        let mut inside = self.lock();
        change(&mut inside.mail);
        let was_rung = mem::replace(&mut inside.rung, true);
        drop(inside);
        if !was_rung {
            self.wake.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inside> {
        // Nothing that can panic happens under the lock.
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reports for Mailbox {
    fn report(&self, report: Report) {
        self.put(|mail| mail.reports.push(report));
    }

    fn trouble(&self, producer: ProducerId, code: Code, reason: &str) {
        self.put(|mail| {
            mail.trouble = Some((code, reason.to_owned()));
            if code.class() == Class::Fatal {
                mail.fatal.push((producer, code));
            }
        });
    }

    fn closed(&self, producer: ProducerId) {
        self.put(|mail| mail.closed.push(producer));
    }
}

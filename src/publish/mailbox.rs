//! Where everything that happens reaches the publisher's thread: reports, new records, the wish to stop.
//!
//! Whoever puts something in wakes the thread at once, unless something came just before: then new records and acks gather
//! for `GATHER`, since waking a thread for each of thousands a second costs more than what it does then. What is urgent never
//! waits. Bounded by nature: a record has one report, and the windows bound the records under way.

use super::{
    classify::{Class, Code},
    exact::{Found, Outcome},
    plan::Tick,
    trouble::Trouble,
};
use crate::{callback::names::Family, spool::Seq};
use std::{
    mem,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// For how long records and acks gather while they flow. Far below what a broker takes for an answer.
const GATHER: Duration = Duration::from_millis(2);

/// A producer's number; never used twice in a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProducerId(pub u64);

/// What a report is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ticket {
    /// A record.
    Record(RecordTicket),
    /// The checkpoint of the transaction with this number.
    Checkpoint(u64),
    /// A record that only tries its topic, and is thrown away.
    Probe,
    /// A message of an earlier transaction, sent again: nobody waits for its report.
    Again,
}

/// Which record a report is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordTicket {
    /// The record's family, which says the lane.
    pub family: Family,
    /// Its number.
    pub seq: Seq,
    /// The number of the transaction that it is in, with exactly-once.
    pub transaction: Option<u64>,
}

#[cfg(test)]
impl Ticket {
    /// Of a record outside of a transaction.
    pub(crate) const fn record(family: Family, seq: Seq) -> Self {
        Self::Record(RecordTicket {
            family,
            seq,
            transaction: None,
        })
    }

    /// The record's number.
    pub(crate) fn seq(&self) -> Seq {
        match self {
            Self::Record(of) => of.seq,
            other => panic!("not of a record: {other:?}"),
        }
    }
}

/// What became of something that was enqueued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Report {
    /// Who had it.
    pub producer: ProducerId,
    /// What.
    pub ticket: Ticket,
    /// Acked by all in-sync replicas, or why not.
    pub result: Result<(), Code>,
}

/// The answer of a transactional producer to what it was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// No one else can commit any more, and this is what was committed.
    Ready(Box<Found>),
    /// It could not be made ready yet: it may be asked again.
    NotYet,
    /// It can't be made ready: it is of no use.
    Useless,
    /// What became of a commit.
    Commit(Outcome),
    /// What became of an abort.
    Abort(Outcome),
    /// Who should have answered is gone.
    Gone,
}

/// What the brokers say about a topic that takes nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    /// The topic.
    pub topic: Arc<str>,
    /// The record for whose sake they were asked.
    pub about: Seq,
    /// None if no broker answered.
    pub answer: Option<Finding>,
}

/// What can be seen of a topic from outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// All its partitions have a leader, and as many replicas in sync as it needs.
    Sound,
    /// They haven't.
    Fault {
        /// A text for people.
        why: String,
        /// False: replicas are missing, but how many it needs isn't known.
        is_sure: bool,
    },
}

/// Takes what producers have to say. Called on their threads; must not block for long.
pub trait Reports: Send + Sync + 'static {
    /// A record was acked, or failed.
    fn report(&self, report: Report);
    /// Something is wrong between a producer and its brokers; it goes on trying by itself.
    fn trouble(&self, producer: ProducerId, code: Code, trouble: Trouble);
    /// A closing producer has said all that it will ever say.
    fn closed(&self, producer: ProducerId);
    /// The copy that this record owed is held by all in-sync replicas, or was given up.
    fn copied(&self, _seq: Seq, _acked: bool) {}
    /// A transactional producer answers; with a text for people if something is wrong.
    fn answer(&self, _producer: ProducerId, _answer: Answer, _trouble: Option<String>) {}
}

/// What has arrived since the last look.
#[derive(Debug, Default)]
pub struct Mail {
    /// In the order of their arrival.
    pub reports: Vec<Report>,
    /// Producers that are done.
    pub closed: Vec<ProducerId>,
    /// The trouble that a producer told of; of several the one that says most.
    pub trouble: Option<Trouble>,
    /// No broker is in reach, says a producer.
    pub all_down: bool,
    /// A broker has answered somebody.
    pub answered: bool,
    /// Producers that are done for, as they say themselves: a report of each record may never come.
    pub fatal: Vec<(ProducerId, Code)>,
    /// Copies that a record owed: its number, and whether all in-sync replicas have the copy or it was given up.
    pub copied: Vec<(Seq, bool)>,
    /// Of transactional producers.
    pub answers: Vec<(ProducerId, Answer)>,
    /// What the brokers say about topics that take nothing.
    pub heard: Vec<Heard>,
    /// What clients log in with has changed: connect anew.
    pub renew: bool,
    /// Stop, at the latest after this much time.
    pub stop_within: Option<Duration>,
}

#[derive(Debug, Default)]
struct Inside {
    mail: Mail,
    rung: bool,
    /// Something that must not wait is there.
    urgent: bool,
    /// The thread waits for anything at all; if not, only for what is urgent.
    asleep: bool,
    /// Something came the last time: more is about to.
    flowing: bool,
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
        self.put(false, |_| {});
    }

    /// The brokers were asked about a topic.
    pub fn heard(&self, heard: Heard) {
        self.put(true, |mail| mail.heard.push(heard));
    }

    /// A broker has answered a question that had nothing to do with a record.
    pub fn answered(&self) {
        self.put(false, |mail| mail.answered = true);
    }

    /// Asks for new connections.
    pub fn renew(&self) {
        self.put(true, |mail| mail.renew = true);
    }

    /// Asks to stop within this time. The shortest wish holds.
    pub fn stop(&self, within: Duration) {
        self.put(true, |mail| {
            let wish = mail.stop_within.map_or(within, |other| other.min(within));
            mail.stop_within = Some(wish);
        });
    }

    /// Waits until something is there, or until `until` (none: for ever), and takes it all.
    pub fn take(&self, until: Option<Tick>) -> Mail {
        self.wait(until);
        self.empty()
    }

    /// Waits until something is there, or until `until` (none: for ever).
    pub fn wait(&self, until: Option<Tick>) {
        let mut inside = self.lock();
        if inside.flowing {
            let gathered = self.now() + GATHER;
            let gathered = until.map_or(gathered, |until| until.min(gathered));
            inside = self.wait_for(inside, Some(gathered), |inside| inside.urgent);
        }
        inside.asleep = true;
        inside = self.wait_for(inside, until, |inside| inside.rung);
        inside.asleep = false;
    }

    /// Takes all that is there.
    pub fn empty(&self) -> Mail {
        let mut inside = self.lock();
        inside.urgent = false;
        inside.flowing = mem::take(&mut inside.rung);
        mem::take(&mut inside.mail)
    }

    fn wait_for<'a>(
        &self,
        mut inside: MutexGuard<'a, Inside>,
        until: Option<Tick>,
        enough: fn(&Inside) -> bool,
    ) -> MutexGuard<'a, Inside> {
        while !enough(&inside) {
            let now = self.now();
            inside = match until {
                Some(until) if until <= now => break,
                Some(until) => {
                    let waited = self.wake.wait_timeout(inside, until - now);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
                None => {
                    let waited = self.wake.wait(inside);
                    waited.unwrap_or_else(PoisonError::into_inner)
                }
            };
        }
        inside
    }

    fn put(&self, urgent: bool, change: impl FnOnce(&mut Mail)) {
        let mut inside = self.lock();
        change(&mut inside.mail);
        let first = !mem::replace(&mut inside.rung, true);
        let first_urgent = urgent && !mem::replace(&mut inside.urgent, true);
        let wakes = first_urgent || (first && inside.asleep);
        drop(inside);
        if wakes {
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
        self.put(report.result.is_err(), |mail| mail.reports.push(report));
    }

    fn trouble(&self, producer: ProducerId, code: Code, trouble: Trouble) {
        self.put(true, |mail| {
            mail.trouble = Some(trouble.after(mail.trouble.take()));
            mail.all_down |= code == Code::ALL_BROKERS_DOWN;
            if code.class() == Class::Fatal {
                mail.fatal.push((producer, code));
            }
        });
    }

    fn closed(&self, producer: ProducerId) {
        self.put(true, |mail| mail.closed.push(producer));
    }

    fn copied(&self, seq: Seq, acked: bool) {
        self.put(false, |mail| mail.copied.push((seq, acked)));
    }

    fn answer(&self, producer: ProducerId, answer: Answer, trouble: Option<String>) {
        self.put(true, |mail| {
            mail.answers.push((producer, answer));
            if let Some(text) = trouble {
                mail.trouble = Some(Trouble::faint(text).after(mail.trouble.take()));
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    fn ack(seq: u64) -> Report {
        Report {
            producer: ProducerId(1),
            ticket: Ticket::record(Family::Recording, Seq(seq)),
            result: Ok(()),
        }
    }

    #[test]
    fn who_sleeps_is_woken_by_anything() {
        let mailbox = Arc::new(Mailbox::default());
        let other = Arc::clone(&mailbox);
        let sleeper = thread::spawn(move || other.take(None));
        mailbox.report(ack(1));
        assert_eq!(sleeper.join().unwrap().reports, [ack(1)]);
    }

    #[test]
    fn what_flows_gathers_and_nothing_of_it_is_lost() {
        let mailbox = Mailbox::default();
        mailbox.ring();
        mailbox.take(None);
        mailbox.report(ack(1));
        mailbox.report(ack(2));
        let before = mailbox.now();
        assert_eq!(mailbox.take(None).reports, [ack(1), ack(2)]);
        assert!(mailbox.now() - before >= GATHER);
        // Nothing came any more: the next one doesn't wait for others.
        assert!(mailbox.take(Some(mailbox.now())).reports.is_empty());
        mailbox.report(ack(3));
        assert_eq!(mailbox.take(None).reports, [ack(3)]);
    }

    #[test]
    fn what_is_urgent_and_a_deadline_end_the_gathering() {
        let mailbox = Mailbox::default();
        mailbox.ring();
        mailbox.take(None);
        mailbox.stop(Duration::from_secs(1));
        assert!(mailbox.take(None).stop_within.is_some());
        mailbox.ring();
        // Still flowing; a time that has come is not waited for.
        assert!(mailbox.take(Some(Tick::ZERO)).reports.is_empty());
    }
}

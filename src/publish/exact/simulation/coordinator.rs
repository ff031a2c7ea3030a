//! A Kafka with transactions and moods: it fences, times out, loses its answers, refuses records and topics. What it
//! committed stays.

mod producer;

pub(super) use producer::FakeBroker;

use super::super::{checkpoint::Stored, decide::Found, transaction::Outcome};
use crate::publish::{
    broker::Ask,
    classify::Code,
    exact::Purpose,
    mailbox::{Answer, Mail, ProducerId, Report, Ticket},
    message::Message,
};
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{Arc, Mutex},
};
use support::dice::Dice;

pub(super) type KafkaRef = Arc<Mutex<Kafka>>;
/// A process and its producer.
type Id = (u64, ProducerId);

/// No record with such a number is ever taken.
pub(super) const fn is_poison(number: u64) -> bool {
    number.is_multiple_of(23)
}

pub(super) const TOPICS: [&str; 2] = ["a", "b"];

#[derive(Default)]
struct Client {
    purpose: Option<Purpose>,
    asked: VecDeque<Ask>,
    queue: VecDeque<(Ticket, Message)>,
    /// What the transaction under way holds; none if there is none.
    open: Option<Vec<Message>>,
    must_abort: bool,
    /// Fenced, or lost in some other way.
    dead: bool,
    closing: bool,
}

/// See the module.
#[derive(Default)]
pub(super) struct Kafka {
    clients: BTreeMap<Id, Client>,
    /// By transactional id.
    owner: BTreeMap<String, Id>,
    /// By topic, in order: the number in each message.
    pub(super) log: BTreeMap<String, Vec<u64>>,
    /// By spool, in order.
    checkpoints: BTreeMap<String, Vec<Vec<u8>>>,
    pub(super) gone: BTreeSet<&'static str>,
    /// No partition of these can be added to a transaction: the client throws all of it away, and names nobody.
    pub(super) forbidden: BTreeSet<&'static str>,
    /// One partition of each takes nothing, and nobody says so.
    pub(super) stuck: BTreeSet<&'static str>,
    /// Under the transactional id that tries one of these nobody may send.
    pub(super) tries_not_permitted: BTreeSet<&'static str>,
    /// Trying these gets nowhere.
    pub(super) tries_hang: BTreeSet<&'static str>,
    /// No abort ends in a way that anybody knows of.
    pub(super) aborts_unknown: bool,
    /// So many more times no transaction can begin.
    pub(super) begins_again: u32,
    /// Transactions that were aborted on request.
    pub(super) aborted: u32,
    /// Nothing is ever heard of what is sent to these.
    pub(super) silent: BTreeSet<&'static str>,
    pub(super) down: bool,
    pub(super) calm: bool,
    mail: BTreeMap<u64, Mail>,
}

/// In the partition that may be stuck.
pub(super) const fn is_in_stuck_partition(number: u64) -> bool {
    number.is_multiple_of(5)
}

pub(super) fn number_of(message: &Message) -> u64 {
    let text = std::str::from_utf8(&message.payload).unwrap();
    text.parse().unwrap()
}

impl Kafka {
    /// One client gets somewhere, or not.
    pub(super) fn acts(&mut self, dice: &mut Dice) {
        let ids: Vec<_> = self.clients.keys().copied().collect();
        let Some(&id) = ids.get(dice.below(ids.len().max(1) as u64) as usize) else {
            return;
        };
        if self.clients[&id].closing {
            // Its transaction is left to the coordinator, which aborts it.
            self.clients.remove(&id);
            self.mail.entry(id.0).or_default().closed.push(id.1);
            return;
        }
        let tries = &self.clients[&id].purpose.as_ref().unwrap().tries;
        let hangs = tries
            .as_ref()
            .is_some_and(|t| self.tries_hang.contains(&**t));
        if self.down || hangs {
            return;
        }
        // A transaction over its timeout, of a process that slept, say.
        if !self.calm && dice.below(150) == 0 {
            self.lose(id);
        }
        let client = self.clients.get_mut(&id).unwrap();
        // An abort throws away what is still to be sent.
        if client.asked.front() == Some(&Ask::Abort) {
            let silent = |message: &Message| self.silent.contains(&*message.topic);
            client.queue.retain(|(_, message)| !silent(message));
        }
        let silent = |(_, message): &(Ticket, Message)| self.silent.contains(&*message.topic);
        if client.queue.iter().any(silent) {
            if client.queue.iter().all(silent) {
                return;
            }
            client.queue.make_contiguous().sort_by_key(silent);
        }
        // What is stuck comes when all else has.
        let stuck = |(_, message): &&(Ticket, Message)| {
            self.stuck.contains(&*message.topic) && is_in_stuck_partition(number_of(message))
        };
        if let Some(first) = client.queue.iter().position(|item| !stuck(&item)) {
            client.queue.rotate_left(first);
            let (ticket, message) = client.queue.pop_front().unwrap();
            if self.forbidden.contains(&*message.topic) {
                client.must_abort = true;
                client.queue.push_front((ticket, message));
                let all: Vec<_> = client.queue.drain(..).collect();
                for (ticket, _) in all {
                    self.report(id, ticket, Err(Code(-152)));
                }
                return;
            }
            let result = self.judge(id, &message, dice);
            self.report(id, ticket, result);
        } else if let Some((ticket, _)) = client.queue.pop_front() {
            client.must_abort = true;
            self.report(id, ticket, Err(Code::MSG_TIMED_OUT));
        } else if let Some(ask) = client.asked.pop_front() {
            let answer = self.answer(id, ask, dice);
            let mail = self.mail.entry(id.0).or_default();
            if answer == Answer::Useless {
                // The client says so first, of itself.
                mail.fatal.push((id.1, Code(-150)));
            }
            mail.answers.push((id.1, answer));
        }
    }

    fn lose(&mut self, id: Id) {
        let client = self.clients.get_mut(&id).unwrap();
        client.dead |= client.open.is_some();
    }

    fn judge(&mut self, id: Id, message: &Message, dice: &mut Dice) -> Result<(), Code> {
        let rough = !self.calm && dice.below(40) == 0;
        let gone = self.gone.contains(&*message.topic);
        let is_checkpoint = &*message.topic == "checkpoints";
        let client = self.clients.get_mut(&id).unwrap();
        let code = if client.dead {
            -144
        } else if gone {
            [3, 29, -188][dice.below(3) as usize]
        } else if !is_checkpoint && is_poison(number_of(message)) {
            10
        } else if rough {
            [-192, -195, 7, 77][dice.below(4) as usize]
        } else {
            // What was taken before it was refused is aborted all the same.
            client.open.as_mut().unwrap().push(message.clone());
            return Ok(());
        };
        client.must_abort = true;
        Err(Code(code))
    }

    fn report(&mut self, id: Id, ticket: Ticket, result: Result<(), Code>) {
        self.mail.entry(id.0).or_default().reports.push(Report {
            producer: id.1,
            ticket,
            result,
        });
    }

    fn answer(&mut self, id: Id, ask: Ask, dice: &mut Dice) -> Answer {
        let mood = if self.calm { 100 } else { dice.below(30) };
        let client = self.clients.get_mut(&id).unwrap();
        match (ask, mood) {
            (Ask::Prepare, 0) => Answer::Useless,
            (Ask::Prepare, 1..3) => Answer::NotYet,
            (Ask::Prepare, _) => self.prepare(id),
            (Ask::Abort, _) if client.dead => Answer::Abort(Outcome::Unknown),
            (Ask::Abort, _) if self.aborts_unknown => {
                client.dead = true;
                Answer::Abort(Outcome::Unknown)
            }
            (Ask::Abort, 1) => {
                client.dead = true;
                Answer::Abort(Outcome::Unknown)
            }
            (Ask::Abort, 0) => {
                client.asked.clear();
                Answer::Abort(Outcome::Again)
            }
            (Ask::Abort, _) => {
                self.aborted += 1;
                client.open = None;
                client.must_abort = false;
                Answer::Abort(Outcome::Done)
            }
            (Ask::Commit, _) if client.dead => Answer::Commit(Outcome::Unknown),
            (Ask::Commit, _) if client.must_abort => Answer::Commit(Outcome::MustAbort),
            (Ask::Commit, 0) => Answer::Commit(Outcome::Again),
            (Ask::Commit, 1) => {
                client.must_abort = true;
                Answer::Commit(Outcome::MustAbort)
            }
            // It never arrived, or its answer didn't.
            (Ask::Commit, 2) => {
                client.dead = true;
                Answer::Commit(Outcome::Unknown)
            }
            (Ask::Commit, 3) => {
                self.commit(id);
                self.clients.get_mut(&id).unwrap().dead = true;
                Answer::Commit(Outcome::Unknown)
            }
            (Ask::Commit, _) => {
                self.commit(id);
                Answer::Commit(Outcome::Done)
            }
        }
    }

    /// Fences whoever has the transactional id, whose transaction is aborted.
    fn prepare(&mut self, id: Id) -> Answer {
        let purpose = self.clients[&id].purpose.clone().unwrap();
        if let Some(before) = self.owner.insert(purpose.transactional_id(), id)
            && before != id
            && let Some(client) = self.clients.get_mut(&before)
        {
            client.dead = true;
        }
        let mut found = Found::default();
        if let Some(topic) = &purpose.tries {
            if self.tries_not_permitted.contains(&**topic) {
                return Answer::Useless;
            }
            return Answer::Ready(Box::new(found));
        }
        for value in self
            .checkpoints
            .get(&purpose.spool_id)
            .into_iter()
            .flatten()
        {
            let stored = Stored::from_json(value).unwrap();
            if purpose.runs.iter().any(|r| r.instance == stored.instance) {
                found.ours = Some(stored.clone());
            }
            found.last = Some(stored);
        }
        Answer::Ready(Box::new(found))
    }

    fn commit(&mut self, id: Id) {
        let client = self.clients.get_mut(&id).unwrap();
        let owner = self.owner[&client.purpose.as_ref().unwrap().transactional_id()];
        assert_eq!(owner, id, "only the owner commits");
        let open = client.open.take().expect("a transaction");
        self.assert_claimed(&open);
        for message in open {
            if &*message.topic == "checkpoints" {
                let spool = String::from_utf8(message.key.clone().unwrap()).unwrap();
                self.checkpoints
                    .entry(spool)
                    .or_default()
                    .push(message.payload);
            } else {
                let log = self.log.entry(message.topic.to_string()).or_default();
                log.push(number_of(&message));
            }
        }
    }

    /// A run's first commit is a checkpoint alone, and none goes without one.
    fn assert_claimed(&self, open: &[Message]) {
        let (last, records) = open.split_last().expect("a checkpoint");
        assert_eq!(
            &*last.topic, "checkpoints",
            "the checkpoint is in the transaction"
        );
        let spool = String::from_utf8(last.key.clone().unwrap()).unwrap();
        let before = self.checkpoints.get(&spool).and_then(|all| all.last());
        let writer = |value: &Vec<u8>| Stored::from_json(value).unwrap().instance;
        let claimed = before.map(writer) == Some(writer(&last.payload));
        assert!(
            claimed || records.is_empty(),
            "a run claims before its first record"
        );
    }

    /// Whether something is still to come from it for this process.
    pub(super) fn owes(&self, process: u64) -> bool {
        let busy = |c: &Client| !c.queue.is_empty() || !c.asked.is_empty() || c.closing;
        let mut clients = self.clients.iter().filter(|(id, _)| id.0 == process);
        clients.any(|(_, client)| busy(client))
            || self.mail.get(&process).is_some_and(|mail| {
                !mail.reports.is_empty() || !mail.answers.is_empty() || !mail.closed.is_empty()
            })
    }

    /// As after kill -9: a commit that was asked for may still arrive.
    pub(super) fn process_died(&mut self, process: u64, dice: &mut Dice) {
        let ids: Vec<_> = self
            .clients
            .keys()
            .copied()
            .filter(|id| id.0 == process)
            .collect();
        for id in ids {
            let client = &self.clients[&id];
            let asked = client.asked.front() == Some(&Ask::Commit) && client.queue.is_empty();
            if asked && !client.dead && !client.must_abort && !self.down && dice.below(2) == 0 {
                self.commit(id);
            }
            self.clients.remove(&id);
        }
        self.mail.remove(&process);
    }

    /// Some of what has arrived for a process.
    pub(super) fn mail(&mut self, process: u64, dice: &mut Dice) -> Mail {
        let Some(waiting) = self.mail.get_mut(&process) else {
            return Mail::default();
        };
        let some = (dice.below(8) as usize + usize::from(self.calm)).min(waiting.reports.len());
        let mut mail = Mail {
            reports: waiting.reports.drain(..some).collect(),
            ..Mail::default()
        };
        if waiting.reports.is_empty() {
            mail.answers = std::mem::take(&mut waiting.answers);
            mail.closed = std::mem::take(&mut waiting.closed);
            mail.fatal = std::mem::take(&mut waiting.fatal);
        }
        mail
    }
}

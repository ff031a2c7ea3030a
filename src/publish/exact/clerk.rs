//! The thread that asks Kafka for what blocks: to make a transactional producer ready, to commit, to abort.
//!
//! Another thread polls the producer meanwhile: a commit that waits for reports which nobody fetches waits for ever.

use super::{
    checkpoint::Stored,
    decide::Found,
    places::Places,
    reader::Reader,
    repair::{Eye, OPEN_AT_MOST, Unseen, moved},
    transaction::Outcome,
};
use crate::publish::{
    broker::Ask,
    client_log::Logged,
    kafka::noted,
    mailbox::{Answer, ProducerId, Reports, Ticket},
};
use rdkafka::{
    Message as _,
    consumer::BaseConsumer,
    error::{KafkaError, RDKafkaError},
    message::OwnedMessage,
    producer::{BaseProducer, BaseRecord, Producer as _, ProducerContext},
    util::Timeout,
};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
    time::{Duration, Instant},
};

/// For one try to fence the others. It needs brokers; asked again, it goes on.
const INIT: Duration = Duration::from_secs(10);
/// For what is sent again to be acked.
const SENT: Duration = Duration::from_secs(10);
/// After an abort, for its markers.
const CLOSED_AT_MOST: Duration = Duration::from_secs(5);

/// What the thread works with.
pub(in crate::publish) struct Clerk<C: ProducerContext<DeliveryOpaque = Box<Ticket>> + 'static> {
    id: ProducerId,
    client: Arc<BaseProducer<C>>,
    reports: Arc<dyn Reports>,
    /// Where the messages of the transaction under way lie.
    places: Arc<Mutex<Places>>,
    /// None for one that only tries a topic.
    reader: Option<Reader>,
    /// Opened when it is first needed.
    eye: Option<Eye>,
    /// Sees what isn't committed as well. Only until this has made its first commit.
    all: Option<BaseConsumer<Logged>>,
    /// No one else has the transactional id any more.
    is_sole: bool,
}

impl<C: ProducerContext<DeliveryOpaque = Box<Ticket>> + 'static> Clerk<C> {
    pub(in crate::publish) const fn new(
        id: ProducerId,
        client: Arc<BaseProducer<C>>,
        reports: Arc<dyn Reports>,
        places: Arc<Mutex<Places>>,
        reader: Option<Reader>,
    ) -> Self {
        Self {
            id,
            client,
            reports,
            places,
            reader,
            eye: None,
            all: None,
            is_sole: false,
        }
    }

    /// Starts the thread. It ends when the sender is dropped and the last question is answered.
    pub(in crate::publish) fn start(self) -> std::io::Result<SyncSender<Ask>> {
        // One question at a time.
        let (sender, asked) = sync_channel(2);
        let (id, reports) = (self.id, Arc::clone(&self.reports));
        thread::Builder::new()
            .name("livebridge-clerk".into())
            .spawn(move || tell_if_it_panics(id, &*reports, || self.run(&asked)))?;
        Ok(sender)
    }

    fn run(mut self, asked: &Receiver<Ask>) {
        while let Ok(ask) = asked.recv() {
            let prepares = ask == Ask::Prepare;
            let (answer, trouble) = match ask {
                Ask::Prepare => self.prepare(),
                Ask::Commit => {
                    let (outcome, trouble) = self.commit();
                    (Answer::Commit(outcome), trouble)
                }
                Ask::Abort => {
                    let (outcome, trouble) = judge(self.client.abort_transaction(Timeout::Never));
                    (Answer::Abort(outcome), trouble)
                }
            };
            self.reports.answer(self.id, answer, trouble);
            // To close it takes a tenth of a second. A commit follows getting ready at once; after that one nobody waits.
            if !prepares {
                self.all = None;
            }
        }
    }

    fn prepare(&mut self) -> (Answer, Option<String>) {
        let begun = Instant::now();
        if !self.is_sole {
            let (outcome, trouble) = judge(self.client.init_transactions(INIT));
            match outcome {
                Outcome::Done => {}
                Outcome::Again => return (Answer::NotYet, trouble),
                Outcome::MustAbort | Outcome::Unknown => return (Answer::Useless, trouble),
            }
            self.is_sole = true;
        }
        if self.reader.is_none() {
            return (Answer::Ready(Box::default()), None);
        }
        let fenced = begun.elapsed();
        let until = Instant::now() + OPEN_AT_MOST;
        let found = match self.found(until) {
            Ok(found) => found,
            Err(why) => {
                tracing::warn!(
                    why,
                    "nothing is published before the checkpoint in Kafka can be read; `livebridge topics create` makes its topic"
                );
                return (Answer::NotYet, Some(why));
            }
        };
        let read = begun.elapsed();
        match self.repaired(&found, until) {
            Ok(()) => {
                tracing::info!(
                    ?fenced,
                    read = ?read.saturating_sub(fenced),
                    looked = ?begun.elapsed().saturating_sub(read),
                    "nobody else can commit for this spool any more, and what was committed is known"
                );
                (Answer::Ready(Box::new(found)), None)
            }
            Err(why) => {
                tracing::warn!(
                    why,
                    "whether all that was committed can be read is not known yet"
                );
                // Another producer begins at the beginning, whatever this one has under way.
                (Answer::Useless, Some(why))
            }
        }
    }

    /// The checkpoint in Kafka.
    fn found(&mut self, until: Instant) -> Result<Found, String> {
        self.eye()?;
        let (Some(reader), Some(eye)) = (&self.reader, &self.eye) else {
            return Err("nothing to look at".into());
        };
        let all = self.all.insert(reader.consumer("read_uncommitted")?);
        reader.read(eye.consumer(), all, until)
    }

    /// Commits, and sees that it is done.
    fn commit(&mut self) -> (Outcome, Option<String>) {
        let (outcome, trouble) = judge(self.client.commit_transaction(Timeout::Never));
        if outcome != Outcome::Done || self.reader.is_none() {
            return (outcome, trouble);
        }
        let places = noted(&self.places).clone();
        match self.eye().and_then(|eye| eye.sees(&places)) {
            Ok(()) => (outcome, trouble),
            Err(why) => (Outcome::Unknown, Some(why)),
        }
    }

    fn eye(&mut self) -> Result<&Eye, String> {
        if self.eye.is_none() {
            let reader = self.reader.as_ref().ok_or("nothing to look at")?;
            self.eye = Some(Eye::open(reader)?);
        }
        self.eye.as_ref().ok_or_else(|| "no consumer".into())
    }

    /// Sends again what was committed and can't be seen, see `repair`.
    fn repaired(&mut self, found: &Found, until: Instant) -> Result<(), String> {
        // What another relay has committed is that one's to look after.
        let Some(last) = found.last.as_ref().filter(|_| found.last == found.ours) else {
            return Ok(());
        };
        let (Some(reader), Some(eye), Some(all)) = (&self.reader, &self.eye, &self.all) else {
            return Err("nothing to look at".into());
        };
        let mut unseen = eye.unseen(all, &last.sent, found.hidden, until)?;
        if unseen.iter().any(|gone| gone.hangs) {
            self.close_what_hangs(&unseen)?;
            // What was ours is closed now. What is still open is somebody else's, and may only hide what is there: to send that
            // again would double it.
            unseen = eye.unseen(
                all,
                &last.sent,
                found.hidden,
                Instant::now() + CLOSED_AT_MOST,
            )?;
            if let Some(hidden) = unseen.iter().find(|gone| gone.hangs) {
                return Err(format!(
                    "{}[{}]: a transaction that isn't ours is open, so that no reader of committed messages gets past it",
                    hidden.topic, hidden.partition
                ));
            }
        }
        if unseen.is_empty() {
            return Ok(());
        }
        for gone in &unseen {
            tracing::error!(
                topic = gone.topic,
                partition = gone.partition,
                messages = gone.messages.len(),
                "a transaction was committed, and the brokers have forgotten that in this partition: its messages are sent there again"
            );
        }
        let places = self.send_again(reader, last, &unseen)?;
        eye.sees(&places)
    }

    /// An aborted transaction that touches these partitions ends what is open there.
    fn close_what_hangs(&self, unseen: &[Unseen]) -> Result<(), String> {
        let firsts = unseen.iter().filter(|gone| gone.hangs);
        let firsts: Vec<_> = firsts.filter_map(|gone| gone.messages.first()).collect();
        if firsts.is_empty() {
            return Ok(());
        }
        self.begin()?;
        for message in firsts {
            self.send(message)?;
        }
        self.client.flush(SENT).map_err(|e| e.to_string())?;
        let aborted = self.client.abort_transaction(Timeout::Never);
        aborted.map_err(|e| e.to_string())
    }

    /// All of it, and the checkpoint, which says where it lies now.
    fn send_again(
        &self,
        reader: &Reader,
        last: &Stored,
        unseen: &[Unseen],
    ) -> Result<Places, String> {
        self.begin()?;
        let messages = unseen.iter().flat_map(|gone| &gone.messages);
        messages.into_iter().try_for_each(|m| self.send(m))?;
        self.client.flush(SENT).map_err(|e| e.to_string())?;
        let value = moved(last, unseen, &noted(&self.places)).to_json();
        let checkpoint = BaseRecord::with_opaque_to(&reader.topic, Box::new(Ticket::Again))
            .key(reader.spool_id.as_bytes())
            .payload(value.as_slice());
        let sent = self.client.send(checkpoint);
        sent.map_err(|(e, _)| e.to_string())?;
        let committed = self.client.commit_transaction(Timeout::Never);
        committed.map_err(|e| e.to_string())?;
        Ok(noted(&self.places).clone())
    }

    fn begin(&self) -> Result<(), String> {
        *noted(&self.places) = Places::default();
        let begun = self.client.begin_transaction();
        begun.map_err(|e| e.to_string())
    }

    /// To the partition where it was.
    fn send(&self, message: &OwnedMessage) -> Result<(), String> {
        let mut record: BaseRecord<'_, [u8], [u8], Box<Ticket>> =
            BaseRecord::with_opaque_to(message.topic(), Box::new(Ticket::Again))
                .partition(message.partition());
        record.key = message.key();
        record.payload = message.payload();
        record.headers = message.headers().cloned();
        let sent = self.client.send(record);
        sent.map_err(|(e, _)| e.to_string())
    }
}

/// If this thread panics, the publisher would wait for its answer for ever: it is told that none will come.
fn tell_if_it_panics(id: ProducerId, reports: &dyn Reports, run: impl FnOnce()) {
    // Nothing of what it worked with is used again.
    if catch_unwind(AssertUnwindSafe(run)).is_err() {
        reports.answer(id, Answer::Gone, None);
    }
}

/// What an answer of librdkafka's means, and in words.
pub(in crate::publish) fn judge(result: Result<(), KafkaError>) -> (Outcome, Option<String>) {
    let Err(error) = result else {
        return (Outcome::Done, None);
    };
    let outcome = match &error {
        // Its own wait for the reports, before anything was asked of a broker.
        KafkaError::Flush(_) => Outcome::Again,
        KafkaError::Transaction(of) => of_transaction(of),
        _ => Outcome::Unknown,
    };
    (outcome, Some(error.to_string()))
}

fn of_transaction(error: &RDKafkaError) -> Outcome {
    if error.is_fatal() {
        Outcome::Unknown
    } else if error.txn_requires_abort() {
        Outcome::MustAbort
    } else if error.is_retriable() {
        Outcome::Again
    } else {
        Outcome::Unknown
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::publish::mailbox::Mailbox;

    #[test]
    fn who_waits_for_an_answer_hears_that_none_will_come() {
        let mailbox = Mailbox::default();
        tell_if_it_panics(ProducerId(1), &mailbox, || ());
        tell_if_it_panics(ProducerId(2), &mailbox, || panic!("a bug"));
        let mail = mailbox.take(None);
        assert_eq!(mail.answers, [(ProducerId(2), Answer::Gone)]);
    }
}

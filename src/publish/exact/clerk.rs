//! The thread that asks Kafka for what blocks: to make a transactional producer ready, to commit, to abort.
//!
//! Another thread polls the producer meanwhile: a commit that waits for reports which nobody fetches waits for ever.

use super::{reader::Reader, transaction::Outcome};
use crate::publish::{
    broker::Ask,
    mailbox::{Answer, ProducerId, Reports},
};
use rdkafka::{
    error::{KafkaError, RDKafkaError},
    producer::{BaseProducer, Producer as _, ProducerContext},
    util::Timeout,
};
use std::{
    sync::{
        Arc,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
    time::Duration,
};

/// For one try to fence the others. It needs brokers; asked again, it goes on.
const INIT: Duration = Duration::from_secs(10);

/// What the thread works with.
pub(in crate::publish) struct Clerk<C: ProducerContext + 'static> {
    id: ProducerId,
    client: Arc<BaseProducer<C>>,
    reports: Arc<dyn Reports>,
    /// None for one that only tries a topic.
    reader: Option<Reader>,
    /// No one else has the transactional id any more.
    is_sole: bool,
}

impl<C: ProducerContext + 'static> Clerk<C> {
    pub(in crate::publish) const fn new(
        id: ProducerId,
        client: Arc<BaseProducer<C>>,
        reports: Arc<dyn Reports>,
        reader: Option<Reader>,
    ) -> Self {
        Self {
            id,
            client,
            reports,
            reader,
            is_sole: false,
        }
    }

    /// Starts the thread. It ends when the sender is dropped and the last question is answered.
    pub(in crate::publish) fn start(self) -> std::io::Result<SyncSender<Ask>> {
        // One question at a time.
        let (sender, asked) = sync_channel(2);
        thread::Builder::new()
            .name("livebridge-clerk".into())
            .spawn(move || self.run(&asked))?;
        Ok(sender)
    }

    fn run(mut self, asked: &Receiver<Ask>) {
        while let Ok(ask) = asked.recv() {
            let (answer, trouble) = match ask {
                Ask::Prepare => self.prepare(),
                Ask::Commit => {
                    let (outcome, trouble) = judge(self.client.commit_transaction(Timeout::Never));
                    (Answer::Commit(outcome), trouble)
                }
                Ask::Abort => {
                    let (outcome, trouble) = judge(self.client.abort_transaction(Timeout::Never));
                    (Answer::Abort(outcome), trouble)
                }
            };
            self.reports.answer(self.id, answer, trouble);
        }
    }

    fn prepare(&mut self) -> (Answer, Option<String>) {
        if !self.is_sole {
            let (outcome, trouble) = judge(self.client.init_transactions(INIT));
            if outcome != Outcome::Done {
                return (Answer::NotReady(outcome == Outcome::Again), trouble);
            }
            self.is_sole = true;
        }
        let Some(reader) = &self.reader else {
            return (Answer::Ready(Box::default()), None);
        };
        match reader.read() {
            Ok(found) => (Answer::Ready(Box::new(found)), None),
            Err(why) => {
                tracing::warn!(
                    why,
                    "nothing is published before the checkpoint in Kafka can be read; `livebridge topics create` makes its topic"
                );
                (Answer::NotReady(true), Some(why))
            }
        }
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

//! Asks the brokers about topics: once a minute whether a number of partitions has changed, from when on a stream goes to
//! another partition, and its order starts anew; and, when the publisher wants to know, what is the matter with one that
//! takes nothing.
//!
//! A thread of its own asks, through clients of its own: asking blocks.

use super::{
    access::Clients,
    client_log::{ClientLog, Logged},
    mailbox::{Finding, Heard, Mailbox},
    metrics::Metrics,
    stalls::Asks,
    topic_health,
};
use crate::spool::Seq;
use rdkafka::{
    error::KafkaError,
    producer::{BaseProducer, Producer, ProducerContext},
};
use std::{
    collections::BTreeMap,
    io,
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    },
    thread,
    time::{Duration, Instant},
};

/// Between two looks, at most: not longer than librdkafka takes to send to new partitions.
const EVERY: Duration = Duration::from_secs(60);
/// After a look that nobody answered, so that it is soon known when somebody does.
const UNANSWERED: Duration = Duration::from_secs(5);
/// For one answer.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);
/// Wishes that wait. One more is uttered again later.
const WISHES_MAX: usize = 64;

/// The watch ends when this is dropped.
#[derive(Debug)]
pub(super) struct Watch {
    wishes: SyncSender<Wish>,
}

#[derive(Debug)]
enum Wish {
    Answer(Question),
    LookSoon,
}

#[derive(Debug)]
struct Question {
    topic: Arc<str>,
    about: Seq,
}

impl Asks for Watch {
    fn ask(&self, topic: &Arc<str>, about: Seq) {
        let topic = Arc::clone(topic);
        // Full: the lane asks again.
        let _ = self
            .wishes
            .try_send(Wish::Answer(Question { topic, about }));
    }

    fn look_soon(&self) {
        // Full: it looks within a minute anyway.
        let _ = self.wishes.try_send(Wish::LookSoon);
    }
}

impl Watch {
    pub(super) fn start(
        clients: Clients,
        topics: Vec<String>,
        metrics: Metrics,
        log: Arc<ClientLog>,
        mailbox: Arc<Mailbox>,
    ) -> io::Result<Self> {
        // It only asks: it needs no producer id.
        let clients = clients.changed(|config, _| {
            config
                .set("enable.gapless.guarantee", "false")
                .set("enable.idempotence", "false");
        });
        let (wishes, heard) = sync_channel(WISHES_MAX);
        let watcher = Watcher {
            every: every(clients.config().get("topic.metadata.refresh.interval.ms")),
            clients,
            topics,
            metrics,
            log,
            mailbox,
        };
        thread::Builder::new()
            .name("livebridge-partitions".into())
            .spawn(move || watcher.run(&heard))?;
        Ok(Self { wishes })
    }
}

/// As often as the producer looks, which then uses new partitions; at least once a minute.
fn every(refresh_ms: Option<&str>) -> Duration {
    let ms = refresh_ms.and_then(|text| text.parse::<u64>().ok());
    let refresh = ms.map_or(EVERY, Duration::from_millis);
    refresh.clamp(Duration::from_secs(1), EVERY)
}

/// What the thread works with.
struct Watcher {
    every: Duration,
    clients: Clients,
    topics: Vec<String>,
    metrics: Metrics,
    log: Arc<ClientLog>,
    mailbox: Arc<Mailbox>,
}

impl Watcher {
    fn run(self, wishes: &Receiver<Wish>) {
        let mut known = Known::default();
        // The first look is early, so that a change soon after the start is seen, too.
        let mut look_at = Instant::now() + Duration::from_secs(1);
        loop {
            let wait = look_at.saturating_duration_since(Instant::now());
            match wishes.recv_timeout(wait) {
                Ok(Wish::LookSoon) => look_at = look_at.min(Instant::now() + UNANSWERED),
                Ok(Wish::Answer(question)) => {
                    if !self.answer(question) {
                        // Nobody answers: the others needn't be asked about.
                        for wish in wishes.try_iter() {
                            if let Wish::Answer(question) = wish {
                                self.tell(question, None);
                            }
                        }
                        look_at = look_at.min(Instant::now() + UNANSWERED);
                    }
                }
                Err(RecvTimeoutError::Timeout) => {
                    let answered = self.topics.is_empty() || self.look(&mut known);
                    let again = if answered {
                        self.every
                    } else {
                        self.every.min(UNANSWERED)
                    };
                    look_at = Instant::now() + again;
                }
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Whether the brokers answer, which the publisher hears. The client must not outlive the look: nobody polls it, and its queue of events has no limit. What it
    /// has to say, the publisher's own says, too.
    fn look(&self, known: &mut Known) -> bool {
        let Some(client) = self.client() else {
            return false;
        };
        for topic in &self.topics {
            // If nobody answers, the others needn't be asked about.
            let Ok(count) = count(&client, topic) else {
                return false;
            };
            if let Some(now) = count
                && let Some(before) = known.see(topic, now)
            {
                tracing::warn!(
                    topic,
                    before,
                    now,
                    "partitions changed: the order per stream starts anew"
                );
                self.metrics.partitions_changed(topic);
            }
        }
        self.mailbox.answered();
        true
    }

    /// False: no broker does.
    fn answer(&self, question: Question) -> bool {
        let client = self.client();
        let least = || self.min_in_sync(&question.topic);
        let answer = client.and_then(|client| topic_health::ask(&client, &question.topic, least));
        let answered = answer.is_some();
        if answered {
            self.mailbox.answered();
        }
        self.tell(question, answer);
        answered
    }

    fn tell(&self, question: Question, answer: Option<Finding>) {
        self.mailbox.heard(Heard {
            topic: question.topic,
            about: question.about,
            answer,
        });
    }

    /// `min.insync.replicas` of the topic, if the brokers tell.
    fn min_in_sync(&self, topic: &str) -> Option<usize> {
        let context = Logged(Arc::clone(&self.log));
        let admin = self.clients.config().create_with_context(context).ok()?;
        topic_health::min_in_sync(&admin, topic)
    }

    fn client(&self) -> Option<BaseProducer<Logged>> {
        let context = Logged(Arc::clone(&self.log));
        self.clients.config().create_with_context(context).ok()
    }
}

/// None: the topic isn't there, or not for us. An error: nobody answered.
fn count<C: ProducerContext>(
    client: &BaseProducer<C>,
    topic: &str,
) -> Result<Option<usize>, KafkaError> {
    let metadata = client.client().fetch_metadata(Some(topic), PATIENCE)?;
    let found = metadata.topics().iter().find(|t| t.name() == topic);
    let count = found.map(|found| found.partitions().len());
    Ok(count.filter(|&count| count > 0))
}

/// The last known number of partitions of each topic.
#[derive(Debug, Default)]
struct Known(BTreeMap<String, usize>);

impl Known {
    /// The number before, if this one differs.
    fn see(&mut self, topic: &str, now: usize) -> Option<usize> {
        let before = self.0.insert(topic.to_owned(), now)?;
        (before != now).then_some(before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rdkafka::ClientConfig;

    #[test]
    fn only_a_change_is_told() {
        let mut known = Known::default();
        assert_eq!(known.see("a", 3), None);
        assert_eq!(known.see("a", 3), None);
        assert_eq!(known.see("b", 6), None);
        assert_eq!(known.see("a", 6), Some(3));
        assert_eq!(known.see("a", 6), None);
    }

    #[test]
    fn the_watch_looks_as_often_as_the_producer_and_at_least_once_a_minute() {
        let secs = Duration::from_secs;
        assert_eq!(every(None), secs(60));
        assert_eq!(every(Some("300000")), secs(60));
        assert_eq!(every(Some("5000")), secs(5));
        assert_eq!(every(Some("1")), secs(1));
        assert_eq!(every(Some("-1")), secs(60));
    }

    #[test]
    fn partitions_are_counted_and_a_missing_topic_is_no_number() {
        let cluster = rdkafka::mocking::MockCluster::new(1).unwrap();
        cluster.create_topic("four", 4, 1).unwrap();
        let client: BaseProducer = ClientConfig::new()
            .set("bootstrap.servers", cluster.bootstrap_servers())
            .create()
            .unwrap();
        assert_eq!(count(&client, "four"), Ok(Some(4)));
        let unknown = rdkafka::types::RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
        cluster.topic_error("four", unknown).unwrap();
        assert_eq!(count(&client, "four"), Ok(None));
    }
}

//! Notices when a topic's number of partitions changes: from then on a stream goes to another partition, and its order
//! starts anew.
//!
//! A thread of its own asks the brokers once a minute, through a client of its own: asking blocks.

use super::{client_log::ClientLog, metrics::Metrics};
use rdkafka::{
    ClientConfig, ClientContext,
    config::RDKafkaLogLevel,
    error::KafkaError,
    message::DeliveryResult,
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
    time::Duration,
};

/// Between two looks.
const EVERY: Duration = Duration::from_secs(60);
/// For one answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// The watch ends when this is dropped.
#[derive(Debug)]
pub(super) struct Watch {
    _ends: SyncSender<()>,
}

impl Watch {
    pub(super) fn start(
        mut config: ClientConfig,
        topics: Vec<String>,
        metrics: Metrics,
        log: Arc<ClientLog>,
    ) -> io::Result<Self> {
        // It only asks: it needs no producer id.
        config
            .set("enable.gapless.guarantee", "false")
            .set("enable.idempotence", "false");
        let (sender, ended) = sync_channel(1);
        thread::Builder::new()
            .name("livebridge-partitions".into())
            .spawn(move || run(&config, &topics, &metrics, &log, &ended))?;
        Ok(Self { _ends: sender })
    }
}

fn run(
    config: &ClientConfig,
    topics: &[String],
    metrics: &Metrics,
    log: &Arc<ClientLog>,
    ended: &Receiver<()>,
) {
    let mut known = Known::default();
    // The first look is early, so that a change soon after the start is seen, too.
    let mut wait = Duration::from_secs(1);
    while ended.recv_timeout(wait) == Err(RecvTimeoutError::Timeout) {
        wait = EVERY;
        if let Ok(client) = config.create_with_context(Asking(Arc::clone(log))) {
            look(client, topics, metrics, &mut known);
        }
    }
}

/// Takes the client, since it must not outlive the look: nobody polls it, and its queue of events has no limit. What it has to say,
/// the publisher's own says, too.
fn look<C: ProducerContext>(
    client: BaseProducer<C>,
    topics: &[String],
    metrics: &Metrics,
    known: &mut Known,
) {
    for topic in topics {
        if let Some(now) = count(&client, topic)
            && let Some(before) = known.see(topic, now)
        {
            tracing::warn!(
                topic,
                before,
                now,
                "partitions changed: the order per stream starts anew"
            );
            metrics.partitions_changed(topic);
        }
    }
    drop(client);
}

/// The context of the client that only asks.
struct Asking(Arc<ClientLog>);

impl ClientContext for Asking {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        self.0.line(level, facility, text);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.0.trouble(&error, reason);
    }
}

impl ProducerContext for Asking {
    type DeliveryOpaque = ();

    fn delivery(&self, _: &DeliveryResult<'_>, (): ()) {}
}

/// None: nobody knows, or the topic has none.
fn count<C: ProducerContext>(client: &BaseProducer<C>, topic: &str) -> Option<usize> {
    let metadata = client.client().fetch_metadata(Some(topic), PATIENCE).ok()?;
    let found = metadata.topics().iter().find(|t| t.name() == topic)?;
    Some(found.partitions().len()).filter(|&count| count > 0)
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
    fn partitions_are_counted_and_a_missing_topic_is_no_number() {
        let cluster = rdkafka::mocking::MockCluster::new(1).unwrap();
        cluster.create_topic("four", 4, 1).unwrap();
        let client: BaseProducer = ClientConfig::new()
            .set("bootstrap.servers", cluster.bootstrap_servers())
            .create()
            .unwrap();
        assert_eq!(count(&client, "four"), Some(4));
        let unknown = rdkafka::types::RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
        cluster.topic_error("four", unknown).unwrap();
        assert_eq!(count(&client, "four"), None);
    }
}

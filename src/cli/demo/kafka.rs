//! The embedded Kafka, and a consumer that prints what comes out of it.

use rdkafka::{
    ClientConfig, ClientContext, Message,
    config::RDKafkaLogLevel,
    consumer::{BaseConsumer, Consumer, ConsumerContext},
    error::{KafkaError, KafkaResult},
    message::Headers,
    mocking::MockCluster,
    producer::DefaultProducerContext,
};
use std::{thread, time::Duration};
use tokio::sync::mpsc;

/// librdkafka's mock cluster: a broker inside this process. Gone with it.
pub(super) struct Kafka(MockCluster<'static, DefaultProducerContext>);

impl Kafka {
    /// One broker with these topics, three partitions each.
    pub(super) fn start(topics: &[&str]) -> KafkaResult<Self> {
        let cluster = MockCluster::new(1)?;
        for topic in topics {
            cluster.create_topic(topic, 3, 1)?;
        }
        Ok(Self(cluster))
    }

    pub(super) fn bootstrap_servers(&self) -> String {
        self.0.bootstrap_servers()
    }

    /// Reads the topics from their beginning, on a thread of its own, which ends when the channel's other side is gone.
    pub(super) fn consume(
        &self,
        topics: &[&str],
        arrived: mpsc::Sender<Consumed>,
    ) -> KafkaResult<thread::JoinHandle<()>> {
        let consumer: BaseConsumer<Quiet> = ClientConfig::new()
            .set("bootstrap.servers", self.bootstrap_servers())
            .set("group.id", "livebridge-demo")
            .set("auto.offset.reset", "earliest")
            // The mock cluster holds every fetch for as long as it may.
            .set("fetch.wait.max.ms", "10")
            .set_log_level(RDKafkaLogLevel::Critical)
            .create_with_context(Quiet)?;
        consumer.subscribe(topics)?;
        thread::Builder::new()
            .name("demo-consumer".into())
            .spawn(move || {
                while !arrived.is_closed() {
                    if let Some(Ok(message)) = consumer.poll(Duration::from_millis(100)) {
                        // A full channel holds back this consumer only; a closed one ends it.
                        drop(arrived.blocking_send(Consumed::from(&message)));
                    }
                }
            })
            .map_err(|_| KafkaError::ClientCreation("no thread for the consumer".into()))
    }
}

/// The mock cluster's hiccups at start are not what the demo is about.
struct Quiet;

impl ClientContext for Quiet {
    fn log(&self, _: RDKafkaLogLevel, _: &str, _: &str) {}
    fn error(&self, _: KafkaError, _: &str) {}
}

impl ConsumerContext for Quiet {}

/// A message that came out of Kafka.
#[derive(Debug)]
pub(super) struct Consumed {
    pub(super) topic: String,
    partition: i32,
    key: Option<String>,
    headers: Vec<(String, String)>,
    pub(super) value: String,
}

impl<M: Message> From<&M> for Consumed {
    fn from(message: &M) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let headers = message.headers().map(|headers| {
            let pair = |h: rdkafka::message::Header<'_, &[u8]>| {
                (h.key.to_owned(), h.value.map(text).unwrap_or_default())
            };
            headers.iter().map(pair).collect()
        });
        Self {
            topic: message.topic().to_owned(),
            partition: message.partition(),
            key: message.key().map(text),
            headers: headers.unwrap_or_default(),
            value: message.payload().map(text).unwrap_or_default(),
        }
    }
}

impl Consumed {
    pub(super) fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map_or("", |(_, value)| value)
    }

    /// For people: where it was, what it is, and the typed event itself.
    pub(super) fn lines(&self) -> String {
        let event = self
            .header("ce_type")
            .trim_start_matches("com.tencent.css.");
        let key = self.key.as_deref().unwrap_or("none");
        format!(
            "   ◄─ {event:<26} {} [{}]  key {key}  ce_id {}  ce_time {}\n      {}",
            self.topic,
            self.partition,
            self.header("ce_id"),
            self.header("ce_time"),
            self.value,
        )
    }
}

//! Reading the checkpoint topic back: what was committed under a spool's id.

use super::{checkpoint::Stored, decide::Found};
use crate::{
    publish::client_log::{ClientLog, Logged},
    spool::Run,
};
use rdkafka::{
    ClientConfig, Message as _, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer as _},
    error::{KafkaError, RDKafkaErrorCode},
};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

/// For one request.
const PATIENCE: Duration = Duration::from_secs(5);
/// For reading, for as long as nothing comes.
const AT_MOST: Duration = Duration::from_secs(40);
/// Between two looks at how far the topic is settled.
const LOOK: Duration = Duration::from_millis(20);
/// How far back from the end is looked first: the last message of a spool that is at work is near the end, and a topic
/// that the brokers haven't compacted for long can be large.
const TAIL: i64 = 5_000;

/// Where to look, and what for.
#[derive(Debug)]
pub(in crate::publish) struct Reader {
    /// Of a consumer.
    pub(in crate::publish) config: ClientConfig,
    pub(in crate::publish) log: Arc<ClientLog>,
    pub(in crate::publish) topic: Arc<str>,
    pub(in crate::publish) spool_id: String,
    /// All that the spool has seen.
    pub(in crate::publish) runs: Vec<Run>,
}

impl Reader {
    /// What was committed under the spool's id, up to the end that the topic has now, whatever others have under way
    /// before that. What is still open at `until` hangs. `committed` sees what is committed, `all` everything.
    pub(super) fn read(
        &self,
        committed: &BaseConsumer<Logged>,
        all: &BaseConsumer<Logged>,
        until: Instant,
    ) -> Result<Found, String> {
        let (_, end) = self.watermarks(all)?;
        let (first, mut settled) = self.watermarks(committed)?;
        while settled < end && Instant::now() < until {
            drop(committed.poll(LOOK));
            (_, settled) = self.watermarks(committed)?;
        }
        let found = self.read_tail(committed, first, end.min(settled));
        // Both are kept, and have nothing to fetch until the next time, whatever became of this one.
        committed.unassign().map_err(|e| self.failed(&e))?;
        if settled >= end {
            return found;
        }
        let found = self.read_past(found?, all, (settled, end));
        all.unassign().map_err(|e| self.failed(&e))?;
        found
    }

    fn read_tail(
        &self,
        consumer: &BaseConsumer<Logged>,
        first: i64,
        end: i64,
    ) -> Result<Found, String> {
        let tail = (end - TAIL).max(first);
        let found = self.read_from(consumer, tail, end)?;
        // Without a message of a run of ours there may be one further back.
        if tail > first && found.ours.is_none() {
            return self.read_from(consumer, first, end);
        }
        Ok(found)
    }

    /// A transaction hangs in the topic, see `repair`. This spool has nothing under way any more, so that what lies behind it
    /// under the spool's id was to be committed: if it was not, the repair sends what it speaks of.
    fn read_past(
        &self,
        found: Found,
        all: &BaseConsumer<Logged>,
        (settled, end): (i64, i64),
    ) -> Result<Found, String> {
        let hidden = self.read_from(all, settled, end)?;
        match (hidden.last, hidden.ours) {
            (None, _) => Ok(found),
            (Some(last), Some(ours)) if last == ours => Ok(Found {
                last: Some(last),
                ours: Some(ours),
                hidden: true,
            }),
            _ => Err(format!(
                "{}: a transaction is never ended there, and another relay's checkpoint of this spool is in it or behind it; \
                 `kafka-transactions.sh find-hanging` names it, and `abort` ends it",
                self.topic
            )),
        }
    }

    fn read_from(
        &self,
        consumer: &BaseConsumer<Logged>,
        from: i64,
        end: i64,
    ) -> Result<Found, String> {
        let mut place = TopicPartitionList::new();
        place
            .add_partition_offset(&self.topic, 0, Offset::Offset(from))
            .and_then(|()| consumer.assign(&place))
            .map_err(|e| self.failed(&e))?;
        let mut found = Found::default();
        let mut trouble = None;
        // For as long as something comes: a topic that was never compacted is long.
        let mut until = Instant::now() + AT_MOST;
        while Instant::now() < until {
            match consumer.poll(LOOK) {
                None => {}
                // Other spools write on all the time, so that its end may never be seen.
                Some(Ok(message)) if message.offset() >= end => return Ok(found),
                Some(Ok(message)) if message.key() == Some(self.spool_id.as_bytes()) => {
                    self.take(message.payload(), &mut found)?;
                    until = Instant::now() + AT_MOST;
                }
                // Another spool's.
                Some(Ok(_)) => until = Instant::now() + AT_MOST,
                Some(Err(KafkaError::PartitionEOF(_))) => return Ok(found),
                // Removed meanwhile, or the topic was made anew: what is there has to be looked at again.
                Some(Err(KafkaError::MessageConsumption(
                    code @ RDKafkaErrorCode::AutoOffsetReset,
                ))) => return Err(format!("{}: {code}", self.topic)),
                // It goes on trying by itself.
                Some(Err(error)) => trouble = Some(error.to_string()),
            }
        }
        let why = trouble.unwrap_or_else(|| "its end was not reached in time".into());
        Err(format!("{}: {why}", self.topic))
    }

    fn take(&self, value: Option<&[u8]>, found: &mut Found) -> Result<(), String> {
        let Some(value) = value else {
            // A tombstone: somebody removed the checkpoint.
            *found = Found::default();
            return Ok(());
        };
        let stored = Stored::from_json(value).map_err(|e| format!("{}: {e}", self.topic))?;
        if self.runs.iter().any(|run| run.instance == stored.instance) {
            found.ours = Some(stored.clone());
        }
        found.last = Some(stored);
        Ok(())
    }

    fn watermarks(&self, consumer: &BaseConsumer<Logged>) -> Result<(i64, i64), String> {
        consumer
            .fetch_watermarks(&self.topic, 0, PATIENCE)
            .map_err(|e| self.failed(&e))
    }

    fn failed(&self, error: &KafkaError) -> String {
        format!("{}: {error}", self.topic)
    }

    pub(super) fn consumer(&self, isolation: &str) -> Result<BaseConsumer<Logged>, String> {
        let mut config = self.config.clone();
        config.set("isolation.level", isolation);
        // Single messages are looked at, with millions behind them that nobody asked for.
        config.set("queued.min.messages", "1");
        config.set("queued.max.messages.kbytes", "2048");
        // The next are asked for as soon as these are taken; by default a second later, which each start would wait for.
        config.set("fetch.queue.backoff.ms", "1");
        config.set("fetch.message.max.bytes", "65536");
        config
            .create_with_context(Logged(Arc::clone(&self.log)))
            .map_err(|e| format!("no Kafka consumer: {e}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::publish::properties::reading;
    use rdkafka::{
        mocking::MockCluster,
        producer::{BaseProducer, BaseRecord, Producer as _},
    };

    fn reader(client: &ClientConfig) -> Reader {
        Reader {
            config: reading(client),
            log: Arc::default(),
            topic: "checkpoints".into(),
            spool_id: "the spool".into(),
            runs: Vec::new(),
        }
    }

    #[test]
    fn more_than_one_fetch_holds_is_read_without_a_pause_after_each() {
        const MESSAGES: i64 = 12;
        let cluster = MockCluster::new(1).unwrap();
        cluster.create_topic("checkpoints", 1, 1).unwrap();
        let mut client = ClientConfig::new();
        client.set("bootstrap.servers", cluster.bootstrap_servers());
        let producer: BaseProducer = client.create().unwrap();
        // Each is a batch of its own, and fills a fetch.
        let payload = vec![b'x'; 60 << 10];
        for _ in 0..MESSAGES {
            let of_another = BaseRecord::to("checkpoints").key("another spool");
            producer.send(of_another.payload(&payload)).unwrap();
            producer.flush(PATIENCE).unwrap();
        }
        let reader = reader(&client);
        let consumer = reader.consumer("read_committed").unwrap();
        let begun = Instant::now();
        let found = reader.read_from(&consumer, 0, MESSAGES);
        assert_eq!(found, Ok(Found::default()));
        // librdkafka's own pause is a second.
        let took = begun.elapsed();
        assert!(took < Duration::from_secs(8), "{took:?}");
    }

    #[test]
    fn an_offset_that_is_no_longer_there_is_an_error_and_not_a_topic_without_a_checkpoint() {
        let cluster = MockCluster::new(1).unwrap();
        cluster.create_topic("checkpoints", 1, 1).unwrap();
        let mut client = ClientConfig::new();
        client.set("bootstrap.servers", cluster.bootstrap_servers());
        let reader = reader(&client);
        let until = Instant::now() + AT_MOST;
        let committed = reader.consumer("read_committed").unwrap();
        let all = reader.consumer("read_uncommitted").unwrap();
        let found = reader.read(&committed, &all, until);
        assert_eq!(found, Ok(Found::default()));
        let found = reader.read_from(&committed, 1_000, 2_000);
        assert!(found.is_err(), "{found:?}");
    }
}

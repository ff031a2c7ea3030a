//! The publisher's thread and the real librdkafka against its mock cluster, with a spool in memory.
//!
//! The mock checks neither sequences nor sizes and never lets go of an idea: what a broker says is injected. What only
//! a real broker can prove is proved in `tests/`.

use super::{
    Fault, Handle, Left,
    copies::Copies,
    kafka::Kafka,
    lane::Plan,
    mailbox::Reports,
    message::Message,
    metrics::Metrics,
    plan::Mode,
    properties,
    publisher::{Parts, Render},
    start,
    status::Status,
};
use crate::{
    callback::names::{Family, SourceName},
    clock::{Millis, SystemClock},
    config,
    spool::{CeId, Cursor, Envelope, Next, Outlet, QuarantineError, Reason, Record, Seq, Settled},
};
use prometheus::{IntGauge, Registry};
use rdkafka::{
    ClientConfig, Message as _, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    mocking::MockCluster,
    producer::DefaultProducerContext,
    types::{RDKafkaApiKey, RDKafkaRespErr},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    sync::{Arc, Mutex},
    thread::JoinHandle,
    time::{Duration, Instant},
};

const PATIENCE: Duration = Duration::from_secs(40);

#[derive(Default)]
struct Memory {
    records: Vec<Record>,
    checkpoint: Settled,
    aside: Vec<(Seq, &'static str)>,
}

#[derive(Clone, Default)]
struct Spool(Arc<Mutex<Memory>>);

struct Place {
    spool: Spool,
    passed: Seq,
}

impl Cursor for Place {
    fn passed(&self) -> Seq {
        self.passed
    }

    fn next(&mut self, wanted: &dyn Fn(Family) -> bool, limit: Seq) -> io::Result<Next> {
        let memory = self.spool.0.lock().unwrap();
        while self.passed < limit {
            let Some(record) = memory.records.get(self.passed.0 as usize) else {
                return Ok(Next::End);
            };
            self.passed = record.seq;
            if wanted(record.envelope.family) {
                return Ok(Next::Record(record.clone()));
            }
        }
        Ok(Next::End)
    }
}

impl Outlet for Spool {
    type Cursor = Place;

    fn cursor(&self, after: Seq) -> Place {
        Place {
            spool: self.clone(),
            passed: after,
        }
    }

    fn durable_end(&self) -> Seq {
        Seq(self.0.lock().unwrap().records.len() as u64)
    }

    fn settled_at_start(&self) -> Settled {
        self.0.lock().unwrap().checkpoint
    }

    fn checkpoint(&mut self, settled: &Settled) -> io::Result<()> {
        self.0.lock().unwrap().checkpoint = *settled;
        Ok(())
    }

    fn quarantine(&mut self, record: &Record, reason: &Reason) -> Result<(), QuarantineError> {
        let mut memory = self.0.lock().unwrap();
        memory.aside.push((record.seq, reason.label));
        Ok(())
    }
}

struct AsIs;

impl Render for AsIs {
    fn message(&self, record: &Record, topic: &Arc<str>) -> Result<Message, Reason> {
        Ok(Message {
            topic: Arc::clone(topic),
            key: Some(b"stream".to_vec()),
            headers: vec![("ce_id", record.ce_id.to_string().into_bytes().into())],
            payload: record.envelope.body.to_vec(),
        })
    }

    fn quarantine_copy(&self, _: &Record, _: &Reason) -> Option<Message> {
        None
    }
}

struct NoCopies;

impl Copies for NoCopies {
    fn offer(&self, _: Message) -> bool {
        true
    }
}

type Cluster = MockCluster<'static, DefaultProducerContext>;

struct Relay {
    cluster: Cluster,
    spool: Spool,
    handle: Handle,
    pending: IntGauge,
    registry: Registry,
    thread: Option<JoinHandle<Result<Left, Fault>>>,
}

impl Relay {
    /// A relay with two topics, of which these exist.
    fn start(existing: &[&str]) -> Self {
        let cluster = MockCluster::new(1).unwrap();
        for topic in existing {
            cluster.create_topic(topic, 1, 1).unwrap();
        }
        let topics = config::Topics {
            families: BTreeMap::from([
                (Family::Recording, "recording".to_owned()),
                (Family::Stream, "stream".to_owned()),
            ]),
            quarantine: None,
            checkpoint: "checkpoint".into(),
        };
        let quick = [
            ("topic.metadata.propagation.max.ms", "300"),
            ("topic.metadata.refresh.fast.interval.ms", "50"),
            ("retry.backoff.ms", "20"),
        ];
        let kafka = config::Kafka {
            bootstrap_servers: cluster.bootstrap_servers(),
            properties: quick
                .map(|(k, v)| (k.to_owned(), config::Secret::new(v)))
                .into(),
        };
        let plan = Plan::new(&topics, 4096);
        let client = properties::client_config(&kafka, 4096, plan.queue);
        let (spool, handle, registry) = (Spool::default(), Handle::new(), Registry::new());
        let pending = IntGauge::new("pending", "pending").unwrap();
        let parts = Parts {
            outlet: spool.clone(),
            broker: Kafka::new(client, Arc::default()),
            render: AsIs,
            copies: Box::new(NoCopies),
            reports: Arc::clone(&handle.mailbox) as Arc<dyn Reports>,
            clock: Arc::new(SystemClock),
            metrics: Metrics::register(&registry, &topics, pending.clone()).unwrap(),
        };
        let mailbox = Arc::clone(&handle.mailbox);
        let thread = start(handle.board.clone(), mailbox, plan, parts, None).unwrap();
        Self {
            cluster,
            spool,
            handle,
            pending,
            registry,
            thread: Some(thread),
        }
    }

    fn accept(&self, family: Family, body: &str) {
        let mut memory = self.spool.0.lock().unwrap();
        let seq = Seq(memory.records.len() as u64 + 1);
        memory.records.push(Record {
            seq,
            ce_id: CeId([seq.0 as u8; 16]),
            accepted_at: Millis(1_750_000_000_000 + seq.0),
            envelope: Envelope {
                source: SourceName::parse("tencent").unwrap(),
                family,
                received_at: Millis(1),
                traceparent: None,
                body: body.to_owned().into(),
            },
        });
        self.pending.inc();
        drop(memory);
        self.handle.durable_advanced();
    }

    fn accept_many(&self, family: Family, numbers: std::ops::Range<usize>) {
        numbers.for_each(|n| self.accept(family, &format!("m{n}")));
    }

    /// Until all that was accepted is settled and checkpointed.
    fn settles(&self) {
        self.until("everything is settled", |relay, _| {
            let memory = relay.spool.0.lock().unwrap();
            memory.checkpoint.least().0 == memory.records.len() as u64
        });
        assert_eq!(self.pending.get(), 0);
    }

    fn until(&self, what: &str, holds: impl Fn(&Self, &Status) -> bool) {
        let since = Instant::now();
        while !holds(self, &self.handle.status()) {
            assert!(
                since.elapsed() < PATIENCE,
                "not within {PATIENCE:?}: {what}; {:#?}",
                self.handle.status()
            );
            std::thread::yield_now();
            std::thread::park_timeout(Duration::from_millis(5));
        }
    }

    fn state(status: &Status, topic: &str) -> Option<Mode> {
        let lane = status
            .lanes
            .iter()
            .find(|l| l.topic.as_deref() == Some(topic))?;
        Some(lane.state)
    }

    /// The values of a topic, each where it appears first.
    fn first_appearances(&self, topic: &str, count: usize) -> Vec<String> {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", self.cluster.bootstrap_servers())
            .set("group.id", "reader")
            .create()
            .unwrap();
        let mut places = TopicPartitionList::new();
        places
            .add_partition_offset(topic, 0, Offset::Beginning)
            .unwrap();
        consumer.assign(&places).unwrap();
        let (mut values, mut seen, since) = (Vec::new(), BTreeSet::new(), Instant::now());
        while values.len() < count {
            assert!(since.elapsed() < PATIENCE, "{topic} has only {values:?}");
            if let Some(Ok(message)) = consumer.poll(Duration::from_millis(100)) {
                let value = String::from_utf8(message.payload().unwrap().to_vec()).unwrap();
                if seen.insert(value.clone()) {
                    values.push(value);
                }
            }
        }
        values
    }

    fn counted(&self, name: &str) -> u64 {
        let families = self.registry.gather();
        let family = families.iter().find(|f| f.name() == name).unwrap();
        let sum: f64 = family
            .get_metric()
            .iter()
            .map(|m| m.get_counter().get_value())
            .sum();
        sum as u64
    }

    fn stop(&mut self, within: Duration) -> Left {
        self.handle.stop(within);
        self.thread.take().unwrap().join().unwrap().unwrap()
    }
}

fn numbers(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("m{n}")).collect()
}

#[test]
fn records_arrive_in_order_and_are_checkpointed() {
    let mut relay = Relay::start(&["recording", "stream"]);
    relay.accept_many(Family::Recording, 0..500);
    relay.accept(Family::Quality, "off");
    relay.settles();
    assert_eq!(relay.first_appearances("recording", 500), numbers(500));
    assert_eq!(relay.counted("livebridge_published_total"), 500);
    assert_eq!(relay.counted("livebridge_discarded_total"), 1);
    assert_eq!(relay.stop(Duration::from_secs(5)), Left { records: 0 });
}

#[test]
fn a_blocked_topic_holds_back_nobody_else_and_flows_once_it_exists() {
    let relay = Relay::start(&["stream"]);
    // The mock makes a topic up when it is asked for one, unless it has an error.
    let unknown = RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
    relay.cluster.create_topic("recording", 1, 1).unwrap();
    relay.cluster.topic_error("recording", unknown).unwrap();
    relay.accept_many(Family::Recording, 0..50);
    relay.until("the lane is blocked", |_, status| {
        Relay::state(status, "recording") == Some(Mode::Blocked)
    });
    relay.accept_many(Family::Stream, 0..50);
    assert_eq!(relay.first_appearances("stream", 50), numbers(50));
    let fine = RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR;
    relay.cluster.topic_error("recording", fine).unwrap();
    relay.settles();
    assert_eq!(relay.first_appearances("recording", 50), numbers(50));
    assert_eq!(
        Relay::state(&relay.handle.status(), "recording"),
        Some(Mode::Flowing)
    );
}

#[test]
fn retriable_errors_keep_the_order() {
    let relay = Relay::start(&["recording", "stream"]);
    let errors = [
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT,
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS,
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS_AFTER_APPEND,
        RDKafkaRespErr::RD_KAFKA_RESP_ERR__TRANSPORT,
    ];
    relay
        .cluster
        .request_errors(RDKafkaApiKey::Produce, &errors);
    relay.accept_many(Family::Recording, 0..300);
    relay.settles();
    assert_eq!(relay.first_appearances("recording", 300), numbers(300));
}

#[test]
fn a_failed_report_rebuilds_the_producer_and_nothing_is_lost() {
    for error in [
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER,
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH,
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_PRODUCER_ID,
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_INVALID_REQUIRED_ACKS,
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED,
    ] {
        let relay = Relay::start(&["recording", "stream"]);
        relay.accept_many(Family::Recording, 0..20);
        relay.settles();
        relay
            .cluster
            .request_errors(RDKafkaApiKey::Produce, &[error]);
        relay.accept_many(Family::Recording, 20..120);
        relay.settles();
        assert_eq!(
            relay.first_appearances("recording", 120),
            numbers(120),
            "{error:?}"
        );
        assert_eq!(relay.counted("livebridge_published_total"), 120);
        assert!(relay.spool.0.lock().unwrap().aside.is_empty());
    }
}

#[test]
fn a_batch_refused_for_size_goes_singly_and_only_what_is_refused_alone_is_set_aside() {
    let relay = Relay::start(&["recording", "stream"]);
    let too_large = RDKafkaRespErr::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE;
    // The batch, then the first record when it goes alone.
    relay
        .cluster
        .request_errors(RDKafkaApiKey::Produce, &[too_large, too_large]);
    relay.accept_many(Family::Recording, 0..40);
    relay.settles();
    assert_eq!(relay.spool.0.lock().unwrap().aside, [(Seq(1), "too_large")]);
    assert_eq!(relay.first_appearances("recording", 39), numbers(40)[1..]);
    assert_eq!(relay.counted("livebridge_quarantined_total"), 1);
}

#[test]
fn what_the_client_itself_finds_too_large_is_set_aside_and_the_others_pass() {
    let relay = Relay::start(&["recording", "stream"]);
    relay.accept(Family::Recording, "m0");
    relay.accept(Family::Recording, &"x".repeat(200_000));
    relay.accept(Family::Recording, "m1");
    relay.settles();
    assert_eq!(relay.spool.0.lock().unwrap().aside, [(Seq(2), "too_large")]);
    assert_eq!(relay.first_appearances("recording", 2), numbers(2));
}

#[test]
fn a_broker_that_was_down_gets_everything_when_it_is_back() {
    let mut relay = Relay::start(&["recording", "stream"]);
    relay.cluster.broker_down(-1).unwrap();
    relay.accept_many(Family::Recording, 0..100);
    relay.until("they wait", |_, status| {
        status.lanes.iter().any(|lane| lane.in_flight > 0)
    });
    assert_eq!(
        relay
            .spool
            .0
            .lock()
            .unwrap()
            .checkpoint
            .of(Family::Recording),
        Seq(0)
    );
    relay.cluster.broker_up(-1).unwrap();
    relay.settles();
    assert_eq!(relay.first_appearances("recording", 100), numbers(100));
    assert_eq!(relay.stop(Duration::from_secs(5)), Left { records: 0 });
}

#[test]
fn a_dead_kafka_does_not_hold_up_the_end() {
    let mut relay = Relay::start(&["recording", "stream"]);
    relay.cluster.broker_down(-1).unwrap();
    relay.accept_many(Family::Recording, 0..100);
    let since = Instant::now();
    let left = relay.stop(Duration::from_millis(300));
    assert!(since.elapsed() < Duration::from_millis(300 + 3_500));
    assert_eq!(left, Left { records: 100 });
    assert_eq!(
        relay
            .spool
            .0
            .lock()
            .unwrap()
            .checkpoint
            .of(Family::Recording),
        Seq(0)
    );
}

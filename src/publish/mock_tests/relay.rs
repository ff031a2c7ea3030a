//! A publisher's thread with the real librdkafka, its mock cluster, and a spool in memory.

use super::super::{
    Fault, Handle, Left,
    access::{Access, Clients},
    copies::Copies,
    course::Mode,
    kafka::Kafka,
    mailbox::Reports,
    message::Message,
    metrics::Metrics,
    plan::Plan,
    publisher::{Parts, Render},
    stall::Patience,
    start,
    status::Status,
    topic_watch::Watch,
};
use super::turns::{Counted, Turns};
use crate::{
    callback::names::{Family, SourceName},
    clock::{Millis, SystemClock},
    config,
    spool::{
        Aside, CeId, Cursor, Envelope, Next, Outlet, QuarantineError, Reason, Record, Seq, Settled,
        Unrelated,
    },
    traces::Traces,
};
use prometheus::{IntGauge, Registry};
use rdkafka::{
    ClientConfig, Message as _, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    mocking::MockCluster,
    producer::DefaultProducerContext,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    sync::{Arc, Mutex},
    thread::JoinHandle,
    time::{Duration, Instant},
};

pub(super) const PATIENCE: Duration = Duration::from_secs(40);

#[derive(Default)]
pub(super) struct Memory {
    pub(super) records: Vec<Record>,
    pub(super) checkpoint: Settled,
    pub(super) aside: Vec<(Seq, &'static str)>,
}

#[derive(Clone, Default)]
pub(super) struct Spool(pub(super) Arc<Mutex<Memory>>);

pub(super) struct Place {
    spool: Spool,
    passed: Seq,
}

impl Cursor for Place {
    fn passed(&self) -> Seq {
        self.passed
    }

    fn next(&mut self, wanted: &dyn Fn(Family) -> bool, limit: Seq) -> io::Result<Option<Next>> {
        let memory = self.spool.0.lock().unwrap();
        while self.passed < limit {
            let Some(record) = memory.records.get(self.passed.0 as usize) else {
                return Ok(None);
            };
            self.passed = record.seq;
            if wanted(record.envelope.family) {
                return Ok(Some(Next::Record(record.clone())));
            }
        }
        Ok(None)
    }
}

impl Unrelated for Spool {}

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

    fn quarantine(&mut self, record: &Record, reason: &Reason) -> Result<Aside, QuarantineError> {
        let mut memory = self.0.lock().unwrap();
        memory.aside.push((record.seq, reason.label));
        Ok(Aside::Kept)
    }

    fn settled_corrupt(&self) {
        unreachable!("nothing in memory is damaged")
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
    fn offer(&self, _: Message, _: Option<Seq>) -> bool {
        true
    }
}

pub(super) type Cluster = MockCluster<'static, DefaultProducerContext>;

pub(super) struct Relay {
    pub(super) cluster: Cluster,
    pub(super) spool: Spool,
    pub(super) handle: Handle,
    pub(super) turns: Turns,
    pending: IntGauge,
    registry: Registry,
    thread: Option<JoinHandle<Result<Left, Fault>>>,
}

impl Relay {
    /// A relay with two topics, of which these exist.
    pub(super) fn start(existing: &[&str]) -> Self {
        Self::start_with(existing, &[])
    }

    /// The same with more properties.
    pub(super) fn start_with(existing: &[&str], more: &[(&str, &str)]) -> Self {
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
                .iter()
                .chain(more)
                .map(|&(k, v)| (k.to_owned(), config::Secret::new(v)))
                .collect(),
            property_files: BTreeMap::new(),
        };
        let mut plan = Plan::new(&topics, 4096);
        plan.patience = Patience {
            first: Duration::from_millis(600),
            again: Duration::from_millis(300),
        };
        let clients = Clients::new(&Access::new(kafka), 4096, plan.queue);
        let (spool, handle, registry) = (Spool::default(), Handle::new(), Registry::new());
        let pending = IntGauge::new("pending", "pending").unwrap();
        let metrics = Metrics::register(&registry, &topics, pending.clone()).unwrap();
        let watch = Watch::start(
            clients.clone(),
            plan.topics(),
            metrics.clone(),
            Arc::default(),
            Arc::clone(&handle.mailbox),
        );
        let turns = Turns::default();
        let parts = Parts {
            outlet: spool.clone(),
            broker: Counted {
                kafka: Kafka::new(clients, Arc::default()),
                turns: turns.clone(),
            },
            render: AsIs,
            copies: Box::new(NoCopies),
            reports: Arc::clone(&handle.mailbox) as Arc<dyn Reports>,
            clock: Arc::new(SystemClock),
            metrics,
            watch: Box::new(watch.unwrap()),
            traces: Traces::off(),
        };
        let mailbox = Arc::clone(&handle.mailbox);
        let thread = start(handle.board.clone(), mailbox, plan, parts).unwrap();
        Self {
            cluster,
            spool,
            handle,
            turns,
            pending,
            registry,
            thread: Some(thread),
        }
    }

    pub(super) fn accept(&self, family: Family, body: &str) {
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

    pub(super) fn accept_many(&self, family: Family, numbers: std::ops::Range<usize>) {
        numbers.for_each(|n| self.accept(family, &format!("m{n}")));
    }

    /// Until all that was accepted is settled and checkpointed.
    pub(super) fn settles(&self) {
        self.until("everything is settled", |relay, _| {
            let memory = relay.spool.0.lock().unwrap();
            memory.checkpoint.least().0 == memory.records.len() as u64
        });
        assert_eq!(self.pending.get(), 0);
    }

    pub(super) fn until(&self, what: &str, holds: impl Fn(&Self, &Status) -> bool) {
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

    pub(super) fn state(status: &Status, topic: &str) -> Option<Mode> {
        let lane = status
            .lanes
            .iter()
            .find(|l| l.topic.as_deref() == Some(topic))?;
        Some(lane.state)
    }

    /// The values of a topic, each where it appears first.
    pub(super) fn first_appearances(&self, topic: &str, count: usize) -> Vec<String> {
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

    pub(super) fn counted(&self, name: &str) -> u64 {
        let families = self.registry.gather();
        let family = families.iter().find(|f| f.name() == name).unwrap();
        let sum: f64 = family
            .get_metric()
            .iter()
            .map(|m| m.get_counter().get_value())
            .sum();
        sum as u64
    }

    /// The sum of a gauge over its labels.
    pub(super) fn gauge(&self, name: &str) -> i64 {
        let families = self.registry.gather();
        let family = families.iter().find(|f| f.name() == name).unwrap();
        let values = family
            .get_metric()
            .iter()
            .map(|m| m.get_gauge().get_value());
        values.sum::<f64>() as i64
    }

    pub(super) fn stop(&mut self, within: Duration) -> Left {
        self.handle.stop(within);
        self.thread.take().unwrap().join().unwrap().unwrap()
    }
}

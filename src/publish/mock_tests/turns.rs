//! Who polls a producer, with the real librdkafka: its own thread, or who enqueues much.

use super::{numbers, relay::Relay};
use crate::{
    callback::names::Family,
    config,
    publish::{
        access::{Access, Clients},
        broker::{Broker, Enqueued, OpenError, Producer},
        classify::Code,
        kafka::{Kafka, KafkaProducer},
        mailbox::{ProducerId, Report, Reports, Ticket},
        message::Message,
        properties::Queue,
        trouble::Trouble,
    },
    spool::Seq,
};
use rdkafka::mocking::MockCluster;
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread::{self, ThreadId},
    time::{Duration, Instant},
};

const PATIENCE: Duration = Duration::from_secs(40);

/// How often the publisher's turn was taken, and given back.
#[derive(Debug, Clone, Default)]
pub(super) struct Turns {
    served: Arc<AtomicU64>,
    rested: Arc<AtomicU64>,
}

/// Kafka, with a count of who polls.
pub(super) struct Counted {
    pub(super) kafka: Kafka,
    pub(super) turns: Turns,
}

pub(super) struct CountedProducer {
    producer: KafkaProducer,
    turns: Turns,
}

impl Broker for Counted {
    type Producer = CountedProducer;

    fn open(&self, id: ProducerId, to: Arc<dyn Reports>) -> Result<CountedProducer, OpenError> {
        Ok(CountedProducer {
            producer: self.kafka.open(id, to)?,
            turns: self.turns.clone(),
        })
    }
}

impl Producer for CountedProducer {
    fn enqueue(&self, message: &Message, ticket: Ticket) -> Enqueued {
        self.producer.enqueue(message, ticket)
    }

    fn poll_inline(&self) {
        self.turns.served.fetch_add(1, Ordering::SeqCst);
        self.producer.poll_inline();
    }

    fn resume_polling(&self) {
        self.turns.rested.fetch_add(1, Ordering::SeqCst);
        self.producer.resume_polling();
    }

    fn close(self) {
        self.producer.close();
    }
}

impl Turns {
    fn now(&self) -> (u64, u64) {
        let Self { served, rested } = self;
        (served.load(Ordering::SeqCst), rested.load(Ordering::SeqCst))
    }
}

/// A relay whose reports come batch by batch.
fn busy() -> Relay {
    let relay = Relay::start_with(&["recording", "stream"], &[("batch.num.messages", "1000")]);
    let trip = Duration::from_millis(20);
    relay.cluster.broker_round_trip_time(-1, trip).unwrap();
    relay
}

#[test]
fn the_publisher_polls_while_many_reports_come_and_leaves_the_rest_to_the_thread() {
    let relay = busy();
    relay.accept_many(Family::Recording, 0..100);
    relay.settles();
    assert_eq!(relay.turns.now(), (0, 0), "so few aren't worth its while");
    relay.accept_many(Family::Recording, 100..6_000);
    relay.settles();
    relay.until("the thread has its turn again", |relay, _| {
        relay.turns.now().1 > 0
    });
    assert!(relay.turns.now().0 > 0);
    assert_eq!(relay.first_appearances("recording", 6_000), numbers(6_000));
}

#[test]
fn at_its_end_the_publisher_leaves_the_last_reports_to_the_thread() {
    let mut relay = busy();
    relay.accept_many(Family::Recording, 0..20_000);
    relay.until("it polls", |relay, _| relay.turns.now().0 > 0);
    relay.stop(Duration::ZERO);
    assert!(relay.turns.now().1 > 0);
}

/// On which thread each report came, by its number.
#[derive(Default)]
struct Heard(Mutex<BTreeMap<u64, ThreadId>>);

impl Reports for Heard {
    fn report(&self, report: Report) {
        assert_eq!(report.result, Ok(()));
        let mut heard = self.0.lock().unwrap();
        let before = heard.insert(report.ticket.seq().0, thread::current().id());
        assert_eq!(before, None, "reported twice");
    }
    fn trouble(&self, _: ProducerId, _: Code, _: Trouble) {}
    fn closed(&self, _: ProducerId) {}
}

struct Rig {
    _cluster: MockCluster<'static, rdkafka::producer::DefaultProducerContext>,
    producer: KafkaProducer,
    heard: Arc<Heard>,
    sent: u64,
}

impl Rig {
    fn new() -> Self {
        let cluster = MockCluster::new(1).unwrap();
        cluster.create_topic("recording", 1, 1).unwrap();
        let kafka = config::Kafka {
            bootstrap_servers: cluster.bootstrap_servers(),
            properties: BTreeMap::new(),
            property_files: BTreeMap::new(),
        };
        let queue = Queue {
            records: 100_000,
            bytes: 100 << 20,
        };
        let clients = Clients::new(&Access::new(kafka), 4096, queue);
        let heard = Arc::<Heard>::default();
        let reports = Arc::clone(&heard) as Arc<dyn Reports>;
        let kafka = Kafka::new(clients, Arc::default());
        Self {
            _cluster: cluster,
            producer: kafka.open(ProducerId(1), reports).unwrap(),
            heard,
            sent: 0,
        }
    }

    /// Sends some, then looks until all are reported. How many were reported on this thread?
    fn reported_here(&mut self, count: u64, look: impl Fn(&KafkaProducer)) -> usize {
        let message = Message {
            topic: "recording".into(),
            key: None,
            headers: Vec::new(),
            payload: b"{}".to_vec(),
        };
        self.heard.0.lock().unwrap().clear();
        for _ in 0..count {
            self.sent += 1;
            let ticket = Ticket::record(Family::Recording, Seq(self.sent));
            let enqueued = self.producer.enqueue(&message, ticket);
            assert_eq!(enqueued, Enqueued::Taken);
        }
        let since = Instant::now();
        loop {
            look(&self.producer);
            let heard = self.heard.0.lock().unwrap();
            if heard.len() as u64 == count {
                let here = thread::current().id();
                return heard.values().filter(|thread| **thread == here).count();
            }
            assert!(since.elapsed() < PATIENCE, "{} of {count}", heard.len());
            drop(heard);
            thread::park_timeout(Duration::from_millis(1));
        }
    }
}

#[test]
fn who_serves_hears_all_reports_until_it_rests_or_forgets_to() {
    let mut rig = Rig::new();
    assert_eq!(rig.reported_here(100, |_| ()), 0, "the thread's turn");
    // The thread notices at the end of its own poll.
    let since = Instant::now();
    while rig.reported_here(100, Producer::poll_inline) < 100 {
        assert!(since.elapsed() < PATIENCE, "the thread doesn't rest");
    }
    rig.producer.resume_polling();
    assert_eq!(rig.reported_here(100, |_| ()), 0, "the thread's again");
    // Whoever serves no more without a word leaves nothing unreported.
    while rig.reported_here(100, Producer::poll_inline) < 100 {
        assert!(since.elapsed() < PATIENCE, "the thread doesn't rest");
    }
    assert_eq!(rig.reported_here(100, |_| ()), 0);
}

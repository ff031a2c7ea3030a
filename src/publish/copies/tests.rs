//! Copies against librdkafka's mock cluster, and against no Kafka at all.

use super::{
    super::{access::Access, mailbox::Mailbox, properties::Queue},
    *,
};
use crate::logged::logged;
use prometheus::{IntGauge, Registry};
use rdkafka::{
    ClientConfig, Message as _, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    message::Headers,
    mocking::MockCluster,
};

const PATIENCE: Duration = Duration::from_secs(40);

struct Rig {
    registry: Registry,
    metrics: Metrics,
    clients: Clients,
    mailbox: Arc<Mailbox>,
}

impl Rig {
    fn new(servers: &str) -> Self {
        let registry = Registry::new();
        let topics = crate::config::Topics {
            families: std::collections::BTreeMap::new(),
            quarantine: Some("quarantine".into()),
            checkpoint: "checkpoint".into(),
        };
        let pending = IntGauge::new("pending", "pending").unwrap();
        let metrics = Metrics::register(&registry, &topics, pending).unwrap();
        let kafka = crate::config::Kafka {
            bootstrap_servers: servers.into(),
            properties: std::collections::BTreeMap::new(),
            property_files: std::collections::BTreeMap::new(),
        };
        let queue = Queue {
            records: 1000,
            bytes: 16 << 20,
        };
        // Fewer lines in the log: librdkafka says of this one that it's deprecated.
        let clients = Clients::new(&Access::new(kafka), 4096, queue).changed(|config, _| {
            config.remove("queuing.strategy");
        });
        Self {
            registry,
            metrics,
            clients,
            mailbox: Arc::default(),
        }
    }

    fn courier(&self) -> (KafkaCopies, Courier) {
        let (copies, inbox) = KafkaCopies::queue();
        let log = Arc::new(ClientLog::default());
        let reports: Arc<dyn Reports> = Arc::clone(&self.mailbox) as _;
        let (clients, metrics) = (self.clients.clone(), self.metrics.clone());
        let courier = Courier::new(clients, metrics, log, reports, inbox);
        (copies, courier)
    }

    fn dropped(&self) -> f64 {
        let families = self.registry.gather();
        let family = families
            .iter()
            .find(|f| f.name() == "livebridge_quarantine_copies_dropped_total");
        family.unwrap().get_metric()[0].get_counter().get_value()
    }
}

const fn unowed(copy: Message) -> Waiting {
    Waiting {
        copy,
        owed_by: None,
    }
}

fn copy(id: &str) -> Message {
    Message {
        topic: "quarantine".into(),
        key: Some(b"stream".to_vec()),
        headers: vec![("ce_id", id.as_bytes().to_vec().into())],
        payload: b"{}".to_vec(),
    }
}

/// More than may wait, or be under way, beside another.
fn large() -> Message {
    let mut copy = copy("large");
    copy.payload = vec![b'x'; 40 << 20];
    copy
}

/// The `ce_id`s that the topic holds, in order.
fn arrived(servers: &str, count: usize) -> Vec<String> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", servers)
        .set("group.id", "reader")
        .create()
        .unwrap();
    let mut places = TopicPartitionList::new();
    places
        .add_partition_offset("quarantine", 0, Offset::Beginning)
        .unwrap();
    consumer.assign(&places).unwrap();
    let (mut ids, since) = (Vec::new(), Instant::now());
    while ids.len() < count {
        assert!(since.elapsed() < PATIENCE, "only {ids:?}");
        if let Some(Ok(message)) = consumer.poll(Duration::from_millis(100)) {
            let header = message.headers().unwrap().get(0);
            ids.push(String::from_utf8(header.value.unwrap().to_vec()).unwrap());
        }
    }
    ids
}

#[test]
fn copies_arrive_and_more_than_may_be_under_way_wait_their_turn() {
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic("quarantine", 1, 1).unwrap();
    let rig = Rig::new(&cluster.bootstrap_servers());
    let log = Arc::new(ClientLog::default());
    let reports: Arc<dyn Reports> = Arc::clone(&rig.mailbox) as _;
    let (clients, metrics) = (rig.clients.clone(), rig.metrics.clone());
    let copies = KafkaCopies::start(clients, metrics, log, reports).unwrap();
    let ids: Vec<_> = (0..2 * COPIES_MAX + 100).map(|n| n.to_string()).collect();
    for id in &ids {
        let since = Instant::now();
        while !copies.offer(copy(id), None) {
            assert!(since.elapsed() < PATIENCE);
            thread::park_timeout(Duration::from_millis(5));
        }
    }
    assert_eq!(arrived(&cluster.bootstrap_servers(), ids.len()), ids);
    assert_eq!(rig.dropped(), 0.0);
}

#[test]
fn a_kafka_that_is_down_is_told_of_once_and_its_events_are_no_copies() {
    // Nobody listens on the discard port.
    let rig = Rig::new("127.0.0.1:9");
    let (copies, mut courier) = rig.courier();
    assert!(copies.offer(copy("a"), None));
    let text = logged(|| {
        let since = Instant::now();
        while since.elapsed() < Duration::from_secs(3) {
            courier.send_waiting();
            courier.listen();
        }
    });
    let open = courier.open.as_ref().unwrap();
    assert_eq!(open.under_way.copies(), 1);
    // Nothing has piled up: it is the copy, and perhaps what came just now.
    assert!(open.producer.in_flight_count() <= 3);
    assert!(!text.contains("ERROR"), "{text}");
    assert_eq!(text.matches("AllBrokersDown").count(), 1, "{text}");
    assert!(text.lines().count() <= 6, "{text}");
    assert_eq!(rig.dropped(), 0.0);
    // The end: it is given up, and that is said once.
    let text = logged(|| courier.close());
    assert_eq!(text.lines().count(), 1, "{text}");
    assert_eq!(rig.dropped(), 1.0);
}

#[test]
fn a_copy_that_is_refused_is_counted_and_logged_once() {
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic("quarantine", 1, 1).unwrap();
    let mut rig = Rig::new(&cluster.bootstrap_servers());
    rig.clients = rig.clients.changed(|config, _| {
        config.set("message.max.bytes", "1000");
    });
    let (_, mut courier) = rig.courier();
    let mut large = copy("large");
    large.payload = vec![b'x'; 5000];
    let text = logged(|| courier.send(&unowed(large)));
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(text.contains("large") && text.contains("WARN"), "{text}");
    assert_eq!(rig.dropped(), 1.0);
    // The producer has taken no harm.
    courier.send(&unowed(copy("next")));
    let since = Instant::now();
    while courier.open.as_ref().unwrap().under_way.copies() > 0 {
        assert!(since.elapsed() < PATIENCE);
        courier.listen();
    }
    assert_eq!(arrived(&cluster.bootstrap_servers(), 1), ["next"]);
    assert_eq!(rig.dropped(), 1.0);
}

#[test]
fn a_producer_goes_when_its_last_copy_is_reported_and_none_comes_for_a_while() {
    let under_way = Held::default();
    under_way.add(1);
    assert!(!is_over(&under_way, LINGER * 100));
    under_way.remove(1);
    assert!(!is_over(&under_way, Duration::ZERO));
    assert!(is_over(&under_way, LINGER));
}

#[test]
fn a_copy_of_the_largest_callback_arrives_and_those_after_it_wait_for_that() {
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic("quarantine", 1, 1).unwrap();
    let rig = Rig::new(&cluster.bootstrap_servers());
    let (copies, mut courier) = rig.courier();
    for _ in 0..2 {
        assert!(copies.offer(large(), None));
        courier.send_waiting();
    }
    let open = courier.open.as_ref().unwrap();
    assert_eq!(open.under_way.copies(), 1, "there is no room for the other");
    let since = Instant::now();
    while !courier.takes_more() || courier.inbox.waiting.copies() > 0 {
        assert!(since.elapsed() < PATIENCE);
        courier.listen();
        courier.send_waiting();
    }
    while courier.open.as_ref().unwrap().under_way.copies() > 0 {
        assert!(since.elapsed() < PATIENCE);
        courier.listen();
    }
    assert_eq!(rig.dropped(), 0.0);
}

#[test]
fn copies_beyond_what_may_wait_are_not_taken() {
    let (copies, inbox) = KafkaCopies::queue();
    assert!(copies.offer(large(), Some(Seq(1))));
    assert!(!copies.offer(copy("small"), Some(Seq(2))));
    inbox.next().unwrap();
    assert!(copies.offer(copy("small"), Some(Seq(2))));
}

#[test]
fn who_owes_a_copy_hears_what_became_of_it() {
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic("quarantine", 1, 1).unwrap();
    let mut rig = Rig::new(&cluster.bootstrap_servers());
    rig.clients = rig.clients.changed(|config, _| {
        config.set("message.max.bytes", "1000");
    });
    let (_, mut courier) = rig.courier();
    let mut large = copy("large");
    large.payload = vec![b'x'; 5000];
    for (copy, seq) in [(copy("a"), 7), (large, 8)] {
        courier.send(&Waiting {
            copy,
            owed_by: Some(Seq(seq)),
        });
    }
    let since = Instant::now();
    while courier.open.as_ref().unwrap().under_way.copies() > 0 {
        assert!(since.elapsed() < PATIENCE);
        courier.listen();
    }
    let told = rig.mailbox.take(None).copied;
    assert_eq!(told, [(Seq(8), false), (Seq(7), true)]);
}

#[test]
fn nobody_waits_for_room_with_a_thread_that_is_gone() {
    let (copies, inbox) = KafkaCopies::queue();
    while copies.offer(copy("waits"), None) {}
    drop(inbox);
    assert!(!copies.offer(copy("a"), None), "one that nobody waits for");
    let owed = || copies.offer(copy("b"), Some(Seq(1)));
    assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(owed)).is_err());
}

//! Three brokers and the network to them in all weathers, under load: nothing is lost, per stream first occurrences
//! arrive in the order in which the callbacks became durable, and the relay is never started again.
//!
//! What the relay waits for is short here, so that each outage outlasts it: a request has 3 s. See `support::cluster`
//! for the brokers.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};
use support::{
    callback,
    cluster::Cluster,
    dice::{self, Dice},
    load::{Load, Plan},
    oracle::{self, Findings},
    reader::{self, Message},
    relay::Relay,
    topics::Topics,
    wait,
};

/// Through all weathers, so many times.
const ROUNDS: u32 = 1;
const DEADLINE: Duration = Duration::from_secs(180);
/// Longer than every timeout of the relay's client, and of the brokers among themselves.
const OUTLASTING: Duration = Duration::from_secs(5);

/// The killed broker's leaderships are others' by then.
const LEADERS_MOVED: Duration = Duration::from_secs(10);

#[derive(Debug, Clone, Copy)]
enum Weather {
    Killed,
    Frozen,
    /// As an upgrade does it. Leaderships move away and come back each time.
    OneByOne,
    /// All ways at once.
    Cut,
    Slow,
    HalfOpen,
}

const ALL: [Weather; 6] = [
    Weather::Killed,
    Weather::Frozen,
    Weather::OneByOne,
    Weather::Cut,
    Weather::Slow,
    Weather::HalfOpen,
];

/// One after the other: each has three brokers, and there are two cores.
static TURN: Mutex<()> = Mutex::new(());

fn relay(cluster: &Cluster, topics: &Topics) -> Relay {
    let mut relay = Relay::new(env!("CARGO_BIN_EXE_livebridge"), &cluster.proxied(), topics);
    for (property, value) in [
        ("socket.timeout.ms", "3000"),
        ("request.timeout.ms", "2000"),
        ("socket.connection.setup.timeout.ms", "2000"),
        ("topic.metadata.refresh.interval.ms", "5000"),
    ] {
        let key = format!("kafka.properties.\"{property}\"");
        relay = relay.set(&key, &format!("\"{value}\""));
    }
    relay.set("spool.segment_bytes", "\"1MiB\"")
}

#[test]
fn three_brokers_in_all_weathers_lose_and_reorder_nothing() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let mut world = World::new(Topics::named(), "at-least-once");
    world.weathers();
    refused(&world);
    world.check(|brokers, topics| reader::read(brokers, topics));
}

#[test]
fn three_brokers_in_all_weathers_lose_and_double_nothing_exactly_once() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let mut world = World::new(Topics::named().and_checkpoint(), "exactly-once");
    world.weathers();
    unmet(&world);
    let stood_down = world.relay.metrics().count("livebridge_stood_down", &[]);
    assert_eq!(stood_down, 0);
    let findings = world.check(|brokers, topics| reader::read_committed(brokers, topics));
    assert_eq!(findings.duplicates, 0, "{findings:?}");
}

/// Three brokers, a relay and its load.
struct World {
    load: Load,
    relay: Relay,
    topics: Topics,
    cluster: Cluster,
    dice: Dice,
}

impl World {
    fn new(topics: Topics, delivery: &str) -> Self {
        let mut dice = Dice::from_environment();
        let since = Instant::now();
        let cluster = Cluster::started();
        let safe = [("min.insync.replicas", "2")];
        let admin = cluster.admin();
        let (checkpoint, events): (Vec<_>, _) = topics
            .names()
            .into_iter()
            .partition(|name| name.ends_with("checkpoint"));
        admin.create_topics(&events, (4, 3), &safe);
        if !checkpoint.is_empty() {
            let compact = [("cleanup.policy", "compact"), ("min.insync.replicas", "2")];
            admin.create_topics(&checkpoint, (1, 3), &compact);
        }
        eprintln!("three brokers after {:?}", since.elapsed());
        let mut relay = relay(&cluster, &topics).set("delivery", &format!("\"{delivery}\""));
        relay.start();
        let plan = Plan {
            senders: 6,
            streams: 4,
            pause: Duration::from_millis(10),
            give_up_percent: 25,
        };
        let load = Load::start(&relay.address(), plan, &mut dice);
        load.wait_for_more(100, DEADLINE);
        Self {
            load,
            relay,
            topics,
            cluster,
            dice,
        }
    }

    /// Of recordings: from now on two replicas of three are too few.
    fn needs_all_three_and_one_is_killed(&self) -> Instant {
        let all_three = [("min.insync.replicas", "3")];
        let recording = self.topics.of("recording");
        self.cluster.admin().set_topic(recording, &all_three);
        self.cluster.one(2).0.kill();
        Instant::now()
    }

    fn is_whole_again(&self) {
        self.cluster.one(2).0.start();
        catches_up(&self.relay, &self.load);
        wait::until("the topic to flow", DEADLINE, || {
            (self.blocked() == 0).then_some(())
        });
    }

    /// Whether recordings are.
    fn blocked(&self) -> i64 {
        let label = format!("topic=\"{}\"", self.topics.of("recording"));
        let metrics = self.relay.metrics();
        metrics.count("livebridge_topic_blocked", &[&label])
    }

    /// What the status says of it.
    fn why_blocked(&self) -> String {
        // It is renewed a few times a second.
        let why = wait::until("the status to say so", DEADLINE, || {
            let (state, why) = self.relay.lane(self.topics.of("recording"));
            (state == "blocked").then_some(why)
        });
        assert!(why.contains("2 of 3 replicas in sync"), "{why}");
        why
    }

    /// Nothing is missing, and all is in order.
    fn check(mut self, read: fn(&str, &[&str]) -> Vec<Message>) -> Findings {
        let journal = self.load.stop();
        let flow = self.relay.wait_until_settled(DEADLINE);
        let messages = read(&self.cluster.bootstrap(), &[self.topics.of("recording")]);
        let found = oracle::check(&journal, &messages);
        let findings = found.unwrap_or_else(|faults| panic!("{faults}"));
        eprintln!(
            "{} answered 200; {flow}; in Kafka: {findings:?}",
            journal.answered()
        );
        findings
    }

    /// All of them, in another order each time.
    fn weathers(&mut self) {
        for _ in 0..dice::rounds(ROUNDS) {
            for weather in shuffled(&mut self.dice) {
                let began = Instant::now();
                comes(
                    weather,
                    &self.cluster,
                    self.topics.of("recording"),
                    &mut self.dice,
                );
                let over = Instant::now();
                catches_up(&self.relay, &self.load);
                let (lasted, caught_up) = (over - began, over.elapsed());
                eprintln!("{weather:?} for {lasted:?}; then caught up after {caught_up:?}");
                assert_eq!(self.relay.readyz(), Some(200), "{weather:?}");
            }
        }
    }
}

/// `min.insync.replicas` unmet for long: Kafka itself can't end a transaction in which the topic has a part, so that all wait; the
/// topic is named, nothing is lost or doubled, and it resumes by itself.
fn unmet(world: &World) {
    let since = world.needs_all_three_and_one_is_killed();
    wait::until("the topic to be called blocked", DEADLINE, || {
        (world.blocked() == 1).then_some(())
    });
    let why = world.why_blocked();
    eprintln!("unmet: blocked after {:?}; {why}", since.elapsed());
    world.load.wait_for_more(50, DEADLINE);
    world.is_whole_again();
}

fn shuffled(dice: &mut Dice) -> [Weather; 6] {
    let mut all = ALL;
    for last in (1..all.len()).rev() {
        let other = dice.below(last as u64 + 1) as usize;
        all.swap(last, other);
    }
    all
}

/// Comes and goes.
fn comes(weather: Weather, cluster: &Cluster, topic: &str, dice: &mut Dice) {
    let one = dice.below(3) as usize;
    let (broker, proxy) = cluster.one(one);
    match weather {
        Weather::Killed => {
            broker.kill();
            wait::pass(OUTLASTING);
            broker.start();
        }
        Weather::Frozen => {
            broker.freeze();
            wait::pass(OUTLASTING);
            broker.thaw();
        }
        Weather::OneByOne => {
            for broker in cluster.brokers() {
                cluster.admin().wait_until_whole(topic);
                broker.stop();
                broker.start();
            }
        }
        Weather::Cut => {
            cluster.proxies().iter().for_each(|proxy| proxy.cut());
            wait::pass(OUTLASTING);
            cluster.proxies().iter().for_each(|proxy| proxy.fair());
        }
        Weather::Slow => {
            cluster.proxies().iter().for_each(|proxy| proxy.slow());
            wait::pass(OUTLASTING);
            cluster.proxies().iter().for_each(|proxy| proxy.fair());
        }
        Weather::HalfOpen => {
            proxy.half_open();
            wait::pass(OUTLASTING);
            proxy.fair();
        }
    }
    // The next one needs two brokers that have everything.
    cluster.admin().wait_until_whole(topic);
}

/// Until everything that was accepted by now has left the spool.
fn catches_up(relay: &Relay, load: &Load) {
    load.wait_for_more(50, DEADLINE);
    let flow = relay.metrics().flow();
    let goal = flow.published + flow.pending;
    wait::until("what was pending to be published", DEADLINE, || {
        (relay.metrics().flow().published >= goal).then_some(())
    });
}

/// `min.insync.replicas` unmet for long: that topic waits, and is named; the others go on; it resumes by itself.
fn refused(world: &World) {
    let (recording, stream) = (world.topics.of("recording"), world.topics.of("stream"));
    let relay = &world.relay;
    let since = world.needs_all_three_and_one_is_killed();
    let published = |topic: &str| {
        let label = format!("topic=\"{topic}\"");
        let metrics = relay.metrics();
        metrics.count("livebridge_published_total", &[&label])
    };
    let mut longest = Duration::ZERO;
    let mut others = published(stream);
    wait::until("the topic to be called blocked", DEADLINE, || {
        let body = format!(r#"{{"event_type":1,"stream_id":"s","n":{others}}}"#);
        let posted = Instant::now();
        assert_eq!(relay.post(&callback::signed(&body)).status, 200);
        others += 1;
        wait::until("another topic's record", DEADLINE, || {
            (published(stream) >= others).then_some(())
        });
        if posted - since > LEADERS_MOVED {
            longest = longest.max(posted.elapsed());
        }
        (world.blocked() == 1).then_some(())
    });
    let why = world.why_blocked();
    assert_eq!(relay.lane(stream).0, "flowing");
    assert!(longest < DEADLINE / 10, "held up for {longest:?}");
    eprintln!(
        "refused: blocked after {:?}; {others} of another topic, the slowest after {longest:?}; {why}",
        since.elapsed()
    );
    let stood_at = published(recording);
    world.load.wait_for_more(50, DEADLINE);
    assert_eq!(published(recording), stood_at, "it takes nothing");
    world.is_whole_again();
    assert!(relay.log().contains("the topic takes nothing"));
}

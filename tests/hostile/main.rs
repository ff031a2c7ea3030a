//! The front door in hostile weather: the real binary, an honest sender at 200 callbacks a second that is answered 200
//! within a second all the while, and everything that the internet throws at a door.
//!
//! ```text
//!  honest ×4 ──► 200 ≤ 1 s ─┐
//!  idle ×5,000              ├──► relay: every attack ends in its answer or a closed connection, in time;
//!  one attack at a time ────┘           memory + 64 MiB at most
//!                                  └──► Kafka, frozen meanwhile: then Kafka's own Java client finds what the
//!                                       honest ones sent, once each and in order, and nothing else
//! ```

mod bodies;
mod framing;
mod honest;
mod http2;
mod pulse;
mod slow;
mod tls;
mod wire;

use honest::{Honest, Line};
use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use support::{kafka::Broker, reader, relay::Relay, topics::Topics, wait};

const PATH: &str = "/callbacks/tencent";
const MEMORY: u64 = 64 << 20;
/// The relay's limits are 1 s for a head and 2 s for a body; the machine may be busy.
const HEAD: Duration = Duration::from_secs(6);
const BODY: Duration = Duration::from_secs(7);
const LONG: Duration = Duration::from_secs(120);

/// Its name, and what does it to an address.
type Attack = (&'static str, fn(&str));

/// A relay, and a Kafka that stands still: the weather is at the door, and nobody else uses the machine meanwhile.
struct Weather {
    relay: Relay,
    topics: Topics,
    /// One weather at a time.
    _alone: MutexGuard<'static, ()>,
    /// In memory: another process's use of the disk would be taken for the weather.
    _memory_disk: tempfile::TempDir,
}

impl Weather {
    fn new(settings: &[(&str, String)]) -> Self {
        static ALONE: Mutex<()> = Mutex::new(());
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let broker = Broker::shared();
        broker.thaw();
        let topics = Topics::create(broker, 3);
        broker.freeze();
        let memory_disk = tempfile::tempdir_in("/dev/shm").expect("a directory in memory");
        let binary = env!("CARGO_BIN_EXE_livebridge");
        let mut relay = Relay::new(binary, &broker.bootstrap(), &topics)
            .set("http.header_timeout", "\"1s\"")
            .set("http.body_timeout", "\"2s\"")
            .set("http.handshake_timeout", "\"1s\"")
            .set(
                "spool.dir",
                &format!("\"{}\"", memory_disk.path().join("spool").display()),
            );
        for (key, value) in settings {
            relay = relay.set(key, value);
        }
        relay.start();
        Self {
            relay,
            topics,
            _alone: alone,
            _memory_disk: memory_disk,
        }
    }

    /// One attack after the other, beside honest senders and `idle` connections that do nothing.
    fn rage(mut self, line: &Line, idle: usize, attacks: &[Attack]) {
        let address = self.relay.address();
        let honest = Honest::start(line);
        wait::until("the honest senders are under way", LONG, || {
            (honest.sent() > 400).then_some(())
        });
        let before = self.relay.memory();
        let (began, sent_before) = (Instant::now(), honest.sent());
        let idle: Vec<_> = (0..idle).map(|_| wire::connect(&address)).collect();
        eprintln!(
            "idle connections: {}, after {:?}",
            idle.len(),
            began.elapsed()
        );
        for (name, attack) in attacks {
            let (began, sent) = (Instant::now(), honest.sent());
            attack(&address);
            honest.check();
            eprintln!(
                "{name}: {:?}, {} honest callbacks, memory at most + {} KiB so far",
                began.elapsed(),
                honest.sent() - sent,
                (self.relay.memory_peak() - before) >> 10
            );
        }
        // Nobody is left but who may be: the idle ones, the honest ones, and whoever asks.
        let expected = i64::try_from(idle.len() + honest::SENDERS).expect("few");
        wait::until("every attacker is closed", BODY, || {
            let open = self.relay.metrics();
            (open.count("livebridge_http_connections", &[]) <= expected).then_some(())
        });
        // At their pace: whoever was held up for a moment has made up for it.
        let due = began.elapsed().as_secs() * honest::RATE;
        wait::until("the honest senders keep their pace", HEAD, || {
            (honest.sent() - sent_before >= due).then_some(())
        });
        eprintln!("all over after {:?}", began.elapsed());
        let sent = honest.stop();
        let peak = self.relay.memory_peak();
        assert!(before > 0 && peak > before, "no memory is told");
        let grown = peak - before;
        assert!(grown < MEMORY, "memory grew by {} KiB", grown >> 10);
        drop(idle);
        self.only_the_honest_ones_are_in_kafka(&sent);
    }

    fn only_the_honest_ones_are_in_kafka(&mut self, sent: &BTreeMap<String, u64>) {
        let total = i64::try_from(sent.values().sum::<u64>()).expect("few");
        let flow = self.relay.metrics().flow();
        assert!(flow.balances() && flow.accepted == total, "{flow}");
        let broker = Broker::shared();
        broker.thaw();
        let thawed = Instant::now();
        self.relay.wait_until_settled(LONG);
        eprintln!("published {:?} after the thaw", thawed.elapsed());
        let mut found: BTreeMap<String, Vec<u64>> = BTreeMap::new();
        for message in reader::read(&broker.bootstrap(), &self.topics.names()) {
            let stream = message.key_text().map(str::to_owned).unwrap_or_default();
            assert!(sent.contains_key(&stream), "nobody honest sent {message:?}");
            assert_eq!(message.topic, self.topics.of("recording"));
            let json = message.json();
            let number = json.get("media_start_time").and_then(|n| n.as_u64());
            found
                .entry(stream)
                .or_default()
                .push(number.expect("a number"));
        }
        for (stream, count) in sent {
            let all: Vec<u64> = (0..*count).collect();
            assert_eq!(found.get(stream), Some(&all), "{stream}");
        }
    }
}

#[test]
fn an_honest_sender_is_served_whatever_the_weather() {
    let weather = Weather::new(&[]);
    let line = Line::plain(&weather.relay.address());
    weather.rage(
        &line,
        slow::as_many_as_files_allow(5000),
        &[
            ("slow heads", slow::heads),
            ("slow bodies", slow::bodies),
            ("endless chunks", slow::endless_chunks),
            ("200 KiB of headers", bodies::large_heads),
            ("rapid resets", http2::rapid_resets),
            ("CONTINUATION floods", http2::continuations),
            ("pings nobody waits for", http2::pings),
            ("pipelining", framing::pipelining),
            ("smuggling", framing::smuggling),
            ("what is no callback", bodies::no_callbacks),
            ("forgeries", bodies::forgeries),
        ],
    );
}

#[test]
fn an_honest_sender_is_served_over_tls_whatever_the_weather() {
    let identity = tls::Identity::new();
    let weather = Weather::new(&identity.settings());
    let line = identity.line(&weather.relay.address());
    weather.rage(
        &line,
        0,
        &[
            ("handshakes that don't begin", tls::silence),
            ("handshakes that don't go on", tls::half_a_hello),
            ("handshakes without an end", tls::hello_and_no_more),
            ("no handshakes", tls::rubbish),
        ],
    );
}

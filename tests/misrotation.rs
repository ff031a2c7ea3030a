//! The rehearsal of a mis-rotation: for ten minutes every callback is refused, since the key was mistyped; then
//! `rejects reverify --accept` brings all of them into Kafka, once each and in the order of their stream.
//!
//! Ten minutes of whose clock? The relay runs in this process, on a clock of the test's, which goes from second to second as
//! the sender sends: that is the one place where it reads the wall clock. Everything else is real: HTTP, disk, broker, and the
//! command, which is the binary, in the machine's own time. The ten minutes lie an hour back and nothing is forgiven
//! (`expiry.leeway = 0`): whatever passes can only pass as of the time when it came.

use livebridge::{
    app::{Listeners, Relay},
    clock::{Clock, Millis},
    config::{self, Config, Environment, Flags, Surroundings},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use support::{
    callback, http::Client, kafka::Broker, metrics::Metrics, reader, topics::Topics, wait,
};
use tokio::{
    runtime::Runtime,
    sync::{Notify, oneshot},
    task::JoinHandle,
};

const SOON: Duration = Duration::from_secs(60);
const PATH: &str = "/callbacks/tencent";
const MINUTES: u64 = 10;
const STREAMS: u64 = 25;
/// Seconds from one recording to the next.
const EVERY: u64 = 3;
const RECORDINGS: u64 = MINUTES * 60 / EVERY;

struct MadeUp(AtomicU64);

impl Clock for MadeUp {
    fn now(&self) -> Millis {
        Millis::from_seconds(self.0.load(Ordering::Relaxed))
    }
}

/// A relay in this process, from start to stop.
struct Running {
    http: SocketAddr,
    admin: SocketAddr,
    reload: Arc<Notify>,
    stop: oneshot::Sender<()>,
    ended: JoinHandle<()>,
}

struct Rehearsal {
    runtime: Runtime,
    dir: tempfile::TempDir,
    topics: Topics,
    clock: Arc<MadeUp>,
    began: u64,
}

impl Rehearsal {
    fn new() -> Self {
        let began = callback::now() - 3600;
        let rehearsal = Self {
            runtime: tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .enable_all()
                .build()
                .expect("a runtime"),
            dir: tempfile::tempdir().expect("a directory"),
            topics: Topics::create(Broker::shared(), 3),
            clock: Arc::new(MadeUp(began.into())),
            began,
        };
        fs::write(rehearsal.key_file(), "mistyped\n").expect("a key file");
        let mut settings: String = rehearsal
            .topics
            .settings()
            .iter()
            .map(|(key, value)| format!("{key} = {value}\n"))
            .collect();
        for (key, value) in [
            ("http.listen", "127.0.0.1:0".into()),
            ("admin.listen", "127.0.0.1:0".into()),
            ("kafka.bootstrap_servers", Broker::shared().bootstrap()),
            ("spool.dir", rehearsal.spool().display().to_string()),
            ("spool.segment_bytes", "4MiB".into()),
            ("drain.delay", "0s".into()),
            ("expiry.leeway", "0s".into()),
        ] {
            settings += &format!("{key} = \"{value}\"\n");
        }
        settings += &format!(
            "sources.tencent.key_files = [\"{}\"]\n",
            rehearsal.key_file().display()
        );
        fs::write(rehearsal.settings(), settings).expect("the settings");
        rehearsal
    }

    fn spool(&self) -> PathBuf {
        self.dir.path().join("spool")
    }

    fn key_file(&self) -> PathBuf {
        self.dir.path().join("key")
    }

    fn settings(&self) -> PathBuf {
        self.dir.path().join("livebridge.toml")
    }

    fn start(&self) -> Running {
        let config = loaded(&self.settings());
        let clock = Arc::clone(&self.clock);
        let (stop, asked) = oneshot::channel();
        self.runtime.block_on(async move {
            let listeners = Listeners::bind(&config).await.expect("free ports");
            let relay = Relay::start(&config, listeners, clock)
                .await
                .expect("a relay");
            let (http, admin, reload) = (relay.http(), relay.admin(), relay.reload());
            let ended = tokio::spawn(async move {
                let asked = async { drop(asked.await) };
                relay.run(config.drain, asked).await.expect("a calm end");
            });
            Running {
                http,
                admin,
                reload,
                stop,
                ended,
            }
        })
    }

    fn stop(&self, running: Running) {
        drop(running.stop);
        self.runtime.block_on(running.ended).expect("an end");
    }

    /// Ten minutes as the sender has them: each recording is sent, refused, and sent again every minute, signed anew. Now
    /// and then comes a forgery, and something rightly signed that had expired when it came. How many of each.
    fn ten_minutes(&self, running: &Running) -> (u64, u64) {
        let mut client = Client::new(running.http.to_string());
        let (mut authentic, mut other) = (0, 0);
        let mut refused = |body: &str| {
            let answer = client.post(PATH, body).expect("an answer");
            assert_eq!(answer.status, 401, "{}", answer.text());
        };
        for second in 0..MINUTES * 60 {
            let now = self.began + second;
            self.clock.0.store(now, Ordering::Relaxed);
            for number in (0..RECORDINGS).filter(|number| {
                let age = second.checked_sub(number * EVERY);
                age.is_some_and(|age| age % 60 == 0)
            }) {
                let recording = callback::recording(&stream(number), number);
                refused(&callback::signed_at(&recording, now + 600));
                authentic += 1;
                if authentic % 10 == 0 {
                    let forged = callback::recording("forged", number);
                    let t = now + 600;
                    let right = callback::sign(callback::KEY, t);
                    let wrong = callback::sign("forger", t);
                    refused(&callback::signed_at(&forged, t).replace(&right, &wrong));
                    let late = callback::recording("late", number);
                    refused(&callback::signed_at(&late, now - 1));
                    other += 2;
                }
            }
            if second % 20 != 19 {
                continue;
            }
            // The ledger's queue is short, and the made-up minutes are faster than any disk.
            wait::until("the ledger is written", SOON, || {
                let metrics = running.metrics();
                let written = metrics.count("livebridge_rejects_written_total", &[]);
                assert_eq!(metrics.count("livebridge_rejects_dropped_total", &[]), 0);
                (written == i64::try_from(authentic + other).expect("few")).then_some(())
            });
        }
        assert_eq!(running.metrics().flow().recovered, 0);
        (authentic, other)
    }

    /// The right key beside the wrong one: that there are two can be seen from outside.
    fn put_right(&self) {
        let keys = format!("mistyped\n{}\n", callback::KEY);
        fs::write(self.key_file(), keys).expect("a key file");
    }

    fn reverify(&self, more: &[&str]) -> (bool, String) {
        let output = Command::new(env!("CARGO_BIN_EXE_livebridge"))
            .args(["rejects", "reverify", "--accept", "--config"])
            .arg(self.settings())
            .args(more)
            .env_clear()
            .output()
            .expect("the binary");
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text).into_owned();
        let last = text.lines().last().unwrap_or_default().to_owned();
        (output.status.success(), last)
    }

    /// As any consumer sees it: each recording once, each stream in its order, nothing else.
    fn all_are_in_kafka(&self, but_the_first_came: Option<u64>) {
        let messages = reader::read(&Broker::shared().bootstrap(), &self.topics.names());
        let mut by_stream: BTreeMap<String, Vec<u64>> = BTreeMap::new();
        let mut ids = BTreeSet::new();
        for message in &messages {
            assert_eq!(message.topic, self.topics.of("recording"));
            let json = message.json();
            let number = json
                .get("media_start_time")
                .and_then(serde_json::Value::as_u64);
            let number = number.expect("a number");
            let stream = message.key_text().expect("a key").to_owned();
            by_stream.entry(stream).or_default().push(number);
            assert!(ids.insert(message.ce_id().to_owned()), "twice: {json}");
            // It had not expired when it came, and was received then.
            assert_eq!(message.header("ce_expiredby"), None);
            let came = match but_the_first_came {
                Some(at) if number == 0 => at,
                _ => self.began + number * EVERY,
            };
            let came = Millis::from_seconds(came);
            let received = message.header("ce_receivedtime");
            assert_eq!(received, Some(came.to_string().as_str()));
        }
        assert_eq!(messages.len() as u64, RECORDINGS);
        let mut expected: BTreeMap<String, Vec<u64>> = BTreeMap::new();
        for number in 0..RECORDINGS {
            expected.entry(stream(number)).or_default().push(number);
        }
        assert_eq!(by_stream, expected);
    }
}

impl Running {
    fn metrics(&self) -> Metrics {
        let page = Client::new(self.admin.to_string()).get("/metrics");
        Metrics::parse(&page.expect("the admin listener answers").text())
    }

    fn keys(&self) -> usize {
        let page = Client::new(self.admin.to_string()).get("/status");
        let page = page.expect("the admin listener answers");
        let status: serde_json::Value = serde_json::from_slice(&page.body).expect("JSON");
        let keys = status.pointer("/keys/tencent");
        keys.and_then(serde_json::Value::as_array)
            .map_or(0, Vec::len)
    }

    fn settled(&self) {
        wait::until("everything is published", SOON, || {
            let flow = self.metrics().flow();
            (flow.pending == 0 && flow.balances()).then_some(())
        });
    }

    /// The sender's next retry, signed with what is the key now.
    fn retry_of_the_first(&self, clock: &MadeUp) -> u16 {
        let recording = callback::recording(&stream(0), 0);
        let t = clock.now().seconds() + 600;
        let body = callback::signed_at(&recording, t);
        let answer = Client::new(self.http.to_string()).post(PATH, &body);
        answer.expect("an answer").status
    }
}

fn stream(number: u64) -> String {
    format!("s{:02}", number % STREAMS)
}

fn loaded(settings: &Path) -> Config {
    let flags = Flags {
        config: Some(settings.into()),
        ..Flags::default()
    };
    let surroundings = Surroundings {
        environment: Environment::of(std::iter::empty::<(String, String)>()),
        read: &config::read_settings_file,
        terminal: false,
    };
    let loaded = config::load(&flags, &surroundings);
    loaded.expect("settings that are right").config
}

#[test]
fn after_ten_minutes_with_the_wrong_key_a_running_relay_takes_what_it_refused() {
    let rehearsal = Rehearsal::new();
    let running = rehearsal.start();
    let (authentic, other) = rehearsal.ten_minutes(&running);
    let (done, said) = rehearsal.reverify(&[]);
    let none = format!("0 pass, {} fail; 0 are", authentic + other);
    assert!(done && said.starts_with(&none), "{said}");
    // The command is given the right key, the relay hasn't got it yet: it takes nothing on the word of another.
    let (done, said) = rehearsal.reverify(&["--key", callback::KEY]);
    assert!(
        !done
            && said.contains(&format!(
                "{authentic} pass with the keys given here, but not"
            )),
        "{said}"
    );
    rehearsal.put_right();
    running.reload.notify_one();
    wait::until("the key is read", SOON, || {
        (running.keys() == 2).then_some(())
    });
    assert_eq!(running.retry_of_the_first(&rehearsal.clock), 200);
    let (done, said) = rehearsal.reverify(&[]);
    let expected = format!(
        "{authentic} pass, {other} fail; {} are in the spool now, {} were there already, 0 have their topic off",
        RECORDINGS - 1,
        authentic - (RECORDINGS - 1)
    );
    assert!(done && said == expected, "{said}\n{expected}");
    // Said again, there is nothing left to take.
    let (done, said) = rehearsal.reverify(&[]);
    assert!(
        done && said.starts_with(&format!("0 pass, {other} fail; 0 are")),
        "{said}"
    );
    assert_eq!(running.retry_of_the_first(&rehearsal.clock), 200);
    running.settled();
    rehearsal.stop(running);
    let last = rehearsal.began + MINUTES * 60 - 1;
    rehearsal.all_are_in_kafka(Some(last));
}

#[test]
fn after_ten_minutes_with_the_wrong_key_a_stopped_relay_finds_what_it_refused_in_its_spool() {
    let rehearsal = Rehearsal::new();
    let running = rehearsal.start();
    let (authentic, other) = rehearsal.ten_minutes(&running);
    rehearsal.stop(running);
    rehearsal.put_right();
    let (done, said) = rehearsal.reverify(&[]);
    let expected = format!(
        "{authentic} pass, {other} fail; {RECORDINGS} are in the spool now, {} were there already, 0 have their topic off",
        authentic - RECORDINGS
    );
    assert!(done && said == expected, "{said}\n{expected}");
    rehearsal.clock.0.store(callback::now(), Ordering::Relaxed);
    let running = rehearsal.start();
    assert_eq!(
        running.metrics().flow().recovered,
        i64::try_from(RECORDINGS).expect("few")
    );
    assert_eq!(running.retry_of_the_first(&rehearsal.clock), 200);
    running.settled();
    rehearsal.stop(running);
    rehearsal.all_are_in_kafka(None);
}

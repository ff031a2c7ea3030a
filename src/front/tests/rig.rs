//! A door on an ephemeral port, the spool's end in the test's hand, and a client that speaks raw HTTP.

use crate::{
    callback::names::{EventName, Family, SourceName},
    clock::{Clock, Millis},
    config::{Auth, Dedup, Http, Limits, NamedKey, Secret, Source, SourceKind, keys::KeyFileError},
    follow::Decisions,
    front::{Door, Keeper, Metrics, Parts, Phase, off::Off, reload::Reloads, serve, tls::ReadPem},
    hold::{self, HoldOutlet},
    metrics::{Callbacks, Outcome},
    rejects::Ledger,
    spool::{How, append::fake::FakeWriter},
    traces::Traces,
};
use std::{collections::BTreeSet, net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
    time,
};

pub(super) const SIGN: &str = "40994cf0dff5bdb781e083f6699f3d05";
pub(super) const NOW: Millis = Millis(1_750_000_000_500);
/// Nothing here takes nearly as long, unless it hangs.
pub(super) const LONG: Duration = Duration::from_secs(30);

#[derive(Debug)]
struct Fixed;

impl Clock for Fixed {
    fn now(&self) -> Millis {
        NOW
    }
}

#[derive(Clone)]
pub(super) struct Settings {
    pub(super) http: Http,
    pub(super) limits: Limits,
    pub(super) sources: Vec<Source>,
    pub(super) off: Off,
    pub(super) queue: usize,
    pub(super) read_pem: ReadPem,
    pub(super) ledger: Ledger,
    pub(super) redact: Vec<String>,
    pub(super) traces: Traces,
}

pub(super) fn source(name: &str) -> Source {
    Source {
        name: SourceName::parse(name).unwrap(),
        kind: SourceKind::TencentCss,
        auth: Auth::Required,
        path_token: None,
        allow: vec![],
        unsigned_events: BTreeSet::new(),
        keys: vec![NamedKey {
            name: "key-1".into(),
            key: Secret::new("relaykey01"),
        }],
        key_files: vec![],
    }
}

impl Default for Settings {
    fn default() -> Self {
        let secret = Source {
            path_token: Some(Secret::new("s3cret")),
            unsigned_events: BTreeSet::from([314]),
            ..source("secret")
        };
        Self {
            http: Http {
                listen: ([127, 0, 0, 1], 0).into(),
                tls: None,
                trusted_proxies: vec![],
                proxy_protocol: false,
                handshake_timeout: LONG,
                header_timeout: LONG,
                body_timeout: LONG,
                idle_timeout: 2 * LONG,
                answer_timeout: LONG,
                write_timeout: LONG,
                connection_lifetime: 4 * LONG,
            },
            limits: Limits {
                body_bytes: 4096,
                header_bytes: 16 * 1024,
                connections: 100,
                connections_per_address: None,
                inflight_requests: 100,
                inflight_bytes: 1 << 20,
            },
            sources: vec![source("tencent"), secret],
            off: Off::default(),
            queue: 100,
            ledger: Ledger::none(),
            redact: vec!["txSecret".into()],
            traces: Traces::off(),
            read_pem: Arc::new(|_| Err(std::io::ErrorKind::NotFound.into())),
        }
    }
}

pub(super) struct Rig {
    pub(super) address: SocketAddr,
    pub(super) phase: watch::Sender<Phase>,
    pub(super) served: JoinHandle<()>,
    pub(super) metrics: Arc<Metrics>,
    callbacks: Callbacks,
    pub(super) registry: prometheus::Registry,
    pub(super) reloads: Reloads,
    /// Until it is dropped nobody who follows hears of the end.
    pub(super) decisions: Arc<Decisions>,
}

impl Rig {
    /// A door, and the spool's end of it.
    pub(super) async fn with_writer(settings: Settings) -> (Self, FakeWriter) {
        let (appender, writer) = FakeWriter::new(settings.queue, 1 << 20);
        let keeper = |_: &prometheus::Registry, _: &Callbacks| Keeper::Spool(appender);
        (Self::with_keeper(settings, keeper).await, writer)
    }

    /// A door without a disk behind it, and the publisher's end. Two recordings may wait at once.
    pub(super) async fn with_hold(settings: Settings) -> (Self, HoldOutlet) {
        let limits = Limits {
            inflight_bytes: 2 * signed(100).len(),
            body_bytes: 1,
            ..settings.limits
        };
        let mut outlet = None;
        let keeper = |registry: &prometheus::Registry, callbacks: &Callbacks| {
            let hold = hold::Settings {
                dedup: Dedup {
                    window: Duration::from_secs(1800),
                    max_entries: 1000,
                },
                lanes: vec![vec![Family::Recording]],
                limits: &limits,
                ack_timeout: settings.http.answer_timeout,
            };
            let (clock, ring) = (Arc::new(Fixed), Box::new(|| {}));
            let opened = hold::open(&hold, clock, registry, callbacks.clone(), ring).unwrap();
            outlet = Some(opened.outlet);
            Keeper::Hold(opened.appender)
        };
        let rig = Self::with_keeper(settings.clone(), keeper).await;
        (rig, outlet.unwrap())
    }

    async fn with_keeper(
        settings: Settings,
        keeper: impl FnOnce(&prometheus::Registry, &Callbacks) -> Keeper,
    ) -> Self {
        let names: Vec<_> = settings.sources.iter().map(|s| s.name.clone()).collect();
        let registry = prometheus::Registry::new();
        let callbacks = Callbacks::register(&registry, &names).unwrap();
        let metrics = Arc::new(Metrics::register(&registry, &names).unwrap());
        let decisions = Arc::new(Decisions::new(&names, &settings.redact));
        let keeper = keeper(&registry, &callbacks);
        let door = Door::new(Parts {
            http: &settings.http,
            limits: &settings.limits,
            sources: &settings.sources,
            leeway: Duration::from_secs(1200),
            off: settings.off,
            keeper,
            clock: Arc::new(Fixed),
            metrics: Arc::clone(&metrics),
            callbacks: callbacks.clone(),
            ledger: settings.ledger,
            decisions: Arc::clone(&decisions),
            traces: settings.traces,
            read_key_file: Arc::new(|_| Err(KeyFileError::Empty)),
            read_pem: settings.read_pem,
        });
        let door = door.unwrap();
        let reloads = door.reloads();
        let listener = TcpListener::bind(settings.http.listen).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (phase, watched) = watch::channel(Phase::Running);
        let served = tokio::spawn(serve(listener, Arc::new(door), watched));
        Self {
            address,
            phase,
            served,
            metrics,
            callbacks,
            registry,
            reloads,
            decisions,
        }
    }

    /// A door whose spool makes everything durable at once.
    pub(super) async fn durable(settings: Settings) -> Self {
        let (rig, mut writer) = Self::with_writer(settings).await;
        tokio::spawn(async move {
            while let Some(waiting) = writer.next().await {
                waiting.durable(How::New);
            }
        });
        rig
    }

    pub(super) async fn connect(&self) -> Client {
        let socket = TcpStream::connect(self.address).await.unwrap();
        Client::new(socket)
    }

    pub(super) async fn post(&self, path: &str, body: &str) -> Answer {
        let mut client = self.connect().await;
        client.send(&post(path, body)).await;
        client.answer().await
    }

    pub(super) fn count(&self, event: EventName, outcome: Outcome) -> u64 {
        let source = SourceName::parse("tencent").unwrap();
        self.callbacks.get(&source, event, outcome)
    }

    /// Waits until it is so.
    pub(super) async fn until(&self, so: impl Fn(&Self) -> bool) {
        let wait = async {
            while !so(self) {
                time::sleep(Duration::from_millis(5)).await;
            }
        };
        time::timeout(LONG, wait).await.expect("it never was so");
    }
}

#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    head: String,
    pub(super) body: String,
}

impl Answer {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().skip(1);
        let mut pairs = lines.filter_map(|line| line.split_once(": "));
        pairs
            .find(|(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    pub(super) fn closes(&self) -> bool {
        self.header("connection") == Some("close")
    }
}

pub(super) struct Client<S = TcpStream> {
    pub(super) socket: S,
    buffer: Vec<u8>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    pub(super) const fn new(socket: S) -> Self {
        let buffer = Vec::new();
        Self { socket, buffer }
    }

    pub(super) async fn send(&mut self, bytes: &[u8]) {
        self.socket.write_all(bytes).await.unwrap();
    }

    /// Whether no answer has come so far.
    pub(super) async fn nothing_yet(&mut self) -> bool {
        let soon = Duration::from_millis(20);
        let read = time::timeout(soon, self.socket.read_buf(&mut self.buffer));
        read.await.is_err()
    }

    /// The next answer. Panics if there is none, or not in time.
    pub(super) async fn answer(&mut self) -> Answer {
        self.next().await.expect("closed without an answer")
    }

    /// The next answer; none if the connection is closed first.
    pub(super) async fn next(&mut self) -> Option<Answer> {
        time::timeout(LONG, async {
            loop {
                if let Some(answer) = self.parse() {
                    return Some(answer);
                }
                match self.socket.read_buf(&mut self.buffer).await {
                    Ok(0) | Err(_) => return None,
                    Ok(_) => {}
                }
            }
        })
        .await
        .expect("neither answered nor closed")
    }

    fn parse(&mut self) -> Option<Answer> {
        let text = String::from_utf8(self.buffer.clone()).unwrap();
        let (head, rest) = text.split_once("\r\n\r\n")?;
        let answer = Answer {
            status: head.split(' ').nth(1)?.parse().ok()?,
            head: head.into(),
            body: String::new(),
        };
        let len: usize = answer
            .header("content-length")
            .map_or(0, |n| n.parse().unwrap());
        let body = rest.get(..len)?.to_owned();
        self.buffer.drain(..head.len() + 4 + len);
        Some(Answer { body, ..answer })
    }
}

pub(super) fn post(path: &str, body: &str) -> Vec<u8> {
    format!(
        "POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into()
}

/// A signed callback.
pub(super) fn signed(event_type: i64) -> String {
    format!(r#"{{"event_type":{event_type},"stream_id":"s1","t":1750000000,"sign":"{SIGN}"}}"#)
}

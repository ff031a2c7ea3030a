//! The relay on one thread: the real door, spool and publisher of one process, called step by step, over a machine that outlives
//! it: disk, Kafka, clocks.

use crate::{
    callback::names::{Family, SourceName},
    clock::{Clock, Millis},
    config::{self, Auth, NamedKey, Secret, Source, SourceKind, Topics, keys::KeyFileError},
    follow::Decisions,
    front::{self, Door, Keeper, Phase, handle, off::Off},
    metrics::{Callbacks, registry},
    publish::{
        self,
        plan::Tick,
        simulation::{driven::Driven, kafka::KafkaRef},
    },
    rejects::Ledger,
    spool::{
        LogOutlet, Settings,
        simulated::{SimulatedDisk, SimulatedSpool},
    },
    traces::Traces,
};
use bytes::Bytes;
use http_body_util::Full;
use hyper::Request;
use prometheus::Registry;
use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::sync::watch;

pub(super) const KEY: &str = "relaykey01";
/// When the day begins.
const DAWN: u64 = 1_750_000_000_000;
const LONG: Duration = Duration::from_secs(10);

/// The time that has passed, and how wrong the wall clock is.
#[derive(Debug, Default)]
pub(super) struct Clocks {
    passed: AtomicU64,
    wrong: AtomicI64,
}

impl Clocks {
    pub(super) fn pass(&self, time: Duration) {
        let millis = u64::try_from(time.as_millis()).unwrap();
        self.passed.fetch_add(millis, Ordering::Relaxed);
    }

    pub(super) fn now(&self) -> Tick {
        Duration::from_millis(self.passed.load(Ordering::Relaxed))
    }

    /// What the senders' clocks say, which are right.
    pub(super) fn true_seconds(&self) -> u64 {
        (DAWN + self.passed.load(Ordering::Relaxed)) / 1000
    }

    pub(super) fn set_wrong(&self, millis: i64) {
        self.wrong.store(millis, Ordering::Relaxed);
    }
}

impl Clock for Clocks {
    fn now(&self) -> Millis {
        let right = DAWN + self.passed.load(Ordering::Relaxed);
        Millis(right.saturating_add_signed(self.wrong.load(Ordering::Relaxed)))
    }
}

/// What outlives a process.
pub(super) struct Machine {
    pub(super) disk: SimulatedDisk,
    pub(super) kafka: KafkaRef,
    pub(super) clocks: Arc<Clocks>,
    pub(super) topics: Topics,
    /// Of the jitter.
    pub(super) seed: u64,
}

/// A request under way: its status, in the end.
pub(super) type Answer = Pin<Box<dyn Future<Output = u16>>>;

/// One process.
pub(super) struct Relay {
    door: Arc<Door>,
    phase: watch::Sender<Phase>,
    pub(super) spool: SimulatedSpool,
    pub(super) publisher: Driven<LogOutlet>,
    registry: Registry,
}

/// `(family, topic)`: two families share a topic; what isn't here is off.
pub(super) const TOPICS: [(Family, &str); 5] = [
    (Family::Recording, "recordings"),
    (Family::RecordingStatus, "recordings"),
    (Family::Stream, "streams"),
    (Family::Screenshot, "pictures"),
    (Family::Unknown, "others"),
];

pub(super) fn topics() -> Topics {
    let named = |(family, topic): (Family, &str)| (family, topic.to_owned());
    Topics {
        families: TOPICS.map(named).into(),
        quarantine: None,
        checkpoint: "checkpoint".into(),
    }
}

fn source() -> Source {
    Source {
        name: SourceName::parse("tencent").unwrap(),
        kind: SourceKind::TencentCss,
        auth: Auth::Required,
        path_token: None,
        allow: vec![],
        unsigned_events: BTreeSet::new(),
        keys: vec![NamedKey {
            name: "key-1".into(),
            key: Secret::new(KEY),
        }],
        key_files: vec![],
    }
}

/// Small, so that a short day sees rotations, deletions, and a full spool.
fn spool_settings() -> config::Spool {
    config::Spool {
        dir: "simulated".into(),
        max_bytes: 24 << 10,
        segment_bytes: 1,
        retain: Duration::ZERO,
        quarantine_max_bytes: 1 << 20,
    }
}

pub(super) const LIMITS: config::Limits = config::Limits {
    body_bytes: 1000,
    header_bytes: 1 << 14,
    connections: 64,
    connections_per_address: None,
    inflight_requests: 64,
    inflight_bytes: 1 << 20,
};

pub(super) const DEDUP: config::Dedup = config::Dedup {
    window: Duration::from_secs(1800),
    max_entries: 1000,
};

fn http() -> config::Http {
    config::Http {
        listen: ([127, 0, 0, 1], 0).into(),
        tls: None,
        trusted_proxies: vec![],
        proxy_protocol: false,
        handshake_timeout: LONG,
        header_timeout: LONG,
        body_timeout: LONG,
        idle_timeout: LONG,
        answer_timeout: Duration::from_secs(4),
        write_timeout: LONG,
        connection_lifetime: LONG,
    }
}

impl Relay {
    /// As `app` does it, without listeners and threads. An error is what ends a start with exit code 1.
    pub(super) fn start(machine: &Machine) -> Result<Self, String> {
        let registry = registry().unwrap();
        let names = [source().name];
        let clock: Arc<dyn Clock> = Arc::clone(&machine.clocks) as _;
        let callbacks = Callbacks::register(&registry, &names).unwrap();
        let spool = spool_settings();
        let settings = Settings {
            spool: &spool,
            dedup: DEDUP,
            limits: &LIMITS,
        };
        let (spool, appender, outlet) = SimulatedSpool::open(
            &machine.disk,
            settings,
            &clock,
            &registry,
            callbacks.clone(),
        )
        .map_err(|e| e.to_string())?;
        let topics = &machine.topics;
        let pending = spool.pending.clone();
        let publisher = Driven::new(
            outlet,
            &machine.kafka,
            topics,
            Arc::clone(&clock),
            publish::Metrics::register(&registry, topics, pending).unwrap(),
            machine.seed,
        );
        let (door, _) = door(topics);
        let door = door(Keeper::Spool(appender), clock, &registry, callbacks);
        Ok(Self {
            door: Arc::new(door),
            phase: watch::channel(Phase::Running).0,
            spool,
            publisher,
            registry,
        })
    }

    /// Brings a callback to the door.
    pub(super) fn post(&self, body: String) -> Answer {
        post(&self.door, &self.phase, body)
    }

    /// recovered + accepted, and published + quarantined + corrupt + discarded + pending: equal at rest.
    pub(super) fn identity(&self) -> (u64, u64) {
        counted(&self.registry)
    }

    /// A stop in order, when nothing is under way any more.
    pub(super) fn stop(self) {
        drop(self.door);
        drop(self.publisher);
        self.spool.finish();
    }
}

/// Makes doors for these topics, and says which sources they have.
#[expect(clippy::type_complexity, reason = "what differs from door to door")]
pub(super) fn door(
    topics: &Topics,
) -> (
    impl FnOnce(Keeper, Arc<dyn Clock>, &Registry, Callbacks) -> Door + use<>,
    [SourceName; 1],
) {
    let source = source();
    let names = [source.name.clone()];
    let off = Off::all_but(|family| topics.families.contains_key(&family));
    let theirs = names.clone();
    let door = move |keeper, clock, registry: &Registry, callbacks| {
        Door::new(front::Parts {
            http: &http(),
            limits: &LIMITS,
            sources: &[source],
            leeway: Duration::from_secs(1200),
            off,
            keeper,
            clock,
            metrics: Arc::new(front::Metrics::register(registry, &theirs).unwrap()),
            callbacks,
            ledger: Ledger::none(),
            decisions: Arc::new(Decisions::new(&theirs, &[])),
            traces: Traces::off(),
            read_key_file: Arc::new(|_| Err(KeyFileError::Empty)),
            read_pem: Arc::new(|_| Err(std::io::ErrorKind::NotFound.into())),
        })
        .unwrap()
    };
    (door, names)
}

/// Brings a callback to a door.
pub(super) fn post(door: &Arc<Door>, phase: &watch::Sender<Phase>, body: String) -> Answer {
    let (door, mut phase) = (Arc::clone(door), phase.subscribe());
    Box::pin(async move {
        let request = Request::post("/callbacks/tencent");
        let request = request.body(Full::new(Bytes::from(body))).unwrap();
        let peer = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let answer = handle(&door, peer, request, &mut phase).await;
        answer.reply.status().as_u16()
    })
}

/// recovered + accepted, and published + quarantined + corrupt + discarded + pending.
pub(super) fn counted(registry: &Registry) -> (u64, u64) {
    let (mut taken, mut accounted) = (0.0, 0.0);
    for family in registry.gather() {
        let all = || family.get_metric().iter();
        let counted = || all().map(|m| m.get_counter().get_value()).sum::<f64>();
        let gauged = || all().map(|m| m.get_gauge().get_value()).sum::<f64>();
        match family.name().trim_start_matches("livebridge_") {
            "callbacks_total" => {
                taken += all()
                    .filter(|m| m.get_label().iter().any(|l| l.value() == "accepted"))
                    .map(|m| m.get_counter().get_value())
                    .sum::<f64>();
            }
            "spool_recovered_records" => taken += gauged(),
            "spool_pending_records" => accounted += gauged(),
            "published_total"
            | "quarantined_total"
            | "spool_corrupt_records_total"
            | "discarded_total" => accounted += counted(),
            _ => {}
        }
    }
    (taken as u64, accounted as u64)
}

//! Building the parts, in the order of dependency. Sockets come first, so that a taken address costs nothing.

use super::{
    Fault, Part, Parts, Relay,
    control::Control,
    files,
    renewal::{self, Renewal},
    spans::export_spans,
    status::{Sources, status, unchecked},
    store::Building,
};
use crate::{
    clock::Clock,
    config::{Config, keys::read_file, read_settings_file},
    follow::Decisions,
    front::{self, Door, Phase, admin, off::Off, reload},
    health::Health,
    metrics::{self, Callbacks},
    publish,
    spool::{self, AfterSync, Receipts},
};
use prometheus::Registry;
use std::{
    net::SocketAddr,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
};
use tokio::{
    net::TcpListener,
    runtime::Handle,
    sync::{Notify, oneshot, watch},
    task,
};

/// The two sockets, bound.
#[derive(Debug)]
pub struct Listeners {
    /// For callbacks.
    pub http: TcpListener,
    /// For probes and metrics.
    pub admin: TcpListener,
}

impl Listeners {
    /// Binds both addresses of the settings.
    ///
    /// # Errors
    /// If one of them is taken, or not ours.
    pub async fn bind(config: &Config) -> Result<Self, Fault> {
        Ok(Self {
            http: bind("http.listen", config.http.listen).await?,
            admin: bind("admin.listen", config.admin_listen).await?,
        })
    }
}

async fn bind(setting: &'static str, address: SocketAddr) -> Result<TcpListener, Fault> {
    TcpListener::bind(address)
        .await
        .map_err(|source| Fault::Listen {
            setting,
            address,
            source,
        })
}

impl Relay {
    /// Recovers the spool, if there is one, then starts the publisher, then opens the door. The admin listener answers from the first
    /// moment. Needs no broker in reach.
    ///
    /// # Errors
    /// If the spool can't be opened or a thread not be started.
    pub async fn start(
        config: &Config,
        listeners: Listeners,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, Fault> {
        let registry = metrics::registry()?;
        let address = |listener: &TcpListener, setting, address| {
            listener.local_addr().map_err(|source| Fault::Listen {
                setting,
                address,
                source,
            })
        };
        let http = address(&listeners.http, "http.listen", config.http.listen)?;
        let admin_address = address(&listeners.admin, "admin.listen", config.admin_listen)?;

        let life = Life::default();
        let (admin_stop, admin_stopped) = watch::channel(false);
        let admin = Arc::new(admin::Admin::new(registry.clone(), life.health())?);
        let admin = tokio::spawn(admin::serve(listeners.admin, admin, admin_stopped));

        let names: Vec<_> = config
            .sources
            .iter()
            .map(|source| source.name.clone())
            .collect();
        let callbacks = Callbacks::register(&registry, &names)?;
        let publisher = publish::Handle::new();
        let settings = publish::Settings::from(config);
        let access = settings.kafka.clone();
        let (traces, exporter) = export_spans(&config.traces, &registry)?;
        let building = Building {
            config,
            settings: &settings,
            clock: &clock,
            registry: &registry,
            callbacks: &callbacks,
            publisher: &publisher,
            traces: &traces,
        };
        let mut built = building.open().await?;
        let decisions = Arc::new(Decisions::new(&names, &config.redact));
        let followed = Arc::downgrade(&decisions);
        let mut limits = config.limits;
        limits.connections = files::connections(limits.connections);
        let front_metrics = Arc::new(front::Metrics::register(&registry, &names)?);
        let counted = Arc::clone(&front_metrics);
        let renewal = Renewal::new(config, access, publisher.clone(), move || {
            counted.reload_failed();
        });
        let door = Arc::new(Door::new(front::Parts {
            http: &built.http,
            limits: &limits,
            sources: &config.sources,
            leeway: config.expiry_leeway,
            off: Off::all_but(|family| config.topics.families.contains_key(&family)),
            keeper: built.keeper,
            clock: Arc::clone(&clock),
            metrics: front_metrics,
            callbacks,
            ledger: built.ledger,
            decisions,
            traces,
            read_key_file: Arc::new(read_file),
            read_pem: Arc::new(read_settings_file),
        })?);
        life.mark_started(Sources {
            store: built.shown,
            publisher: publisher.clone(),
            sender_clock: door.sender_clock(),
            keyrings: door.keyrings(),
            unchecked: unchecked(&config.sources),
            clock: Arc::clone(&clock),
        });
        let control = Control {
            dir: config.spool.dir.clone(),
            settings,
            metrics: built.metrics,
            clock,
            sources: Arc::clone(&life.sources),
            decisions: followed,
            door: Arc::downgrade(&door),
        };
        built.store.listen_to_commands(control);
        let (reloads_stop, reloads_stopped) = watch::channel(false);
        let reload = Arc::new(Notify::new());
        let renewals = renewal::poll(renewal, reloads_stopped.clone());
        let reloads = reload::poll(door.reloads(), Arc::clone(&reload), reloads_stopped);
        let reloads = tokio::spawn(async { _ = tokio::join!(reloads, renewals) });
        let (phase, phases) = watch::channel(Phase::Running);
        let door = tokio::spawn(front::serve(listeners.http, door, phases));
        tracing::info!(http = %http, admin = %admin_address, "listening");
        Ok(Self {
            http,
            admin: admin_address,
            parts: Parts {
                phase,
                draining: life.draining,
                door: Part::new(door),
                admin: Part::new(admin),
                reloads: Part::new(reloads),
                store: built.store,
                publisher,
                publishing: Part::new(built.publishing),
                reload,
                exporter,
                _stops: [admin_stop, reloads_stop],
            },
        })
    }
}

/// Recovery reads and syncs files: not on a thread that others need.
pub(super) async fn open_spool(
    config: &Config,
    clock: &Arc<dyn Clock>,
    registry: &Registry,
    callbacks: &Callbacks,
    publisher: &publish::Handle,
) -> Result<spool::Opened, Fault> {
    let (clock, registry, callbacks) = (Arc::clone(clock), registry.clone(), callbacks.clone());
    let (spool, dedup, limits) = (config.spool.clone(), config.dedup, config.limits);
    let ring = publisher.clone();
    let runtime = Handle::current();
    let opening = task::spawn_blocking(move || {
        let settings = spool::Settings {
            spool: &spool,
            dedup,
            limits: &limits,
        };
        let after_sync = AfterSync {
            tell: tell_on(runtime),
            ring: Box::new(move || ring.durable_advanced()),
        };
        spool::open(settings, clock, &registry, callbacks, after_sync)
    });
    let opened = opening
        .await
        .map_err(|_| Fault::Panicked("opening of the spool"))??;
    let report = &opened.report;
    tracing::info!(
        spool_id = report.spool_id,
        instance = report.instance,
        recovered_records = report.recovered_records,
        corrupt_records = report.corrupt_records,
        window_entries = report.window_entries,
        "the spool is open"
    );
    for damage in &report.damage {
        tracing::error!(
            damage,
            "the spool was damaged; what could be read of it is in corrupt/"
        );
    }
    Ok(opened)
}

/// From the runtime's own threads, to which the door's requests belong, many callers are woken for a fraction of what it costs from
/// another one. A few are told at once: one hop less.
fn tell_on(runtime: Handle) -> Box<dyn Fn(Receipts) + Send> {
    const FEW: usize = 2;
    Box::new(move |receipts| {
        if receipts.len() <= FEW {
            receipts.tell();
        } else {
            runtime.spawn(async move { receipts.tell() });
        }
    })
}

/// A thread's end, as something to wait for.
pub(super) fn watch_thread<T: Send + 'static>(
    thread: JoinHandle<T>,
) -> Result<oneshot::Receiver<T>, Fault> {
    let (ended, end) = oneshot::channel();
    thread::Builder::new()
        .name("livebridge-join".into())
        .spawn(move || {
            // A panic drops `ended`, which tells as much. Nobody may be listening any more.
            if let Ok(result) = thread.join() {
                drop(ended.send(result));
            }
        })
        .map_err(|source| Fault::Process {
            doing: "starting a thread",
            source,
        })?;
    Ok(end)
}

/// What the probes know before the parts are built, and after.
#[derive(Default)]
struct Life {
    draining: Arc<AtomicBool>,
    started: Arc<AtomicBool>,
    sources: Arc<OnceLock<Sources>>,
}

impl Life {
    fn health(&self) -> Health {
        let (draining, sources) = (Arc::clone(&self.draining), Arc::clone(&self.sources));
        let not_ready = move || {
            let mut reasons = Vec::new();
            if draining.load(Ordering::Acquire) {
                reasons.push("draining".into());
            }
            if let Some(sources) = sources.get() {
                reasons.extend(sources.store.not_ready());
            }
            reasons
        };
        let sources = Arc::clone(&self.sources);
        let status = move || match sources.get() {
            Some(sources) => status(sources),
            None => serde_json::json!({ "state": "starting" }),
        };
        Health::new(
            Box::new(not_ready),
            Arc::clone(&self.started),
            Box::new(status),
        )
    }

    fn mark_started(&self, sources: Sources) {
        // Set once, here.
        drop(self.sources.set(sources));
        self.started.store(true, Ordering::Release);
    }
}

//! What a 200 rests on, and the only place that knows which it is: the spool on disk (`ack = "spool"`), or memory until all
//! in-sync replicas have it (`ack = "kafka"`).

use super::{
    Fault,
    control::{self, Control},
    opening::{open_spool, watch_thread},
    status::Shown,
};
use crate::{
    callback::names::SourceName,
    clock::Clock,
    config::{Ack, Config, Drain, Http},
    front::Keeper,
    hold,
    metrics::Callbacks,
    publish::{self, Left, plan},
    rejects::{self, Ledger},
    spool,
    traces::Traces,
};
use prometheus::Registry;
use std::{future, sync::Arc, time::Duration};
use tokio::{
    sync::{oneshot, watch},
    task::JoinHandle,
    time::{Instant, timeout, timeout_at},
};

/// What a part may take over its own time.
const GRACE: Duration = Duration::from_millis(500);

/// What it takes to build the parts.
pub(super) struct Building<'a> {
    pub(super) config: &'a Config,
    pub(super) settings: publish::Settings,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) registry: Registry,
    /// The names of the configured senders.
    pub(super) sources: Vec<SourceName>,
    pub(super) callbacks: Callbacks,
    pub(super) publisher: publish::Handle,
    pub(super) traces: Traces,
}

/// An open store, and the publisher that reads it.
pub(super) struct Built {
    pub(super) store: Store,
    pub(super) serves: Serves,
    pub(super) shown: Shown,
    pub(super) publishing: oneshot::Receiver<Result<Left, publish::Fault>>,
    pub(super) metrics: publish::Metrics,
}

/// What a store gives the door.
pub(super) struct Serves {
    pub(super) keeper: Keeper,
    pub(super) ledger: Ledger,
    /// Its time limits.
    pub(super) http: Http,
}

/// What runs.
#[derive(Debug)]
pub(super) enum Store {
    Spool(Disk),
    Hold(hold::Hold, Duration),
}

/// The spool's own parts, and what lies beside it.
#[derive(Debug)]
pub(super) struct Disk {
    threads: spool::Threads,
    /// The writer has ended: its threads must not be asked again.
    over: bool,
    status: spool::StatusSource,
    /// Ends after the door, when what it was offered is written.
    ledger: Option<oneshot::Receiver<()>>,
    control: Option<JoinHandle<()>>,
    control_stop: watch::Sender<bool>,
}

impl Building<'_> {
    pub(super) async fn open(&self) -> Result<Built, Fault> {
        match self.config.ack {
            Ack::Spool => self.spool().await,
            Ack::Kafka => self.hold(),
        }
    }

    async fn spool(&self) -> Result<Built, Fault> {
        let config = self.config;
        let opened = open_spool(
            config,
            &self.clock,
            &self.registry,
            &self.callbacks,
            &self.publisher,
        )
        .await?;
        let (publishing, metrics) = self.publish(opened.outlet, opened.pending)?;
        let (ledger, ledger_thread) = rejects::open(
            &config.spool.dir,
            config.rejects,
            Arc::clone(&self.clock),
            rejects::Metrics::register(&self.registry)?,
        )
        .map_err(|source| Fault::Process {
            doing: "opening the ledger of refusals",
            source,
        })?;
        let disk = Disk {
            threads: opened.threads,
            over: false,
            status: opened.status.clone(),
            ledger: ledger_thread.map(watch_thread).transpose()?,
            control: None,
            control_stop: watch::channel(false).0,
        };
        Ok(Built {
            store: Store::Spool(disk),
            serves: Serves {
                keeper: Keeper::Spool(opened.appender),
                ledger,
                http: config.http.clone(),
            },
            shown: Shown::Spool(opened.status, Box::new(opened.report)),
            publishing,
            metrics,
        })
    }

    /// Nothing of it touches the disk.
    fn hold(&self) -> Result<Built, Fault> {
        let config = self.config;
        let dir = &config.spool.dir;
        if dir.join("spool-id").is_file() {
            tracing::warn!(
                dir = %dir.display(),
                "there is a spool of earlier days, which is left alone with ack = \"kafka\": if something is pending in it, `livebridge drain --spool-dir` publishes it"
            );
        }
        let routes = plan::routes(&config.topics).into_iter();
        let lanes = routes.filter(|route| route.topic.is_some());
        let settings = hold::Settings {
            dedup: config.dedup,
            lanes: lanes.map(|route| route.families).collect(),
            limits: &config.limits,
            ack_timeout: config.ack_timeout,
        };
        let ring = self.publisher.clone();
        let opened = hold::open(
            &settings,
            Arc::clone(&self.clock),
            &self.registry,
            self.callbacks.clone(),
            Box::new(move || ring.durable_advanced()),
        )?;
        let (publishing, metrics) = self.publish(opened.outlet, opened.pending)?;
        Ok(Built {
            store: Store::Hold(opened.hold.clone(), config.ack_timeout),
            serves: Serves {
                keeper: Keeper::Hold(opened.appender),
                ledger: Ledger::none(),
                http: Http {
                    answer_timeout: config.ack_timeout,
                    ..config.http.clone()
                },
            },
            shown: Shown::Hold(opened.hold),
            publishing,
            metrics,
        })
    }

    fn publish<O: spool::Outlet>(
        &self,
        outlet: O,
        pending: prometheus::IntGauge,
    ) -> Result<
        (
            oneshot::Receiver<Result<Left, publish::Fault>>,
            publish::Metrics,
        ),
        Fault,
    > {
        let config = self.config;
        let metrics = publish::Metrics::register(&self.registry, &config.topics, pending)?;
        let thread = publish::spawn(
            &self.publisher,
            self.settings.clone(),
            outlet,
            Arc::clone(&self.clock),
            metrics.clone(),
            self.traces.clone(),
        )?;
        Ok((watch_thread(thread)?, metrics))
    }
}

impl Store {
    /// Opens the socket through which commands reach a relay with a spool.
    pub(super) fn listen_to_commands(&mut self, control: Control) {
        if let Self::Spool(disk) = self {
            disk.control = control::start(control, disk.control_stop.subscribe());
        }
    }

    /// Its end, which doesn't come by itself.
    pub(super) async fn ended(&mut self) -> Fault {
        match self {
            Self::Spool(disk) if !disk.over => {
                let ended = disk.threads.ended().await;
                disk.over = true;
                match ended {
                    Ok(()) => Fault::EndedByItself("spool's writer"),
                    Err(stopped) => Fault::Writer(stopped),
                }
            }
            Self::Spool(_) | Self::Hold(..) => future::pending().await,
        }
    }

    /// A replay under way is broken off; the socket's file goes with it.
    pub(super) fn end_commands(&self) {
        if let Self::Spool(disk) = self {
            disk.control_stop.send_replace(true);
        }
    }

    /// How long a request that was read in full may wait for its answer once the door takes no more: as long as it would have
    /// waited anyhow, within what the settings give to publishing at the end.
    pub(super) fn last_answers_within(&self, drain: Drain) -> Duration {
        match self {
            Self::Spool(_) => Duration::ZERO,
            Self::Hold(_, ack_timeout) => drain.publish.min(*ack_timeout),
        }
    }

    /// Whoever still waits for an ack is answered 503. True: somebody may have been.
    pub(super) fn end_waiting(&self) -> bool {
        match self {
            Self::Spool(_) => false,
            Self::Hold(hold, _) => {
                hold.close();
                true
            }
        }
    }

    /// The ledger writes what it has, and whoever follows is told. Neither is owed anything: it isn't waited for long.
    pub(super) async fn told_of_the_end(&mut self) {
        let Self::Spool(disk) = self else { return };
        let (ledger, control) = (disk.ledger.take(), disk.control.take());
        let both = async {
            if let Some(ledger) = ledger {
                drop(ledger.await);
            }
            if let Some(control) = control {
                drop(control.await);
            }
        };
        drop(timeout(GRACE, both).await);
    }

    /// The writer syncs and answers what it has.
    pub(super) async fn writer_ends(&mut self) -> Result<(), Fault> {
        match self {
            Self::Spool(disk) if !disk.over => match timeout(GRACE, disk.threads.ended()).await {
                Ok(ended) => ended.map_err(Fault::Writer),
                // What waits there was not answered 200.
                Err(_) => Err(Fault::StuckDisk),
            },
            Self::Spool(_) | Self::Hold(..) => Ok(()),
        }
    }

    /// How long the publisher goes on when nothing is accepted any more. Whoever brought what a hold still has was answered
    /// 503 and brings it again, to another replica or the next run: publishing it now would only make two of it.
    pub(super) const fn publishes_for(&self, drain: Drain) -> Duration {
        match self {
            Self::Spool(_) => drain.publish,
            Self::Hold(..) => Duration::ZERO,
        }
    }

    /// Records that aren't settled.
    pub(super) fn left(&self) -> u64 {
        match self {
            Self::Spool(disk) => disk.status.get().pending_records,
            Self::Hold(hold, _) => hold.pending() as u64,
        }
    }

    /// The housekeeper, as a rule long over: whoever removes the directory now finds it at rest.
    pub(super) async fn gone(&mut self, latest: Instant) {
        let Self::Spool(disk) = self else { return };
        let latest = latest.min(Instant::now() + GRACE);
        if timeout_at(latest, disk.threads.gone()).await.is_err() {
            tracing::warn!("the spool's threads did not end in time");
        }
    }
}

//! Building the parts, in the order of dependency. Sockets come first, so that a taken address costs nothing.

use super::{
    Fault, Part, Parts, Relay,
    control::Control,
    files,
    life::Life,
    listeners::Listeners,
    renewal::{self, Renewal},
    spans::{Exporter, export_spans},
    status::{Sources, unchecked},
    store::{Building, Serves},
};
use crate::{
    clock::Clock,
    config::{Config, keys::read_file, read_settings_file},
    follow::Decisions,
    front::{self, Door, Phase, admin, off::Off, reload},
    metrics::{self, Callbacks},
    publish,
};
use prometheus::Registry;
use std::sync::Arc;
use tokio::{
    net::TcpListener,
    sync::{Notify, watch},
    task::JoinHandle,
};

/// A task that ends when told so, or when the sender is dropped.
type Stoppable = (JoinHandle<()>, watch::Sender<bool>);

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
        let (http, admin_address) = listeners.addresses(config)?;
        let registry = metrics::registry()?;
        let life = Life::default();
        let (admin, admin_stop) = serve_admin(listeners.admin, &registry, &life)?;

        let (building, exporter) = ground(config, clock, registry)?;
        let mut built = building.open().await?;
        let metrics = building.front_metrics()?;
        let door = building.door(built.serves, Arc::clone(&metrics))?;
        life.mark_started(Sources {
            store: built.shown,
            publisher: building.publisher.clone(),
            sender_clock: door.sender_clock(),
            keyrings: door.keyrings(),
            unchecked: unchecked(&config.sources),
            clock: Arc::clone(&building.clock),
        });
        built.store.listen_to_commands(Control {
            dir: config.spool.dir.clone(),
            settings: building.settings.clone(),
            metrics: built.metrics,
            clock: Arc::clone(&building.clock),
            sources: Arc::clone(&life.sources),
            door: Arc::downgrade(&door),
        });
        let reload = Arc::new(Notify::new());
        let (reloads, reloads_stop) = building.renew(&door, metrics, Arc::clone(&reload));
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
                publisher: building.publisher,
                publishing: Part::new(built.publishing),
                reload,
                exporter,
                _stops: [admin_stop, reloads_stop],
            },
        })
    }
}

fn serve_admin(
    listener: TcpListener,
    registry: &Registry,
    life: &Life,
) -> Result<Stoppable, Fault> {
    let (stop, stopped) = watch::channel(false);
    let admin = Arc::new(admin::Admin::new(registry.clone(), life.health())?);
    Ok((tokio::spawn(admin::serve(listener, admin, stopped)), stop))
}

/// What all parts stand on. Needs a runtime.
fn ground(
    config: &Config,
    clock: Arc<dyn Clock>,
    registry: Registry,
) -> Result<(Building<'_>, Exporter), Fault> {
    let sources = config.sources.iter().map(|source| source.name.clone());
    let sources: Vec<_> = sources.collect();
    let callbacks = Callbacks::register(&registry, &sources)?;
    let (traces, exporter) = export_spans(&config.traces, &registry)?;
    let building = Building {
        config,
        settings: publish::Settings::from(config),
        clock,
        registry,
        sources,
        callbacks,
        publisher: publish::Handle::new(),
        traces,
    };
    Ok((building, exporter))
}

impl Building<'_> {
    fn front_metrics(&self) -> Result<Arc<front::Metrics>, Fault> {
        let metrics = front::Metrics::register(&self.registry, &self.sources)?;
        Ok(Arc::new(metrics))
    }

    fn door(&self, serves: Serves, metrics: Arc<front::Metrics>) -> Result<Arc<Door>, Fault> {
        let config = self.config;
        let mut limits = config.limits;
        limits.connections = files::connections(limits.connections);
        let door = Door::new(front::Parts {
            http: &serves.http,
            limits: &limits,
            sources: &config.sources,
            leeway: config.expiry_leeway,
            off: Off::all_but(|family| config.topics.families.contains_key(&family)),
            keeper: serves.keeper,
            clock: Arc::clone(&self.clock),
            metrics,
            callbacks: self.callbacks.clone(),
            ledger: serves.ledger,
            decisions: Arc::new(Decisions::new(&self.sources, &config.redact)),
            traces: self.traces.clone(),
            read_key_file: Arc::new(read_file),
            read_pem: Arc::new(read_settings_file),
        })?;
        Ok(Arc::new(door))
    }

    /// Keys, certificates and the files of Kafka's clients are read again when they change.
    fn renew(&self, door: &Door, metrics: Arc<front::Metrics>, at_once: Arc<Notify>) -> Stoppable {
        let (stop, stopped) = watch::channel(false);
        let access = self.settings.kafka.clone();
        let renewal = Renewal::new(self.config, access, self.publisher.clone(), move || {
            metrics.reload_failed();
        });
        let renewals = renewal::poll(renewal, stopped.clone());
        let reloads = reload::poll(door.reloads(), at_once, stopped);
        let both = async { _ = tokio::join!(reloads, renewals) };
        (tokio::spawn(both), stop)
    }
}

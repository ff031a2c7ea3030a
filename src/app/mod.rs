//! The only place that builds the parts and ties them: listeners, spool, publisher, door, admin.
//!
//! [`Relay::start`] builds in the order of dependency; [`Relay::run`] notices when a part has ended and stops the rest in
//! the order of the flow, so that each finds what it needs until it is done.

mod control;
mod drain;
mod files;
mod life;
mod listeners;
mod opening;
mod part;
mod renewal;
mod signals;
mod spans;
mod start;
mod status;
mod stop;
mod store;

pub use drain::{Drained, Standing, drain};
pub use listeners::Listeners;
pub use signals::{HangUp, Signals};
pub use stop::Ended;

use crate::{
    clock::SystemClock,
    config::{Ack, Config, Drain},
    front::Phase,
    publish::{self, Left},
    spool,
};
use part::Part;
use spans::Exporter;
use std::{
    future::Future,
    io,
    net::SocketAddr,
    sync::{Arc, atomic::AtomicBool},
};
use store::Store;
use tokio::{
    runtime,
    sync::{Notify, oneshot, watch},
    task::JoinHandle,
};

/// Why the relay could not start, or ended by itself. The process exits with 1.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// An address is taken, or not ours.
    #[error("can't listen on {address} ({setting}): {source}")]
    Listen {
        /// The setting that names it.
        setting: &'static str,
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The runtime or the signal handlers.
    #[error("{doing}: {source}")]
    Process {
        /// What was tried.
        doing: &'static str,
        /// Why it failed.
        source: io::Error,
    },
    /// Two metrics with one name: a bug.
    #[error("the metrics can't be registered: {0}")]
    Metrics(#[from] prometheus::Error),
    /// The spool can't be opened.
    #[error(transparent)]
    Spool(#[from] spool::OpenError),
    /// The spool's writer ended by itself.
    #[error(transparent)]
    Writer(#[from] spool::Stopped),
    /// The spool's writer didn't end in time; what waits there was not answered 200.
    #[error("the disk of the spool doesn't answer: what waited for it was not answered 200")]
    StuckDisk,
    /// The publisher could not be started, or ended by itself.
    #[error(transparent)]
    Publisher(#[from] publish::Fault),
    /// A source that asks for signatures has no key, or TLS no certificate.
    #[error(transparent)]
    NoDoor(#[from] crate::front::NoDoor),
    /// A part ended that doesn't end by itself.
    #[error("the {0} ended by itself")]
    EndedByItself(&'static str),
    /// A bug.
    #[error("the {0} panicked")]
    Panicked(&'static str),
}

/// A relay that is up: it accepts callbacks and publishes.
#[derive(Debug)]
pub struct Relay {
    http: SocketAddr,
    admin: SocketAddr,
    parts: Parts,
}

/// Everything that runs, and what is needed to stop it.
#[derive(Debug)]
struct Parts {
    phase: watch::Sender<Phase>,
    draining: Arc<AtomicBool>,
    door: Part<JoinHandle<()>>,
    admin: Part<JoinHandle<()>>,
    reloads: Part<JoinHandle<()>>,
    /// Told to read keys and certificates at once.
    reload: Arc<Notify>,
    store: Store,
    exporter: Exporter,
    publisher: publish::Handle,
    publishing: Part<oneshot::Receiver<Result<Left, publish::Fault>>>,
    /// Held: the listeners of these stop when they are dropped.
    _stops: [watch::Sender<bool>; 2],
}

impl Relay {
    /// Where callbacks arrive.
    #[must_use]
    pub const fn http(&self) -> SocketAddr {
        self.http
    }

    /// Where `/metrics` and the rest are.
    #[must_use]
    pub const fn admin(&self) -> SocketAddr {
        self.admin
    }

    /// What makes it read keys and certificates at once when notified.
    #[must_use]
    pub fn reload(&self) -> Arc<Notify> {
        Arc::clone(&self.parts.reload)
    }

    /// Runs until `asked` or until a part ends by itself, then stops in order.
    ///
    /// # Errors
    /// If a part ended by itself. What was answered 200 is on disk, or in Kafka, in any case.
    pub async fn run(self, drain: Drain, asked: impl Future<Output = ()>) -> Result<Ended, Fault> {
        stop::run(self.parts, drain, asked).await
    }
}

impl Parts {
    /// The first part that ends, which none does by itself.
    async fn first_end(&mut self) -> Fault {
        tokio::select! {
            ended = self.door.end() => task_ended("door", ended),
            ended = self.admin.end() => task_ended("admin listener", ended),
            ended = self.reloads.end() => task_ended("watch over keys and certificates", ended),
            fault = self.store.ended() => fault,
            ended = self.publishing.end() => match publisher_ended(ended) {
                Ok(_) => Fault::EndedByItself("publisher"),
                Err(fault) => fault,
            },
        }
    }
}

fn task_ended(name: &'static str, ended: Result<(), tokio::task::JoinError>) -> Fault {
    match ended {
        Ok(()) => Fault::EndedByItself(name),
        Err(_) => Fault::Panicked(name),
    }
}

/// A publisher that dropped its end without a word has panicked.
fn publisher_ended(
    ended: Result<Result<Left, publish::Fault>, oneshot::error::RecvError>,
) -> Result<Left, Fault> {
    Ok(ended.map_err(|_| Fault::Panicked("publisher"))??)
}

/// `serve`: runs the relay until a signal asks it to stop. The spool's lock is released by the process's exit.
///
/// # Errors
/// If a part can't be built, or ended by itself.
pub fn serve(config: &Config, warnings: &[String]) -> Result<(), Fault> {
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    let runtime = runtime::Builder::new_multi_thread()
        .thread_name("livebridge-front")
        .enable_all()
        .build()
        .map_err(|source| Fault::Process {
            doing: "starting the runtime",
            source,
        })?;
    let ended = runtime.block_on(serve_until_asked(config));
    // A thread that hangs in the disk must not keep the process from ending.
    runtime.shutdown_background();
    match ended {
        Ok(None) => tracing::info!("stopped before anything was accepted"),
        Ok(Some(Ended { left: 0 })) => tracing::info!("stopped; nothing is left to publish"),
        Ok(Some(Ended { left })) if config.ack == Ack::Kafka => tracing::info!(
            left,
            "stopped; what Kafka hadn't acked was answered 503: the sender brings it again"
        ),
        Ok(Some(Ended { left })) => {
            tracing::info!(
                left,
                "stopped; the next run publishes what is left in the spool"
            );
        }
        Err(fault) => return Err(fault),
    }
    Ok(())
}

/// None if it was asked to stop before it knew what the spool holds.
async fn serve_until_asked(config: &Config) -> Result<Option<Ended>, Fault> {
    let signals = Signals::install().map_err(|source| Fault::Process {
        doing: "catching signals",
        source,
    })?;
    // From now on SIGHUP doesn't end the process.
    let hang_up = HangUp::install().map_err(|source| Fault::Process {
        doing: "catching SIGHUP",
        source,
    })?;
    let listeners = Listeners::bind(config).await?;
    let asked = signals.first();
    tokio::pin!(asked);
    let relay = tokio::select! {
        relay = Relay::start(config, listeners, Arc::new(SystemClock)) => relay?,
        // Nothing was accepted yet, so nothing has to be drained.
        () = &mut asked => return Ok(None),
    };
    let hang_up = tokio::spawn(hang_up.notify(relay.reload()));
    let ended = relay.run(config.drain, asked).await;
    hang_up.abort();
    ended.map(Some)
}

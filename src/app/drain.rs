//! `drain`: publishes what is pending in a spool and accepts nothing: a relay without a door.

use super::{
    Fault, Signals,
    opening::{open_spool, watch_thread},
    publisher_ended,
    renewal::{self, Renewal},
    spans::export_spans,
};
use crate::{
    clock::{Clock, SystemClock},
    config::Config,
    metrics::{self, Callbacks},
    publish,
};
use std::{sync::Arc, time::Duration};
use tokio::{
    runtime,
    sync::watch,
    time::{Instant, MissedTickBehavior, interval},
};

/// How often whoever waits is told.
const TOLD: Duration = Duration::from_millis(200);
/// How long a collector may take for what is left to export.
const LAST_SPANS: Duration = Duration::from_secs(2);
/// As good as without an end.
const EVER: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// How it stands.
#[derive(Debug, Clone)]
pub struct Standing {
    /// Records still to be published.
    pub pending: u64,
    /// The last thing that went wrong with Kafka, if that is why it takes long.
    pub trouble: Option<String>,
}

/// What a drain has done.
#[derive(Debug, Clone, Copy)]
pub struct Drained {
    /// Records that were pending when it began.
    pub had: u64,
    /// And that still are.
    pub left: u64,
}

/// Publishes until nothing is pending, for at most `within`; the first SIGTERM or SIGINT ends it too, after `drain.publish`.
///
/// # Errors
/// If the spool can't be opened (another process has it, say), or a part ended by itself.
pub fn drain(
    config: &Config,
    within: Option<Duration>,
    tell: &mut dyn FnMut(&Standing),
) -> Result<Drained, Fault> {
    let runtime = runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .map_err(|source| Fault::Process {
            doing: "starting the runtime",
            source,
        })?;
    let drained = runtime.block_on(run(config, within, tell));
    runtime.shutdown_background();
    drained
}

async fn run(
    config: &Config,
    within: Option<Duration>,
    tell: &mut dyn FnMut(&Standing),
) -> Result<Drained, Fault> {
    let signals = Signals::install().map_err(|source| Fault::Process {
        doing: "catching signals",
        source,
    })?;
    let registry = metrics::registry()?;
    let callbacks = Callbacks::register(&registry, &[])?;
    let publisher = publish::Handle::new();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let opened = open_spool(config, &clock, &registry, &callbacks, &publisher).await?;
    let had = opened.status.get().pending_records;
    let metrics = publish::Metrics::register(&registry, &config.topics, opened.pending.clone())?;
    let settings = publish::Settings::from(config);
    let renewal = Renewal::new(config, settings.kafka.clone(), publisher.clone(), || {});
    let (traces, exporter) = export_spans(&config.traces, &registry)?;
    let publishing = publish::spawn(&publisher, settings, opened.outlet, clock, metrics, traces)?;
    let mut publishing = watch_thread(publishing)?;
    // Nothing is accepted: without an appender the writer ends, and with it the housekeeper.
    drop(opened.appender);
    publisher.stop(within.unwrap_or(EVER));
    // Ends with this function.
    let (_stop, stopped) = watch::channel(false);
    let renewals = renewal::poll(renewal, stopped);
    tokio::pin!(renewals);
    let asked = signals.first();
    tokio::pin!(asked);
    let mut asked_already = false;
    let mut ticks = interval(TOLD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            ended = &mut publishing => {
                exporter.ends_by(Instant::now() + LAST_SPANS).await;
                let left = publisher_ended(ended)?.records;
                return Ok(Drained { had, left });
            }
            () = &mut renewals => return Err(Fault::EndedByItself("watch over passwords and certificates")),
            () = &mut asked, if !asked_already => {
                asked_already = true;
                publisher.stop(config.drain.publish);
            }
            _ = ticks.tick() => {
                let kafka = publisher.status();
                let blocked = kafka.lanes.iter().find_map(|lane| {
                    let error = lane.last_error.as_ref()?;
                    Some(format!("{}: {error}", lane.topic.as_deref().unwrap_or_default()))
                });
                tell(&Standing {
                    pending: opened.status.get().pending_records,
                    trouble: blocked.or(kafka.kafka.last_error),
                });
            }
        }
    }
}

//! `demo`: everything in one process: an embedded Kafka, the relay, a sender of signed samples, a consumer.
//!
//! Nothing of it is special to the demo but the broker, which is librdkafka's mock cluster: the relay is the one that
//! `serve` runs, with a spool in a temporary directory.

mod kafka;
mod script;
mod sender;

use crate::{
    app::{Fault, Listeners, Relay, Signals},
    callback::names::Family,
    clock::{Clock, SystemClock},
    config::{Config, Environment, Flags, Surroundings},
};
use kafka::{Consumed, Kafka};
use script::{Progress, Step, Wish};
use sender::Sender;
use std::{
    io::{self, Write as _},
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::{net::TcpListener, sync::mpsc, time::timeout};

/// How long `--once` waits for the events after the last callback was answered.
const PATIENCE: Duration = Duration::from_secs(30);

/// Shows it all in one process: an embedded Kafka, the relay, a sender of sample callbacks, a consumer.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "Examples:\n  \
                        livebridge demo           stays up until Ctrl-C, and prints lines to try by hand\n  \
                        livebridge demo --once    ends after the samples; exit 0 only if every event came out")]
pub struct Args {
    /// End after the samples; exit 0 only if every event came out.
    #[arg(long)]
    pub once: bool,
}

/// Why the demo didn't show what it should.
#[derive(Debug, thiserror::Error)]
pub enum DemoFault {
    /// The relay itself.
    #[error(transparent)]
    Relay(#[from] Fault),
    /// Sockets, threads, the temporary directory.
    #[error("{doing}: {source}")]
    Io {
        /// What was tried.
        doing: &'static str,
        /// Why it failed.
        source: io::Error,
    },
    /// The embedded Kafka.
    #[error("the embedded Kafka: {0}")]
    Kafka(#[from] rdkafka::error::KafkaError),
    /// The demo's own settings; a bug.
    #[error("the demo's settings: {0}")]
    Settings(String),
    /// A callback was answered otherwise than it should be, or an event didn't come out.
    #[error("{0}")]
    Unexpected(String),
}

impl DemoFault {
    fn io(doing: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { doing, source }
    }
}

/// Runs the demo.
///
/// # Errors
/// If something can't be started, a callback was not answered as it should be, or (with `--once`) an event didn't come
/// out in time.
pub fn run(args: &Args) -> Result<(), DemoFault> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(DemoFault::io("starting the runtime"))?;
    let outcome = runtime.block_on(show(args.once));
    runtime.shutdown_background();
    match outcome {
        // A reader that closed its end (`| head`) is no failure.
        Err(DemoFault::Io {
            doing: STDOUT,
            source,
        }) if source.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        outcome => outcome,
    }
}

const STDOUT: &str = "standard output";

fn say(text: &str) -> Result<(), DemoFault> {
    let said = writeln!(io::stdout().lock(), "{text}");
    said.map_err(DemoFault::io(STDOUT))
}

async fn show(once: bool) -> Result<(), DemoFault> {
    let signals = Signals::install().map_err(DemoFault::io("catching signals"))?;
    let spool = tempfile::Builder::new()
        .prefix("livebridge-demo-")
        .tempdir()
        .map_err(DemoFault::io("making a directory for the spool"))?;
    let topics: Vec<_> = Family::ALL.iter().map(|f| f.default_topic()).collect();
    let kafka = Kafka::start(&topics)?;
    let key = throw_away_key()?;
    let listeners = Listeners {
        http: bind(8080).await?,
        admin: bind(9464).await?,
    };
    let config = config(&kafka.bootstrap_servers(), spool.path(), &key)?;
    let relay = Relay::start(&config, listeners, Arc::new(SystemClock)).await?;
    let door = Door {
        http: relay.http(),
        admin: relay.admin(),
        key,
    };
    door.introduce(&kafka.bootstrap_servers())?;

    let (consumed, arriving) = mpsc::channel(64);
    let _consumer = kafka.consume(&topics, consumed)?;
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let interrupted = AtomicBool::new(false);
    let asked = async {
        tokio::select! {
            () = signals.first() => interrupted.store(true, Ordering::Release),
            _ = stopped => {}
        }
    };
    let running = relay.run(config.drain, asked);
    tokio::pin!(running);
    let shown = tokio::select! {
        shown = play(&door, arriving, once) => {
            drop(stop);
            running.await?;
            shown
        }
        // Ctrl-C, or the relay failed: either way there is nothing more to show.
        ended = &mut running => {
            ended?;
            Ok(())
        }
    };
    outcome(interrupted.load(Ordering::Acquire), once, shown)
}

/// A relay that is asked to stop refuses what is still being sent: no fault of anybody's.
fn outcome(interrupted: bool, once: bool, shown: Result<(), DemoFault>) -> Result<(), DemoFault> {
    match (interrupted, once) {
        (true, false) => Ok(()),
        (true, true) => Err(DemoFault::Unexpected("stopped before the end".into())),
        (false, _) => shown,
    }
}

/// Sends the samples, prints what comes out, and checks each against what it should be.
async fn play(
    door: &Door,
    mut arriving: mpsc::Receiver<Consumed>,
    once: bool,
) -> Result<(), DemoFault> {
    let mut sender = Sender::new(door.http);
    let mut progress = Progress::default();
    for step in script::steps(&door.key, SystemClock.now()) {
        let answer = sender
            .post(&step.body)
            .await
            .map_err(DemoFault::io("posting to the relay"))?;
        say(&step.line(&answer))?;
        if let Some(why) = step.why_nothing_comes_out(&door.key, SystemClock.now()) {
            say(&format!("   ◄─ {why}"))?;
        }
        if answer.status != step.wish.status() {
            let Step { title, wish, .. } = &step;
            return Err(DemoFault::Unexpected(format!(
                "{title} was answered {}, not {}",
                answer.status,
                wish.status()
            )));
        }
        progress.sent(step.wish);
        if step.wish == Wish::Published {
            next(&mut arriving, &mut progress).await?;
        }
    }
    progress.check().map_err(DemoFault::Unexpected)?;
    say(&format!("\n{}", progress.summary()))?;
    if once {
        return Ok(());
    }
    door.invite()?;
    while let Some(consumed) = arriving.recv().await {
        say(&consumed.lines())?;
    }
    Ok(())
}

async fn next(
    arriving: &mut mpsc::Receiver<Consumed>,
    progress: &mut Progress,
) -> Result<(), DemoFault> {
    let consumed = timeout(PATIENCE, arriving.recv())
        .await
        .ok()
        .flatten()
        .ok_or_else(|| {
            DemoFault::Unexpected("an event did not come out of Kafka in time".into())
        })?;
    say(&consumed.lines())?;
    progress.arrived(&consumed);
    Ok(())
}

/// What a person needs to try it by hand.
struct Door {
    http: SocketAddr,
    admin: SocketAddr,
    key: String,
}

impl Door {
    fn introduce(&self, bootstrap_servers: &str) -> Result<(), DemoFault> {
        say(&format!(
            "livebridge demo: an embedded Kafka, the relay, a sender and a consumer in this one process.\n\n  \
             door   http://{}/callbacks/tencent   key {} (made for this run)\n  \
             admin  http://{}/status   /metrics   /readyz\n  \
             kafka  {bootstrap_servers}   (librdkafka's mock cluster)\n",
            self.http, self.key, self.admin
        ))
    }

    fn invite(&self) -> Result<(), DemoFault> {
        let Self { http, admin, key } = self;
        say(&format!(
            "Try it by hand, from another terminal (this one prints what comes out; Ctrl-C ends it):\n\n  \
             livebridge send --url http://{http}/callbacks/tencent --key {key} --event recording.file\n  \
             livebridge send --url http://{http}/callbacks/tencent --key not-the-key     # 401\n  \
             livebridge sign {key}                                           # t and sign for a body of your own\n  \
             curl -s http://{admin}/status\n"
        ))
    }
}

async fn bind(wanted: u16) -> Result<TcpListener, DemoFault> {
    match TcpListener::bind(("127.0.0.1", wanted)).await {
        Ok(listener) => Ok(listener),
        Err(_) => TcpListener::bind(("127.0.0.1", 0))
            .await
            .map_err(DemoFault::io("listening on localhost")),
    }
}

fn throw_away_key() -> Result<String, DemoFault> {
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(|e| DemoFault::Io {
        doing: "asking for random bytes",
        source: io::Error::other(e),
    })?;
    Ok(format!("demo{}", hex::encode(random)))
}

/// The settings of `serve` with a key, and nothing of the user's own environment.
fn config(
    bootstrap_servers: &str,
    spool: &std::path::Path,
    key: &str,
) -> Result<Config, DemoFault> {
    let flags = Flags {
        key: vec![key.into()],
        bootstrap_servers: Some(bootstrap_servers.into()),
        spool_dir: Some(spool.display().to_string()),
        ..Flags::default()
    };
    let surroundings = Surroundings {
        environment: Environment::default(),
        read: &|_| Err(io::ErrorKind::NotFound.into()),
        terminal: false,
    };
    let loaded = crate::config::load(&flags, &surroundings)
        .map_err(|faults| DemoFault::Settings(faults.to_string()))?;
    let mut config = loaded.config;
    // Nobody's load balancer has to take note here.
    config.drain.delay = Duration::ZERO;
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn being_asked_to_stop_is_no_error_unless_everything_should_have_been_shown() {
        let refused = || Err(DemoFault::Unexpected("connection refused".into()));
        assert!(outcome(true, false, refused()).is_ok());
        assert!(outcome(true, true, Ok(())).is_err());
        assert!(outcome(false, false, refused()).is_err());
        assert!(outcome(false, true, Ok(())).is_ok());
    }
}

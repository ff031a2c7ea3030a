//! `prove`: rehearses on the user's own volume before going live, with a spool of its own in a directory of its own: how fast it
//! syncs, whether a kill -9 loses an acknowledged record, whether a full spool recovers. Cleans up after itself.
//!
//! What it can't show is a power cut: a disk that lies about its syncs looks fast here, and is.

mod child;
mod fill;
mod kills;
mod measure;
mod rig;

use super::{Failure, Outcome, place::Place, settings::print};
use crate::app::Signals;
use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// Rehearses on your own volume: measures sync latency and throughput, kills a writing process with kill -9 again and again and looks for
/// every acknowledged record, fills a small spool and lets it recover. Exit 0 if nothing was lost.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
                        livebridge prove --dir /var/lib/livebridge\n  \
                        livebridge prove --config livebridge.toml --seconds 60")]
pub(super) struct Args {
    /// A directory on the volume to rehearse on; everything happens in a new directory in it [default: spool.dir].
    #[arg(long, value_name = "DIR", conflicts_with_all = ["spool_dir", "config"])]
    dir: Option<PathBuf>,
    /// How long it may take, about.
    #[arg(long, value_name = "N", default_value_t = 15, value_parser = clap::value_parser!(u64).range(3..=86_400))]
    seconds: u64,
    /// The process that is killed.
    #[arg(long, hide = true, value_name = "DIR")]
    victim: Option<PathBuf>,
    #[command(flatten)]
    place: Place,
}

/// A line of the report, and whether it is as it must be.
type Verdict = Result<String, String>;

pub(super) fn run(args: &Args) -> Outcome {
    if let Some(dir) = &args.victim {
        return child::write_until_killed(dir).map_err(Failure::Failed);
    }
    let dir = match &args.dir {
        Some(dir) => dir.clone(),
        None => args.place.settings()?.spool.dir,
    };
    let rehearsal = tempfile::Builder::new()
        .prefix("livebridge-prove-")
        .tempdir_in(&dir)
        .map_err(|e| Failure::Failed(format!("{}: {e}", dir.display())))?;
    print(&format!("rehearsing in {}\n", rehearsal.path().display()))?;
    clean_up_when_asked_to_stop(rehearsal.path().into())?;
    let faults = rehearse(rehearsal.path(), Duration::from_secs(args.seconds))?;
    rehearsal
        .close()
        .map_err(|e| Failure::Failed(format!("cleaning up: {e}")))?;
    if faults == 0 {
        return print(
            "verdict: this volume keeps the promise, as far as a rehearsal without a power cut can tell\n",
        );
    }
    Err(Failure::Failed(format!(
        "verdict: {faults} of the rehearsals failed: don't go live on this volume"
    )))
}

/// The first SIGTERM or SIGINT ends it, with nothing left behind.
fn clean_up_when_asked_to_stop(dir: PathBuf) -> Result<(), Failure> {
    let failed = |e: std::io::Error| Failure::Failed(format!("catching signals: {e}"));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(failed)?;
    let signals = runtime
        .block_on(async { Signals::install() })
        .map_err(failed)?;
    std::thread::Builder::new()
        .name("livebridge-signals".into())
        .spawn(move || {
            runtime.block_on(signals.first());
            // The process that is to be killed may still write: then a second look finds it gone.
            for _ in 0..3 {
                if std::fs::remove_dir_all(&dir).is_ok() {
                    break;
                }
            }
            std::process::exit(1);
        })
        .map_err(failed)?;
    Ok(())
}

/// A third of the time for the figures, the rest for the kills; how many went wrong.
fn rehearse(dir: &Path, time: Duration) -> Result<usize, Failure> {
    let part = time / 9;
    let mut faults = 0;
    let mut told = |verdict: Verdict| {
        let line = match verdict {
            Ok(line) => format!("  {line}\n"),
            Err(line) => {
                faults += 1;
                format!("  FAULT: {line}\n")
            }
        };
        print(&line)
    };
    told(in_turn(dir, |dir| measure::syncs(&dir.join("file"), part)))?;
    for clients in [1, 128] {
        told(in_turn(dir, |dir| measure::spool(dir, clients, part)))?;
    }
    let end = Instant::now() + part * 5;
    told(in_turn(dir, |dir| kills::rounds(dir, end)))?;
    told(in_turn(dir, fill::to_the_limit))?;
    Ok(faults)
}

/// Each rehearsal has a small volume for itself.
fn in_turn(dir: &Path, rehearsal: impl FnOnce(&Path) -> Verdict) -> Verdict {
    let place = dir.join("one");
    std::fs::create_dir(&place).map_err(|e| e.to_string())?;
    let verdict = rehearsal(&place);
    std::fs::remove_dir_all(&place).map_err(|e| e.to_string())?;
    verdict
}

//! `drain`: publishes what is pending in a spool, accepts nothing.

use super::{Failure, Outcome, log, place::Link, progress::Progress, settings::print};
use crate::{
    app::{self, Drained, Fault},
    control::{Client, Reply, Request},
    spool::{OpenError, look},
};
use std::{path::Path, time::Duration};

/// Publishes what is pending in a spool and accepts nothing. Exit 0 when nothing is pending any more, 1 if something is left.
/// Needs the spool for itself: a running `serve` publishes it already.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
                        livebridge drain --spool-dir /var/lib/livebridge --bootstrap-servers kafka-1:9092\n  \
                        livebridge drain --config livebridge.toml --within 10m    gives up after ten minutes")]
pub(super) struct Args {
    /// Give up after this long [default: never].
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    within: Option<Duration>,
    #[command(flatten)]
    link: Link,
}

pub(super) fn run(args: &Args) -> Outcome {
    let config = args.link.settings()?;
    log::start(&config.log);
    let dir = &config.spool.dir;
    look::find(dir).map_err(Failure::failed)?;
    let mut progress = Progress::new("published", "records");
    let mut most = 0;
    let drained = app::drain(&config, args.within, &mut |standing| {
        most = most.max(standing.pending);
        progress.with(standing.trouble.as_deref());
        progress.at(most - standing.pending, most);
    });
    progress.finish();
    match drained {
        Ok(Drained { had: 0, left: 0 }) => print("nothing is pending\n"),
        Ok(Drained { had, left: 0 }) => print(&format!(
            "nothing is pending any more: {had} record(s) were\n"
        )),
        Ok(Drained { left, .. }) => Err(Failure::Failed(format!(
            "{left} record(s) are still pending: nothing is lost, say it again or start `serve`"
        ))),
        Err(Fault::Spool(locked @ OpenError::Locked { .. })) => Err(Failure::Failed(
            served(dir).unwrap_or_else(|| locked.to_string()),
        )),
        Err(fault) => Err(Failure::failed(fault)),
    }
}

/// What the relay that has the spool says about it; none if nobody can be asked.
fn served(dir: &Path) -> Option<String> {
    let client = Client::connect(dir).ok()??;
    let Reply::Status(status) = client.ask(&Request::Status {}, &mut |_, _| {}).ok()? else {
        return None;
    };
    let pending = status.pointer("/spool/pending_records")?;
    Some(format!(
        "`serve` has the spool {} and publishes it already ({pending} record(s) pending), but it also accepts: \
         stop it first, then drain what it leaves",
        dir.display()
    ))
}

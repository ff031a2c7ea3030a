//! `replay`: retained records once more, with the same ids, marked.

use super::{
    Failure, Outcome, log,
    place::{Link, Which},
    progress::Progress,
    settings::print,
};
use crate::{
    clock::SystemClock,
    config::Config,
    control::{Client, Reply, Request},
    publish::{
        Settings,
        again::{self, Replayed, With},
    },
    spool::{Selection, look::Look},
};
use std::{fmt::Write, ops::ControlFlow};

/// Publishes settled records that the spool still holds (spool.retain) once more: same ids and keys, marked with the header
/// livebridge-replayed. Pending and quarantined ones are left out. With a running `serve`, it does the work and counts it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
                        livebridge replay --config livebridge.toml --since 2h --dry-run\n  \
                        livebridge replay --config livebridge.toml --since 2h --until 1h --event recording.file\n  \
                        livebridge replay --spool-dir /var/lib/livebridge --bootstrap-servers kafka-1:9092 \\\n      \
                        --since 2026-11-23T14:00:00Z --stream s1")]
pub(super) struct Args {
    #[command(flatten)]
    which: Which,
    /// Only say how many records it would be.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    link: Link,
}

pub(super) fn run(args: &Args) -> Outcome {
    let selection = args.which.selection();
    if selection.since.is_none() && selection.first.is_none() {
        return Err(Failure::Usage(
            "replay needs --since (or --seq): write --since 2h, or --seq 1.. for everything that is retained".into(),
        ));
    }
    let config = args.link.settings()?;
    log::start(&config.log);
    let mut progress = Progress::new("replayed", "records");
    let replayed = replay(&config, &selection, args.dry_run, &mut progress);
    progress.finish();
    print(&text(&replayed?, args.dry_run))
}

fn replay(
    config: &Config,
    selection: &Selection,
    dry_run: bool,
    progress: &mut Progress,
) -> Result<Replayed, Failure> {
    let dir = &config.spool.dir;
    if let Some(client) = Client::connect(dir).map_err(Failure::failed)? {
        let request = Request::Replay {
            selection: selection.clone(),
            dry_run,
        };
        let reply = client.ask(&request, &mut |done, all| progress.at(done, all));
        return match reply.map_err(Failure::failed)? {
            Reply::Replayed(replayed) => Ok(replayed),
            Reply::Failed(why) => Err(Failure::Failed(why)),
            _ => Err(Failure::failed("the relay answered something else")),
        };
    }
    let look = Look::open(dir).map_err(Failure::failed)?;
    let settings = Settings::from(config);
    let with = With {
        settings: &settings,
        clock: &SystemClock,
        metrics: None,
    };
    let mut tell = |done, all| {
        progress.at(done, all);
        ControlFlow::Continue(())
    };
    again::replay(&look, selection, dry_run, with, &mut tell).map_err(Failure::failed)
}

fn text(replayed: &Replayed, dry_run: bool) -> String {
    let mut text = String::new();
    let verb = if dry_run { "would replay" } else { "replayed" };
    for (topic, count) in &replayed.by_topic {
        // Writing to a String can't fail.
        let _ = writeln!(text, "{topic}: {count}");
    }
    let _ = writeln!(text, "{verb} {} record(s)", replayed.records());
    for (count, why) in [
        (replayed.pending, "not published yet"),
        (replayed.quarantined, "in the quarantine"),
        (replayed.corrupt, "damaged"),
        (replayed.off, "of a family that is off"),
        (replayed.untypable, "that can't be typed"),
    ] {
        if count > 0 {
            let _ = writeln!(text, "left out: {count} {why}");
        }
    }
    text
}

//! `quarantine`: what was set aside since it can't be published, and publishing it after all.

use super::{
    Failure, Outcome, log,
    output::Output,
    place::{Link, Place},
    progress::Progress,
    settings::print,
    spool::Shown,
};
use crate::{
    clock::{Millis, SystemClock},
    config::Config,
    control::{Client, Reply, Request},
    publish::{
        Settings,
        again::{self, Requeued, With},
    },
    spool::{
        Lock, Quarantined,
        look::aside::{Place as Aside, Shelf},
    },
};
use serde_json::json;
use std::{fmt::Write, ops::ControlFlow};

/// Inspects the local quarantine, and publishes what is in it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
                        livebridge quarantine ls --spool-dir /var/lib/livebridge\n  \
                        livebridge quarantine cat 42 --spool-dir /var/lib/livebridge\n  \
                        livebridge quarantine requeue --all --config livebridge.toml")]
pub(super) struct Args {
    #[command(subcommand)]
    command: QuarantineCommand,
}

#[derive(Debug, clap::Subcommand)]
enum QuarantineCommand {
    Ls(Ls),
    Cat(Cat),
    Requeue(Requeue),
}

/// Lists what is in the quarantine, and why.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
                        livebridge quarantine ls --spool-dir /var/lib/livebridge\n  \
                        livebridge quarantine ls --config livebridge.toml --json | jq .reason")]
struct Ls {
    /// One JSON object a line.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Place,
}

/// Prints records of the quarantine; sign, txSecret and what the settings redact are blanked.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
                        livebridge quarantine cat 42 --spool-dir /var/lib/livebridge\n  \
                        livebridge quarantine cat 42 43 --show-secrets --config livebridge.toml")]
struct Cat {
    /// The numbers of the records [default: all].
    records: Vec<u64>,
    /// Bodies as received, signatures and secrets included.
    #[arg(long)]
    show_secrets: bool,
    #[command(flatten)]
    place: Place,
}

/// Publishes records of the quarantine, marked with the header livebridge-requeued, to the topics of the settings. Each leaves the
/// quarantine only after Kafka has it. Exit 1 if some have to stay.
#[derive(Debug, clap::Args)]
#[command(
    override_usage = "livebridge quarantine requeue [OPTIONS] <RECORDS>...\n       livebridge quarantine requeue [OPTIONS] --all",
    after_help = "Examples:\n  \
                        livebridge quarantine requeue 42 43 --config livebridge.toml\n  \
                        livebridge quarantine requeue --all --spool-dir /var/lib/livebridge --bootstrap-servers kafka-1:9092"
)]
struct Requeue {
    /// The numbers of the records.
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    records: Vec<u64>,
    /// Everything that is there.
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    link: Link,
}

pub(super) fn run(args: &Args) -> Outcome {
    match &args.command {
        QuarantineCommand::Ls(args) => ls(args),
        QuarantineCommand::Cat(args) => cat(args),
        QuarantineCommand::Requeue(args) => requeue(args),
    }
}

/// All, or those with these numbers; naming one that isn't there is a fault.
fn places(shelf: &Shelf, records: &[u64]) -> Result<Vec<Aside>, Failure> {
    let failed = |e| Failure::Failed(format!("the quarantine: {e}"));
    let mut places = shelf.list().map_err(failed)?;
    if let Some(missing) = records
        .iter()
        .find(|record| !places.iter().any(|place| place.seq == **record))
    {
        return Err(Failure::Failed(format!(
            "record {missing} is not in the quarantine"
        )));
    }
    places.retain(|place| records.is_empty() || records.contains(&place.seq));
    Ok(places)
}

fn about_line(about: &Quarantined) -> String {
    format!(
        "#{}  {}  for {}  family {}  source {}  received {}  set aside {}  ce_id {}\n      {}",
        about.seq,
        about.reason,
        about.topic,
        about.family,
        about.source,
        Millis(about.received_at),
        Millis(about.at),
        about.ce_id,
        about.detail
    )
}

fn ls(args: &Ls) -> Outcome {
    let dir = args.place.settings()?.spool.dir;
    let shelf = Shelf::of(&dir).map_err(Failure::failed)?;
    let mut output = Output::standard();
    for place in places(&shelf, &[])? {
        let line = match (shelf.read(&place), args.json) {
            (Ok((about, _)), false) => about_line(&about),
            (Ok((about, _)), true) => serde_json::to_string(&about).map_err(Failure::failed)?,
            (Err(why), false) => format!("#{}  unreadable: {why}", place.seq),
            (Err(why), true) => {
                json!({"seq": place.seq, "unreadable": why.to_string()}).to_string()
            }
        };
        if output.line(&line).is_break() {
            break;
        }
    }
    output.finish()
}

fn cat(args: &Cat) -> Outcome {
    let config = args.place.settings()?;
    let shelf = Shelf::of(&config.spool.dir).map_err(Failure::failed)?;
    let shown = Shown::new(&config.redact, args.show_secrets);
    let mut output = Output::standard();
    for place in places(&shelf, &args.records)? {
        let (about, record) = shelf
            .read(&place)
            .map_err(|why| Failure::Failed(format!("record {}: {why}", place.seq)))?;
        let line = format!("{}\n      {}", about_line(&about), shown.readable(&record));
        if output.line(&line).is_break() {
            break;
        }
    }
    output.finish()
}

fn requeue(args: &Requeue) -> Outcome {
    let config = args.link.settings()?;
    log::start(&config.log);
    let mut progress = Progress::new("requeued", "records");
    let requeued = requeue_with(&config, &args.records, &mut progress);
    progress.finish();
    let requeued = requeued?;
    let mut text = String::new();
    for (topic, count) in &requeued.by_topic {
        // Writing to a String can't fail.
        let _ = writeln!(text, "{topic}: {count}");
    }
    let records: u64 = requeued.by_topic.values().sum();
    let _ = writeln!(text, "requeued {records} record(s)");
    for left in &requeued.why {
        let _ = writeln!(text, "#{} stays: {}", left.seq, left.why);
    }
    print(&text)?;
    match requeued.left {
        0 => Ok(()),
        left => Err(Failure::Failed(format!(
            "{left} record(s) stay in the quarantine"
        ))),
    }
}

/// Through the relay that has the spool; without one, under the spool's lock.
fn requeue_with(
    config: &Config,
    records: &[u64],
    progress: &mut Progress,
) -> Result<Requeued, Failure> {
    let dir = &config.spool.dir;
    let shelf = Shelf::of(dir).map_err(Failure::failed)?;
    let chosen = places(&shelf, records)?;
    if let Some(client) = Client::connect(dir).map_err(Failure::failed)? {
        let request = Request::Requeue {
            records: (!records.is_empty()).then(|| records.to_vec()),
        };
        let reply = client.ask(&request, &mut |done, all| progress.at(done, all));
        return match reply.map_err(Failure::failed)? {
            Reply::Requeued(requeued) => Ok(requeued),
            Reply::Failed(why) => Err(Failure::Failed(why)),
            _ => Err(Failure::failed("the relay answered something else")),
        };
    }
    let _lock = Lock::take(dir)
        .map_err(|e| Failure::Failed(format!("the spool {}: {e}", dir.display())))?
        .ok_or_else(|| {
            Failure::failed(
                "another process has the spool and can't be reached through control.sock",
            )
        })?;
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
    again::requeue(&shelf, &chosen, with, &mut tell).map_err(Failure::failed)
}

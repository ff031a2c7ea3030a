//! `rejects`: what the door refused lately, and putting right what was refused wrongly.

mod reverify;

use super::{Failure, Outcome, moment, output::Output, place::Place};
use crate::{
    callback::{json::Document, verify},
    clock::Millis,
    rejects::{self, Entry},
    spool::look,
};
use std::{
    io::{self, Write},
    ops::ControlFlow,
    path::Path,
};

/// What was refused lately (400 and 401), and putting right what was refused wrongly, as after a key was mis-rotated.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
                  livebridge rejects ls --spool-dir /var/lib/livebridge --since 1h\n  \
                  livebridge rejects cat 1750000000042.7 --spool-dir /var/lib/livebridge\n  \
                  livebridge rejects reverify --config livebridge.toml --since 1h\n  \
                  livebridge rejects reverify --config livebridge.toml --since 1h --accept")]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Ls(Ls),
    Cat(Cat),
    Reverify(Box<reverify::Args>),
}

/// Lists refused callbacks, oldest first: name, time, address, source, reason, event, bytes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  livebridge rejects ls --since 10m --reason mismatch")]
struct Ls {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    which: Which,
}

/// Prints the body of one, byte for byte as received.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  livebridge rejects cat 1750000000042.7 > callback.json")]
struct Cat {
    /// Its name, as ls shows it.
    name: String,
    #[command(flatten)]
    place: Place,
}

/// Which are meant: all conditions must hold.
#[derive(Debug, clap::Args)]
struct Which {
    /// Refused at this time or later: 2026-11-23T14:00:00Z, 2026-11-23, or 2h (ago).
    #[arg(long, value_name = "TIME", value_parser = moment::parse)]
    since: Option<Millis>,
    /// Refused before this time.
    #[arg(long, value_name = "TIME", value_parser = moment::parse)]
    until: Option<Millis>,
    /// Sent to this source.
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// Refused for this.
    #[arg(long, value_name = "REASON", value_parser = REASONS)]
    reason: Option<String>,
}

/// Why the door refuses what it keeps in the ledger.
const REASONS: [&str; 6] = [
    "malformed-json",
    "missing",
    "malformed",
    "mismatch",
    "expired",
    "future",
];

impl Which {
    fn includes(&self, entry: &Entry) -> bool {
        let is =
            |wanted: &Option<String>, found: &str| wanted.as_deref().is_none_or(|w| w == found);
        self.since.is_none_or(|since| entry.at >= since)
            && self.until.is_none_or(|until| entry.at < until)
            && is(&self.source, entry.source.as_str())
            && is(&self.reason, &entry.reason)
    }
}

pub(super) fn run(args: &Args) -> Outcome {
    match &args.command {
        Command::Ls(args) => ls(args),
        Command::Cat(args) => cat(args),
        Command::Reverify(args) => reverify::run(args),
    }
}

fn read(dir: &Path, each: impl FnMut(&str, Entry, bool) -> ControlFlow<()>) -> Outcome {
    // An empty answer about a place where nothing is would be taken for good news.
    if !dir.join("rejects").is_dir() {
        look::find(dir).map_err(Failure::failed)?;
    }
    rejects::read(dir, each)
        .map_err(|e| Failure::Failed(format!("{}: rejects: {e}", dir.display())))
}

fn ls(args: &Ls) -> Outcome {
    let config = args.place.settings()?;
    let mut output = Output::standard();
    read(&config.spool.dir, |name, entry, accepted| {
        if args.which.includes(&entry) {
            output.line(&line(name, &entry, accepted))
        } else {
            ControlFlow::Continue(())
        }
    })?;
    output.finish()
}

fn line(name: &str, entry: &Entry, accepted: bool) -> String {
    let event = Document::parse(&entry.body)
        .map(|document| verify::event_name(verify::event_type(&document)).as_str());
    format!(
        "{name}  {}  {}  {}  {}  {}  {} bytes{}",
        entry.at,
        entry.address,
        entry.source,
        entry.reason,
        event.unwrap_or("-"),
        entry.body.len(),
        if accepted { "  accepted since" } else { "" }
    )
}

fn cat(args: &Cat) -> Outcome {
    let config = args.place.settings()?;
    let mut found = None;
    read(&config.spool.dir, |name, entry, _| {
        if name == args.name {
            found = Some(entry);
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    })?;
    let entry = found.ok_or_else(|| {
        let name = &args.name;
        Failure::Failed(format!(
            "{name}: there is no such refusal (any more); see rejects ls"
        ))
    })?;
    match io::stdout().lock().write_all(&entry.body) {
        Err(e) if e.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::Failed(format!("standard output: {e}")))
        }
        _ => Ok(()),
    }
}

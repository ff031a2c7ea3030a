//! `spool export`: records as JSON lines, the bodies byte for byte.

use super::super::{
    Failure, Outcome,
    output::Output,
    place::{Place, Which},
};
use super::shown::describe;
use crate::spool::{
    Record,
    look::{Look, Outcome as Became, Seen},
};
use std::{ops::ControlFlow, path::PathBuf};

/// Writes records as JSON lines: what is known about each, and its body exactly as received, in a string. Signatures and
/// secrets are in it. Exit 1 if a selected record is damaged.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
                        livebridge spool export --spool-dir /var/lib/livebridge --output records.jsonl\n  \
                        livebridge spool export --spool-dir /var/lib/livebridge --stream s1 | jq -r .body")]
pub(super) struct Args {
    #[command(flatten)]
    which: Which,
    /// A new file (0600) [default: standard output].
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    place: Place,
}

pub(super) fn run(args: &Args) -> Outcome {
    let dir = args.place.settings()?.spool.dir;
    let look = Look::open(&dir).map_err(Failure::failed)?;
    let mut output = match &args.output {
        Some(path) => Output::file(path)?,
        None => Output::standard(),
    };
    let mut damaged = 0;
    let walked = look.walk(&args.which.selection(), &mut |seen| match seen {
        Seen::Record(record, became) => output.line(&line(&record, became)),
        Seen::Corrupt { .. } => {
            damaged += 1;
            ControlFlow::Continue(())
        }
        Seen::Lost(range) => {
            damaged += range.end - range.start;
            ControlFlow::Continue(())
        }
    });
    output.finish()?;
    walked.map_err(Failure::failed)?;
    if damaged > 0 {
        return Err(Failure::Failed(format!(
            "{damaged} record(s) are damaged and not exported: see `livebridge spool verify`"
        )));
    }
    Ok(())
}

/// A string holds any UTF-8 body exactly; the door takes no other.
fn line(record: &Record, became: Became) -> String {
    let mut object = describe(record);
    if let serde_json::Value::Object(members) = &mut object {
        members.insert("outcome".into(), became.as_str().into());
        match std::str::from_utf8(&record.envelope.body) {
            Ok(body) => members.insert("body".into(), body.into()),
            Err(_) => members.insert("body_hex".into(), hex::encode(&record.envelope.body).into()),
        };
    }
    object.to_string()
}

//! `spool verify`: every frame against its checksum and its index, the numbers against each other.

use super::super::{Failure, Outcome, place::Place, progress::Progress, settings::print};
use crate::spool::look::{Checked, Look};
use bytesize::ByteSize;
use std::fmt::Write;

/// Checks every frame's checksum, the indices, gaps and overlaps, the checkpoint and the quarantine. Exit 1 if something is
/// wrong.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
                        livebridge spool verify --spool-dir /var/lib/livebridge\n  \
                        livebridge spool verify --config livebridge.toml --json")]
pub(super) struct Args {
    /// One JSON object.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Place,
}

pub(super) fn run(args: &Args) -> Outcome {
    let dir = args.place.settings()?.spool.dir;
    let look = Look::open(&dir).map_err(Failure::failed)?;
    let mut progress = Progress::new("checked", "segments");
    let checked = look
        .check(&mut |done, all| progress.at(done, all))
        .map_err(Failure::failed)?;
    progress.finish();
    if args.json {
        let text = serde_json::to_string_pretty(&checked).map_err(Failure::failed)?;
        print(&format!("{text}\n"))?;
    } else {
        print(&text(&checked))?;
    }
    if checked.is_sound() {
        return Ok(());
    }
    Err(Failure::Failed(format!(
        "{} fault(s) in the spool {}",
        checked.fault_count,
        dir.display()
    )))
}

fn text(checked: &Checked) -> String {
    let mut text = String::new();
    for fault in &checked.faults {
        let _ = writeln!(text, "fault: {fault}");
    }
    for note in &checked.notes {
        let _ = writeln!(text, "note: {note}");
    }
    let _ = writeln!(
        text,
        "{} segment(s), {} whole record(s), {}: {}",
        checked.segments,
        checked.frames,
        ByteSize(checked.bytes).display().iec(),
        match checked.fault_count {
            0 => "sound".to_owned(),
            n => format!("{n} fault(s)"),
        }
    );
    text
}

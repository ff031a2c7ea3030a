//! `spool ls`: segments, how far each family is settled, what is set aside.

use super::super::{Failure, Outcome, place::Place, settings::print};
use crate::{
    clock::Millis,
    spool::look::{Listing, Look, SegmentListing},
};
use bytesize::ByteSize;
use std::fmt::Write;

/// Lists the segments, how far each family is settled, and what was set aside.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
                        livebridge spool ls --spool-dir /var/lib/livebridge\n  \
                        livebridge spool ls --config livebridge.toml --json | jq .pending")]
pub(super) struct Args {
    /// One JSON object.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Place,
}

pub(super) fn run(args: &Args) -> Outcome {
    let dir = args.place.settings()?.spool.dir;
    let listing = Look::open(&dir)
        .and_then(|look| look.list())
        .map_err(Failure::failed)?;
    if args.json {
        let text = serde_json::to_string_pretty(&listing).map_err(Failure::failed)?;
        return print(&format!("{text}\n"));
    }
    print(&text(&listing))
}

fn text(listing: &Listing) -> String {
    let mut text = format!("spool {}\n", listing.spool_id);
    for segment in &listing.segments {
        text.push_str(&segment_text(segment));
    }
    if listing.segments.is_empty() {
        text.push_str("no records\n");
    }
    let settled: Vec<_> = listing
        .checkpoint
        .iter()
        .map(|(family, seq)| format!("{family} {seq}"))
        .collect();
    // Writing to a String can't fail.
    let _ = if listing.checkpoint_valid {
        writeln!(text, "checkpoint: {}", settled.join(", "))
    } else {
        writeln!(text, "checkpoint: DAMAGED, so everything counts as pending")
    };
    let _ = writeln!(
        text,
        "records {}, pending {}, quarantined {} ({}), damaged ranges set aside {} ({})",
        listing.records,
        listing.pending,
        listing.quarantine.count,
        size(listing.quarantine.bytes),
        listing.corrupt.count,
        size(listing.corrupt.bytes),
    );
    text
}

fn segment_text(segment: &SegmentListing) -> String {
    let at = |time: Option<Millis>| time.map_or_else(|| "-".to_owned(), |at| at.to_string());
    let state = if segment.indexed {
        "closed, indexed"
    } else {
        "no index: being written, or left by a kill"
    };
    let mut text = format!(
        "{}  #{}..#{}  {} records  {} of {}  {} .. {}  {state}\n",
        segment.file,
        segment.first,
        segment.last,
        segment.records,
        size(segment.used_bytes),
        size(segment.file_bytes),
        at(segment.oldest),
        at(segment.newest),
    );
    for (family, held) in &segment.families {
        let _ = writeln!(
            text,
            "    {family:<16} {} settled, {} pending",
            held.settled, held.pending
        );
    }
    if segment.lost > 0 {
        let _ = writeln!(
            text,
            "    LOST: {} record(s) are not there any more",
            segment.lost
        );
    }
    text
}

fn size(bytes: u64) -> String {
    ByteSize(bytes).display().iec().to_string()
}

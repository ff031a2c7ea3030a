//! `spool cat`: callbacks, readably, with what became of each.

use super::super::{
    Failure, Outcome,
    output::Output,
    place::{Place, Which},
};
use super::Shown;
use crate::spool::look::Look;

/// Prints callbacks with what became of each: published, pending, quarantined or corrupt. The values of sign, of txSecret and of
/// what the settings redact are blanked.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
                        livebridge spool cat --spool-dir /var/lib/livebridge --since 2h --event recording.file\n  \
                        livebridge spool cat --spool-dir /var/lib/livebridge --stream s1 --json | jq -c '[.seq, .outcome]'\n  \
                        livebridge spool cat --spool-dir /var/lib/livebridge --seq 42 --show-secrets")]
pub(super) struct Args {
    #[command(flatten)]
    which: Which,
    /// One JSON object a line.
    #[arg(long)]
    json: bool,
    /// Bodies as received, signatures and secrets included.
    #[arg(long)]
    show_secrets: bool,
    #[command(flatten)]
    place: Place,
}

pub(super) fn run(args: &Args) -> Outcome {
    let config = args.place.settings()?;
    let look = Look::open(&config.spool.dir).map_err(Failure::failed)?;
    let shown = Shown::new(&config.redact, args.show_secrets);
    let mut output = Output::standard();
    let walked = look.walk(&args.which.selection(), &mut |seen| {
        let line = if args.json {
            shown.json(&seen)
        } else {
            shown.lines(&seen)
        };
        output.line(&line)
    });
    output.finish()?;
    walked.map_err(Failure::failed)
}

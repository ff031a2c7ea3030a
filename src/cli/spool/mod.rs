//! `spool`: looks into a spool without changing it, also while `serve` runs: reads files, takes no lock. But for
//! `adopt`, which needs the spool for itself.

mod adopt;
mod cat;
mod export;
mod ls;
mod shown;
mod verify;

pub(super) use shown::Shown;

use super::Outcome;

/// Looks into a spool without changing it, also while `serve` runs. Only adopt changes it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
                  livebridge spool ls --spool-dir /var/lib/livebridge\n  \
                  livebridge spool cat --spool-dir /var/lib/livebridge --since 2h --event recording.file\n  \
                  livebridge spool verify --spool-dir ./a-copy-of-a-spool")]
pub(super) struct Args {
    #[command(subcommand)]
    command: SpoolCommand,
}

#[derive(Debug, clap::Subcommand)]
enum SpoolCommand {
    Ls(ls::Args),
    Cat(cat::Args),
    Verify(verify::Args),
    Export(export::Args),
    Adopt(adopt::Args),
}

pub(super) fn run(args: &Args) -> Outcome {
    match &args.command {
        SpoolCommand::Ls(args) => ls::run(args),
        SpoolCommand::Cat(args) => cat::run(args),
        SpoolCommand::Verify(args) => verify::run(args),
        SpoolCommand::Export(args) => export::run(args),
        SpoolCommand::Adopt(args) => adopt::run(args),
    }
}

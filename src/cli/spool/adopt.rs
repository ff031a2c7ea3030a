//! `spool adopt`: the way out for a spool that has stood down.

use super::super::{Failure, Outcome, place::Place, settings::print};
use crate::spool::{adopt, look::Look};

/// Gives a spool that has stood down a name of its own. The next `serve` or `drain` publishes what it alone holds: what the
/// relay that it stood down for has is left to that one. Needs the spool for itself.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "With delivery = \"exactly-once\" a relay stands down when another one publishes from a copy of its spool:\n\
                        it takes nothing and publishes nothing, and says so in /readyz, /status and its log.\n\n\
                        Examples:\n  \
                        livebridge spool adopt --spool-dir /var/lib/livebridge\n  \
                        livebridge spool adopt --config livebridge.toml && livebridge drain --config livebridge.toml"
)]
pub(super) struct Args {
    #[command(flatten)]
    place: Place,

    /// Also publish what the other relay holds as well, when that one's disk is lost: what it did publish comes twice
    #[arg(long)]
    all: bool,
}

pub(super) fn run(args: &Args) -> Outcome {
    let dir = args.place.settings()?.spool.dir;
    let adopted = adopt(&dir, args.all).map_err(Failure::Failed)?;
    let listing = Look::open(&dir).and_then(|look| look.list());
    let pending = listing.map_err(Failure::failed)?.pending;
    print(&format!(
        "the spool {} is {} from now on, and has nothing to do with the run {} any more\n\
         {pending} record(s) are pending: the next `serve` or `drain` publishes them\n",
        adopted.before, adopted.now, adopted.rival
    ))
}

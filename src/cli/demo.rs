//! `demo`: everything in one process.

/// Shows it all in one process: an embedded Kafka, the relay, a sender of sample callbacks, a consumer.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "Examples:\n  \
                        livebridge demo           stays up until Ctrl-C, and prints lines to try by hand\n  \
                        livebridge demo --once    ends after the samples; exit 0 only if every event came out")]
pub struct Args {
    /// End after the samples; exit 0 only if every event came out.
    #[arg(long)]
    pub once: bool,
}

/// Runs the demo.
///
/// # Errors
/// If a sample didn't come out as it should.
pub fn run(args: Args) -> Result<(), crate::app::Fault> {
    let Args { once: _ } = args;
    Err("the demo is not there yet in this version".into())
}

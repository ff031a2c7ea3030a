//! The commands: one file each. Arguments and settings in, text and an exit code out.

mod audit;
mod check;
mod cluster;
pub mod demo;
mod drain;
mod health;
pub mod log;
mod moment;
mod output;
mod place;
mod plan;
mod progress;
mod prove;
mod quarantine;
mod rejects;
mod replay;
mod sample;
mod schema;
mod send;
mod settings;
mod sign;
mod spool;
mod summary;
mod tail;
mod topics;
mod usage;
mod verdict;
mod verify;

use crate::config::Flags;
use clap::{CommandFactory, Parser, Subcommand, error::ErrorKind};
use settings::remark;
use std::{ffi::OsString, fmt, process::ExitCode};

/// Bad usage or settings: nothing was bound, nothing was written.
const USAGE: u8 = 64;

/// A durable bridge from live-streaming callbacks to Kafka.
#[derive(Debug, Parser)]
#[command(
    name = "livebridge",
    version,
    after_help = "Exit codes: 0 done, 1 failed, 64 bad usage or settings (nothing was bound, nothing was written).\n\n\
                  Examples:\n  \
                  livebridge demo                            see it work, nothing installed\n  \
                  livebridge check --key KEY --online        are settings, brokers and topics right?\n  \
                  livebridge serve --key KEY --bootstrap-servers kafka-1:9092,kafka-2:9092"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Serve(Serve),
    Demo(demo::Args),
    Check(check::Args),
    Health(health::Args),
    Topics(topics::Args),
    Send(send::Args),
    Sign(sign::Args),
    Verify(verify::Args),
    Schema(schema::Args),
    Rejects(rejects::Args),
    Spool(spool::Args),
    Drain(drain::Args),
    Replay(replay::Args),
    Audit(audit::Args),
    Quarantine(quarantine::Args),
    Tail(tail::Args),
    Prove(prove::Args),
    Plan(plan::Args),
}

/// Runs the relay. It starts, is ready and accepts with Kafka down.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
                        livebridge serve --key KEY --bootstrap-servers kafka-1:9092\n  \
                        livebridge serve --config /etc/livebridge.toml\n  \
                        LIVEBRIDGE_KEY=KEY livebridge serve --spool-dir /var/lib/livebridge")]
struct Serve {
    #[command(flatten)]
    flags: Flags,
}

/// Why a command ended without success.
#[derive(Debug)]
enum Failure {
    /// Bad usage or settings: exit 64.
    Usage(String),
    /// Anything else: exit 1.
    Failed(String),
}

impl Failure {
    fn failed(why: impl fmt::Display) -> Self {
        Self::Failed(why.to_string())
    }
}

type Outcome = Result<(), Failure>;

/// Runs the command that `arguments` (the program's name first) ask for; the exit code is 0, 1 or 64.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<_> = arguments.into_iter().collect();
    let cli = match Cli::try_parse_from(&arguments) {
        Ok(cli) => cli,
        Err(e) if matches!(e.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => {
            // Nobody is left to tell if the terminal has gone.
            drop(e.print());
            return ExitCode::SUCCESS;
        }
        Err(e) => {
            remark(usage::explain(&e, &Cli::command(), &arguments).trim_end());
            return ExitCode::from(USAGE);
        }
    };
    let outcome = match cli.command {
        Command::Serve(args) => serve(&args),
        Command::Demo(args) => demo::run(&args).map_err(Failure::failed),
        Command::Check(args) => check::run(&args),
        Command::Health(args) => health::run(&args),
        Command::Topics(args) => topics::run(&args),
        Command::Send(args) => send::run(&args),
        Command::Sign(args) => sign::run(&args),
        Command::Verify(args) => verify::run(&args),
        Command::Schema(args) => schema::run(&args),
        Command::Rejects(args) => rejects::run(&args),
        Command::Spool(args) => spool::run(&args),
        Command::Drain(args) => drain::run(&args),
        Command::Replay(args) => replay::run(&args),
        Command::Audit(args) => audit::run(&args),
        Command::Quarantine(args) => quarantine::run(&args),
        Command::Tail(args) => tail::run(&args),
        Command::Prove(args) => prove::run(&args),
        Command::Plan(args) => plan::run(&args),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Usage(why)) => {
            remark(&format!("livebridge: {why}"));
            ExitCode::from(USAGE)
        }
        Err(Failure::Failed(why)) => {
            remark(&format!("livebridge: {why}"));
            ExitCode::FAILURE
        }
    }
}

fn serve(args: &Serve) -> Outcome {
    let loaded = settings::load(&args.flags)?;
    log::start(&loaded.config.log);
    crate::app::serve(&loaded.config, &loaded.warnings).map_err(Failure::failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_help_of_every_command_shows_examples() {
        fn walk(command: &clap::Command) {
            let help = command
                .get_after_help()
                .map(ToString::to_string)
                .unwrap_or_default();
            assert!(help.contains("Examples:"), "{}", command.get_name());
            command.get_subcommands().for_each(walk);
        }
        walk(&Cli::command());
    }
}

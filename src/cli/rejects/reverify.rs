//! `rejects reverify`: judges refused callbacks again with the keys of now, as of the time when they came, and puts those
//! that pass into the spool.

use super::{
    super::{
        Failure, Outcome, output::Output, place::with_a_spool, progress::Progress, settings::load,
        verify::Judge,
    },
    Which, read,
};
use crate::{
    callback::names::{Family, SourceName},
    clock::SystemClock,
    config::{Config, Flags},
    control::{Client, Reply, Request},
    metrics::Callbacks,
    rejects::{self, Entry, Gate, Passed, Reverified},
    spool::{self, AppendError, Appender, Envelope, OpenError, Receipt},
};
use std::{collections::BTreeMap, ops::ControlFlow, path::Path, sync::Arc};

/// Judges refused callbacks again, with the keys that the settings have now and as of the time when they came. With
/// --accept, those that pass go into the spool as if they had just come: exit 0 when all of them are durable. A running
/// `serve` takes them itself, and judges them with the keys that it has.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
                  livebridge rejects reverify --config livebridge.toml --since 1h             what would pass?\n  \
                  livebridge rejects reverify --config livebridge.toml --since 1h --accept    with serve running, or not")]
pub(super) struct Args {
    /// Put those that pass into the spool.
    #[arg(long)]
    accept: bool,
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    flags: Flags,
}

/// Names in a request: of at most 24 bytes each.
const NAMES: usize = 20_000;

pub(super) fn run(args: &Args) -> Outcome {
    let config = with_a_spool(load(&args.flags)?.config, args.flags.spool_dir.is_some())?;
    let judges = Judges::of(&config);
    let mut output = Output::standard();
    let (mut passing, mut failing) = (Vec::new(), 0_u64);
    read(&config.spool.dir, |name, entry, accepted| {
        if accepted || !args.which.includes(&entry) {
            return ControlFlow::Continue(());
        }
        let said = match judges.judge(&entry) {
            Ok(_) => {
                passing.push(name.to_owned());
                "passes".to_owned()
            }
            Err(why) => {
                failing += 1;
                format!("fails: {why}")
            }
        };
        let (at, source, reason) = (entry.at, &entry.source, &entry.reason);
        // Whoever reads it no more still wants the rest to be accepted.
        let _ = output.line(&format!("{name}  {at}  {source}  {reason}  {said}"));
        ControlFlow::Continue(())
    })?;
    let mut sum = format!("{} pass, {failing} fail", passing.len());
    let done = args
        .accept
        .then(|| match passing.as_slice() {
            [] => Ok(Reverified::default()),
            passing => accept(&config, judges, passing),
        })
        .transpose()?;
    if let Some(done) = &done {
        sum = format!(
            "{sum}; {} are in the spool now, {} were there already, {} have their topic off",
            done.new, done.duplicates, done.off
        );
    }
    let _ = output.line(&sum);
    output.finish()?;
    done.map_or(Ok(()), |done| all_of(&done))
}

/// Whether none was left.
fn all_of(done: &Reverified) -> Outcome {
    if let Some(why) = &done.failed_because {
        return Err(Failure::Failed(format!(
            "{} pass with the keys given here, but not with those that serve has ({why}): give it the right key first, \
             in its key file or its settings",
            done.failed
        )));
    }
    if done.gone > 0 {
        return Err(Failure::Failed(format!(
            "{} were pushed out of the ledger meanwhile",
            done.gone
        )));
    }
    Ok(())
}

/// By the relay that has the spool, or by opening it.
fn accept(config: &Config, judges: Judges<'_>, names: &[String]) -> Result<Reverified, Failure> {
    let dir = &config.spool.dir;
    if let Some(client) = Client::connect(dir).map_err(Failure::failed)? {
        return through(client, dir, names);
    }
    let (gate, threads) = Opened::open(config, judges)?;
    let mut tell = |_, _| ControlFlow::Continue(());
    let done = rejects::accept(dir, names, &gate, &mut tell);
    drop(gate);
    threads.join().map_err(Failure::failed)?;
    done.map_err(Failure::failed)
}

/// A request has so much room, so there may be several; the first connection is there already.
fn through(client: Client, dir: &Path, names: &[String]) -> Result<Reverified, Failure> {
    let mut sum = Reverified::default();
    let mut progress = Progress::new("judged", "callbacks");
    let mut client = Some(client);
    for some in names.chunks(NAMES) {
        let next = match client.take() {
            Some(client) => client,
            None => Client::connect(dir)
                .map_err(Failure::failed)?
                .ok_or_else(|| Failure::Failed("serve has stopped: say it again".into()))?,
        };
        let request = Request::Reverify {
            names: some.to_vec(),
        };
        let reply = next.ask(&request, &mut |done, all| progress.at(done, all));
        progress.finish();
        match reply.map_err(Failure::failed)? {
            Reply::Reverified(done) => sum.add(done),
            Reply::Failed(why) => return Err(Failure::Failed(why)),
            _ => return Err(Failure::failed("the relay answered something else")),
        }
    }
    Ok(sum)
}

/// The sources of the settings, each with its keys.
struct Judges<'c> {
    config: &'c Config,
    by_source: BTreeMap<SourceName, Judge>,
}

impl<'c> Judges<'c> {
    fn of(config: &'c Config) -> Self {
        let judge =
            |source: &crate::config::Source| (source.name.clone(), Judge::of(config, source));
        Self {
            config,
            by_source: config.sources.iter().map(judge).collect(),
        }
    }

    fn judge(&self, entry: &Entry) -> Result<Passed, String> {
        let judge = self.by_source.get(&entry.source);
        let judge = judge.ok_or("there is no such source any more")?;
        rejects::judge(judge.kind, &judge.keys, &judge.policy, entry)
    }
}

/// The spool, opened for appending.
struct Opened<'c> {
    judges: Judges<'c>,
    appender: Appender,
}

impl<'c> Opened<'c> {
    fn open(config: &Config, judges: Judges<'c>) -> Result<(Self, spool::Threads), Failure> {
        let sources = config.sources.iter().map(|source| source.name.clone());
        let sources: Vec<_> = sources.collect();
        let registry = prometheus::Registry::new();
        let callbacks = Callbacks::register(&registry, &sources).map_err(Failure::failed)?;
        let settings = spool::Settings {
            spool: &config.spool,
            dedup: config.dedup,
            limits: &config.limits,
        };
        let clock = Arc::new(SystemClock);
        let opened = spool::open(
            settings,
            clock,
            &registry,
            callbacks,
            spool::AfterSync::default(),
        )
        .map_err(|why| match why {
            OpenError::Locked { .. } => Failure::Failed(format!(
                "{why}; it can't be reached through control.sock either"
            )),
            why => Failure::failed(why),
        })?;
        let appender = opened.appender;
        Ok((Self { judges, appender }, opened.threads))
    }
}

impl Gate for Opened<'_> {
    fn judge(&self, entry: &Entry) -> Result<Passed, String> {
        self.judges.judge(entry)
    }

    fn is_off(&self, family: Family) -> bool {
        !self.judges.config.topics.families.contains_key(&family)
    }

    fn submit(&self, passed: Passed, envelope: Envelope) -> Result<Receipt, AppendError> {
        self.appender.submit(passed.ce_id, passed.event, envelope)
    }
}

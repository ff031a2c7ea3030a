//! `rejects reverify`: judges refused callbacks again with the keys of now, as of the time when they came, and puts those
//! that pass into the spool.

use super::{
    super::{Failure, Outcome, output::Output, settings::load, verify::Judge},
    Which, read,
};
use crate::{
    callback::{id::ce_id, json::Document, names::EventName, verify},
    clock::SystemClock,
    config::{Config, Flags},
    metrics::Callbacks,
    rejects::{self, Entry},
    spool::{self, Appender, CeId, Envelope, How, OpenError},
};
use std::{collections::BTreeMap, ops::ControlFlow, sync::Arc};

/// Judges refused callbacks again, with the keys that the settings have now and as of the time when they came. With
/// --accept, those that pass go into the spool as if they had just come: exit 0 when all of them are durable.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
                  livebridge rejects reverify --config livebridge.toml --since 1h             what would pass?\n  \
                  livebridge rejects reverify --config livebridge.toml --since 1h --accept    with serve stopped")]
pub(super) struct Args {
    /// Put those that pass into the spool. serve must not be running on it.
    #[arg(long)]
    accept: bool,
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    flags: Flags,
}

/// Callbacks that wait for their receipts at once.
const AT_ONCE: usize = 64;

pub(super) fn run(args: &Args) -> Outcome {
    let config = load(&args.flags)?.config;
    let judges: BTreeMap<_, _> = config
        .sources
        .iter()
        .map(|source| (source.name.clone(), Judge::of(&config, source)))
        .collect();
    let mut door = args.accept.then(|| Door::open(&config)).transpose()?;
    let mut output = Output::standard();
    let (mut passing, mut failing) = (0_u64, 0_u64);
    let mut stopped = Ok(());
    read(&config.spool.dir, |name, entry, accepted| {
        if accepted || !args.which.includes(&entry) {
            return ControlFlow::Continue(());
        }
        let verdict = match judges.get(&entry.source) {
            Some(judge) => again(judge, &entry),
            None => Err("there is no such source any more".into()),
        };
        let said = match &verdict {
            Ok(_) => "passes".to_owned(),
            Err(why) => format!("fails: {why}"),
        };
        let (at, source, reason) = (entry.at, &entry.source, &entry.reason);
        let line = format!("{name}  {at}  {source}  {reason}  {said}");
        match verdict {
            Err(_) => failing += 1,
            Ok(callback) => {
                passing += 1;
                if let Some(door) = &mut door {
                    stopped = door.take(name, entry, callback);
                }
            }
        }
        if stopped.is_err() {
            return ControlFlow::Break(());
        }
        // Whoever reads it no more still wants the rest to be accepted.
        let _ = output.line(&line);
        ControlFlow::Continue(())
    })?;
    stopped?;
    let mut sum = format!("{passing} pass, {failing} fail");
    if let Some(door) = door {
        let done = door.close()?;
        let Done {
            new,
            duplicates,
            off,
            ..
        } = done;
        sum = format!(
            "{sum}; {new} are in the spool now, {duplicates} were there already, {off} have their topic off"
        );
    }
    let _ = output.line(&sum);
    output.finish()
}

/// What the spool needs of a callback that passes.
struct Callback {
    event: EventName,
    ce_id: CeId,
}

fn again(judge: &Judge, entry: &Entry) -> Result<Callback, String> {
    let document = Document::parse(&entry.body).map_err(|why| why.to_string())?;
    let request = verify::Request::of_body(&entry.body);
    let (keys, policy) = (&judge.keys, &judge.policy);
    let authentic = verify::verify(judge.kind, &request, document, keys, policy, entry.at)
        .map_err(|why| why.to_string())?;
    Ok(Callback {
        event: authentic.event(),
        ce_id: ce_id(authentic.document()),
    })
}

/// The spool, open for appending.
struct Door<'a> {
    config: &'a Config,
    runtime: tokio::runtime::Runtime,
    appender: Appender,
    threads: spool::Threads,
    waiting: Vec<(String, spool::Receipt)>,
    done: Done,
}

#[derive(Default)]
struct Done {
    new: u64,
    duplicates: u64,
    off: u64,
    names: Vec<String>,
}

impl<'a> Door<'a> {
    fn open(config: &'a Config) -> Result<Self, Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .map_err(Failure::failed)?;
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
        let opened = spool::open(settings, clock, &registry, callbacks, Box::new(|| {}))
            .map_err(|why| match why {
                OpenError::Locked { .. } => Failure::Failed(format!(
                    "{why}: --accept needs the spool for itself, so stop serve first (what is sent meanwhile comes again)"
                )),
                why => Failure::failed(why),
            })?;
        Ok(Self {
            config,
            runtime,
            appender: opened.appender,
            threads: opened.threads,
            waiting: Vec::new(),
            done: Done::default(),
        })
    }

    fn take(&mut self, name: &str, entry: Entry, callback: Callback) -> Outcome {
        let family = callback.event.family();
        if !self.config.topics.families.contains_key(&family) {
            // At the door it would have been ignored.
            self.done.off += 1;
            return Ok(());
        }
        let envelope = Envelope {
            source: entry.source,
            family,
            received_at: entry.at,
            traceparent: entry.traceparent.map(Into::into),
            body: entry.body,
        };
        let submitted = self
            .appender
            .submit(callback.ce_id, callback.event, envelope);
        self.waiting
            .push((name.to_owned(), submitted.map_err(Failure::failed)?));
        if self.waiting.len() >= AT_ONCE {
            self.settle()?;
        }
        Ok(())
    }

    /// Waits until what was handed over is durable, and then notes it.
    fn settle(&mut self) -> Outcome {
        for (name, receipt) in self.waiting.drain(..) {
            let durable = self.runtime.block_on(receipt).map_err(Failure::failed)?;
            match durable.how() {
                How::New => self.done.new += 1,
                How::Duplicate => self.done.duplicates += 1,
            }
            self.done.names.push(name);
        }
        rejects::mark_accepted(&self.config.spool.dir, &self.done.names)
            .map_err(|e| Failure::Failed(format!("rejects/accepted: {e}")))
    }

    fn close(mut self) -> Result<Done, Failure> {
        self.settle()?;
        drop(self.appender);
        let ended = self.runtime.block_on(self.threads.ended());
        ended.map_err(Failure::failed)?;
        Ok(self.done)
    }
}

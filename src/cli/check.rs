//! `check`: are the settings right, and with `--online` also the brokers and the topics?

use super::{
    Failure, Outcome,
    cluster::{Cluster, probe},
    settings::{load, print},
    verdict::{self, Finding, Purpose},
};
use crate::{
    clock::{Clock, SystemClock},
    config::{Ack, Config, Flags},
    publish,
    spool::volume,
};
use rdkafka::admin::ResourceSpecifier;

/// Validates the settings, and looks at the spool's volume; with --online also at the brokers and topics.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit code 1 with --online: no broker, a topic missing or not authorised, fewer replicas than\n\
                        min.insync.replicas. Warnings leave it 0.\n\n\
                        Examples:\n  \
                        livebridge check --config livebridge.toml\n  \
                        livebridge check --config livebridge.toml --online\n  \
                        livebridge check --config livebridge.toml --write    proves permission with a marked message"
)]
pub(super) struct Args {
    /// Ask the brokers, too.
    #[arg(long)]
    online: bool,
    /// Publish a message marked with the header livebridge-probe to every topic, to prove permission. Implies --online.
    #[arg(long)]
    write: bool,
    #[command(flatten)]
    flags: Flags,
}

pub(super) fn run(args: &Args) -> Outcome {
    let loaded = load(&args.flags)?;
    super::log::start(&loaded.config.log);
    let mut findings: Vec<Finding> = loaded.warnings.into_iter().map(Ok).collect();
    print(&format!(
        "settings: right ({} source(s))\n",
        loaded.config.sources.len()
    ))?;
    if loaded.config.ack == Ack::Spool {
        let spool = &loaded.config.spool;
        findings.extend(
            volume::doubts(&spool.dir, spool.max_bytes)
                .into_iter()
                .map(Ok),
        );
    }
    if args.online || args.write {
        findings.extend(online(&loaded.config, args.write)?);
    }
    report(&findings)
}

fn online(config: &Config, write: bool) -> Result<Vec<Finding>, Failure> {
    let cluster = Cluster::connect(&config.kafka)?;
    let (brokers, first) = cluster.brokers()?;
    print(&format!("brokers: {brokers}\n"))?;
    let settings = first.and_then(|id| cluster.settings(&ResourceSpecifier::Broker(id)));
    let mut findings = verdict::broker(settings.as_ref());
    let message_bytes = publish::message_bytes(config.limits.body_bytes) as u64;
    let (mut writable, mut of_topics) = (Vec::new(), Vec::new());
    for (name, purpose) in verdict::needed(config) {
        let facts = cluster.topic(&name)?;
        if facts.error.is_none() {
            print(&format!(
                "topic {name}: {} partition(s), {} replica(s)\n",
                facts.partitions, facts.replicas
            ))?;
            writable.extend((purpose == Purpose::Events).then(|| name.clone()));
        }
        let found = verdict::topic(&facts, purpose, message_bytes);
        of_topics.extend(found.into_iter().map(|finding| (name.clone(), finding)));
    }
    findings.extend(verdict::gathered(of_topics));
    print("clock: not checked (brokers don't tell the time)\n")?;
    if write {
        let time = SystemClock.now().to_string();
        for (topic, outcome) in probe(&config.kafka, &writable, &time)? {
            match outcome {
                Ok(()) => print(&format!("topic {topic}: a probe was published\n"))?,
                Err(why) => findings.push(Err(format!(
                    "topic {topic}: a probe could not be published: {why}"
                ))),
            }
        }
    }
    Ok(findings)
}

fn report(findings: &[Finding]) -> Outcome {
    let warnings = findings.iter().filter_map(|finding| finding.as_ref().ok());
    let faults: Vec<_> = findings
        .iter()
        .filter_map(|finding| finding.as_ref().err())
        .collect();
    for warning in warnings {
        print(&format!("warning: {warning}\n"))?;
    }
    for fault in &faults {
        print(&format!("fault: {fault}\n"))?;
    }
    match faults.len() {
        0 => Ok(()),
        n => Err(Failure::Failed(format!("{n} fault(s)"))),
    }
}

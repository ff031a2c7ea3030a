//! `topics create`: the missing topics, with the broker's defaults where nothing is said.

use super::{
    Failure, Outcome,
    cluster::{Cluster, Wanted},
    settings::{load, print, remark},
    verdict::{Purpose, needed},
};
use crate::config::Flags;
use rdkafka::error::RDKafkaErrorCode as Code;
use std::{
    thread,
    time::{Duration, Instant},
};

/// Brokers show what they have created within a second; busy ones may take longer.
const APPEARS_WITHIN: Duration = Duration::from_secs(15);

/// Looks after the topics that the settings name.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  livebridge topics create --config livebridge.toml --partitions 12 --replication-factor 3"
)]
pub(super) struct Args {
    #[command(subcommand)]
    command: TopicsCommand,
}

#[derive(Debug, clap::Subcommand)]
enum TopicsCommand {
    Create(Create),
}

/// Creates the missing topics of all families that aren't off, the quarantine topic and, with exactly-once, the
/// checkpoint topic. Existing ones are left and listed.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
                        livebridge topics create --key KEY --bootstrap-servers kafka-1:9092\n  \
                        livebridge topics create --config livebridge.toml --partitions 12 --replication-factor 3 \\\n      \
                        --topic-config min.insync.replicas=2 --topic-config retention.ms=604800000")]
struct Create {
    /// Partitions of each topic [default: the broker's].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(1..=100_000))]
    partitions: Option<i32>,
    /// Replicas of each partition [default: the broker's].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(1..=1_000))]
    replication_factor: Option<i32>,
    /// A topic setting, for example retention.ms=604800000. Repeatable.
    #[arg(long, value_name = "NAME=VALUE", value_parser = topic_setting)]
    topic_config: Vec<(String, String)>,
    #[command(flatten)]
    flags: Flags,
}

fn topic_setting(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.into(), value.into())),
        _ => Err("write NAME=VALUE, such as retention.ms=604800000".into()),
    }
}

pub(super) fn run(args: &Args) -> Outcome {
    let TopicsCommand::Create(create) = &args.command;
    let loaded = load(&create.flags)?;
    super::log::start(&loaded.config.log);
    for warning in loaded.warnings {
        remark(&format!("warning: {warning}"));
    }
    let cluster = Cluster::connect(&loaded.config.kafka)?;
    cluster.brokers()?;
    let (mut failed, mut created) = (0, Vec::new());
    for (name, purpose) in needed(&loaded.config) {
        let facts = cluster.topic(&name)?;
        let line = match facts.error {
            None => format!(
                "{name}: exists ({} partition(s), {} replica(s)), left as it is",
                facts.partitions, facts.replicas
            ),
            Some(Code::UnknownTopic | Code::UnknownTopicOrPartition) => {
                match cluster.create(&wanted(create, &name, purpose)) {
                    Ok(false) => {
                        created.push(name.clone());
                        format!("{name}: created")
                    }
                    Ok(true) => format!("{name}: exists, left as it is"),
                    Err(why) => {
                        failed += 1;
                        format!("{name}: could not be created: {why}")
                    }
                }
            }
            Some(code) => {
                failed += 1;
                format!("{name}: {code}")
            }
        };
        print(&format!("{line}\n"))?;
    }
    for name in &created {
        if !appears(&cluster, name)? {
            remark(&format!(
                "warning: {name}: created, but the brokers don't show it yet"
            ));
        }
    }
    match failed {
        0 => Ok(()),
        n => Err(Failure::Failed(format!(
            "{n} topic(s) could not be created"
        ))),
    }
}

/// Waits until the brokers show a topic that they have created, which takes them a moment: whoever is told that it is there
/// finds it. False if they don't in good time.
fn appears(cluster: &Cluster, name: &str) -> Result<bool, Failure> {
    let asked_since = Instant::now();
    while asked_since.elapsed() < APPEARS_WITHIN {
        if cluster.topic(name)?.error.is_none() {
            return Ok(true);
        }
        // Nobody unparks a command: this is the pause between two questions.
        thread::park_timeout(Duration::from_millis(50));
    }
    Ok(false)
}

/// The checkpoint topic has one partition and is compacted, whatever is said for the others.
fn wanted(create: &Create, name: &str, purpose: Purpose) -> Wanted {
    let mut settings = create.topic_config.clone();
    if purpose == Purpose::Checkpoint {
        settings.retain(|(name, _)| name != "cleanup.policy");
        settings.push(("cleanup.policy".into(), "compact".into()));
    }
    Wanted {
        name: name.into(),
        partitions: if purpose == Purpose::Checkpoint {
            Some(1)
        } else {
            create.partitions
        },
        replication_factor: create.replication_factor,
        settings,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checkpoint_topic_is_compacted_and_has_one_partition_whatever_is_asked() {
        let create = Create {
            partitions: Some(12),
            replication_factor: None,
            topic_config: vec![("cleanup.policy".into(), "delete".into())],
            flags: Flags::default(),
        };
        let events = wanted(&create, "live.x", Purpose::Events);
        assert_eq!(
            (events.partitions, events.settings),
            (Some(12), create.topic_config.clone())
        );
        let checkpoint = wanted(&create, "live.checkpoint", Purpose::Checkpoint);
        assert_eq!(checkpoint.partitions, Some(1));
        assert_eq!(
            checkpoint.settings,
            [("cleanup.policy".into(), "compact".into())]
        );
    }
}

//! `audit`: is what the spool retains in Kafka, once, in order, unaltered?

mod text;

use super::{
    Failure, Outcome,
    cluster::{Cluster, TopicFacts},
    log,
    place::{Link, Which},
    progress::Progress,
    settings::print,
};
use crate::{
    clock::SystemClock,
    config::{Config, Delivery},
    publish::{
        Settings,
        audit::{self, Kind, Report, Retention, With},
    },
    spool::{Selection, look::Look},
};
use rdkafka::error::RDKafkaErrorCode as Code;
use std::{collections::BTreeMap, ops::ControlFlow, time::Duration};

/// Compares the topics with what the spool retains (spool.retain): records that are missing, altered, out of order or
/// duplicated. Reads only, and works beside a running `serve` and on a copy of a spool.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit code 1: something is missing, altered or out of order; with delivery = \"exactly-once\" also if it is\n\
                        duplicated. At least once may duplicate: that is reported, and exit 0. What the topic's retention may have\n\
                        removed can't be told, and is exit 0, too.\n\n\
                        Examples:\n  \
                        livebridge audit --config livebridge.toml --since 24h\n  \
                        livebridge audit --config livebridge.toml --since 2h --until 1h --event recording.file --json | jq .findings\n  \
                        livebridge audit --spool-dir /var/lib/livebridge --bootstrap-servers kafka-1:9092 --since 2h --stream s1"
)]
pub(super) struct Args {
    #[command(flatten)]
    which: Which,
    /// One JSON object.
    #[arg(long)]
    json: bool,
    /// Findings of each kind that are listed; further ones are counted.
    #[arg(long, value_name = "N", default_value_t = 20)]
    list: usize,
    /// Records held in memory at a time, some 150 bytes each. With more, spool and topics are read several times.
    #[arg(long, value_name = "N", default_value_t = 500_000, value_parser = at_once)]
    at_once: usize,
    #[command(flatten)]
    link: Link,
}

fn at_once(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(count) if (1..=100_000_000).contains(&count) => Ok(count),
        _ => Err("write a number from 1 to 100000000".into()),
    }
}

pub(super) fn run(args: &Args) -> Outcome {
    let selection = args.which.selection();
    if selection.since.is_none() && selection.first.is_none() {
        return Err(Failure::Usage(
            "audit needs --since (or --seq): write --since 24h, or --seq 1.. for everything that is retained".into(),
        ));
    }
    let config = args.link.settings()?;
    log::start(&config.log);
    let mut progress = Progress::new("read", "records and messages");
    let report = compare(&config, &selection, args, &mut progress);
    progress.finish();
    let report = report?;
    if args.json {
        let json = serde_json::to_string(&report).map_err(Failure::failed)?;
        print(&format!("{json}\n"))?;
    } else {
        print(&text::of(&report))?;
    }
    verdict(&report, config.delivery)
}

fn compare(
    config: &Config,
    selection: &Selection,
    args: &Args,
    progress: &mut Progress,
) -> Result<Report, Failure> {
    let look = Look::open(&config.spool.dir).map_err(Failure::failed)?;
    let cluster = Cluster::connect(&config.kafka)?;
    let settings = Settings::from(config);
    let retention = |topic: &str| {
        let facts = cluster.topic(topic).map_err(|failure| {
            // What is wrong between here and there is heard where the brokers are asked for; here only that no answer came.
            match cluster.brokers().err().unwrap_or(failure) {
                Failure::Usage(why) | Failure::Failed(why) => why,
            }
        })?;
        retention(&facts)
    };
    let with = With {
        settings: &settings,
        clock: &SystemClock,
        at_once: args.at_once,
        listed: args.list,
        retention: &retention,
    };
    let mut tell = |done, all| {
        progress.at(done, all);
        ControlFlow::Continue(())
    };
    audit::audit(&look, selection, with, &mut tell).map_err(Failure::failed)
}

/// None: the brokers don't show the topic's settings.
fn retention(facts: &TopicFacts) -> Result<Option<Retention>, String> {
    let name = &facts.name;
    match facts.error {
        Some(Code::UnknownTopic | Code::UnknownTopicOrPartition) => {
            return Err(format!(
                "topic {name} is missing, so nothing that belongs there can be found; create it with `livebridge topics create`, or \
                 look at other events with --event"
            ));
        }
        Some(Code::TopicAuthorizationFailed) => {
            return Err(format!(
                "topic {name}: not authorised; grant Describe and Read"
            ));
        }
        Some(code) => return Err(format!("topic {name}: {code}")),
        None => {}
    }
    Ok(facts.settings.as_ref().and_then(read))
}

fn read(settings: &BTreeMap<String, String>) -> Option<Retention> {
    let number = |name: &str| settings.get(name)?.parse::<i64>().ok();
    Some(Retention {
        // -1 is for ever.
        time: u64::try_from(number("retention.ms")?)
            .ok()
            .map(Duration::from_millis),
        by_size: number("retention.bytes")? >= 0,
        compacted: settings.get("cleanup.policy")?.contains("compact"),
    })
}

fn verdict(report: &Report, delivery: Delivery) -> Outcome {
    let wrong: Vec<_> = Kind::ALL
        .into_iter()
        .filter(|kind| match kind {
            Kind::Missing | Kind::Altered | Kind::OutOfOrder => true,
            Kind::Duplicated => delivery == Delivery::ExactlyOnce,
            Kind::Untold => false,
        })
        .filter(|kind| report.of(*kind) > 0)
        .map(|kind| format!("{} {}", report.of(kind), kind.as_str()))
        .collect();
    if wrong.is_empty() {
        return Ok(());
    }
    Err(Failure::Failed(format!(
        "the topics differ from the spool: {}",
        wrong.join(", ")
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn duplicates_are_wrong_only_where_once_is_promised_and_what_can_not_be_told_never() {
        use Delivery::{AtLeastOnce, ExactlyOnce};
        for (kind, delivery, right) in [
            (Kind::Missing, AtLeastOnce, false),
            (Kind::Altered, AtLeastOnce, false),
            (Kind::OutOfOrder, AtLeastOnce, false),
            (Kind::Duplicated, AtLeastOnce, true),
            (Kind::Duplicated, ExactlyOnce, false),
            (Kind::Untold, ExactlyOnce, true),
        ] {
            assert_eq!(
                verdict(&text::tests::with(kind), delivery).is_ok(),
                right,
                "{kind:?}"
            );
        }
    }

    #[test]
    fn a_topics_retention_is_read_from_its_settings() {
        let settings = |pairs: &[(&str, &str)]| {
            let facts = TopicFacts {
                settings: Some(
                    pairs
                        .iter()
                        .map(|(k, v)| ((*k).into(), (*v).into()))
                        .collect(),
                ),
                ..TopicFacts::default()
            };
            retention(&facts).unwrap()
        };
        let usual = [
            ("retention.ms", "604800000"),
            ("retention.bytes", "-1"),
            ("cleanup.policy", "delete"),
        ];
        let week = Retention {
            time: Some(Duration::from_hours(168)),
            by_size: false,
            compacted: false,
        };
        assert_eq!(settings(&usual), Some(week));
        let for_ever = [
            ("retention.ms", "-1"),
            ("retention.bytes", "1000"),
            ("cleanup.policy", "compact,delete"),
        ];
        let other = Retention {
            time: None,
            by_size: true,
            compacted: true,
        };
        assert_eq!(settings(&for_ever), Some(other));
        assert_eq!(settings(&[]), None);
    }

    #[test]
    fn a_topic_that_can_not_be_read_says_why() {
        for (code, word) in [
            (Code::UnknownTopicOrPartition, "is missing"),
            (Code::TopicAuthorizationFailed, "not authorised"),
        ] {
            let facts = TopicFacts {
                name: "live.x".into(),
                error: Some(code),
                ..TopicFacts::default()
            };
            let why = retention(&facts).unwrap_err();
            assert!(why.contains("live.x") && why.contains(word), "{why}");
        }
    }
}

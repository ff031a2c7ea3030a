//! What the facts about a cluster mean for the promise: faults, which break it, and warnings. Pure.

use super::cluster::TopicFacts;
use crate::config::{Config, Delivery};
use rdkafka::error::RDKafkaErrorCode as Code;
use std::collections::BTreeMap;

/// What a topic is for, which decides what must hold of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Typed events, or quarantine copies.
    Events,
    /// The checkpoint of exactly-once.
    Checkpoint,
}

/// A fault (`Err`) or a warning (`Ok`), as a sentence.
pub(super) type Finding = Result<String, String>;

/// The topics that these settings need, each once.
pub(super) fn needed(config: &Config) -> BTreeMap<String, Purpose> {
    let topics = &config.topics;
    let names = topics.families.values().chain(&topics.quarantine);
    let mut needed: BTreeMap<_, _> = names.map(|name| (name.clone(), Purpose::Events)).collect();
    if config.delivery == Delivery::ExactlyOnce {
        needed.insert(topics.checkpoint.clone(), Purpose::Checkpoint);
    }
    needed
}

/// What is wrong or doubtful about one topic; `message_bytes` is the largest message that we send.
pub(super) fn topic(facts: &TopicFacts, purpose: Purpose, message_bytes: u64) -> Vec<Finding> {
    let name = &facts.name;
    match facts.error {
        Some(Code::UnknownTopic | Code::UnknownTopicOrPartition) => {
            return vec![Err(format!(
                "topic {name} is missing; create it with `livebridge topics create`"
            ))];
        }
        Some(Code::TopicAuthorizationFailed) => {
            return vec![Err(format!(
                "topic {name}: not authorised; grant Describe and Write"
            ))];
        }
        Some(code) => return vec![Err(format!("topic {name}: {code}"))],
        None => {}
    }
    let mut findings = replication(facts);
    findings.extend(settings(facts, purpose, message_bytes));
    if purpose == Purpose::Checkpoint && facts.partitions != 1 {
        findings.push(Err(format!(
            "checkpoint topic {name} has {} partitions and must have one; create another and set topics.checkpoint",
            facts.partitions
        )));
    }
    findings
}

/// What is the same of several topics is said once.
pub(super) fn gathered(findings: Vec<(String, Finding)>) -> Vec<Finding> {
    let mut gathered: Vec<(Finding, Finding, Vec<String>)> = Vec::new();
    for (name, finding) in findings {
        let topic = format!("topic {name}");
        let nameless = |text: &String| text.replacen(&topic, "topic", 1);
        let kind = finding.as_ref().map(nameless).map_err(nameless);
        match gathered.iter_mut().find(|(known, ..)| *known == kind) {
            Some((.., others)) => others.push(name),
            None => gathered.push((kind, finding, Vec::new())),
        }
    }
    let said = |(_, first, others): (_, Finding, Vec<String>)| {
        let with = |text: String| match others.len() {
            0 => text,
            _ => format!("{text} (the same of {})", others.join(", ")),
        };
        first.map(with).map_err(with)
    };
    gathered.into_iter().map(said).collect()
}

fn replication(facts: &TopicFacts) -> Vec<Finding> {
    let (name, replicas) = (&facts.name, facts.replicas);
    let mut findings = Vec::new();
    if replicas == 1 {
        findings.push(Ok(format!(
            "topic {name} has one replica: the loss of a broker's disk loses records"
        )));
    }
    let Some(least) = number(facts, "min.insync.replicas") else {
        return findings;
    };
    if (replicas as u64) < least {
        findings.push(Err(format!(
            "topic {name} has {replicas} replicas, fewer than its min.insync.replicas of {least}: \
             a broker refuses every record, or (since Kafka 4) quietly asks for fewer; add replicas or lower it"
        )));
    } else if least == 1 {
        findings.push(Ok(format!(
            "topic {name} has min.insync.replicas 1: an acknowledged record may be on one broker only"
        )));
    }
    findings
}

fn settings(facts: &TopicFacts, purpose: Purpose, message_bytes: u64) -> Vec<Finding> {
    let name = &facts.name;
    let Some(all) = &facts.settings else {
        return vec![Ok(format!(
            "topic {name}: its settings can't be read (DescribeConfigs not granted?), so min.insync.replicas, \
             max.message.bytes and cleanup.policy were not checked"
        ))];
    };
    let mut findings = Vec::new();
    let limit = number(facts, "max.message.bytes").filter(|limit| *limit < message_bytes);
    if let (Some(limit), Purpose::Events) = (limit, purpose) {
        findings.push(Ok(format!(
            "topic {name} takes messages up to {limit} bytes, and a callback may need {message_bytes}: larger ones \
             go to the quarantine; raise max.message.bytes or lower limits.body_bytes"
        )));
    }
    let compacted = all
        .get("cleanup.policy")
        .is_some_and(|policy| policy.contains("compact"));
    match purpose {
        Purpose::Checkpoint if !compacted => findings.push(Err(format!(
            "checkpoint topic {name} is not compacted; set cleanup.policy=compact"
        ))),
        Purpose::Events if compacted => findings.push(Ok(format!(
            "topic {name} is compacted: only the last event of each stream stays"
        ))),
        _ => {}
    }
    findings
}

fn number(facts: &TopicFacts, name: &str) -> Option<u64> {
    facts.settings.as_ref()?.get(name)?.parse().ok()
}

/// What is doubtful about the brokers' own settings.
pub(super) fn broker(settings: Option<&BTreeMap<String, String>>) -> Vec<Finding> {
    match settings.map(|all| all.get("auto.create.topics.enable").map(String::as_str)) {
        None => vec![Ok("the brokers' settings can't be read, so auto-creation of topics was not checked".into())],
        Some(Some("true")) => vec![Ok(
            "the brokers create topics by themselves (auto.create.topics.enable): a mistyped name in a consumer makes a topic"
                .into(),
        )],
        Some(_) => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(replicas: usize, settings: &[(&str, &str)]) -> TopicFacts {
        TopicFacts {
            name: "live.x".into(),
            error: None,
            partitions: 3,
            replicas,
            settings: Some(
                settings
                    .iter()
                    .map(|(k, v)| ((*k).into(), (*v).into()))
                    .collect(),
            ),
        }
    }

    fn good() -> TopicFacts {
        facts(
            3,
            &[
                ("min.insync.replicas", "2"),
                ("max.message.bytes", "1048588"),
                ("cleanup.policy", "delete"),
            ],
        )
    }

    fn faults(findings: &[Finding]) -> usize {
        findings.iter().filter(|finding| finding.is_err()).count()
    }

    #[test]
    fn a_sound_topic_gives_nothing_to_say() {
        assert_eq!(
            topic(&good(), Purpose::Events, 1_000_000),
            Vec::<Finding>::new()
        );
    }

    #[test]
    fn a_topic_that_cant_take_records_is_a_fault() {
        for code in [
            Code::UnknownTopicOrPartition,
            Code::TopicAuthorizationFailed,
            Code::InvalidTopic,
        ] {
            let facts = TopicFacts {
                error: Some(code),
                ..good()
            };
            assert_eq!(faults(&topic(&facts, Purpose::Events, 1)), 1, "{code}");
        }
        assert_eq!(
            faults(&topic(
                &facts(1, &[("min.insync.replicas", "2")]),
                Purpose::Events,
                1
            )),
            1
        );
    }

    #[test]
    fn what_weakens_the_promise_is_a_warning() {
        let weak = facts(
            1,
            &[
                ("min.insync.replicas", "1"),
                ("max.message.bytes", "1000"),
                ("cleanup.policy", "compact"),
            ],
        );
        let findings = topic(&weak, Purpose::Events, 1001);
        assert_eq!((findings.len(), faults(&findings)), (4, 0), "{findings:?}");
        let auto = [("auto.create.topics.enable".to_owned(), "true".to_owned())].into();
        assert!(matches!(broker(Some(&auto)).as_slice(), [Ok(_)]));
    }

    #[test]
    fn what_is_the_same_of_several_topics_is_said_once() {
        let one = |name: &str, finding: Finding| (name.to_owned(), finding);
        let findings = vec![
            one("a", Ok("topic a is odd".into())),
            one("b", Ok("topic b is odd".into())),
            one("b", Err("topic b is missing".into())),
            one("c", Ok("topic c is odd".into())),
        ];
        let expected: [Finding; 2] = [
            Ok("topic a is odd (the same of b, c)".into()),
            Err("topic b is missing".into()),
        ];
        assert_eq!(gathered(findings), expected);
    }

    #[test]
    fn a_checkpoint_topic_has_one_partition_and_is_compacted() {
        let findings = topic(&good(), Purpose::Checkpoint, 1);
        assert_eq!(faults(&findings), 2, "{findings:?}");
        let mut right = facts(
            3,
            &[("min.insync.replicas", "2"), ("cleanup.policy", "compact")],
        );
        right.partitions = 1;
        assert_eq!(topic(&right, Purpose::Checkpoint, 1), Vec::<Finding>::new());
    }
}

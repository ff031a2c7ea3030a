//! What can be seen of a topic that takes nothing: leaders, and replicas in sync.

use super::{mailbox::Finding, topic_watch::PATIENCE};
use rdkafka::{
    ClientContext,
    admin::{AdminClient, AdminOptions, ResourceSpecifier},
    metadata::MetadataPartition,
    producer::{BaseProducer, Producer, ProducerContext},
};

/// Partitions that an answer names.
const NAMED_MAX: usize = 5;
const LEAST: &str = "min.insync.replicas";

/// What the brokers say about a topic; none if none answers. `least` says its `min.insync.replicas`, if it can be known.
pub(super) fn ask<C: ProducerContext>(
    client: &BaseProducer<C>,
    topic: &str,
    least: impl FnOnce() -> Option<usize>,
) -> Option<Finding> {
    let metadata = client.client().fetch_metadata(Some(topic), PATIENCE).ok()?;
    let found = metadata.topics().iter().find(|t| t.name() == topic)?;
    let partitions: Vec<_> = found.partitions().iter().map(Health::of).collect();
    let is_behind = partitions.iter().any(|p| p.in_sync < p.replicas);
    Some(explain(&partitions, is_behind.then(least).flatten()))
}

/// `min.insync.replicas` of the topic. None: no broker tells, for lack of a permission, say.
pub(super) fn min_in_sync<C: ClientContext>(admin: &AdminClient<C>, topic: &str) -> Option<usize> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().ok()?;
    let options = AdminOptions::new().request_timeout(Some(PATIENCE));
    let of = ResourceSpecifier::Topic(topic);
    let told = runtime.block_on(admin.describe_configs([&of], &options));
    let told = told.ok()?.into_iter().next()?.ok()?;
    told.get(LEAST)?.value.as_ref()?.parse().ok()
}

/// How a partition is.
#[derive(Debug, Clone, Copy)]
struct Health {
    number: i32,
    has_leader: bool,
    in_sync: usize,
    replicas: usize,
}

impl Health {
    fn of(partition: &MetadataPartition) -> Self {
        Self {
            number: partition.id(),
            has_leader: partition.leader() >= 0,
            in_sync: partition.isr().len(),
            replicas: partition.replicas().len(),
        }
    }
}

/// For people: what is the matter, or may be, if that can be seen.
fn explain(partitions: &[Health], least: Option<usize>) -> Finding {
    let unknown = partitions
        .is_empty()
        .then(|| "the brokers name none of its partitions".to_owned());
    let leaderless = partitions.iter().filter(|p| !p.has_leader);
    let leaderless = leaderless.map(|p| format!("partition {} has no leader", p.number));
    let mut faults: Vec<_> = unknown.into_iter().chain(leaderless).collect();
    let is_sure = least.is_some() || !faults.is_empty();
    let too_few = |p: &&Health| p.has_leader && p.in_sync < least.unwrap_or(p.replicas);
    let before = faults.len();
    faults.extend(partitions.iter().filter(too_few).map(|p| {
        let Health {
            number,
            in_sync,
            replicas,
            ..
        } = p;
        format!("partition {number} has {in_sync} of {replicas} replicas in sync")
    }));
    let question = match least {
        _ if faults.len() == before => String::new(),
        Some(least) => format!("; its {LEAST} is {least}"),
        None => format!("; is that fewer than its {LEAST}?"),
    };
    if faults.is_empty() {
        return Finding::Sound;
    }
    let more = match faults.len().saturating_sub(NAMED_MAX) {
        0 => String::new(),
        more => format!(", and {more} more like that"),
    };
    faults.truncate(NAMED_MAX);
    let why = format!("{}{more}{question}", faults.join(", "));
    Finding::Fault { why, is_sure }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rdkafka::ClientConfig;

    fn health(number: i32, has_leader: bool, in_sync: usize) -> Health {
        Health {
            number,
            has_leader,
            in_sync,
            replicas: 3,
        }
    }

    fn fault(partitions: &[Health], least: Option<usize>) -> (String, bool) {
        match explain(partitions, least) {
            Finding::Fault { why, is_sure } => (why, is_sure),
            Finding::Sound => panic!("sound"),
        }
    }

    #[test]
    fn an_answer_names_what_is_wrong_and_is_bounded() {
        assert_eq!(explain(&[health(0, true, 3)], None), Finding::Sound);
        let (text, is_sure) = fault(&[], None);
        assert!(
            text.starts_with("the brokers name none") && is_sure,
            "{text}"
        );
        let some = [health(0, true, 3), health(1, true, 1), health(2, false, 0)];
        let (text, is_sure) = fault(&some, None);
        let expected = "partition 2 has no leader, partition 1 has 1 of 3 replicas in sync; \
            is that fewer than its min.insync.replicas?";
        assert_eq!((text.as_str(), is_sure), (expected, true));
        let many: Vec<_> = (0..1000).map(|number| health(number, true, 2)).collect();
        let (text, _) = fault(&many, None);
        assert!(text.contains(", and 995 more like that; "), "{text}");
        assert!(text.len() < 400, "{text}");
    }

    #[test]
    fn with_one_broker_away_only_a_topic_that_needs_it_is_at_fault() {
        let behind = [health(0, true, 2)];
        assert_eq!(explain(&behind, Some(2)), Finding::Sound);
        let (text, is_sure) = fault(&behind, Some(3));
        assert!(
            text.ends_with("in sync; its min.insync.replicas is 3") && is_sure,
            "{text}"
        );
        let (_, is_sure) = fault(&behind, None);
        assert!(!is_sure, "nobody told");
    }

    #[test]
    fn the_brokers_are_asked_and_one_that_is_down_says_nothing() {
        let cluster = rdkafka::mocking::MockCluster::new(1).unwrap();
        cluster.create_topic("one", 1, 1).unwrap();
        let client: BaseProducer = ClientConfig::new()
            .set("bootstrap.servers", cluster.bootstrap_servers())
            .create()
            .unwrap();
        assert_eq!(ask(&client, "one", || None), Some(Finding::Sound));
        let nowhere: BaseProducer = ClientConfig::new()
            .set("bootstrap.servers", "127.0.0.1:1")
            .create()
            .unwrap();
        assert_eq!(ask(&nowhere, "one", || None), None);
    }
}

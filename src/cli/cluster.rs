//! A Kafka cluster as the commands see it: brokers, topics, and the settings of both. Reads, creates topics, and
//! publishes probes; what it all means is decided in `verdict`.

mod ear;
mod probe;

pub(super) use probe::probe;

use super::Failure;
use crate::{
    config::Kafka,
    publish::{
        broker_certificate::explained,
        trouble::{Trouble, Worth},
    },
};
use ear::Ear;
use rdkafka::{
    ClientConfig,
    admin::{
        AdminClient, AdminOptions, NewTopic, OwnedResourceSpecifier, ResourceSpecifier,
        TopicReplication,
    },
    client::DefaultClientContext,
    error::{KafkaError, RDKafkaErrorCode},
    producer::{BaseProducer, Producer},
};
use std::{cell::Cell, collections::BTreeMap, time::Duration};
use tokio::{runtime::Runtime, time::Instant};

/// How long one request may take. Brokers that are up answer in milliseconds.
const TIMEOUT: Duration = Duration::from_secs(10);

/// How long one try for the brokers takes, before it is heard what is wrong.
const TRY: Duration = Duration::from_millis(500);

/// What was found out about one topic.
#[derive(Debug, Clone, Default)]
pub(super) struct TopicFacts {
    /// Its name.
    pub(super) name: String,
    /// Why the broker doesn't describe it: unknown, or not authorised.
    pub(super) error: Option<RDKafkaErrorCode>,
    /// The number of partitions.
    pub(super) partitions: usize,
    /// The replicas of the partition that has the fewest.
    pub(super) replicas: usize,
    /// Its settings; none if they can't be read.
    pub(super) settings: Option<BTreeMap<String, String>>,
}

/// A connection to the cluster for questions and for creating topics. Never auto-creates.
pub(super) struct Cluster {
    admin: AdminClient<DefaultClientContext>,
    runtime: Runtime,
    kafka: Kafka,
    /// A request was not answered in time: another topic's would only take as long again.
    gave_up: Cell<bool>,
    timeout: Duration,
}

/// Whether nobody answered, rather than refused.
fn is_timeout(error: &KafkaError) -> bool {
    use RDKafkaErrorCode::{OperationTimedOut, RequestTimedOut};
    matches!(
        error,
        KafkaError::AdminOp(OperationTimedOut | RequestTimedOut)
    )
}

/// The properties of the user's, and what our own clients always set.
fn client(kafka: &Kafka) -> ClientConfig {
    let mut client = ClientConfig::new();
    for (name, value) in &kafka.properties {
        client.set(name, value.expose());
    }
    client
        .set("bootstrap.servers", &kafka.bootstrap_servers)
        .set("allow.auto.create.topics", "false");
    client
}

impl Cluster {
    pub(super) fn connect(kafka: &Kafka) -> Result<Self, Failure> {
        let admin = client(kafka)
            .create()
            .map_err(|e| Failure::Failed(format!("kafka.properties: {}", without_values(&e))))?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(Failure::failed)?;
        Ok(Self {
            admin,
            runtime,
            kafka: kafka.clone(),
            gave_up: Cell::new(false),
            timeout: TIMEOUT,
        })
    }

    /// How many brokers there are, and the number of one of them. If there is none, why, as clearly as can be known.
    pub(super) fn brokers(&self) -> Result<(usize, Option<i32>), Failure> {
        let ear = Ear::default();
        let asking: BaseProducer<Ear> = client(&self.kafka)
            .create_with_context(ear.clone())
            .map_err(|e| Failure::Failed(format!("kafka.properties: {}", without_values(&e))))?;
        let deadline = Instant::now() + self.timeout;
        loop {
            let error = match asking.client().fetch_metadata(None, TRY) {
                Ok(metadata) => {
                    let first = metadata.brokers().first().map(|broker| broker.id());
                    return Ok((metadata.brokers().len(), first));
                }
                Err(error) => error,
            };
            asking.poll(TRY / 5);
            let heard = ear.heard();
            if heard.is_final() || Instant::now() >= deadline {
                return Err(Failure::Failed(self.without_brokers(heard.trouble, &error)));
            }
        }
    }

    fn without_brokers(&self, trouble: Option<Trouble>, error: &KafkaError) -> String {
        let trouble = trouble.map(|trouble| match &trouble.certificate_of {
            Some(address) => explained(address, self.kafka.checks_names()),
            None => trouble,
        });
        match trouble {
            Some(trouble) if trouble.worth == Worth::Clear => trouble.text,
            other => format!(
                "no broker answered at {} within {} s ({}); check kafka.bootstrap_servers, the network and kafka.properties",
                self.kafka.bootstrap_servers,
                self.timeout.as_secs(),
                other.map_or_else(|| error.to_string(), |trouble| trouble.text)
            ),
        }
    }

    pub(super) fn topic(&self, name: &str) -> Result<TopicFacts, Failure> {
        let mut facts = self.metadata(name)?;
        if facts.error.is_none() {
            facts.settings = self.settings(&ResourceSpecifier::Topic(name));
        }
        Ok(facts)
    }

    fn metadata(&self, name: &str) -> Result<TopicFacts, Failure> {
        let metadata = self
            .admin
            .inner()
            .fetch_metadata(Some(name), TIMEOUT)
            .map_err(|e| Failure::Failed(format!("topic {name}: {e}")))?;
        let mut facts = TopicFacts {
            name: name.into(),
            ..TopicFacts::default()
        };
        match metadata.topics().iter().find(|topic| topic.name() == name) {
            None => facts.error = Some(RDKafkaErrorCode::UnknownTopicOrPartition),
            Some(topic) => {
                facts.error = topic.error().map(Into::into);
                facts.partitions = topic.partitions().len();
                facts.replicas = topic
                    .partitions()
                    .iter()
                    .map(|p| p.replicas().len())
                    .min()
                    .unwrap_or(0);
            }
        }
        Ok(facts)
    }

    /// The settings of a topic or a broker; none if we may not read them.
    pub(super) fn settings(&self, of: &ResourceSpecifier<'_>) -> Option<BTreeMap<String, String>> {
        let options = AdminOptions::new().request_timeout(Some(self.timeout));
        if self.gave_up.get() {
            return None;
        }
        let answer = self
            .runtime
            .block_on(self.admin.describe_configs([of], &options))
            .inspect_err(|e| self.gave_up.set(is_timeout(e)))
            .ok()?;
        let resource = answer.into_iter().next()?.ok()?;
        let expected = matches!(
            resource.specifier,
            OwnedResourceSpecifier::Topic(_) | OwnedResourceSpecifier::Broker(_)
        );
        let pairs = resource
            .entries
            .into_iter()
            .filter_map(|e| Some((e.name, e.value?)));
        expected.then(|| pairs.collect())
    }

    /// Creates a topic; true if it was there already (made by someone else just now).
    pub(super) fn create(&self, wanted: &Wanted) -> Result<bool, String> {
        let topic = NewTopic {
            name: &wanted.name,
            num_partitions: wanted.partitions.unwrap_or(BROKER_DEFAULT),
            replication: TopicReplication::Fixed(
                wanted.replication_factor.unwrap_or(BROKER_DEFAULT),
            ),
            config: wanted
                .settings
                .iter()
                .map(|(k, v)| (k.as_str(), v.as_str()))
                .collect(),
        };
        let options = AdminOptions::new()
            .request_timeout(Some(self.timeout))
            .operation_timeout(Some(self.timeout));
        if self.gave_up.get() {
            return Err(
                "not tried, since the brokers didn't answer the last request in time".into(),
            );
        }
        let answer = self
            .runtime
            .block_on(self.admin.create_topics([&topic], &options))
            .inspect_err(|e| self.gave_up.set(is_timeout(e)));
        match answer.map_err(|e| e.to_string())?.into_iter().next() {
            Some(Ok(_)) => Ok(false),
            Some(Err((_, RDKafkaErrorCode::TopicAlreadyExists))) => Ok(true),
            Some(Err((_, code))) => Err(code.to_string()),
            None => Err("the broker answered nothing".into()),
        }
    }
}

/// Kafka reads -1 as "your own default".
const BROKER_DEFAULT: i32 = -1;

/// A topic to be created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) name: String,
    /// None: the broker's default.
    pub(super) partitions: Option<i32>,
    /// None: the broker's default.
    pub(super) replication_factor: Option<i32>,
    pub(super) settings: Vec<(String, String)>,
}

/// The message of an error, unless it quotes a property's value.
fn without_values(error: &KafkaError) -> String {
    match error {
        KafkaError::ClientConfig(_, _, name, _) => format!("librdkafka refuses {name}"),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Secret;

    /// Takes connections and never says a word.
    #[test]
    fn brokers_that_dont_answer_are_asked_once_and_not_once_a_topic() {
        let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let kafka = Kafka {
            bootstrap_servers: silent.local_addr().unwrap().to_string(),
            properties: [("log_level".to_owned(), Secret::new("0"))].into(),
            property_files: BTreeMap::new(),
        };
        let mut cluster = Cluster::connect(&kafka).unwrap();
        cluster.timeout = Duration::from_millis(200);
        let wanted = Wanted {
            name: "live.x".into(),
            partitions: None,
            replication_factor: None,
            settings: Vec::new(),
        };
        let first = cluster.create(&wanted).unwrap_err();
        assert!(!first.contains("not tried"), "{first}");
        let second = cluster.create(&wanted).unwrap_err();
        assert!(second.contains("not tried"), "{first}; {second}");
        let topic = ResourceSpecifier::Topic("live.x");
        assert_eq!(cluster.settings(&topic), None);
    }
}

//! What an operator does to topics, through librdkafka's admin client.

use crate::wait;
use rdkafka::{
    ClientConfig,
    admin::{
        AdminClient, AdminOptions, AlterConfig, NewPartitions, NewTopic, ResourceSpecifier,
        TopicReplication,
    },
    client::DefaultClientContext,
    metadata::Metadata,
};
use std::time::Duration;

/// How long an answer may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(240);
/// For one try.
const ANSWER: Duration = Duration::from_secs(5);

/// Talks to the brokers.
pub struct Admin(AdminClient<DefaultClientContext>);

impl std::fmt::Debug for Admin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Admin").finish_non_exhaustive()
    }
}

impl Admin {
    /// Of the brokers at these addresses, which needn't be up yet.
    pub fn of(bootstrap: &str) -> Self {
        let client = ClientConfig::new()
            .set("bootstrap.servers", bootstrap)
            .set("log_level", "0")
            .create();
        Self(client.expect("a client"))
    }

    /// Whether a broker answers.
    pub fn is_answered(&self, within: Duration) -> bool {
        let answer = self.0.inner().fetch_metadata(None, within);
        answer.is_ok_and(|m| !m.brokers().is_empty())
    }

    /// Creates topics, and waits until their partitions have leaders.
    #[track_caller]
    pub fn create_topics(
        &self,
        topics: &[&str],
        (partitions, replicas): (i32, i32),
        settings: &[(&str, &str)],
    ) {
        let new = topics.iter().map(|&name| {
            let topic = NewTopic::new(name, partitions, TopicReplication::Fixed(replicas));
            settings
                .iter()
                .fold(topic, |topic, &(key, value)| topic.set(key, value))
        });
        let new: Vec<_> = new.collect();
        let results = block_on(self.0.create_topics(&new, &options()));
        for result in results.expect("the broker answers") {
            result.unwrap_or_else(|(topic, code)| panic!("can't create topic {topic}: {code}"));
        }
        for topic in topics {
            self.wait_for(topic, "leaders", |_, leader, _| leader >= 0);
        }
    }

    /// Deletes topics.
    #[track_caller]
    pub fn delete_topics(&self, topics: &[&str]) {
        let results = block_on(self.0.delete_topics(topics, &options()));
        for result in results.expect("the broker answers") {
            result.unwrap_or_else(|(topic, code)| panic!("can't delete topic {topic}: {code}"));
        }
    }

    /// Gives a topic more partitions: so many in all.
    #[track_caller]
    pub fn add_partitions(&self, topic: &str, all: usize) {
        let new = NewPartitions::new(topic, all);
        let results = block_on(self.0.create_partitions([&new], &options()));
        for result in results.expect("the broker answers") {
            result.unwrap_or_else(|(topic, code)| panic!("no more partitions for {topic}: {code}"));
        }
        self.wait_for(topic, "leaders", |_, leader, _| leader >= 0);
    }

    /// Gives a topic these settings, and its defaults for all others.
    #[track_caller]
    pub fn set_topic(&self, topic: &str, settings: &[(&str, &str)]) {
        let change = AlterConfig::new(ResourceSpecifier::Topic(topic));
        let change = settings
            .iter()
            .fold(change, |change, &(key, value)| change.set(key, value));
        let results = block_on(self.0.alter_configs([&change], &options()));
        for result in results.expect("the broker answers") {
            result.unwrap_or_else(|(what, code)| panic!("can't change {what:?}: {code}"));
        }
    }

    /// The leaders of a topic's partitions, -1 for none.
    pub fn leaders(&self, topic: &str) -> Vec<i32> {
        let metadata = self.metadata(topic);
        let of = |metadata: &Metadata| -> Option<Vec<i32>> {
            let partitions = metadata.topics().first()?.partitions();
            Some(partitions.iter().map(|p| p.leader()).collect())
        };
        metadata.as_ref().and_then(of).unwrap_or_default()
    }

    /// Waits until every replica of a topic is in sync, and each partition is led by the first of its replicas.
    #[track_caller]
    pub fn wait_until_whole(&self, topic: &str) {
        self.wait_for(topic, "replicas and leaders", |replicas, leader, isr| {
            replicas.len() == isr.len() && replicas.first() == Some(&leader)
        });
    }

    #[track_caller]
    fn wait_for(&self, topic: &str, what: &str, holds: fn(&[i32], i32, &[i32]) -> bool) {
        wait::until(&format!("{what} of {topic}"), PATIENCE, || {
            let metadata = self.metadata(topic)?;
            let partitions = metadata.topics().first()?.partitions();
            let all = partitions
                .iter()
                .all(|p| holds(p.replicas(), p.leader(), p.isr()));
            (!partitions.is_empty() && all).then_some(())
        });
    }

    fn metadata(&self, topic: &str) -> Option<Metadata> {
        self.0.inner().fetch_metadata(Some(topic), ANSWER).ok()
    }
}

fn options() -> AdminOptions {
    AdminOptions::new().operation_timeout(Some(Duration::from_secs(30)))
}

/// Runs a future of librdkafka's to its end; its own thread wakes us.
fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(std::thread::Thread);
    impl std::task::Wake for Unpark {
        fn wake(self: std::sync::Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = std::sync::Arc::new(Unpark(std::thread::current())).into();
    let mut context = std::task::Context::from_waker(&waker);
    let mut future = std::pin::pin!(future);
    loop {
        match future.as_mut().poll(&mut context) {
            std::task::Poll::Ready(output) => return output,
            std::task::Poll::Pending => std::thread::park(),
        }
    }
}

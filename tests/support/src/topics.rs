//! Topics that only one test uses, and the settings that send each family to its own.

use crate::kafka::Broker;
use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU32, Ordering},
};

/// The topic settings and the default topics, as the contract has them.
pub const FAMILIES: [(&str, &str); 10] = [
    ("recording", "live.recording"),
    ("recording_status", "live.recording-status"),
    ("stream", "live.stream"),
    ("screenshot", "live.screenshot"),
    ("moderation", "live.moderation"),
    ("relay_task", "live.relay-task"),
    ("quality", "live.quality"),
    ("intelligence", "live.intelligence"),
    ("unknown", "live.unknown"),
    ("quarantine", "live.quarantine"),
];

/// One topic a family, and the quarantine's.
#[derive(Debug, Clone)]
pub struct Topics(BTreeMap<&'static str, String>);

impl Topics {
    /// Names that no other test uses; not created.
    pub fn named() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let prefix = format!(
            "t{}-{}",
            std::process::id(),
            COUNT.fetch_add(1, Ordering::Relaxed)
        );
        Self(
            FAMILIES
                .iter()
                .map(|&(family, topic)| (family, format!("{prefix}.{topic}")))
                .collect(),
        )
    }

    /// New topics with this many partitions each.
    #[track_caller]
    pub fn create(broker: &Broker, partitions: i32) -> Self {
        let topics = Self::named();
        topics.create_on(broker, partitions);
        topics
    }

    /// Creates them.
    #[track_caller]
    pub fn create_on(&self, broker: &Broker, partitions: i32) {
        broker.create_topics(&self.names(), partitions, &[]);
    }

    /// The topic of this family.
    #[track_caller]
    pub fn of(&self, family: &str) -> &str {
        self.0.get(family).expect("a key under `topics.`")
    }

    /// All of them.
    pub fn names(&self) -> Vec<&str> {
        self.0.values().map(String::as_str).collect()
    }

    /// Adds a checkpoint topic as exactly-once needs it, and creates it.
    #[track_caller]
    #[must_use]
    pub fn with_checkpoint(self, broker: &Broker) -> Self {
        let topics = self.and_checkpoint();
        let compact = [("cleanup.policy", "compact")];
        broker.create_topics(&[topics.of("checkpoint")], 1, &compact);
        topics
    }

    /// Names a checkpoint topic, too.
    #[must_use]
    pub fn and_checkpoint(mut self) -> Self {
        let name = self.of("recording").replace("recording", "checkpoint");
        self.0.insert("checkpoint", name);
        self
    }

    /// The lines for the relay's settings.
    pub fn settings(&self) -> Vec<(String, String)> {
        self.0
            .iter()
            .map(|(family, topic)| (format!("topics.{family}"), format!("\"{topic}\"")))
            .collect()
    }
}

//! The way to the brokers as it is now: passwords and certificates in files may be replaced while the relay runs.
//!
//! librdkafka takes them when a client is made, so whoever makes one asks here each time.

use super::properties::{Queue, client_config, transactional};
use crate::config;
use rdkafka::ClientConfig;
use std::sync::{Arc, PoisonError, RwLock};

/// The settings of `kafka`, replaced when a file changes. Clones share them.
#[derive(Debug, Clone)]
pub struct Access(Arc<RwLock<(Version, Arc<config::Kafka>)>>);

/// What a kind of client has otherwise, with the user's settings to look at.
type Change = fn(&mut ClientConfig, &config::Kafka);

/// Which settings: the first, the second, and so on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Version(u64);

impl Access {
    /// As they were when the settings were read.
    #[must_use]
    pub fn new(kafka: config::Kafka) -> Self {
        Self(Arc::new(RwLock::new((Version(0), Arc::new(kafka)))))
    }

    /// As they are now.
    #[must_use]
    pub fn now(&self) -> Arc<config::Kafka> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner).1)
    }

    /// The next client is made with these, also if they are the same and only a file that they name has changed.
    pub fn replace(&self, kafka: config::Kafka) {
        let mut slot = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let Version(before) = slot.0;
        *slot = (Version(before + 1), Arc::new(kafka));
    }

    fn version(&self) -> Version {
        self.0.read().unwrap_or_else(PoisonError::into_inner).0
    }
}

/// The properties of one kind of client, as they are now.
#[derive(Debug, Clone)]
pub struct Clients {
    access: Access,
    body_bytes: usize,
    queue: Queue,
    changes: Vec<Change>,
}

impl Clients {
    /// Producers with such a queue, for bodies of at most so many bytes.
    #[must_use]
    pub fn new(access: &Access, body_bytes: usize, queue: Queue) -> Self {
        Self {
            access: access.clone(),
            body_bytes,
            queue,
            changes: Vec::new(),
        }
    }

    /// The same, but for what this changes.
    #[must_use]
    pub fn changed(mut self, change: fn(&mut ClientConfig, &config::Kafka)) -> Self {
        self.changes.push(change);
        self
    }

    /// For a client that is made now.
    #[must_use]
    pub fn config(&self) -> ClientConfig {
        self.with(&self.access.now())
    }

    fn with(&self, kafka: &config::Kafka) -> ClientConfig {
        let mut config = client_config(kafka, self.body_bytes, self.queue);
        for change in &self.changes {
            change(&mut config, kafka);
        }
        config
    }

    /// The same for a transactional one, and what is common to both.
    #[must_use]
    pub fn transactional(&self, transactional_id: &str) -> (ClientConfig, ClientConfig) {
        let kafka = self.access.now();
        let common = self.with(&kafka);
        let own = transactional(&common, &kafka, transactional_id);
        (own, common)
    }

    /// Changes when another client would log in with something else.
    #[must_use]
    pub fn version(&self) -> Version {
        self.access.version()
    }

    /// Whether a broker's certificate must be for the name by which it is called.
    #[must_use]
    pub fn checks_names(&self) -> bool {
        self.access.now().checks_names()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Secret;

    #[test]
    fn each_client_is_made_with_what_is_known_by_then() {
        let kafka = |password: &str| config::Kafka {
            bootstrap_servers: "127.0.0.1:1".into(),
            properties: [("sasl.password".to_owned(), Secret::new(password))].into(),
            property_files: Default::default(),
        };
        let access = Access::new(kafka("old"));
        let queue = Queue {
            records: 10,
            bytes: 1 << 20,
        };
        let clients = Clients::new(&access, 1024, queue).changed(|config, _| {
            config.set("client.id", "reader");
        });
        let before = clients.version();
        access.replace(kafka("new"));
        assert_ne!(clients.version(), before);
        let config = clients.config();
        assert_eq!(config.get("sasl.password"), Some("new"));
        assert_eq!(config.get("client.id"), Some("reader"));
        assert!(!format!("{access:?}{clients:?}").contains("new\""));
    }
}

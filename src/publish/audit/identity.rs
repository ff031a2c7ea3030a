//! Which record a message is of, and whether its content is the same: hashes, so that a million records fit into memory. Pure.

use crate::{
    callback::json::{self, Document},
    clock::Millis,
    publish::message::{Message, PROBE, REPLAYED, REQUEUED},
    spool::Record,
};
use std::{
    borrow::Cow,
    hash::{DefaultHasher, Hash, Hasher},
};

/// The content type of a CloudEvent in structured mode begins so.
const STRUCTURED: &[u8] = b"application/cloudevents";

/// A message as it was read from a topic.
#[derive(Debug, Clone)]
pub(super) struct Arrived<'a> {
    pub(super) partition: i32,
    pub(super) offset: i64,
    /// Kafka's own timestamp; 0 if it has none.
    pub(super) at: Millis,
    pub(super) key: Option<&'a [u8]>,
    pub(super) headers: Vec<(&'a str, &'a [u8])>,
    pub(super) value: &'a [u8],
}

/// Why a message is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    /// Published in the ordinary way.
    None,
    /// An operator's replay.
    Replayed,
    /// Put back from the quarantine.
    Requeued,
    /// It only proves permission.
    Probe,
}

/// What makes one receipt of a callback another than the next: its source, its id and when it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Identity(pub(super) u64);

/// The content of a message. Two that differ have the same hashes once in 2^64.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Print {
    pub(super) key: u64,
    pub(super) headers: u64,
    pub(super) value: u64,
}

impl Identity {
    pub(super) fn of(record: &Record) -> Self {
        let source = format!("/callbacks/{}", record.envelope.source);
        let received = record.envelope.received_at.to_string();
        Self::from(&source, &record.ce_id.to_string(), &received)
    }

    fn from(source: &str, id: &str, received: &str) -> Self {
        Self(hash(&(source, id, received)))
    }
}

impl Arrived<'_> {
    fn header(&self, name: &str) -> Option<&[u8]> {
        let found = self.headers.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| *value)
    }

    pub(super) fn mark(&self) -> Mark {
        let marks = [
            (PROBE, Mark::Probe),
            (REPLAYED, Mark::Replayed),
            (REQUEUED, Mark::Requeued),
        ];
        let found = marks.iter().find(|(name, _)| self.header(name).is_some());
        found.map_or(Mark::None, |(_, mark)| *mark)
    }

    /// The message's `ce_id` and whose message it says it is; none if it isn't one of ours. In binary mode the headers tell, in
    /// structured mode the value: the settings may have changed since.
    pub(super) fn identity(&self) -> Option<(Identity, [u8; 16])> {
        let structured = self
            .header("content-type")
            .is_some_and(|kind| kind.starts_with(STRUCTURED));
        let (source, id, received);
        let document;
        if structured {
            document = Document::parse(self.value).ok()?;
            let member = |name| document.get(name).and_then(json::string);
            (source, id, received) = (member("source")?, member("id")?, member("receivedtime")?);
        } else {
            let header = |name| std::str::from_utf8(self.header(name)?).ok().map(Cow::from);
            (source, id, received) = (
                header("ce_source")?,
                header("ce_id")?,
                header("ce_receivedtime")?,
            );
        }
        let mut ce_id = [0; 16];
        hex::decode_to_slice(&*id, &mut ce_id).ok()?;
        Some((Identity::from(&source, &id, &received), ce_id))
    }

    pub(super) fn print(&self) -> Print {
        Print {
            key: hash(&self.key),
            headers: headers(self.headers.iter().copied()),
            value: hash(self.value),
        }
    }
}

impl Print {
    pub(super) fn of(message: &Message) -> Self {
        let pairs = message.headers.iter();
        Self {
            key: hash(&message.key.as_deref()),
            headers: headers(pairs.map(|(name, value)| (*name, &**value))),
            value: hash(message.payload.as_slice()),
        }
    }
}

/// What the order of a topic is promised for: its messages of one key.
pub(super) fn stream(topic: &str, key: &[u8]) -> u64 {
    hash(&(topic, key))
}

/// Marks are left out: they say why a message is there, not what it is.
fn headers<'a>(pairs: impl Iterator<Item = (&'a str, &'a [u8])>) -> u64 {
    let mut hasher = DefaultHasher::new();
    for pair in pairs.filter(|(name, _)| !is_mark(name)) {
        pair.hash(&mut hasher);
    }
    hasher.finish()
}

pub(super) fn is_mark(name: &str) -> bool {
    [REPLAYED, REQUEUED, PROBE].contains(&name)
}

fn hash<T: Hash + ?Sized>(value: &T) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

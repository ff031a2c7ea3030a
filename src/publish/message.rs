//! Record to Kafka message: topic, key, CloudEvents headers, value. Pure, and the same for every delivery mode.
//!
//! A record whose body can't be typed yields a [`Reason`] instead, with which the lane puts it into quarantine.

mod blank;
mod headers;
mod structured;
mod token;

use crate::{
    callback::{
        event::{Event, Transcript, Untypable, stream_key},
        json::{Document, Malformed},
        names::{EventName, Family},
    },
    config::{CloudEvents, Config, Payload, Source, Topics},
    spool::{Reason, Record},
};
use blank::blanked;
use bytes::Bytes;
use std::{collections::BTreeMap, sync::Arc};
use token::Tokens;

/// The mark of a replayed record.
pub const REPLAYED: &str = "livebridge-replayed";
/// The mark of a record that was put back from the quarantine; its value is when.
pub const REQUEUED: &str = "livebridge-requeued";
/// The mark of a message that only proves permission.
pub const PROBE: &str = "livebridge-probe";
/// On a quarantine copy: the label of its [`Reason`].
pub const REASON: &str = "livebridge-reason";
/// On a quarantine copy: the text of its [`Reason`].
pub const DETAIL: &str = "livebridge-detail";
/// On a quarantine copy: the topic that it was meant for.
pub const TOPIC: &str = "livebridge-topic";
/// On a quarantine copy whose value was cut: how many bytes the whole had.
pub const TRUNCATED: &str = "livebridge-truncated";

/// The name and value of a header.
pub type Header = (&'static str, Bytes);

/// What Kafka gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Where it goes.
    pub topic: Arc<str>,
    /// The stream id in UTF-8; none if the callback names none.
    pub key: Option<Vec<u8>>,
    /// CloudEvents 1.0, and our own.
    pub headers: Vec<Header>,
    /// JSON: the event, or in structured mode the whole CloudEvent.
    pub payload: Vec<u8>,
}

impl Message {
    /// Whether the value is all of what there was: a copy for the quarantine may have been cut.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.headers.iter().all(|(name, _)| *name != TRUNCATED)
    }
}

/// How records become messages: `payload`, `kafka.cloudevents`, `redact` and `topics` of the settings.
#[derive(Debug, Clone)]
pub struct Rendering {
    payload: Payload,
    cloudevents: CloudEvents,
    redact: Arc<[String]>,
    topics: BTreeMap<Family, Arc<str>>,
    quarantine: Option<Arc<str>>,
    tokens: Tokens,
}

/// Why a record has no typed event.
#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error("the body is {0}")]
    Malformed(#[from] Malformed),
    #[error(transparent)]
    Untypable(#[from] Untypable),
    #[error("the event can't be written: {0}")]
    Unwritable(#[from] serde_json::Error),
}

impl Rendering {
    /// After the settings.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        Self::of(config.payload, &config.redact, &config.topics)
            .in_mode(config.cloudevents)
            .without_tokens_of(&config.sources)
    }

    /// After these settings alone, in binary mode.
    #[must_use]
    pub fn of(payload: Payload, redact: &[String], topics: &Topics) -> Self {
        let named = |(&family, topic): (&Family, &String)| (family, topic.as_str().into());
        Self {
            payload,
            cloudevents: CloudEvents::Binary,
            redact: redact.into(),
            topics: topics.families.iter().map(named).collect(),
            quarantine: topics.quarantine.as_deref().map(Into::into),
            tokens: Tokens::default(),
        }
    }

    /// The same in this mode. Copies for the quarantine topic stay in binary mode: they may be cut, and then are no JSON.
    #[must_use]
    pub fn in_mode(self, cloudevents: CloudEvents) -> Self {
        Self {
            cloudevents,
            ..self
        }
    }

    /// The same, with the `path_token` of each source blanked in what it sent.
    #[must_use]
    pub fn without_tokens_of(self, sources: &[Source]) -> Self {
        Self {
            tokens: Tokens::of(sources),
            ..self
        }
    }

    /// The topic of a family; none if it is `off`.
    #[must_use]
    pub fn topic(&self, family: Family) -> Option<&Arc<str>> {
        self.topics.get(&family)
    }

    /// The message for a record on this topic, that of the family stored with the record.
    ///
    /// # Errors
    /// If the callback can't be typed, whatever `payload` says: the reason is for the quarantine, `untypable`.
    pub fn message(&self, record: &Record, topic: &Arc<str>) -> Result<Message, Reason> {
        self.render(record, topic).map_err(|fault| Reason {
            label: "untypable",
            detail: fault.to_string(),
            topic: topic.to_string(),
        })
    }

    fn render(&self, record: &Record, topic: &Arc<str>) -> Result<Message, Fault> {
        let document = Document::parse(&record.envelope.body)?;
        let (name, time, mut payload) = match self.payload {
            Payload::Typed => {
                let transcript = self.transcript(&document)?;
                (transcript.name, transcript.time, transcript.json)
            }
            Payload::Raw => {
                let event = Event::parse(&document)?;
                (event.name(), event.time(), blanked(&document, &[]))
            }
        };
        self.tokens.blank(&record.envelope.source, &mut payload);
        let key = stream_key(&document);
        let headers = headers::of(record, &document, name, time, key.as_deref());
        let (headers, payload) = match self.cloudevents {
            CloudEvents::Binary => (headers, payload),
            CloudEvents::Structured => structured::of(headers, &payload)?,
        };
        Ok(Message {
            topic: Arc::clone(topic),
            key: key.map(|key| key.into_owned().into_bytes()),
            headers,
            payload,
        })
    }

    /// The event, typed and written.
    fn transcript(&self, document: &Document<'_>) -> Result<Transcript, Fault> {
        if let Some(transcript) = Event::transcribe(document, &self.redact) {
            return Ok(transcript);
        }
        let mut event = Event::parse(document)?;
        let (name, time) = (event.name(), event.time());
        event.redact(&self.redact);
        let mut json = Transcript::room_for(document);
        serde_json::to_writer(&mut json, &event)?;
        Ok(Transcript { name, time, json })
    }

    /// The copy of a quarantined record for `topics.quarantine`: the body as received, with `sign` and what `redact` names
    /// blanked, cut to at most `max_value_bytes`. None if that topic is `off`.
    #[must_use]
    pub fn quarantine_copy(
        &self,
        record: &Record,
        reason: &Reason,
        max_value_bytes: usize,
    ) -> Option<Message> {
        let topic = Arc::clone(self.quarantine.as_ref()?);
        let document = Document::parse(&record.envelope.body).ok();
        let key = document.as_ref().and_then(stream_key);
        let mut headers = document.as_ref().map_or_else(Vec::new, |document| {
            let event = Event::parse(document).ok();
            let name = event
                .as_ref()
                .map_or_else(|| name_of(document), Event::name);
            let time = event.as_ref().and_then(Event::time);
            headers::of(record, document, name, time, key.as_deref())
        });
        headers.push((REASON, Bytes::from_static(reason.label.as_bytes())));
        headers.push((DETAIL, reason.detail.clone().into_bytes().into()));
        headers.push((TOPIC, reason.topic.clone().into_bytes().into()));
        let redact = match self.payload {
            Payload::Typed => &*self.redact,
            Payload::Raw => &[],
        };
        // A body that can't be read might hide its signature anywhere: then the headers have to do.
        let mut payload = document
            .as_ref()
            .map_or_else(Vec::new, |document| blanked(document, redact));
        self.tokens.blank(&record.envelope.source, &mut payload);
        if payload.len() > max_value_bytes {
            let whole = payload.len().to_string();
            headers.push((TRUNCATED, whole.into_bytes().into()));
            cut(&mut payload, max_value_bytes);
        }
        Some(Message {
            topic,
            key: key.map(|key| key.into_owned().into_bytes()),
            headers,
            payload,
        })
    }
}

/// A body as received, but for the value of its `sign` and what `redact` names. None if it can't be read, since then it might
/// hide them anywhere.
#[must_use]
pub fn without_secrets(body: &[u8], redact: &[String]) -> Option<Vec<u8>> {
    let document = Document::parse(body).ok()?;
    Some(blanked(&document, redact))
}

/// The kind that the body names, even where it can't be typed as that.
fn name_of(document: &Document<'_>) -> EventName {
    crate::callback::event::event_type(document)
        .map_or(EventName::Unknown, EventName::from_event_type)
}

/// At most `max` bytes, and no half character at the end.
fn cut(text: &mut Vec<u8>, max: usize) {
    text.truncate(max);
    if let Err(e) = std::str::from_utf8(text) {
        text.truncate(e.valid_up_to());
    }
}

#[cfg(test)]
mod tests;

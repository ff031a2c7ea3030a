//! What brokers have forgotten of a committed transaction is published after all.
//!
//! A commit is decided by one record of the coordinator's; after that it writes a marker to each partition of the transaction,
//! and only then readers of committed messages see what lies there. A coordinator that has just started takes a partition
//! without a leader for a deleted one, and leaves its marker out: so after all brokers of a partition were down at once (seen
//! with Apache Kafka 4.4: a killed broker that starts again logs "likely deleted already and hence can be skipped"). What lies there
//! *hangs*, until the next marker of the same producer says, by chance, committed or aborted.
//!
//! Therefore a commit counts only when its messages are seen ([`Eye::sees`]). And whoever gets ready looks whether the last
//! transaction can be seen wherever its checkpoint says that it has sent something. What can't is read back uncommitted and
//! sent again to the same partition, in the same order, in a transaction with that checkpoint, which says where it lies now.
//! Before that, what hangs is aborted: a copy of its first message goes along, in a transaction that is aborted, too.

use super::{checkpoint::Stored, places::Places, reader::Reader};
use crate::publish::client_log::Logged;
use rdkafka::{
    Message as _, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer as _},
    error::{KafkaError, RDKafkaErrorCode},
    message::{BorrowedMessage, OwnedMessage},
};
use std::time::{Duration, Instant};

/// For one request.
const PATIENCE: Duration = Duration::from_secs(5);
/// Before a transaction is taken for one that hangs: longer than another relay's, orphaned, may be open.
pub(super) const OPEN_AT_MOST: Duration = Duration::from_secs(40);
/// For a topic that nobody knows: then it was deleted.
const UNKNOWN_AT_MOST: Duration = Duration::from_secs(5);
/// Between two looks: a marker is written a few milliseconds after its commit.
const LOOK: Duration = Duration::from_millis(2);
/// And after many.
const LOOK_AT_MOST: Duration = Duration::from_millis(100);
/// For reading messages.
const READ_AT_MOST: Duration = Duration::from_secs(30);

/// A consumer that sees what is committed, and nothing else.
pub(super) struct Eye(BaseConsumer<Logged>);

/// What can't be seen in one partition.
#[derive(Debug)]
pub(super) struct Unseen {
    pub(super) topic: String,
    pub(super) partition: i32,
    /// Its transaction is still open there. If not, it was aborted.
    pub(super) hangs: bool,
    /// As it was sent.
    pub(super) messages: Vec<OwnedMessage>,
}

/// Why nothing can be read.
#[derive(Debug)]
enum Blind {
    /// There is no permission to.
    Denied,
    For(String),
}

/// How far a partition is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stands {
    /// No transaction is open up to the record.
    Settled,
    /// One still is, after all the time that there was.
    Hangs,
    /// The record isn't there any more.
    Gone,
    /// There is no permission to ask.
    Denied,
}

impl Eye {
    pub(super) fn open(reader: &Reader) -> Result<Self, String> {
        reader.consumer("read_committed").map(Self)
    }

    /// What looks.
    pub(super) const fn consumer(&self) -> &BaseConsumer<Logged> {
        &self.0
    }

    /// Waits until all of these are settled: then readers of committed messages see them, if they were committed.
    pub(super) fn sees(&self, places: &Places) -> Result<(), String> {
        let until = Instant::now() + OPEN_AT_MOST;
        for (topic, partition, last) in places.lasts() {
            if self.stands(topic, partition, last, until)? == Stands::Hangs {
                return Err(format!(
                    "{topic}[{partition}]: committed, and not to be seen after {OPEN_AT_MOST:?}"
                ));
            }
        }
        Ok(())
    }

    /// What can't be seen of it, and isn't gone. Where nothing may be read, that is an error if it `must` be known.
    pub(super) fn unseen(
        &self,
        all: &BaseConsumer<Logged>,
        places: &Places,
        must: bool,
        until: Instant,
    ) -> Result<Vec<Unseen>, String> {
        let mut unseen = Vec::new();
        for (topic, partition, last) in places.lasts() {
            let found = self.unseen_in(all, (topic, partition, last), places, until);
            match found {
                Ok(found) => unseen.extend(found),
                Err(Blind::Denied) if must => {
                    return Err(format!(
                        "{topic}: may not be read, and only what lies there tells whether the last checkpoint was committed, which an open \
                         transaction hides: give the relay the permission to read it"
                    ));
                }
                Err(Blind::Denied) => tracing::warn!(
                    topic,
                    "may not be read: whether what was committed can be seen there stays unknown"
                ),
                // The producer goes, and all its consumers.
                Err(Blind::For(why)) => return Err(format!("{topic}[{partition}]: {why}")),
            }
        }
        // It is kept, and has nothing to fetch until the next time.
        self.0.unassign().map_err(|e| e.to_string())?;
        Ok(unseen)
    }

    fn unseen_in(
        &self,
        all: &BaseConsumer<Logged>,
        (topic, partition, last): (&str, i32, i64),
        places: &Places,
        until: Instant,
    ) -> Result<Option<Unseen>, Blind> {
        let stands = self.stands(topic, partition, last, until);
        let hangs = match stands.map_err(Blind::For)? {
            Stands::Gone => return Ok(None),
            Stands::Denied => return Err(Blind::Denied),
            Stands::Settled if self.is_seen(topic, partition, last)? => return Ok(None),
            Stands::Settled => false,
            Stands::Hangs => true,
        };
        let messages = read_back(all, topic, partition, places)?;
        // Not there for anybody: the topic was made anew, or is compacted.
        if messages.last().is_none_or(|read| read.offset() != last) {
            return Ok(None);
        }
        Ok(Some(Unseen {
            topic: topic.into(),
            partition,
            hangs,
            messages,
        }))
    }

    fn stands(
        &self,
        topic: &str,
        partition: i32,
        last: i64,
        until: Instant,
    ) -> Result<Stands, String> {
        let mut pause = LOOK;
        let deleted = Instant::now() + UNKNOWN_AT_MOST;
        loop {
            let is_late = Instant::now() >= until;
            match self.0.fetch_watermarks(topic, partition, PATIENCE) {
                Ok((first, _)) if first > last => return Ok(Stands::Gone),
                Ok((_, settled)) if settled > last => return Ok(Stands::Settled),
                Ok(_) if is_late => return Ok(Stands::Hangs),
                Err(e) if is_denied(&e) => return Ok(Stands::Denied),
                Err(e) if is_unknown(&e) && Instant::now() >= deleted => return Ok(Stands::Gone),
                Err(e) if is_late => return Err(format!("{topic}[{partition}]: {e}")),
                Ok(_) | Err(_) => {}
            }
            drop(self.0.poll(pause));
            pause = (pause * 2).min(LOOK_AT_MOST);
        }
    }

    /// Whether a reader of committed messages sees this one.
    fn is_seen(&self, topic: &str, partition: i32, offset: i64) -> Result<bool, Blind> {
        let first = first_from(&self.0, topic, partition, offset)?;
        Ok(first.is_some_and(|first| first.offset() == offset))
    }
}

/// The messages that lie there, as they were sent, whatever became of them.
fn read_back(
    all: &BaseConsumer<Logged>,
    topic: &str,
    partition: i32,
    places: &Places,
) -> Result<Vec<OwnedMessage>, Blind> {
    let mut messages = Vec::new();
    let stretches = places
        .iter()
        .filter(|at| (at.0, at.1) == (topic, partition));
    for (first, last) in stretches.flat_map(|(_, _, stretches)| stretches) {
        let mut next = *first;
        // Those of one stretch follow each other: no other producer's lies between.
        while next <= *last {
            let Some(message) = first_from(all, topic, partition, next)? else {
                break;
            };
            next = message.offset() + 1;
            if places.contains(topic, partition, message.offset()) {
                messages.push(message);
            }
            while next <= *last
                && let Some(message) = following(all, topic, partition, next)?
            {
                next = message.offset() + 1;
                messages.push(message);
            }
        }
    }
    Ok(messages)
}

/// The first message from there on; none if there is none, or the place isn't there.
fn first_from(
    consumer: &BaseConsumer<Logged>,
    topic: &str,
    partition: i32,
    offset: i64,
) -> Result<Option<OwnedMessage>, Blind> {
    let failed = |e: KafkaError| Blind::For(e.to_string());
    let mut place = TopicPartitionList::new();
    place
        .add_partition_offset(topic, partition, Offset::Offset(offset))
        .map_err(failed)?;
    consumer.assign(&place).map_err(failed)?;
    following(consumer, topic, partition, offset)
}

/// The next message of what is assigned.
fn following(
    consumer: &BaseConsumer<Logged>,
    topic: &str,
    partition: i32,
    offset: i64,
) -> Result<Option<OwnedMessage>, Blind> {
    let until = Instant::now() + READ_AT_MOST;
    let mut trouble = None;
    // What was assigned before is over.
    let is_its = |message: &BorrowedMessage<'_>| {
        (message.topic(), message.partition()) == (topic, partition) && message.offset() >= offset
    };
    while Instant::now() < until {
        match consumer.poll(LOOK_AT_MOST) {
            Some(Ok(message)) if is_its(&message) => return Ok(Some(message.detach())),
            Some(Err(KafkaError::PartitionEOF(at))) if at == partition => return Ok(None),
            Some(Ok(_) | Err(KafkaError::PartitionEOF(_))) => {}
            Some(Err(KafkaError::MessageConsumption(RDKafkaErrorCode::AutoOffsetReset))) => {
                return Ok(None);
            }
            Some(Err(e)) if is_denied(&e) => return Err(Blind::Denied),
            // It goes on trying by itself.
            Some(Err(e)) => trouble = Some(e.to_string()),
            None => {}
        }
    }
    let why = trouble.unwrap_or_else(|| format!("not read within {READ_AT_MOST:?}"));
    Err(Blind::For(why))
}

fn is_denied(error: &KafkaError) -> bool {
    error.rdkafka_error_code() == Some(RDKafkaErrorCode::TopicAuthorizationFailed)
}

fn is_unknown(error: &KafkaError) -> bool {
    use RDKafkaErrorCode::{UnknownPartition, UnknownTopic, UnknownTopicOrPartition};
    matches!(
        error.rdkafka_error_code(),
        Some(UnknownPartition | UnknownTopic | UnknownTopicOrPartition)
    )
}

/// Where the messages lie that were sent again takes the place of where they were.
pub(super) fn moved(stored: &Stored, unseen: &[Unseen], places: &Places) -> Stored {
    let mut moved = stored.clone();
    for gone in unseen {
        moved.sent.remove(&gone.topic, gone.partition);
    }
    moved.sent.extend(places);
    moved
}

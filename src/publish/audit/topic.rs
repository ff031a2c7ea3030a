//! Reading one topic from a time on to the end that it has now. Commits nothing and joins no group.

use super::{
    Fault,
    identity::Arrived,
    retention::{CLOCKS, Partition},
};
use crate::{clock::Millis, publish::client_log::Logged};
use rdkafka::{
    ClientConfig, Message as _, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer as _},
    error::{KafkaError, KafkaResult, RDKafkaErrorCode as Code},
    message::{BorrowedMessage, Headers as _},
};
use std::{
    ops::ControlFlow,
    sync::Arc,
    time::{Duration, Instant},
};

/// For one request.
const REQUEST: Duration = Duration::from_secs(10);
/// Without a message or an end: nobody answers any more.
const PATIENCE: Duration = Duration::from_secs(60);
/// As long as another relay's orphaned transaction may hold back what lies behind it, and more.
const TRANSACTION: Duration = Duration::from_secs(40);
const LOOK: Duration = Duration::from_millis(100);

/// A topic, about to be read.
pub(super) struct Topic {
    consumer: BaseConsumer<Logged>,
    name: String,
    spans: Vec<Span>,
}

/// What is to be read of a partition: from `start`, up to before `end`.
#[derive(Debug, Clone, Copy)]
struct Span {
    begins: i64,
    start: i64,
    end: i64,
    done: bool,
    /// When the first message that was read was sent.
    first: Option<Millis>,
}

impl Topic {
    /// Finds out where to begin and where to end.
    pub(super) fn open(
        config: &ClientConfig,
        name: &str,
        accepted_at: Millis,
        committed: bool,
    ) -> Result<Self, Fault> {
        let consumer = |isolation| {
            let mut config = config.clone();
            config.set("isolation.level", isolation);
            let context = Logged(Arc::default());
            let made = config.create_with_context::<_, BaseConsumer<Logged>>(context);
            made.map_err(|e| Fault::kafka(name, &e))
        };
        let plain = consumer("read_uncommitted")?;
        let count = partitions(&plain, name)?;
        let slack = u64::try_from(CLOCKS.as_millis()).unwrap_or(u64::MAX);
        let since = Millis(accepted_at.0.saturating_sub(slack));
        let spans = spans(&plain, name, count, since)?;
        let consumer = if committed {
            let committed = consumer("read_committed")?;
            wait_until_committed(&committed, name, &spans)?;
            committed
        } else {
            plain
        };
        Ok(Self {
            consumer,
            name: name.to_owned(),
            spans,
        })
    }

    /// How many offsets there are to be read.
    pub(super) fn len(&self) -> u64 {
        let lens = self.spans.iter().map(|s| s.end.saturating_sub(s.start));
        lens.filter_map(|len| u64::try_from(len).ok()).sum()
    }

    /// Reads on until the end, or until `each` breaks off. Afterwards it is known what each partition has forgotten.
    pub(super) fn read(
        mut self,
        each: &mut dyn FnMut(&Arrived<'_>) -> ControlFlow<()>,
    ) -> Result<Vec<Partition>, Fault> {
        self.assign()?;
        let mut heard = Instant::now();
        let mut trouble = None;
        while self.spans.iter().any(|span| !span.done) {
            match self.consumer.poll(LOOK) {
                None => {}
                Some(Ok(message)) => {
                    heard = Instant::now();
                    if self.spans.take(&message) {
                        if each(&arrived(&message)).is_break() {
                            return Err(Fault::BrokenOff);
                        }
                    } else if let Some(place) = self.spans.finish(message.partition()) {
                        drop(message);
                        self.pause(place)?;
                    }
                }
                // What was committed when it was opened lies before this.
                Some(Err(KafkaError::PartitionEOF(partition))) => {
                    heard = Instant::now();
                    self.spans.finish(partition);
                }
                Some(Err(error)) if stays(&error) => {
                    return Err(Fault::kafka(&self.name, &error));
                }
                // It goes on trying by itself.
                Some(Err(error)) => trouble = Some(error.to_string()),
            }
            if heard.elapsed() >= PATIENCE {
                return Err(Fault::NoAnswer {
                    topic: self.name,
                    trouble: trouble.unwrap_or_else(|| "no error was reported".into()),
                });
            }
        }
        self.forgotten()
    }

    fn assign(&self) -> Result<(), Fault> {
        let mut places = TopicPartitionList::new();
        for (partition, span) in self.spans.iter().enumerate() {
            if !span.done {
                let partition = i32::try_from(partition).unwrap_or(i32::MAX);
                places
                    .add_partition_offset(&self.name, partition, Offset::Offset(span.start))
                    .map_err(|e| Fault::kafka(&self.name, &e))?;
            }
        }
        self.consumer
            .assign(&places)
            .map_err(|e| Fault::kafka(&self.name, &e))
    }

    /// A partition that others write to goes on and on.
    fn pause(&self, partition: i32) -> Result<(), Fault> {
        let mut places = TopicPartitionList::new();
        places.add_partition(&self.name, partition);
        self.consumer
            .pause(&places)
            .map_err(|e| Fault::kafka(&self.name, &e))
    }

    /// Looked at in the end, since retention goes on meanwhile.
    fn forgotten(self) -> Result<Vec<Partition>, Fault> {
        let mut partitions = Vec::with_capacity(self.spans.len());
        for (partition, span) in (0..).zip(&self.spans) {
            let (begins, _) = watermarks(&self.consumer, &self.name, partition)?;
            // Before the place where reading began there was nothing of interest.
            let reaches = begins > 0 && begins >= span.start;
            let first = span.first.unwrap_or(Millis(u64::MAX));
            let before = span.start > span.begins || begins > 0;
            partitions.push(Partition {
                begins: begins.max(span.begins),
                gone_until: reaches.then_some(first),
                known_since: if before { Millis(0) } else { first },
            });
        }
        Ok(partitions)
    }
}

trait Spans {
    fn take(&mut self, message: &BorrowedMessage<'_>) -> bool;
    fn finish(&mut self, partition: i32) -> Option<i32>;
}

impl Spans for Vec<Span> {
    /// Whether the message is one of those that are to be read.
    fn take(&mut self, message: &BorrowedMessage<'_>) -> bool {
        let place = usize::try_from(message.partition()).ok();
        let Some(span) = place.and_then(|place| self.get_mut(place)) else {
            return false;
        };
        let at = sent_at(message);
        span.first.get_or_insert(at);
        let wanted = message.offset() < span.end;
        // Its last one: nothing else has to come.
        span.done |= message.offset() + 1 >= span.end;
        wanted
    }

    fn finish(&mut self, partition: i32) -> Option<i32> {
        let span = self.get_mut(usize::try_from(partition).ok()?)?;
        span.done = true;
        Some(partition)
    }
}

fn sent_at(message: &BorrowedMessage<'_>) -> Millis {
    let at = message.timestamp().to_millis();
    Millis(at.and_then(|at| u64::try_from(at).ok()).unwrap_or(0))
}

fn arrived<'m>(message: &'m BorrowedMessage<'_>) -> Arrived<'m> {
    let headers = message.headers().map(|headers| {
        let pairs = headers.iter();
        pairs
            .map(|header| (header.key, header.value.unwrap_or_default()))
            .collect()
    });
    Arrived {
        partition: message.partition(),
        offset: message.offset(),
        at: sent_at(message),
        key: message.key(),
        headers: headers.unwrap_or_default(),
        value: message.payload().unwrap_or_default(),
    }
}

/// Asks again while the brokers say what passes: a partition changes its leader, say.
fn patiently<T>(
    consumer: &BaseConsumer<Logged>,
    name: &str,
    ask: impl Fn() -> KafkaResult<T>,
) -> Result<T, Fault> {
    let until = Instant::now() + PATIENCE;
    loop {
        match ask() {
            Ok(answer) => return Ok(answer),
            Err(error) if stays(&error) || Instant::now() >= until => {
                return Err(Fault::kafka(name, &error));
            }
            Err(_) => drop(consumer.poll(LOOK)),
        }
    }
}

/// Whether to ask again is of no use.
fn stays(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(
            Code::TopicAuthorizationFailed
                | Code::UnknownTopic
                | Code::UnknownTopicOrPartition
                | Code::ClusterAuthorizationFailed
                | Code::SaslAuthenticationFailed
                | Code::Authentication
        )
    )
}

fn partitions(consumer: &BaseConsumer<Logged>, name: &str) -> Result<i32, Fault> {
    patiently(consumer, name, || {
        let metadata = consumer.fetch_metadata(Some(name), REQUEST)?;
        let topic = metadata.topics().iter().find(|t| t.name() == name);
        if let Some(error) = topic.and_then(|topic| topic.error()) {
            return Err(KafkaError::MetadataFetch(error.into()));
        }
        let count = topic.map_or(0, |topic| topic.partitions().len());
        let unknown = KafkaError::MetadataFetch(Code::UnknownTopicOrPartition);
        let count = i32::try_from(count).ok().filter(|&count| count > 0);
        count.ok_or(unknown)
    })
}

fn spans(
    consumer: &BaseConsumer<Logged>,
    name: &str,
    count: i32,
    since: Millis,
) -> Result<Vec<Span>, Fault> {
    let at = Offset::Offset(i64::try_from(since.0).unwrap_or(i64::MAX));
    let starts = patiently(consumer, name, || {
        let mut times = TopicPartitionList::new();
        for partition in 0..count {
            times.add_partition_offset(name, partition, at)?;
        }
        let starts = consumer.offsets_for_times(times, REQUEST)?;
        starts
            .elements()
            .iter()
            .try_for_each(|place| place.error())?;
        Ok(starts)
    })?;
    let mut spans = Vec::new();
    for partition in 0..count {
        let (begins, end) = watermarks(consumer, name, partition)?;
        let found = starts.find_partition(name, partition);
        let start = match found.as_ref().map(|place| place.offset()) {
            Some(Offset::Offset(start)) => start,
            // Nothing was sent since.
            _ => end,
        };
        spans.push(Span {
            begins,
            start,
            end,
            done: start >= end,
            first: None,
        });
    }
    Ok(spans)
}

/// Until all that was there when the ends were looked up is committed or aborted: a reader of committed messages sees nothing
/// behind an open transaction.
fn wait_until_committed(
    consumer: &BaseConsumer<Logged>,
    name: &str,
    spans: &[Span],
) -> Result<(), Fault> {
    let until = Instant::now() + TRANSACTION;
    for (partition, span) in (0..).zip(spans) {
        while watermarks(consumer, name, partition)?.1 < span.end {
            if Instant::now() >= until {
                return Err(Fault::OpenTransaction {
                    topic: name.to_owned(),
                    partition,
                });
            }
            drop(consumer.poll(LOOK));
        }
    }
    Ok(())
}

fn watermarks(
    consumer: &BaseConsumer<Logged>,
    name: &str,
    partition: i32,
) -> Result<(i64, i64), Fault> {
    patiently(consumer, name, || {
        consumer.fetch_watermarks(name, partition, REQUEST)
    })
}

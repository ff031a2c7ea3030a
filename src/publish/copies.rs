//! Best-effort copies of quarantined records for `topics.quarantine`.
//!
//! They go through a producer of their own, on a thread of their own, so that a refusal can't hurt anything else: the
//! local quarantine has the record, a copy that is lost is only counted.

use super::{message::Message, metrics::Metrics};
use rdkafka::{
    ClientConfig, ClientContext,
    message::{DeliveryResult, Header, OwnedHeaders},
    producer::{BaseProducer, BaseRecord, Producer as _, ProducerContext},
};
use std::{
    sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    thread,
    time::Duration,
};

/// Copies that wait for the thread.
const WAITING_MAX: usize = 256;
/// Copies that wait for Kafka.
const IN_FLIGHT_MAX: i32 = 256;
/// How long a copy is tried.
const TRIED_FOR_MS: &str = "60000";
/// How long the thread waits for the next copy before it looks after the reports of the last.
const POLL: Duration = Duration::from_millis(100);

/// Takes copies, or not.
pub(super) trait Copies: Send {
    /// False: it was dropped.
    fn offer(&self, copy: Message) -> bool;
}

/// Copies to the real Kafka. The thread ends when this is dropped.
#[derive(Debug)]
pub(super) struct KafkaCopies(SyncSender<Message>);

impl KafkaCopies {
    /// Starts the thread; the producer is opened with the first copy.
    pub(super) fn start(mut config: ClientConfig, metrics: Metrics) -> std::io::Result<Self> {
        config
            .set("enable.gapless.guarantee", "false")
            .set("message.timeout.ms", TRIED_FOR_MS)
            .set("queue.buffering.max.kbytes", "16384");
        let (sender, waiting) = sync_channel(WAITING_MAX);
        thread::Builder::new()
            .name("livebridge-copies".into())
            .spawn(move || run(&config, &metrics, &waiting))?;
        Ok(Self(sender))
    }
}

impl Copies for KafkaCopies {
    fn offer(&self, copy: Message) -> bool {
        self.0.try_send(copy).is_ok()
    }
}

fn run(config: &ClientConfig, metrics: &Metrics, waiting: &Receiver<Message>) {
    let mut producer: Option<BaseProducer<Context>> = None;
    loop {
        // Nobody is waited for while nothing is under way.
        let idle = producer.as_ref().is_none_or(|p| p.in_flight_count() == 0);
        let next = if idle {
            waiting.recv().map_err(|_| RecvTimeoutError::Disconnected)
        } else {
            waiting.recv_timeout(POLL)
        };
        match next {
            Ok(copy) => {
                if producer.is_none() {
                    producer = config.create_with_context(Context(metrics.clone())).ok();
                }
                if !producer.as_ref().is_some_and(|p| send(p, &copy)) {
                    metrics.copy_dropped();
                    producer = None;
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        if let Some(producer) = &producer {
            producer.poll(Duration::ZERO);
        }
    }
}

fn send(producer: &BaseProducer<Context>, copy: &Message) -> bool {
    if producer.in_flight_count() >= IN_FLIGHT_MAX {
        return false;
    }
    let headers = copy.headers.iter().fold(
        OwnedHeaders::new_with_capacity(copy.headers.len()),
        |headers, (key, value)| {
            headers.insert(Header {
                key,
                value: Some(value.as_ref()),
            })
        },
    );
    let record: BaseRecord<'_, [u8], [u8]> = BaseRecord::to(&copy.topic)
        .payload(copy.payload.as_slice())
        .headers(headers);
    let record = match &copy.key {
        Some(key) => record.key(key.as_slice()),
        None => record,
    };
    producer.send(record).is_ok()
}

struct Context(Metrics);

impl ClientContext for Context {}

impl ProducerContext for Context {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if let Err((error, _)) = result {
            tracing::warn!(%error, "a copy of a quarantined record did not reach its topic");
            self.0.copy_dropped();
        }
    }
}

//! The producer of copies: what it sends, and what it hears.

use super::{Waiting, held::Held};
use crate::{
    publish::{
        access::Version, client_log::ClientLog, kafka::record, mailbox::Reports, message::Message,
        metrics::Metrics,
    },
    spool::Seq,
};
use rdkafka::{
    ClientContext,
    config::RDKafkaLogLevel,
    error::KafkaError,
    message::DeliveryResult,
    producer::{BaseProducer, ProducerContext},
};
use std::{sync::Arc, time::Instant};

/// A producer. It is polled as long as it is there: while Kafka is down, what nobody polls for piles up in it.
pub(super) struct Open {
    pub(super) producer: BaseProducer<Context>,
    /// Copies without a report.
    pub(super) under_way: Held,
    pub(super) busy_at: Instant,
    /// What it logs in with.
    pub(super) version: Version,
}

impl Open {
    pub(super) fn send(&mut self, waiting: &Waiting) -> Result<(), KafkaError> {
        let Waiting { copy, owed_by } = waiting;
        let bytes = waiting.bytes();
        let of = Of {
            ce_id: ce_id(copy),
            owed_by: *owed_by,
            bytes,
        };
        self.producer
            .send(record(copy, Box::new(of)))
            .map_err(|(error, _)| error)?;
        self.under_way.add(bytes);
        self.busy_at = Instant::now();
        Ok(())
    }
}

pub(super) fn ce_id(copy: &Message) -> String {
    let found = copy.headers.iter().find(|(name, _)| *name == "ce_id");
    found.map_or_else(String::new, |(_, id)| {
        String::from_utf8_lossy(id.as_ref()).into_owned()
    })
}

/// The one line, and the one count, of a copy that is given up here.
pub(super) fn dropped(metrics: &Metrics, ce_id: &str, error: &KafkaError) {
    tracing::warn!(ce_id, %error, "a copy of a quarantined record did not reach its topic");
    metrics.copy_dropped();
}

/// Whose copy it is.
pub(super) struct Of {
    ce_id: String,
    owed_by: Option<Seq>,
    bytes: usize,
}

pub(super) struct Context {
    pub(super) under_way: Held,
    pub(super) metrics: Metrics,
    pub(super) log: Arc<ClientLog>,
    pub(super) reports: Arc<dyn Reports>,
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        self.log.line(level, facility, text);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.log.trouble(&error, reason);
    }
}

impl ProducerContext for Context {
    type DeliveryOpaque = Box<Of>;

    fn delivery(&self, result: &DeliveryResult<'_>, of: Box<Of>) {
        // On the thread that polls, so after it was counted.
        self.under_way.remove(of.bytes);
        if let Err((error, _)) = result {
            dropped(&self.metrics, &of.ce_id, error);
        }
        if let Some(seq) = of.owed_by {
            self.reports.copied(seq, result.is_ok());
        }
    }
}

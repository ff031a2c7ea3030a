//! Best-effort copies of quarantined records for `topics.quarantine`.
//!
//! They go through a producer of their own, on a thread of their own, so that a refusal can't hurt anything else: the
//! local quarantine has the record, a copy that is lost is only counted, and logged. Where there is no local quarantine, the
//! record owes its copy: then the publisher hears what became of it.

use super::{
    access::{Clients, Version},
    client_log::ClientLog,
    mailbox::Reports,
    message::Message,
    metrics::Metrics,
};
use crate::spool::Seq;
use rdkafka::{
    ClientContext,
    config::RDKafkaLogLevel,
    error::KafkaError,
    message::{DeliveryResult, Header, OwnedHeaders},
    producer::{BaseProducer, BaseRecord, Producer as _, ProducerContext},
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc::{Receiver, SyncSender, TryRecvError, TrySendError, sync_channel},
    },
    thread,
    time::{Duration, Instant},
};

/// Copies that wait for the thread.
const WAITING_MAX: usize = 256;
/// Copies that wait for Kafka.
const IN_FLIGHT_MAX: usize = 256;
/// How long a copy is tried.
const TRIED_FOR_MS: &str = "60000";
/// How long the thread listens to the producer before it looks for the next copy.
const POLL: Duration = Duration::from_millis(100);
/// How long a producer without copies is kept, so that it isn't opened anew for each of many.
const LINGER: Duration = Duration::from_secs(5);
/// How long the last reports are waited for when the publisher has ended.
const LAST_REPORTS: Duration = Duration::from_secs(2);

/// Takes copies, or not.
pub(crate) trait Copies: Send {
    /// False: there is no room for it. Of a copy that is owed by a record, [`Reports::copied`] tells what became.
    fn offer(&self, copy: Message, owed_by: Option<Seq>) -> bool;
}

/// A copy, and the record that owes it.
#[derive(Debug)]
struct Waiting {
    copy: Message,
    owed_by: Option<Seq>,
}

/// Copies to the real Kafka. The thread ends when this is dropped.
#[derive(Debug)]
pub(super) struct KafkaCopies(SyncSender<Waiting>);

impl KafkaCopies {
    /// Starts the thread; the producer is opened with the first copy.
    pub(super) fn start(
        clients: Clients,
        metrics: Metrics,
        log: Arc<ClientLog>,
        reports: Arc<dyn Reports>,
    ) -> std::io::Result<Self> {
        let (sender, waiting) = sync_channel(WAITING_MAX);
        let courier = Courier::new(clients, metrics, log, reports, waiting);
        thread::Builder::new()
            .name("livebridge-copies".into())
            .spawn(move || courier.run())?;
        Ok(Self(sender))
    }
}

impl Copies for KafkaCopies {
    fn offer(&self, copy: Message, owed_by: Option<Seq>) -> bool {
        match self.0.try_send(Waiting { copy, owed_by }) {
            Ok(()) => true,
            // Its callback would wait for room without end. The end of this thread ends the process, and the next one begins anew.
            Err(TrySendError::Disconnected(_)) if owed_by.is_some() => {
                panic!("the thread of copies is gone, by a panic")
            }
            Err(_) => false,
        }
    }
}

/// What the thread works with.
struct Courier {
    clients: Clients,
    metrics: Metrics,
    log: Arc<ClientLog>,
    reports: Arc<dyn Reports>,
    waiting: Receiver<Waiting>,
    open: Option<Open>,
}

/// A producer. It is polled as long as it is there: while Kafka is down, what nobody polls for piles up in it.
struct Open {
    producer: BaseProducer<Context>,
    under_way: UnderWay,
    busy_at: Instant,
    /// What it logs in with.
    version: Version,
}

/// Copies without a report, counted here: librdkafka counts its events with them.
#[derive(Debug, Clone, Default)]
struct UnderWay(Arc<AtomicUsize>);

impl UnderWay {
    fn count(&self) -> usize {
        self.0.load(Ordering::Acquire)
    }

    fn has_room(&self) -> bool {
        self.count() < IN_FLIGHT_MAX
    }

    fn began(&self) {
        self.0.fetch_add(1, Ordering::AcqRel);
    }

    fn ended(&self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }

    /// Whether a producer that had its last copy this long ago has nothing more to do.
    fn is_over(&self, idle_for: Duration) -> bool {
        self.count() == 0 && idle_for >= LINGER
    }
}

impl Courier {
    fn new(
        clients: Clients,
        metrics: Metrics,
        log: Arc<ClientLog>,
        reports: Arc<dyn Reports>,
        waiting: Receiver<Waiting>,
    ) -> Self {
        let clients = clients.changed(|config, _| {
            config
                .set("enable.gapless.guarantee", "false")
                .set("message.timeout.ms", TRIED_FOR_MS)
                .set("queue.buffering.max.kbytes", "16384");
        });
        Self {
            clients,
            metrics,
            log,
            reports,
            waiting,
            open: None,
        }
    }

    fn run(mut self) {
        loop {
            // Nobody is waited for while nothing is under way.
            if self.open.is_none() {
                let Ok(copy) = self.waiting.recv() else {
                    return;
                };
                self.send(&copy);
            }
            let ended = self.send_waiting();
            self.listen();
            if ended {
                return self.finish();
            }
        }
    }

    /// Sends what waits, as far as there is room. True: there will be no more.
    fn send_waiting(&mut self) -> bool {
        while self.takes_more() {
            match self.waiting.try_recv() {
                Ok(copy) => self.send(&copy),
                Err(TryRecvError::Empty) => return false,
                Err(TryRecvError::Disconnected) => return true,
            }
        }
        false
    }

    /// A producer that logs in with what has been replaced only ends what it has.
    fn takes_more(&self) -> bool {
        let takes =
            |open: &Open| open.under_way.has_room() && self.clients.version() == open.version;
        self.open.as_ref().is_none_or(takes)
    }

    fn listen(&mut self) {
        let version = self.clients.version();
        let Some(open) = &mut self.open else { return };
        open.producer.poll(POLL);
        if open.under_way.count() > 0 {
            open.busy_at = Instant::now();
        }
        let is_old = open.version != version && open.under_way.count() == 0;
        if is_old || open.under_way.is_over(open.busy_at.elapsed()) {
            self.close();
        }
    }

    fn finish(&mut self) {
        let since = Instant::now();
        while let Some(open) = &self.open
            && open.under_way.count() > 0
            && since.elapsed() < LAST_REPORTS
        {
            open.producer.poll(POLL);
        }
        self.close();
    }

    fn send(&mut self, waiting: &Waiting) {
        // A producer that is done for takes nothing more.
        if let Some(open) = &self.open
            && open.producer.client().fatal_error().is_some()
        {
            self.close();
        }
        let sent = match self.open() {
            Ok(open) => open.send(waiting),
            Err(error) => Err(error),
        };
        if let Err(error) = sent {
            dropped(&self.metrics, &ce_id(&waiting.copy), &error);
            if let Some(seq) = waiting.owed_by {
                self.reports.copied(seq, false);
            }
        }
    }

    fn open(&mut self) -> Result<&mut Open, KafkaError> {
        let open = match self.open.take() {
            Some(open) => open,
            None => {
                let under_way = UnderWay::default();
                let context = Context {
                    under_way: under_way.clone(),
                    metrics: self.metrics.clone(),
                    log: Arc::clone(&self.log),
                    reports: Arc::clone(&self.reports),
                };
                // Before the properties are taken: should they change in between, it is opened anew, needlessly.
                let version = self.clients.version();
                Open {
                    producer: self.clients.config().create_with_context(context)?,
                    under_way,
                    busy_at: Instant::now(),
                    version,
                }
            }
        };
        Ok(self.open.insert(open))
    }

    /// Drops the producer. What it still has is reported as purged; what isn't, is counted here.
    fn close(&mut self) {
        let Some(open) = self.open.take() else { return };
        let under_way = open.under_way.clone();
        drop(open);
        let lost = under_way.count();
        if lost > 0 {
            tracing::warn!(lost, "copies of quarantined records got no report");
            (0..lost).for_each(|_| self.metrics.copy_dropped());
        }
    }
}

impl Open {
    fn send(&mut self, waiting: &Waiting) -> Result<(), KafkaError> {
        let Waiting { copy, owed_by } = waiting;
        let of = Of {
            ce_id: ce_id(copy),
            owed_by: *owed_by,
        };
        let headers = copy.headers.iter().fold(
            OwnedHeaders::new_with_capacity(copy.headers.len()),
            |headers, (key, value)| {
                headers.insert(Header {
                    key,
                    value: Some(value.as_ref()),
                })
            },
        );
        let record: BaseRecord<'_, [u8], [u8], Box<Of>> =
            BaseRecord::with_opaque_to(&copy.topic, Box::new(of))
                .payload(copy.payload.as_slice())
                .headers(headers);
        let record = match &copy.key {
            Some(key) => record.key(key.as_slice()),
            None => record,
        };
        self.producer.send(record).map_err(|(error, _)| error)?;
        self.under_way.began();
        self.busy_at = Instant::now();
        Ok(())
    }
}

fn ce_id(copy: &Message) -> String {
    let found = copy.headers.iter().find(|(name, _)| *name == "ce_id");
    found.map_or_else(String::new, |(_, id)| {
        String::from_utf8_lossy(id.as_ref()).into_owned()
    })
}

/// The one line, and the one count, of a copy that is given up here.
fn dropped(metrics: &Metrics, ce_id: &str, error: &KafkaError) {
    tracing::warn!(ce_id, %error, "a copy of a quarantined record did not reach its topic");
    metrics.copy_dropped();
}

/// Whose copy it is.
struct Of {
    ce_id: String,
    owed_by: Option<Seq>,
}

struct Context {
    under_way: UnderWay,
    metrics: Metrics,
    log: Arc<ClientLog>,
    reports: Arc<dyn Reports>,
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
        self.under_way.ended();
        if let Err((error, _)) = result {
            dropped(&self.metrics, &of.ce_id, error);
        }
        if let Some(seq) = of.owed_by {
            self.reports.copied(seq, result.is_ok());
        }
    }
}

#[cfg(test)]
mod tests;

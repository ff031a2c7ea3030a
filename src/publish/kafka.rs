//! The real Kafka, behind [`Broker`]: rdkafka's low-level producer with a thread that polls it.
//!
//! `BaseProducer` and a thread of ours, since `ThreadedProducer` joins its thread where it is dropped, and
//! `FutureProducer` reorders when its queue is full.

mod polling;

use super::{
    access::Clients,
    broker::{Ask, Broker, Enqueued, OpenError, Producer},
    broker_certificate::{Explainer, Question},
    classify::Code,
    client_log::ClientLog,
    exact::{Clerk, Outcome, Places, Purpose, Reader, judge},
    mailbox::{ProducerId, Report, Reports, Ticket},
    message::Message,
    properties::reading,
    trouble::Trouble,
};
use polling::Poller;
use rdkafka::{
    ClientConfig, ClientContext, IntoOpaque, Message as _,
    config::RDKafkaLogLevel,
    error::{KafkaError, RDKafkaErrorCode},
    message::{DeliveryResult, Header, OwnedHeaders},
    producer::{BaseProducer, BaseRecord, Producer as _, ProducerContext, PurgeConfig},
};
use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicU64, AtomicUsize, Ordering},
    mpsc::SyncSender,
};

/// Producers at once, the closing ones included: one hangs while it is destroyed when, say, the resolver hangs.
const PRODUCERS_MAX: usize = 64;

/// See the module.
#[derive(Debug)]
pub struct Kafka {
    clients: Clients,
    log: Arc<ClientLog>,
    explainer: Explainer,
    alive: Arc<AtomicUsize>,
}

impl Kafka {
    /// Producers with these properties, which say what they have to say in this log.
    #[must_use]
    pub fn new(clients: Clients, log: Arc<ClientLog>) -> Self {
        Self {
            clients,
            log,
            explainer: Explainer::default(),
            alive: Arc::default(),
        }
    }
}

impl Broker for Kafka {
    type Producer = KafkaProducer;

    fn open(&self, id: ProducerId, reports: Arc<dyn Reports>) -> Result<KafkaProducer, OpenError> {
        let (producer, _) = self.polled(id, reports, &self.clients.config(), None)?;
        Ok(producer)
    }

    fn open_transactional(
        &self,
        id: ProducerId,
        reports: Arc<dyn Reports>,
        purpose: &Purpose,
    ) -> Result<KafkaProducer, OpenError> {
        let (config, common) = self.clients.transactional(&purpose.transactional_id());
        let places = Arc::<Mutex<Places>>::default();
        let noted = Some(Arc::clone(&places));
        let (mut producer, client) = self.polled(id, Arc::clone(&reports), &config, noted)?;
        let clerk = Clerk::new(id, client, reports, places, self.reader(&common, purpose))
            .start()
            .map_err(|e| OpenError(format!("no thread for it: {e}")))?;
        producer.clerk = Some(clerk);
        Ok(producer)
    }
}

impl Kafka {
    fn reader(&self, common: &ClientConfig, purpose: &Purpose) -> Option<Reader> {
        purpose.tries.is_none().then(|| Reader {
            config: reading(common),
            log: Arc::clone(&self.log),
            topic: Arc::clone(&purpose.topic),
            spool_id: purpose.spool_id.clone(),
            runs: purpose.runs.clone(),
        })
    }

    /// A producer with a thread that polls it.
    fn polled(
        &self,
        id: ProducerId,
        reports: Arc<dyn Reports>,
        config: &ClientConfig,
        places: Option<Arc<Mutex<Places>>>,
    ) -> Result<(KafkaProducer, Arc<BaseProducer<Context>>), OpenError> {
        let alive = Alive::one_more(&self.alive)?;
        let context = Context {
            _alive: alive,
            id,
            reports: Arc::clone(&reports),
            log: Arc::clone(&self.log),
            explainer: self.explainer.clone(),
            checks_names: self.clients.checks_names(),
            places: places.clone(),
            events: AtomicU64::new(0),
        };
        let client: BaseProducer<Context> = config
            .create_with_context(context)
            .map_err(|e| OpenError(e.to_string()))?;
        let client = Arc::new(client);
        let poller = Poller::start(id, Arc::clone(&client), reports)
            .map_err(|e| OpenError(format!("no thread for it: {e}")))?;
        let producer = KafkaProducer {
            client: Some(Arc::clone(&client)),
            poller,
            places,
            clerk: None,
        };
        Ok((producer, client))
    }
}

/// Counts the producers that exist: whoever has the last reference to one destroys it, which may take long.
#[derive(Debug)]
struct Alive(Arc<AtomicUsize>);

impl Alive {
    fn one_more(count: &Arc<AtomicUsize>) -> Result<Self, OpenError> {
        let mine = Self(Arc::clone(count));
        if count.fetch_add(1, Ordering::AcqRel) < PRODUCERS_MAX {
            Ok(mine)
        } else {
            Err(OpenError(format!("{PRODUCERS_MAX} are still closing")))
        }
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// One producer. Dropping it closes it.
pub struct KafkaProducer {
    client: Option<Arc<BaseProducer<Context>>>,
    poller: Poller,
    /// Of a transactional one: where its transaction's messages lie.
    places: Option<Arc<Mutex<Places>>>,
    /// Of a transactional one.
    clerk: Option<SyncSender<Ask>>,
}

impl std::fmt::Debug for KafkaProducer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KafkaProducer").finish_non_exhaustive()
    }
}

impl Producer for KafkaProducer {
    fn enqueue(&self, message: &Message, ticket: Ticket) -> Enqueued {
        let Some(client) = &self.client else {
            return Enqueued::Full;
        };
        match client.send(record(message, Box::new(ticket))) {
            Ok(()) => Enqueued::Taken,
            Err((error, _)) => match code_of(&error) {
                Code::QUEUE_FULL => Enqueued::Full,
                code => Enqueued::Refused(code),
            },
        }
    }

    fn begin(&self) -> Outcome {
        let Some(client) = &self.client else {
            return Outcome::Unknown;
        };
        if let Some(places) = &self.places {
            *noted(places) = Places::default();
        }
        let (outcome, trouble) = judge(client.begin_transaction());
        if let Some(trouble) = trouble {
            tracing::debug!(trouble, "no transaction can begin");
        }
        outcome
    }

    fn places(&self) -> Places {
        let places = self.places.as_ref();
        places
            .map(|places| noted(places).clone())
            .unwrap_or_default()
    }

    fn ask(&self, ask: Ask) {
        if let Some(clerk) = &self.clerk {
            // The clerk answers each question before the next is put to it: there is always room. One that is gone has said so.
            let _ = clerk.try_send(ask);
        }
    }

    fn poll_inline(&self) {
        if let Some(client) = &self.client {
            self.poller.poll_inline(client);
        }
    }

    fn resume_polling(&self) {
        self.poller.resume();
    }

    fn close(self) {
        drop(self);
    }
}

impl Drop for KafkaProducer {
    fn drop(&mut self) {
        if let Some(client) = self.client.take() {
            // Not waiting for the brokers' threads to have done it: one that asks for an address hears of nothing meanwhile. Each does
            // it before it sends anything more.
            client.purge(PurgeConfig::default().queue().inflight().non_blocking());
            // Before the thread is told: the last reference is to be the thread's, or the clerk's, which may take their time.
            drop(client);
            self.poller.close();
        }
    }
}

/// What librdkafka gets for a message.
pub(super) fn record<T>(message: &Message, opaque: Box<T>) -> BaseRecord<'_, [u8], [u8], Box<T>>
where
    Box<T>: IntoOpaque,
{
    let mut headers = OwnedHeaders::new_with_capacity(message.headers.len());
    for (key, value) in &message.headers {
        headers = headers.insert(Header {
            key,
            value: Some(value.as_ref()),
        });
    }
    let record = BaseRecord::with_opaque_to(&message.topic, opaque)
        .payload(message.payload.as_slice())
        .headers(headers);
    match &message.key {
        Some(key) => record.key(key.as_slice()),
        None => record,
    }
}

struct Context {
    _alive: Alive,
    id: ProducerId,
    reports: Arc<dyn Reports>,
    log: Arc<ClientLog>,
    explainer: Explainer,
    checks_names: bool,
    /// Of a transactional one: where its transaction's messages lie.
    places: Option<Arc<Mutex<Places>>>,
    /// What was told so far: reports, errors, lines of the log.
    events: AtomicU64,
}

/// What was noted so far.
pub(super) fn noted(places: &Mutex<Places>) -> MutexGuard<'_, Places> {
    places.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Context {
    fn note_event(&self) {
        self.events.fetch_add(1, Ordering::Relaxed);
    }

    /// A certificate that isn't accepted is looked at first: then it is told, and logged, what is wrong with it.
    fn told(&self, code: Code, trouble: Trouble) {
        let Some(address) = trouble.certificate_of else {
            self.reports.trouble(self.id, code, trouble);
            return;
        };
        self.explainer.explain(Question {
            address,
            checks_name: self.checks_names,
            code,
            producer: self.id,
            reports: Arc::clone(&self.reports),
            log: Arc::clone(&self.log),
        });
    }
}

impl ProducerContext for Context {
    type DeliveryOpaque = Box<Ticket>;

    fn delivery(&self, result: &DeliveryResult<'_>, ticket: Box<Ticket>) {
        let result = match result {
            Ok(message) => {
                if let Some(places) = &self.places {
                    noted(places).note(message.topic(), message.partition(), message.offset());
                }
                Ok(())
            }
            Err((error, _)) => Err(code_of(error)),
        };
        self.note_event();
        self.reports.report(Report {
            producer: self.id,
            ticket: *ticket,
            result,
        });
    }
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        self.note_event();
        self.log.line(level, facility, text);
        // That a broker hangs up isn't an error to librdkafka, even if it is what a TLS port does with clear text.
        if facility == "FAIL"
            && let Some(trouble) = Trouble::of_line(text)
        {
            self.told(Code::TRANSPORT, trouble);
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.note_event();
        let code = code_of(&error);
        let trouble = Trouble::of_error(code, reason);
        if trouble.certificate_of.is_none() {
            self.log.trouble(&error, reason);
        }
        self.told(code, trouble);
    }
}

/// The code in an error; `_FAIL` for what has none.
fn code_of(error: &KafkaError) -> Code {
    let code = error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Fail);
    Code(code as i32)
}

//! From a bounded queue to an OpenTelemetry collector: OTLP over HTTP, in batches, by one task that nobody waits for.
//!
//! A batch that can't be delivered is dropped, not tried again: while a collector is away the newest spans are as good as
//! the oldest, and nothing of the relay's promise hangs on them.

use super::{
    otlp::{Resource, refused, request},
    span::Span,
};
use crate::{config::Endpoint, metrics::Register};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::{
    Request, StatusCode,
    client::conn::http1,
    header::{CONTENT_TYPE, HOST, HeaderValue},
};
use hyper_util::rt::TokioIo;
use prometheus::{IntCounter, Registry};
use std::{fmt, mem, time::Duration};
use tokio::{
    net::TcpStream,
    sync::mpsc::{self, Receiver, Sender},
    task::{self, JoinHandle},
    time,
};

/// Spans that wait; some 300 bytes each.
const WAITING: usize = 8192;
/// Spans in one request.
const BATCH: usize = 512;
/// How long spans gather before they go.
const GATHER: Duration = Duration::from_millis(500);
/// From the connection to the end of the answer.
const TIMEOUT: Duration = Duration::from_secs(5);
/// The longest answer that is read.
const ANSWER_BYTES: usize = 64 << 10;

/// What became of spans. Every combination is there at 0 from the start.
#[derive(Debug, Clone)]
pub struct Metrics {
    exported: IntCounter,
    queue_full: IntCounter,
    unreachable: IntCounter,
    refused: IntCounter,
}

impl Metrics {
    /// Makes and registers them.
    ///
    /// # Errors
    /// If one of the names is taken in this registry.
    pub fn register(registry: &Registry) -> prometheus::Result<Self> {
        let register = Register(registry);
        let exported = register.counter(
            "livebridge_spans_exported_total",
            "Spans that the collector of traces.endpoint took.",
        )?;
        let dropped = register.counters(
            "livebridge_spans_dropped_total",
            "Spans that were given up; nothing else is lost with them.",
            &["reason"],
        )?;
        let [queue_full, unreachable, refused] = ["queue_full", "unreachable", "refused"]
            .map(|reason| dropped.with_label_values(&[reason]));
        Ok(Self {
            exported,
            queue_full,
            unreachable,
            refused,
        })
    }
}

/// Where spans are put. Never blocks.
#[derive(Debug, Clone)]
pub struct Queue {
    spans: Sender<Span>,
    metrics: Metrics,
}

impl Queue {
    /// A queue, and its other end.
    pub(crate) fn with_room_for(spans: usize, metrics: Metrics) -> (Self, Receiver<Span>) {
        let (spans, waiting) = mpsc::channel(spans);
        (Self { spans, metrics }, waiting)
    }

    pub(super) fn put(&self, span: Span) {
        if self.spans.try_send(span).is_err() {
            self.no_room();
        }
    }

    /// A span was dropped before it got here.
    pub(super) fn no_room(&self) {
        self.metrics.queue_full.inc();
    }
}

/// A queue to this collector, and the task behind it, which ends when the last clone of the queue is gone and what was in it is
/// delivered. Needs a runtime.
#[must_use]
pub fn start(endpoint: Endpoint, resource: Resource, metrics: Metrics) -> (Queue, JoinHandle<()>) {
    let (queue, waiting) = Queue::with_room_for(WAITING, metrics.clone());
    let exporter = Exporter {
        endpoint,
        resource,
        metrics,
        fails: false,
    };
    (queue, tokio::spawn(exporter.run(waiting)))
}

/// Why a batch was dropped.
#[derive(Debug)]
enum Failed {
    Unreachable(String),
    Refused(StatusCode),
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable(why) => f.write_str(why),
            Self::Refused(status) => write!(f, "it answers {status}"),
        }
    }
}

/// Until there are enough for a request, or no more will come.
async fn fill(batch: &mut Vec<Span>, waiting: &mut Receiver<Span>) {
    while batch.len() < BATCH {
        let room = BATCH - batch.len();
        if waiting.recv_many(batch, room).await == 0 {
            return;
        }
    }
}

struct Exporter {
    endpoint: Endpoint,
    resource: Resource,
    metrics: Metrics,
    /// The last batch could not be delivered.
    fails: bool,
}

impl Exporter {
    async fn run(mut self, mut waiting: Receiver<Span>) {
        let mut batch = Vec::new();
        while waiting.recv_many(&mut batch, BATCH).await > 0 {
            let gathered = time::timeout(GATHER, fill(&mut batch, &mut waiting)).await;
            drop(gathered);
            self.deliver(mem::take(&mut batch)).await;
        }
    }

    async fn deliver(&mut self, batch: Vec<Span>) {
        let count = batch.len() as u64;
        let said = time::timeout(TIMEOUT, self.post(batch)).await;
        let said = said.unwrap_or_else(|_| Err(Failed::Unreachable("no answer in 5 s".into())));
        match said {
            Ok(refused) => {
                let refused = refused.min(count);
                self.metrics.refused.inc_by(refused);
                self.metrics.exported.inc_by(count - refused);
                if mem::take(&mut self.fails) {
                    tracing::info!(endpoint = %self.endpoint, "spans are exported again");
                }
            }
            Err(why) => {
                let counter = match why {
                    Failed::Unreachable(_) => &self.metrics.unreachable,
                    Failed::Refused(_) => &self.metrics.refused,
                };
                counter.inc_by(count);
                if !mem::replace(&mut self.fails, true) {
                    tracing::warn!(endpoint = %self.endpoint, %why, "spans are dropped until the collector takes them");
                }
            }
        }
    }

    /// How many of the spans the collector refused.
    async fn post(&self, batch: Vec<Span>) -> Result<u64, Failed> {
        let unreachable = |why: &dyn fmt::Display| Failed::Unreachable(why.to_string());
        // Milliseconds of work: not on a thread that callbacks wait for.
        let resource = self.resource.clone();
        let body = task::spawn_blocking(move || request(&resource, &batch));
        let body = body.await.map_err(|e| unreachable(&e))?;
        let address = (self.endpoint.host.as_str(), self.endpoint.port);
        let socket = TcpStream::connect(address)
            .await
            .map_err(|e| unreachable(&e))?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(socket))
            .await
            .map_err(|e| unreachable(&e))?;
        // It ends with its sender, which hears of any error.
        tokio::spawn(connection);
        let host = self.endpoint.authority();
        let request = Request::post(&self.endpoint.path)
            .header(HOST, host)
            .header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
            .body(Full::new(Bytes::from(body)))
            .map_err(|e| unreachable(&e))?;
        let answer = sender
            .send_request(request)
            .await
            .map_err(|e| unreachable(&e))?;
        let status = answer.status();
        if status != StatusCode::OK {
            return Err(Failed::Refused(status));
        }
        let answer = Limited::new(answer.into_body(), ANSWER_BYTES);
        let answer = answer.collect().await.map_err(|e| unreachable(&e))?;
        Ok(refused(&answer.to_bytes()))
    }
}

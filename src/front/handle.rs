//! One request: the checks in their order (404, 405, 413 or 408, 400, 401), then the spool, then the answer.

use super::{
    Phase, body,
    door::{Door, Sender},
    problem::Problem,
    reply::{self, Proof, Reply},
    route,
    traceparent::traceparent,
};
use crate::{
    callback::{
        id::ce_id,
        json::Document,
        names::EventName,
        verify::{self, Authentic, Refused},
    },
    metrics::Outcome,
    spool::{AppendError, CeId, Envelope},
};
use bytes::Bytes;
use hyper::{
    Method, Request,
    body::{Body, Incoming},
};
use std::sync::Arc;
use tokio::{
    sync::watch,
    time::{self, Instant},
};

/// What becomes of a request: an answer, and whether the connection can go on after it.
struct Verdict {
    result: Result<Proof, Problem>,
    close: bool,
}

impl Verdict {
    /// A refusal before the body was read: what is left of it would be taken for the next request.
    const fn unread(problem: Problem) -> Self {
        let result = Err(problem);
        Self {
            result,
            close: true,
        }
    }
}

/// Answers one request.
pub(super) async fn handle(
    door: &Arc<Door>,
    request: Request<Incoming>,
    phase: &mut watch::Receiver<Phase>,
) -> Reply {
    let began = Instant::now();
    let routes = door.senders.iter().map(|sender| &sender.route);
    let place = route::find(routes, request.uri().path());
    let sender = place.and_then(|place| door.senders.get(place));
    let verdict = match sender {
        Some(sender) => admit(door, sender, request, phase).await,
        None => Verdict {
            result: Err(Problem::NotFound),
            close: !request.body().is_end_stream(),
        },
    };
    let answer = match verdict.result {
        Ok(proof) => reply::accepted(proof),
        Err(problem) => reply::refused(problem),
    };
    let source = sender.map(|sender| &sender.route.source);
    let code = answer.status().as_u16();
    door.metrics.answered(source, code, began.elapsed());
    if verdict.close || *phase.borrow() != Phase::Running {
        reply::close_after(answer)
    } else {
        answer
    }
}

/// The checks before the body, and the body.
async fn admit(
    door: &Arc<Door>,
    sender: &Sender,
    request: Request<Incoming>,
    phase: &mut watch::Receiver<Phase>,
) -> Verdict {
    let count = |outcome| {
        door.callbacks
            .count(&sender.route.source, EventName::Unknown, outcome);
    };
    if request.method() != Method::POST {
        count(Outcome::Rejected);
        return Verdict {
            result: Err(Problem::MethodNotAllowed),
            close: !request.body().is_end_stream(),
        };
    }
    if body::announces_too_much(request.body(), &door.body) {
        count(Outcome::Rejected);
        return Verdict::unread(Problem::BodyTooLarge);
    }
    // Held until the answer: this is what "in flight" means.
    let Ok(_in_flight) = door.inflight.try_acquire() else {
        count(Outcome::Overloaded);
        return Verdict::unread(Problem::Overloaded);
    };
    let traceparent = traceparent(request.headers());
    let whole = match body::read(request.into_body(), &door.body, phase).await {
        Ok(whole) => whole,
        Err(problem) => {
            let ours = problem.status().is_server_error();
            count(if ours {
                Outcome::Overloaded
            } else {
                Outcome::Rejected
            });
            return Verdict::unread(problem);
        }
    };
    Verdict {
        result: decide(door, sender, whole.bytes.clone(), traceparent).await,
        close: false,
    }
}

/// The checks of the body, and the spool.
async fn decide(
    door: &Arc<Door>,
    sender: &Sender,
    body: Bytes,
    traceparent: Option<Box<str>>,
) -> Result<Proof, Problem> {
    let source = &sender.route.source;
    let received_at = door.clock.now();
    let (event, ce_id) = {
        let authentic = judge(door, sender, &body, received_at)?;
        let event = authentic.event();
        if let Some(ignored) = door.off.ignores(event.family()) {
            door.callbacks.count(source, event, Outcome::Ignored);
            return Ok(Proof::Ignored(ignored));
        }
        (event, ce_id(authentic.document()))
    };
    let envelope = Envelope {
        source: source.clone(),
        family: event.family(),
        received_at,
        traceparent,
        body,
    };
    append(door, ce_id, event, envelope).await
}

/// Parses and verifies, and counts what it finds.
fn judge<'a>(
    door: &Door,
    sender: &Sender,
    body: &'a [u8],
    now: crate::clock::Millis,
) -> Result<Authentic<'a>, Problem> {
    let source = &sender.route.source;
    let document = Document::parse(body).map_err(|why| {
        tracing::debug!(%source, %why, "a callback is not one JSON object");
        door.callbacks
            .count(source, EventName::Unknown, Outcome::Rejected);
        Problem::Malformed(why)
    })?;
    let event = verify::event_name(verify::event_type(&document));
    let armed = sender.keyring.now();
    verify::verify(&*sender.kind, document, &armed.keys, &sender.policy, now)
        .inspect(|authentic| {
            if let Some(counter) = authentic.key().and_then(|key| armed.matches.get(key)) {
                counter.inc();
            }
            if let Some(seconds) = authentic.clock_offset_seconds() {
                door.metrics.clock_offset(seconds);
            }
        })
        .map_err(|why: Refused| {
            tracing::debug!(%source, %event, %why, "a callback is not authentic");
            door.metrics.not_authentic(source, why);
            door.callbacks.count(source, event, Outcome::Rejected);
            Problem::NotAuthentic
        })
}

/// Hands a callback to the spool and waits for its receipt. Once it is handed over, nothing takes it back: neither a
/// client that hangs up nor a receipt that comes too late for the answer.
async fn append(
    door: &Arc<Door>,
    ce_id: CeId,
    event: EventName,
    envelope: Envelope,
) -> Result<Proof, Problem> {
    let source = envelope.source.clone();
    let overloaded = {
        let (callbacks, source) = (door.callbacks.clone(), source);
        move || callbacks.count(&source, event, Outcome::Overloaded)
    };
    let mut receipt = match door.appender.submit(ce_id, event, envelope) {
        Ok(receipt) => receipt,
        Err(why) => {
            overloaded();
            return Err(problem_of(why));
        }
    };
    match time::timeout(door.answer_timeout, &mut receipt).await {
        Ok(Ok(durable)) => Ok(Proof::Durable(durable)),
        Ok(Err(why)) => {
            overloaded();
            Err(problem_of(why))
        }
        Err(_) => {
            // Whether a record was made is only known when the writer says so. It answers or drops every receipt, and
            // there are no more of them than its queue holds.
            tokio::spawn(async move {
                if receipt.await.is_err() {
                    overloaded();
                }
            });
            Err(Problem::NoReceipt)
        }
    }
}

const fn problem_of(why: AppendError) -> Problem {
    match why {
        AppendError::Full => Problem::Full,
        AppendError::Overloaded => Problem::Overloaded,
        AppendError::Stopped => Problem::Stopped,
    }
}

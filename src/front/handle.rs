//! One request: the checks in their order (404, 405, 413 or 408, 400, 401), then its keeper, then the answer.

use super::{
    Phase,
    addresses::Place,
    body,
    door::{Door, Sender},
    notes::{About, Notes},
    problem::Problem,
    reply::{self, Proof, Reply},
    route,
    traceparent::{Known, Trace, traceparent},
};
use crate::{
    callback::{
        id::ce_id,
        json::Document,
        names::EventName,
        verify::{self, Authentic, Refused},
    },
    clock::Millis,
    metrics::Outcome,
    rejects::{Entry, Reason},
    spool::Envelope,
};
use bytes::Bytes;
use http::request::Parts;
use hyper::{Method, Request, body::Body};
use std::{net::IpAddr, sync::Arc};
use tokio::{sync::watch, time::Instant};

/// What a request is answered.
pub(crate) struct Answer {
    pub(crate) reply: Reply,
    /// Whether the connection can't go on, where requests follow each other: a body was left unread.
    pub(super) close: bool,
}

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

/// Answers one request, whatever brought its body.
pub(crate) async fn handle(
    door: &Arc<Door>,
    peer: IpAddr,
    request: Request<impl Body<Data = Bytes> + Unpin>,
    phase: &mut watch::Receiver<Phase>,
) -> Answer {
    let began = Instant::now();
    let mut notes = Notes::begin(&door.decisions);
    let routes = || door.senders.iter().map(|sender| &sender.route);
    let place = route::find(routes(), request.uri().path());
    let client = door.proxies.client(peer, request.headers());
    let found = place.and_then(|place| door.senders.get(place));
    // Whoever isn't allowed finds nothing here, as with a wrong token.
    let sender = found.filter(|sender| sender.allows(client, &door.metrics));
    let named = || route::named(routes(), request.uri().path());
    if found.is_none()
        && let Some(source) = named()
    {
        door.metrics.token_refused(source);
    }
    notes.place(sender.is_some(), found.is_some(), named);
    let verdict = match sender {
        Some(sender) => {
            let visit = Visit {
                door,
                sender,
                peer,
                client,
                began,
            };
            admit(visit, request, phase, &mut notes).await
        }
        None => Verdict {
            result: Err(Problem::NotFound),
            close: !request.body().is_end_stream(),
        },
    };
    notes.decided(&verdict.result);
    let reply = match verdict.result {
        Ok(proof) => reply::accepted(proof),
        Err(problem) => reply::refused(problem),
    };
    let source = sender.map(|sender| &sender.route.source);
    let about = About {
        client,
        status: reply.status().as_u16(),
        after: began.elapsed(),
    };
    door.metrics.answered(source, about.status, about.after);
    notes.tell(&about, &door.decisions, &*door.clock);
    Answer {
        reply,
        close: verdict.close,
    }
}

/// A request to a source, from an address that may ask.
#[derive(Clone, Copy)]
struct Visit<'a> {
    door: &'a Arc<Door>,
    sender: &'a Sender,
    /// Whoever connected.
    peer: IpAddr,
    /// Whoever asks; another than `peer` if that is a trusted proxy.
    client: IpAddr,
    /// When the head of the request was there.
    began: Instant,
}

/// The checks before the body, and the body.
async fn admit(
    visit: Visit<'_>,
    request: Request<impl Body<Data = Bytes> + Unpin>,
    phase: &mut watch::Receiver<Phase>,
    notes: &mut Notes,
) -> Verdict {
    let Visit { door, sender, .. } = visit;
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
    let Some(_place) = visit.place() else {
        notes.because("address-limit");
        count(Outcome::Overloaded);
        return Verdict::unread(Problem::Overloaded);
    };
    let (parts, body) = request.into_parts();
    let whole = match body::read(body, &door.body, phase).await {
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
    notes.body(whole.bytes.len());
    // "In flight" is what was read in full and has no answer yet. Whoever dawdles over a body, signed or not, has a
    // connection and a share of the bytes for at most `http.body_timeout`, and keeps nobody else out.
    let Ok(_in_flight) = door.inflight.try_acquire() else {
        count(Outcome::Overloaded);
        return Verdict {
            result: Err(Problem::Overloaded),
            close: false,
        };
    };
    Verdict {
        result: decide(visit, &parts, whole.bytes.clone(), notes).await,
        close: false,
    }
}

impl Visit<'_> {
    /// Behind a trusted proxy a request in flight counts as a connection of its client's.
    fn place(&self) -> Option<Option<Place>> {
        if self.client == self.peer {
            Some(None)
        } else {
            self.door.place(self.client).map(Some)
        }
    }

    /// In the ledger of refusals, if there is room.
    fn keep(&self, parts: &Parts, body: &Bytes, at: Millis, reason: Reason) {
        self.door.ledger.offer(body.len(), || Entry {
            at,
            address: self.client,
            source: self.sender.route.source.clone(),
            reason: reason.label().into(),
            traceparent: traceparent(&parts.headers).map(|given| given.text.into()),
            // A copy: the bytes as they came may be a small part of a large buffer.
            body: Bytes::copy_from_slice(body),
        });
    }
}

/// The checks of the body, and its keeper.
async fn decide(
    visit: Visit<'_>,
    parts: &Parts,
    body: Bytes,
    notes: &mut Notes,
) -> Result<Proof, Problem> {
    let Visit { door, sender, .. } = visit;
    let source = &sender.route.source;
    let received_at = door.clock.now();
    let (event, ce_id) = {
        let request = verify::Request::new(parts, &body);
        let authentic =
            judge(visit, &request, received_at, notes).map_err(|(problem, reason)| {
                visit.keep(parts, &body, received_at, reason);
                problem
            })?;
        let event = authentic.event();
        if let Some(ignored) = door.off.ignores(event.family()) {
            door.callbacks.count(source, event, Outcome::Ignored);
            return Ok(Proof::Ignored(ignored));
        }
        (event, ce_id(authentic.document()))
    };
    notes.ce_id(ce_id);
    let mut trace = Trace::enter(&door.traces, &parts.headers);
    let envelope = Envelope {
        source: source.clone(),
        family: event.family(),
        received_at,
        traceparent: trace.traceparent.take(),
        body,
    };
    let result = door.keeper.keep(door, ce_id, event, envelope).await;
    let known = Known {
        source,
        event,
        ce_id,
        began: visit.began,
    };
    trace.decided(&known, &result, &*door.clock);
    result
}

/// Parses and verifies, and counts what it finds.
fn judge<'a>(
    visit: Visit<'_>,
    request: &verify::Request<'a>,
    now: Millis,
    notes: &mut Notes,
) -> Result<Authentic<'a>, (Problem, Reason)> {
    let Visit {
        door,
        sender,
        client,
        ..
    } = visit;
    let source = &sender.route.source;
    let document = Document::parse(request.body).map_err(|why| {
        tracing::debug!(%source, %client, %why, "a callback is not one JSON object");
        door.callbacks
            .count(source, EventName::Unknown, Outcome::Rejected);
        (Problem::Malformed(why), Reason::NotJson)
    })?;
    let event = verify::event_name(verify::event_type(&document));
    notes.document(&document, event, &door.decisions);
    let armed = sender.keyring.now();
    let (kind, policy) = (&*sender.kind, &sender.policy);
    verify::verify(kind, request, document, &armed.keys, policy, now)
        .inspect(|authentic| {
            notes.authentic(authentic, &armed.keys);
            if let Some(counter) = authentic.key().and_then(|key| armed.matches.get(key)) {
                counter.inc();
            }
            door.note_clock(authentic.clock_offset_seconds());
        })
        .map_err(|why: Refused| {
            tracing::debug!(%source, %client, %event, %why, "a callback is not authentic");
            door.metrics.not_authentic(source, why);
            // A clock that is wrong by more than the leeway is seen here only.
            door.note_clock(why.clock_offset_seconds(kind.validity()));
            notes.not_authentic(why);
            door.callbacks.count(source, event, Outcome::Rejected);
            (Problem::NotAuthentic, Reason::NotAuthentic(why))
        })
}

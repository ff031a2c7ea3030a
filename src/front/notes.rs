//! What is noted about a request on its way, if anybody follows the decisions; nothing if nobody does.

use super::{problem::Problem, reply::Proof};
use crate::{
    callback::{
        event::{redact_query, stream_key},
        json::Document,
        names::{EventName, SourceName},
        verify::{Authentic, Keys, Refused},
    },
    clock::Clock,
    follow::{Decision, Decisions, Outcome, shortened},
    spool::{CeId, How, Seq},
};
use std::{net::IpAddr, time::Duration};

/// The notes of one request.
pub(super) struct Notes(Option<Box<Noted>>);

#[derive(Default)]
struct Noted {
    bytes: Option<usize>,
    event: Option<EventName>,
    stream: Option<String>,
    key: Option<String>,
    expired_by: Option<u64>,
    ce_id: Option<CeId>,
    source: Option<String>,
    outcome: Option<Outcome>,
    seq: Option<u64>,
    reason: Option<&'static str>,
    detail: Option<String>,
}

impl Noted {
    const fn kept(&mut self, seq: Seq, how: How) {
        self.seq = Some(seq.0);
        self.outcome = Some(match how {
            How::New => Outcome::Accepted,
            How::Duplicate => Outcome::Duplicate,
        });
    }
}

/// Who asked, and how it was answered.
pub(super) struct About {
    pub(super) client: IpAddr,
    pub(super) status: u16,
    pub(super) after: Duration,
}

impl Notes {
    /// One relaxed load when nobody follows.
    pub(super) fn begin(decisions: &Decisions) -> Self {
        Self(decisions.are_followed().then(Box::default))
    }

    fn with(&mut self, note: impl FnOnce(&mut Noted)) {
        if let Some(noted) = &mut self.0 {
            note(noted);
        }
    }

    /// The source that the path names, and whether that is why there is nothing.
    pub(super) fn place<'a>(
        &mut self,
        admitted: bool,
        found: bool,
        named: impl FnOnce() -> Option<&'a SourceName>,
    ) {
        self.with(|noted| {
            noted.source = named().map(ToString::to_string);
            noted.reason = match (admitted, found, &noted.source) {
                (true, ..) => None,
                (false, true, _) => Some("address"),
                (false, false, Some(_)) => Some("wrong-token"),
                (false, false, None) => Some("no-such-path"),
            };
        });
    }

    /// Which of several reasons for the same answer it is.
    pub(super) fn because(&mut self, reason: &'static str) {
        self.with(|noted| noted.reason = Some(reason));
    }

    pub(super) fn body(&mut self, bytes: usize) {
        self.with(|noted| noted.bytes = Some(bytes));
    }

    /// What it says of itself, be it authentic or not.
    pub(super) fn document(
        &mut self,
        document: &Document<'_>,
        event: EventName,
        decisions: &Decisions,
    ) {
        self.with(|noted| {
            noted.event = Some(event);
            noted.stream = stream_key(document)
                .map(|stream| shortened(&redact_query(&stream, decisions.redact())));
        });
    }

    /// The name of the key that matched, and how late it was.
    pub(super) fn authentic(&mut self, authentic: &Authentic<'_>, keys: &Keys) {
        self.with(|noted| {
            let key = authentic.key().and_then(|place| keys.get(place));
            noted.key = key.map(|key| key.name.clone());
            noted.expired_by = authentic.expired_by().map(|by| by.as_secs());
        });
    }

    pub(super) fn not_authentic(&mut self, why: Refused) {
        self.with(|noted| {
            noted.reason = Some(why.label());
            noted.detail = Some(why.to_string());
        });
    }

    pub(super) fn ce_id(&mut self, ce_id: CeId) {
        self.with(|noted| noted.ce_id = Some(ce_id));
    }

    /// What was decided.
    pub(super) fn decided(&mut self, result: &Result<Proof, Problem>) {
        self.with(|noted| match result {
            Ok(Proof::Durable(durable)) => noted.kept(durable.seq(), durable.how()),
            Ok(Proof::Acked(acked)) => noted.kept(acked.seq(), acked.how()),
            Ok(Proof::Ignored(_)) => noted.outcome = Some(Outcome::Ignored),
            Err(problem) => {
                let ours = problem.status().is_server_error();
                noted.outcome = Some(if ours {
                    Outcome::Overloaded
                } else {
                    Outcome::Refused
                });
                noted.reason.get_or_insert(problem.reason());
                if let Problem::Malformed(why) = problem {
                    noted.detail = Some(why.to_string());
                }
            }
        });
    }

    /// Tells those who follow.
    pub(super) fn tell(self, about: &About, decisions: &Decisions, clock: &dyn Clock) {
        let Some(noted) = self.0 else {
            return;
        };
        let Some(outcome) = noted.outcome else {
            return;
        };
        decisions.tell(Decision {
            at: clock.now(),
            outcome,
            status: Some(about.status),
            reason: noted.reason.map(Into::into),
            detail: noted.detail,
            source: noted.source,
            address: about.client,
            event: noted.event.map(|event| event.as_str().into()),
            stream: noted.stream,
            key: noted.key,
            expired_by: noted.expired_by,
            seq: noted.seq,
            ce_id: noted.ce_id.map(|id| id.to_string()),
            bytes: noted.bytes.and_then(|bytes| bytes.try_into().ok()),
            micros: about.after.as_micros().try_into().ok(),
        });
    }
}

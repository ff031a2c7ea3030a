//! What the demo sends, what should become of it, and whether it did.

use super::{kafka::Consumed, sender::Answer};
use crate::{
    callback::{
        event::sample,
        json::Document,
        names::EventName,
        verify::{Explanation, Keys, Policy, Request, TencentCss, sign},
    },
    clock::Millis,
    config::{NamedKey, Secret},
};
use hyper::StatusCode;
use std::{collections::BTreeSet, time::Duration};

/// What should become of a callback.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wish {
    Published,
    Duplicate,
    Refused,
}

impl Wish {
    pub(super) const fn status(self) -> StatusCode {
        match self {
            Self::Published | Self::Duplicate => StatusCode::OK,
            Self::Refused => StatusCode::UNAUTHORIZED,
        }
    }
}

/// One callback of the demo.
pub(super) struct Step {
    pub(super) title: String,
    pub(super) body: String,
    pub(super) wish: Wish,
}

impl Step {
    /// For people: what was sent, and what the relay said.
    pub(super) fn line(&self, answer: &Answer) -> String {
        let Answer { status, body, took } = answer;
        let took = took.as_secs_f64() * 1000.0;
        format!(
            "──► {:<29} {} {}  {took:.1} ms",
            self.title,
            status.as_u16(),
            body.trim_end()
        )
    }

    /// For people: why no event follows. The sender isn't told; `livebridge verify` says the same.
    pub(super) fn why_nothing_comes_out(&self, key: &str, now: Millis) -> Option<String> {
        match self.wish {
            Wish::Published => None,
            Wish::Duplicate => Some("duplicate: not published again".into()),
            Wish::Refused => {
                let document = Document::parse(self.body.as_bytes()).ok()?;
                let keys = Keys::new(vec![NamedKey {
                    name: "key-1".into(),
                    key: Secret::new(key),
                }]);
                let policy = Policy {
                    auth_required: true,
                    unsigned_events: BTreeSet::new(),
                    leeway: Duration::ZERO,
                };
                let request = Request::of_body(self.body.as_bytes());
                let explanation =
                    Explanation::of(&TencentCss, &request, &document, &keys, &policy, now);
                let refused = explanation.verdict.err()?;
                Some(format!("refused: {refused}"))
            }
        }
    }
}

/// Every kind of event once and an unknown one; the first also retried (signed anew: a duplicate) and forged.
pub(super) fn steps(key: &str, now: Millis) -> Vec<Step> {
    let t = now.seconds() + 600;
    let once = |event: EventName| Step {
        title: event.as_str().into(),
        body: signed(sample(event), key, t),
        wish: Wish::Published,
    };
    let mut steps: Vec<_> = EventName::ALL.iter().copied().map(once).collect();
    // Right after the recording itself: were one of these published, it would stand where the next event should.
    let again = sample(EventName::RecordingFile);
    let retried = Step {
        title: "recording.file, retried".into(),
        body: signed(again, key, t + 1),
        wish: Wish::Duplicate,
    };
    let forged = Step {
        title: "recording.file, forged".into(),
        body: signed(again, "not-the-key", t),
        wish: Wish::Refused,
    };
    steps.splice(1..1, [retried, forged]);
    steps
}

/// A sample is an object without `t` and `sign`: they go in front.
fn signed(sample: &str, key: &str, t: u64) -> String {
    let members = sample.trim_start().trim_start_matches('{').trim_start();
    let sign = sign(key, t);
    format!(r#"{{"t":{t},"sign":"{sign}",{members}"#)
}

/// Counts what was sent and what arrived.
#[derive(Debug, Default)]
pub(super) struct Progress {
    wanted: usize,
    duplicates: usize,
    refused: usize,
    arrived: usize,
    ids: BTreeSet<String>,
    types: BTreeSet<String>,
}

impl Progress {
    pub(super) fn sent(&mut self, wish: Wish) {
        match wish {
            Wish::Published => self.wanted += 1,
            Wish::Duplicate => self.duplicates += 1,
            Wish::Refused => self.refused += 1,
        }
    }

    pub(super) fn arrived(&mut self, consumed: &Consumed) {
        self.arrived += 1;
        self.ids.insert(consumed.header("ce_id").into());
        self.types.insert(consumed.header("ce_type").into());
    }

    /// Whether every event came out, each once, each of its own type.
    pub(super) fn check(&self) -> Result<(), String> {
        let Self {
            wanted,
            arrived,
            ids,
            types,
            ..
        } = self;
        if (*arrived, ids.len(), types.len()) == (*wanted, *wanted, *wanted) {
            return Ok(());
        }
        Err(format!(
            "{wanted} events should have come out; {arrived} did, with {} ids and {} types",
            ids.len(),
            types.len()
        ))
    }

    pub(super) fn summary(&self) -> String {
        format!(
            "{} callbacks were answered 200 and came out of Kafka, typed; {} was a duplicate (200, not published again); \
             {} was forged (401).\n",
            self.arrived, self.duplicates, self.refused
        )
    }
}

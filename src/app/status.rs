//! What `/status` shows: the spool, the lanes, the keys, the clock, the last errors. No bodies, no secrets.

use crate::{
    clock::Clock,
    config::{Auth, Source},
    front::{SenderClock, keys::Keyring},
    hold::Hold,
    publish, spool,
};
use serde_json::{Value, json};
use std::{borrow::Cow, sync::Arc};

/// Where the status comes from.
pub(super) struct Sources {
    pub(super) store: Shown,
    pub(super) publisher: publish::Handle,
    pub(super) keyrings: Vec<Arc<Keyring>>,
    pub(super) unchecked: Vec<String>,
    pub(super) sender_clock: Arc<SenderClock>,
    pub(super) clock: Arc<dyn Clock>,
}

/// What there is to show of what a 200 rests on.
pub(super) enum Shown {
    Spool(spool::StatusSource, Box<spool::Report>),
    Hold(Hold),
}

impl Shown {
    /// Why a callback can't be answered 200 now.
    pub(super) fn not_ready(&self) -> Vec<Cow<'static, str>> {
        let reasons = match self {
            Self::Spool(spool, _) => {
                let full = spool.full_because();
                let rival = "another relay publishes for this spool";
                [
                    full.map(|why| format!("the spool is full ({why})").into()),
                    spool.has_stood_down().then_some(rival.into()),
                ]
            }
            Self::Hold(hold) => [
                hold.is_stuck().then_some("Kafka takes nothing".into()),
                None,
            ],
        };
        reasons.into_iter().flatten().collect()
    }
}

/// The sources whose callbacks nobody checks: worth being seen.
pub(super) fn unchecked(sources: &[Source]) -> Vec<String> {
    let off = sources.iter().filter(|source| source.auth == Auth::Off);
    off.map(|source| source.name.to_string()).collect()
}

pub(super) fn status(from: &Sources) -> Value {
    let keys: serde_json::Map<_, _> = from
        .keyrings
        .iter()
        .map(|ring| (ring.source().to_string(), json!(ring.names())))
        .collect();
    let mut status = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "clock": from.clock.now().to_string(),
        "publisher": from.publisher.status(),
        "sender_clock_offset_seconds": from.sender_clock.median(),
        "keys": keys,
        "auth_off": from.unchecked,
    });
    let store = match &from.store {
        Shown::Spool(spool, report) => {
            json!({ "ack": "spool", "spool": spool.get(), "recovery": report })
        }
        Shown::Hold(hold) => json!({ "ack": "kafka", "hold": hold.status() }),
    };
    if let (Value::Object(status), Value::Object(store)) = (&mut status, store) {
        status.extend(store);
    }
    status
}

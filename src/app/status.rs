//! What `/status` shows: the spool, the lanes, the keys, the clock, the last errors. No bodies, no secrets.

use crate::{
    clock::Clock,
    config::{Auth, Source},
    front::{SenderClock, keys::Keyring},
    publish, spool,
};
use serde_json::{Value, json};
use std::sync::Arc;

/// Where the status comes from.
pub(super) struct Sources {
    pub(super) spool: spool::StatusSource,
    pub(super) report: spool::Report,
    pub(super) publisher: publish::Handle,
    pub(super) keyrings: Vec<Arc<Keyring>>,
    pub(super) unchecked: Vec<String>,
    pub(super) sender_clock: Arc<SenderClock>,
    pub(super) clock: Arc<dyn Clock>,
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
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "clock": from.clock.now().to_string(),
        "spool": from.spool.get(),
        "recovery": from.report,
        "publisher": from.publisher.status(),
        "sender_clock_offset_seconds": from.sender_clock.median(),
        "keys": keys,
        "auth_off": from.unchecked,
    })
}

//! How far a relay is, for its probes.

use super::status::{Sources, status};
use crate::health::Health;
use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicBool, Ordering},
};

/// What the probes know before the parts are built, and after.
#[derive(Default)]
pub(super) struct Life {
    pub(super) draining: Arc<AtomicBool>,
    started: Arc<AtomicBool>,
    pub(super) sources: Arc<OnceLock<Sources>>,
}

impl Life {
    pub(super) fn health(&self) -> Health {
        let (draining, sources) = (Arc::clone(&self.draining), Arc::clone(&self.sources));
        let not_ready = move || {
            let mut reasons = Vec::new();
            if draining.load(Ordering::Acquire) {
                reasons.push("draining".into());
            }
            if let Some(sources) = sources.get() {
                reasons.extend(sources.store.not_ready());
            }
            reasons
        };
        let sources = Arc::clone(&self.sources);
        let status = move || match sources.get() {
            Some(sources) => status(sources),
            None => serde_json::json!({ "state": "starting" }),
        };
        Health::new(
            Box::new(not_ready),
            Arc::clone(&self.started),
            Box::new(status),
        )
    }

    pub(super) fn mark_started(&self, sources: Sources) {
        // Set once, here.
        drop(self.sources.set(sources));
        self.started.store(true, Ordering::Release);
    }
}

//! Whether the relay is started, ready and what holds it back: one word for each reason, for probes and people.
//!
//! Ready means "can answer a callback 200". With a spool Kafka is not asked: being able to accept while it is away is what
//! the spool is for. Without one there is no 200 without it.

use std::{
    borrow::Cow,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

/// Says why the relay isn't ready; empty when it is. Asked at every probe: must not block.
pub type NotReady = Box<dyn Fn() -> Vec<Cow<'static, str>> + Send + Sync>;

/// What `/status` shows. Asked at every request for it: must not block, and says nothing secret and no bodies.
pub type Status = Box<dyn Fn() -> serde_json::Value + Send + Sync>;

/// The health of the process as its probes see it.
pub struct Health {
    not_ready: NotReady,
    started: Arc<AtomicBool>,
    status: Status,
}

impl std::fmt::Debug for Health {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Health")
            .field("started", &self.started())
            .field("not_ready", &self.not_ready())
            .finish_non_exhaustive()
    }
}

impl Health {
    /// `started` turns true once, when everything has been recovered and bound.
    #[must_use]
    pub fn new(not_ready: NotReady, started: Arc<AtomicBool>, status: Status) -> Self {
        Self {
            not_ready,
            started,
            status,
        }
    }

    /// Why a callback can't be answered 200 now; empty when it can.
    #[must_use]
    pub fn not_ready(&self) -> Vec<Cow<'static, str>> {
        let mut reasons = (self.not_ready)();
        if !self.started() {
            reasons.insert(0, "starting".into());
        }
        reasons
    }

    /// Whether the start is over.
    #[must_use]
    pub fn started(&self) -> bool {
        self.started.load(Ordering::Acquire)
    }

    /// The state of all parts, for people.
    #[must_use]
    pub fn status(&self) -> serde_json::Value {
        (self.status)()
    }
}

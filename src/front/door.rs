//! What the door consists of: the sources with their keys, the limits, the way to the spool, the clock.

use super::{
    body::Allowance,
    keys::{Keyring, NoKey, ReadFile},
    metrics::Metrics,
    off::Off,
    route::Route,
};
use crate::{
    callback::verify::{Kind, Policy, TencentCss},
    clock::Clock,
    config::{Auth, Http, Limits, Source, SourceKind},
    metrics::Callbacks,
    spool::Appender,
};
use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::sync::Semaphore;

/// What a [`Door`] is built from.
#[expect(missing_debug_implementations, reason = "closures have none")]
pub struct Parts<'a> {
    /// Time limits.
    pub http: &'a Http,
    /// Count and size limits.
    pub limits: &'a Limits,
    /// The configured senders.
    pub sources: &'a [Source],
    /// `expiry.leeway`.
    pub leeway: Duration,
    /// The families that are `off`.
    pub off: Off,
    /// The way to the spool.
    pub appender: Appender,
    /// The wall clock.
    pub clock: Arc<dyn Clock>,
    /// The door's metrics.
    pub metrics: Arc<Metrics>,
    /// What became of each callback.
    pub callbacks: Callbacks,
    /// How key files are read.
    pub read_key_file: ReadFile,
}

/// How many connections each address has, if that is limited; bounded by the limit of connections.
pub(super) type Addresses = Mutex<HashMap<IpAddr, usize>>;

/// The door. It holds an [`Appender`]: whoever waits for the spool's writer to end must have dropped the door.
pub struct Door {
    pub(super) senders: Vec<Sender>,
    pub(super) off: Off,
    pub(super) appender: Appender,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) callbacks: Callbacks,
    pub(super) body: Allowance,
    pub(super) answer_timeout: Duration,
    pub(super) header_timeout: Duration,
    pub(super) idle_timeout: Duration,
    pub(super) header_bytes: usize,
    pub(super) connections: usize,
    pub(super) per_address: Option<usize>,
    pub(super) addresses: Arc<Addresses>,
    pub(super) inflight: Arc<Semaphore>,
}

impl std::fmt::Debug for Door {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Door")
            .field("senders", &self.senders)
            .finish_non_exhaustive()
    }
}

/// One configured source.
#[derive(Debug)]
pub(super) struct Sender {
    pub(super) route: Route,
    pub(super) kind: Box<dyn Kind>,
    pub(super) policy: Policy,
    pub(super) keyring: Arc<Keyring>,
}

impl Door {
    /// Builds it; key files are read for the first time.
    ///
    /// # Errors
    /// If a source that asks for signatures has no key.
    pub fn new(parts: Parts<'_>) -> Result<Self, NoKey> {
        let semaphore =
            |permits: usize| Arc::new(Semaphore::new(permits.min(Semaphore::MAX_PERMITS)));
        let senders = parts
            .sources
            .iter()
            .map(|source| Sender::new(source, &parts));
        Ok(Self {
            senders: senders.collect::<Result<_, _>>()?,
            off: parts.off,
            appender: parts.appender,
            clock: parts.clock,
            metrics: parts.metrics,
            callbacks: parts.callbacks,
            body: Allowance {
                bytes: parts.limits.body_bytes,
                time: parts.http.body_timeout,
                shared: semaphore(parts.limits.inflight_bytes),
            },
            answer_timeout: parts.http.answer_timeout,
            header_timeout: parts.http.header_timeout,
            idle_timeout: parts.http.idle_timeout,
            header_bytes: parts.limits.header_bytes,
            connections: parts.limits.connections,
            per_address: parts.limits.connections_per_address,
            addresses: Arc::default(),
            inflight: semaphore(parts.limits.inflight_requests),
        })
    }

    /// The keys of each source: for [`super::keys::poll`] and `/status`.
    #[must_use]
    pub fn keyrings(&self) -> Vec<Arc<Keyring>> {
        let rings = self
            .senders
            .iter()
            .map(|sender| Arc::clone(&sender.keyring));
        rings.collect()
    }
}

impl Sender {
    fn new(source: &Source, parts: &Parts<'_>) -> Result<Self, NoKey> {
        let auth_required = source.auth == Auth::Required;
        let keyring = Keyring::load(
            source.name.clone(),
            source.keys.clone(),
            source.key_files.clone(),
            auth_required,
            Arc::clone(&parts.read_key_file),
            Arc::clone(&parts.metrics),
        )?;
        Ok(Self {
            route: Route {
                source: source.name.clone(),
                token: source.path_token.clone(),
            },
            kind: match source.kind {
                SourceKind::TencentCss => Box::new(TencentCss),
            },
            policy: Policy {
                auth_required,
                unsigned_events: source.unsigned_events.clone(),
                leeway: parts.leeway,
            },
            keyring: Arc::new(keyring),
        })
    }
}

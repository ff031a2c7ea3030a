//! What the door consists of: the sources with their keys, the limits, the way to who keeps callbacks, the clock.

use super::{
    addresses::{Addresses, Place, Proxies},
    body::Allowance,
    keeper::Keeper,
    keys::{Keyring, NoKey, ReadFile},
    metrics::Metrics,
    off::Off,
    reload::Reloads,
    route::Route,
    sender_clock::SenderClock,
    tls::{NoIdentity, ReadPem, Tls},
};
use crate::{
    callback::{
        names::Family,
        verify::{Kind, Policy, TencentCss, VolcengineLive},
    },
    clock::Clock,
    config::{Auth, Cidr, Http, Limits, Source, SourceKind},
    follow::{Decision, Decisions, Outcome},
    metrics::Callbacks,
    rejects::{self, Entry, Gate, Ledger, Passed},
    spool::{AppendError, Envelope, Receipt},
    traces::Traces,
};
use std::{net::IpAddr, sync::Arc, time::Duration};
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
    /// Who keeps what is authentic.
    pub keeper: Keeper,
    /// The wall clock.
    pub clock: Arc<dyn Clock>,
    /// The door's metrics.
    pub metrics: Arc<Metrics>,
    /// What became of each callback.
    pub callbacks: Callbacks,
    /// Where refused callbacks are kept.
    pub ledger: Ledger,
    /// Where decisions are told to those who follow them.
    pub decisions: Arc<Decisions>,
    /// What is done with traces.
    pub traces: Traces,
    /// How key files are read.
    pub read_key_file: ReadFile,
    /// How certificates and their keys are read.
    pub read_pem: ReadPem,
}

/// Why there is no door.
#[derive(Debug, thiserror::Error)]
pub enum NoDoor {
    /// A source without a key.
    #[error(transparent)]
    NoKey(#[from] NoKey),
    /// TLS without a certificate.
    #[error(transparent)]
    NoIdentity(#[from] NoIdentity),
}

/// The door. It holds the spool's appender: whoever waits for the spool's writer to end must have dropped the door.
pub struct Door {
    pub(super) senders: Vec<Sender>,
    pub(super) off: Off,
    pub(super) keeper: Keeper,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) callbacks: Callbacks,
    pub(super) ledger: Ledger,
    pub(super) decisions: Arc<Decisions>,
    pub(super) traces: Traces,
    pub(super) sender_clock: Arc<SenderClock>,
    pub(super) body: Allowance,
    pub(super) http: Http,
    pub(super) tls: Option<Arc<Tls>>,
    pub(super) proxies: Proxies,
    pub(super) proxy_protocol: bool,
    pub(super) header_bytes: usize,
    pub(super) connections: usize,
    addresses: Addresses,
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
    /// From where alone callbacks are taken; empty: from everywhere.
    pub(super) allow: Vec<Cidr>,
}

impl Door {
    /// Builds it; key files are read for the first time.
    ///
    /// # Errors
    /// If a source that asks for signatures has no key, or TLS no certificate.
    pub fn new(parts: Parts<'_>) -> Result<Self, NoDoor> {
        let semaphore =
            |permits: usize| Arc::new(Semaphore::new(permits.min(Semaphore::MAX_PERMITS)));
        let senders = parts
            .sources
            .iter()
            .map(|source| Sender::new(source, &parts));
        let tls = |files| {
            let (read, metrics) = (Arc::clone(&parts.read_pem), Arc::clone(&parts.metrics));
            Tls::load(files, read, metrics).map(Arc::new)
        };
        Ok(Self {
            senders: senders.collect::<Result<_, _>>()?,
            tls: parts.http.tls.clone().map(tls).transpose()?,
            off: parts.off,
            keeper: parts.keeper,
            clock: parts.clock,
            metrics: parts.metrics,
            callbacks: parts.callbacks,
            ledger: parts.ledger,
            decisions: parts.decisions,
            traces: parts.traces,
            sender_clock: Arc::default(),
            body: Allowance {
                bytes: parts.limits.body_bytes,
                time: parts.http.body_timeout,
                budget: parts.limits.inflight_bytes,
                shared: semaphore(parts.limits.inflight_bytes),
            },
            http: parts.http.clone(),
            proxies: Proxies::new(parts.http.trusted_proxies.clone()),
            proxy_protocol: parts.http.proxy_protocol,
            header_bytes: parts.limits.header_bytes,
            connections: parts.limits.connections,
            addresses: Addresses::new(parts.limits.connections_per_address),
            inflight: semaphore(parts.limits.inflight_requests),
        })
    }

    /// What it decides, for those who follow it.
    #[must_use]
    pub fn decisions(&self) -> &Decisions {
        &self.decisions
    }

    /// A place among those of an address; none if it has as many as it may have.
    pub(super) fn place(&self, address: IpAddr) -> Option<Place> {
        self.addresses.take(address)
    }

    /// One more connection than its address may have.
    pub(super) fn connection_refused(&self, address: IpAddr) {
        self.metrics.connections_refused.inc();
        self.tell_of_connection("address-limit", address);
    }

    /// What a callback tells of the sender's clock, if anything.
    pub(super) fn note_clock(&self, offset_seconds: Option<i64>) {
        if let Some(seconds) = offset_seconds {
            self.metrics.clock_offset(seconds);
            self.sender_clock.note(seconds);
        }
    }

    /// Tells those who follow of a connection that was closed before anything was asked for.
    pub(super) fn tell_of_connection(&self, reason: &'static str, address: IpAddr) {
        if self.decisions.are_followed() {
            let mut decision = Decision::new(self.clock.now(), Outcome::Refused, address);
            decision.reason = Some(reason.into());
            self.decisions.tell(decision);
        }
    }

    /// The files that are read again and again: for [`super::reload::poll`].
    #[must_use]
    pub fn reloads(&self) -> Reloads {
        Reloads {
            rings: self.keyrings(),
            tls: self.tls.clone(),
            sender_clock: Arc::clone(&self.sender_clock),
        }
    }

    /// What the senders' clocks say of ours: for `/status`.
    #[must_use]
    pub fn sender_clock(&self) -> Arc<SenderClock> {
        Arc::clone(&self.sender_clock)
    }

    /// The keys of each source: for `/status`.
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
    /// Whether callbacks are taken from there.
    pub(super) fn allows(&self, client: IpAddr, metrics: &Metrics) -> bool {
        let allows = self.allow.is_empty() || self.allow.iter().any(|range| range.contains(client));
        if !allows {
            let source = &self.route.source;
            tracing::debug!(%source, %client, "an address that sources.*.allow doesn't name");
            metrics.address_refused(source);
        }
        allows
    }

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
                SourceKind::VolcengineLive => Box::new(VolcengineLive),
            },
            policy: Policy {
                auth_required,
                unsigned_events: source.unsigned_events.clone(),
                leeway: parts.leeway,
            },
            keyring: Arc::new(keyring),
            allow: source.allow.clone(),
        })
    }
}

/// What was refused, and passes now.
impl Gate for Door {
    fn judge(&self, entry: &Entry) -> Result<Passed, String> {
        let of = |sender: &&Sender| sender.route.source == entry.source;
        let sender = self.senders.iter().find(of);
        let sender = sender.ok_or("there is no such source any more")?;
        let armed = sender.keyring.now();
        rejects::judge(&*sender.kind, &armed.keys, &sender.policy, entry)
    }

    fn is_off(&self, family: Family) -> bool {
        self.off.ignores(family).is_some()
    }

    fn submit(&self, passed: Passed, envelope: Envelope) -> Result<Receipt, AppendError> {
        match &self.keeper {
            Keeper::Spool(spool) => spool.submit(passed.ce_id, passed.event, envelope),
            // What keeps nothing on disk has no ledger of refusals either: nobody asks.
            Keeper::Hold(_) => Err(AppendError::Stopped),
        }
    }
}

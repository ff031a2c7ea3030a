//! The door's own metrics. Resolved once: counting a request costs no look-up by label.

use super::problem::Problem;
use crate::{
    callback::{names::SourceName, verify::Refused},
    metrics::Register,
};
use prometheus::{Histogram, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Registry};
use std::time::Duration;

/// The label of requests whose path names no configured source.
const NO_SOURCE: &str = "none";

/// The door's metrics.
#[derive(Debug)]
pub struct Metrics {
    requests: Vec<(Option<SourceName>, ByCode)>,
    duration: Histogram,
    failures: IntCounterVec,
    key_matches: IntCounterVec,
    addresses_refused: IntCounterVec,
    tokens_refused: IntCounterVec,
    clock_offset: IntGauge,
    pub(super) reload_failures: IntCounter,
    pub(super) connections: IntGauge,
    pub(super) connections_refused: IntCounter,
    pub(super) handshake_failures: IntCounter,
    /// Without labels; there once there is a certificate, since 0 would look like one that expired long ago.
    certificate_expiry: IntGaugeVec,
}

/// The counters of one source by status: 200 first, then [`Problem::CODES`].
#[derive(Debug)]
struct ByCode(Vec<(u16, IntCounter)>);

impl Metrics {
    /// Registers all of them, at 0 for every configured source.
    ///
    /// # Errors
    /// If the registry has metrics of these names already.
    pub fn register(registry: &Registry, sources: &[SourceName]) -> prometheus::Result<Self> {
        let register = Register(registry);
        let requests = register.counters(
            "livebridge_http_requests_total",
            "Requests on the callbacks' listener by answer; source \"none\": no configured source was named.",
            &["source", "code"],
        )?;
        let failures = register.counters(
            "livebridge_signature_failures_total",
            "Callbacks that were not authentic, by reason.",
            &["source", "reason"],
        )?;
        let key_matches = register.counters(
            "livebridge_signature_key_matches_total",
            "Signatures that a key made, by the key's configured name.",
            &["source", "key"],
        )?;
        let addresses_refused = register.counters(
            "livebridge_addresses_refused_total",
            "Requests answered 404, since their source doesn't allow the address.",
            &["source"],
        )?;
        let tokens_refused = register.counters(
            "livebridge_path_tokens_refused_total",
            "Requests answered 404, since they name the source without its path_token, or with one though it has none.",
            &["source"],
        )?;
        for source in sources {
            addresses_refused.with_label_values(&[source.as_str()]);
            tokens_refused.with_label_values(&[source.as_str()]);
            for reason in Refused::LABELS {
                failures.with_label_values(&[source.as_str(), reason]);
            }
        }
        let named = sources.iter().map(|source| Some(source.clone()));
        Ok(Self {
            requests: std::iter::once(None)
                .chain(named)
                .map(|source| {
                    let counters = ByCode::resolve(&requests, source.as_ref());
                    (source, counters)
                })
                .collect(),
            duration: duration(&register)?,
            failures,
            key_matches,
            addresses_refused,
            tokens_refused,
            clock_offset: register.gauge(
                "livebridge_sender_clock_offset_seconds",
                "How far the sender's clock was ahead of ours at the last signed callback: t less its validity less now.",
            )?,
            reload_failures: register.counter(
                "livebridge_config_reload_failures_total",
                "Readings of a key file, of certificate and key, or of a file of Kafka's clients, that failed or found nothing usable; the old ones stay.",
            )?,
            connections: register.gauge(
                "livebridge_http_connections",
                "Open connections on the callbacks' listener.",
            )?,
            connections_refused: register.counter(
                "livebridge_http_connections_refused_total",
                "Connections closed at once, since their address had as many as it may have.",
            )?,
            handshake_failures: register.counter(
                "livebridge_tls_handshake_failures_total",
                "TLS handshakes that failed; ones that took too long are not among them.",
            )?,
            certificate_expiry: register.gauges(
                "livebridge_tls_certificate_expiry_timestamp_seconds",
                "When the certificate in use expires; absent without TLS.",
                &[],
            )?,
        })
    }

    pub(super) fn answered(&self, source: Option<&SourceName>, code: u16, after: Duration) {
        let of = self
            .requests
            .iter()
            .find(|(name, _)| name.as_ref() == source);
        let counter = of.and_then(|(_, by)| by.0.iter().find(|(known, _)| *known == code));
        if let Some((_, counter)) = counter {
            counter.inc();
        }
        self.duration.observe(after.as_secs_f64());
    }

    pub(super) fn not_authentic(&self, source: &SourceName, why: Refused) {
        self.failures
            .with_label_values(&[source.as_str(), why.label()])
            .inc();
    }

    pub(super) fn address_refused(&self, source: &SourceName) {
        self.addresses_refused
            .with_label_values(&[source.as_str()])
            .inc();
    }

    pub(super) fn token_refused(&self, source: &SourceName) {
        self.tokens_refused
            .with_label_values(&[source.as_str()])
            .inc();
    }

    /// The counter of a key; there at 0 from now on.
    pub(super) fn key_matches(&self, source: &SourceName, key: &str) -> IntCounter {
        self.key_matches.with_label_values(&[source.as_str(), key])
    }

    pub(super) fn clock_offset(&self, seconds: i64) {
        self.clock_offset.set(seconds);
    }

    pub(super) fn certificate_expires(&self, seconds: i64) {
        self.certificate_expiry
            .with_label_values(&[] as &[&str])
            .set(seconds);
    }

    /// What was read again could not be used.
    pub fn reload_failed(&self) {
        self.reload_failures.inc();
    }
}

impl ByCode {
    fn resolve(requests: &IntCounterVec, source: Option<&SourceName>) -> Self {
        let source = source.map_or(NO_SOURCE, SourceName::as_str);
        let codes = std::iter::once(200).chain(Problem::CODES);
        let of = |code: u16| requests.with_label_values(&[source, &code.to_string()]);
        Self(codes.map(|code| (code, of(code))).collect())
    }
}

fn duration(register: &Register<'_>) -> prometheus::Result<Histogram> {
    let buckets = vec![
        0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
    ];
    register.histogram(
        "livebridge_http_request_duration_seconds",
        "From the end of a request's head to its answer.",
        buckets,
    )
}

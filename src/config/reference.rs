//! The list of all settings: names, defaults, meanings. The parser reads by it, unknown names are compared with it,
//! and the documentation is made from it; a test holds that none is missing.

use crate::callback::names::Family;

/// One setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setting {
    /// Its path in the TOML file; empty if it has none.
    pub toml: &'static str,
    /// Its flag.
    pub flag: Option<&'static str>,
    /// Its environment variable.
    pub env: Option<&'static str>,
    /// The value that counts when nobody sets it, as it would be written.
    pub default: &'static str,
    /// What it means, with unit and range.
    pub meaning: &'static str,
}

const fn setting(
    toml: &'static str,
    flag: &'static str,
    env: &'static str,
    default: &'static str,
    meaning: &'static str,
) -> Setting {
    Setting {
        toml,
        flag: Some(flag),
        env: Some(env),
        default,
        meaning,
    }
}

const fn file_only(toml: &'static str, default: &'static str, meaning: &'static str) -> Setting {
    Setting {
        toml,
        flag: None,
        env: None,
        default,
        meaning,
    }
}

macro_rules! settings {
    ($($name:ident = $make:expr;)*) => {
        $(pub(super) const $name: Setting = $make;)*

        /// The settings with one value each, but for the topics of the families, which are in [`TOPICS`].
        pub const SINGLE: &[Setting] = &[$($name,)*];
    };
}

settings! {
    LISTEN = setting("http.listen", "--listen", "LIVEBRIDGE_LISTEN", "0.0.0.0:8080", "IP address and port where callbacks arrive; port 0 takes a free one");
    ADMIN_LISTEN = setting("admin.listen", "--admin-listen", "LIVEBRIDGE_ADMIN_LISTEN", "0.0.0.0:9464", "IP address and port of /livez, /readyz, /startupz, /metrics and /status");
    BOOTSTRAP_SERVERS = setting("kafka.bootstrap_servers", "--bootstrap-servers", "LIVEBRIDGE_BOOTSTRAP_SERVERS", "127.0.0.1:9092", "the brokers to start from, host:port, comma-separated");
    SPOOL_DIR = setting("spool.dir", "--spool-dir", "LIVEBRIDGE_SPOOL_DIR", "./livebridge-spool", "the directory of the spool (0700, files 0600), on a local disk");
    ACK = setting("ack", "--ack", "LIVEBRIDGE_ACK", "spool", "what a 200 waits for: spool (fsynced on local disk) or kafka (all in-sync replicas have it; nothing is written to disk)");
    DELIVERY = setting("delivery", "--delivery", "LIVEBRIDGE_DELIVERY", "at-least-once", "at-least-once, or exactly-once: records and checkpoint in one Kafka transaction, once per spool within dedup.window for readers with read_committed; needs topics.checkpoint");
    LOG_FORMAT = setting("log.format", "--log-format", "LIVEBRIDGE_LOG_FORMAT", "", "text or json; text on a terminal, else json, when not set");
    LOG_LEVEL = setting("log.level", "--log-level", "RUST_LOG", "info", "trace, debug, info, warn, error or off, or a filter such as info,librdkafka=debug");
    SPOOL_MAX_BYTES = file_only("spool.max_bytes", "10GiB", "all segments together; full (503) when the unsettled bytes reach it; at least 1MiB");
    SPOOL_SEGMENT_BYTES = file_only("spool.segment_bytes", "64MiB", "the most that one segment takes, from limits.body_bytes + 64KiB to spool.max_bytes, at most 1GiB; no segment takes more than an eighth of spool.max_bytes, unless one record needs it, and the first ones of a run are smaller");
    SPOOL_RETAIN = file_only("spool.retain", "24h", "how long settled segments stay for replay, best effort; at most 3650 days");
    QUARANTINE_MAX_BYTES = file_only("spool.quarantine_max_bytes", "1GiB", "the limit of the local quarantine; at it, the lane concerned waits; at least 1MiB");
    DEDUP_WINDOW = file_only("dedup.window", "30m", "how long the same callback counts as a duplicate, 20m to 7days");
    DEDUP_MAX_ENTRIES = file_only("dedup.max_entries", "1000000", "the most callbacks remembered, 1 to 100000000; the oldest go first");
    REJECTS_MAX_ENTRIES = file_only("rejects.max_entries", "10000", "the most refused callbacks kept for rejects reverify, 0 (none) to 1000000");
    REJECTS_MAX_BYTES = file_only("rejects.max_bytes", "64MiB", "the most bytes of them, 1MiB to 1GiB; one that is larger than an eighth is not kept");
    REJECTS_MAX_AGE = file_only("rejects.max_age", "7days", "how long they are kept, 1m to 365days");
    EXPIRY_LEEWAY = file_only("expiry.leeway", "20m", "how far past its t a callback is still taken, 0s to 30days");
    TLS_CERT_FILE = file_only("http.tls.cert_file", "", "the certificate and its intermediates, PEM, read again when they change; with key_file: the door speaks TLS 1.2 and 1.3");
    TLS_KEY_FILE = file_only("http.tls.key_file", "", "its private key, PEM, read again when it changes");
    TLS_CLIENT_CA_FILE = file_only("http.tls.client_ca_file", "", "CAs, PEM, read again when they change: clients must then show a certificate that one of them signed");
    TRUSTED_PROXIES = file_only("http.trusted_proxies", "[]", "addresses or ranges, such as [\"10.0.0.0/8\"], whose X-Forwarded-For is believed");
    PROXY_PROTOCOL = file_only("http.proxy_protocol", "off", "on: the trusted proxies begin each connection with a PROXY header, v1 or v2, and one without it is closed; or off");
    HANDSHAKE_TIMEOUT = file_only("http.handshake_timeout", "5s", "from the connection to the end of its TLS handshake and PROXY header, 1ms to 1h");
    HEADER_TIMEOUT = file_only("http.header_timeout", "5s", "from the first byte of a request head to its end, 1ms to 1h");
    BODY_TIMEOUT = file_only("http.body_timeout", "10s", "from the end of the head to the end of the body, 1ms to 1h");
    IDLE_TIMEOUT = file_only("http.idle_timeout", "75s", "how long a connection may stay without a request, 1ms to 1h");
    ANSWER_TIMEOUT = file_only("http.answer_timeout", "4s", "how long a callback may wait for its receipt before 503, 1ms to 1h");
    WRITE_TIMEOUT = file_only("http.write_timeout", "10s", "how long an answer may take to go out, 1ms to 1h");
    CONNECTION_LIFETIME = file_only("http.connection_lifetime", "1h", "after how long a connection takes no new requests, 1s to 7days");
    BODY_BYTES = file_only("limits.body_bytes", "960KiB", "the largest body, 1KiB to 64MiB; 960KiB with headers fits Kafka's default of 1MiB");
    HEADER_BYTES = file_only("limits.header_bytes", "16KiB", "the largest request head, 8KiB to 384KiB");
    CONNECTIONS = file_only("limits.connections", "8192", "the most connections at once, 1 to 1000000");
    CONNECTIONS_PER_ADDRESS = file_only("limits.connections_per_address", "off", "the most connections of one address, 1 to 1000000, or off");
    INFLIGHT_REQUESTS = file_only("limits.inflight_requests", "4096", "the most requests being handled, 1 to 1000000");
    INFLIGHT_BYTES = file_only("limits.inflight_bytes", "64MiB", "the most bytes of bodies held, from limits.body_bytes to 64GiB");
    DRAIN_DELAY = file_only("drain.delay", "5s", "after SIGTERM: not ready, but serving as before, 0s to 1h");
    DRAIN_REQUESTS = file_only("drain.requests", "5s", "then: for requests under way, 0s to 1h");
    DRAIN_PUBLISH = file_only("drain.publish", "10s", "then: for the publisher to empty the spool, 0s to 1h");
    PAYLOAD = file_only("payload", "typed", "typed, or raw: the bytes as received with the value of sign blanked");
    CLOUDEVENTS = file_only("kafka.cloudevents", "binary", "binary: a CloudEvent's attributes are headers, the value is the event; structured: the value is a JSON document with the attributes and, as data, the event");
    REDACT = file_only("redact", "[\"txSecret\"]", "query parameters in stream_param, to_url, source_urls, msg and callback_url, or top-level fields, whose value becomes *** in typed events and quarantine copies; the message's key and ce_subject keep the stream id even if its field is named here, and payload = \"raw\" redacts nothing");
    ACK_TIMEOUT = file_only("kafka.ack_timeout", "4s", "how long a callback may wait for the brokers' ack with ack = \"kafka\", in place of http.answer_timeout, 1ms to 1h");
    TRACES_BEGIN = file_only("traces.begin", "", "on: a callback without a traceparent gets one, for its message; or off; on, when not set, if traces.endpoint is set");
    TRACES_SAMPLE = file_only("traces.sample", "1", "the share of begun traces that is sampled, 0 to 1; one that is taken over says itself whether it is");
    TRACES_ENDPOINT = file_only("traces.endpoint", "", "a collector's http URL, such as http://127.0.0.1:4318/v1/traces: spans of sampled traces go there (OTLP as JSON); none are made when not set");
    TOPIC_QUARANTINE = file_only("topics.quarantine", "live.quarantine", "where copies of quarantined callbacks go, or off: no copies");
    TOPIC_CHECKPOINT = file_only("topics.checkpoint", "live.checkpoint", "the compacted topic of exactly-once; it can't be off");
}

/// The topic of each family.
pub const TOPICS: &[(Family, Setting)] = &[
    (
        Family::Recording,
        file_only("topics.recording", "live.recording", "event 100, or off"),
    ),
    (
        Family::RecordingStatus,
        file_only(
            "topics.recording_status",
            "live.recording-status",
            "events 332 and 341, or off",
        ),
    ),
    (
        Family::Stream,
        file_only(
            "topics.stream",
            "live.stream",
            "events 0, 1 and 321, or off",
        ),
    ),
    (
        Family::Screenshot,
        file_only("topics.screenshot", "live.screenshot", "event 200, or off"),
    ),
    (
        Family::Moderation,
        file_only(
            "topics.moderation",
            "live.moderation",
            "events 315 and 317, or off",
        ),
    ),
    (
        Family::RelayTask,
        file_only("topics.relay_task", "live.relay-task", "event 314, or off"),
    ),
    (
        Family::Quality,
        file_only(
            "topics.quality",
            "live.quality",
            "events 328 and 343 to 345, or off",
        ),
    ),
    (
        Family::Intelligence,
        file_only(
            "topics.intelligence",
            "live.intelligence",
            "events 338 and 347 to 349, or off",
        ),
    ),
    (
        Family::Unknown,
        file_only(
            "topics.unknown",
            "live.unknown",
            "every other event, or off",
        ),
    ),
];

/// The settings that are lists or tables of their own.
pub const STRUCTURED: &[Setting] = &[
    CONFIG,
    KEYS,
    KEY_FILES,
    KIND,
    AUTH,
    PATH_TOKEN,
    ALLOW,
    UNSIGNED_EVENTS,
    PROPERTIES,
    PROPERTY_FILES,
];

pub(super) const CONFIG: Setting = setting(
    "",
    "--config",
    "LIVEBRIDGE_CONFIG",
    "",
    "the settings file, TOML",
);
pub(super) const KEYS: Setting = setting(
    "sources.<name>.keys",
    "--key",
    "LIVEBRIDGE_KEY",
    "",
    "the callback keys: [\"K1\", {name = \"2026-11\", key = \"K2\"}]; the flag is repeatable, the variable comma-separated",
);
pub(super) const KEY_FILES: Setting = setting(
    "sources.<name>.key_files",
    "--key-file",
    "LIVEBRIDGE_KEY_FILE",
    "",
    "files with one key a line, read again when their content changes; the flag is repeatable, the variable comma-separated",
);
pub(super) const KIND: Setting = file_only(
    "sources.<name>.kind",
    "tencent-css",
    "the kind of sender: tencent-css or volcengine-live",
);
pub(super) const AUTH: Setting = file_only(
    "sources.<name>.auth",
    "required",
    "required, or off: nothing is checked",
);
pub(super) const PATH_TOKEN: Setting = file_only(
    "sources.<name>.path_token",
    "",
    "a secret last segment of the callback URL: 8 to 128 of A-Z, a-z, 0-9, -, _; *** in what is published",
);
pub(super) const ALLOW: Setting = file_only(
    "sources.<name>.allow",
    "[]",
    "addresses or ranges, such as [\"192.0.2.0/24\"], from which alone callbacks are taken; empty: from everywhere",
);
pub(super) const UNSIGNED_EVENTS: Setting = file_only(
    "sources.<name>.unsigned_events",
    "[]",
    "event_type integers taken without a signature; needs path_token; never 100",
);
pub(super) const PROPERTIES: Setting = file_only(
    "kafka.properties.*",
    "",
    "any librdkafka property, except those that the promise depends on; files that they name (ssl.ca.location, …) are looked at once a second: when one changes, the clients connect anew",
);
pub(super) const PROPERTY_FILES: Setting = file_only(
    "kafka.property_files.*",
    "",
    "a librdkafka property whose value is in this file, such as \"sasl.password\" = \"/run/secrets/kafka-password\": the whole file but for line ends at its end, read again when it changes; an empty or unreadable one keeps the old value",
);

/// Every setting.
pub fn all() -> impl Iterator<Item = &'static Setting> {
    STRUCTURED
        .iter()
        .chain(SINGLE)
        .chain(TOPICS.iter().map(|(_, setting)| setting))
}

/// Below this, two names have nothing to do with each other.
const ALIKE: f64 = 0.5;

/// The known name that is nearest to `name`; none if none is near.
pub(crate) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|candidate| {
            (
                strsim::normalized_damerau_levenshtein(name, candidate),
                candidate,
            )
        })
        .filter(|(likeness, _)| *likeness >= ALIKE)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

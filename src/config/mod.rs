//! Settings: flags > environment > TOML > defaults, parsed once into [`Config`], all faults reported at once.
//!
//! Everything in a [`Config`] is already checked: the parts that take a piece of it check nothing again.

pub mod cidr;
pub mod document;
mod environment;
mod fault;
mod flags;
pub mod kafka;
pub mod kafka_files;
pub mod keys;
mod layers;
mod librdkafka;
mod load;
pub mod reference;
mod relations;
mod secret;
mod sources;
pub mod tls;
mod values;

#[cfg(test)]
mod tests;

pub use cidr::Cidr;
pub use environment::{Environment, Surroundings};
pub use fault::{Fault, Faults};
pub use flags::Flags;
pub use load::{Loaded, load, load_without_keys, read_settings_file};
pub use secret::Secret;
pub use tls::TlsFiles;

use crate::callback::names::{Family, SourceName};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    net::SocketAddr,
    path::PathBuf,
    time::Duration,
};

/// All settings of the relay, checked.
#[derive(Debug, Clone)]
pub struct Config {
    /// The front door.
    pub http: Http,
    /// `admin.listen`.
    pub admin_listen: SocketAddr,
    /// The configured senders; never empty.
    pub sources: Vec<Source>,
    /// The way to the brokers.
    pub kafka: Kafka,
    /// The durable log.
    pub spool: Spool,
    /// The dedup window.
    pub dedup: Dedup,
    /// The ledger of refusals.
    pub rejects: Rejects,
    /// `expiry.leeway`: how far past `t` a callback is still taken.
    pub expiry_leeway: Duration,
    /// Count and size limits of the door.
    pub limits: Limits,
    /// How long shutting down may take, step by step.
    pub drain: Drain,
    /// Where each family goes.
    pub topics: Topics,
    /// `payload`.
    pub payload: Payload,
    /// `kafka.cloudevents`.
    pub cloudevents: CloudEvents,
    /// `redact`: query parameters of `stream_param` or top-level fields whose value becomes `***`.
    pub redact: Vec<String>,
    /// Format and filter of the log.
    pub log: Log,
    /// `ack`.
    pub ack: Ack,
    /// `kafka.ack_timeout`: how long a callback may wait for the brokers' answer with `ack = "kafka"`.
    pub ack_timeout: Duration,
    /// `delivery`.
    pub delivery: Delivery,
    /// `traces.*`.
    pub traces: Traces,
}

/// `ack`: what a 200 waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ack {
    /// The fsynced spool.
    Spool,
    /// All in-sync replicas; there is no spool, and nothing is written to disk.
    Kafka,
}

/// `delivery`: how often a record may come out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// Once, or more often after a failure, with the same `ce_id`.
    AtLeastOnce,
    /// Once per spool within the dedup window. Not with [`Ack::Kafka`]: [`load`] refuses both together.
    ExactlyOnce,
}

/// `http.*`: the address and the time limits of the door.
#[derive(Debug, Clone)]
pub struct Http {
    /// `http.listen`.
    pub listen: SocketAddr,
    /// `http.tls.*`; none = clear text.
    pub tls: Option<TlsFiles>,
    /// `http.trusted_proxies`: whose word about a client's address is taken.
    pub trusted_proxies: Vec<Cidr>,
    /// `http.proxy_protocol`: whether the trusted proxies begin each connection with a PROXY header.
    pub proxy_protocol: bool,
    /// From the connection to the end of its TLS handshake, a PROXY header included.
    pub handshake_timeout: Duration,
    /// From the first byte of a request head to its end.
    pub header_timeout: Duration,
    /// From the end of the head to the end of the body.
    pub body_timeout: Duration,
    /// How long a connection may stay without a request.
    pub idle_timeout: Duration,
    /// How long a callback may wait for its receipt before 503.
    pub answer_timeout: Duration,
    /// How long an answer may take to go out.
    pub write_timeout: Duration,
    /// After how long a connection takes no new requests, whatever it does.
    pub connection_lifetime: Duration,
}

/// `sources.<name>`: one sender.
#[derive(Debug, Clone)]
pub struct Source {
    /// Part of the URL, of `ce_source` and of labels.
    pub name: SourceName,
    /// The kind of sender: which verifier is used.
    pub kind: SourceKind,
    /// Whether signatures are asked for.
    pub auth: Auth,
    /// The secret last segment of the URL.
    pub path_token: Option<Secret>,
    /// From where callbacks are taken; empty = from everywhere.
    pub allow: Vec<Cidr>,
    /// The `event_type`s that are taken without a signature.
    pub unsigned_events: BTreeSet<i64>,
    /// From the settings themselves, in order. Those of `key_files` come after them.
    pub keys: Vec<NamedKey>,
    /// One key a line; read again when their content changes.
    pub key_files: Vec<PathBuf>,
}

/// The kinds of senders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceKind {
    /// `tencent-css`.
    TencentCss,
    /// `volcengine-live`.
    VolcengineLive,
}

/// `sources.<name>.auth`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Auth {
    /// Every callback must be signed, but for `unsigned_events`.
    Required,
    /// Nothing is checked; warned about at start and in `/status`.
    Off,
}

/// A callback key and the name under which metrics know it.
#[derive(Debug, Clone)]
pub struct NamedKey {
    /// As configured, else `key-1`, `key-2`, …
    pub name: String,
    /// The key itself.
    pub key: Secret,
}

/// `kafka.*`.
#[derive(Debug, Clone)]
pub struct Kafka {
    /// `host:port`, comma-separated.
    pub bootstrap_servers: String,
    /// librdkafka properties of the user, already freed of those that the promise depends on. Those of
    /// `kafka.property_files` are among them, with what their files held when they were read.
    pub properties: BTreeMap<String, Secret>,
    /// `kafka.property_files`: where the values of some properties lie.
    pub property_files: BTreeMap<String, PathBuf>,
}

/// `spool.*`.
#[derive(Debug, Clone)]
pub struct Spool {
    /// Where the spool lives.
    pub dir: PathBuf,
    /// All segments together: full when the unsettled bytes reach it.
    pub max_bytes: u64,
    /// The size of one segment.
    pub segment_bytes: u64,
    /// How long settled segments stay, best effort.
    pub retain: Duration,
    /// The limit of the local quarantine.
    pub quarantine_max_bytes: u64,
}

/// `dedup.*`.
#[derive(Debug, Clone, Copy)]
pub struct Dedup {
    /// How long the same callback counts as a duplicate.
    pub window: Duration,
    /// The most callbacks remembered.
    pub max_entries: usize,
}

/// `rejects.*`: what of refused callbacks is kept, in `rejects/` beside the spool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rejects {
    /// The most callbacks; 0 = none are kept.
    pub max_entries: usize,
    /// The most bytes.
    pub max_bytes: u64,
    /// How long.
    pub max_age: Duration,
}

/// The most that `limits.body_bytes` can be.
pub const BODY_BYTES_MAX: usize = 64 << 20;

/// `limits.*`.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The largest body.
    pub body_bytes: usize,
    /// The largest request head.
    pub header_bytes: usize,
    /// The most connections at once.
    pub connections: usize,
    /// The most connections of one address; none = no limit.
    pub connections_per_address: Option<usize>,
    /// The most requests being handled.
    pub inflight_requests: usize,
    /// The most bytes of bodies held.
    pub inflight_bytes: usize,
}

/// `drain.*`.
#[derive(Debug, Clone, Copy)]
pub struct Drain {
    /// Not ready, but serving as before.
    pub delay: Duration,
    /// For requests under way after the listener closed.
    pub requests: Duration,
    /// For the publisher to empty the spool.
    pub publish: Duration,
}

/// `topics.*`.
#[derive(Debug, Clone)]
pub struct Topics {
    /// The topic of each family; a family that is missing is `off`.
    pub families: BTreeMap<Family, String>,
    /// Where copies of quarantined callbacks go; none = no copy.
    pub quarantine: Option<String>,
    /// The compacted topic of exactly-once.
    pub checkpoint: String,
}

/// `payload`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Payload {
    /// The typed event.
    Typed,
    /// The bytes as received, the value of `sign` blanked.
    Raw,
}

/// `kafka.cloudevents`: how a message carries the attributes of its CloudEvent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloudEvents {
    /// In headers; the value is the event alone.
    Binary,
    /// In the value, which is a JSON document around the event.
    Structured,
}

/// `log.*`.
#[derive(Debug, Clone)]
pub struct Log {
    /// `log.format`.
    pub format: LogFormat,
    /// A `tracing` filter, as in `RUST_LOG`.
    pub filter: String,
}

/// `log.format`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One object a line.
    Json,
}

/// `traces.*`.
#[derive(Debug, Clone)]
pub struct Traces {
    /// `traces.begin`: whether a callback without a `traceparent` gets one.
    pub begin: bool,
    /// `traces.sample`: the share of begun traces that is sampled, from 0 to 1.
    pub sample: f64,
    /// `traces.endpoint`: the collector of spans; none = there are no spans.
    pub endpoint: Option<Endpoint>,
}

/// An `http` URL in its parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// A name or an address; IPv6 without brackets.
    pub host: String,
    /// 80 unless given.
    pub port: u16,
    /// With the query, if there is one.
    pub path: String,
}

impl Endpoint {
    /// As a `Host` header has it.
    #[must_use]
    pub fn authority(&self) -> String {
        let Self { host, port, .. } = self;
        if host.contains(':') {
            format!("[{host}]:{port}")
        } else {
            format!("{host}:{port}")
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}{}", self.authority(), self.path)
    }
}

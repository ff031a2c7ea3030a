//! Puts the [`Config`] together, setting by setting, and gathers every fault on the way.

use super::{
    Ack, BODY_BYTES_MAX, Cidr, CloudEvents, Config, Dedup, Delivery, Drain, Faults, Flags, Http,
    Kafka, Limits, Log, LogFormat, Payload, Rejects, Spool, Surroundings, TlsFiles, Topics, Traces,
    kafka, kafka_files,
    keys::read_limited,
    layers::Layers,
    reference as r, relations,
    sources::sources,
    tls::{self, Pem},
    values::{
        address, bootstrap_servers, count, count_or_off, duration, endpoint, log_filter, path,
        share, size, topic_needed, topic_or_off, word,
    },
};
use std::{collections::BTreeMap, io, ops::RangeInclusive, path::Path as FilePath, time::Duration};

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);
const TIMEOUT: RangeInclusive<Duration> = Duration::from_millis(1)..=HOUR;
const MILLION: RangeInclusive<u64> = 1..=1_000_000;

/// Twelve retries a minute apart, and up to thirteen time-outs of 20 s: a shorter window would let a late retry in as
/// a new record.
const DEDUP_WINDOW: RangeInclusive<Duration> = Duration::from_secs(20 * 60)..=DAY.saturating_mul(7);

/// The settings, and what an operator should know about them.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The settings.
    pub config: Config,
    /// Worth a line in the log, no reason to stop. No secrets in them.
    pub warnings: Vec<String>,
}

/// Reads flags, environment and file. Binds nothing and writes nothing; reads the settings file and the key files.
///
/// # Errors
/// With every fault that there is, each naming the setting as the user wrote it.
pub fn load(flags: &Flags, surroundings: &Surroundings<'_>) -> Result<Loaded, Faults> {
    assemble(Layers::new(flags, surroundings), surroundings)
}

/// The same for a command that only looks into a spool: a source without a key is no fault, no key file is read, and
/// no Kafka client is tried.
///
/// # Errors
/// As [`load`].
pub fn load_without_keys(flags: &Flags, surroundings: &Surroundings<'_>) -> Result<Loaded, Faults> {
    let mut layers = Layers::new(flags, surroundings);
    layers.keys_needed = false;
    assemble(layers, surroundings)
}

fn assemble(mut layers: Layers<'_>, surroundings: &Surroundings<'_>) -> Result<Loaded, Faults> {
    let l = &mut layers;
    let config = Config {
        http: http(l, surroundings),
        admin_listen: l.value(&r::ADMIN_LISTEN, address),
        sources: sources(l, surroundings),
        kafka: kafka(l, surroundings),
        spool: spool(l),
        dedup: Dedup {
            window: l.value(&r::DEDUP_WINDOW, duration(DEDUP_WINDOW)),
            max_entries: l.value(&r::DEDUP_MAX_ENTRIES, count(1..=100_000_000)),
        },
        rejects: Rejects {
            max_entries: l.value(&r::REJECTS_MAX_ENTRIES, count(0..=1_000_000)),
            max_bytes: l.value(&r::REJECTS_MAX_BYTES, size(MIB..=GIB)),
            max_age: l.value(
                &r::REJECTS_MAX_AGE,
                duration(Duration::from_secs(60)..=DAY.saturating_mul(365)),
            ),
        },
        expiry_leeway: l.value(&r::EXPIRY_LEEWAY, duration(Duration::ZERO..=DAY * 30)),
        limits: limits(l),
        drain: drain(l),
        topics: topics(l),
        payload: l.value(
            &r::PAYLOAD,
            word(&[("typed", Payload::Typed), ("raw", Payload::Raw)]),
        ),
        cloudevents: l.value(
            &r::CLOUDEVENTS,
            word(&[
                ("binary", CloudEvents::Binary),
                ("structured", CloudEvents::Structured),
            ]),
        ),
        redact: l
            .list(&r::REDACT)
            .unwrap_or_else(|| vec!["txSecret".into()]),
        log: log(l, surroundings.terminal),
        ack: l.value(
            &r::ACK,
            word(&[("spool", Ack::Spool), ("kafka", Ack::Kafka)]),
        ),
        ack_timeout: l.value(&r::ACK_TIMEOUT, duration(TIMEOUT)),
        delivery: l.value(
            &r::DELIVERY,
            word(&[
                ("at-least-once", Delivery::AtLeastOnce),
                ("exactly-once", Delivery::ExactlyOnce),
            ]),
        ),
        traces: traces(l),
    };
    let config = relations::check(l, config);
    // Without keys, a spool is looked into: maybe not where the brokers' certificates are.
    if l.keys_needed {
        kafka::check_together(l, &config);
    }
    if layers.faults.is_empty() {
        Ok(Loaded {
            config,
            warnings: layers.warnings,
        })
    } else {
        Err(Faults(layers.faults))
    }
}

fn kafka(l: &mut Layers<'_>, surroundings: &Surroundings<'_>) -> Kafka {
    let mut kafka = Kafka {
        bootstrap_servers: l.value(&r::BOOTSTRAP_SERVERS, bootstrap_servers),
        properties: kafka::properties(l),
        property_files: BTreeMap::new(),
    };
    kafka_files::take(l, surroundings, &mut kafka);
    l.warnings.extend(kafka::risks(&kafka.properties));
    kafka
}

/// Reads a settings or key file for [`Surroundings`]: whole, up to 1 MiB.
///
/// # Errors
/// If it can't be read, or is larger.
pub fn read_settings_file(path: &FilePath) -> io::Result<Vec<u8>> {
    let content = read_limited(path, MIB + 1)?;
    if content.len() as u64 > MIB {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            "larger than 1 MiB",
        ));
    }
    Ok(content)
}

fn http(l: &mut Layers<'_>, surroundings: &Surroundings<'_>) -> Http {
    Http {
        listen: l.value(&r::LISTEN, address),
        tls: tls(l, surroundings),
        trusted_proxies: cidrs(l, &r::TRUSTED_PROXIES),
        proxy_protocol: l.value(&r::PROXY_PROTOCOL, word(&[("off", false), ("on", true)])),
        handshake_timeout: l.value(&r::HANDSHAKE_TIMEOUT, duration(TIMEOUT)),
        header_timeout: l.value(&r::HEADER_TIMEOUT, duration(TIMEOUT)),
        body_timeout: l.value(&r::BODY_TIMEOUT, duration(TIMEOUT)),
        idle_timeout: l.value(&r::IDLE_TIMEOUT, duration(TIMEOUT)),
        answer_timeout: l.value(&r::ANSWER_TIMEOUT, duration(TIMEOUT)),
        write_timeout: l.value(&r::WRITE_TIMEOUT, duration(TIMEOUT)),
        connection_lifetime: l.value(
            &r::CONNECTION_LIFETIME,
            duration(Duration::from_secs(1)..=DAY.saturating_mul(7)),
        ),
    }
}

/// The files are read and judged here once, so that a relay that can't be reached doesn't even start.
fn tls(l: &mut Layers<'_>, surroundings: &Surroundings<'_>) -> Option<TlsFiles> {
    let [cert, key, client_ca] = [&r::TLS_CERT_FILE, &r::TLS_KEY_FILE, &r::TLS_CLIENT_CA_FILE]
        .map(|setting| l.given(setting, path));
    let (cert, key) = match (cert, key) {
        (Some(cert), Some(key)) => (cert, key),
        (None, None) if client_ca.is_none() => return None,
        (cert, key) => {
            for (missing, setting) in [
                (cert.is_none(), &r::TLS_CERT_FILE),
                (key.is_none(), &r::TLS_KEY_FILE),
            ] {
                if missing && !l.is_given(setting) {
                    l.fault(
                        setting.toml,
                        "is missing: TLS needs a certificate and its key",
                    );
                }
            }
            return None;
        }
    };
    let files = TlsFiles {
        cert,
        key,
        client_ca,
    };
    if let Some(pem) = tls_pem(l, surroundings, &files)
        && let Err(why) = tls::server_config(&pem)
    {
        l.fault("http.tls", why.to_string());
    }
    Some(files)
}

fn tls_pem(l: &mut Layers<'_>, surroundings: &Surroundings<'_>, files: &TlsFiles) -> Option<Pem> {
    let mut read = |setting: &r::Setting, path: &FilePath| {
        (surroundings.read)(path)
            .map_err(|why| {
                let problem = format!("{} can't be read: {why}", path.display());
                l.fault(l.origin(setting), problem);
            })
            .ok()
    };
    let cert = read(&r::TLS_CERT_FILE, &files.cert);
    let key = read(&r::TLS_KEY_FILE, &files.key);
    let client_ca = match &files.client_ca {
        None => Some(None),
        Some(path) => read(&r::TLS_CLIENT_CA_FILE, path).map(Some),
    };
    Some(Pem {
        cert: cert?,
        key: key?,
        client_ca: client_ca?,
    })
}

fn cidrs(l: &mut Layers<'_>, setting: &r::Setting) -> Vec<Cidr> {
    let mut ranges = Vec::new();
    for text in l.list(setting).unwrap_or_default() {
        match text.parse() {
            Ok(range) => ranges.push(range),
            Err(why) => l.fault(l.in_file(setting.toml), format!("{text:?} {why}")),
        }
    }
    ranges
}

fn spool(l: &mut Layers<'_>) -> Spool {
    Spool {
        dir: l.value(&r::SPOOL_DIR, path),
        max_bytes: l.value(&r::SPOOL_MAX_BYTES, size(MIB..=u64::MAX >> 1)),
        segment_bytes: l.value(&r::SPOOL_SEGMENT_BYTES, size(64 * KIB..=GIB)),
        retain: l.value(&r::SPOOL_RETAIN, duration(Duration::ZERO..=DAY * 3650)),
        quarantine_max_bytes: l.value(&r::QUARANTINE_MAX_BYTES, size(MIB..=u64::MAX >> 1)),
    }
}

fn limits(l: &mut Layers<'_>) -> Limits {
    Limits {
        body_bytes: bytes(l, &r::BODY_BYTES, KIB..=BODY_BYTES_MAX as u64),
        // hyper needs at least 8 KiB for a head, and above some 400 KiB it refuses one whatever the limit is.
        header_bytes: bytes(l, &r::HEADER_BYTES, 8 * KIB..=384 * KIB),
        connections: l.value(&r::CONNECTIONS, count(MILLION)),
        connections_per_address: l.value(&r::CONNECTIONS_PER_ADDRESS, count_or_off(MILLION)),
        inflight_requests: l.value(&r::INFLIGHT_REQUESTS, count(MILLION)),
        inflight_bytes: bytes(l, &r::INFLIGHT_BYTES, KIB..=64 * GIB),
    }
}

fn bytes(l: &mut Layers<'_>, setting: &r::Setting, range: RangeInclusive<u64>) -> usize {
    let size = size(range);
    l.value(setting, |text| {
        usize::try_from(size(text)?).map_err(|_| format!("{text:?} is too large for this machine"))
    })
}

fn drain(l: &mut Layers<'_>) -> Drain {
    let step = Duration::ZERO..=HOUR;
    Drain {
        delay: l.value(&r::DRAIN_DELAY, duration(step.clone())),
        requests: l.value(&r::DRAIN_REQUESTS, duration(step.clone())),
        publish: l.value(&r::DRAIN_PUBLISH, duration(step)),
    }
}

fn topics(l: &mut Layers<'_>) -> Topics {
    let families = r::TOPICS
        .iter()
        .filter_map(|(family, setting)| Some((*family, l.value(setting, topic_or_off)?)))
        .collect();
    Topics {
        families,
        quarantine: l.value(&r::TOPIC_QUARANTINE, topic_or_off),
        checkpoint: l.value(&r::TOPIC_CHECKPOINT, topic_needed),
    }
}

fn traces(l: &mut Layers<'_>) -> Traces {
    let endpoint = l.given(&r::TRACES_ENDPOINT, endpoint);
    Traces {
        begin: l
            .given(&r::TRACES_BEGIN, word(&[("off", false), ("on", true)]))
            .unwrap_or(endpoint.is_some()),
        sample: l.value(&r::TRACES_SAMPLE, share),
        endpoint,
    }
}

fn log(l: &mut Layers<'_>, terminal: bool) -> Log {
    let formats = word(&[("text", LogFormat::Text), ("json", LogFormat::Json)]);
    let usual = if terminal {
        LogFormat::Text
    } else {
        LogFormat::Json
    };
    Log {
        format: l.given(&r::LOG_FORMAT, formats).unwrap_or(usual),
        filter: l.value(&r::LOG_LEVEL, log_filter),
    }
}

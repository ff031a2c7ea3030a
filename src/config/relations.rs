//! What must hold between settings, and what is allowed but worth a warning.

use super::{Ack, Auth, Config, Delivery, layers::Layers, reference as r};
use std::{net::SocketAddr, time::Duration};

/// What a record needs beside its body: frame, envelope, segment header.
const RECORD_OVERHEAD: u64 = 64 << 10;
/// The sender's own limit for events of its `general_callback` kind.
const SENDER_PATIENCE: Duration = Duration::from_secs(5);

/// Notes faults and warnings; settles the defaults that depend on other settings.
pub(super) fn check(l: &mut Layers<'_>, mut config: Config) -> Config {
    modes(l, &config);
    addresses(l, &config);
    body_limits(l, &config);
    proxies(l, &config);
    segments(l, &mut config);
    topics(l, &config);
    for source in &config.sources {
        if source.auth == Auth::Off && !source.unsigned_events.is_empty() {
            l.warnings.push(format!(
                "source {}: with auth off, unsigned_events has no effect",
                source.name
            ));
        }
    }
    if config.http.answer_timeout > SENDER_PATIENCE {
        l.warnings.push(format!(
            "{} is over 5 s: the sender gives up on some events before it is answered",
            l.origin(&r::ANSWER_TIMEOUT)
        ));
    }
    config
}

fn modes(l: &mut Layers<'_>, config: &Config) {
    if config.ack == Ack::Kafka && config.topics.quarantine.is_none() {
        l.fault(
            l.origin(&r::TOPIC_QUARANTINE),
            "\"off\" can't be had with ack = \"kafka\": that topic is all that keeps a callback which can't be published as a typed event; name one",
        );
    }
    if config.ack == Ack::Kafka && config.ack_timeout > SENDER_PATIENCE {
        l.warnings.push(format!(
            "{} is over 5 s: the sender gives up on some events before it is answered",
            l.origin(&r::ACK_TIMEOUT)
        ));
    }
    if config.ack == Ack::Kafka && config.delivery == Delivery::ExactlyOnce {
        l.fault(
            l.origin(&r::DELIVERY),
            "\"exactly-once\" needs the spool and can't be had with ack = \"kafka\"; choose one of them",
        );
    }
}

fn addresses(l: &mut Layers<'_>, config: &Config) {
    let (door, admin) = (config.http.listen, config.admin_listen);
    if overlap(door, admin) {
        let problem =
            format!("{admin} is also where callbacks arrive ({door}); choose another port");
        l.fault(l.origin(&r::ADMIN_LISTEN), problem);
    }
}

fn overlap(a: SocketAddr, b: SocketAddr) -> bool {
    let everywhere = a.ip().is_unspecified() || b.ip().is_unspecified();
    a.port() != 0 && a.port() == b.port() && (everywhere || a.ip() == b.ip())
}

fn body_limits(l: &mut Layers<'_>, config: &Config) {
    let limits = &config.limits;
    if limits.inflight_bytes < limits.body_bytes {
        l.fault(
            l.origin(&r::INFLIGHT_BYTES),
            format!(
                "{} is less than limits.body_bytes ({}): the largest body could never be taken; raise one or lower the other",
                limits.inflight_bytes, limits.body_bytes
            ),
        );
    }
}

fn proxies(l: &mut Layers<'_>, config: &Config) {
    if config.http.proxy_protocol && config.http.trusted_proxies.is_empty() {
        l.fault(
            l.origin(&r::PROXY_PROTOCOL),
            "on needs http.trusted_proxies: from anyone else a PROXY header would be a forgery",
        );
    }
}

fn segments(l: &mut Layers<'_>, config: &mut Config) {
    let least = config.limits.body_bytes as u64 + RECORD_OVERHEAD;
    let spool = &mut config.spool;
    if spool.max_bytes < least {
        l.fault(
            l.origin(&r::SPOOL_MAX_BYTES),
            format!("is less than limits.body_bytes + 64 KiB ({least}): the largest body could never be taken"),
        );
    } else if !l.is_given(&r::SPOOL_SEGMENT_BYTES) {
        spool.segment_bytes = spool.segment_bytes.min(spool.max_bytes / 4).max(least);
    } else if !(least..=spool.max_bytes).contains(&spool.segment_bytes) {
        l.fault(
            l.origin(&r::SPOOL_SEGMENT_BYTES),
            format!(
                "{} is out of range; it must be from limits.body_bytes + 64 KiB ({least}) to spool.max_bytes ({})",
                spool.segment_bytes, spool.max_bytes
            ),
        );
    }
}

/// Families may share a topic. What isn't typed events must have its own.
fn topics(l: &mut Layers<'_>, config: &Config) {
    let topics = &config.topics;
    for (family, setting) in r::TOPICS {
        let Some(name) = topics.families.get(family) else {
            continue;
        };
        let clash = [
            (
                topics.quarantine.as_ref() == Some(name),
                r::TOPIC_QUARANTINE.toml,
            ),
            (&topics.checkpoint == name, r::TOPIC_CHECKPOINT.toml),
        ];
        for (_, other) in clash.iter().filter(|(same, _)| *same) {
            l.fault(
                l.origin(setting),
                format!(
                    "{name:?} is also {other}; typed events need a topic without other things in it"
                ),
            );
        }
    }
    if topics.quarantine.as_ref() == Some(&topics.checkpoint) {
        l.fault(
            l.origin(&r::TOPIC_QUARANTINE),
            "is also topics.checkpoint; give each a topic of its own",
        );
    }
    if topics.families.is_empty() {
        l.warnings
            .push("every family's topic is off: all callbacks are answered 200 and dropped".into());
    }
}

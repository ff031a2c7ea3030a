//! The names of librdkafka's properties: what a user may set, and why not the rest. [`crate::publish`] refuses what its
//! promise depends on; here is what is refused because it would do nothing, or nothing good.

/// What a user may set, after librdkafka's CONFIGURATION.md: for a name that is near to a mistyped one.
pub(super) const FREE: &[&str] = &[
    "batch.num.messages",
    "batch.size",
    "broker.address.family",
    "broker.address.ttl",
    "client.dns.lookup",
    "client.id",
    "client.rack",
    "compression.codec",
    "compression.level",
    "compression.type",
    "connections.max.idle.ms",
    "debug",
    "enable.metrics.push",
    "enable.random.seed",
    "enable.ssl.certificate.verification",
    "https.ca.location",
    "https.ca.pem",
    "linger.ms",
    "log.connection.close",
    "log.thread.name",
    "metadata.max.age.ms",
    "metadata.recovery.rebootstrap.trigger.ms",
    "metadata.recovery.strategy",
    "queue.buffering.backpressure.threshold",
    "queue.buffering.max.ms",
    "receive.message.max.bytes",
    "reconnect.backoff.max.ms",
    "reconnect.backoff.ms",
    "request.timeout.ms",
    "retry.backoff.max.ms",
    "retry.backoff.ms",
    "sasl.mechanism",
    "sasl.mechanisms",
    "sasl.password",
    "sasl.username",
    "security.protocol",
    "socket.connection.setup.timeout.ms",
    "socket.keepalive.enable",
    "socket.max.fails",
    "socket.nagle.disable",
    "socket.receive.buffer.bytes",
    "socket.send.buffer.bytes",
    "socket.timeout.ms",
    "ssl.ca.location",
    "ssl.ca.pem",
    "ssl.certificate.location",
    "ssl.certificate.pem",
    "ssl.cipher.suites",
    "ssl.crl.location",
    "ssl.curves.list",
    "ssl.endpoint.identification.algorithm",
    "ssl.key.location",
    "ssl.key.password",
    "ssl.key.pem",
    "ssl.keystore.location",
    "ssl.keystore.password",
    "ssl.providers",
    "ssl.sigalgs.list",
    "sticky.partitioning.linger.ms",
    "topic.metadata.propagation.max.ms",
    "topic.metadata.refresh.fast.interval.ms",
    "topic.metadata.refresh.interval.ms",
    "topic.metadata.refresh.sparse",
];

/// The same in a build that can ask for tokens.
pub(super) const OIDC: &[&str] = &[
    "sasl.oauthbearer.assertion.algorithm",
    "sasl.oauthbearer.assertion.claim.aud",
    "sasl.oauthbearer.assertion.claim.exp.seconds",
    "sasl.oauthbearer.assertion.claim.iss",
    "sasl.oauthbearer.assertion.claim.jti.include",
    "sasl.oauthbearer.assertion.claim.nbf.seconds",
    "sasl.oauthbearer.assertion.claim.sub",
    "sasl.oauthbearer.assertion.file",
    "sasl.oauthbearer.assertion.jwt.template.file",
    "sasl.oauthbearer.assertion.private.key.file",
    "sasl.oauthbearer.assertion.private.key.passphrase",
    "sasl.oauthbearer.assertion.private.key.pem",
    "sasl.oauthbearer.client.credentials.client.id",
    "sasl.oauthbearer.client.credentials.client.secret",
    "sasl.oauthbearer.client.id",
    "sasl.oauthbearer.client.secret",
    "sasl.oauthbearer.config",
    "sasl.oauthbearer.extensions",
    "sasl.oauthbearer.grant.type",
    "sasl.oauthbearer.metadata.authentication.type",
    "sasl.oauthbearer.method",
    "sasl.oauthbearer.scope",
    "sasl.oauthbearer.token.endpoint.url",
];

/// Whether this build can ask for tokens.
pub(super) const HAS_OIDC: bool = cfg!(feature = "oidc");

/// How to get one.
pub(super) const BUILD_WITH_OIDC: &str = "this build can't ask for tokens (OpenID Connect needs curl): build with \
     `cargo build --release --locked --features oidc`";

const KERBEROS: &str =
    "this build has no Kerberos: set sasl.mechanism to SCRAM-SHA-512, SCRAM-SHA-256 or PLAIN";
const CONSUMERS: &str = "it is for consumers, and livebridge is a producer";
const CALLS: &str = "it is for programs that call librdkafka, and can't be set by a text";
const CODE: &str = "a plug-in could change what is sent";
const VERSIONS: &str = "the brokers are asked for their versions, since the order per stream needs what old ones don't have";
const MOCK: &str = "what a mock cluster takes is not in Kafka: try `livebridge demo`";
const LOG: &str = "set log.level instead";

/// Names, or beginnings of names, and why the user can't set them.
const REFUSED: &[(&str, &str)] = &[
    ("test.mock.", MOCK),
    ("plugin.library.paths", CODE),
    ("ssl.engine.", CODE),
    ("interceptors", CALLS),
    ("opaque", CALLS),
    ("default_topic_conf", CALLS),
    ("enabled_events", CALLS),
    ("msg_order_cmp", CALLS),
    ("ssl_", CALLS),
    ("log_level", LOG),
    (
        "log.queue",
        "livebridge reads librdkafka's log from it; set log.level instead",
    ),
    ("sasl.kerberos.", KERBEROS),
    (
        "enable.sasl.oauthbearer.unsecure.jwt",
        "an unsigned token proves nothing: set sasl.oauthbearer.method to oidc (in a build with --features oidc)",
    ),
    ("api.version.", VERSIONS),
    ("broker.version.fallback", VERSIONS),
    ("builtin.features", "it says what this build can do"),
    (
        "internal.termination.signal",
        "a signal of librdkafka's could hit other threads",
    ),
    (
        "topic.blacklist",
        "a topic that the client doesn't see takes nothing: set topics.<family> = \"off\" instead",
    ),
    ("auto.commit.", CONSUMERS),
    ("auto.offset.reset", CONSUMERS),
    ("check.crcs", CONSUMERS),
    ("consume.", CONSUMERS),
    ("coordinator.", CONSUMERS),
    ("enable.auto.", CONSUMERS),
    ("enable.partition.eof", CONSUMERS),
    ("fetch.", CONSUMERS),
    ("group.", CONSUMERS),
    ("heartbeat.", CONSUMERS),
    ("isolation.level", CONSUMERS),
    ("max.partition.fetch.bytes", CONSUMERS),
    ("max.poll.", CONSUMERS),
    ("offset.store.", CONSUMERS),
    ("partition.assignment.", CONSUMERS),
    ("queued.", CONSUMERS),
    ("session.timeout.ms", CONSUMERS),
];

/// Why this property can't be set; none if it can, or isn't known here.
pub(super) fn refused(name: &str) -> Option<&'static str> {
    if name.ends_with("_cb") {
        return Some(CALLS);
    }
    if name.starts_with("sasl.oauthbearer.") && !HAS_OIDC {
        return Some(BUILD_WITH_OIDC);
    }
    let found = REFUSED.iter().find(|(start, _)| name.starts_with(start));
    found.map(|(_, reason)| *reason)
}

/// Why this SASL mechanism can't be used; none if it can.
pub(super) fn refused_mechanism(mechanism: &str) -> Option<&'static str> {
    match mechanism.to_ascii_uppercase().as_str() {
        "OAUTHBEARER" if !HAS_OIDC => Some(BUILD_WITH_OIDC),
        "GSSAPI" => Some(KERBEROS),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{super::kafka::refused_property, *};
    use rdkafka::{ClientConfig, error::KafkaError, types::RDKafkaConfRes};

    /// What librdkafka's CONFIGURATION.md has besides: each must be refused, with a reason.
    const NOT_FREE: &str = "acks allow.auto.create.topics api.version.fallback.ms api.version.request \
        api.version.request.timeout.ms auto.commit.enable auto.commit.interval.ms auto.offset.reset background_event_cb \
        bootstrap.servers broker.version.fallback builtin.features check.crcs closesocket_cb connect_cb \
        consume.callback.max.messages consume_cb coordinator.query.interval.ms default_topic_conf \
        delivery.report.only.error delivery.timeout.ms dr_cb dr_msg_cb enable.auto.commit enable.auto.offset.store \
        enable.gapless.guarantee enable.idempotence enable.partition.eof enable.sasl.oauthbearer.unsecure.jwt \
        enabled_events error_cb fetch.error.backoff.ms fetch.max.bytes fetch.message.max.bytes fetch.min.bytes \
        fetch.queue.backoff.ms fetch.wait.max.ms group.id group.instance.id group.protocol group.protocol.type \
        group.remote.assignor heartbeat.interval.ms interceptors internal.termination.signal isolation.level log.queue \
        log_cb log_level max.in.flight max.in.flight.requests.per.connection max.partition.fetch.bytes \
        max.poll.interval.ms message.copy.max.bytes message.max.bytes message.send.max.retries message.timeout.ms \
        metadata.broker.list msg_order_cmp oauthbearer_token_refresh_cb offset.store.method offset.store.path \
        offset.store.sync.interval.ms offset_commit_cb opaque open_cb partition.assignment.strategy partitioner \
        partitioner_cb plugin.library.paths queue.buffering.max.kbytes queue.buffering.max.messages \
        queued.max.messages.kbytes queued.min.messages queuing.strategy rebalance_cb request.required.acks resolve_cb \
        retries sasl.kerberos.keytab sasl.kerberos.kinit.cmd sasl.kerberos.min.time.before.relogin \
        sasl.kerberos.principal sasl.kerberos.service.name session.timeout.ms socket_cb ssl.certificate.verify_cb \
        ssl.engine.id ssl.engine.location ssl_ca ssl_certificate ssl_engine_callback_data ssl_key statistics.interval.ms \
        stats_cb throttle_cb topic.blacklist transaction.timeout.ms transactional.id";
    /// Without effect since long, or on this system.
    const MOOT: &str = "produce.offset.report reconnect.backoff.jitter.ms socket.blocking.max.ms ssl.ca.certificate.stores \
        topic.metadata.refresh.fast.cnt";

    fn is_known(name: &str) -> bool {
        let set = ClientConfig::new().set(name, "x").create_native_config();
        let unknown = RDKafkaConfRes::RD_KAFKA_CONF_UNKNOWN;
        !matches!(set, Err(KafkaError::ClientConfig(res, ..)) if res == unknown)
    }

    #[test]
    fn each_of_librdkafkas_properties_is_free_or_refused_with_a_reason() {
        let (mut free, mut refused) = (0, 0);
        for name in FREE {
            assert!(is_known(name), "{name}");
            assert_eq!(refused_property(name), None, "{name}");
            free += 1;
        }
        for name in NOT_FREE.split_whitespace() {
            assert!(is_known(name), "{name}");
            assert!(refused_property(name).is_some(), "{name}");
            refused += 1;
        }
        for name in OIDC {
            assert!(is_known(name), "{name}");
            assert_eq!(refused_property(name).is_some(), !HAS_OIDC, "{name}");
        }
        let all = free + refused + OIDC.len() + MOOT.split_whitespace().count();
        // The lines of CONFIGURATION.md of librdkafka 2.12.1, each name once.
        assert_eq!(all, 190);
    }

    #[test]
    fn what_this_build_can_is_what_librdkafka_says() {
        let native = ClientConfig::new().create_native_config().unwrap();
        let features = native.get("builtin.features").unwrap();
        let has = |feature| features.split(',').any(|found| found.trim() == feature);
        for needed in ["ssl", "sasl_plain", "sasl_scram", "lz4", "zstd", "gzip"] {
            assert!(has(needed), "{needed}: {features}");
        }
        // As built by cmake it lists what it can't.
        assert!(HAS_OIDC || !has("sasl_gssapi"), "{features}");
        assert_eq!(has("oidc"), HAS_OIDC, "{features}");
    }
}

//! Every setting with one value: its default, and each way to set it.

use super::*;

fn debug(value: &impl std::fmt::Debug) -> String {
    format!("{value:?}")
}

/// How a setting's effect is seen in the result.
pub(super) type Look = fn(&Config) -> String;

/// (path, another value as TOML, where it shows, how the default shows, how the other value shows)
pub(super) const SINGLE: &[(&str, &str, Look, &str, &str)] = &[
    (
        "http.trusted_proxies",
        "[\"10.0.0.0/8\", \"::1\"]",
        |c| {
            let ranges = c.http.trusted_proxies.iter().map(ToString::to_string);
            debug(&ranges.collect::<Vec<_>>())
        },
        "[]",
        "[\"10.0.0.0/8\", \"::1/128\"]",
    ),
    (
        "rejects.max_entries",
        "0",
        |c| c.rejects.max_entries.to_string(),
        "10000",
        "0",
    ),
    (
        "rejects.max_bytes",
        "\"2MiB\"",
        |c| c.rejects.max_bytes.to_string(),
        "67108864",
        "2097152",
    ),
    (
        "rejects.max_age",
        "\"1h\"",
        |c| debug(&c.rejects.max_age),
        "604800s",
        "3600s",
    ),
    (
        "http.handshake_timeout",
        "\"1s\"",
        |c| debug(&c.http.handshake_timeout),
        "5s",
        "1s",
    ),
    (
        "http.write_timeout",
        "\"1s\"",
        |c| debug(&c.http.write_timeout),
        "10s",
        "1s",
    ),
    (
        "http.connection_lifetime",
        "\"1s\"",
        |c| debug(&c.http.connection_lifetime),
        "3600s",
        "1s",
    ),
    (
        "http.listen",
        "\"127.0.0.1:1\"",
        |c| debug(&c.http.listen),
        "0.0.0.0:8080",
        "127.0.0.1:1",
    ),
    (
        "admin.listen",
        "\"[::1]:2\"",
        |c| debug(&c.admin_listen),
        "0.0.0.0:9464",
        "[::1]:2",
    ),
    (
        "kafka.bootstrap_servers",
        "\"a:1,b:2\"",
        |c| c.kafka.bootstrap_servers.clone(),
        "127.0.0.1:9092",
        "a:1,b:2",
    ),
    (
        "spool.dir",
        "\"/x\"",
        |c| c.spool.dir.display().to_string(),
        "./livebridge-spool",
        "/x",
    ),
    ("ack", "\"kafka\"", |c| debug(&c.ack), "Spool", "Kafka"),
    (
        "delivery",
        "\"at-least-once\"",
        |c| debug(&c.delivery),
        "AtLeastOnce",
        "AtLeastOnce",
    ),
    (
        "log.format",
        "\"text\"",
        |c| debug(&c.log.format),
        "Json",
        "Text",
    ),
    (
        "log.level",
        "\"warn\"",
        |c| c.log.filter.clone(),
        "info",
        "warn",
    ),
    (
        "spool.max_bytes",
        "\"2GiB\"",
        |c| c.spool.max_bytes.to_string(),
        "10737418240",
        "2147483648",
    ),
    (
        "spool.segment_bytes",
        "2097152",
        |c| c.spool.segment_bytes.to_string(),
        "67108864",
        "2097152",
    ),
    (
        "spool.retain",
        "\"0s\"",
        |c| debug(&c.spool.retain),
        "86400s",
        "0ns",
    ),
    (
        "spool.quarantine_max_bytes",
        "\"1MiB\"",
        |c| c.spool.quarantine_max_bytes.to_string(),
        "1073741824",
        "1048576",
    ),
    (
        "dedup.window",
        "\"20m\"",
        |c| debug(&c.dedup.window),
        "1800s",
        "1200s",
    ),
    (
        "dedup.max_entries",
        "7",
        |c| c.dedup.max_entries.to_string(),
        "1000000",
        "7",
    ),
    (
        "expiry.leeway",
        "\"0s\"",
        |c| debug(&c.expiry_leeway),
        "1200s",
        "0ns",
    ),
    (
        "http.header_timeout",
        "\"1s\"",
        |c| debug(&c.http.header_timeout),
        "5s",
        "1s",
    ),
    (
        "http.body_timeout",
        "\"1s\"",
        |c| debug(&c.http.body_timeout),
        "10s",
        "1s",
    ),
    (
        "http.idle_timeout",
        "\"1s\"",
        |c| debug(&c.http.idle_timeout),
        "75s",
        "1s",
    ),
    (
        "http.answer_timeout",
        "\"1s\"",
        |c| debug(&c.http.answer_timeout),
        "4s",
        "1s",
    ),
    (
        "limits.body_bytes",
        "\"1MiB\"",
        |c| c.limits.body_bytes.to_string(),
        "983040",
        "1048576",
    ),
    (
        "limits.header_bytes",
        "8192",
        |c| c.limits.header_bytes.to_string(),
        "16384",
        "8192",
    ),
    (
        "limits.connections",
        "9",
        |c| c.limits.connections.to_string(),
        "8192",
        "9",
    ),
    (
        "limits.connections_per_address",
        "9",
        |c| debug(&c.limits.connections_per_address),
        "None",
        "Some(9)",
    ),
    (
        "limits.inflight_requests",
        "9",
        |c| c.limits.inflight_requests.to_string(),
        "4096",
        "9",
    ),
    (
        "limits.inflight_bytes",
        "\"1MiB\"",
        |c| c.limits.inflight_bytes.to_string(),
        "67108864",
        "1048576",
    ),
    (
        "drain.delay",
        "\"0s\"",
        |c| debug(&c.drain.delay),
        "5s",
        "0ns",
    ),
    (
        "drain.requests",
        "\"1s\"",
        |c| debug(&c.drain.requests),
        "5s",
        "1s",
    ),
    (
        "drain.publish",
        "\"1s\"",
        |c| debug(&c.drain.publish),
        "10s",
        "1s",
    ),
    ("payload", "\"raw\"", |c| debug(&c.payload), "Typed", "Raw"),
    (
        "kafka.cloudevents",
        "\"structured\"",
        |c| debug(&c.cloudevents),
        "Binary",
        "Structured",
    ),
    (
        "redact",
        "[\"a\", \"b\"]",
        |c| debug(&c.redact),
        "[\"txSecret\"]",
        "[\"a\", \"b\"]",
    ),
    (
        "kafka.ack_timeout",
        "\"1s\"",
        |c| debug(&c.ack_timeout),
        "4s",
        "1s",
    ),
    (
        "topics.quarantine",
        "\"off\"",
        |c| debug(&c.topics.quarantine),
        "Some(\"live.quarantine\")",
        "None",
    ),
    (
        "topics.checkpoint",
        "\"cp\"",
        |c| c.topics.checkpoint.clone(),
        "live.checkpoint",
        "cp",
    ),
    (
        "traces.begin",
        "\"on\"",
        |c| c.traces.begin.to_string(),
        "false",
        "true",
    ),
    (
        "traces.sample",
        "0.25",
        |c| c.traces.sample.to_string(),
        "1",
        "0.25",
    ),
    (
        "traces.endpoint",
        "\"http://otel:4318\"",
        |c| {
            let endpoint = c.traces.endpoint.as_ref().map(ToString::to_string);
            debug(&(endpoint, c.traces.begin))
        },
        "(None, false)",
        "(Some(\"http://otel:4318/v1/traces\"), true)",
    ),
];

fn in_toml(path: &str, value: &str) -> String {
    match path.rsplit_once('.') {
        Some((table, key)) => format!("[{table}]\n{key} = {value}\n"),
        None => format!("{path} = {value}\n"),
    }
}

#[test]
fn every_setting_has_its_default_and_is_taken_from_the_file() {
    let defaults = World::with_key().config();
    for (path, value, look, default, set) in SINGLE {
        assert_eq!(look(&defaults), *default, "{path}");
        let config = World::with_key().toml(&in_toml(path, value)).config();
        assert_eq!(look(&config), *set, "{path}");
    }
}

#[test]
fn flags_go_over_environment_over_file() {
    for (path, value, look, _, set) in SINGLE {
        let setting = reference::SINGLE
            .iter()
            .find(|s| s.toml == *path)
            .expect("listed");
        let (Some(flag), Some(env)) = (setting.flag, setting.env) else {
            continue;
        };
        let plain = value.trim_matches('"');
        let default = if *path == "log.format" {
            "json"
        } else {
            setting.default
        }
        .to_owned();
        let file = World::with_key().toml(&in_toml(path, &format!("{default:?}")));
        let variable = file.clone().var(env, plain);
        assert_eq!(look(&variable.config()), *set, "{env}");
        let mut flagged = file.var(env, &default);
        *flag_of(&mut flagged.flags, flag) = Some(plain.into());
        assert_eq!(look(&flagged.config()), *set, "{flag}");
    }
}

fn flag_of<'a>(flags: &'a mut Flags, name: &str) -> &'a mut Option<String> {
    match name {
        "--listen" => &mut flags.listen,
        "--admin-listen" => &mut flags.admin_listen,
        "--bootstrap-servers" => &mut flags.bootstrap_servers,
        "--spool-dir" => &mut flags.spool_dir,
        "--ack" => &mut flags.ack,
        "--delivery" => &mut flags.delivery,
        "--log-format" => &mut flags.log_format,
        "--log-level" => &mut flags.log_level,
        other => panic!("no flag {other}"),
    }
}

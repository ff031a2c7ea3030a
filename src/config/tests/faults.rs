//! What is wrong is said, all of it at once, and no secret with it.

use super::*;

#[test]
fn all_faults_come_at_once_and_none_shows_a_secret() {
    let mut world = World::default()
        .toml(&format!(
            "ack = \"kafka\"\n[topics]\nquarantine = \"off\"\n[http]\nlissen = \"x\"\nlisten = \"x\"\n[limits]\nbody_bytes = true\n[spool]\nmax_bytes = \"1KiB\"\n\
             [dedup]\nwindow = \"19m\"\n[sources.tencent]\nkeys = [\"{SECRET} x\", 5]\npath_token = \"{SECRET}/\"\n\
             [kafka.properties]\nacks = \"1\"\n\"sasl.password\" = [\"{SECRET}\"]\nlinger_ms = \"{SECRET}\"\n"
        ))
        .var("LIVEBRIDGE_ADMIN_LISTEN", "")
        .var("RUST_LOG", "lots");
    world.flags.delivery = Some("exactly-once".into());
    let faults = world.faults();
    let named = [
        "LIVEBRIDGE_ADMIN_LISTEN: is empty",
        "http.lissen in settings.toml: there is no such setting; the nearest is http.listen",
        "http.listen in settings.toml: \"x\" is not an address",
        "limits.body_bytes in settings.toml: must be a text or a number, not true or false",
        "spool.max_bytes in settings.toml: \"1KiB\" is out of range",
        "dedup.window in settings.toml: \"19m\" is out of range; it must be from 20m",
        "sources.tencent.keys in settings.toml: key 1 has white space",
        "sources.tencent.keys in settings.toml: key 2 must be",
        "sources.tencent.path_token in settings.toml: is not a path token",
        "kafka.properties.acks in settings.toml: can't be set",
        "kafka.properties.sasl.password in settings.toml: must be a text",
        "kafka.properties.linger_ms in settings.toml: librdkafka has no such property",
        "RUST_LOG: \"lots\" is not a log level",
        "topics.quarantine in settings.toml: \"off\" can't be had with ack",
        "--delivery: \"exactly-once\" needs the spool",
    ];
    for start in named {
        assert!(
            faults.iter().any(|fault| fault.starts_with(start)),
            "{start}\nnot in\n{}",
            faults.join("\n")
        );
    }
    assert_eq!(faults.len(), named.len(), "{}", faults.join("\n"));
}

#[test]
fn unknown_names_in_the_file_are_faults_with_the_nearest_one() {
    for (text, near) in [
        ("[htpp]\nlisten = \"\"\n", "nearest is http"),
        (
            "[topics]\nrecordings = \"x\"\n",
            "nearest is topics.recording",
        ),
        (
            "\"http.listen\" = \"127.0.0.1:1\"\n",
            "nearest is http.listen",
        ),
        (
            "[sources.tencent]\nkey = [\"a\"]\n",
            "nearest is sources.tencent.keys",
        ),
        ("zzz = 5\n", "none is near it"),
        ("[sources.tencent]\nzzzzzz = 1\n", "none is near it"),
        ("http = 5\n", "write [http]"),
        ("sources = 5\n", "write [sources]"),
        ("[sources]\ntencent = 5\n", "write [sources.tencent]"),
    ] {
        let fault = World::with_key().toml(text).fault();
        assert!(
            fault.contains(near) && fault.contains("settings.toml"),
            "{text}: {fault}"
        );
    }
}

#[test]
fn a_file_that_is_no_toml_is_a_fault_with_its_place_and_without_its_line() {
    let fault = World::with_key()
        .toml(&format!("ack = \"spool\"\nkeys = {SECRET}\n"))
        .fault();
    assert!(fault.starts_with("settings.toml:2:"), "{fault}");
    let mut missing = World::with_key();
    missing.flags.config = Some("gone.toml".into());
    assert!(missing.fault().starts_with("--config: gone.toml"));
}

#[test]
fn a_file_that_cant_be_read_isnt_blamed_for_a_missing_key() {
    let unparsable = World::default().toml("[sources.tencent\n").fault();
    assert!(unparsable.contains("is not TOML"), "{unparsable}");
    let mut missing = World::default();
    missing.flags.config = Some("gone.toml".into());
    assert!(missing.fault().starts_with("--config: gone.toml"));
    let empty = World::default().var("LIVEBRIDGE_CONFIG", "").fault();
    assert!(empty.starts_with("LIVEBRIDGE_CONFIG: is empty"), "{empty}");
}

#[test]
fn foreign_variables_only_warn() {
    let world = World::with_key()
        .var("LIVEBRIDGE_SERVICE_HOST", "10.0.0.1")
        .var("LIVEBRIDGE_PORT", "")
        .var("LIVEBRIDGE_LISTN", SECRET)
        .var("HOME", "");
    let warnings = world.load().unwrap().warnings;
    assert_eq!(warnings.len(), 3, "{warnings:?}");
    assert!(
        warnings
            .iter()
            .any(|w| w.contains("LIVEBRIDGE_LISTN") && w.contains("LIVEBRIDGE_LISTEN"))
    );
}

#[test]
fn settings_must_fit_each_other() {
    for (text, named) in [
        ("[admin]\nlisten = \"127.0.0.1:8080\"\n", "admin.listen"),
        (
            "[limits]\ninflight_bytes = \"900KiB\"\n",
            "limits.inflight_bytes",
        ),
        (
            "[limits]\nbody_bytes = \"2MiB\"\n[spool]\nmax_bytes = \"1MiB\"\n",
            "spool.max_bytes",
        ),
        (
            "[spool]\nsegment_bytes = \"512KiB\"\n",
            "spool.segment_bytes",
        ),
        (
            "[spool]\nmax_bytes = \"1MiB\"\nsegment_bytes = \"2MiB\"\n",
            "spool.segment_bytes",
        ),
    ] {
        let fault = World::with_key().toml(text).fault();
        assert!(fault.starts_with(named), "{text}: {fault}");
    }
    let small = World::with_key()
        .toml("[spool]\nmax_bytes = \"1MiB\"\n")
        .config();
    assert_eq!(small.spool.segment_bytes, 1 << 20);
    let slow = World::with_key()
        .toml("[http]\nanswer_timeout = \"6s\"\n")
        .load()
        .unwrap();
    assert!(slow.warnings.concat().contains("http.answer_timeout"));
    let slow = World::with_key()
        .toml("ack = \"kafka\"\n[kafka]\nack_timeout = \"6s\"\n")
        .load()
        .unwrap();
    assert!(slow.warnings.concat().contains("kafka.ack_timeout"));
}

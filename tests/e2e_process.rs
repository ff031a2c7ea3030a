//! The relay as a process: how it ends when asked, and what it refuses to start beside.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    process::Command,
    time::{Duration, Instant},
};
use support::{
    callback::{recording, signed},
    kafka::Broker,
    reader,
    relay::Relay,
    tools::text,
    topics::Topics,
    wait,
};

const SETTLE: Duration = Duration::from_secs(60);
/// The longest that draining may take with the settings of these tests, and a little for a busy machine.
const DRAIN: Duration = Duration::from_secs(30);

fn relay(bootstrap: &str, topics: &Topics) -> Relay {
    Relay::new(env!("CARGO_BIN_EXE_livebridge"), bootstrap, topics)
}

const UNTYPABLE: &str = r#"{"event_type":100,"stream_id":"s1","duration":[]}"#;
/// Nothing listens here.
const NOWHERE: &str = "127.0.0.1:9";

#[test]
fn sigterm_turns_readiness_off_at_once_serves_on_and_leaves_nothing_behind() {
    let broker = Broker::shared();
    let topics = Topics::create(broker, 2);
    let mut relay = relay(&broker.bootstrap(), &topics).set("drain.delay", "\"3s\"");
    relay.start();
    assert_eq!(relay.post(&signed(&recording("s1", 1))).status, 200);
    relay.terminate();
    let asked = Instant::now();
    wait::until("readiness to turn off", Duration::from_secs(2), || {
        (relay.readyz() == Some(503)).then_some(())
    });
    let mut number = 1;
    while asked.elapsed() < Duration::from_secs(2) {
        number += 1;
        let answer = relay.post(&signed(&recording("s1", number)));
        assert_eq!(
            (answer.status, answer.header("connection")),
            (200, Some("close"))
        );
        wait::pass(Duration::from_millis(20));
    }
    let status = relay.wait_for_exit(DRAIN);
    assert_eq!(status.code(), Some(0), "{}", relay.log());
    let messages = reader::read(&broker.bootstrap(), &[topics.of("recording")]);
    let numbers: Vec<_> = messages
        .iter()
        .map(|m| m.json()["media_start_time"].as_u64().unwrap())
        .collect();
    assert_eq!(numbers, (1..=number).collect::<Vec<_>>());

    relay.start();
    let flow = relay.wait_until_settled(SETTLE);
    assert_eq!(
        (flow.recovered, flow.published),
        (0, 0),
        "a drained spool has nothing to do again"
    );
}

#[test]
fn what_cannot_be_published_in_time_is_no_fault_and_comes_after_the_next_start() {
    let broker = Broker::started();
    let topics = Topics::create(&broker, 2);
    broker.kill();
    let mut relay = relay(&broker.bootstrap(), &topics).set("drain.publish", "\"1s\"");
    relay.start();
    for number in 1..=50 {
        assert_eq!(relay.post(&signed(&recording("s1", number))).status, 200);
    }
    relay.terminate();
    let status = relay.wait_for_exit(DRAIN);
    assert_eq!(status.code(), Some(0), "{}", relay.log());
    assert!(
        relay.log().contains("50"),
        "the number left is logged: {}",
        relay.log()
    );

    broker.start();
    relay.start();
    let flow = relay.wait_until_settled(SETTLE);
    assert_eq!((flow.recovered, flow.published), (50, 50));
}

/// A full disk, or a collector of logs that has died.
#[test]
fn that_its_log_can_not_be_written_costs_nothing_but_the_log() {
    let broker = Broker::shared();
    let topics = Topics::create(broker, 2);
    let mut relay = relay(&broker.bootstrap(), &topics)
        .set("log.level", "\"debug\"")
        .with_full_log();
    relay.start();
    assert_eq!(relay.post(&signed(&recording("s1", 1))).status, 200);
    assert_eq!(
        relay.post(&signed(UNTYPABLE)).status,
        200,
        "which is logged"
    );
    assert_eq!(relay.wait_until_settled(SETTLE).published, 1);
    relay.terminate();
    assert_eq!(relay.wait_for_exit(DRAIN).code(), Some(0));
}

/// The client library can't be spoken to while it asks for an address.
#[test]
fn a_resolver_that_does_not_answer_keeps_no_publisher_from_its_last_checkpoint() {
    let directory = tempfile::tempdir().expect("a directory");
    let (asked, library) = (
        directory.path().join("asked"),
        directory.path().join("slow.so"),
    );
    let source = directory.path().join("slow.c");
    let slow = format!(
        "#include <fcntl.h>\n#include <netdb.h>\n#include <unistd.h>\n\
         int getaddrinfo(const char *n, const char *s, const struct addrinfo *h, struct addrinfo **r) {{\n\
         close(open(\"{}\", O_CREAT | O_WRONLY, 0600)); sleep(60); return EAI_AGAIN; }}\n",
        asked.display()
    );
    fs::write(&source, slow).expect("a file");
    let mut compiler = Command::new("gcc");
    compiler
        .args(["-shared", "-fPIC", "-o"])
        .args([&library, &source]);
    let made = compiler.output().expect("gcc: `./dev test` installs it");
    assert!(made.status.success(), "{}", text(&made));
    let binary = directory.path().join("livebridge");
    let script = format!(
        "#!/bin/sh\nLD_PRELOAD={} exec {} \"$@\"\n",
        library.display(),
        env!("CARGO_BIN_EXE_livebridge")
    );
    fs::write(&binary, script).expect("a file");
    fs::set_permissions(&binary, fs::Permissions::from_mode(0o700)).expect("it is ours");

    let mut relay = Relay::new(
        binary.to_str().expect("UTF-8"),
        "slow.example:9092",
        &Topics::named(),
    )
    .set("drain.publish", "\"500ms\"");
    relay.start();
    assert_eq!(relay.post(&signed(&recording("s1", 1))).status, 200);
    wait::until("the resolver to be asked", Duration::from_secs(20), || {
        asked.exists().then_some(())
    });
    relay.terminate();
    let status = relay.wait_for_exit(DRAIN);
    assert_eq!(status.code(), Some(0), "{}", relay.log());
    let told = relay.log();
    assert!(!told.contains("did not end in time"), "{told}");
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let topics = Topics::named();
    let mut relay = relay(NOWHERE, &topics).set("drain.delay", "\"20s\"");
    relay.start();
    assert_eq!(relay.post(&signed(&recording("s1", 1))).status, 200);
    relay.terminate();
    wait::until("readiness to turn off", Duration::from_secs(5), || {
        (relay.readyz() == Some(503)).then_some(())
    });
    relay.terminate();
    let status = relay.wait_for_exit(Duration::from_secs(5));
    assert_eq!(status.code(), Some(1), "{}", relay.log());
}

#[test]
fn a_second_process_on_the_same_spool_is_refused_and_disturbs_nothing() {
    let topics = Topics::named();
    let mut relay = relay(NOWHERE, &topics);
    relay.start();
    let (status, log) = relay.rival().wait_for_exit(Duration::from_secs(10));
    assert_eq!(status.code(), Some(1), "{log}");
    let spool = relay.spool_dir();
    assert!(
        log.contains(&spool.display().to_string()),
        "the message names the spool: {log}"
    );
    assert_eq!(relay.post(&signed(&recording("s1", 1))).status, 200);
    assert_eq!(relay.ended(), None);
}

#[test]
fn a_part_that_ends_by_itself_ends_the_process_in_order_with_exit_1() {
    let broker = Broker::shared();
    let topics = Topics::create(broker, 2);
    let mut relay = relay(&broker.bootstrap(), &topics);
    relay.start();
    // Its quarantine gone, the publisher can settle nothing that can't be typed: it must not go on as if.
    std::fs::remove_dir_all(relay.spool_dir().join("quarantine")).unwrap();
    let untypable = signed(r#"{"event_type":100,"stream_id":"s1","duration":"long"}"#);
    assert_eq!(relay.post(&untypable).status, 200);
    let status = relay.wait_for_exit(DRAIN);
    assert_eq!(status.code(), Some(1), "{}", relay.log());
    assert!(relay.log().contains("quarantine"), "{}", relay.log());
    assert!(!relay.log().contains("panicked"), "{}", relay.log());
}

#[test]
fn health_says_by_its_exit_code_how_a_relay_is() {
    let mut relay = relay(NOWHERE, &Topics::named()).set("drain.delay", "\"5s\"");
    relay.start();
    let admin = relay.admin_address();
    let health = |more: &[&str]| {
        let mut health = Command::new(env!("CARGO_BIN_EXE_livebridge"));
        health.args(["health", "--admin-listen", &admin]).args(more);
        let output = health.output().expect("the binary runs");
        (output.status.code(), text(&output))
    };
    assert_eq!(health(&[]), (Some(0), "ready\n".into()));
    assert_eq!(health(&["--live"]), (Some(0), "ok\n".into()));
    relay.terminate();
    let why = "livebridge: not ready: draining (HTTP 503)\n";
    wait::until("it drains", Duration::from_secs(5), || {
        (health(&[]) == (Some(1), why.into())).then_some(())
    });
    assert_eq!(health(&["--live"]).0, Some(0), "nobody need restart it");
    assert_eq!(relay.wait_for_exit(DRAIN).code(), Some(0));
    let (code, said) = health(&["--live"]);
    assert_eq!(code, Some(1));
    assert!(
        said.contains(&format!("no answer from http://{admin}/livez")),
        "{said}"
    );
    assert_eq!(health(&["--config", "nowhere.toml"]).0, Some(64));
}

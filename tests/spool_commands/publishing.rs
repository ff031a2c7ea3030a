//! What publishes from a spool: `drain`, `replay`, `quarantine requeue`.

use crate::rig::{BINARY, NO_BROKER, run_with};
use serde_json::Value;
use std::{collections::BTreeSet, fs, path::Path, time::Duration};
use support::{
    callback::{recording, signed},
    kafka::Broker,
    reader,
    relay::Relay,
    topics::Topics,
    wait,
};

const SETTLE: Duration = Duration::from_secs(60);
fn messages(topics: &Topics, family: &str) -> Vec<reader::Message> {
    reader::read(&Broker::shared().bootstrap(), &[topics.of(family)])
}

fn marked(messages: &[reader::Message], mark: &str) -> usize {
    let has = |m: &&reader::Message| m.header(mark).is_some();
    messages.iter().filter(has).count()
}

fn accept(relay: &Relay, body: &str) {
    assert_eq!(relay.post(&signed(body)).status, 200);
}

#[test]
fn drain_publishes_what_a_relay_left_and_refuses_beside_one() {
    let broker = Broker::shared();
    let topics = Topics::create(broker, 2);
    let mut relay = Relay::new(BINARY, NO_BROKER, &topics);
    relay.start();
    for n in 0..20 {
        accept(&relay, &recording("drained", n));
    }
    let beside = run_with(&["drain"], &relay);
    assert_eq!(beside.code, 1);
    assert!(
        beside
            .err
            .contains("publishes it already (20 record(s) pending)"),
        "{}",
        beside.err
    );
    relay.kill();
    let within = run_with(&["drain", "--within", "300ms"], &relay);
    assert_eq!(within.code, 1);
    assert!(
        within.err.contains("20 record(s) are still pending"),
        "{}",
        within.err
    );
    let bootstrap = broker.bootstrap();
    let drained = run_with(&["drain", "--bootstrap-servers", &bootstrap], &relay);
    assert_eq!(
        (drained.code, drained.out.as_str()),
        (0, "nothing is pending any more: 20 record(s) were\n"),
        "{}",
        drained.err
    );
    assert_eq!(messages(&topics, "recording").len(), 20);
    let ls: Value =
        serde_json::from_str(&run_with(&["spool", "ls", "--json"], &relay).out).unwrap();
    assert_eq!((&ls["pending"], &ls["records"]), (&0.into(), &20.into()));
}

#[test]
fn replay_and_requeue_go_through_a_running_relay_and_are_counted_there() {
    let broker = Broker::shared();
    let topics = Topics::create(broker, 2);
    let mut relay = Relay::new(BINARY, &broker.bootstrap(), &topics);
    relay.start();
    for n in 0..10 {
        accept(&relay, &recording(if n < 4 { "again" } else { "other" }, n));
    }
    // Can't be typed: goes to the quarantine.
    accept(
        &relay,
        r#"{"event_type":100,"stream_id":"again","duration":[]}"#,
    );
    relay.wait_until_settled(SETTLE);
    // What is published stands in the checkpoint a moment after it is counted.
    let dry = wait::until("the checkpoint to pass what was published", SETTLE, || {
        let dry = run_with(
            &["replay", "--since", "1h", "--stream", "again", "--dry-run"],
            &relay,
        );
        dry.out.contains("would replay 4 record(s)").then_some(dry)
    });
    assert!(
        dry.out.contains("left out: 1 in the quarantine"),
        "{}",
        dry.out
    );
    let replayed = run_with(&["replay", "--since", "1h", "--stream", "again"], &relay);
    assert_eq!(replayed.code, 0, "{}", replayed.err);
    assert!(
        replayed.out.contains("replayed 4 record(s)"),
        "{}",
        replayed.out
    );
    let topic = topics.of("recording").to_owned();
    let label = format!("topic=\"{topic}\"");
    assert_eq!(
        relay
            .metrics()
            .count("livebridge_replayed_total", &[&label]),
        4
    );
    let ls = run_with(&["quarantine", "ls"], &relay);
    assert!(ls.out.contains("#11  untypable  for "), "{}", ls.out);
    let cat = run_with(&["quarantine", "cat", "11"], &relay);
    assert!(
        cat.out.contains("\"duration\":[]") && cat.out.contains("\"sign\":\"\""),
        "{}",
        cat.out
    );
    // Still untypable: stays.
    let stays = run_with(&["quarantine", "requeue", "11"], &relay);
    assert_eq!(stays.code, 1);
    assert!(
        stays.out.contains("#11 stays: duration"),
        "{}{}",
        stays.out,
        stays.err
    );
    mend(&relay.spool_dir());
    let requeued = run_with(&["quarantine", "requeue", "--all"], &relay);
    assert_eq!(requeued.code, 0, "{}{}", requeued.out, requeued.err);
    assert_eq!(
        relay
            .metrics()
            .count("livebridge_requeued_total", &[&label]),
        1
    );
    assert_eq!(run_with(&["quarantine", "ls"], &relay).out, "");
    // The same without a relay.
    relay.terminate();
    assert!(relay.wait_for_exit(SETTLE).success());
    assert!(!relay.spool_dir().join("control.sock").exists());
    let alone = run_with(&["replay", "--seq", "1..2"], &relay);
    assert!(
        alone.out.contains("replayed 2 record(s)"),
        "{}{}",
        alone.out,
        alone.err
    );
    let all = messages(&topics, "recording");
    assert_eq!(all.len(), 10 + 4 + 1 + 2);
    assert_eq!(
        (
            marked(&all, "livebridge-replayed"),
            marked(&all, "livebridge-requeued")
        ),
        (6, 1)
    );
    let ids: BTreeSet<_> = all.iter().map(reader::Message::ce_id).collect();
    assert_eq!(ids.len(), 11, "a replay has the ids of what it repeats");
    assert_eq!(run_with(&["replay"], &relay).code, 64);
}

/// What an operator might do to a record that can't be typed.
fn mend(spool: &Path) {
    let file = wait::until("a quarantined record", SETTLE, || {
        let entry = fs::read_dir(spool.join("quarantine")).unwrap().next()?;
        Some(entry.unwrap().path())
    });
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace("\"duration\":[]", "\"duration\":7")).unwrap();
}

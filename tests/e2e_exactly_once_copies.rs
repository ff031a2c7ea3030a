//! `delivery = "exactly-once"` and copies of a spool: a twin, a restored backup, an older copy that comes to life while Kafka is
//! away. Of two relays one stands down, stays so, and publishes what it alone holds once it is adopted; nothing is lost or
//! doubled.

mod exactly_once;

use exactly_once::{DEADLINE, check, empty, post, relay};
use support::{callback, kafka::Broker, relay::Relay, topics::Topics, wait};

#[track_caller]
fn wait_for_state(relay: &Relay, state: &str) {
    wait::until(&format!("it is {state}"), DEADLINE, || {
        let status = relay.status();
        (status.pointer("/publisher/exactly_once/state")? == state).then_some(())
    });
}

/// It takes nothing, says so everywhere, and has lost count of nothing.
#[track_caller]
fn check_that_it_stands_down(relay: &Relay) {
    assert_eq!(relay.readyz(), Some(503));
    let body = callback::signed(&callback::recording("late", 1));
    assert_eq!(relay.post(&body).status, 503);
    let metrics = relay.metrics();
    assert_eq!(metrics.count("livebridge_stood_down", &[]), 1);
    assert!(metrics.flow().balances(), "{}", metrics.flow());
    assert!(relay.log().contains("another relay publishes"));
}

/// Killed and started again, it still does.
#[track_caller]
fn check_that_it_stays_down(relay: &mut Relay) {
    check_that_it_stands_down(relay);
    relay.kill();
    relay.launch();
    wait::until("its admin page", DEADLINE, || relay.readyz());
    wait_for_state(relay, "stood_down");
    check_that_it_stands_down(relay);
}

#[test]
fn of_twins_one_stands_down_and_its_own_records_are_published_once_it_is_adopted() {
    let broker = Broker::shared();
    let topics = Topics::create(broker, 2).with_checkpoint(broker);
    let mut journal = empty();
    let mut first = relay(broker, &topics);
    first.start();
    post(&first, &mut journal, "before", 1..50);
    first.wait_until_settled(DEADLINE);
    // Some that are in the copy, and not published when it is made, as like as not.
    post(&first, &mut journal, "between", 1..20);
    let mut twin = first.twin();
    post(&first, &mut journal, "first", 1..30);
    // With a transaction under way it would find out at once, and stand down before it is sent another callback.
    first.wait_until_settled(DEADLINE);
    twin.start();
    // The twin has seen the first one's run: so it takes over, and the first one stands down, as soon as it has something
    // to publish and finds that it can't.
    wait_for_state(&twin, "publishing");
    post(&first, &mut journal, "first", 30..31);
    wait_for_state(&first, "stood_down");
    post(&twin, &mut journal, "twin", 1..40);
    twin.wait_until_settled(DEADLINE);

    check_that_it_stays_down(&mut first);
    // It doesn't fence back.
    post(&twin, &mut journal, "twin", 40..60);
    twin.wait_until_settled(DEADLINE);
    assert_eq!(twin.metrics().count("livebridge_stood_down", &[]), 0);

    first.kill();
    let said = first.command(&["spool", "adopt"]);
    eprintln!("{said}");
    first.start();
    first.wait_until_settled(DEADLINE);
    post(&first, &mut journal, "adopted", 1..10);
    first.wait_until_settled(DEADLINE);
    twin.wait_until_settled(DEADLINE);
    wait_for_state(&twin, "publishing");
    let findings = check(broker, &topics, &journal);
    eprintln!(
        "{} answered 200; in Kafka: {findings:?}",
        journal.answered()
    );
}

#[test]
fn a_restored_copy_that_took_callbacks_while_kafka_was_down_publishes_them_once() {
    let broker = Broker::started();
    let topics = Topics::create(&broker, 2).with_checkpoint(&broker);
    let mut journal = empty();
    let mut before = relay(&broker, &topics);
    before.start();
    post(&before, &mut journal, "before", 1..30);
    let mut restored = before.twin();
    post(&before, &mut journal, "after the copy", 1..60);
    before.wait_until_settled(DEADLINE);
    before.kill();

    broker.kill();
    restored.start();
    post(&restored, &mut journal, "while Kafka was down", 1..80);
    // Killed once before Kafka is back, and once after its claim.
    restored.kill();
    restored.start();
    post(&restored, &mut journal, "while Kafka was down", 80..90);
    broker.start();
    wait_for_state(&restored, "publishing");
    restored.kill();
    restored.start();
    post(&restored, &mut journal, "Kafka is back", 1..20);
    restored.wait_until_settled(DEADLINE);
    let findings = check(&broker, &topics, &journal);
    eprintln!(
        "{} answered 200; in Kafka: {findings:?}",
        journal.answered()
    );

    // The line that it was copied from knows nothing of it, so it is this one that stands down.
    before.launch();
    wait::until("its admin page", DEADLINE, || before.readyz());
    wait_for_state(&before, "stood_down");
    let findings = check(&broker, &topics, &journal);
    assert_eq!(findings.callbacks, journal.answered());
}

#[test]
fn an_older_copy_that_took_callbacks_while_kafka_was_down_stands_down_for_the_relay_that_went_on() {
    let broker = Broker::started();
    let topics = Topics::create(&broker, 2).with_checkpoint(&broker);
    let mut journal = empty();
    let mut original = relay(&broker, &topics);
    original.start();
    post(&original, &mut journal, "before", 1..30);
    original.wait_until_settled(DEADLINE);
    post(&original, &mut journal, "in both", 1..20);
    let mut older = original.twin();
    // Another run, of which the copy knows nothing.
    original.kill();
    original.start();
    post(&original, &mut journal, "after the copy", 1..40);
    original.wait_until_settled(DEADLINE);

    broker.kill();
    older.start();
    post(&older, &mut journal, "the copy's own", 1..50);
    post(&original, &mut journal, "the original's own", 1..30);
    broker.start();
    wait_for_state(&older, "stood_down");
    original.wait_until_settled(DEADLINE);
    check_that_it_stays_down(&mut older);
    // That it was fenced by the older one's start it may find out only now; from then on, neither fences the other.
    post(&original, &mut journal, "the original's own", 30..31);
    original.wait_until_settled(DEADLINE);
    let rebuilds = |relay: &Relay| {
        let metrics = relay.metrics();
        metrics.count("livebridge_producer_rebuilds_total", &[])
    };
    let before = rebuilds(&original);
    post(&original, &mut journal, "the original's own", 31..60);
    original.wait_until_settled(DEADLINE);
    assert_eq!(rebuilds(&original), before);
    assert_eq!(original.metrics().count("livebridge_stood_down", &[]), 0);

    older.kill();
    let said = older.command(&["spool", "adopt"]);
    eprintln!("{said}");
    assert!(said.contains("49 record(s) are pending"), "{said}");
    older.start();
    post(&older, &mut journal, "adopted", 1..10);
    older.wait_until_settled(DEADLINE);
    original.wait_until_settled(DEADLINE);
    let findings = check(&broker, &topics, &journal);
    assert_eq!(findings.callbacks, journal.answered());
    eprintln!(
        "{} answered 200; in Kafka: {findings:?}",
        journal.answered()
    );
}

//! What operators do to topics while the relay runs and is under load: permissions revoked and given back, a limit set
//! too low and raised again, partitions added, a topic deleted and made again. Nothing that was answered 200 is lost but
//! what went with the deleted topic, the order holds, and the relay is never started again.

use std::{collections::BTreeSet, time::Duration};
use support::{
    admin::Admin,
    callback,
    dice::Dice,
    guarded::Guarded,
    load::{Journal, Load, Plan},
    oracle::{self, Done},
    reader::{self, Message},
    relay::Relay,
    topics::Topics,
    wait,
};

const DEADLINE: Duration = Duration::from_secs(180);
const PLAN: Plan = Plan {
    senders: 4,
    streams: 4,
    pause: Duration::from_millis(8),
    give_up_percent: 25,
};

/// A relay with an operator who does things to its recordings.
struct Stage {
    guarded: Guarded,
    admin: Admin,
    topics: Topics,
    relay: Relay,
    dice: Dice,
    others: i64,
}

impl Stage {
    fn set() -> Self {
        let dice = Dice::from_environment();
        let guarded = Guarded::started();
        let topics = Topics::named();
        let admin = guarded.broker().admin();
        admin.create_topics(&topics.names(), (2, 1), &[]);
        guarded.grant(&topics.names());
        let relay = Relay::new(env!("CARGO_BIN_EXE_livebridge"), guarded.door(), &topics)
            // The sizes of batches are what they look like.
            .set("kafka.properties.\"compression.codec\"", "\"none\"")
            .set(
                "kafka.properties.\"topic.metadata.refresh.interval.ms\"",
                "\"3000\"",
            )
            .set(
                "kafka.properties.\"topic.metadata.propagation.max.ms\"",
                "\"2000\"",
            );
        let mut relay = guarded.let_in(relay);
        relay.start();
        Self {
            guarded,
            admin,
            topics,
            relay,
            dice,
            others: 0,
        }
    }

    fn load(&mut self, streams: &str) -> Load {
        let load = Load::of_streams(streams, &self.relay.address(), PLAN, &mut self.dice);
        load.wait_for_more(200, DEADLINE);
        load
    }

    fn recording(&self) -> &str {
        self.topics.of("recording")
    }

    fn count(&self, name: &str, topic: &str) -> i64 {
        let label = format!("topic=\"{topic}\"");
        self.relay.metrics().count(name, &[&label])
    }

    fn waits_until_blocked(&self, is: bool) {
        let what = format!("recordings to be blocked: {is}");
        wait::until(&what, DEADLINE, || {
            let blocked = self.count("livebridge_topic_blocked", self.recording());
            (blocked == i64::from(is)).then_some(())
        });
    }

    /// Meanwhile the others go on, and the relay is ready.
    fn others_flow(&mut self) {
        self.others += 1;
        let body = format!(r#"{{"event_type":1,"stream_id":"s","n":{}}}"#, self.others);
        assert_eq!(self.relay.post(&callback::signed(&body)).status, 200);
        wait::until("another topic's record", DEADLINE, || {
            let published = self.count("livebridge_published_total", self.topics.of("stream"));
            (published >= self.others).then_some(())
        });
        assert_eq!(self.relay.readyz(), Some(200));
    }

    /// The recordings of these streams.
    fn messages(&self, streams: &str) -> Vec<Message> {
        let bootstrap = self.guarded.broker().bootstrap();
        let mut all = reader::read(&bootstrap, &[self.recording()]);
        all.retain(|m| m.key_text().is_some_and(|key| key.starts_with(streams)));
        all
    }

    fn check(&self, streams: &str, done: Done, journal: &Journal) {
        let findings = oracle::check_after(done, journal, &self.messages(streams));
        let findings = findings.unwrap_or_else(|faults| panic!("{faults}"));
        eprintln!(
            "{streams}: {} answered 200; {findings:?}",
            journal.answered()
        );
    }
}

#[test]
fn whatever_operators_do_to_a_topic_nothing_is_lost_or_reordered() {
    let mut stage = Stage::set();
    permission_revoked_and_given_back(&mut stage);
    limit_too_low_and_raised_again(&mut stage);
    partitions_added(&mut stage);
    deleted_and_made_again(&mut stage);
}

fn permission_revoked_and_given_back(stage: &mut Stage) {
    let load = stage.load("revoked");
    stage.guarded.revoke(&[stage.recording()]);
    stage.waits_until_blocked(true);
    // The status is renewed a few times a second.
    wait::until("the status to say why", DEADLINE, || {
        let (state, why) = stage.relay.lane(stage.recording());
        (state == "blocked" && why.contains("TOPIC_AUTHORIZATION_FAILED")).then_some(())
    });
    stage.others_flow();
    load.wait_for_more(200, DEADLINE);
    stage.guarded.grant(&[stage.recording()]);
    stage.waits_until_blocked(false);
    load.wait_for_more(100, DEADLINE);
    let journal = load.stop();
    stage.relay.wait_until_settled(DEADLINE);
    stage.check("revoked", Done::default(), &journal);
}

/// Only what is refused alone is set aside; it is published once an operator has raised the limit and says so.
fn limit_too_low_and_raised_again(stage: &mut Stage) {
    let load = stage.load("limited");
    let low = [("max.message.bytes", "2000")];
    stage.admin.set_topic(stage.recording(), &low);
    let noise = "x".repeat(3_000);
    let giants: BTreeSet<_> = (0..3).map(|n| format!("giant-{n}")).collect();
    for giant in &giants {
        let body = format!(r#"{{"event_type":100,"stream_id":"{giant}","video_url":"{noise}"}}"#);
        assert_eq!(stage.relay.post(&callback::signed(&body)).status, 200);
        load.wait_for_more(100, DEADLINE);
    }
    stage.others_flow();
    let journal = load.stop();
    let flow = stage.relay.wait_until_settled(DEADLINE);
    assert_eq!(
        flow.quarantined, 3,
        "only what is refused alone is set aside"
    );
    stage.admin.set_topic(stage.recording(), &[]);
    stage.check("limited", Done::default(), &journal);
    let said = stage.relay.command(&["quarantine", "requeue", "--all"]);
    eprintln!("{said}");
    let requeued = wait::within(DEADLINE, || {
        let giants = stage.messages("giant-");
        (giants.len() >= 3).then_some(giants)
    });
    let requeued = requeued.expect("what was set aside is published");
    let streams = requeued
        .iter()
        .filter_map(|m| m.key_text().map(str::to_owned));
    assert_eq!(streams.collect::<BTreeSet<_>>(), giants);
    let marked = |m: &Message| m.header("livebridge-requeued").is_some();
    assert!(requeued.iter().all(marked));
}

/// Seen, counted, and said; each stream keeps its order in every partition.
fn partitions_added(stage: &mut Stage) {
    let load = stage.load("repartitioned");
    stage.admin.add_partitions(stage.recording(), 5);
    wait::until("the new partitions to be seen", DEADLINE, || {
        let changed = stage.count(
            "livebridge_topic_partitions_changed_total",
            stage.recording(),
        );
        (changed == 1).then_some(())
    });
    assert!(stage.relay.log().contains("partitions changed"));
    let used = || {
        let messages = stage.messages("repartitioned");
        messages.iter().any(|m| m.partition >= 2).then_some(())
    };
    wait::until("the new partitions to be used", DEADLINE, used);
    load.wait_for_more(100, DEADLINE);
    let journal = load.stop();
    stage.relay.wait_until_settled(DEADLINE);
    let done = Done {
        repartitioned: true,
        ..Done::default()
    };
    stage.check("repartitioned", done, &journal);
}

fn deleted_and_made_again(stage: &mut Stage) {
    let load = stage.load("deleted");
    stage.admin.delete_topics(&[stage.recording()]);
    stage.waits_until_blocked(true);
    stage.others_flow();
    load.wait_for_more(100, DEADLINE);
    stage.admin.create_topics(&[stage.recording()], (5, 1), &[]);
    stage.waits_until_blocked(false);
    load.wait_for_more(100, DEADLINE);
    // Once more, so fast that a client may not notice.
    stage.admin.delete_topics(&[stage.recording()]);
    stage.admin.create_topics(&[stage.recording()], (5, 1), &[]);
    load.wait_for_more(200, DEADLINE);
    let journal = load.stop();
    stage.relay.wait_until_settled(DEADLINE);
    let done = Done {
        emptied: true,
        ..Done::default()
    };
    stage.check("deleted", done, &journal);
}

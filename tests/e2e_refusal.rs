//! A broker that refuses whole batches: nothing is lost, nothing overtakes what was refused, and only a record that is
//! refused alone is set aside.
//!
//! A topic takes batches of 2 KiB at most. One callback fits, many in one batch don't, and Kafka refuses a batch as a
//! whole: so the lane has to send them one at a time. Without the gapless guarantee, batches behind a refused one are
//! taken, and overtake it.

use std::time::Duration;
use support::{
    callback,
    dice::Dice,
    kafka::Broker,
    load::{Load, Plan},
    oracle, reader,
    relay::Relay,
    topics::Topics,
};

const SETTLE: Duration = Duration::from_secs(180);

#[test]
fn refused_batches_lose_and_reorder_nothing() {
    let broker = Broker::shared();
    let topics = Topics::named();
    let (recording, others): (Vec<_>, Vec<_>) = topics
        .names()
        .into_iter()
        .partition(|name| *name == topics.of("recording"));
    broker.create_topics(&recording, 2, &[("max.message.bytes", "2048")]);
    broker.create_topics(&others, 2, &[]);
    let mut relay = Relay::new(
        env!("CARGO_BIN_EXE_livebridge"),
        &broker.bootstrap(),
        &topics,
    );
    relay.start();
    let plan = Plan {
        senders: 8,
        streams: 4,
        pause: Duration::from_millis(2),
        give_up_percent: 25,
    };
    let mut dice = Dice::from_environment();
    let load = Load::start(&relay.address(), plan, &mut dice);
    load.wait_for_more(500, SETTLE);
    // Too large even alone; nothing that a compression could make small.
    let noise: String = (0..2_000)
        .map(|_| format!("{:016x}", dice.roll()))
        .collect();
    let giant = format!(r#"{{"event_type":100,"stream_id":"giant","video_url":"{noise}"}}"#);
    assert_eq!(relay.post(&callback::signed(&giant)).status, 200);
    load.wait_for_more(1_500, SETTLE);
    let journal = load.stop();

    let flow = relay.wait_until_settled(SETTLE);
    let messages = reader::read(&broker.bootstrap(), &[topics.of("recording")]);
    let findings = oracle::check(&journal, &messages).unwrap_or_else(|faults| panic!("{faults}"));
    let metrics = relay.metrics();
    assert_eq!(
        metrics.count("livebridge_quarantined_total", &[r#"reason="too_large""#]),
        1
    );
    assert_eq!(
        flow.quarantined, 1,
        "only what was refused alone is set aside"
    );
    let refusals = metrics.count("livebridge_publish_errors_total", &[r#"class="poison""#]);
    assert!(refusals > 1, "no batch was refused: the test tests nothing");
    eprintln!("{flow}; {refusals} refusals; in Kafka: {findings:?}");
}

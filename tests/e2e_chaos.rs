//! A broker that is killed, frozen and started again at random, under load: nothing is lost, and per stream first
//! occurrences arrive in the order in which the callbacks became durable.

use std::time::Duration;
use support::{
    dice::{self, Dice},
    kafka::Broker,
    load::{Load, Plan},
    oracle, reader,
    relay::Relay,
    topics::Topics,
    wait,
};

const ROUNDS: u32 = 8;
const DEADLINE: Duration = Duration::from_secs(120);

#[test]
fn a_broker_killed_and_frozen_at_random_loses_and_reorders_nothing() {
    let mut dice = Dice::from_environment();
    let broker = Broker::started();
    let topics = Topics::create(&broker, 4);
    let mut relay = Relay::new(
        env!("CARGO_BIN_EXE_livebridge"),
        &broker.bootstrap(),
        &topics,
    )
    // Shorter than the longest freeze, so that requests time out in flight and are sent again.
    .set("kafka.properties.\"socket.timeout.ms\"", "\"2000\"")
    .set("spool.segment_bytes", "\"1MiB\"");
    relay.start();
    let plan = Plan {
        senders: 6,
        streams: 4,
        pause: Duration::from_millis(3),
        give_up_percent: 25,
    };
    let load = Load::start(&relay.address(), plan, &mut dice);
    for round in 1..=dice::rounds(ROUNDS) {
        load.wait_for_more(200, DEADLINE);
        wait::pass(dice.millis(0, 1_000));
        if dice.below(2) == 0 {
            let away = dice.millis(100, 2_000);
            eprintln!("round {round}: killed, away for {away:?}");
            broker.kill();
            wait::pass(away);
            broker.start();
        } else {
            let frozen = dice.millis(100, 6_000);
            eprintln!("round {round}: frozen for {frozen:?}");
            broker.freeze();
            wait::pass(frozen);
            broker.thaw();
        }
        assert_eq!(
            relay.readyz(),
            Some(200),
            "Kafka is not asked for readiness"
        );
    }
    broker.wait_until_up();
    load.wait_for_more(200, DEADLINE);
    let journal = load.stop();
    let flow = relay.wait_until_settled(DEADLINE);
    let messages = reader::read(&broker.bootstrap(), &topics.names());
    let findings = oracle::check(&journal, &messages).unwrap_or_else(|faults| panic!("{faults}"));
    eprintln!(
        "{} answered 200; {flow}; in Kafka: {findings:?}",
        journal.answered()
    );
}

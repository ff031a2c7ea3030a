//! A callback answered 200 reaches Kafka, in order per stream, whenever the process dies.
//!
//! Kills the real binary with SIGKILL at moments drawn from the seed, while senders post; starts it again on the same
//! spool; and compares in the end what was answered with what Kafka holds.

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

const KILLS: u32 = 20;
const DEADLINE: Duration = Duration::from_secs(60);

#[test]
fn whatever_was_answered_200_survives_kills_at_any_moment() {
    let mut dice = Dice::from_environment();
    let broker = Broker::shared();
    let topics = Topics::create(broker, 4);
    let mut relay = Relay::new(
        env!("CARGO_BIN_EXE_livebridge"),
        &broker.bootstrap(),
        &topics,
    )
    // Several segments a run: deletion and indexes take part.
    .set("spool.segment_bytes", "\"512KiB\"")
    .set("limits.body_bytes", "\"64KiB\"")
    .set("spool.retain", "\"0s\"");
    relay.start();
    let plan = Plan {
        senders: 8,
        streams: 4,
        pause: Duration::from_millis(2),
        give_up_percent: 25,
    };
    let load = Load::start(&relay.address(), plan, &mut dice);
    for kill in 1..=dice::rounds(KILLS) {
        load.wait_for_more(100 + dice.below(300), DEADLINE);
        // Some lives are too short for a checkpoint, some let segments go.
        wait::pass(dice.millis(0, 1_500));
        relay.kill();
        relay.start();
        if kill % 5 == 0 {
            let flow = load.hold_while(|| relay.wait_until_settled(DEADLINE));
            eprintln!("start {kill}: {flow}");
        }
    }
    load.wait_for_more(100, DEADLINE);
    let journal = load.stop();
    relay.wait_until_settled(DEADLINE);

    // At rest nothing is left to recover, after a kill too but for what the checkpoint had not passed yet.
    relay.kill();
    relay.start();
    let flow = relay.wait_until_settled(DEADLINE);
    assert_eq!(flow.accepted, 0);

    let messages = reader::read(&broker.bootstrap(), &topics.names());
    let findings = oracle::check(&journal, &messages).unwrap_or_else(|faults| panic!("{faults}"));
    eprintln!(
        "{} answered 200; in Kafka: {findings:?}",
        journal.answered()
    );
}

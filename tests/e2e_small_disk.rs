//! A real filesystem, filled to its last byte under load while Kafka is away: nothing that was answered 200 is lost, the relay says
//! that it is full, and it takes callbacks again by itself once Kafka is back.

use std::time::Duration;
use support::{
    callback,
    dice::Dice,
    kafka::Broker,
    load::{Load, Plan},
    oracle, reader,
    relay::Relay,
    small_disk::{self, SmallDisk},
    topics::Topics,
    wait,
};

const SIZE: u64 = 8 << 20;
const DEADLINE: Duration = Duration::from_secs(120);

#[test]
fn a_disk_filled_to_the_brim_loses_nothing_and_service_resumes_by_itself() {
    if !small_disk::is_apart(
        "a_disk_filled_to_the_brim_loses_nothing_and_service_resumes_by_itself",
    ) {
        return;
    }
    let mut dice = Dice::from_environment();
    let disk = SmallDisk::mount(SIZE);
    let broker = Broker::started();
    let topics = Topics::create(&broker, 4);
    let spool = disk.path().join("spool");
    let mut relay = Relay::new(
        env!("CARGO_BIN_EXE_livebridge"),
        &broker.bootstrap(),
        &topics,
    )
    .set("spool.dir", &format!("{:?}", spool.display().to_string()))
    .set("spool.segment_bytes", "\"1MiB\"")
    .set("limits.body_bytes", "\"64KiB\"");
    relay.start();
    let plan = Plan {
        senders: 8,
        streams: 4,
        pause: Duration::ZERO,
        give_up_percent: 0,
    };
    let load = Load::start(&relay.address(), plan, &mut dice);
    load.wait_for_more(200, DEADLINE);

    broker.kill();
    wait_for_readyz(&relay, 503);
    let refused = relay.post(&callback::signed(&callback::recording("refused", 1)));
    assert_eq!(refused.status, 503);
    assert!(refused.header("retry-after").is_some());
    let at_full = load.answered();
    eprintln!(
        "full after {at_full}: {}",
        relay.status()["spool"]["full_because"]
    );

    // Not even what is kept free for deletion and checkpoint is left; and now a start, on top of it.
    disk.fill();
    relay.kill();
    relay.launch();
    wait::until("the start to be over", DEADLINE, || {
        (relay.admin("/startupz")?.status == 200).then_some(())
    });
    assert_eq!(relay.readyz(), Some(503));
    let flow = relay.metrics().flow();
    assert!(
        flow.pending > 100 && flow.pending == flow.recovered,
        "{flow}"
    );

    broker.start();
    relay.wait_until_settled(DEADLINE);
    disk.give_back();
    wait_for_readyz(&relay, 200);
    load.wait_for_more(500, DEADLINE);
    let journal = load.stop();
    let flow = relay.wait_until_settled(DEADLINE);
    let messages = reader::read(&broker.bootstrap(), &topics.names());
    let findings = oracle::check(&journal, &messages).unwrap_or_else(|faults| panic!("{faults}"));
    eprintln!(
        "{} answered 200; {flow}; in Kafka: {findings:?}",
        journal.answered()
    );
}

#[track_caller]
fn wait_for_readyz(relay: &Relay, status: u16) {
    wait::until("readiness to change", DEADLINE, || {
        (relay.readyz() == Some(status)).then_some(())
    });
}

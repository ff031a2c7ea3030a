//! The publisher's thread and the real librdkafka against its mock cluster, with a spool in memory.
//!
//! The mock checks neither sequences nor sizes and never lets go of an idea: what a broker says is injected. What only
//! a real broker can prove is proved in `tests/`.

mod codes;
mod relay;
mod turns;

use super::{Left, course::Mode};
use crate::{callback::names::Family, config::BODY_BYTES_MAX, spool::Seq};
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use relay::Relay;
use std::time::{Duration, Instant};

fn numbers(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("m{n}")).collect()
}

#[test]
fn records_arrive_in_order_and_are_checkpointed() {
    let mut relay = Relay::start(&["recording", "stream"]);
    relay.accept_many(Family::Recording, 0..500);
    relay.accept(Family::Quality, "off");
    relay.settles();
    assert_eq!(relay.first_appearances("recording", 500), numbers(500));
    assert_eq!(relay.counted("livebridge_published_total"), 500);
    assert_eq!(relay.counted("livebridge_discarded_total"), 1);
    assert_eq!(relay.stop(Duration::from_secs(5)), Left { records: 0 });
}

#[test]
fn a_blocked_topic_holds_back_nobody_else_and_flows_once_it_exists() {
    let relay = Relay::start(&["stream"]);
    // The mock makes a topic up when it is asked for one, unless it has an error.
    let unknown = RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
    relay.cluster.create_topic("recording", 1, 1).unwrap();
    relay.cluster.topic_error("recording", unknown).unwrap();
    relay.accept_many(Family::Recording, 0..50);
    relay.until("the lane is blocked", |_, status| {
        Relay::state(status, "recording") == Some(Mode::Blocked)
    });
    relay.accept_many(Family::Stream, 0..50);
    assert_eq!(relay.first_appearances("stream", 50), numbers(50));
    let fine = RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR;
    relay.cluster.topic_error("recording", fine).unwrap();
    relay.settles();
    assert_eq!(relay.first_appearances("recording", 50), numbers(50));
    assert_eq!(
        Relay::state(&relay.handle.status(), "recording"),
        Some(Mode::Flowing)
    );
}

#[test]
fn retriable_errors_keep_the_order() {
    let relay = Relay::start(&["recording", "stream"]);
    let errors = [
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT,
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS,
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS_AFTER_APPEND,
        RDKafkaRespErr::RD_KAFKA_RESP_ERR__TRANSPORT,
    ];
    relay
        .cluster
        .request_errors(RDKafkaApiKey::Produce, &errors);
    relay.accept_many(Family::Recording, 0..300);
    relay.settles();
    assert_eq!(relay.first_appearances("recording", 300), numbers(300));
}

#[test]
fn a_topic_refused_without_a_report_is_blocked_and_flows_by_itself() {
    // Twenty times a second, and not rarer.
    let often = [("retry.backoff.ms", "50"), ("retry.backoff.max.ms", "50")];
    let relay = Relay::start_with(&["recording", "stream"], &often);
    let refused = [RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS; 2_000];
    relay
        .cluster
        .request_errors(RDKafkaApiKey::Produce, &refused);
    relay.accept_many(Family::Recording, 0..50);
    relay.until("the lane is blocked", |_, status| {
        Relay::state(status, "recording") == Some(Mode::Blocked)
    });
    let status = relay.handle.status();
    let lane = |topic: &str| {
        let mut lanes = status.lanes.iter();
        lanes.find(|l| l.topic.as_deref() == Some(topic)).unwrap()
    };
    let why = lane("recording").last_error.as_deref().unwrap();
    assert!(why.starts_with("the brokers answer"), "{why}");
    assert_eq!(
        lane("stream").state,
        Mode::Flowing,
        "it has nothing to send"
    );
    assert_eq!(relay.gauge("livebridge_topic_blocked"), 1);
    relay.cluster.clear_request_errors(RDKafkaApiKey::Produce);
    relay.settles();
    relay.until("the lane flows again", |_, status| {
        Relay::state(status, "recording") == Some(Mode::Flowing)
    });
    assert_eq!(relay.gauge("livebridge_topic_blocked"), 0);
    assert_eq!(relay.first_appearances("recording", 50), numbers(50));
    assert_eq!(relay.handle.status().kafka.rebuilds, 0, "it was waited for");
}

#[test]
fn a_failed_report_rebuilds_the_producer_and_nothing_is_lost() {
    for error in [
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER,
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH,
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_PRODUCER_ID,
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_INVALID_REQUIRED_ACKS,
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED,
    ] {
        let relay = Relay::start(&["recording", "stream"]);
        relay.accept_many(Family::Recording, 0..20);
        relay.settles();
        relay
            .cluster
            .request_errors(RDKafkaApiKey::Produce, &[error]);
        relay.accept_many(Family::Recording, 20..120);
        relay.settles();
        assert_eq!(
            relay.first_appearances("recording", 120),
            numbers(120),
            "{error:?}"
        );
        assert_eq!(relay.counted("livebridge_published_total"), 120);
        assert!(relay.spool.0.lock().unwrap().aside.is_empty());
    }
}

#[test]
fn a_batch_refused_for_size_goes_singly_and_only_what_is_refused_alone_is_set_aside() {
    let relay = Relay::start(&["recording", "stream"]);
    let too_large = RDKafkaRespErr::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE;
    // The batch, then the first record when it goes alone.
    relay
        .cluster
        .request_errors(RDKafkaApiKey::Produce, &[too_large, too_large]);
    relay.accept_many(Family::Recording, 0..40);
    relay.settles();
    assert_eq!(relay.spool.0.lock().unwrap().aside, [(Seq(1), "too_large")]);
    assert_eq!(relay.first_appearances("recording", 39), numbers(40)[1..]);
    assert_eq!(relay.counted("livebridge_quarantined_total"), 1);
}

#[test]
fn a_body_taken_when_larger_ones_were_allowed_is_published() {
    let relay = Relay::start(&["recording", "stream"]);
    relay.accept(Family::Recording, "m0");
    relay.accept(Family::Recording, &"x".repeat(40 << 20));
    relay.accept(Family::Recording, "m1");
    relay.settles();
    assert!(relay.spool.0.lock().unwrap().aside.is_empty());
    assert_eq!(relay.counted("livebridge_published_total"), 3);
}

#[test]
fn what_the_client_itself_finds_too_large_is_set_aside_and_the_others_pass() {
    let relay = Relay::start(&["recording", "stream"]);
    relay.accept(Family::Recording, "m0");
    relay.accept(Family::Recording, &"x".repeat(BODY_BYTES_MAX + (64 << 10)));
    relay.accept(Family::Recording, "m1");
    relay.settles();
    assert_eq!(relay.spool.0.lock().unwrap().aside, [(Seq(2), "too_large")]);
    assert_eq!(relay.first_appearances("recording", 2), numbers(2));
}

#[test]
fn a_broker_that_was_down_gets_everything_when_it_is_back() {
    let mut relay = Relay::start(&["recording", "stream"]);
    relay.cluster.broker_down(-1).unwrap();
    relay.accept_many(Family::Recording, 0..100);
    relay.until("they wait", |_, status| {
        status.lanes.iter().any(|lane| lane.in_flight > 0)
    });
    assert_eq!(
        relay
            .spool
            .0
            .lock()
            .unwrap()
            .checkpoint
            .of(Family::Recording),
        Seq(0)
    );
    relay.cluster.broker_up(-1).unwrap();
    relay.settles();
    assert_eq!(relay.first_appearances("recording", 100), numbers(100));
    assert_eq!(relay.stop(Duration::from_secs(5)), Left { records: 0 });
}

#[test]
fn with_nothing_to_send_it_is_known_when_kafka_goes_and_when_it_is_back() {
    let relay = Relay::start(&["recording", "stream"]);
    let reachable = |is: bool| {
        relay.until(&format!("reachable: {is}"), |_, status| {
            status.kafka.reachable == Some(is)
        });
        assert_eq!(relay.gauge("livebridge_kafka_reachable"), i64::from(is));
    };
    reachable(true);
    relay.cluster.broker_down(-1).unwrap();
    reachable(false);
    relay.cluster.broker_up(-1).unwrap();
    reachable(true);
}

#[test]
fn a_dead_kafka_does_not_hold_up_the_end() {
    let mut relay = Relay::start(&["recording", "stream"]);
    relay.cluster.broker_down(-1).unwrap();
    relay.accept_many(Family::Recording, 0..100);
    let since = Instant::now();
    let left = relay.stop(Duration::from_millis(300));
    assert!(since.elapsed() < Duration::from_millis(300 + 3_500));
    assert_eq!(left, Left { records: 100 });
    assert_eq!(
        relay
            .spool
            .0
            .lock()
            .unwrap()
            .checkpoint
            .of(Family::Recording),
        Seq(0)
    );
}

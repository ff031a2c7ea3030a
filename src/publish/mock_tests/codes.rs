//! Each code that librdkafka knows, said by a broker about the second of several batches.

use super::{numbers, relay::Relay};
use crate::{
    callback::names::Family,
    publish::classify::{Class, Code},
};
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use std::{sync::Mutex, thread, time::Duration};

/// Relays side by side: most of the time each waits, for the end of a producer or for its next.
const RELAYS: usize = 12;
const BATCH: usize = 10;
const RECORDS: usize = 3 * BATCH;

/// What a broker can say, and a connection that breaks before it says anything. But for one: that a batch is there
/// already is an ack, and the mock says it of one that isn't.
fn codes() -> Vec<RDKafkaRespErr> {
    let is_there = RDKafkaRespErr::RD_KAFKA_RESP_ERR_DUPLICATE_SEQUENCE_NUMBER;
    let end = RDKafkaRespErr::RD_KAFKA_RESP_ERR_END_ALL as i32;
    let broken = RDKafkaRespErr::RD_KAFKA_RESP_ERR__TRANSPORT;
    let unknown = RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN;
    (1..end)
        .filter_map(|number| RDKafkaRespErr::try_from(number).ok())
        .chain([broken, unknown])
        .filter(|code| *code != is_there)
        .collect()
}

#[test]
fn each_code_in_the_middle_of_a_batch_loses_and_reorders_nothing() {
    let codes = codes();
    assert!(codes.len() > 100, "{} codes", codes.len());
    let left = Mutex::new(codes);
    thread::scope(|scope| {
        for _ in 0..RELAYS {
            scope.spawn(|| one_after_the_other(|| left.lock().unwrap().pop()));
        }
    });
}

fn one_after_the_other(mut next: impl FnMut() -> Option<RDKafkaRespErr>) {
    let batch = BATCH.to_string();
    let mut relay = Relay::start_with(&["recording", "stream"], &[("batch.num.messages", &batch)]);
    let mut count = 0;
    let mut said = Vec::new();
    while let Some(code) = next() {
        said.push(code);
        let fine = RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR;
        relay
            .cluster
            .request_errors(RDKafkaApiKey::Produce, &[fine, code]);
        relay.accept_many(Family::Recording, count..count + RECORDS);
        count += RECORDS;
        relay.settles();
        relay.cluster.clear_request_errors(RDKafkaApiKey::Produce);
        let what = Code(code as i32);
        let aside = relay.spool.0.lock().unwrap().aside.clone();
        assert!(aside.is_empty(), "{what}: taken alone, and yet set aside");
        assert_eq!(
            relay.counted("livebridge_published_total"),
            count as u64,
            "{what}: each is published once"
        );
        if let Class::Poison(_) | Class::Blocked = what.class() {
            let seen = relay.counted("livebridge_publish_errors_total");
            assert!(seen > 0, "{what}: nobody noticed");
        }
    }
    let first = relay.first_appearances("recording", count);
    assert_eq!(first, numbers(count), "{said:?}");
    relay.stop(Duration::from_secs(5));
}

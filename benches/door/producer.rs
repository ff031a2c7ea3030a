//! What the Kafka client alone can do: the same messages, without a relay around it.

use crate::generator;
use rdkafka::{
    ClientConfig, ClientContext,
    message::{DeliveryResult, Header, OwnedHeaders},
    producer::{BaseRecord, Producer, ProducerContext, ThreadedProducer},
};
use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};
use support::callback;

/// As long as the relay's.
const HEADERS: [(&str, &str); 7] = [
    ("ce_specversion", "1.0"),
    ("ce_source", "/callbacks/tencent"),
    ("ce_type", "com.tencent.css.recording.file"),
    ("ce_subject", "stream-777777"),
    ("ce_time", "2026-11-01T00:00:00.618577Z"),
    ("ce_receivedtime", "2026-11-01T00:00:00.618Z"),
    ("content-type", "application/json"),
];

static ACKED: AtomicU64 = AtomicU64::new(0);

struct Count;

impl ClientContext for Count {}

impl ProducerContext for Count {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, _: ()) {
        assert!(result.is_ok(), "the broker takes everything");
        ACKED.fetch_add(1, Ordering::Relaxed);
    }
}

/// Messages a second that an idempotent producer with `acks=all` and lz4, as the relay's, gets acknowledged.
pub(crate) fn rate(bootstrap: &str, topic: &str, count: u64) -> f64 {
    let producer: ThreadedProducer<Count> = ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .set("enable.idempotence", "true")
        .set("compression.codec", "lz4")
        .set("linger.ms", "25")
        .set("partitioner", "murmur2_random")
        .set("queue.buffering.max.messages", "200000")
        .create_with_context(Count)
        .expect("a producer");
    let before = ACKED.load(Ordering::Relaxed);
    let messages: Vec<_> = (0..generator::STREAMS).map(message).collect();
    let begin = Instant::now();
    for number in 0..count {
        let place = (number % generator::STREAMS) as usize;
        let Some((key, id, body)) = messages.get(place) else {
            continue;
        };
        let mut headers = OwnedHeaders::new_with_capacity(HEADERS.len() + 1);
        for (key, value) in HEADERS.into_iter().chain([("ce_id", id.as_str())]) {
            let value = Some(value);
            headers = headers.insert(Header { key, value });
        }
        let mut record = BaseRecord::to(topic)
            .key(key)
            .payload(body)
            .headers(headers);
        while let Err((_, back)) = producer.send(record) {
            record = back;
            producer.poll(Duration::from_millis(1));
        }
    }
    producer.flush(Duration::from_secs(120)).expect("all acks");
    assert_eq!(ACKED.load(Ordering::Relaxed) - before, count);
    count as f64 / begin.elapsed().as_secs_f64()
}

/// Key, id and value; made beforehand, and each another one, as the relay's are.
fn message(number: u64) -> (String, String, String) {
    let id = format!(
        "{:032x}",
        u128::from(number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)
    );
    let body = generator::body(77_700_000 + number, callback::fresh_t());
    (generator::stream(number), id, body)
}

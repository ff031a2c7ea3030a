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
    let body = generator::body(77_777_777, callback::fresh_t());
    let begin = Instant::now();
    for number in 0..count {
        let key = generator::stream(number);
        let mut headers = OwnedHeaders::new_with_capacity(8);
        for name in [
            "ce_specversion",
            "ce_id",
            "ce_source",
            "ce_type",
            "ce_subject",
            "ce_time",
            "content-type",
            "ce_receivedtime",
        ] {
            let value = Some("com.tencent.css.recording.file");
            headers = headers.insert(Header { key: name, value });
        }
        let mut record = BaseRecord::to(topic)
            .key(&key)
            .payload(&body)
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

//! One marked message to each topic.

use super::{TIMEOUT, client, without_values};
use crate::{cli::Failure, config::Kafka};
use rdkafka::{
    ClientContext, Message,
    message::{Header, OwnedHeaders},
    producer::{BaseProducer, BaseRecord, DeliveryResult, Producer, ProducerContext},
};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::time::Instant;

#[derive(Default)]
struct Reports(Mutex<BTreeMap<String, Result<(), String>>>);

#[derive(Clone, Default)]
struct ProbeContext(Arc<Reports>);

impl ClientContext for ProbeContext {}

impl ProducerContext for ProbeContext {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        let (topic, outcome) = match result {
            Ok(message) => (message.topic(), Ok(())),
            Err((e, message)) => (message.topic(), Err(e.to_string())),
        };
        let mut reports = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        reports.insert(topic.into(), outcome);
    }
}

/// Publishes one message marked with `livebridge-probe` to each topic, and says what became of it.
pub(in crate::cli) fn probe(
    kafka: &Kafka,
    topics: &[String],
    time: &str,
) -> Result<BTreeMap<String, Result<(), String>>, Failure> {
    let context = ProbeContext::default();
    let producer: BaseProducer<ProbeContext> = client(kafka)
        .set("acks", "all")
        .set("message.timeout.ms", TIMEOUT.as_millis().to_string())
        .create_with_context(context.clone())
        .map_err(|e| Failure::Failed(format!("kafka.properties: {}", without_values(&e))))?;
    let mut outcomes = BTreeMap::new();
    for topic in topics {
        let headers = OwnedHeaders::new()
            .insert(Header {
                key: "livebridge-probe",
                value: Some(time),
            })
            .insert(Header {
                key: "content-type",
                value: Some("application/json"),
            });
        let record = BaseRecord::<(), _, _>::to(topic)
            .payload("{}")
            .headers(headers);
        if let Err((e, _)) = producer.send(record) {
            outcomes.insert(topic.clone(), Err(e.to_string()));
        }
    }
    let deadline = Instant::now() + TIMEOUT * 2;
    while producer.in_flight_count() > 0 && Instant::now() < deadline {
        producer.poll(Duration::from_millis(50));
    }
    let reports = context.0.0.lock().unwrap_or_else(PoisonError::into_inner);
    for topic in topics {
        let reported = reports.get(topic).cloned();
        outcomes.entry(topic.clone()).or_insert_with(|| {
            reported.unwrap_or_else(|| Err("the broker didn't answer in time".into()))
        });
    }
    Ok(outcomes)
}

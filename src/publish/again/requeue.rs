//! Requeue: records of the quarantine, once more. Each leaves the quarantine only after Kafka has acked it.
//!
//! One at a time: a record that was refused before may be refused again, and takes its producer with it.

use super::{Fault, Tell, With, courier::Courier, kafka, mark};
use crate::publish::{
    broker::Broker,
    classify::Class,
    mailbox::RecordTicket,
    message::{Message, REQUEUED},
};
use crate::spool::{
    Record,
    look::aside::{Place, Shelf},
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Reasons told one by one; more are only counted.
const TOLD_MAX: usize = 100;

/// What a requeue did.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Requeued {
    /// Records acked and gone from the quarantine, by topic.
    pub by_topic: BTreeMap<String, u64>,
    /// How many stay there.
    pub left: u64,
    /// Why, of the first hundred.
    pub why: Vec<Left>,
}

/// A record that stays in the quarantine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Left {
    /// Its number.
    pub seq: u64,
    /// Why.
    pub why: String,
}

/// Publishes these records of the quarantine, and takes out each that was acked.
///
/// # Errors
/// When nobody answers, the disk fails, or `tell` broke it off. Records that Kafka refuses are no error; they stay.
pub fn requeue(
    shelf: &Shelf,
    places: &[Place],
    with: With<'_>,
    tell: Tell<'_>,
) -> Result<Requeued, Fault> {
    requeue_to(kafka(with.settings, false), shelf, places, with, tell)
}

pub(super) fn requeue_to<B: Broker>(
    broker: B,
    shelf: &Shelf,
    places: &[Place],
    with: With<'_>,
    tell: Tell<'_>,
) -> Result<Requeued, Fault> {
    let mut courier = Courier::new(broker, 1);
    let mut done = Requeued::default();
    for (place, number) in places.iter().zip(1..) {
        match one(&mut courier, shelf, place, with)? {
            Ok(topic) => {
                *done.by_topic.entry(topic.clone()).or_default() += 1;
                if let Some(metrics) = with.metrics {
                    metrics.requeued(&topic);
                }
            }
            Err(why) => {
                done.left += 1;
                if done.why.len() < TOLD_MAX {
                    done.why.push(Left {
                        seq: place.seq,
                        why,
                    });
                }
            }
        }
        if tell(number, places.len() as u64).is_break() {
            let rest = format!("; {number} of {} were tried", places.len());
            return Err(Fault::BrokenOff { rest });
        }
    }
    Ok(done)
}

/// The topic that has it now, or why it stays.
fn one<B: Broker>(
    courier: &mut Courier<B>,
    shelf: &Shelf,
    place: &Place,
    with: With<'_>,
) -> Result<Result<String, String>, Fault> {
    let record = match shelf.read(place) {
        Ok((_, record)) => record,
        Err(why) => return Ok(Err(why.to_string())),
    };
    let mut message = match message(&record, with) {
        Ok(message) => message,
        Err(why) => return Ok(Err(why)),
    };
    mark(&mut message, REQUEUED, with.clock);
    let ticket = RecordTicket {
        family: record.envelope.family,
        seq: record.seq,
        transaction: None,
    };
    let sent = courier
        .send(&message, ticket, &mut |_, _| true)
        .and_then(|()| courier.wait(0, &mut |_, _| true));
    match sent {
        Ok(()) => {
            shelf.remove(place).map_err(Fault::Quarantine)?;
            Ok(Ok(message.topic.to_string()))
        }
        Err(Fault::Refused { topic, code, .. })
            if matches!(code.class(), Class::Poison(_) | Class::Blocked) =>
        {
            courier.start_anew();
            Ok(Err(format!("topic {topic} doesn't take it: {code}")))
        }
        Err(fault) => Err(fault),
    }
}

fn message(record: &Record, with: With<'_>) -> Result<Message, String> {
    let rendering = &with.settings.rendering;
    let family = record.envelope.family;
    let topic = rendering
        .topic(family)
        .ok_or_else(|| format!("its family ({family}) is off"))?;
    rendering
        .message(record, topic)
        .map_err(|reason| reason.detail)
}

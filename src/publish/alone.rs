//! One record at a time: how a lane sends that can't go with the others.

use super::{
    Fault,
    broker::{Broker, Enqueued, Producer},
    feed::Took,
    lanes::LaneId,
    plan::Tick,
    publisher::{Publisher, Render},
    solo::Solo,
};
use crate::spool::{Outlet, Record};
use std::sync::Arc;

impl<O: Outlet, B: Broker, R: Render> Publisher<O, B, R> {
    /// Sends a record through a producer of the lane's own; in exactly-once in a transaction of its own, if its topic takes
    /// anything.
    pub(super) fn send_alone(
        &mut self,
        now: Tick,
        at: LaneId,
        topic: &Arc<str>,
        record: &Record,
    ) -> Result<Took, Fault> {
        let lane = &self.lanes[at];
        if lane.solo.has_record() {
            return Ok(Took::Later(None));
        }
        let message = match self.parts.render.message(record, topic) {
            Ok(message) => message,
            Err(reason) => return self.quarantine_unsent(now, at, record, &reason),
        };
        if self.exact.is_some() {
            return if lane.course.is_probed() && !lane.solo.is_in_turn() {
                self.probe(now, at, record)
            } else {
                self.send_alone_exact(now, at, record, &message)
            };
        }
        if !matches!(lane.solo, Solo::Sending { .. }) {
            match self.open() {
                Ok((id, producer)) => {
                    self.lanes[at].solo = Solo::Sending {
                        id,
                        producer,
                        record: None,
                    };
                }
                Err(error) => {
                    tracing::warn!(%error, topic = &**topic, "trying again later");
                    return Ok(self.later(now, at));
                }
            }
        }
        let ticket = self.ticket(record);
        let lane = &mut self.lanes[at];
        let Solo::Sending {
            producer,
            record: sent,
            ..
        } = &mut lane.solo
        else {
            return Ok(Took::Later(None));
        };
        match producer.enqueue(&message, ticket) {
            Enqueued::Taken => {
                lane.window.sent(
                    record.envelope.family,
                    record.seq,
                    record.envelope.body.len(),
                    record.accepted_at,
                );
                *sent = Some(record.clone());
                lane.tries.sent(self.acks);
                self.traced.sent(record, &*self.parts.clock);
                Ok(Took::Yes)
            }
            Enqueued::Full => Ok(self.later(now, at)),
            Enqueued::Refused(code) => self.refused_alone(now, at, record, code),
        }
    }
}

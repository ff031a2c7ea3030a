//! A topic that may take nothing is tried aside: in a transaction under a transactional id of its own, which is always
//! aborted. Nobody waits for it, and no reader of committed messages sees it.
//!
//! ```text
//!  open ─► ready ─► the record is sent ─┬─► acked ─► aborted: the lane joins the others again
//!                                       └─► refused, or had its time: blocked; the next try after 1 … 60 s
//! ```
//!
//! Within the transaction of all, a partition without a leader would hold up everybody, and not only while it is tried:
//! Kafka lets no next transaction begin under an id before the last one is over in all its partitions.

use super::{Purpose, transaction::Outcome};
use crate::{
    publish::{
        Fault,
        broker::{Ask, Broker, Enqueued, OpenError, Producer},
        classify::{Class, Code},
        feed::Took,
        lanes::LaneId,
        mailbox::{Answer, ProducerId, Ticket},
        plan::Tick,
        publisher::{Publisher, Render},
        solo::Solo,
        window::Standing,
    },
    spool::{Cursor, Next, Outlet, Record, Seq},
};
use std::sync::Arc;

impl<O: Outlet, B: Broker, R: Render> Publisher<O, B, R> {
    /// Begins to try the lane's topic: with the record that had its time there if there is one, else with this one, which
    /// is the lane's next.
    pub(in crate::publish) fn probe(
        &mut self,
        now: Tick,
        at: LaneId,
        record: &Record,
    ) -> Result<Took, Fault> {
        let suspected = self.suspected(at)?;
        match self.open_probe(at) {
            Ok((id, producer)) => {
                self.lanes[at].solo = Solo::Probing {
                    id,
                    producer,
                    record: suspected.unwrap_or_else(|| record.clone()),
                    is_asked: true,
                };
                Ok(Took::Later(None))
            }
            Err(error) => {
                tracing::warn!(%error, topic = self.topic(at), "the topic is tried later");
                self.put_off(now, at);
                Ok(Took::Later(self.not_before(now, at)))
            }
        }
    }

    /// The record that the topic had no time for, if it still has to go there.
    fn suspected(&self, at: LaneId) -> Result<Option<Record>, Fault> {
        let lane = &self.lanes[at];
        let Some((family, seq)) = lane.suspect else {
            return Ok(None);
        };
        if lane.window.standing(family, seq) == Standing::Over {
            return Ok(None);
        }
        let mut cursor = self.parts.outlet.cursor(Seq(seq.0.saturating_sub(1)));
        let next = cursor.next(&|other| other == family, seq);
        Ok(match next.map_err(Fault::Read)? {
            Some(Next::Record(record)) if record.seq == seq => Some(record),
            _ => None,
        })
    }

    fn open_probe(&mut self, at: LaneId) -> Result<(ProducerId, B::Producer), OpenError> {
        let Some(exact) = &self.exact else {
            return Err(OpenError("it was not asked for".into()));
        };
        let purpose = Purpose {
            spool_id: self.parts.outlet.spool_id().to_owned(),
            topic: Arc::clone(&exact.topic),
            runs: Vec::new(),
            tries: Some(self.topic(at).into()),
        };
        self.producers += 1;
        let id = ProducerId(self.producers);
        let reports = Arc::clone(&self.parts.reports);
        let producer = self
            .parts
            .broker
            .open_transactional(id, reports, &purpose)?;
        producer.ask(Ask::Prepare);
        Ok((id, producer))
    }

    /// The lane that this producer tries the topic of.
    pub(super) fn lane_tried_by(&self, id: ProducerId) -> Option<LaneId> {
        self.lanes.find(|lane| lane.solo.is_probed_by(id))
    }

    pub(super) fn probe_answered(
        &mut self,
        now: Tick,
        at: LaneId,
        answer: &Answer,
    ) -> Result<(), Fault> {
        match answer {
            Answer::Ready(_) => self.send_probe(now, at),
            Answer::NotYet => self.put_off(now, at),
            // No permission for the id, say: then the lane is tried in its turn, while the others wait.
            Answer::Useless => {
                let solo = &mut self.lanes[at].solo;
                solo.close();
                *solo = Solo::InTurn;
            }
            Answer::Commit(_) | Answer::Abort(_) => self.probed(at),
            Answer::Gone => return Err(Fault::Clerk),
        }
        Ok(())
    }

    fn send_probe(&mut self, now: Tick, at: LaneId) {
        let lane = &mut self.lanes[at];
        let Solo::Probing {
            producer,
            record,
            is_asked,
            ..
        } = &mut lane.solo
        else {
            return;
        };
        *is_asked = false;
        let Some(topic) = &lane.topic else { return };
        let Ok(message) = self.parts.render.message(record, topic) else {
            return self.put_off(now, at);
        };
        if producer.begin() != Outcome::Done {
            return self.put_off(now, at);
        }
        match producer.enqueue(&message, Ticket::Probe) {
            Enqueued::Taken => {}
            Enqueued::Full => self.put_off(now, at),
            Enqueued::Refused(code) => self.probe_failed(now, at, code),
        }
    }

    pub(super) fn probe_reported(&mut self, now: Tick, at: LaneId, result: Result<(), Code>) {
        match (result, &mut self.lanes[at].solo) {
            (
                Ok(()),
                Solo::Probing {
                    producer, is_asked, ..
                },
            ) => {
                *is_asked = true;
                producer.ask(Ask::Abort);
            }
            (Ok(()), _) => {}
            (Err(code), _) => self.probe_failed(now, at, code),
        }
    }

    /// The producer that tries the topic said that it is done for. If it was asked for something, its answer says more.
    pub(in crate::publish) fn probe_died(&mut self, now: Tick, at: LaneId, code: Code) {
        if matches!(
            self.lanes[at].solo,
            Solo::Probing {
                is_asked: false,
                ..
            }
        ) {
            self.probe_failed(now, at, code);
        }
    }

    /// The topic took it, and it is thrown away.
    fn probed(&mut self, at: LaneId) {
        let lane = &mut self.lanes[at];
        lane.solo.close();
        lane.course.probed();
        tracing::info!(topic = lane.topic.as_deref(), "the topic takes records");
        self.show_blocked(at);
        self.moved = true;
    }

    fn probe_failed(&mut self, now: Tick, at: LaneId, code: Code) {
        self.blame(at, code);
        let lane = &mut self.lanes[at];
        lane.verdict = None;
        lane.solo.close();
        if code.is_purge() {
            // The client purges all when a partition can't be added to the transaction, and says no more than that.
            lane.failed_for(format!(
                "the topic takes nothing; may it be written to? ({code})"
            ));
        }
        match code.class() {
            Class::Poison(_) => lane.course.judges(lane.window.passed()),
            Class::Fatal => lane.course.put_off(now),
            Class::Blocked | Class::Retriable => lane.course.stuck(now),
        }
        self.show_blocked(at);
        self.moved = true;
    }

    /// The topic could not be tried.
    fn put_off(&mut self, now: Tick, at: LaneId) {
        let lane = &mut self.lanes[at];
        lane.solo.close();
        lane.course.put_off(now);
    }
}

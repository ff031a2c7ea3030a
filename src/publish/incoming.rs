//! What has come by mail: reports of records, the ends of producers, word of the brokers.

use super::{
    Fault,
    broker::Broker,
    classify::Code,
    lanes::LaneId,
    mailbox::{Mail, ProducerId, Report, Ticket},
    plan::Tick,
    publisher::{CLOSING_MAX, Publisher, Render, Shared},
    solo::Why,
};
use crate::{
    callback::names::Family,
    spool::{Outlet, Seq},
};

impl<O: Outlet, B: Broker, R: Render> Publisher<O, B, R> {
    pub(super) fn take_mail(&mut self, now: Tick, mail: Mail) -> Result<(), Fault> {
        if let Some(within) = mail.stop_within {
            let at = now + within;
            self.stop_at = Some(self.stop_at.map_or(at, |other| other.min(at)));
        }
        if mail.all_down {
            self.note_unreachable();
        } else if mail.answered && self.note_reachable() {
            self.trouble = None;
        }
        if let Some(trouble) = mail.trouble {
            self.trouble = Some(trouble.after(self.trouble.take()));
            self.moved = true;
        }
        if mail.renew {
            self.renew(now);
        }
        for report in mail.reports {
            self.moved = true;
            self.take_report(now, report)?;
        }
        for (id, code) in mail.fatal {
            self.died(now, id, code);
        }
        for id in mail.closed {
            self.closed(now, id)?;
        }
        for (seq, acked) in mail.copied {
            self.moved = true;
            self.copied(seq, acked);
        }
        for (id, answer) in mail.answers {
            self.answered(now, id, answer)?;
        }
        for heard in mail.heard {
            self.heard(now, heard);
        }
        Ok(())
    }

    pub(super) fn is_shared(&self, id: ProducerId) -> bool {
        match self.shared {
            Shared::Open(shared, _) | Shared::Closing { id: shared, .. } => shared == id,
            Shared::Waiting { .. } => false,
        }
    }

    fn take_report(&mut self, now: Tick, report: Report) -> Result<(), Fault> {
        if self.exact.is_some() {
            return self.take_exact_report(now, report);
        }
        // In at-least-once nothing else is sent.
        let Ticket::Record(of) = report.ticket else {
            return Ok(());
        };
        if self.is_shared(report.producer) {
            match report.result {
                Ok(()) => {
                    self.acked(of.family, of.seq);
                    if matches!(self.shared, Shared::Open(..)) {
                        self.backoff.reset();
                    }
                }
                Err(code) => {
                    self.blame(self.lanes.of(of.family), code);
                    self.end_shared(now);
                }
            }
            return Ok(());
        }
        let at = self.lanes.of(of.family);
        let solo = &mut self.lanes[at].solo;
        let gave_way = solo.gave_way(report.producer);
        let theirs = solo.take(report.producer, of.seq);
        match (theirs, report.result) {
            // Of a producer that has ended: its records are due again already.
            (None, _) => Ok(()),
            (Some(_), Ok(())) => {
                self.acked(of.family, of.seq);
                self.alone_settled(at);
                Ok(())
            }
            // We threw it away ourselves, which says nothing about the topic.
            (Some(_), Err(code)) if gave_way && code.is_purge() => {
                self.go_back(at);
                Ok(())
            }
            (Some(record), Err(code)) => self.alone_failed(now, at, &record, code),
        }
    }

    /// A producer said that it is done for, maybe before it said what became of its records.
    fn died(&mut self, now: Tick, id: ProducerId, code: Code) {
        // What is asked is answered, and the answer says more.
        if self.is_shared(id) && !self.is_asking() {
            self.end_shared(now);
        }
        for at in self.lanes.ids() {
            let solo = &mut self.lanes[at].solo;
            solo.ends(id, Why::Died(code), now + CLOSING_MAX);
            if solo.is_probed_by(id) {
                self.probe_died(now, at, code);
            }
        }
    }

    /// A producer has said all that it ever will.
    pub(super) fn closed(&mut self, now: Tick, id: ProducerId) -> Result<(), Fault> {
        if matches!(self.shared, Shared::Closing { id: closing, .. } if closing == id) {
            self.shared_ended(now);
        }
        for at in self.lanes.ids() {
            match self.lanes[at].solo.closed(id) {
                Some((record, Why::Died(code))) => self.alone_failed(now, at, &record, code)?,
                // It says nothing about the topic.
                Some((_, Why::Renewed)) => self.go_back(at),
                None => {}
            }
        }
        Ok(())
    }

    /// A broker has done what it was asked for.
    pub(super) fn reached(&mut self) {
        self.note_reachable();
        self.trouble = None;
    }

    /// True: it wasn't, so what was wrong is over. Whatever else is wrong stays known.
    fn note_reachable(&mut self) -> bool {
        let before = self.kafka.reachable.replace(true);
        self.moved |= before != Some(true);
        let is_back = before == Some(false);
        if is_back {
            tracing::info!("Kafka is in reach again");
            self.parts.metrics.kafka_reachable(true);
        }
        is_back
    }

    fn note_unreachable(&mut self) {
        if self.kafka.reachable != Some(false) {
            tracing::warn!(
                "Kafka is out of reach: no broker answers; what was accepted waits, in order"
            );
            self.parts.metrics.kafka_reachable(false);
            self.moved = true;
        }
        // With nothing to send, nothing else would tell when it is back.
        self.parts.watch.look_soon();
        self.kafka.reachable = Some(false);
    }

    /// An ack: the only way to be published.
    pub(super) fn acked(&mut self, family: Family, seq: Seq) {
        let at = self.lanes.of(family);
        let now = self.parts.clock.now();
        self.acks += 1;
        self.reached();
        let lane = &mut self.lanes[at];
        let accepted_at = lane.window.settle(family, seq);
        lane.worked();
        let topic = lane.topic.as_deref().unwrap_or_default();
        self.parts.metrics.published(topic, now.since(accepted_at));
        self.traced.published(seq, topic, now);
        self.parts.outlet.acked(seq);
    }

    /// Notes an error for the lane; what it means for its course is decided when the shared producer has ended.
    pub(super) fn blame(&mut self, at: LaneId, code: Code) {
        let lane = &mut self.lanes[at];
        if code.is_purge() {
            return;
        }
        let topic = lane.topic.as_deref().unwrap_or_default();
        self.parts.metrics.failed(topic, code);
        if lane.verdict.is_none() {
            tracing::warn!(topic, code = %code, class = code.class().label(), "a record was not taken");
        }
        lane.failed(code);
        lane.verdict = lane.verdict.max(Some(code.class()));
    }
}

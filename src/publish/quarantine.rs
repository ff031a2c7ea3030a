//! Records that go alone, and records that go nowhere: the quarantine first, only then is one settled.

use super::{
    Fault,
    broker::Broker,
    classify::{Class, Code},
    course::{Alone, Way},
    feed::Took,
    lanes::LaneId,
    message::Message,
    plan::Tick,
    publisher::{Publisher, Render},
    suspicion::Tries,
};
use crate::spool::{Aside, Outlet, QuarantineError, Reason, Record, Seq};
use std::{io::ErrorKind, time::Duration};

/// How long a copy that is owed is waited for: longer than its producer tries.
const COPY_MAX: Duration = Duration::from_secs(75);

impl<O: Outlet, B: Broker, R: Render> Publisher<O, B, R> {
    /// The client itself refused a record for the shared producer. Nothing was enqueued, so there is no gap.
    pub(super) fn refused(
        &mut self,
        now: Tick,
        at: LaneId,
        record: &Record,
        code: Code,
    ) -> Result<Took, Fault> {
        let idle = self.lanes[at].window.in_flight() == 0;
        self.moved = true;
        match code.class() {
            Class::Poison(refusal) => {
                self.parts.metrics.failed(self.topic(at), code);
                let detail = format!("refused by the client: {code}");
                let reason = self.reason(at, refusal.label(), detail);
                self.quarantine(now, at, record, &reason)
            }
            Class::Blocked if idle => {
                self.blame(at, code);
                let lane = &mut self.lanes[at];
                lane.verdict = None;
                lane.course.block(now, None);
                if let Way::NotBefore(at) = lane.course.way(now) {
                    self.wake_at(at);
                }
                self.show_blocked(at);
                Ok(Took::Later(None))
            }
            Class::Blocked | Class::Retriable | Class::Fatal if self.exact.is_some() => {
                self.refused_exact(now, at, code)
            }
            Class::Blocked | Class::Retriable | Class::Fatal => {
                self.blame(at, code);
                self.end_shared(now);
                Ok(Took::Later(None))
            }
        }
    }

    /// A record sent alone failed.
    pub(super) fn alone_failed(
        &mut self,
        now: Tick,
        at: LaneId,
        record: &Record,
        code: Code,
    ) -> Result<(), Fault> {
        if self.judge_alone(now, at, record, code)? {
            self.alone_settled(at);
        } else {
            self.go_back(at);
        }
        Ok(())
    }

    /// The lane's own producer refused the record at once.
    pub(super) fn refused_alone(
        &mut self,
        now: Tick,
        at: LaneId,
        record: &Record,
        code: Code,
    ) -> Result<Took, Fault> {
        if self.judge_alone(now, at, record, code)? {
            self.alone_settled(at);
            Ok(Took::Yes)
        } else {
            Ok(Took::Later(self.not_before(now, at)))
        }
    }

    /// Ends the lane's own producer and decides about the record. True: it is settled, in quarantine.
    pub(super) fn judge_alone(
        &mut self,
        now: Tick,
        at: LaneId,
        record: &Record,
        code: Code,
    ) -> Result<bool, Fault> {
        self.blame(at, code);
        let (is_exact, acks) = (self.exact.is_some(), self.acks);
        let lane = &mut self.lanes[at];
        lane.verdict = None;
        lane.solo.close();
        // In a transaction of its own nobody else's ack can be had meanwhile.
        let takes_nothing = if is_exact {
            lane.course.is_probed()
        } else {
            lane.tries.failed(acks)
        };
        let judgement = lane.course.alone_failed(now, code.class(), takes_nothing);
        self.show_blocked(at);
        match judgement {
            Alone::Again => Ok(false),
            Alone::Quarantine(refusal) => {
                let reason = self.reason(at, refusal.label(), format!("refused alone: {code}"));
                self.set_aside(now, at, record, &reason)
            }
        }
    }

    /// Puts a record into the quarantine that can't be sent, by its lane, in its order.
    pub(super) fn quarantine(
        &mut self,
        now: Tick,
        at: LaneId,
        record: &Record,
        reason: &Reason,
    ) -> Result<Took, Fault> {
        if self.set_aside(now, at, record, reason)? {
            self.lanes[at].course.room_again();
            Ok(Took::Yes)
        } else {
            Ok(Took::Later(self.not_before(now, at)))
        }
    }

    /// The same for a lane that sends one at a time. It says nothing about the topic: a blocked one stays so.
    pub(super) fn quarantine_unsent(
        &mut self,
        now: Tick,
        at: LaneId,
        record: &Record,
        reason: &Reason,
    ) -> Result<Took, Fault> {
        if !self.set_aside(now, at, record, reason)? {
            return Ok(Took::Later(self.not_before(now, at)));
        }
        let course = &mut self.lanes[at].course;
        if course.is_probed() {
            course.room_again();
        } else {
            self.alone_settled(at);
        }
        Ok(Took::Yes)
    }

    /// The record that the lane had sent alone, or would have, is settled: the lane may join the others again.
    pub(super) fn alone_settled(&mut self, at: LaneId) {
        let lane = &mut self.lanes[at];
        lane.tries = Tries::default();
        lane.course.alone_settled(lane.window.restart());
        if lane.course.way(Tick::MAX) == Way::Shared {
            lane.solo.close();
            tracing::info!(topic = lane.topic.as_deref(), "the lane flows again");
        }
        self.show_blocked(at);
    }

    /// Something of ours, not of the record, was in the way of sending it alone.
    pub(super) fn later(&mut self, now: Tick, at: LaneId) -> Took {
        let lane = &mut self.lanes[at];
        lane.solo.close();
        lane.course.alone_failed(now, Class::Retriable, false);
        Took::Later(self.not_before(now, at))
    }

    pub(super) fn reason(&self, at: LaneId, label: &'static str, detail: String) -> Reason {
        Reason {
            label,
            detail,
            topic: self.topic(at).into(),
        }
    }

    pub(super) fn not_before(&self, now: Tick, at: LaneId) -> Option<Tick> {
        match self.lanes[at].course.way(now) {
            Way::NotBefore(at) => Some(at),
            Way::Shared | Way::Alone => Some(now),
        }
    }

    /// True: the quarantine holds it, fsynced, and it is settled. False: no room, the lane waits; nothing is dropped.
    fn set_aside(
        &mut self,
        now: Tick,
        at: LaneId,
        record: &Record,
        reason: &Reason,
    ) -> Result<bool, Fault> {
        self.moved = true;
        let lane = &mut self.lanes[at];
        match self.parts.outlet.quarantine(record, reason) {
            Ok(Aside::Kept) => {}
            Ok(Aside::OwesCopy) => return Ok(self.owe_copy(now, at, record, reason)),
            Err(error) if is_full(&error) => {
                tracing::error!(%error, seq = record.seq.0, topic = reason.topic, "the lane waits");
                lane.failed_for(error.to_string());
                lane.course.no_room(now);
                return Ok(false);
            }
            Err(QuarantineError::Io(error)) => return Err(Fault::Quarantine(error)),
            Err(error) => {
                return Err(Fault::Quarantine(std::io::Error::other(error)));
            }
        }
        lane.settle_here(record);
        self.parts.metrics.quarantined(reason.label);
        self.traced.forget(record.seq);
        tracing::warn!(
            seq = record.seq.0,
            ce_id = %record.ce_id,
            reason = reason.label,
            detail = reason.detail,
            "a record went to the quarantine"
        );
        if let Some(copy) = self.parts.render.quarantine_copy(record, reason)
            && !self.parts.copies.offer(copy, None)
        {
            tracing::warn!(seq = record.seq.0, ce_id = %record.ce_id, "no copy of it: too many wait for Kafka");
            self.parts.metrics.copy_dropped();
        }
        Ok(true)
    }
}

/// A record that is settled by its copy.
#[derive(Debug, Clone, Copy)]
pub(super) struct Owed {
    /// Of its [`Reason`].
    label: &'static str,
    /// Without a word until then, the copy is given up.
    until: Tick,
}

impl<O: Outlet, B: Broker, R: Render> Publisher<O, B, R> {
    /// There is no local quarantine: the lane goes on, and the record is settled when all in-sync replicas have its copy. False:
    /// too many wait for that already, the lane waits.
    fn owe_copy(&mut self, now: Tick, at: LaneId, record: &Record, reason: &Reason) -> bool {
        // What was cut isn't kept.
        let copy = self.parts.render.quarantine_copy(record, reason);
        let copy = copy.filter(Message::is_whole);
        let can_be_kept = copy.is_some();
        let lane = &mut self.lanes[at];
        if copy.is_some_and(|copy| !self.parts.copies.offer(copy, Some(record.seq))) {
            lane.failed_for("too many copies for topics.quarantine wait for Kafka".into());
            lane.course.no_room(now);
            return false;
        }
        lane.settle_here(record);
        let owed = Owed {
            label: reason.label,
            until: now + COPY_MAX,
        };
        self.owed.insert(record.seq, owed);
        self.traced.forget(record.seq);
        self.parts.outlet.copying(record.seq);
        self.wake_at(owed.until);
        tracing::warn!(
            seq = record.seq.0,
            ce_id = %record.ce_id,
            reason = reason.label,
            detail = reason.detail,
            "a callback can't be published: it is answered 200 once topics.quarantine has it"
        );
        if !can_be_kept {
            self.copied(record.seq, false);
        }
        true
    }

    /// What became of a copy. A word about one that isn't owed any more comes too late.
    pub(super) fn copied(&mut self, seq: Seq, acked: bool) {
        let Some(owed) = self.owed.remove(&seq) else {
            return;
        };
        if acked {
            self.parts.metrics.quarantined(owed.label);
        } else {
            tracing::error!(
                seq = seq.0,
                "topics.quarantine didn't take a callback that can't be published: its sender is answered 503"
            );
        }
        self.parts.outlet.copied(seq, acked);
    }

    /// Gives up copies that nobody says anything about.
    pub(super) fn tend_owed(&mut self, now: Tick) {
        let over = |(_, owed): &(&Seq, &Owed)| owed.until <= now;
        let over: Vec<Seq> = self.owed.iter().filter(over).map(|(seq, _)| *seq).collect();
        for seq in over {
            self.copied(seq, false);
        }
        if let Some(until) = self.owed.values().map(|owed| owed.until).min() {
            self.wake_at(until);
        }
    }
}

/// A full disk passes; any other error of a write may not be tried again, since a failed sync says nothing true the
/// second time.
fn is_full(error: &QuarantineError) -> bool {
    match error {
        QuarantineError::Full { .. } => true,
        QuarantineError::Io(error) => matches!(
            error.kind(),
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded
        ),
    }
}

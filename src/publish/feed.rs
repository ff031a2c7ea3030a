//! Records from the spool into the lanes: who reads, who may send, who has to fall behind.

use super::{
    Fault,
    broker::{Broker, Enqueued, Producer},
    course::Way,
    exact::By,
    lane::Lane,
    lanes::LaneId,
    mailbox::{RecordTicket, Ticket},
    message::Message,
    place::{Entry, Place},
    plan::Tick,
    publisher::{Publisher, Render, Shared},
    window::Standing,
};
use crate::{
    callback::names::Family,
    clock::Millis,
    spool::{Next, Outlet, Reason, Record, Seq},
};
use std::{sync::Arc, time::Duration};

/// Records at a time from one cursor, before reports and the other lanes get their turn.
const BATCH: usize = 512;
/// How long the head cursor waits for room in one lane's window before that lane has to fall behind.
const PATIENCE: Duration = Duration::from_millis(20);
/// When to try again after the client's queue was full and no report came.
const AFTER_QUEUE_FULL: Duration = Duration::from_millis(10);

/// Whether a lane took an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Took {
    /// Sent, settled, or passed over.
    Yes,
    /// Its window is full: for a moment, or for long.
    Full,
    /// Not before something happens, or this time comes.
    Later(Option<Tick>),
}

impl<O: Outlet, B: Broker, R: Render> Publisher<O, B, R> {
    /// Lets every lane that fell behind catch up, then the head cursor go on.
    pub(super) fn feed(&mut self, now: Tick) -> Result<(), Fault> {
        self.more = false;
        for at in self.lanes.ids() {
            self.catch_up(now, at)?;
        }
        self.advance_head(now)
    }

    fn catch_up(&mut self, now: Tick, at: LaneId) -> Result<(), Fault> {
        for _ in 0..BATCH {
            let limit = self.head.passed();
            let lane = &mut self.lanes[at];
            let Some(own) = &mut lane.own else {
                return Ok(());
            };
            let families = &lane.families;
            let next = own
                .next(&|family| families.contains(&family), limit)
                .map_err(Fault::Read)?;
            let passed = own.passed();
            let Some(mut entry) = next else {
                lane.window.pass_to(passed);
                if passed >= limit {
                    lane.own = None;
                    lane.waiting = None;
                    self.moved = true;
                    return Ok(());
                }
                continue;
            };
            let wait = match self.offer(now, at, &mut entry)? {
                Took::Yes => continue,
                Took::Full => None,
                Took::Later(wait) => wait,
            };
            if let Some(wait) = wait {
                self.wake_at(wait);
            }
            self.hold_back(at, entry);
            return Ok(());
        }
        self.more = true;
        self.wake_at(now);
        Ok(())
    }

    /// The lane keeps the entry for its next try. One that has rejoined the head cursor meanwhile has no place to keep it in: the head
    /// reads it again.
    fn hold_back(&mut self, at: LaneId, entry: Entry) {
        let lane = &mut self.lanes[at];
        lane.waiting = entry.accepted_at();
        if let Some(own) = &mut lane.own {
            own.hold(entry);
        }
    }

    fn advance_head(&mut self, now: Tick) -> Result<(), Fault> {
        for _ in 0..BATCH {
            let end = self.parts.outlet.durable_end();
            let lanes = &self.lanes;
            let wanted = |family: Family| {
                let lane = lanes.iter().find(|l| l.families.contains(&family));
                lane.is_some_and(Lane::is_attached)
            };
            let next = self.head.next(&wanted, end).map_err(Fault::Read)?;
            let Some(entry) = next else {
                self.pass_attached(self.head.passed());
                if self.head.passed() >= end {
                    return Ok(());
                }
                continue;
            };
            if !self.dispatch(now, entry)? {
                return Ok(());
            }
        }
        self.pass_attached(self.head.passed());
        self.more = true;
        self.wake_at(now);
        Ok(())
    }

    /// Gives the head's entry to its lane. False: the head has to wait.
    fn dispatch(&mut self, now: Tick, mut entry: Entry) -> Result<bool, Fault> {
        let family = entry.family();
        let seq = entry.seq();
        let at = self.lanes.of(family);
        self.pass_attached(Seq(seq.0.saturating_sub(1)));
        if !self.lanes[at].is_attached() {
            // It fell behind while the head held this entry; it will read it itself.
            self.stalled = None;
            return Ok(true);
        }
        match self.offer(now, at, &mut entry)? {
            Took::Yes => {
                self.stalled = None;
                return Ok(true);
            }
            // A full transaction holds back everybody, and not for long.
            Took::Full if self.exact.is_some() => {
                self.head.hold(entry);
                return Ok(false);
            }
            Took::Full => {
                let until = *self.stalled.get_or_insert(now) + PATIENCE;
                if now < until {
                    self.head.hold(entry);
                    self.wake_at(until);
                    return Ok(false);
                }
            }
            Took::Later(wait) => {
                if let Some(wait) = wait {
                    self.wake_at(wait);
                }
            }
        }
        self.stalled = None;
        self.fall_behind(at, seq);
        self.hold_back(at, entry);
        Ok(true)
    }

    /// From here on the lane has a cursor of its own.
    fn fall_behind(&mut self, at: LaneId, seq: Seq) {
        let lane = &mut self.lanes[at];
        if lane.is_attached() {
            self.moved = true;
            lane.own = Some(Place::new(self.parts.outlet.cursor(seq)));
        }
    }

    fn pass_attached(&mut self, passed: Seq) {
        for lane in self.lanes.iter_mut().filter(|lane| lane.is_attached()) {
            lane.window.pass_to(passed);
        }
    }

    /// Tries to get one entry on its way.
    fn offer(&mut self, now: Tick, at: LaneId, entry: &mut Entry) -> Result<Took, Fault> {
        let family = entry.family();
        let was_committed = self.was_committed(family, entry.seq());
        let lane = &mut self.lanes[at];
        let standing = lane.window.standing(family, entry.seq());
        if standing == Standing::Over {
            return Ok(Took::Yes);
        }
        let record = match &entry.next {
            Next::Record(record) => record,
            Next::Corrupt { seq, .. } => {
                lane.window.settled_unsent(family, *seq, Millis::default());
                self.parts.outlet.settled_corrupt();
                self.parts.metrics.corrupt();
                self.moved = true;
                return Ok(Took::Yes);
            }
        };
        let Some(topic) = lane.topic.clone() else {
            lane.window
                .settled_unsent(family, record.seq, record.accepted_at);
            self.parts.metrics.discarded(family);
            self.moved = true;
            return Ok(Took::Yes);
        };
        if let Some(by) = was_committed {
            lane.window
                .settled_unsent(family, record.seq, record.accepted_at);
            match by {
                By::This => self.parts.metrics.found_published(&topic),
                By::AnEarlierRun => {
                    self.parts.metrics.found_settled();
                    self.parts.outlet.settled_by_an_earlier_run();
                }
            }
            self.traced.forget(record.seq);
            self.moved = true;
            return Ok(Took::Yes);
        }
        let took = match lane.course.way(now) {
            Way::NotBefore(at) => Took::Later(Some(at)),
            Way::Shared => self.send_shared(now, at, &topic, record, &mut entry.made)?,
            Way::Alone => self.send_alone(now, at, &topic, record)?,
        };
        if took == Took::Yes {
            self.moved = true;
            if standing == Standing::Due {
                self.parts.metrics.sent_again();
            }
        }
        Ok(took)
    }

    fn send_shared(
        &mut self,
        now: Tick,
        at: LaneId,
        topic: &Arc<str>,
        record: &Record,
        made: &mut Option<Result<Message, Reason>>,
    ) -> Result<Took, Fault> {
        let lane = &mut self.lanes[at];
        if !matches!(self.shared, Shared::Open(..)) || self.renew_by.is_some() {
            return Ok(self.without_producer());
        }
        let standing = lane.window.standing(record.envelope.family, record.seq);
        let (slot, own) = (lane.window.has_slot(standing), lane.window.load());
        let others = self.lanes.others(at).map(|lane| lane.window.load());
        if !slot || !self.room.admits(own, others, record.envelope.body.len()) {
            return Ok(Took::Full);
        }
        let render = || self.parts.render.message(record, topic);
        let message = match made.take().unwrap_or_else(render) {
            Ok(message) => message,
            Err(reason) => return self.quarantine(now, at, record, &reason),
        };
        if !self.admit(now, None, record.envelope.body.len())? {
            *made = Some(Ok(message));
            return Ok(Took::Full);
        }
        let ticket = self.ticket(record);
        let Shared::Open(_, producer) = &self.shared else {
            return Ok(self.without_producer());
        };
        let lane = &mut self.lanes[at];
        match producer.enqueue(&message, ticket) {
            Enqueued::Taken => {
                lane.window.sent(
                    record.envelope.family,
                    record.seq,
                    record.envelope.body.len(),
                    record.accepted_at,
                );
                lane.course.room_again();
                self.traced.sent(record, &*self.parts.clock);
                self.sent(at, record.envelope.body.len());
                Ok(Took::Yes)
            }
            Enqueued::Full => {
                *made = Some(Ok(message));
                self.wake_at(now + AFTER_QUEUE_FULL);
                Ok(Took::Full)
            }
            Enqueued::Refused(code) => self.refused(now, at, record, code),
        }
    }

    /// In exactly-once a lane needn't go its own way meanwhile: the others wait, too.
    const fn without_producer(&self) -> Took {
        if self.exact.is_some() {
            Took::Full
        } else {
            Took::Later(None)
        }
    }

    pub(super) fn ticket(&self, record: &Record) -> Ticket {
        Ticket::Record(RecordTicket {
            family: record.envelope.family,
            seq: record.seq,
            transaction: self.transaction(),
        })
    }
}

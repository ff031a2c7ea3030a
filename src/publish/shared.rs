//! The life of the shared producer, who polls it, the end of others, and the regular tick: checkpoint, gauges.

use super::{
    Fault,
    broker::{Broker, OpenError, Producer},
    classify::Code,
    lane::Lane,
    lanes::LaneId,
    mailbox::ProducerId,
    place::Place,
    plan::Tick,
    publisher::{CLOSING_MAX, Publisher, Render, Shared, TICK},
    solo::Solo,
    trouble::Trouble,
};
use crate::spool::Outlet;
use std::{mem, sync::Arc};

impl<O: Outlet, B: Broker, R: Render> Publisher<O, B, R> {
    /// Opens the next producer when it is time, and gives up waiting for one that doesn't end.
    pub(super) fn tend_shared(&mut self, now: Tick) {
        match self.shared {
            _ if self.has_stood_down() => {}
            Shared::Open(..) => {}
            Shared::Closing { until, .. } if now >= until => self.shared_ended(now),
            Shared::Closing { until, .. } => self.wake_at(until),
            Shared::Waiting { until } if now >= until => self.open_shared(now),
            Shared::Waiting { until } => self.wake_at(until),
        }
    }

    /// The same for the producers that lanes have of their own.
    pub(super) fn tend_solos(&mut self, now: Tick) -> Result<(), Fault> {
        for at in self.lanes.ids() {
            match self.lanes[at].solo {
                Solo::Closing { id, until, .. } if now >= until => self.closed(now, id)?,
                Solo::Closing { until, .. } => self.wake_at(until),
                _ => {}
            }
        }
        Ok(())
    }

    fn open_shared(&mut self, now: Tick) {
        self.moved = true;
        match self.open() {
            Ok((id, producer)) => self.shared = Shared::Open(id, producer),
            Err(error) => {
                tracing::warn!(%error, "trying again later");
                self.trouble = Some(Trouble::of_error(Code::FAIL, &error.to_string()));
                let until = now + self.backoff.next_wait();
                self.shared = Shared::Waiting { until };
                self.wake_at(until);
            }
        }
    }

    /// A new producer with a number of its own.
    pub(super) fn open(&mut self) -> Result<(ProducerId, B::Producer), OpenError> {
        self.producers += 1;
        let id = ProducerId(self.producers);
        let producer = if self.exact.is_some() {
            self.open_exact(id)?
        } else {
            let reports = Arc::clone(&self.parts.reports);
            self.parts.broker.open(id, reports)?
        };
        Ok((id, producer))
    }

    /// Lets reports come in, if that is the publisher's turn.
    pub(super) fn poll_inline(&self) {
        if let (true, Shared::Open(_, producer)) = (self.turn.is_ours(), &self.shared) {
            producer.poll_inline();
        }
    }

    /// So many reports came: who polls next.
    pub(super) fn take_turns(&mut self, now: Tick, reports: usize) {
        if self.turn.heard(now, reports) {
            self.resume_polling();
        }
        if let Some(at) = self.turn.look_at(now) {
            self.wake_at(at);
        }
    }

    /// The producer's thread polls.
    pub(super) fn resume_polling(&self) {
        if let Shared::Open(_, producer) = &self.shared {
            producer.resume_polling();
        }
    }

    /// Something failed: from here on nothing is enqueued, what it holds is thrown away, and every lane goes back to
    /// what isn't settled. Missing reports aren't waited for beyond `CLOSING_MAX`; some never come.
    pub(super) fn end_shared(&mut self, now: Tick) {
        let until = now + CLOSING_MAX;
        if let Shared::Open(id, _) = self.shared
            && let Shared::Open(_, producer) =
                mem::replace(&mut self.shared, Shared::Closing { id, until })
        {
            self.moved = true;
            producer.close();
            self.wake_at(until);
            self.turn_off();
        }
    }

    /// The shared producer has ended. Each lane starts again at its contiguous settlement.
    pub(super) fn shared_ended(&mut self, now: Tick) {
        self.moved = true;
        self.kafka.rebuilds += 1;
        self.parts.metrics.rebuilt();
        // In exactly-once the checkpoint in Kafka says what is due again.
        if self.exact.is_none() {
            self.begin_again(now);
        }
        let until = now + self.backoff.next_wait();
        tracing::info!(wait = ?(until.saturating_sub(now)), "the producer is replaced");
        self.shared = Shared::Waiting { until };
        self.wake_at(until);
    }

    /// Each lane, with what the end of the shared producer means for it.
    fn begin_again(&mut self, now: Tick) {
        let losers = self.lanes.iter().filter(|lane| lane.loses()).count();
        for at in self.lanes.ids() {
            let lane = &mut self.lanes[at];
            // A lane with a record in a producer of its own has none in the shared one.
            if lane.solo.has_record() {
                continue;
            }
            let others_lose = losers > usize::from(lane.loses());
            let end = lane.ended(others_lose);
            if lane.course.shared_failed(now, end) {
                let topic = lane.topic.as_deref();
                tracing::warn!(
                    topic,
                    "others wait for what this topic doesn't take: it is tried by itself"
                );
            }
            self.go_back(at);
            self.show_blocked(at);
        }
    }

    /// What the lane had sent is due again; a cursor of its own starts before the first of it.
    pub(super) fn go_back(&mut self, at: LaneId) {
        let head = self.head.passed();
        let lane = &mut self.lanes[at];
        lane.window.rewind();
        let restart = lane.window.restart();
        if !lane.is_attached() || restart < head {
            lane.own = Some(Place::new(self.parts.outlet.cursor(restart)));
        }
    }

    /// Writes the checkpoint and renews the gauges, not more often than each [`TICK`].
    pub(super) fn tick(&mut self, now: Tick) -> Result<(), Fault> {
        if !self.moved {
            return Ok(());
        }
        if now < self.tick_at {
            self.wake_at(self.tick_at);
            return Ok(());
        }
        self.moved = false;
        self.tick_at = now + TICK;
        self.ticks += 1;
        let oldest = self.lanes.iter().filter_map(Lane::oldest).min();
        self.parts.metrics.oldest_pending(oldest);
        self.checkpoint()
    }

    /// Stores how far everything is settled, if that has changed.
    pub(super) fn checkpoint(&mut self) -> Result<(), Fault> {
        let settled = self.settled();
        if settled != self.written {
            let end = self.parts.outlet.durable_end();
            assert!(settled.most() <= end, "a checkpoint must never lead");
            self.parts
                .outlet
                .checkpoint(&settled)
                .map_err(Fault::Checkpoint)?;
            self.written = settled;
        }
        Ok(())
    }

    pub(super) fn show_blocked(&mut self, at: LaneId) {
        let lane = &self.lanes[at];
        if let Some(topic) = lane.topic.as_deref() {
            self.parts.metrics.blocked(topic, lane.is_blocked());
            self.parts.outlet.blocked(&lane.families, lane.is_blocked());
        }
    }

    pub(super) fn topic(&self, at: LaneId) -> &str {
        self.lanes[at].topic.as_deref().unwrap_or_default()
    }
}

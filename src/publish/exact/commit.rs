//! The end of a transaction: when it takes no more, its checkpoint, what is published by its commit, and what its abort
//! means.

use super::transaction::{Do, Phase};
use crate::{
    callback::names::Family,
    publish::{
        Fault,
        broker::{Ask, Broker, Enqueued, Producer},
        classify::{Class, Code},
        course::Mode,
        lanes::LaneId,
        mailbox::Ticket,
        message::Message,
        plan::Tick,
        publisher::{Publisher, Render, Shared},
        trouble::Trouble,
        window::Standing,
    },
    spool::{Outlet, Record, Seq},
};
use std::{mem, sync::Arc, time::Duration};

/// What is said of a transaction that doesn't end.
const HANGS: &str = "a transaction doesn't end, and nothing is published meanwhile: a partition that has a part in it takes nothing, \
    or its coordinator doesn't answer";
/// How long a checkpoint without records waits for records to go with.
const EMPTY_AFTER: Duration = Duration::from_secs(1);
/// Without anything to commit: a rival is noticed, and the brokers don't forget who this is.
const HEARTBEAT: Duration = Duration::from_secs(60);

impl<O: Outlet, B: Broker, R: Render> Publisher<O, B, R> {
    /// After the feed had its turn: takes no more into the transaction if it has enough, or there is nothing more; sends
    /// a checkpoint without records if one is due.
    pub(in crate::publish) fn tend_exact(&mut self, now: Tick) -> Result<(), Fault> {
        if self.has_stood_down() {
            return Ok(());
        }
        self.ask_again(now);
        let Some(exact) = &mut self.exact else {
            return Ok(());
        };
        let next = exact.transaction.tend(now);
        self.act(now, next)?;
        self.close_transaction(now)?;
        self.checkpoint_alone(now)?;
        let Some(exact) = &mut self.exact else {
            return Ok(());
        };
        if let Some(late) = exact.transaction.overdue(now) {
            let record = self.lanes[late].solo.take_of_transaction();
            let refused = record.map(|record| (late, record, Code::MSG_TIMED_OUT));
            self.failed(now, refused)?;
        }
        self.tell_if_it_hangs(now);
        if let Some(at) = self
            .exact
            .as_ref()
            .and_then(|exact| exact.transaction.wake())
        {
            self.wake_at(at);
        }
        Ok(())
    }

    /// Kafka writes the end of a transaction to each partition that has a part in it. If one takes nothing, everybody waits, and no
    /// report says why.
    fn tell_if_it_hangs(&mut self, now: Tick) {
        let Some(exact) = &mut self.exact else { return };
        let number = exact.transaction.number();
        match exact.transaction.hangs_from() {
            Some(from) if now >= from && exact.hangs != number => {
                exact.hangs = number;
                let phase = exact.transaction.phase();
                tracing::warn!(
                    ?phase,
                    "a transaction doesn't end, and nothing is published meanwhile"
                );
                self.trouble = Some(Trouble::plain(HANGS.into()));
                self.moved = true;
            }
            Some(from) if now < from => self.wake_at(from),
            _ => {}
        }
    }

    fn close_transaction(&mut self, now: Tick) -> Result<(), Fault> {
        let (more, Some(exact)) = (self.more, &mut self.exact) else {
            return Ok(());
        };
        let more = match exact.transaction.alone() {
            None => more,
            // One at a time: the next goes when this one is reported, unless this was a probe.
            Some(at) => {
                exact.transaction.is_waiting() && self.lanes[at].course.mode() == Mode::Singly
            }
        };
        let next = exact.transaction.fed(now, more);
        self.act(now, next)
    }

    /// What was settled without a record of its own, in quarantine, say, is to be committed, too.
    fn checkpoint_alone(&mut self, now: Tick) -> Result<(), Fault> {
        let Some(exact) = &self.exact else {
            return Ok(());
        };
        if exact.transaction.phase() != Phase::Idle {
            return Ok(());
        }
        let at = match exact.claimed {
            false => exact.not_before,
            true if self.is_up_to_date() => exact.committed_at + HEARTBEAT,
            true if self.is_stopping() => exact.not_before,
            true => exact.not_before.max(exact.committed_at + EMPTY_AFTER),
        };
        if now < at {
            self.wake_at(at);
            return Ok(());
        }
        self.claim(now)
    }

    /// Whether all that is settled here is in a committed checkpoint, and nothing is under way.
    pub(in crate::publish) fn is_up_to_date(&self) -> bool {
        let Some(exact) = &self.exact else {
            return true;
        };
        let mut settled = exact.committed;
        for lane in &self.lanes {
            lane.window.report(&mut settled);
        }
        // Without a broker there is no producer, and what isn't there has nothing under way.
        let idle = matches!(exact.transaction.phase(), Phase::Idle | Phase::Off);
        settled == exact.committed && idle
    }

    /// Does what the transaction asks for.
    pub(super) fn act(&mut self, now: Tick, next: Do) -> Result<(), Fault> {
        match next {
            Do::Nothing => return Ok(()),
            Do::Seal => return self.seal(now),
            Do::Commit => self.ask(Ask::Commit),
            Do::Abort => self.ask(Ask::Abort),
            Do::Advance => self.advance(now),
            Do::Rewind => return self.rewind(now),
            Do::Rebuild => self.end_shared(now),
        }
        self.moved = true;
        Ok(())
    }

    fn ask(&self, ask: Ask) {
        if let Shared::Open(_, producer) = &self.shared {
            producer.ask(ask);
        }
    }

    fn seal(&mut self, now: Tick) -> Result<(), Fault> {
        let payload = self.checkpoint_value();
        let key = self.parts.outlet.spool_id().as_bytes().to_vec();
        let (Some(exact), Shared::Open(_, producer)) = (&self.exact, &self.shared) else {
            return Ok(());
        };
        let ticket = Ticket::Checkpoint(exact.transaction.number());
        let message = Message {
            topic: Arc::clone(&exact.topic),
            key: Some(key),
            headers: Vec::new(),
            payload,
        };
        match producer.enqueue(&message, ticket) {
            Enqueued::Taken => Ok(()),
            Enqueued::Full => self.failed(now, None),
            Enqueued::Refused(code) => {
                self.checkpoint_refused(code);
                self.failed(now, None)
            }
        }
    }

    /// The transaction is committed: all of it is published.
    fn advance(&mut self, now: Tick) {
        self.publish_sent(|_, _| true);
        self.backoff.reset();
        self.reached();
        let Some(exact) = &mut self.exact else { return };
        exact.committed = exact.sealed;
        exact.committed_at = now;
        exact.commits += 1;
        exact.claimed = true;
        exact.last_seen = Some(self.parts.outlet.instance());
        if let Some(at) = exact.transaction.alone() {
            self.alone_settled(at);
        }
    }

    /// What was sent, and is settled, is published; the rest is due again.
    pub(super) fn publish_sent(&mut self, is_settled: impl Fn(Family, Seq) -> bool) {
        let now = self.parts.clock.now();
        for lane in &mut self.lanes {
            let topic = lane.topic.as_deref().unwrap_or_default();
            let before = lane.window.in_flight();
            lane.window.resolve(&is_settled, |seq, accepted_at| {
                self.parts.metrics.published(topic, now.since(accepted_at));
                self.traced.published(seq, topic, now);
            });
            if before > 0 {
                lane.worked();
            }
        }
    }

    /// The transaction is aborted: all of it is due again.
    fn rewind(&mut self, now: Tick) -> Result<(), Fault> {
        self.moved = true;
        for lane in &mut self.lanes {
            lane.window.rewind();
        }
        let blamed = self.settle_blame(now)?;
        self.lanes.ids().for_each(|at| self.go_back(at));
        let wait = self.backoff.next_wait();
        if let Some(exact) = &mut self.exact
            && !blamed
        {
            exact.not_before = now + wait;
            self.wake_at(now + wait);
        }
        Ok(())
    }

    /// What the failure of the last transaction means for its lanes, if it failed: whoever is to blame goes on alone. If nobody
    /// is, everybody who may be is tried aside, and the others go on. Returns whether somebody is to blame.
    pub(super) fn settle_blame(&mut self, now: Tick) -> Result<bool, Fault> {
        let Some(exact) = &mut self.exact else {
            return Ok(false);
        };
        let alone = exact.transaction.alone();
        let account = mem::take(&mut exact.account);
        let refused = exact.refused.take();
        let mut blamed = refused.is_some();
        let mut fatal = false;
        let mut ends = Vec::new();
        for at in self.lanes.ids() {
            let lane = &mut self.lanes[at];
            lane.solo.take_of_transaction();
            // They went down with the same transaction, and are told apart by what is known of it.
            let end = lane.ended(false);
            blamed |= matches!(end.class, Some(Class::Blocked | Class::Poison(_)));
            fatal |= end.class == Some(Class::Fatal);
            ends.push((at, end));
        }
        for (at, end) in ends {
            let lane = &mut self.lanes[at];
            if alone.is_none() {
                lane.course.shared_failed(now, end);
            }
            if !blamed && !fatal && account.is_suspect(at) {
                lane.course.doubt(now);
            }
            self.show_blocked(at);
        }
        if let Some((at, record, code)) = refused {
            self.judge_refused(now, at, &record, code)?;
        }
        Ok(blamed)
    }

    /// A record failed in a transaction that its lane had for itself.
    fn judge_refused(
        &mut self,
        now: Tick,
        at: LaneId,
        record: &Record,
        code: Code,
    ) -> Result<(), Fault> {
        let (family, seq) = (record.envelope.family, record.seq);
        let lane = &mut self.lanes[at];
        lane.solo.turn_is_over();
        if lane.window.standing(family, seq) == Standing::Over {
            return Ok(());
        }
        if code == Code::MSG_TIMED_OUT || code.is_purge() {
            lane.suspect = Some((family, seq));
            lane.course.stuck(now);
            self.blame(at, code);
            self.lanes[at].verdict = None;
            self.show_blocked(at);
            return Ok(());
        }
        if self.judge_alone(now, at, record, code)? {
            self.alone_settled(at);
        }
        Ok(())
    }
}

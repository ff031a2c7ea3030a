//! What goes into the transaction under way, and what its reports mean.

use super::{
    account::Account,
    transaction::{Do, Outcome, Phase},
};
use crate::{
    callback::names::Family,
    publish::{
        Fault,
        broker::{Broker, Enqueued, Producer},
        classify::Code,
        feed::Took,
        lanes::LaneId,
        mailbox::{RecordTicket, Report, Ticket},
        message::Message,
        plan::Tick,
        publisher::{Publisher, Render, Shared},
        trouble::Trouble,
    },
    spool::{Outlet, Record, Seq},
};
use std::time::Duration;

/// What is under way may take this long when the run leaves.
pub(super) const LEAVES_FOR: Duration = Duration::from_millis(500);

/// Which run committed a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::publish) enum By {
    /// Without hearing of it.
    This,
    /// Which may have published it, or put it aside; it counted it then.
    AnEarlierRun,
}

impl<O: Outlet, B: Broker, R: Render> Publisher<O, B, R> {
    /// Whether a record may be sent now: in at-least-once always, else in a transaction, which begins with it if need
    /// be. `alone` names the lane that wants one for itself.
    pub(in crate::publish) fn admit(
        &mut self,
        now: Tick,
        alone: Option<LaneId>,
        bytes: usize,
    ) -> Result<bool, Fault> {
        let Some(exact) = &mut self.exact else {
            return Ok(true);
        };
        if exact.transaction.phase() == Phase::Idle {
            if now < exact.not_before {
                let at = exact.not_before;
                self.wake_at(at);
                return Ok(false);
            }
            if alone.is_some() && exact.others_turn {
                exact.deferred = true;
                return Ok(false);
            }
            if !exact.claimed {
                return Ok(false);
            }
            self.begin(now, alone)?;
        }
        let exact = self.exact.as_ref();
        Ok(exact.is_some_and(|exact| exact.transaction.admits(alone, bytes)))
    }

    /// Begins a transaction, if it can.
    pub(super) fn begin(&mut self, now: Tick, alone: Option<LaneId>) -> Result<(), Fault> {
        let (Some(exact), Shared::Open(_, producer)) = (&mut self.exact, &self.shared) else {
            return Ok(());
        };
        if exact.transaction.phase() != Phase::Idle || now < exact.not_before {
            return Ok(());
        }
        match producer.begin() {
            Outcome::Done => {
                exact.transaction.began(now, alone);
                exact.account = Account::default();
                exact.refused = None;
                exact.others_turn = alone.is_some();
                Ok(())
            }
            Outcome::Again => {
                let at = now + self.backoff.next_wait();
                exact.not_before = at;
                self.wake_at(at);
                Ok(())
            }
            Outcome::MustAbort | Outcome::Unknown => {
                exact.transaction.off();
                self.act(now, Do::Rebuild)
            }
        }
    }

    /// The number of the transaction under way, for tickets; none in at-least-once.
    pub(in crate::publish) fn transaction(&self) -> Option<u64> {
        let exact = self.exact.as_ref();
        exact.map(|exact| exact.transaction.number())
    }

    /// A record of this lane was enqueued.
    pub(in crate::publish) fn sent(&mut self, at: LaneId, bytes: usize) {
        if let Some(exact) = &mut self.exact {
            exact.account.sent(at);
            exact.transaction.sent(bytes);
        }
    }

    /// Whether the record was settled by a commit before this run, or by one of which it had no word.
    pub(in crate::publish) fn was_committed(&self, family: Family, seq: Seq) -> Option<By> {
        let exact = self.exact.as_ref()?;
        let by = match exact.before {
            Some(before) if seq <= before.of(family) => By::AnEarlierRun,
            _ => By::This,
        };
        (seq <= exact.floor.of(family)).then_some(by)
    }

    /// Sends a record in a transaction that its lane has for itself.
    pub(in crate::publish) fn send_alone_exact(
        &mut self,
        now: Tick,
        at: LaneId,
        record: &Record,
        message: &Message,
    ) -> Result<Took, Fault> {
        let bytes = record.envelope.body.len();
        if !self.admit(now, Some(at), bytes)? {
            return Ok(Took::Later(None));
        }
        let ticket = self.ticket(record);
        let Shared::Open(_, producer) = &self.shared else {
            return Ok(Took::Later(None));
        };
        let lane = &mut self.lanes[at];
        match producer.enqueue(message, ticket) {
            Enqueued::Taken => {
                lane.window.sent(
                    record.envelope.family,
                    record.seq,
                    bytes,
                    record.accepted_at,
                );
                lane.solo.in_transaction(record.clone());
                self.traced.sent(record, &*self.parts.clock);
                self.sent(at, bytes);
                Ok(Took::Yes)
            }
            Enqueued::Full => Ok(Took::Later(None)),
            Enqueued::Refused(code) => {
                self.failed(now, Some((at, record.clone(), code)))?;
                Ok(Took::Later(None))
            }
        }
    }

    /// The client itself refused a record for the transaction under way, which can't go on then.
    pub(in crate::publish) fn refused_exact(
        &mut self,
        now: Tick,
        at: LaneId,
        code: Code,
    ) -> Result<Took, Fault> {
        self.blame(at, code);
        self.failed(now, None)?;
        Ok(Took::Later(None))
    }

    /// A report about a record, or the checkpoint, of the transaction under way.
    pub(in crate::publish) fn take_exact_report(
        &mut self,
        now: Tick,
        report: Report,
    ) -> Result<(), Fault> {
        if let Some(at) = self.lane_tried_by(report.producer) {
            self.probe_reported(now, at, report.result);
            return Ok(());
        }
        let Some(exact) = &mut self.exact else {
            return Ok(());
        };
        let ours = matches!(self.shared, Shared::Open(id, _) if id == report.producer);
        let number = exact.transaction.number();
        match report.ticket {
            Ticket::Record(of) if ours && of.transaction == Some(number) => {
                self.take_record_report(now, of, report.result)
            }
            Ticket::Checkpoint(of) if ours && of == number => match report.result {
                Ok(()) => {
                    let next = exact.transaction.sealed();
                    self.act(now, next)
                }
                Err(code) => {
                    self.checkpoint_refused(code);
                    self.failed(now, None)
                }
            },
            _ => Ok(()),
        }
    }

    fn take_record_report(
        &mut self,
        now: Tick,
        of: RecordTicket,
        result: Result<(), Code>,
    ) -> Result<(), Fault> {
        let exact = self.exact.as_ref();
        let has_it_alone = exact.and_then(|exact| exact.transaction.alone());
        let at = self.lanes.of(of.family);
        let alone = if has_it_alone == Some(at) {
            self.lanes[at].solo.take_of_transaction()
        } else {
            None
        };
        match (result, alone) {
            (Ok(()), _) => {
                let Some(exact) = &mut self.exact else {
                    return Ok(());
                };
                exact.account.acked(at);
                let next = exact.transaction.acked();
                self.act(now, next)
            }
            (Err(code), Some(record)) => self.failed(now, Some((at, record, code))),
            (Err(code), None) => {
                self.blame_exact(at, of, code);
                self.failed(now, None)
            }
        }
    }

    /// A failed report. Which record had its time is remembered: its partition is the one to try.
    fn blame_exact(&mut self, at: LaneId, of: RecordTicket, code: Code) {
        if code == Code::MSG_TIMED_OUT
            && let Some(exact) = &mut self.exact
        {
            let lane = &mut self.lanes[at];
            exact.account.timed_out(at);
            if lane.verdict.is_none() {
                lane.suspect = Some((of.family, of.seq));
            }
        }
        self.blame(at, code);
    }

    pub(super) fn checkpoint_refused(&mut self, code: Code) {
        let Some(exact) = &self.exact else { return };
        if !code.is_purge() {
            let topic = &*exact.topic;
            tracing::warn!(topic, code = %code, "a checkpoint was not taken: nothing is published meanwhile");
            self.trouble = Some(Trouble::plain(format!("{topic}: {code}")));
        }
    }

    /// Something in the transaction under way failed.
    pub(in crate::publish) fn failed(
        &mut self,
        now: Tick,
        refused: Option<(LaneId, Record, Code)>,
    ) -> Result<(), Fault> {
        let Some(exact) = &mut self.exact else {
            return Ok(());
        };
        let next = exact.transaction.failed();
        if next == Do::Abort {
            exact.account.failed();
            exact.refused = refused;
        }
        self.act(now, next)
    }
}

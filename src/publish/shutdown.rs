//! The publisher's end: the last checkpoint, what still comes while the producers close, and how much is left.

use super::{
    Fault, Left,
    broker::Broker,
    lane::Lane,
    mailbox::{Mail, Ticket},
    plan::Tick,
    publisher::{Publisher, Render, Shared},
};
use crate::spool::Outlet;

impl<O: Outlet, B: Broker, R: Render> Publisher<O, B, R> {
    /// The last checkpoint, and the end of all producers. [`Self::closing`] says when they are done.
    pub(super) fn close(&mut self, now: Tick) -> Result<(), Fault> {
        self.resume_polling();
        self.checkpoint()?;
        if self.exact.is_some() {
            self.leave(now)?;
        } else {
            self.end_shared(now);
        }
        for lane in &mut self.lanes {
            lane.solo.close();
        }
        Ok(())
    }

    /// Acks that still come while the producers close are worth having.
    pub(super) fn closing(&mut self, now: Tick, mail: Mail) -> Result<Option<Tick>, Fault> {
        if self.exact.is_some() {
            self.take_mail(now, mail)?;
            if let Some(by) = self.leaving(now) {
                return Ok(Some(by));
            }
            self.end_shared(now);
            return self.closed_by(now);
        }
        for report in mail.reports {
            if let Ticket::Record(of) = report.ticket
                && self.is_shared(report.producer)
                && report.result.is_ok()
            {
                self.acked(of.family, of.seq);
            }
        }
        if let Shared::Closing { id, until } = self.shared
            && mail.closed.contains(&id)
        {
            self.shared = Shared::Waiting { until };
        }
        self.closed_by(now)
    }

    /// Until when the end of the producer is waited for; none if it has ended, or had its time.
    fn closed_by(&mut self, now: Tick) -> Result<Option<Tick>, Fault> {
        match self.shared {
            Shared::Closing { until, .. } if now < until => Ok(Some(until)),
            _ => {
                self.checkpoint()?;
                Ok(None)
            }
        }
    }

    pub(super) fn left(&self) -> Left {
        Left {
            records: self.parts.metrics.pending(),
        }
    }

    /// Everything durable is settled.
    pub(super) fn is_empty(&self) -> bool {
        self.head.passed() >= self.parts.outlet.durable_end()
            && self.lanes.iter().all(Lane::is_idle)
            && self.owed.is_empty()
            && self.is_up_to_date()
    }
}

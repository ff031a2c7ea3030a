//! The publisher's side of a real spool.

use super::{
    checkpoint::Checkpoint,
    cursor::LogCursor,
    lineage::{self, Run, Written},
    outlet::{Aside, Lineage, Outlet, QuarantineError, Reason, Settled},
    quarantine::Quarantine,
    record::{Record, Seq},
    segment::Instance,
    shared::{Shared, locked},
};
use crate::clock::Clock;
use std::{
    io,
    sync::{Arc, atomic::Ordering},
};

/// See [`Outlet`].
pub struct LogOutlet {
    shared: Arc<Shared>,
    checkpoint: Checkpoint,
    quarantine: Quarantine,
    at_start: Settled,
    clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for LogOutlet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LogOutlet").finish_non_exhaustive()
    }
}

impl LogOutlet {
    pub(in crate::spool) fn new(
        shared: Arc<Shared>,
        checkpoint: Checkpoint,
        quarantine: Quarantine,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let at_start = checkpoint.settled();
        Self {
            shared,
            checkpoint,
            quarantine,
            at_start,
            clock,
        }
    }
}

impl Lineage for LogOutlet {
    fn spool_id(&self) -> &str {
        &self.shared.spool_id
    }

    fn instance(&self) -> Instance {
        self.shared.instance
    }

    fn written(&self) -> Vec<Written> {
        locked(&self.shared.view).written()
    }

    fn enlist(&mut self) -> io::Result<Vec<Run>> {
        lineage::enlist(&*self.shared.disk, &self.written(), self.shared.instance)
    }

    fn rival(&self) -> Option<String> {
        locked(&self.shared.rival).clone()
    }

    fn stand_down(&mut self, rival: Instance, covered: &Settled) -> io::Result<()> {
        // First the door: what comes from now on is better sent to whoever publishes.
        *locked(&self.shared.rival) = Some(rival.to_string());
        self.shared.stood_down.store(true, Ordering::Release);
        lineage::stand_down(&*self.shared.disk, rival, covered)
    }

    fn settled_by_an_earlier_run(&self) {
        self.shared.metrics.recovered_records.dec();
    }
}

impl Outlet for LogOutlet {
    type Cursor = LogCursor;

    fn cursor(&self, after: Seq) -> LogCursor {
        LogCursor::new(Arc::clone(&self.shared), after)
    }

    fn durable_end(&self) -> Seq {
        locked(&self.shared.view).durable()
    }

    fn settled_at_start(&self) -> Settled {
        self.at_start
    }

    fn checkpoint(&mut self, settled: &Settled) -> io::Result<()> {
        let durable = self.durable_end();
        self.checkpoint.store(settled, durable)?;
        self.shared.settle(settled)
    }

    fn quarantine(&mut self, record: &Record, reason: &Reason) -> Result<Aside, QuarantineError> {
        let now = self.clock.now();
        self.quarantine
            .put(&*self.shared.disk, record, reason, now)?;
        self.shared.show_quarantine();
        Ok(Aside::Kept)
    }

    fn settled_corrupt(&self) {
        self.shared.metrics.corrupt_records.inc();
    }
}

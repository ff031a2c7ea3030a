//! A whole spool in one hand, over a disk that forgets: for the simulation of the whole pipeline. Its threads are loops around
//! what is called here: the writer's `commit`, the housekeeper's `step`.

use super::{
    append::{AfterSync, Append, Appender},
    disk::{Dir, ReadDisk},
    housekeeper,
    log_outlet::LogOutlet,
    metrics::Metrics,
    opened::{OpenError, Report, Status},
    shared::Shared,
    store::{Settings, make},
    tests::fake_disk::{FakeDisk, Survives},
    writer::Writer,
};
use crate::{clock::Clock, metrics::Callbacks};
use prometheus::{IntGauge, Registry};
use std::{io, sync::Arc};
use tokio::sync::mpsc;

/// What a crash leaves.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Crash {
    /// kill -9, or an exit: everything that was written is still in the page cache.
    Kill,
    /// A power cut at its worst: nothing but what was synced.
    PowerCut,
    /// A power cut: some of the unsynced sectors, torn and out of order, by this seed.
    Torn(u64),
}

/// A disk that dies, fails and fills up as told.
#[derive(Clone)]
pub(crate) struct SimulatedDisk(FakeDisk);

impl SimulatedDisk {
    pub(crate) fn new() -> Self {
        Self(FakeDisk::new())
    }

    pub(crate) fn calls(&self) -> u64 {
        self.0.calls()
    }

    /// From the call with this number on, nothing works any more.
    pub(crate) fn die_at(&self, call: u64) {
        self.0.die_at(call);
    }

    /// This one call fails.
    pub(crate) fn fail_at(&self, call: u64) {
        self.0.fail_at(call);
    }

    /// Free bytes of the filesystem.
    pub(crate) fn set_free(&self, free: u64) {
        self.0.set_free(free);
    }

    pub(crate) fn after(&self, crash: Crash) -> Self {
        Self(self.0.after_crash(match crash {
            Crash::Kill => Survives::All,
            Crash::PowerCut => Survives::Nothing,
            Crash::Torn(seed) => Survives::Some(seed),
        }))
    }

    /// The names of the files of the quarantine.
    pub(crate) fn quarantine(&self) -> Vec<String> {
        self.0.list(Dir::Quarantine).unwrap()
    }
}

/// The spool of one process.
pub(crate) struct SimulatedSpool {
    pub(crate) pending: IntGauge,
    pub(crate) report: Report,
    shared: Arc<Shared>,
    writer: Writer,
    queue: mpsc::Receiver<Append>,
    clock: Arc<dyn Clock>,
}

impl SimulatedSpool {
    pub(crate) fn open(
        disk: &SimulatedDisk,
        settings: Settings<'_>,
        clock: &Arc<dyn Clock>,
        registry: &Registry,
        callbacks: Callbacks,
    ) -> Result<(Self, Appender, LogOutlet), OpenError> {
        let metrics = Metrics::register(registry)?;
        let ready = make(settings, Arc::new(disk.0.clone()), None, &**clock, metrics)?;
        let shared = ready.shared;
        let (appender, queue) = Appender::new(
            settings.limits.inflight_requests,
            settings.limits.inflight_bytes,
            Arc::clone(&shared.stood_down),
        );
        let writer = Writer::new(
            Arc::clone(&shared),
            ready.start,
            callbacks,
            AfterSync::default(),
        );
        let outlet = LogOutlet::new(
            Arc::clone(&shared),
            ready.checkpoint,
            ready.quarantine,
            Arc::clone(clock),
        );
        let spool = Self {
            pending: shared.metrics.pending_records.clone(),
            report: ready.report,
            shared,
            writer,
            queue,
            clock: Arc::clone(clock),
        };
        Ok((spool, appender, outlet))
    }

    /// One step of the writer's thread, with a batch of at most `most`.
    pub(crate) fn write(&mut self, most: usize) -> io::Result<()> {
        let mut batch = Vec::new();
        while batch.len() < most
            && let Ok(append) = self.queue.try_recv()
        {
            batch.push(append);
        }
        if batch.is_empty() {
            return Ok(());
        }
        self.writer.commit(&mut batch, self.clock.now())
    }

    /// One step of the housekeeper's thread.
    pub(crate) fn keep_house(&self) {
        housekeeper::step(&self.shared, self.clock.now());
    }

    /// The end of the writer's thread by an error: whoever waits hears so.
    pub(crate) fn fail(&mut self) {
        self.queue.close();
        while self.queue.try_recv().is_ok() {}
    }

    /// The end of the writer's thread, when the last appender is gone.
    pub(crate) fn finish(self) {
        self.writer.finish();
        housekeeper::step(&self.shared, self.clock.now());
    }

    pub(crate) fn status(&self) -> Status {
        self.shared.status()
    }
}

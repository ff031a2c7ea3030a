//! A spool without threads: each step is made by hand.

use super::super::{
    append::{AfterSync, Append, AppendError, Appender, Durable, Receipt},
    disk::{Dir, Disk},
    housekeeper,
    log_outlet::LogOutlet,
    metrics::Metrics,
    opened::Report,
    outlet::{Cursor, Next, Outlet, Settled},
    record::{CeId, Envelope, Record, Seq},
    segment::Name,
    shared::Shared,
    store::{Settings, make},
    writer::Writer,
};
use crate::{
    callback::names::{EventName, Family, SourceName},
    clock::{Clock, Millis},
    config::{self, Dedup, Limits},
    metrics::{Callbacks, Outcome},
};
use prometheus::Registry;
use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};
use tokio::sync::mpsc;

/// A clock that stands still until told.
#[derive(Debug, Default)]
pub(in crate::spool) struct HandClock(pub(in crate::spool) AtomicU64);

impl Clock for HandClock {
    fn now(&self) -> Millis {
        Millis(self.0.load(Ordering::SeqCst))
    }
}

pub(in crate::spool) fn source() -> SourceName {
    SourceName::parse("tencent").unwrap()
}

pub(in crate::spool) fn spool_settings(max_bytes: u64) -> config::Spool {
    config::Spool {
        dir: "unused".into(),
        max_bytes,
        segment_bytes: 1,
        retain: Duration::ZERO,
        quarantine_max_bytes: 1 << 20,
    }
}

pub(in crate::spool) fn limits(body_bytes: usize) -> Limits {
    Limits {
        body_bytes,
        header_bytes: 1 << 14,
        connections: 64,
        connections_per_address: None,
        inflight_requests: 4096,
        inflight_bytes: 64 << 20,
    }
}

pub(in crate::spool) const DEDUP: Dedup = Dedup {
    window: Duration::from_secs(1800),
    max_entries: 1000,
};

/// From here to a million, a callback takes half a segment.
pub(in crate::spool) const BIG: u64 = 500_000;

/// A callback: its identity is its number, its body says it. Even ones are of one family, odd ones of another; from a million on
/// the millions are the family's code.
pub(in crate::spool) fn envelope(n: u64) -> Envelope {
    Envelope {
        source: source(),
        family: match n / 1_000_000 {
            0 if n.is_multiple_of(2) => Family::Stream,
            0 => Family::Recording,
            code => Family::from_code(u8::try_from(code).unwrap()).unwrap(),
        },
        received_at: Millis(n),
        traceparent: None,
        body: format!(
            "{{\"n\":{n},\"pad\":\"{}\"}}",
            "x".repeat(if (BIG..1_000_000).contains(&n) {
                1_800
            } else {
                200 + usize::try_from(n % 7).unwrap() * 40
            })
        )
        .into(),
    }
}

pub(in crate::spool) fn ce_id(n: u64) -> CeId {
    CeId(u128::from(n).to_le_bytes())
}

pub(in crate::spool) struct Run {
    pub(in crate::spool) writer: Writer,
    pub(in crate::spool) outlet: LogOutlet,
    pub(in crate::spool) shared: Arc<Shared>,
    pub(in crate::spool) report: Report,
    pub(in crate::spool) callbacks: Callbacks,
    pub(in crate::spool) clock: Arc<HandClock>,
    appender: Appender,
    queue: mpsc::Receiver<Append>,
}

/// Segments on a disk, oldest first.
pub(in crate::spool) fn segments(disk: &dyn Disk) -> Vec<Name> {
    super::super::load::segment_names(disk).unwrap()
}

/// Takes the indices away, so that the next start reads through all segments.
pub(in crate::spool) fn remove_indices(disk: &dyn Disk) {
    for file in disk.list(Dir::Root).unwrap() {
        if Name::of_index(&file).is_some() {
            disk.remove(Dir::Root, &file).unwrap();
        }
    }
}

/// Metrics, registered once for many runs.
#[derive(Clone)]
pub(in crate::spool) struct Meters {
    metrics: Metrics,
    callbacks: Callbacks,
}

impl Meters {
    pub(in crate::spool) fn new() -> Self {
        let registry = Registry::new();
        Self {
            metrics: Metrics::register(&registry).unwrap(),
            callbacks: Callbacks::register(&registry, &[source()]).unwrap(),
        }
    }
}

/// Opens with an eighth of `max_bytes`, at least 8 KiB, as segments.
pub(in crate::spool) fn open(disk: &Arc<dyn Disk>, max_bytes: u64, at: u64) -> Result<Run, String> {
    open_with(disk, max_bytes, at, &Meters::new())
}

pub(in crate::spool) fn open_with(
    disk: &Arc<dyn Disk>,
    max_bytes: u64,
    at: u64,
    meters: &Meters,
) -> Result<Run, String> {
    let (spool, limits) = (spool_settings(max_bytes), limits(2000));
    let settings = Settings {
        spool: &spool,
        dedup: DEDUP,
        limits: &limits,
    };
    let clock = Arc::new(HandClock(AtomicU64::new(at)));
    let Meters { metrics, callbacks } = meters.clone();
    let ready =
        make(settings, Arc::clone(disk), None, &*clock, metrics).map_err(|e| e.to_string())?;
    let shared = Arc::clone(&ready.shared);
    let (appender, queue) = Appender::new(4096, 64 << 20, Arc::default());
    Ok(Run {
        writer: Writer::new(
            Arc::clone(&shared),
            ready.start,
            callbacks.clone(),
            AfterSync::default(),
        ),
        outlet: LogOutlet::new(
            Arc::clone(&shared),
            ready.checkpoint,
            ready.quarantine,
            clock.clone(),
        ),
        report: ready.report,
        shared,
        callbacks,
        clock,
        appender,
        queue,
    })
}

pub(in crate::spool) type Answer = Option<Result<Durable, AppendError>>;

impl Run {
    /// One batch of these callbacks, and what each hears.
    pub(in crate::spool) fn commit(&mut self, numbers: &[u64]) -> (io::Result<()>, Vec<Answer>) {
        let mut receipts: Vec<Receipt> = numbers
            .iter()
            .map(|n| self.submit(ce_id(*n), EventName::RecordingFile, envelope(*n)))
            .collect();
        let result = self.commit_waiting();
        (result, receipts.iter_mut().map(poll).collect())
    }

    pub(in crate::spool) fn submit(
        &self,
        ce_id: CeId,
        event: EventName,
        envelope: Envelope,
    ) -> Receipt {
        self.appender.submit(ce_id, event, envelope).unwrap()
    }

    /// One batch of what was submitted.
    pub(in crate::spool) fn commit_waiting(&mut self) -> io::Result<()> {
        let mut batch = Vec::new();
        while let Ok(append) = self.queue.try_recv() {
            batch.push(append);
        }
        self.writer.commit(&mut batch, self.clock.now())
    }

    /// Commits, all of which must be new or duplicates of durable ones.
    pub(in crate::spool) fn commit_ok(&mut self, numbers: &[u64]) -> Vec<Durable> {
        let (result, answers) = self.commit(numbers);
        result.unwrap();
        answers.into_iter().map(|a| a.unwrap().unwrap()).collect()
    }

    pub(in crate::spool) fn housekeeping(&self) {
        housekeeper::step(&self.shared, self.clock.now());
    }

    /// Everything after `after`, damaged records apart.
    pub(in crate::spool) fn read(&self, after: Seq) -> (Vec<Record>, Vec<(Seq, Family)>) {
        let mut cursor = self.outlet.cursor(after);
        let (mut records, mut corrupt) = (Vec::new(), Vec::new());
        loop {
            match cursor.next(&|_| true, Seq(u64::MAX)).unwrap() {
                Some(Next::Record(record)) => records.push(record),
                Some(Next::Corrupt { seq, family }) => corrupt.push((seq, family)),
                None => break,
            }
        }
        assert_eq!(cursor.passed(), self.outlet.durable_end().max(after));
        (records, corrupt)
    }

    pub(in crate::spool) fn settle_all(&mut self, through: Seq) -> io::Result<()> {
        self.outlet.checkpoint(&settled(through))
    }

    pub(in crate::spool) fn accepted(&self) -> u64 {
        EventName::ALL
            .iter()
            .map(|e| self.callbacks.get(&source(), *e, Outcome::Accepted))
            .sum()
    }
}

pub(in crate::spool) fn settled(through: Seq) -> Settled {
    let mut settled = Settled::default();
    Family::ALL
        .iter()
        .for_each(|f| settled.advance(*f, through));
    settled
}

/// What it says by now.
pub(in crate::spool) fn poll(receipt: &mut Receipt) -> Answer {
    match Pin::new(receipt).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => Some(answer),
        Poll::Pending => None,
    }
}

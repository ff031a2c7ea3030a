//! A spool in memory that knows runs, can be copied, stands down and is adopted; and what makes messages of its records.

use super::coordinator::is_poison;
use crate::{
    callback::names::{Family, SourceName},
    clock::Millis,
    publish::{message::Message, publisher::Render},
    spool::{
        Aside, CeId, Cursor, Envelope, Instance, Lineage, Next, Outlet, QuarantineError, Reason,
        Record, Run, Seq, Settled, Written,
    },
};
use std::{
    collections::BTreeSet,
    io,
    sync::{Arc, Mutex},
};

/// What lies on disk.
#[derive(Clone, Default)]
pub(super) struct Disk {
    pub(super) id: String,
    pub(super) records: Vec<(Record, Instance)>,
    pub(super) checkpoint: Settled,
    pub(super) runs: Vec<Run>,
    pub(super) rival: Option<String>,
    /// What the rival has.
    pub(super) covered: Settled,
    pub(super) aside: BTreeSet<u64>,
    /// Recovered, and found to be settled.
    pub(super) found_settled: u64,
}

pub(super) type DiskRef = Arc<Mutex<Disk>>;

impl Disk {
    pub(super) fn accept(&mut self, number: u64, by: Instance) {
        let family = if number.is_multiple_of(3) {
            Family::Stream
        } else {
            Family::Recording
        };
        let record = Record {
            seq: Seq(self.records.len() as u64 + 1),
            ce_id: CeId([0; 16]),
            accepted_at: Millis(number),
            envelope: Envelope {
                source: SourceName::parse("tencent").unwrap(),
                family,
                received_at: Millis(number),
                traceparent: None,
                body: number.to_string().into_bytes().into(),
            },
        };
        self.records.push((record, by));
    }

    pub(super) fn unsettled(&self) -> u64 {
        let above = |(r, _): &&(Record, Instance)| r.seq > self.checkpoint.of(r.envelope.family);
        self.records.iter().filter(above).count() as u64
    }
}

pub(super) struct FakeOutlet {
    pub(super) disk: DiskRef,
    pub(super) id: String,
    pub(super) instance: Instance,
}

pub(super) struct FakeCursor {
    disk: DiskRef,
    passed: Seq,
}

impl Cursor for FakeCursor {
    fn passed(&self) -> Seq {
        self.passed
    }

    fn next(&mut self, wanted: &dyn Fn(Family) -> bool, limit: Seq) -> io::Result<Option<Next>> {
        let disk = self.disk.lock().unwrap();
        while self.passed < limit {
            let Some((record, _)) = disk.records.get(self.passed.0 as usize) else {
                break;
            };
            self.passed = record.seq;
            if wanted(record.envelope.family) {
                return Ok(Some(Next::Record(record.clone())));
            }
        }
        Ok(None)
    }
}

impl Lineage for FakeOutlet {
    fn spool_id(&self) -> &str {
        &self.id
    }

    fn instance(&self) -> Instance {
        self.instance
    }

    fn written(&self) -> Vec<Written> {
        let mut written: Vec<Written> = Vec::new();
        for (record, by) in &self.disk.lock().unwrap().records {
            match written.last_mut() {
                Some(last) if last.by == *by => last.through = record.seq,
                _ => written.push(Written {
                    by: *by,
                    from: record.seq,
                    through: record.seq,
                }),
            }
        }
        written
    }

    fn enlist(&mut self) -> io::Result<Vec<Run>> {
        let written = self.written();
        let mut disk = self.disk.lock().unwrap();
        let named = written.iter().map(|wrote| (wrote.by, wrote.through));
        for (instance, last) in named.chain([(self.instance, Seq(0))]) {
            match disk.runs.iter_mut().find(|run| run.instance == instance) {
                Some(run) => run.last = run.last.max(last),
                None => disk.runs.push(Run { instance, last }),
            }
        }
        Ok(disk.runs.clone())
    }

    fn rival(&self) -> Option<String> {
        self.disk.lock().unwrap().rival.clone()
    }

    fn stand_down(&mut self, rival: Instance, covered: &Settled) -> io::Result<()> {
        assert!(covered.most() <= self.durable_end(), "what isn't there");
        let mut disk = self.disk.lock().unwrap();
        disk.rival = Some(rival.to_string());
        disk.covered = *covered;
        Ok(())
    }

    fn settled_by_an_earlier_run(&self) {
        self.disk.lock().unwrap().found_settled += 1;
    }
}

impl Outlet for FakeOutlet {
    type Cursor = FakeCursor;

    fn cursor(&self, after: Seq) -> FakeCursor {
        FakeCursor {
            disk: Arc::clone(&self.disk),
            passed: after,
        }
    }

    fn durable_end(&self) -> Seq {
        Seq(self.disk.lock().unwrap().records.len() as u64)
    }

    fn settled_at_start(&self) -> Settled {
        self.disk.lock().unwrap().checkpoint
    }

    fn checkpoint(&mut self, settled: &Settled) -> io::Result<()> {
        assert!(settled.most() <= self.durable_end(), "the checkpoint leads");
        let mut disk = self.disk.lock().unwrap();
        let back = |f: &&Family| settled.of(**f) < disk.checkpoint.of(**f);
        assert!(
            !Family::ALL.iter().any(|f| back(&f)),
            "the checkpoint went back"
        );
        disk.checkpoint = *settled;
        Ok(())
    }

    fn quarantine(&mut self, record: &Record, _: &Reason) -> Result<Aside, QuarantineError> {
        let number = record.received_number();
        assert!(is_poison(number), "{number} was never refused");
        self.disk.lock().unwrap().aside.insert(number);
        Ok(Aside::Kept)
    }

    fn settled_corrupt(&self) {
        unreachable!("this disk damages nothing")
    }
}

impl Record {
    pub(super) fn received_number(&self) -> u64 {
        self.envelope.received_at.0
    }
}

pub(super) struct FakeRender;

impl Render for FakeRender {
    fn message(&self, record: &Record, topic: &Arc<str>) -> Result<Message, Reason> {
        Ok(Message {
            topic: Arc::clone(topic),
            key: None,
            headers: Vec::new(),
            payload: record.envelope.body.to_vec(),
        })
    }

    fn quarantine_copy(&self, _: &Record, _: &Reason) -> Option<Message> {
        None
    }
}

//! Over a real ledger, with a writer that answers as the test says.

use super::*;
use crate::{
    config::Rejects,
    rejects::{entry::tests::entry, files::Files},
    spool::{
        Appender,
        append::fake::{FakeWriter, Waiting},
    },
};
use std::thread::JoinHandle;
use tempfile::TempDir;

struct Rig {
    spool: TempDir,
    names: Vec<String>,
}

/// What begins with an x fails, and moderation is off.
struct Fake(Appender);

impl Gate for Fake {
    fn judge(&self, entry: &Entry) -> Result<Passed, String> {
        let event = match entry.body.first() {
            Some(b'x') => return Err("no key matches".into()),
            Some(b'm') => EventName::ModerationAudio,
            _ => EventName::RecordingFile,
        };
        let ce_id = CeId([0; 16]);
        Ok(Passed { event, ce_id })
    }

    fn is_off(&self, family: Family) -> bool {
        family == Family::Moderation
    }

    fn submit(&self, passed: Passed, envelope: Envelope) -> Result<Receipt, AppendError> {
        self.0.submit(passed.ce_id, passed.event, envelope)
    }
}

impl Rig {
    fn with(bodies: &[&str]) -> Self {
        let spool = tempfile::tempdir().unwrap();
        let limits = Rejects {
            max_entries: 10_000,
            max_bytes: 64 << 20,
            max_age: Duration::from_secs(3600),
        };
        let mut files = Files::open(spool.path(), limits).unwrap();
        for (at, body) in (1..).zip(bodies) {
            assert!(files.append(&entry(at, body.as_bytes())).unwrap());
        }
        let mut rig = Self {
            spool,
            names: Vec::new(),
        };
        rig.names = rig.all().into_iter().map(|(name, _)| name).collect();
        rig
    }

    fn all(&self) -> Vec<(String, bool)> {
        let mut all = Vec::new();
        read(self.spool.path(), |name, _, accepted| {
            all.push((name.to_owned(), accepted));
            ControlFlow::Continue(())
        })
        .unwrap();
        all
    }

    fn accepted(&self) -> usize {
        self.all().iter().filter(|(_, accepted)| *accepted).count()
    }

    /// On a thread of its own, broken off after so many.
    fn accept(&self, appender: Appender, most: u64) -> JoinHandle<Result<Reverified, NotAll>> {
        let (spool, names) = (self.spool.path().to_owned(), self.names.clone());
        thread::spawn(move || {
            accept(&spool, &names, &Fake(appender), &mut |done, _| {
                if done < most {
                    ControlFlow::Continue(())
                } else {
                    ControlFlow::Break(())
                }
            })
        })
    }
}

async fn answer(writer: &mut FakeWriter, how: How) -> String {
    let waiting: Waiting = writer.next().await.expect("a callback");
    let body = String::from_utf8(waiting.envelope.body.to_vec()).unwrap();
    waiting.durable(how);
    body
}

#[tokio::test]
async fn what_passes_is_taken_in_order_and_noted_and_every_other_fate_is_told() {
    let mut rig = Rig::with(&["a", "x", "m", "b", "x"]);
    rig.names.push("999.1".into());
    let (appender, mut writer) = FakeWriter::new(100, 1 << 20);
    let accepting = rig.accept(appender, u64::MAX);
    assert_eq!(answer(&mut writer, How::New).await, "a");
    assert_eq!(answer(&mut writer, How::Duplicate).await, "b");
    let done = accepting.join().unwrap().unwrap();
    let expected = Reverified {
        new: 1,
        duplicates: 1,
        off: 1,
        failed: 2,
        failed_because: Some("no key matches".into()),
        gone: 1,
    };
    assert_eq!((done, rig.accepted()), (expected, 2));

    // Asked for once more, what is there stays as it is.
    let (appender, writer) = FakeWriter::new(100, 1 << 20);
    let accepting = rig.accept(appender, u64::MAX);
    let done = accepting.join().unwrap().unwrap();
    assert_eq!((done.new, done.duplicates), (0, 2));
    drop(writer);
}

#[tokio::test]
async fn a_full_queue_is_waited_for() {
    let rig = Rig::with(&["a", "b", "c", "d"]);
    let (appender, mut writer) = FakeWriter::new(1, 1 << 20);
    let accepting = rig.accept(appender, u64::MAX);
    for body in ["a", "b", "c", "d"] {
        assert_eq!(answer(&mut writer, How::New).await, body);
    }
    assert_eq!(accepting.join().unwrap().unwrap().new, 4);
    assert_eq!(rig.accepted(), 4);
}

#[tokio::test]
async fn what_was_durable_before_a_stop_is_noted() {
    let rig = Rig::with(&["a", "b", "c"]);
    let (appender, mut writer) = FakeWriter::new(100, 1 << 20);
    let accepting = rig.accept(appender, u64::MAX);
    answer(&mut writer, How::New).await;
    drop(writer);
    let why = accepting.join().unwrap().unwrap_err().to_string();
    assert!(why.contains("has stopped, after 1 callback(s)"), "{why}");
    assert_eq!(rig.accepted(), 1);
}

#[tokio::test]
async fn when_nobody_waits_it_goes_no_further_and_notes_what_it_did() {
    let rig = Rig::with(&["a", "b", "c"]);
    let (appender, mut writer) = FakeWriter::new(100, 1 << 20);
    let accepting = rig.accept(appender, 2);
    answer(&mut writer, How::New).await;
    answer(&mut writer, How::New).await;
    assert!(matches!(accepting.join().unwrap(), Err(NotAll::BrokenOff)));
    assert!(writer.next().await.is_none());
    assert_eq!(rig.accepted(), 2);
}

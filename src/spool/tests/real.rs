//! The whole spool with its threads, on a real directory.

use super::{
    super::{
        AppendError, Cursor, How, Next, OpenError, Opened, Outlet, Reason, Seq, Settings,
        look::aside::Shelf, open,
    },
    rig::{DEDUP, ce_id, envelope, limits, settled, source, spool_settings},
};
use crate::{
    callback::names::EventName,
    clock::SystemClock,
    config,
    metrics::{Callbacks, Outcome},
};
use prometheus::Registry;
use std::{path::Path, sync::Arc};

struct Started {
    opened: Opened,
    callbacks: Callbacks,
    registry: Registry,
}

fn start(dir: &Path, max_bytes: u64) -> Result<Started, OpenError> {
    let spool = config::Spool {
        dir: dir.into(),
        segment_bytes: 64 << 20,
        ..spool_settings(max_bytes)
    };
    let registry = Registry::new();
    let callbacks = Callbacks::register(&registry, &[source()]).unwrap();
    let limits = limits(960 << 10);
    let settings = Settings {
        spool: &spool,
        dedup: DEDUP,
        limits: &limits,
    };
    let opened = open(
        settings,
        Arc::new(SystemClock),
        &registry,
        callbacks.clone(),
        crate::spool::AfterSync::default(),
    )?;
    Ok(Started {
        opened,
        callbacks,
        registry,
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_is_answered_stopped_restarted_and_read_back() {
    let dir = tempfile::tempdir().unwrap();
    let Started {
        opened,
        callbacks,
        registry,
    } = start(dir.path(), 1 << 30).unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for client in 0..32_u64 {
        let appender = opened.appender.clone();
        tasks.spawn(async move {
            for n in 0..50 {
                let n = client * 50 + n;
                let first = appender
                    .append(ce_id(n), EventName::RecordingFile, envelope(n))
                    .await
                    .unwrap();
                let again = appender
                    .append(ce_id(n), EventName::RecordingFile, envelope(n))
                    .await
                    .unwrap();
                assert_eq!(
                    (first.how(), again.how(), first.seq()),
                    (How::New, How::Duplicate, again.seq())
                );
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    assert_eq!(opened.pending.get(), 1600);
    let of = |outcome| callbacks.get(&source(), EventName::RecordingFile, outcome);
    assert_eq!(
        (of(Outcome::Accepted), of(Outcome::Duplicate)),
        (1600, 1600)
    );
    let metrics = String::from_utf8(crate::metrics::encode(&registry).unwrap()).unwrap();
    assert!(
        metrics.contains("livebridge_spool_append_seconds_count 3200"),
        "{metrics}"
    );
    assert!(
        metrics.contains("livebridge_quarantine_max_bytes 1048576"),
        "{metrics}"
    );
    let Opened {
        appender,
        mut outlet,
        mut threads,
        ..
    } = opened;
    assert!(matches!(
        start(dir.path(), 1 << 30),
        Err(OpenError::Locked { .. })
    ));
    drop(appender);
    threads.ended().await.unwrap();
    // The publisher goes on after the writer has ended.
    outlet.checkpoint(&settled(Seq(100))).unwrap();
    drop((outlet, opened.status));
    tokio::task::spawn_blocking(|| {
        let _ = threads.join();
    })
    .await
    .unwrap();
    let again = start(dir.path(), 1 << 30).unwrap().opened;
    assert_eq!(
        (
            again.report.recovered_records,
            again.report.scanned_segments
        ),
        (1500, 0)
    );
    assert_eq!(again.pending.get(), 1500);
    let mut cursor = again.outlet.cursor(again.outlet.settled_at_start().least());
    let mut read = 0;
    while let Some(Next::Record(record)) = cursor.next(&|_| true, Seq(u64::MAX)).unwrap() {
        read += 1;
        assert_eq!(record.seq, Seq(100 + read));
        assert_eq!(record.envelope, envelope(record.envelope.received_at.0));
    }
    assert_eq!(read, 1500);
}

#[tokio::test]
async fn a_tiny_spool_fills_up_and_takes_records_again() {
    let dir = tempfile::tempdir().unwrap();
    let Opened {
        appender,
        mut outlet,
        status,
        ..
    } = start(dir.path(), 1 << 20).unwrap().opened;
    let mut body = vec![b' '; 200 << 10];
    body.extend_from_slice(b"{}");
    let mut n = 0;
    let full = loop {
        n += 1;
        let envelope = crate::spool::Envelope {
            body: body.clone().into(),
            ..envelope(n)
        };
        if let Err(e) = appender
            .append(ce_id(n), EventName::RecordingFile, envelope)
            .await
        {
            break e;
        }
    };
    assert_eq!((full, n), (AppendError::Full, 6));
    assert!(status.full_because().is_some() && status.get().full);
    outlet.checkpoint(&settled(outlet.durable_end())).unwrap();
    assert!(status.full_because().is_none());
    assert!(
        appender
            .append(ce_id(n), EventName::RecordingFile, envelope(n))
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn the_first_answer_comes_fast() {
    let dir = tempfile::tempdir().unwrap();
    let before = std::time::Instant::now();
    let opened = start(dir.path(), 10 << 30).unwrap().opened;
    assert!(
        opened
            .appender
            .append(ce_id(1), EventName::RecordingFile, envelope(1))
            .await
            .is_ok()
    );
    // Meant: below 100 ms on an idle machine. Asserted: no 64 MiB are written first, even on a busy one.
    assert!(before.elapsed().as_secs() < 5, "{:?}", before.elapsed());
}

#[tokio::test]
async fn a_record_that_leaves_the_quarantine_leaves_its_bytes_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let Opened {
        appender,
        mut outlet,
        status,
        ..
    } = start(dir.path(), 1 << 30).unwrap().opened;
    let appended = appender.append(ce_id(1), EventName::RecordingFile, envelope(1));
    let _: Result<_, _> = appended.await;
    let next = outlet.cursor(Seq(0)).next(&|_| true, Seq(u64::MAX));
    let Ok(Some(Next::Record(record))) = next else {
        panic!("{next:?}");
    };
    let reason = Reason {
        label: "untypable",
        detail: String::new(),
        topic: "t".into(),
    };
    outlet.quarantine(&record, &reason).unwrap();
    assert!(status.get().quarantine_bytes > 200);
    let shelf = Shelf::of(dir.path()).unwrap().counted_by(&status);
    let place = shelf.list().unwrap().remove(0);
    shelf.remove(&place).unwrap();
    assert_eq!(status.get().quarantine_bytes, 0);
    shelf.remove(&place).unwrap();
    assert_eq!(status.get().quarantine_bytes, 0, "gone already");
}

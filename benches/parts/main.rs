//! What the pure parts cost, one by one: the steps of a callback from its bytes to a message, without disk, network and threads.
//!
//! ```text
//! ./dev bench parts [filter] [--save-baseline NAME | --baseline NAME]
//! ```

use criterion::{BatchSize, Criterion, Throughput};
use livebridge::{
    callback::{
        canonical::canonical,
        event::{Event, sample},
        id::ce_id,
        json::Document,
        names::{EventName, SourceName},
        verify::{self, Keys, Policy, Request, TencentCss},
    },
    clock::Millis,
    config::{CloudEvents, NamedKey, Payload, Secret, Topics},
    publish::message::Rendering,
    spool::{Envelope, Record, Seq, measured},
};
use std::{collections::BTreeSet, hint::black_box, sync::Arc, time::Duration};
use support::callback;

/// Records of a scanned segment.
const RECORDS: u64 = 1000;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    for part in [door, events, spool, message] {
        part(&mut criterion);
    }
    criterion.final_summary();
}

/// A signed callback of this kind.
fn signed(name: EventName) -> Vec<u8> {
    callback::signed(sample(name)).into_bytes()
}

fn document(body: &[u8]) -> Document<'_> {
    Document::parse(body).expect("the samples are JSON")
}

fn record(name: EventName, seq: u64) -> Record {
    let body = signed(name);
    let now = Millis::from_seconds(callback::now());
    Record {
        seq: Seq(seq),
        ce_id: ce_id(&document(&body)),
        accepted_at: now,
        envelope: Envelope {
            source: SourceName::parse("tencent").expect("a name"),
            family: name.family(),
            received_at: now,
            traceparent: None,
            body: body.into(),
        },
    }
}

fn rendering(payload: Payload) -> Rendering {
    let topics = Topics {
        families: [EventName::RecordingFile, EventName::StreamStarted]
            .iter()
            .map(|name| (name.family(), name.family().default_topic().to_owned()))
            .collect(),
        quarantine: None,
        checkpoint: "live.checkpoint".into(),
    };
    Rendering::of(payload, &["txSecret".into()], &topics)
}

/// JSON, canonical form, identity and signature of a recording.
fn door(criterion: &mut Criterion) {
    let body = signed(EventName::RecordingFile);
    let mut group = criterion.benchmark_group("door");
    group.throughput(Throughput::Bytes(body.len() as u64));
    group.bench_function("parse", |b| {
        b.iter(|| black_box(document(black_box(&body))))
    });
    let parsed = document(&body);
    group.bench_function("canonical", |b| {
        b.iter(|| black_box(canonical(black_box(&parsed))))
    });
    group.bench_function("id", |b| b.iter(|| black_box(ce_id(black_box(&parsed)))));
    let key = |name: &str, key: &str| NamedKey {
        name: name.into(),
        key: Secret::new(key),
    };
    let policy = Policy {
        auth_required: true,
        unsigned_events: BTreeSet::new(),
        leeway: Duration::from_mins(20),
    };
    let now = Millis::from_seconds(callback::now());
    for (name, keys) in [
        ("verify, the first key", vec![key("a", callback::KEY)]),
        (
            "verify, the second key",
            vec![key("a", "another-key"), key("b", callback::KEY)],
        ),
    ] {
        let keys = Keys::new(keys);
        group.bench_function(name, |b| {
            b.iter_batched(
                || document(&body),
                |document| {
                    let request = Request::of_body(&body);
                    let authentic =
                        verify::verify(&TencentCss, &request, document, &keys, &policy, now);
                    black_box(authentic.expect("it is signed"))
                },
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}

/// Typing, event by event.
fn events(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("type");
    for &name in EventName::ALL {
        let body = signed(name);
        let parsed = document(&body);
        group.throughput(Throughput::Bytes(body.len() as u64));
        group.bench_function(name.as_str(), |b| {
            b.iter(|| {
                black_box(Event::parse(black_box(&parsed)).expect("the samples can be typed"))
            });
        });
    }
    group.finish();
}

/// Frames, and the scan of a segment.
fn spool(criterion: &mut Criterion) {
    let one = record(EventName::RecordingFile, 1);
    let mut group = criterion.benchmark_group("spool");
    group.throughput(Throughput::Bytes(one.envelope.body.len() as u64));
    let mut out = Vec::new();
    group.bench_function("frame", |b| {
        b.iter(|| {
            out.clear();
            assert!(measured::encode(black_box(&one), &mut out));
            black_box(out.len())
        });
    });
    let records: Vec<_> = (1..=RECORDS)
        .map(|seq| record(EventName::RecordingFile, seq))
        .collect();
    let segment = measured::segment(&records);
    group.throughput(Throughput::Elements(RECORDS));
    group.bench_function("scan, for each record", |b| {
        b.iter(|| assert_eq!(measured::scan(black_box(&segment)), records.len()));
    });
    group.finish();
}

/// From a record to what Kafka gets.
fn message(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("message");
    for name in [EventName::RecordingFile, EventName::StreamStarted] {
        let record = record(name, 1);
        group.throughput(Throughput::Bytes(record.envelope.body.len() as u64));
        for (how, rendering) in [
            ("typed", rendering(Payload::Typed)),
            ("raw", rendering(Payload::Raw)),
            (
                "structured",
                rendering(Payload::Typed).in_mode(CloudEvents::Structured),
            ),
        ] {
            let topic = Arc::clone(rendering.topic(name.family()).expect("it has a topic"));
            group.bench_function(format!("{name}, {how}"), |b| {
                b.iter(|| {
                    black_box(
                        rendering
                            .message(black_box(&record), &topic)
                            .expect("it can be typed"),
                    )
                });
            });
        }
    }
    group.finish();
}

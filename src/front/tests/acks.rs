//! A door without a disk behind it: it answers 200 for what Kafka has, and nothing else.

use super::rig::{Rig, Settings, post, signed};
use crate::{
    callback::names::{EventName, Family},
    hold::HoldOutlet,
    metrics::Outcome,
    spool::{Cursor, Next, Outlet, Seq},
};
use std::time::{Duration, Instant};

const RECORDING: EventName = EventName::RecordingFile;
/// No test here waits as long for anything.
const SHORT: Duration = Duration::from_millis(100);

fn recording(stream: &str) -> String {
    signed(100).replace("\"s1\"", &format!("\"{stream}\""))
}

fn impatient() -> Settings {
    let mut settings = Settings::default();
    settings.http.answer_timeout = SHORT;
    settings
}

async fn taken(rig: &Rig, outlet: &HoldOutlet, records: u64) {
    rig.until(|_| outlet.durable_end() == Seq(records)).await;
}

#[tokio::test]
async fn it_is_answered_200_after_the_ack_and_not_before() {
    let (rig, mut outlet) = Rig::with_hold(Settings::default()).await;
    let mut client = rig.connect().await;
    client.send(&post("/callbacks/tencent", &signed(100))).await;
    taken(&rig, &outlet, 1).await;
    let mut twin = rig.connect().await;
    twin.send(&post("/callbacks/tencent", &signed(100))).await;
    rig.until(|rig| rig.count(RECORDING, Outcome::Duplicate) == 1)
        .await;
    assert_eq!(rig.count(RECORDING, Outcome::Accepted), 0);
    assert!(client.nothing_yet().await && twin.nothing_yet().await);
    outlet.acked(Seq(1));
    for client in [&mut client, &mut twin] {
        let answer = client.answer().await;
        assert_eq!((answer.status, &*answer.body), (200, r#"{"code":0}"#));
    }
    assert_eq!(rig.count(RECORDING, Outcome::Accepted), 1);
    assert_eq!(outlet.durable_end(), Seq(1));
}

#[tokio::test]
async fn a_late_ack_answers_the_retry_without_a_second_record() {
    let (rig, mut outlet) = Rig::with_hold(impatient()).await;
    for _ in 0..2 {
        let answer = rig.post("/callbacks/tencent", &signed(100)).await;
        assert_eq!(answer.status, 503);
        assert_eq!(answer.header("retry-after"), Some("1"));
    }
    assert_eq!(outlet.durable_end(), Seq(1));
    outlet.acked(Seq(1));
    let answer = rig.post("/callbacks/tencent", &signed(100)).await;
    assert_eq!(answer.status, 200);
    assert_eq!(outlet.durable_end(), Seq(1));
    let counts = [Outcome::Accepted, Outcome::Duplicate, Outcome::Overloaded];
    assert_eq!(counts.map(|o| rig.count(RECORDING, o)), [1, 2, 0]);
}

#[tokio::test]
async fn a_client_that_hangs_up_changes_nothing() {
    let (rig, mut outlet) = Rig::with_hold(Settings::default()).await;
    let mut client = rig.connect().await;
    client.send(&post("/callbacks/tencent", &signed(100))).await;
    taken(&rig, &outlet, 1).await;
    drop(client);
    let next = outlet.cursor(Seq(0)).next(&|_| true, Seq(1)).unwrap();
    let Some(Next::Record(record)) = next else {
        panic!("{next:?}");
    };
    assert_eq!(record.envelope.body, signed(100));
    outlet.acked(Seq(1));
    assert_eq!(rig.count(RECORDING, Outcome::Accepted), 1);
    let answer = rig.post("/callbacks/tencent", &signed(100)).await;
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn more_than_may_wait_is_refused_at_once_and_leaves_no_trace() {
    let (rig, mut outlet) = Rig::with_hold(Settings::default()).await;
    let mut waiting = Vec::new();
    for (records, stream) in [(1, "s1"), (2, "s2")] {
        let mut client = rig.connect().await;
        let request = post("/callbacks/tencent", &recording(stream));
        client.send(&request).await;
        taken(&rig, &outlet, records).await;
        waiting.push(client);
    }
    let asked = Instant::now();
    let answer = rig.post("/callbacks/tencent", &recording("s3")).await;
    assert_eq!(answer.status, 503);
    // It waited for nobody; how long a busy machine takes is another matter.
    assert!(asked.elapsed() < Settings::default().http.answer_timeout / 2);
    assert_eq!(rig.count(RECORDING, Outcome::Overloaded), 1);
    outlet.acked(Seq(1));
    let mut client = rig.connect().await;
    let request = post("/callbacks/tencent", &recording("s3"));
    client.send(&request).await;
    taken(&rig, &outlet, 3).await;
}

#[tokio::test]
async fn whoever_waits_for_a_topic_that_takes_nothing_hears_so_at_once() {
    let (rig, mut outlet) = Rig::with_hold(Settings::default()).await;
    let mut client = rig.connect().await;
    client.send(&post("/callbacks/tencent", &signed(100))).await;
    taken(&rig, &outlet, 1).await;
    outlet.blocked(&[Family::Recording], true);
    let answer = client.answer().await;
    assert_eq!(answer.status, 503);
    assert_eq!(answer.header("retry-after"), Some("30"));
    let answer = rig.post("/callbacks/tencent", &recording("s2")).await;
    assert_eq!(answer.status, 503);
    assert_eq!(outlet.durable_end(), Seq(1));
    outlet.blocked(&[Family::Recording], false);
    outlet.acked(Seq(1));
    let answer = rig.post("/callbacks/tencent", &signed(100)).await;
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn what_nothing_keeps_is_answered_503_and_taken_anew() {
    let (rig, mut outlet) = Rig::with_hold(Settings::default()).await;
    let mut client = rig.connect().await;
    let request = post("/callbacks/tencent", &signed(100));
    client.send(&request).await;
    taken(&rig, &outlet, 1).await;
    // It can't be published, and its copy for the quarantine is refused.
    outlet.copying(Seq(1));
    outlet.copied(Seq(1), false);
    assert_eq!(client.answer().await.status, 503);
    assert_eq!(rig.count(RECORDING, Outcome::Overloaded), 1);
    client.send(&request).await;
    taken(&rig, &outlet, 2).await;
    outlet.copying(Seq(2));
    outlet.copied(Seq(2), true);
    assert_eq!(client.answer().await.status, 200);
    assert_eq!(rig.count(RECORDING, Outcome::Accepted), 1);
}

#[tokio::test]
async fn without_a_publisher_nobody_waits_and_nothing_is_taken() {
    let (rig, outlet) = Rig::with_hold(Settings::default()).await;
    let mut client = rig.connect().await;
    client.send(&post("/callbacks/tencent", &signed(100))).await;
    taken(&rig, &outlet, 1).await;
    drop(outlet);
    assert_eq!(client.answer().await.status, 503);
    let answer = rig.post("/callbacks/tencent", &recording("s2")).await;
    assert_eq!(answer.status, 503);
}

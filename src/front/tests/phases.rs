//! Going down: nothing that was read is left without its true answer, and the appender is let go at the end.

use super::rig::*;
use crate::{front::Phase, spool::How};
use std::time::Duration;
use tokio::{net::TcpStream, time};

const PATH: &str = "/callbacks/tencent";

#[tokio::test]
async fn while_leaving_everything_is_served_and_every_answer_closes() {
    let rig = Rig::durable(Settings::default()).await;
    let mut open = rig.connect().await;
    open.send(&post(PATH, &signed(100))).await;
    assert!(!open.answer().await.closes());
    rig.phase.send_replace(Phase::Leaving);
    open.send(&post(PATH, &signed(100))).await;
    let answer = open.answer().await;
    assert_eq!((answer.status, answer.closes()), (200, true));
    assert!(open.next().await.is_none());
    let answer = rig.post(PATH, &signed(1)).await;
    assert_eq!((answer.status, answer.closes()), (200, true));
}

#[tokio::test]
async fn when_closing_each_connection_gets_what_it_is_due() {
    let (rig, mut writer) = Rig::with_writer(Settings::default()).await;
    let mut idle = rig.connect().await;
    idle.send(&post(PATH, &signed(1))).await;
    writer.next().await.unwrap().durable(How::New);
    assert_eq!(idle.answer().await.status, 200);
    let mut fresh = rig.connect().await;
    let mut half = rig.connect().await;
    half.send(
        format!("POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\n{{").as_bytes(),
    )
    .await;
    let mut whole = rig.connect().await;
    whole.send(&post(PATH, &signed(100))).await;
    let waiting = writer.next().await.unwrap();
    rig.until(|rig| rig.metrics.connections.get() == 4).await;

    rig.phase
        .send_replace(Phase::closing(Duration::from_millis(100)));
    assert!(idle.next().await.is_none());
    assert!(fresh.next().await.is_none());
    let answer = half.answer().await;
    assert_eq!((answer.status, answer.closes()), (503, true));
    assert!(
        TcpStream::connect(rig.address).await.is_err(),
        "the listener is still there"
    );
    // Read in full: its true answer, however late that is.
    assert!(!rig.served.is_finished());
    waiting.durable(How::New);
    let answer = whole.answer().await;
    assert_eq!((answer.status, answer.closes()), (200, true));
    time::timeout(LONG, rig.served).await.unwrap().unwrap();
    // Every appender is gone: the writer ends.
    assert!(writer.next().await.is_none());
}

#[tokio::test]
async fn a_request_that_completes_while_closing_is_served() {
    let rig = Rig::durable(Settings::default()).await;
    let mut client = rig.connect().await;
    let request = post(PATH, &signed(100));
    let (head, rest) = request.split_at(20);
    client.send(head).await;
    rig.until(|rig| rig.metrics.connections.get() == 1).await;
    // The door has read the half head once a second client, who came later, was answered.
    assert_eq!(rig.post(PATH, &signed(1)).await.status, 200);
    rig.phase.send_replace(Phase::closing(LONG));
    client.send(rest).await;
    let answer = client.answer().await;
    assert_eq!((answer.status, answer.closes()), (200, true));
    time::timeout(LONG, rig.served).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_late_receipt_does_not_keep_the_door_from_ending() {
    let mut settings = Settings::default();
    settings.http.answer_timeout = Duration::from_millis(20);
    let (rig, mut writer) = Rig::with_writer(settings).await;
    let mut client = rig.connect().await;
    client.send(&post(PATH, &signed(100))).await;
    let waiting = writer.next().await.unwrap();
    assert_eq!(client.answer().await.status, 503);
    rig.phase.send_replace(Phase::closing(Duration::ZERO));
    time::timeout(LONG, rig.served).await.unwrap().unwrap();
    assert!(writer.next().await.is_none());
    waiting.durable(How::New);
}

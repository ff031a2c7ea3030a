//! Sizes, times and counts: what happens at each limit.

use super::rig::*;
use crate::{callback::names::EventName, metrics::Outcome, spool::How};
use std::time::Duration;
use tokio::{
    io::AsyncWriteExt,
    time::{self, Instant},
};

const PATH: &str = "/callbacks/tencent";
const SHORT: Duration = Duration::from_millis(50);

#[tokio::test]
async fn a_body_over_the_limit_is_a_413_announced_or_not() {
    let rig = Rig::durable(Settings::default()).await;
    // Announced: answered before it is sent, without inviting it.
    let mut client = rig.connect().await;
    client.send(format!("POST {PATH} HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 4097\r\n\r\n").as_bytes()).await;
    let answer = client.answer().await;
    assert_eq!((answer.status, answer.closes()), (413, true));
    // Not announced: as soon as it is over.
    let mut client = rig.connect().await;
    client
        .send(
            format!("POST {PATH} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
                .as_bytes(),
        )
        .await;
    let chunk = format!("400\r\n{}\r\n", " ".repeat(1024));
    client.send(chunk.repeat(5).as_bytes()).await;
    let answer = client.answer().await;
    assert_eq!((answer.status, answer.closes()), (413, true));
    // At the limit it is read.
    let padded = format!("{}{}", " ".repeat(4096 - signed(100).len()), signed(100));
    assert_eq!(rig.post(PATH, &padded).await.status, 200);
    assert_eq!(rig.count(EventName::Unknown, Outcome::Rejected), 2);
}

#[tokio::test]
async fn a_chunked_body_in_many_pieces_is_put_together() {
    let (rig, mut writer) = Rig::with_writer(Settings::default()).await;
    let mut client = rig.connect().await;
    client
        .send(
            format!("POST {PATH} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
                .as_bytes(),
        )
        .await;
    let body = signed(100);
    for piece in body.as_bytes().chunks(7) {
        client
            .send(format!("{:x}\r\n", piece.len()).as_bytes())
            .await;
        client.send(piece).await;
        client.send(b"\r\n").await;
    }
    client.send(b"0\r\n\r\n").await;
    let waiting = writer.next().await.unwrap();
    assert_eq!(waiting.envelope.body, body);
    waiting.durable(How::New);
    assert_eq!(client.answer().await.status, 200);
}

#[tokio::test]
async fn a_body_that_is_too_slow_is_a_408_and_one_that_breaks_off_a_400() {
    let mut settings = Settings::default();
    settings.http.body_timeout = SHORT;
    let rig = Rig::durable(settings).await;
    let mut client = rig.connect().await;
    client
        .send(format!("POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{{").as_bytes())
        .await;
    let answer = client.answer().await;
    assert_eq!((answer.status, answer.closes()), (408, true));
    assert!(client.next().await.is_none());
    let mut client = rig.connect().await;
    client
        .send(
            format!(
                "POST {PATH} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nno number\r\n"
            )
            .as_bytes(),
        )
        .await;
    assert_eq!(client.answer().await.status, 400);
}

#[tokio::test]
async fn a_head_over_the_limit_is_a_431() {
    let rig = Rig::durable(Settings::default()).await;
    let mut client = rig.connect().await;
    client
        .send(
            format!(
                "POST {PATH} HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n",
                "x".repeat(16 * 1024)
            )
            .as_bytes(),
        )
        .await;
    assert_eq!(client.answer().await.status, 431);
}

#[tokio::test]
async fn a_head_that_dawdles_is_closed_long_before_an_idle_connection() {
    let mut settings = Settings::default();
    settings.http.header_timeout = SHORT;
    let rig = Rig::durable(settings).await;
    // Before any request, and after one.
    for requests in [0, 1] {
        let mut client = rig.connect().await;
        for _ in 0..requests {
            client.send(&post(PATH, &signed(100))).await;
            assert_eq!(client.answer().await.status, 200);
        }
        client.send(b"POST /callb").await;
        assert!(client.next().await.is_none(), "an answer to half a head");
    }
}

#[tokio::test]
async fn an_idle_connection_has_its_own_longer_time() {
    let idle = Duration::from_millis(700);
    let mut settings = Settings::default();
    settings.http.header_timeout = SHORT;
    settings.http.idle_timeout = idle;
    let rig = Rig::durable(settings).await;
    for requests in [0, 1] {
        let mut client = rig.connect().await;
        let mut since = Instant::now();
        for _ in 0..requests {
            client.send(&post(PATH, &signed(100))).await;
            since = Instant::now();
            assert_eq!(client.answer().await.status, 200);
        }
        assert!(client.next().await.is_none());
        assert!(since.elapsed() >= idle - SHORT, "{:?}", since.elapsed());
    }
}

#[tokio::test]
async fn a_request_that_waits_for_its_receipt_is_not_taken_for_an_idle_connection() {
    let mut settings = Settings::default();
    settings.http.header_timeout = SHORT;
    settings.http.idle_timeout = SHORT;
    let (rig, mut writer) = Rig::with_writer(settings).await;
    let mut client = rig.connect().await;
    client.send(&post(PATH, &signed(100))).await;
    let waiting = writer.next().await.unwrap();
    let mut byte = [0];
    assert!(
        time::timeout(4 * SHORT, client.socket.peek(&mut byte))
            .await
            .is_err()
    );
    waiting.durable(How::New);
    assert_eq!(client.answer().await.status, 200);
}

#[tokio::test]
async fn one_request_too_many_in_flight_is_a_503_at_once() {
    let mut settings = Settings::default();
    settings.limits.inflight_requests = 1;
    let (rig, mut writer) = Rig::with_writer(settings).await;
    let mut first = rig.connect().await;
    first.send(&post(PATH, &signed(100))).await;
    let waiting = writer.next().await.unwrap();
    let answer = rig.post(PATH, &signed(1)).await;
    assert_eq!((answer.status, answer.closes()), (503, false));
    assert!(answer.header("retry-after").is_some());
    assert_eq!(rig.count(EventName::Unknown, Outcome::Overloaded), 1);
    waiting.durable(How::New);
    assert_eq!(first.answer().await.status, 200);
    // Its place is free again.
    first.send(&post(PATH, &signed(1))).await;
    writer.next().await.unwrap().durable(How::New);
    assert_eq!(first.answer().await.status, 200);
}

#[tokio::test]
async fn a_body_that_does_not_come_takes_no_place_among_the_requests_in_flight() {
    let mut settings = Settings::default();
    settings.limits.inflight_requests = 1;
    let (rig, mut writer) = Rig::with_writer(settings).await;
    let mut slow = rig.connect().await;
    let whole = post(PATH, &signed(100));
    slow.send(&whole[..whole.len() - 1]).await;
    let mut honest = rig.connect().await;
    honest.send(&whole).await;
    writer.next().await.unwrap().durable(How::New);
    assert_eq!(honest.answer().await.status, 200);
}

#[tokio::test]
async fn bytes_in_flight_are_limited_together_and_given_back() {
    let mut settings = Settings::default();
    settings.limits.inflight_bytes = signed(100).len() + 10;
    let (rig, mut writer) = Rig::with_writer(settings).await;
    let mut first = rig.connect().await;
    first.send(&post(PATH, &signed(100))).await;
    let waiting = writer.next().await.unwrap();
    assert_eq!(rig.post(PATH, &signed(100)).await.status, 503);
    waiting.durable(How::New);
    assert_eq!(first.answer().await.status, 200);
    first.send(&post(PATH, &signed(100))).await;
    writer.next().await.unwrap().durable(How::New);
    assert_eq!(first.answer().await.status, 200);
}

#[tokio::test]
async fn a_full_queue_to_the_spool_is_a_503() {
    let settings = Settings {
        queue: 1,
        ..Settings::default()
    };
    let (rig, _writer) = Rig::with_writer(settings).await;
    let mut first = rig.connect().await;
    first.send(&post(PATH, &signed(100))).await;
    // Whichever of the two comes second finds the queue full; nobody empties it.
    let mut second = rig.connect().await;
    second.send(&post(PATH, &signed(100))).await;
    let answer = tokio::select! {
        answer = first.answer() => answer,
        answer = second.answer() => answer,
    };
    assert_eq!(answer.status, 503);
    assert_eq!(rig.count(EventName::RecordingFile, Outcome::Overloaded), 1);
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let rig = Rig::durable(Settings::default()).await;
    let mut client = rig.connect().await;
    let both = [
        post(PATH, &signed(100)),
        post(PATH, "x"),
        post(PATH, &signed(1)),
    ]
    .concat();
    client.send(&both).await;
    for status in [200, 400, 200] {
        assert_eq!(client.answer().await.status, status);
    }
}

#[tokio::test]
async fn at_the_limit_of_connections_the_next_one_waits_for_a_place() {
    let mut settings = Settings::default();
    settings.limits.connections = 1;
    let rig = Rig::durable(settings).await;
    let mut first = rig.connect().await;
    first.send(&post(PATH, &signed(100))).await;
    assert_eq!(first.answer().await.status, 200);
    let mut second = rig.connect().await;
    second.send(&post(PATH, &signed(100))).await;
    let mut byte = [0];
    assert!(
        time::timeout(2 * SHORT, second.socket.peek(&mut byte))
            .await
            .is_err()
    );
    drop(first);
    assert_eq!(second.answer().await.status, 200);
}

#[tokio::test]
async fn an_address_with_too_many_connections_is_closed_at_once() {
    let mut settings = Settings::default();
    settings.limits.connections_per_address = Some(1);
    let rig = Rig::durable(settings).await;
    let mut first = rig.connect().await;
    first.send(&post(PATH, &signed(100))).await;
    assert_eq!(first.answer().await.status, 200);
    assert!(rig.connect().await.next().await.is_none());
    assert_eq!(rig.metrics.connections_refused.get(), 1);
    drop(first);
    rig.until(|rig| rig.metrics.connections.get() == 0).await;
    assert_eq!(rig.post(PATH, &signed(100)).await.status, 200);
}

#[tokio::test]
async fn a_client_that_does_not_read_its_answers_is_cut_off() {
    let mut settings = Settings::default();
    settings.http.write_timeout = SHORT;
    let rig = Rig::durable(settings).await;
    let mut client = rig.connect().await;
    let many = post(PATH, "x").repeat(1000);
    // Until the buffers of both systems are full and the door gives up on it.
    let write = async { while client.socket.write_all(&many).await.is_ok() {} };
    time::timeout(LONG, write)
        .await
        .expect("it goes on for ever");
    rig.until(|rig| rig.metrics.connections.get() == 0).await;
}

#[tokio::test]
async fn a_connection_takes_no_new_request_beyond_its_lifetime() {
    let mut settings = Settings::default();
    settings.http.connection_lifetime = 4 * SHORT;
    let (rig, mut writer) = Rig::with_writer(settings).await;
    let began = Instant::now();
    let mut idle = rig.connect().await;
    let mut busy = rig.connect().await;
    busy.send(&post(PATH, &signed(100))).await;
    let waiting = writer.next().await.unwrap();
    assert!(idle.next().await.is_none());
    assert!((4 * SHORT..LONG).contains(&began.elapsed()));
    // What it asked for before is answered, and that is the last answer.
    waiting.durable(How::New);
    let answer = busy.answer().await;
    assert_eq!((answer.status, answer.closes()), (200, true));
    assert!(busy.next().await.is_none());
}

#[tokio::test]
async fn nothing_is_smuggled_behind_a_body_with_two_lengths() {
    let rig = Rig::durable(Settings::default()).await;
    let behind = String::from_utf8(post(PATH, &signed(100))).unwrap();
    for lengths in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 5",
    ] {
        let mut client = rig.connect().await;
        let both = format!("POST {PATH} HTTP/1.1\r\nHost: x\r\n{lengths}\r\n\r\n0\r\n\r\n{behind}");
        client.send(both.as_bytes()).await;
        let answer = client.answer().await;
        assert_eq!((answer.status, answer.closes()), (400, true));
        assert!(client.next().await.is_none());
    }
    assert_eq!(rig.count(EventName::RecordingFile, Outcome::Accepted), 0);
}

//! HTTP/2: the same answers, and every limit in force.

use super::{frames::*, rig::*};
use crate::{
    front::{Phase, http2},
    spool::How,
};
use std::{collections::BTreeMap, time::Duration};
use tokio::{net::TcpStream, time::Instant};

const PATH: &str = "/callbacks/tencent";
const SHORT: Duration = Duration::from_millis(50);

async fn connect(rig: &Rig) -> Http2<TcpStream> {
    Http2::begin(TcpStream::connect(rig.address).await.unwrap()).await
}

#[tokio::test]
async fn clear_text_with_prior_knowledge_gives_the_same_answers() {
    let rig = Rig::durable(Settings::default()).await;
    let mut client = connect(&rig).await;
    let too_large = "x".repeat(4097);
    let forged = signed(100).replace("d05", "d06");
    for (stream, path, body, status) in [
        (1, PATH, signed(100).as_str(), 200),
        (3, PATH, "x", 400),
        (5, PATH, &forged, 401),
        (7, "/nothing", "", 404),
        (9, PATH, &too_large, 413),
        // One refused before its body was read takes nothing from those after it.
        (11, PATH, &signed(1), 200),
    ] {
        client.post(stream, path, body).await;
        assert_eq!(client.status(stream).await, status, "{path} {body}");
    }
}

/// A body would be a fault of the protocol.
#[tokio::test]
async fn the_answer_to_a_head_has_no_body() {
    let rig = Rig::durable(Settings::default()).await;
    let mut client = connect(&rig).await;
    for (stream, path, status) in [(1, PATH, 405), (3, "/nothing", 404)] {
        let head = head_of("HEAD", path);
        let request = frame(HEADERS, END_HEADERS | END_STREAM, stream, &head);
        client.send(&request).await;
        assert_eq!(client.status(stream).await, status);
    }
    client.post(5, PATH, &signed(100)).await;
    loop {
        let frame = client.next().await.unwrap();
        match (frame.kind, frame.stream) {
            (DATA, 1 | 3) => panic!("a body on stream {}", frame.stream),
            (HEADERS, 5) => break,
            _ => {}
        }
    }
}

#[tokio::test]
async fn streams_overlap_and_each_gets_its_own_answer() {
    let (rig, mut writer) = Rig::with_writer(Settings::default()).await;
    let mut client = connect(&rig).await;
    client.post(1, PATH, &signed(100)).await;
    let first = writer.next().await.unwrap();
    client.post(3, PATH, &signed(1)).await;
    writer.next().await.unwrap().durable(How::New);
    assert_eq!(client.status(3).await, 200);
    first.durable(How::New);
    assert_eq!(client.status(1).await, 200);
}

#[tokio::test]
async fn the_limits_are_announced() {
    let rig = Rig::durable(Settings::default()).await;
    let mut client = connect(&rig).await;
    let settings = client.until(SETTINGS, 0).await;
    let settings: BTreeMap<u16, u32> = settings
        .payload
        .chunks(6)
        .map(|pair| {
            let name = u16::from_be_bytes(pair[..2].try_into().unwrap());
            (name, u32::from_be_bytes(pair[2..].try_into().unwrap()))
        })
        .collect();
    assert_eq!(
        settings.get(&3),
        Some(&http2::STREAMS),
        "concurrent streams"
    );
    // The default of the protocol is 65,535 when it isn't said.
    assert_eq!(settings.get(&4), Some(&(64 * 1024)), "a stream's window");
    assert_eq!(settings.get(&6), Some(&(16 * 1024)), "a header list");
    let window = client.until(WINDOW_UPDATE, 0).await;
    let more = u32::from_be_bytes(window.payload.try_into().unwrap());
    assert_eq!(more, 256 * 1024 - 65_535, "the connection's window");
}

#[tokio::test]
async fn one_stream_too_many_is_refused_and_the_others_go_on() {
    let rig = Rig::durable(Settings::default()).await;
    let mut client = connect(&rig).await;
    client.until(SETTINGS, 0).await;
    client.send(&frame(SETTINGS, 1, 0, &[])).await;
    let last = 2 * http2::STREAMS + 1;
    for stream in (1..=last).step_by(2) {
        client
            .send(&frame(HEADERS, END_HEADERS, stream, &head(PATH)))
            .await;
    }
    assert_eq!(client.until(RST_STREAM, last).await.code(), REFUSED_STREAM);
    client
        .send(&frame(DATA, END_STREAM, 1, signed(100).as_bytes()))
        .await;
    assert_eq!(client.status(1).await, 200);
}

#[tokio::test]
async fn rapid_resets_end_the_connection() {
    let rig = Rig::durable(Settings::default()).await;
    let mut client = connect(&rig).await;
    let mut flood = Vec::new();
    for stream in (1..4000_u32).step_by(2) {
        flood.extend(frame(HEADERS, END_HEADERS, stream, &head(PATH)));
        flood.extend(frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes()));
    }
    // It may be cut off before all of it is sent.
    let _ = tokio::io::AsyncWriteExt::write_all(&mut client.socket, &flood).await;
    assert_eq!(client.goaway().await, ENHANCE_YOUR_CALM);
    rig.until(|rig| rig.metrics.connections.get() == 0).await;
}

#[tokio::test]
async fn streams_that_are_faulty_end_the_connection_when_there_are_too_many() {
    let rig = Rig::durable(Settings::default()).await;
    let mut client = connect(&rig).await;
    let faulty = [head(PATH), header("connection", "x")].concat();
    let mut flood = Vec::new();
    for stream in (1..4000_u32).step_by(2) {
        flood.extend(frame(HEADERS, END_HEADERS | END_STREAM, stream, &faulty));
    }
    let _ = tokio::io::AsyncWriteExt::write_all(&mut client.socket, &flood).await;
    assert_eq!(client.goaway().await, ENHANCE_YOUR_CALM);
    rig.until(|rig| rig.metrics.connections.get() == 0).await;
}

#[tokio::test]
async fn a_header_list_over_the_limit_is_a_431() {
    let rig = Rig::durable(Settings::default()).await;
    let mut client = connect(&rig).await;
    let block = [head(PATH), header("x", &"x".repeat(17 * 1024))].concat();
    let (first, second) = block.split_at(10 * 1024);
    client.send(&frame(HEADERS, 0, 1, first)).await;
    client
        .send(&frame(CONTINUATION, END_HEADERS, 1, second))
        .await;
    assert_eq!(client.status(1).await, 431);
}

#[tokio::test]
async fn a_flood_of_continuations_ends_the_connection() {
    let rig = Rig::durable(Settings::default()).await;
    let mut client = connect(&rig).await;
    client.send(&frame(HEADERS, 0, 1, &head(PATH))).await;
    let flood = frame(CONTINUATION, 0, 1, &header("x", "y")).repeat(1000);
    let _ = tokio::io::AsyncWriteExt::write_all(&mut client.socket, &flood).await;
    assert_eq!(client.goaway().await, ENHANCE_YOUR_CALM);
    rig.until(|rig| rig.metrics.connections.get() == 0).await;
}

/// A connection whose two ends have heard of each other's settings.
async fn agreed(rig: &Rig) -> Http2<TcpStream> {
    let mut client = connect(rig).await;
    client.until(WINDOW_UPDATE, 0).await;
    client.send(&frame(SETTINGS, 1, 0, &[])).await;
    client
}

/// On this runtime nobody reads a body before all that is there of the connection's frames was looked at.
#[tokio::test]
async fn who_sends_further_ahead_than_the_windows_allow_is_cut_off() {
    let mut settings = Settings::default();
    settings.limits.body_bytes = 1 << 20;
    let rig = Rig::durable(settings).await;
    let data = |stream| frame(DATA, 0, stream, &[b' '; 16 * 1024]);
    let head = |stream| frame(HEADERS, END_HEADERS, stream, &head(PATH));

    // A stream's window holds four of these: with a fifth it ends.
    let mut client = agreed(&rig).await;
    client.send(&[head(1), data(1).repeat(5)].concat()).await;
    assert_eq!(client.until(RST_STREAM, 1).await.code(), FLOW_CONTROL_ERROR);

    // The connection's is 65,535 bytes until the door has said more: that many and one are too many for it.
    let mut client = connect(&rig).await;
    let ahead = [head(1), data(1).repeat(2), head(3), data(3).repeat(2)];
    client.send(&ahead.concat()).await;
    assert_eq!(client.goaway().await, FLOW_CONTROL_ERROR);
}

#[tokio::test]
async fn a_head_that_never_ends_is_closed_in_time_whatever_else_is_sent() {
    let mut settings = Settings::default();
    settings.http.idle_timeout = 4 * SHORT;
    let rig = Rig::durable(settings).await;
    let mut client = connect(&rig).await;
    let (first, rest) = {
        let block = head(PATH);
        let (first, rest) = block.split_at(5);
        (first.to_vec(), rest.to_vec())
    };
    client.send(&frame(HEADERS, 0, 1, &first)).await;
    let dawdle = async {
        for byte in rest.iter().cycle() {
            let next = frame(CONTINUATION, 0, 1, &[*byte]);
            if tokio::io::AsyncWriteExt::write_all(&mut client.socket, &next)
                .await
                .is_err()
            {
                return;
            }
            tokio::time::sleep(SHORT).await;
        }
    };
    tokio::time::timeout(LONG, dawdle)
        .await
        .expect("it goes on for ever");
}

#[tokio::test]
async fn half_a_preface_has_the_time_of_a_head() {
    let mut settings = Settings::default();
    settings.http.header_timeout = SHORT;
    let rig = Rig::durable(settings).await;
    let mut client = rig.connect().await;
    client.send(b"PRI * HTTP/2.0\r\n\r\nSM").await;
    assert!(client.next().await.is_none());
}

#[tokio::test]
async fn an_idle_connection_is_closed_and_one_that_waits_for_a_receipt_is_not() {
    let mut settings = Settings::default();
    settings.http.idle_timeout = 4 * SHORT;
    settings.http.header_timeout = SHORT;
    let (rig, mut writer) = Rig::with_writer(settings).await;
    let mut busy = connect(&rig).await;
    busy.post(1, PATH, &signed(100)).await;
    let waiting = writer.next().await.unwrap();
    let began = Instant::now();
    let mut idle = connect(&rig).await;
    while idle.next().await.is_some() {}
    assert!(began.elapsed() >= 4 * SHORT);
    waiting.durable(How::New);
    assert_eq!(busy.status(1).await, 200);
    while busy.next().await.is_some() {}
}

#[tokio::test]
async fn a_body_that_is_too_slow_is_a_408_on_its_stream() {
    let mut settings = Settings::default();
    settings.http.body_timeout = SHORT;
    let rig = Rig::durable(settings).await;
    let mut client = connect(&rig).await;
    client
        .send(&frame(HEADERS, END_HEADERS, 1, &head(PATH)))
        .await;
    client.send(&frame(DATA, 0, 1, b"{")).await;
    assert_eq!(client.status(1).await, 408);
    client.post(3, PATH, &signed(100)).await;
    assert_eq!(client.status(3).await, 200);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_answers_no_ping_is_given_up() {
    let mut settings = Settings::default();
    settings.http.body_timeout = 100 * LONG;
    settings.http.idle_timeout = 100 * LONG;
    let rig = Rig::durable(settings).await;
    let mut client = connect(&rig).await;
    client
        .send(&frame(HEADERS, END_HEADERS, 1, &head(PATH)))
        .await;
    let began = Instant::now();
    client.until(PING, 0).await;
    while client.next().await.is_some() {}
    assert!(began.elapsed() < 3 * LONG, "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_client_that_takes_no_bytes_is_cut_off() {
    let mut settings = Settings::default();
    settings.http.write_timeout = SHORT;
    let rig = Rig::durable(settings).await;
    let mut client = connect(&rig).await;
    // Each ping has to be answered.
    let pings = frame(PING, 0, 0, &[0; 8]).repeat(1000);
    let write = async {
        while tokio::io::AsyncWriteExt::write_all(&mut client.socket, &pings)
            .await
            .is_ok()
        {}
    };
    tokio::time::timeout(LONG, write)
        .await
        .expect("it goes on for ever");
    rig.until(|rig| rig.metrics.connections.get() == 0).await;
}

#[tokio::test]
async fn when_left_or_old_the_client_is_told_and_what_it_asked_for_is_answered() {
    for by_age in [false, true] {
        let mut settings = Settings::default();
        if by_age {
            settings.http.connection_lifetime = 4 * SHORT;
        }
        let (rig, mut writer) = Rig::with_writer(settings).await;
        let mut client = connect(&rig).await;
        client.post(1, PATH, &signed(100)).await;
        let waiting = writer.next().await.unwrap();
        if !by_age {
            rig.phase.send_replace(Phase::Leaving);
        }
        assert_eq!(client.goaway().await, 0);
        waiting.durable(How::New);
        assert_eq!(client.status(1).await, 200);
    }
}

//! Every row of the table of answers.

use super::rig::*;
use crate::{
    callback::{
        names::{EventName, Family},
        verify,
    },
    config::Auth,
    front::off::Off,
    metrics::{Outcome, encode},
    spool::{AppendError, How},
};
use std::time::Duration;
use tokio::time;

const PATH: &str = "/callbacks/tencent";

#[tokio::test]
async fn a_200_comes_after_the_receipt_and_not_before() {
    let (rig, mut writer) = Rig::with_writer(Settings::default()).await;
    let mut client = rig.connect().await;
    let body = signed(100);
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let head = format!(
        "POST {PATH}?x=1 HTTP/1.1\r\nHost: x\r\ntraceparent: {trace}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    client.send(head.as_bytes()).await;
    client.send(body.as_bytes()).await;
    let waiting = writer.next().await.unwrap();
    let mut byte = [0];
    let early = time::timeout(Duration::from_millis(50), client.socket.peek(&mut byte)).await;
    assert!(early.is_err(), "answered before the receipt");
    assert_eq!(
        waiting.ce_id.to_string(),
        "8169080668a72683e9874873642f312f"
    );
    assert_eq!(waiting.event, EventName::RecordingFile);
    let envelope = &waiting.envelope;
    assert_eq!(envelope.body, body);
    assert_eq!(
        (envelope.source.as_str(), envelope.family),
        ("tencent", Family::Recording)
    );
    assert_eq!(
        (envelope.received_at, envelope.traceparent.as_deref()),
        (NOW, Some(trace))
    );
    waiting.durable(How::New);
    let answer = client.answer().await;
    assert_eq!((answer.status, &*answer.body), (200, r#"{"code":0}"#));
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert!(!answer.closes());

    // A duplicate of something durable, on the same connection.
    client.send(&post(PATH, &body)).await;
    writer.next().await.unwrap().durable(How::Duplicate);
    assert_eq!(client.answer().await.status, 200);
}

#[tokio::test]
async fn an_authentic_callback_of_no_known_kind_is_appended_like_any_other() {
    let (rig, mut writer) = Rig::with_writer(Settings::default()).await;
    for event_type in ["9999", "\"100\"", "null", "1e2"] {
        let body = format!(r#"{{"event_type":{event_type},"t":1750000000,"sign":"{SIGN}"}}"#);
        let mut client = rig.connect().await;
        client.send(&post(PATH, &body)).await;
        let waiting = writer.next().await.unwrap();
        assert_eq!(
            (waiting.event, waiting.envelope.family),
            (EventName::Unknown, Family::Unknown)
        );
        waiting.durable(How::New);
        assert_eq!(client.answer().await.status, 200);
    }
}

#[tokio::test]
async fn a_family_that_is_off_is_answered_200_and_not_appended() {
    let settings = Settings {
        off: Off::all_but(|family| family != Family::Stream),
        ..Settings::default()
    };
    let (rig, mut writer) = Rig::with_writer(settings).await;
    assert_eq!(rig.post(PATH, &signed(1)).await.status, 200);
    assert_eq!(rig.count(EventName::StreamStarted, Outcome::Ignored), 1);
    // Authentic or not is asked first.
    assert_eq!(
        rig.post(PATH, &signed(1).replace("d05", "d06"))
            .await
            .status,
        401
    );
    let mut client = rig.connect().await;
    client.send(&post(PATH, &signed(100))).await;
    assert_eq!(writer.next().await.unwrap().event, EventName::RecordingFile);
}

#[tokio::test]
async fn what_is_not_one_json_object_is_a_400_and_counts_as_rejected() {
    let rig = Rig::durable(Settings::default()).await;
    let mut client = rig.connect().await;
    let deep = format!("{{\"a\":{}1{}}}", "[".repeat(128), "]".repeat(128));
    let bodies = [
        "",
        "[]",
        "{",
        "{\"a\":1,\"a\":2}",
        "{\"a\":[\"\\ud800\"]}",
        &deep,
    ];
    for body in bodies {
        client.send(&post(PATH, body)).await;
        let answer = client.answer().await;
        assert_eq!(answer.status, 400, "{body}");
        assert_eq!(
            answer.header("content-type"),
            Some("application/problem+json")
        );
        let problem: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
        assert_eq!(problem["status"], 400);
    }
    assert_eq!(
        rig.count(EventName::Unknown, Outcome::Rejected),
        bodies.len() as u64
    );
}

#[tokio::test]
async fn what_is_not_authentic_is_a_401_that_does_not_say_why() {
    let rig = Rig::durable(Settings::default()).await;
    let mut client = rig.connect().await;
    let body = |t: &str, sign: &str| format!(r#"{{"event_type":100,"t":{t},"sign":{sign}}}"#);
    let expired = crate::callback::verify::sign("relaykey01", 1_749_998_000);
    let future = crate::callback::verify::sign("relaykey01", 1_750_002_000);
    let mut words = std::collections::BTreeSet::new();
    for body in [
        "{\"event_type\":100}".to_owned(),
        body("1750000000", "\"short\""),
        body("1750000001", &format!("\"{SIGN}\"")),
        body("1749998000", &format!("\"{expired}\"")),
        body("1750002000", &format!("\"{future}\"")),
    ] {
        client.send(&post(PATH, &body)).await;
        let answer = client.answer().await;
        assert_eq!(answer.status, 401, "{body}");
        words.insert(answer.body);
    }
    assert_eq!(words.len(), 1, "{words:?}");
    assert_eq!(rig.count(EventName::RecordingFile, Outcome::Rejected), 5);
    let text = String::from_utf8(encode(&rig.registry).unwrap()).unwrap();
    for reason in ["missing", "malformed", "mismatch", "expired", "future"] {
        let line = format!("signature_failures_total{{reason=\"{reason}\",source=\"tencent\"}} 1");
        assert!(text.contains(&line), "{line}");
    }
    assert!(text.contains("http_requests_total{code=\"401\",source=\"tencent\"} 5"));
    assert!(text.contains("http_requests_total{code=\"503\",source=\"none\"} 0"));
    assert!(text.contains("signature_key_matches_total{key=\"key-1\",source=\"tencent\"} 0"));
}

#[tokio::test]
async fn a_late_callback_within_the_leeway_is_taken_and_the_clock_offset_is_shown() {
    let rig = Rig::durable(Settings::default()).await;
    assert_eq!(rig.post(PATH, &signed(100)).await.status, 200);
    let text = String::from_utf8(encode(&rig.registry).unwrap()).unwrap();
    assert!(text.contains("livebridge_sender_clock_offset_seconds -600"));
    assert!(text.contains("signature_key_matches_total{key=\"key-1\",source=\"tencent\"} 1"));
}

#[tokio::test]
async fn a_clock_so_wrong_that_everything_is_refused_is_shown_all_the_same() {
    let now = NOW.seconds();
    for (t, offset) in [(now - 3600, -4200), (now + 7200, 6599)] {
        let rig = Rig::durable(Settings::default()).await;
        let sign = verify::sign("relaykey01", t);
        let body = format!(r#"{{"event_type":100,"stream_id":"s1","t":{t},"sign":"{sign}"}}"#);
        assert_eq!(rig.post(PATH, &body).await.status, 401);
        let text = String::from_utf8(encode(&rig.registry).unwrap()).unwrap();
        let shown = format!("livebridge_sender_clock_offset_seconds {offset}\n");
        assert!(text.contains(&shown), "{text}");
    }
}

#[tokio::test]
async fn unsigned_events_and_auth_off_are_taken_without_a_signature() {
    let mut settings = Settings::default();
    settings.sources.push(crate::config::Source {
        auth: Auth::Off,
        keys: vec![],
        ..source("open")
    });
    let rig = Rig::durable(settings).await;
    let unsigned = r#"{"event_type":314}"#;
    assert_eq!(
        rig.post("/callbacks/secret/s3cret", unsigned).await.status,
        200
    );
    assert_eq!(rig.post(PATH, unsigned).await.status, 401);
    assert_eq!(
        rig.post("/callbacks/secret/s3cret", r#"{"event_type":100}"#)
            .await
            .status,
        401
    );
    assert_eq!(
        rig.post("/callbacks/open", r#"{"event_type":100}"#)
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn the_checks_come_in_their_order() {
    let rig = Rig::durable(Settings::default()).await;
    let large = "x".repeat(5000);
    // 404 before 405, 413 and all else; a wrong token is as good as no such path.
    for path in [
        "/",
        "/callbacks/none",
        "/callbacks/secret",
        "/callbacks/secret/wrong",
        "/callbacks/tencent/x",
    ] {
        let mut client = rig.connect().await;
        client
            .send(
                format!("PUT {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n\r\n{large}")
                    .as_bytes(),
            )
            .await;
        let answer = client.answer().await;
        assert_eq!((answer.status, answer.closes()), (404, true), "{path}");
    }
    let metrics = String::from_utf8(crate::metrics::encode(&rig.registry).unwrap()).unwrap();
    let refused = |source| format!("livebridge_path_tokens_refused_total{{source=\"{source}\"}}");
    assert!(
        metrics.contains(&format!("{} 2", refused("secret"))),
        "{metrics}"
    );
    assert!(
        metrics.contains(&format!("{} 1", refused("tencent"))),
        "{metrics}"
    );
    // 405 before 413; without a body the connection goes on.
    let mut client = rig.connect().await;
    client
        .send(format!("GET {PATH} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes())
        .await;
    let answer = client.answer().await;
    assert_eq!(
        (answer.status, answer.header("allow"), answer.closes()),
        (405, Some("POST"), false)
    );
    client
        .send(
            format!("PUT {PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n\r\n{large}")
                .as_bytes(),
        )
        .await;
    assert_eq!(client.answer().await.status, 405);
    // 413 before 400, 400 before 401.
    assert_eq!(rig.post(PATH, &large).await.status, 413);
    assert_eq!(rig.post(PATH, "x").await.status, 400);
    assert_eq!(rig.post(PATH, "{}").await.status, 401);
}

#[tokio::test]
async fn whatever_the_spool_refuses_is_a_503_that_says_when_to_come_again() {
    let (rig, mut writer) = Rig::with_writer(Settings::default()).await;
    for why in [
        AppendError::Full,
        AppendError::Overloaded,
        AppendError::Stopped,
        AppendError::StoodDown,
    ] {
        let mut client = rig.connect().await;
        client.send(&post(PATH, &signed(100))).await;
        writer.next().await.unwrap().fail(why);
        let answer = client.answer().await;
        assert_eq!((answer.status, answer.closes()), (503, false));
        assert!(answer.header("retry-after").is_some());
    }
    drop(writer);
    assert_eq!(rig.post(PATH, &signed(100)).await.status, 503);
    assert_eq!(rig.count(EventName::RecordingFile, Outcome::Overloaded), 5);
}

#[tokio::test]
async fn a_receipt_that_comes_too_late_is_a_503_but_overload_only_if_there_is_no_record() {
    let mut settings = Settings::default();
    settings.http.answer_timeout = Duration::from_millis(20);
    let (rig, mut writer) = Rig::with_writer(settings).await;
    for durable in [true, false] {
        let mut client = rig.connect().await;
        client.send(&post(PATH, &signed(100))).await;
        let waiting = writer.next().await.unwrap();
        let answer = client.answer().await;
        assert_eq!(
            (answer.status, answer.header("retry-after")),
            (503, Some("1"))
        );
        assert_eq!(rig.count(EventName::RecordingFile, Outcome::Overloaded), 0);
        if durable {
            waiting.durable(How::New);
        } else {
            waiting.fail(AppendError::Stopped);
        }
    }
    rig.until(|rig| rig.count(EventName::RecordingFile, Outcome::Overloaded) == 1)
        .await;
}

#[tokio::test]
async fn a_client_that_hangs_up_takes_nothing_back() {
    let (rig, mut writer) = Rig::with_writer(Settings::default()).await;
    let mut client = rig.connect().await;
    client.send(&post(PATH, &signed(100))).await;
    let waiting = writer.next().await.unwrap();
    drop(client);
    // The record is the writer's already; the next one is served.
    waiting.durable(How::New);
    let mut client = rig.connect().await;
    client.send(&post(PATH, &signed(1))).await;
    writer.next().await.unwrap().durable(How::New);
    assert_eq!(client.answer().await.status, 200);
}

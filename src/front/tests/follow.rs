//! What those who follow are told of each decision, and what not.

use super::rig::*;
use crate::{
    callback::names::Family,
    config::Secret,
    follow::{Decision, Follower, Outcome, REASONS, Seen},
    front::off::Off,
    spool::{AppendError, How},
};
use std::{sync::Arc, time::Duration};
use tokio::time;

const PATH: &str = "/callbacks/tencent";
const SHORT: Duration = Duration::from_millis(50);

async fn next(follower: &mut Follower) -> Arc<Decision> {
    let seen = time::timeout(LONG, follower.next()).await;
    let Seen::Decision(decision) = seen.expect("nothing is told") else {
        panic!("no decision");
    };
    let reason = decision.reason.as_deref();
    assert!(reason.is_none_or(|reason| REASONS.iter().any(|(known, _)| *known == reason)));
    decision
}

#[tokio::test]
async fn every_outcome_is_told_with_what_is_known() {
    let settings = Settings {
        off: Off::all_but(|family| family != Family::Stream),
        ..Settings::default()
    };
    let (rig, mut writer) = Rig::with_writer(settings).await;
    let mut follower = rig.decisions.follow(&[]).unwrap();
    for (how, outcome) in [
        (How::New, Outcome::Accepted),
        (How::Duplicate, Outcome::Duplicate),
    ] {
        let mut client = rig.connect().await;
        client.send(&post(PATH, &signed(100))).await;
        writer.next().await.unwrap().durable(how);
        let told = next(&mut follower).await;
        assert_eq!((told.outcome, told.status), (outcome, Some(200)));
        assert_eq!(told.source.as_deref(), Some("tencent"));
        assert_eq!(told.event.as_deref(), Some("recording.file"));
        assert_eq!(told.stream.as_deref(), Some("s1"));
        assert_eq!(told.key.as_deref(), Some("key-1"));
        assert_eq!(told.bytes, Some(signed(100).len() as u64));
        assert_eq!(
            told.ce_id.as_deref(),
            Some("8169080668a72683e9874873642f312f")
        );
        assert!(told.seq.is_some() && told.micros.is_some());
        assert_eq!(told.address, rig.address.ip());
        assert_eq!((told.at, &told.reason), (NOW, &None));
    }
    assert_eq!(rig.post(PATH, &signed(1)).await.status, 200);
    assert_eq!(next(&mut follower).await.outcome, Outcome::Ignored);
    let mut client = rig.connect().await;
    client.send(&post(PATH, &signed(100))).await;
    writer.next().await.unwrap().fail(AppendError::Full);
    let told = next(&mut follower).await;
    assert_eq!(
        (told.outcome, told.status),
        (Outcome::Overloaded, Some(503))
    );
    assert_eq!(told.reason.as_deref(), Some("spool-full"));
}

#[tokio::test]
async fn every_refusal_says_why() {
    let mut settings = Settings::default();
    settings.sources[0].path_token = Some(Secret::new("s3cret"));
    let shut = crate::config::Source {
        allow: vec!["192.0.2.0/24".parse().unwrap()],
        ..source("shut")
    };
    settings.sources.push(shut);
    let rig = Rig::durable(settings).await;
    let mut follower = rig.decisions.follow(&[]).unwrap();
    let right = "/callbacks/tencent/s3cret";
    let late = crate::callback::verify::sign("relaykey01", 1_749_998_000);
    let late = format!(r#"{{"event_type":100,"t":1749998000,"sign":"{late}"}}"#);
    for (path, body, reason, source) in [
        ("/callback/tencent/s3cret", "{}", "no-such-path", None),
        (PATH, "{}", "wrong-token", Some("tencent")),
        (
            "/callbacks/tencent/S3cret",
            "{}",
            "wrong-token",
            Some("tencent"),
        ),
        ("/callbacks/shut", "{}", "address", Some("shut")),
        (right, "{", "malformed-json", Some("tencent")),
        (right, "{}", "missing", Some("tencent")),
        (
            right,
            &signed(100).replace("d05", "x"),
            "malformed",
            Some("tencent"),
        ),
        (
            right,
            &signed(100).replace("d05", "d06"),
            "mismatch",
            Some("tencent"),
        ),
        (right, &late, "expired", Some("tencent")),
        (right, &"x".repeat(5000), "body-too-large", Some("tencent")),
    ] {
        rig.post(path, body).await;
        let told = next(&mut follower).await;
        assert_eq!(told.outcome, Outcome::Refused, "{path} {body}");
        assert_eq!(told.reason.as_deref(), Some(reason), "{path} {body}");
        assert_eq!(told.source.as_deref(), source, "{path} {body}");
        let text = serde_json::to_string(&*told).unwrap();
        for secret in [SIGN, "d06", "3cret", "relaykey01", "1749998000"] {
            assert!(!text.contains(secret), "{text}");
        }
    }
}

#[tokio::test]
async fn a_strangers_text_is_cut_and_what_is_secret_is_blanked() {
    let rig = Rig::durable(Settings::default()).await;
    let mut follower = rig.decisions.follow(&[]).unwrap();
    let long = "x".repeat(3000);
    for (stream, told) in [
        (long.as_str(), format!("{}…", "x".repeat(128))),
        ("s?txSecret=abc&x=1", "s?txSecret=***&x=1".into()),
    ] {
        let body = format!(r#"{{"event_type":1,"stream_id":"{stream}"}}"#);
        assert_eq!(rig.post(PATH, &body).await.status, 401);
        let decision = next(&mut follower).await;
        assert_eq!(decision.stream.as_deref(), Some(told.as_str()));
    }
}

#[tokio::test]
async fn connections_that_come_to_nothing_are_told_too() {
    let mut settings = Settings::default();
    settings.http.header_timeout = SHORT;
    settings.limits.connections_per_address = Some(1);
    let rig = Rig::durable(settings).await;
    let mut follower = rig.decisions.follow(&[]).unwrap();
    let mut half = rig.connect().await;
    half.send(b"POST /callb").await;
    let mut second = rig.connect().await;
    assert!(second.next().await.is_none());
    assert_eq!(
        next(&mut follower).await.reason.as_deref(),
        Some("address-limit")
    );
    assert!(half.next().await.is_none());
    let told = next(&mut follower).await;
    assert_eq!(told.reason.as_deref(), Some("head-timeout"));
    assert_eq!((told.outcome, told.status), (Outcome::Refused, None));
    rig.until(|rig| rig.metrics.connections.get() == 0).await;
    let mut nonsense = rig.connect().await;
    nonsense.send(b"\x16\x03\x01 no HTTP at all\r\n\r\n").await;
    assert_eq!(
        next(&mut follower).await.reason.as_deref(),
        Some("malformed-http")
    );
}

#[tokio::test]
async fn one_who_reads_nothing_slows_nobody() {
    let rig = Rig::durable(Settings::default()).await;
    let mut stuck = rig.decisions.follow(&[]).unwrap();
    let mut client = rig.connect().await;
    for _ in 0..3000 {
        client.send(&post(PATH, "x")).await;
        assert_eq!(client.answer().await.status, 400);
    }
    assert!(matches!(stuck.next().await, Seen::Lost(lost) if lost >= 1900));
}

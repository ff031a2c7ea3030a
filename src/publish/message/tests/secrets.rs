//! What is in a callback and must not get out.

use super::*;
use crate::config::{Auth, Secret, SourceKind};
use std::{collections::BTreeSet, slice};

#[test]
fn a_top_level_field_such_as_the_users_address_is_redacted_by_its_name() {
    let topics = Topics {
        families: BTreeMap::from([(Family::Stream, "live.stream".to_owned())]),
        quarantine: Some("live.quarantine".into()),
        checkpoint: "live.checkpoint".into(),
    };
    let redact = ["txSecret".to_owned(), "user_ip".to_owned()];
    let body = r#"{"event_type":1,"stream_id":"s1","user_ip":"192.0.2.7","stream_param":"txSecret=a&b=1"}"#;
    for mode in [CloudEvents::Binary, CloudEvents::Structured] {
        let rendering = Rendering::of(Payload::Typed, &redact, &topics).in_mode(mode);
        let topic = rendering.topic(Family::Stream).unwrap();
        let mut stream = record(body);
        stream.envelope.family = Family::Stream;
        let message = rendering.message(&stream, topic).unwrap();
        let text = payload(&message);
        assert!(
            !text.contains("192.0.2.7") && text.contains(r#""user_ip":"***""#),
            "{text}"
        );
        assert!(
            text.contains(r#""stream_param":"txSecret=***&b=1""#),
            "{text}"
        );
        let reason = Reason {
            label: "untypable",
            detail: String::new(),
            topic: "live.stream".into(),
        };
        let copy = rendering.quarantine_copy(&stream, &reason, 10_000).unwrap();
        assert!(!payload(&copy).contains("192.0.2.7"), "{}", payload(&copy));
    }
}

/// Whoever knows the path may send unsigned events. What only looks like it stays.
#[test]
fn the_sources_path_token_reaches_no_topic_whatever_field_names_it() {
    for token in ["0123456789-abcdefgh_XYZ", "9876543210"] {
        let source = Source {
            name: SourceName::parse("tencent").unwrap(),
            kind: SourceKind::TencentCss,
            auth: Auth::Required,
            path_token: Some(Secret::new(token)),
            allow: Vec::new(),
            unsigned_events: BTreeSet::from([314]),
            keys: Vec::new(),
            key_files: Vec::new(),
        };
        let with = |token: &str| {
            format!(
                r#"{{"event_type":314,"callback_url":"http://h/callbacks/tencent/{token}","n":[19876543210],"u":["a%2F{token}%2Fb/{token}?/98765432109"]}}"#
            )
        };
        let (body, expected) = (with(token), with("***"));
        for payload in [Payload::Typed, Payload::Raw] {
            let rendering = rendering(payload).without_tokens_of(slice::from_ref(&source));
            let topic = rendering.topic(Family::Recording).unwrap();
            let message = rendering.message(&record(&body), topic).unwrap();
            assert_eq!(super::payload(&message), expected);
            // As the sender may write a slash in JSON.
            let escaped = record(&body.replace('/', "\\/"));
            let message = rendering.message(&escaped, topic).unwrap();
            assert_eq!(super::payload(&message).replace("\\/", "/"), expected);
            let reason = Reason {
                label: "policy",
                detail: String::new(),
                topic: "live.relay-task".into(),
            };
            let copy = rendering.quarantine_copy(&record(&body), &reason, 1000);
            assert_eq!(super::payload(&copy.unwrap()), expected);
            assert!(!format!("{rendering:?}").contains(token));
        }
    }
}

#[test]
fn what_a_relay_task_pulls_is_redacted_where_its_message_names_it_too() {
    for (msg, expected) in [
        (
            r#""{\"url\":\"http://h/a.flv?txSecret=s&b=1\",\"index\":0,\"more\":{\"u\":\"?txSecret=s\"}}""#,
            r#"{"url":"http://h/a.flv?txSecret=***&b=1","index":0,"more":{"u":"?txSecret=***"}}"#,
        ),
        (
            r#"{"txSecret":"s","code":5}"#,
            r#"{"code":5,"txSecret":"***"}"#,
        ),
        (r#""no JSON: ?txSecret=s""#, r#""no JSON: ?txSecret=***""#),
    ] {
        let body =
            format!(r#"{{"event_type":314,"msg":{msg},"callback_url":"http://h/?txSecret=s"}}"#);
        let message = message(Payload::Typed, &body);
        assert_eq!(
            payload(&message),
            format!(
                r#"{{"event_type":314,"msg":{expected},"callback_url":"http://h/?txSecret=***"}}"#
            )
        );
    }
}

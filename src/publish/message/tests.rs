mod secrets;

use super::*;
use crate::{
    callback::names::SourceName,
    clock::Millis,
    spool::{CeId, Envelope, Seq},
};

const RECEIVED_AT: Millis = Millis(1_750_000_000_999);

fn record(body: &str) -> Record {
    Record {
        seq: Seq(7),
        ce_id: CeId([0xab; 16]),
        accepted_at: RECEIVED_AT,
        envelope: Envelope {
            source: SourceName::parse("tencent").unwrap(),
            family: Family::Recording,
            received_at: RECEIVED_AT,
            traceparent: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".into()),
            body: body.to_owned().into(),
        },
    }
}

fn rendering(payload: Payload) -> Rendering {
    let topics = Topics {
        families: BTreeMap::from([(Family::Recording, "live.recording".to_owned())]),
        quarantine: Some("live.quarantine".into()),
        checkpoint: "live.checkpoint".into(),
    };
    Rendering::of(payload, &["txSecret".into()], &topics)
}

fn message(payload: Payload, body: &str) -> Message {
    let rendering = rendering(payload);
    let topic = rendering.topic(Family::Recording).unwrap();
    rendering.message(&record(body), topic).unwrap()
}

fn header<'m>(message: &'m Message, name: &str) -> Option<&'m str> {
    let (_, value) = message.headers.iter().find(|(known, _)| *known == name)?;
    std::str::from_utf8(value).ok()
}

fn payload(message: &Message) -> &str {
    std::str::from_utf8(&message.payload).unwrap()
}

#[test]
fn a_record_becomes_a_cloud_event_in_binary_mode() {
    let body = r#"{"event_type":100,"stream_id":"s1","end_time":1749999000,"end_time_usec":5,"t":1750000000,"sign":"x"}"#;
    let message = message(Payload::Typed, body);
    assert_eq!(
        (&*message.topic, message.key.as_deref()),
        ("live.recording", Some(b"s1".as_slice()))
    );
    for (name, value) in [
        ("ce_specversion", Some("1.0")),
        ("ce_id", Some("abababababababababababababababab")),
        ("ce_source", Some("/callbacks/tencent")),
        ("ce_type", Some("com.tencent.css.recording.file")),
        ("ce_subject", Some("s1")),
        ("ce_time", Some("2025-06-15T14:50:00.000005Z")),
        ("ce_receivedtime", Some("2025-06-15T15:06:40.999Z")),
        ("ce_expiredby", None),
        ("content-type", Some("application/json")),
        (
            "traceparent",
            Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        ),
    ] {
        assert_eq!(header(&message, name), value, "{name}");
    }
    assert_eq!(
        payload(&message),
        r#"{"event_type":100,"stream_id":"s1","end_time":1749999000,"end_time_usec":5}"#
    );
}

#[test]
fn a_late_callback_says_by_how_many_whole_seconds() {
    for (t, late) in [
        ("1749999999", Some("1")),
        ("\"1749999400\"", Some("600")),
        ("1750000000", None),
        ("-1", None),
        ("null", None),
    ] {
        let body = format!("{{\"event_type\":100,\"t\":{t}}}");
        assert_eq!(
            header(&message(Payload::Typed, &body), "ce_expiredby"),
            late,
            "{t}"
        );
    }
}

#[test]
fn without_any_id_there_is_neither_key_nor_subject() {
    let message = message(Payload::Typed, r#"{"event_type":100,"stream_id":""}"#);
    assert_eq!(
        (message.key.as_ref(), header(&message, "ce_subject")),
        (None, None)
    );
}

#[test]
fn raw_is_the_body_byte_for_byte_but_for_the_signature() {
    let raw = |body: &str| payload(&message(Payload::Raw, body)).to_owned();
    assert_eq!(
        raw(
            "{ \"event_type\" : 100,\r\n\"\\u0073ign\" : \"40994cf0\\u0041\" , \"t\":\"1\", \"n\":{\"sign\":\"kept\"},\"x\":1e2,\"stream_param\":\"txSecret=a\"}\n"
        ),
        "{ \"event_type\" : 100,\r\n\"\\u0073ign\" : \"\" , \"t\":\"1\", \"n\":{\"sign\":\"kept\"},\"x\":1e2,\"stream_param\":\"txSecret=a\"}\n"
    );
    assert_eq!(raw(r#"{"event_type":100}"#), r#"{"event_type":100}"#);
    assert_eq!(
        raw(r#"{"sign":["a"],"event_type":100}"#),
        r#"{"sign":"","event_type":100}"#
    );
}

#[test]
fn what_can_not_be_typed_is_refused_with_the_reason_whatever_the_payload() {
    for payload in [Payload::Typed, Payload::Raw] {
        let rendering = rendering(payload);
        let topic = rendering.topic(Family::Recording).unwrap();
        let reason = rendering
            .message(&record(r#"{"event_type":100,"duration":[]}"#), topic)
            .unwrap_err();
        assert_eq!(
            (reason.label, &*reason.topic),
            ("untypable", "live.recording")
        );
        assert!(reason.detail.starts_with("duration: "), "{}", reason.detail);
    }
}

#[test]
fn a_quarantine_copy_has_the_reason_and_no_signature_and_fits() {
    let body = r#"{"event_type":100,"sign":"40994cf0dff5bdb781e083f6699f3d05","t":1750000000,"stream_id":"s1","stream_param":"txSecret=a","duration":"ééé"}"#;
    let reason = Reason {
        label: "untypable",
        detail: "duration: …".into(),
        topic: "live.recording".into(),
    };
    let copy = |max| {
        rendering(Payload::Typed)
            .quarantine_copy(&record(body), &reason, max)
            .unwrap()
    };
    let whole = copy(10_000);
    assert_eq!(
        (&*whole.topic, whole.key.as_deref()),
        ("live.quarantine", Some(b"s1".as_slice()))
    );
    assert_eq!(
        payload(&whole),
        r#"{"event_type":100,"sign":"","t":1750000000,"stream_id":"s1","stream_param":"txSecret=***","duration":"ééé"}"#
    );
    for (name, value) in [
        (REASON, Some("untypable")),
        (DETAIL, Some("duration: …")),
        (TOPIC, Some("live.recording")),
        (TRUNCATED, None),
        ("ce_type", Some("com.tencent.css.recording.file")),
        ("ce_time", Some("2025-06-15T15:06:40.999Z")),
    ] {
        assert_eq!(header(&whole, name), value, "{name}");
    }
    for max in 0..whole.payload.len() {
        let cut = copy(max);
        assert!(
            cut.payload.len() <= max && whole.payload.starts_with(&cut.payload),
            "{max}"
        );
        assert!(max - payload(&cut).len() < 4, "{max}");
        let length = whole.payload.len().to_string();
        assert_eq!(header(&cut, TRUNCATED), Some(&*length));
        assert!(!cut.is_whole());
    }
}

#[test]
fn a_quarantine_copy_has_no_credentials_whatever_their_shape() {
    let reason = Reason {
        label: "untypable",
        detail: String::new(),
        topic: "live.stream".into(),
    };
    let body = r#"{"event_type":1,"stream_param":{"txSecret":"abc"},"to_url":"?txSecret=abc","source_urls":["?txSecret=abc&b=1"]}"#;
    let copy = rendering(Payload::Typed)
        .quarantine_copy(&record(body), &reason, 10_000)
        .unwrap();
    assert_eq!(
        payload(&copy),
        r#"{"event_type":1,"stream_param":{"txSecret":"***"},"to_url":"?txSecret=***","source_urls":["?txSecret=***&b=1"]}"#
    );
}

#[test]
fn a_body_that_can_not_be_read_is_not_copied() {
    let reason = Reason {
        label: "untypable",
        detail: "the body is not JSON at byte 1".into(),
        topic: "live.recording".into(),
    };
    let record = record(r#"{sign:"40994cf0dff5bdb781e083f6699f3d05"}"#);
    let copy = rendering(Payload::Typed)
        .quarantine_copy(&record, &reason, 10_000)
        .unwrap();
    assert_eq!(
        (copy.payload.len(), header(&copy, REASON)),
        (0, Some("untypable"))
    );
    let rendering = rendering(Payload::Typed);
    let topic = rendering.topic(Family::Recording).unwrap();
    assert!(
        rendering
            .message(&record, topic)
            .unwrap_err()
            .detail
            .starts_with("the body is not JSON")
    );
}

fn structured(payload: Payload, record: &Record) -> Message {
    let rendering = rendering(payload).in_mode(CloudEvents::Structured);
    let topic = rendering.topic(Family::Recording).unwrap();
    rendering.message(record, topic).unwrap()
}

#[test]
fn in_structured_mode_the_value_is_the_whole_cloud_event_and_key_and_trace_stay_beside_it() {
    let body = r#"{"event_type":100,"stream_id":"s\"1","end_time":1749999000,"big":12345678901234567890,"x":1e2,"t":1749999400,"sign":"x"}"#;
    let message = structured(Payload::Typed, &record(body));
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    assert_eq!(
        payload(&message),
        format!(
            r#"{{"specversion":"1.0","id":"abababababababababababababababab","source":"/callbacks/tencent","type":"com.tencent.css.recording.file","subject":"s\"1","time":"2025-06-15T14:50:00.000Z","receivedtime":"2025-06-15T15:06:40.999Z","expiredby":600,"traceparent":"{trace}","datacontenttype":"application/json","data":{{"event_type":100,"stream_id":"s\"1","end_time":1749999000,"big":12345678901234567890,"x":1e2}}}}"#
        )
    );
    assert_eq!(message.key.as_deref(), Some(br#"s"1"#.as_slice()));
    let names: Vec<_> = message.headers.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["traceparent", "content-type"]);
    assert_eq!(header(&message, "traceparent"), Some(trace));
    assert_eq!(
        header(&message, "content-type"),
        Some("application/cloudevents+json; charset=UTF-8")
    );
}

#[test]
fn in_structured_mode_attributes_are_named_by_the_rules_and_have_the_same_values() {
    let body = r#"{"event_type":100,"stream_id":"s1","t":1749999400}"#;
    let binary = message(Payload::Typed, body);
    let value = structured(Payload::Typed, &record(body));
    let event: serde_json::Value = serde_json::from_slice(&value.payload).unwrap();
    let members = event.as_object().unwrap();
    for name in members.keys() {
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        assert!(name.chars().all(allowed) && name.len() <= 20, "{name}");
    }
    for (name, value) in binary.headers {
        if let Some(attribute) = name.strip_prefix("ce_") {
            let text = std::str::from_utf8(&value).unwrap();
            let found = &members[attribute];
            let number = found.as_i64().map(|number| number.to_string());
            let same = found.as_str() == Some(text) || number.as_deref() == Some(text);
            assert!(same, "{name}: {found} is not {text}");
        }
    }
    let data = serde_json::from_slice::<serde_json::Value>(&binary.payload).unwrap();
    assert_eq!(members["data"], data);
}

#[test]
fn in_structured_mode_a_raw_body_is_embedded_byte_for_byte_and_lateness_fits_32_bits() {
    let body = "{ \"event_type\" : 100,\r\n\"sign\":\"40994cf0\", \"t\":1}";
    let message = structured(Payload::Raw, &record(body));
    let data = "\"data\":{ \"event_type\" : 100,\r\n\"sign\":\"\", \"t\":1}}";
    assert!(payload(&message).ends_with(data), "{}", payload(&message));
    let mut late = record(body);
    late.envelope.received_at = Millis(9_000_000_000_000);
    let message = structured(Payload::Raw, &late);
    let event: serde_json::Value = serde_json::from_slice(&message.payload).unwrap();
    assert_eq!(event["expiredby"], i32::MAX);
}

#[test]
fn a_structured_message_of_the_largest_body_fits_what_the_client_may_send() {
    let limit = 960 << 10;
    let stream = "s".repeat(200);
    let filler = "x".repeat(limit - 250);
    let body = format!(r#"{{"event_type":100,"stream_id":"{stream}","a":"{filler}"}}"#);
    assert!(body.len() <= limit);
    for mode in [CloudEvents::Binary, CloudEvents::Structured] {
        let rendering = rendering(Payload::Typed).in_mode(mode);
        let topic = rendering.topic(Family::Recording).unwrap();
        let message = rendering.message(&record(&body), topic).unwrap();
        let headers = message.headers.iter();
        let headers: usize = headers
            .map(|(name, value)| name.len() + value.len() + 10)
            .sum();
        let size = message.payload.len() + headers + message.key.map_or(0, |key| key.len());
        let most = crate::publish::properties::message_bytes(limit);
        assert!(size < most, "{mode:?}: {size} of {most}");
    }
}

#[test]
fn a_copy_for_the_quarantine_stays_in_binary_mode() {
    let reason = Reason {
        label: "untypable",
        detail: String::new(),
        topic: "live.recording".into(),
    };
    let rendering = rendering(Payload::Typed).in_mode(CloudEvents::Structured);
    let record = record(r#"{"event_type":100,"duration":[]}"#);
    let copy = rendering.quarantine_copy(&record, &reason, 10).unwrap();
    assert_eq!(header(&copy, "content-type"), Some("application/json"));
    assert!(header(&copy, "ce_id").is_some() && payload(&copy).len() <= 10);
}

//! What typing converts, what it keeps, and what it refuses.

use super::*;

fn parse(body: &str) -> Result<Event, Untypable> {
    Event::parse(&Document::parse(body.as_bytes()).unwrap())
}

fn published(body: &str) -> String {
    serde_json::to_string(&parse(body).unwrap()).unwrap()
}

fn refused(body: &str) -> String {
    parse(body).unwrap_err().to_string()
}

#[test]
fn a_quantity_may_be_a_number_or_its_decimal_text() {
    for (body, expected) in [
        (
            r#"{"event_type":0,"push_duration":"128581"}"#,
            r#""push_duration":128581"#,
        ),
        (
            r#"{"event_type":0,"push_duration":128581}"#,
            r#""push_duration":128581"#,
        ),
        (r#"{"event_type":0,"errcode":"-1"}"#, r#""errcode":-1"#),
        (
            r#"{"event_type":100,"file_size":18446744073709551615}"#,
            ":18446744073709551615",
        ),
        (r#"{"event_type":343,"score":"44.5"}"#, r#""score":44.5"#),
        (r#"{"event_type":343,"score":1e2}"#, r#""score":100"#),
        (
            r#"{"event_type":321,"abnormal_event":[{"customer_visible":"false"}]}"#,
            ":false",
        ),
    ] {
        assert!(
            published(body).contains(expected),
            "{body}: {}",
            published(body)
        );
    }
}

#[test]
fn what_is_not_of_its_type_is_refused_by_path_and_never_quoted() {
    for (body, expected) in [
        (r#"{}"#, "event_type is missing"),
        (r#"{"event_type":null}"#, "event_type is missing"),
        (
            r#"{"event_type":"100"}"#,
            "event_type: expected an integer of 64 bits, found a string",
        ),
        (
            r#"{"event_type":100.0}"#,
            "event_type: expected an integer of 64 bits, found a number",
        ),
        (
            r#"{"event_type":9223372036854775808}"#,
            "event_type: expected an integer of 64 bits, found an integer out of range",
        ),
        (
            r#"{"event_type":100,"file_size":-1}"#,
            "file_size: expected an unsigned integer of 64 bits, or its decimal text, found an integer",
        ),
        (
            r#"{"event_type":100,"duration":1.5}"#,
            "duration: expected an integer of 64 bits, or its decimal text, found a number",
        ),
        (
            r#"{"event_type":100,"duration":"secret"}"#,
            "duration: expected an integer of 64 bits, or its decimal text, found a string",
        ),
        (
            r#"{"event_type":100,"app":5}"#,
            "app: expected a string, found an integer",
        ),
        (
            r#"{"event_type":100,"stream_id":true}"#,
            "stream_id: expected a string or a number, found a boolean",
        ),
        (
            r#"{"event_type":100,"callback_ext":7}"#,
            "callback_ext: expected a string, found an integer",
        ),
        (
            r#"{"event_type":100,"callback_ext":"{\"session_id\":[]}"}"#,
            "callback_ext.session_id: expected a string or a number, found an array",
        ),
        (
            r#"{"event_type":341,"exception":"x"}"#,
            "exception: expected an object, found a string",
        ),
        (
            r#"{"event_type":317,"score":["x"]}"#,
            "score[0]: expected a number, or its decimal text, found a string",
        ),
        (
            r#"{"event_type":349,"items":{}}"#,
            "items: expected an array, found an object",
        ),
        (
            r#"{"event_type":343,"score":1e999}"#,
            "score: expected a number, or its decimal text, found a number",
        ),
    ] {
        assert_eq!(refused(body), expected, "{body}");
    }
}

#[test]
fn missing_and_null_fields_are_no_fault_and_stay_what_they_are() {
    for &name in EventName::ALL {
        let number = name.event_type().unwrap_or(999);
        let schema = schema(name);
        let mut body = format!("{{\"event_type\":{number}");
        assert_eq!(published(&format!("{body}}}")), format!("{body}}}"));
        let fields = schema
            .pointer("/properties")
            .and_then(|p| p.as_object())
            .unwrap();
        for field in fields.keys().filter(|field| *field != "event_type") {
            body += &format!(",\"{field}\":null");
        }
        body.push('}');
        assert_eq!(published(&body), body, "{name}");
    }
}

#[test]
fn what_a_string_holds_takes_its_place_only_where_it_fits() {
    let ext = |text: &str| {
        let text = serde_json::to_string(text).unwrap();
        published(&format!("{{\"event_type\":100,\"callback_ext\":{text}}}"))
    };
    let kept = |json: &str| format!("{{\"event_type\":100,\"callback_ext\":{json}}}");
    assert_eq!(
        ext(" {\"video_codec\":\"h264\",\"x\":1e2}\n"),
        kept(r#"{"video_codec":"h264","x":1e2}"#)
    );
    assert_eq!(ext("[1.0]"), kept("[1.0]"));
    for text in [
        "",
        "5",
        "null",
        "true",
        "\\\"x\\\"",
        "{",
        "{}x",
        r#"["\ud800"]"#,
        r#"{"a":01}"#,
    ] {
        assert_eq!(
            ext(text),
            kept(&serde_json::to_string(text).unwrap()),
            "{text}"
        );
    }
    // The top-level object is the first level, so 127 are left.
    let deep = |depth| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert_eq!(ext(&deep(127)), kept(&deep(127)));
    assert_eq!(ext(&deep(128)), kept(&format!("\"{}\"", deep(128))));
    Document::parse(ext(&deep(127)).as_bytes()).unwrap();
}

#[test]
fn an_opened_string_reads_as_its_documented_type() {
    let Ok(Event::RelayTaskEvent(event)) = parse(
        r#"{"event_type":314,"msg":"{\"index\":\"3\",\"code\":-22}","source_urls":"[\"a\"]\n"}"#,
    ) else {
        panic!("not a relay event")
    };
    let message = event.msg.as_ref().and_then(Embedded::held).unwrap();
    assert_eq!((message.index, message.code), (Some(3), Some(-22)));
    assert_eq!(
        event.source_urls,
        Some(Embedded::Held(vec!["a".to_owned()]))
    );
}

#[test]
fn a_nested_name_that_comes_twice_is_kept_twice() {
    let body = r#"{"event_type":341,"exception":{"type":1,"type":2,"z":1,"z":2}}"#;
    assert_eq!(published(body), body);
    assert!(
        refused(r#"{"event_type":341,"exception":{"type":1,"type":"x"}}"#)
            .starts_with("exception.type:")
    );
}

#[test]
fn the_parts_of_the_delivery_are_left_out_at_the_top_only() {
    let body = r#"{"t":1,"event_type":341,"\u0073ign":"x","exception":{"sign":"kept","t":2}}"#;
    assert_eq!(
        published(body),
        r#"{"event_type":341,"exception":{"sign":"kept","t":2}}"#
    );
}

#[test]
fn credentials_go_from_every_field_that_has_queries() {
    let redacted = |body: &str| {
        let mut event = parse(body).unwrap();
        event.redact(&["txSecret".into()]);
        let text = serde_json::to_string(&event).unwrap();
        assert!(!text.contains("abc"), "{text}");
        text
    };
    redacted(
        r#"{"event_type":314,"to_url":"rtmp://h/s?txSecret=abc","source_urls":"[\"rtmp://h/s?a=1&txSecret=abc\"]"}"#,
    );
    redacted(r#"{"event_type":314,"source_urls":"[{\"u\":\"?txSecret=abc\"}]"}"#);
    redacted(r#"{"event_type":314,"source_urls":"rtmp://h/s?txSecret=abc"}"#);
    redacted(r#"{"event_type":7,"stream_param":{"txSecret":"abc","q":"txSecret=abc"}}"#);
    redacted(r#"{"event_type":7,"to_url":["?txSecret=abc"]}"#);
    // Of another type than documented.
    let kept = redacted(r#"{"event_type":314,"to_url":"rtmp://h/s?a=1","source_urls":"[\"x\"]"}"#);
    assert_eq!(
        kept,
        r#"{"event_type":314,"source_urls":["x"],"to_url":"rtmp://h/s?a=1"}"#
    );
}

#[test]
fn an_undocumented_text_is_typed_however_it_is_escaped() {
    let event = parse(r#"{"event_type":100,"video_id":"a\/\u0062"}"#).unwrap();
    let Event::RecordingFile(recording) = event else {
        panic!("another kind")
    };
    assert_eq!(recording.video_id.as_deref(), Some("a/b"));
}

#[test]
fn a_number_too_large_is_called_so() {
    let refused = parse(r#"{"event_type":99999999999999999999}"#).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "event_type: expected an integer of 64 bits, found an integer out of range"
    );
}

#[test]
fn redaction_reaches_fields_of_any_type_and_what_is_redacted_still_reads() {
    let mut event = parse(
        r#"{"event_type":100,"appid":1,"app":"d","task_id":null,"extra":{"a":1},"stream_param":"txSecret=a&b=c"}"#,
    )
    .unwrap();
    let names = [
        "appid",
        "app",
        "task_id",
        "extra",
        "txSecret",
        "event_type",
        "absent",
    ];
    event.redact(&names.map(str::to_owned));
    let text = serde_json::to_string(&event).unwrap();
    assert_eq!(
        text,
        r#"{"event_type":100,"app":"***","stream_param":"txSecret=***&b=c","task_id":"***","extra":"***","appid":"***"}"#
    );
    let again: RecordingFile = serde_json::from_str(&text).unwrap();
    assert_eq!(again.appid, None);

    let mut unknown =
        parse(r#"{"event_type":7,"user":"u","stream_param":"txSecret=\u0061&b=c"}"#).unwrap();
    unknown.redact(&["txSecret".into(), "user".into()]);
    assert_eq!(
        serde_json::to_string(&unknown).unwrap(),
        r#"{"event_type":7,"user":"***","stream_param":"txSecret=***&b=c"}"#
    );
}

#[test]
fn one_kind_is_not_read_as_another() {
    let other = serde_json::from_str::<RecordingFile>(r#"{"event_type":332}"#).unwrap_err();
    assert!(
        other
            .to_string()
            .starts_with("this is the event recording.status, not recording.file")
    );
    assert!(serde_json::from_str::<RecordingFile>("{}").is_err());
    assert!(serde_json::from_str::<RecordingFile>("[]").is_err());
}

#[test]
fn a_field_without_a_documented_type_is_typed_only_if_nothing_changes_by_it() {
    for value in ["34", "1e2", "\"34\"", "34.0", "[]"] {
        let body = format!("{{\"event_type\":1,\"idc_id\":{value}}}");
        assert_eq!(published(&body), body);
    }
    let Ok(Event::StreamStarted(event)) = parse(r#"{"event_type":1,"idc_id":34}"#) else {
        panic!("not a start")
    };
    assert_eq!(event.idc_id, Some(34));
}

//! What typing converts, what it keeps, and what it refuses.

use super::*;
use proptest::{collection::vec, prelude::*};
use std::collections::BTreeMap;

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
            "event_type: expected an integer of 64 bits, found an integer",
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

/// JSON text of any value, numbers in any spelling, names distinct within an object.
fn json() -> impl Strategy<Value = String> {
    let number = "-?(0|[1-9][0-9]{0,24})(\\.[0-9]{1,5})?([eE][+-]?[0-9]{1,3})?";
    let string = "\"([ -!#-\\[\\]-~é]|\\\\[\"\\\\/bfnrt]|\\\\u00[0-7][0-9a-f])*\"";
    let leaf = prop_oneof![
        3 => number,
        2 => string,
        1 => Just("true".to_owned()),
        1 => Just("null".to_owned()),
        1 => number.prop_map(|n| format!("\"{n}\"")),
        1 => Just(r#""{\"a\":[1e2]}""#.to_owned()),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(|all| format!("[{}]", all.join(","))),
            prop::collection::btree_map("[a-zA-Z_]{1,8}", inner, 0..4).prop_map(|all| object(&all)),
        ]
    })
}

fn object(members: &BTreeMap<String, String>) -> String {
    let members: Vec<_> = members
        .iter()
        .map(|(name, value)| format!("\"{name}\":{value}"))
        .collect();
    format!("{{{}}}", members.join(","))
}

fn documented(name: EventName) -> Vec<String> {
    let schema = schema(name);
    let fields = schema.pointer("/properties").and_then(|p| p.as_object());
    fields
        .into_iter()
        .flatten()
        .map(|(field, _)| field.clone())
        .collect()
}

/// An event of any kind: members of its sample, some documented ones replaced by anything, and undocumented ones.
fn callback() -> impl Strategy<Value = (EventName, BTreeMap<String, String>)> {
    let kinds = prop::sample::select(EventName::ALL.to_vec());
    let undocumented = prop::collection::btree_map("[a-zA-Z_]{1,12}", json(), 0..6);
    let documented_values = vec((any::<prop::sample::Index>(), json()), 0..2);
    (kinds, undocumented, documented_values, any::<bool>()).prop_map(
        |(name, others, values, full)| {
            let mut members = BTreeMap::new();
            if full {
                let document = Document::parse(sample(name).as_bytes()).unwrap();
                members.extend(
                    document
                        .members()
                        .iter()
                        .map(|m| (m.name.to_string(), m.value.to_owned())),
                );
            }
            let fields = documented(name);
            for (index, value) in values {
                members.insert(index.get(&fields).clone(), value);
            }
            members.extend(others);
            members.insert(
                "event_type".into(),
                name.event_type().unwrap_or(999).to_string(),
            );
            members.insert("t".into(), "1750000000".into());
            members.insert("sign".into(), "\"40994cf0dff5bdb781e083f6699f3d05\"".into());
            (name, members)
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(600) })]

    /// Whatever comes, typing doesn't panic; what it types loses nothing but `sign` and `t`, keeps every undocumented
    /// field as the text that came, and reads back as itself.
    #[test]
    fn nothing_is_lost_and_no_number_rewritten((name, members) in callback()) {
        let fields = documented(name);
        match parse(&object(&members)) {
            Err(Untypable::Field { path, .. }) => {
                let first = path.split(['.', '[']).next().unwrap_or_default();
                prop_assert!(fields.iter().any(|field| field == first), "{path}");
            }
            Err(other) => prop_assert!(false, "{other}"),
            Ok(event) => {
                let text = serde_json::to_string(&event).unwrap();
                let document = Document::parse(text.as_bytes()).unwrap();
                prop_assert_eq!(document.members().len(), members.len() - 2);
                for (member, value) in members.iter().filter(|(m, _)| *m != "t" && *m != "sign") {
                    let kept = document.get(member);
                    if fields.contains(member) {
                        prop_assert!(kept.is_some(), "{member}");
                        prop_assert_eq!(kept == Some("null"), value == "null");
                    } else {
                        prop_assert_eq!(kept, Some(value.as_str()));
                    }
                }
                let again: Event = serde_json::from_str(&text).unwrap();
                prop_assert_eq!(serde_json::to_string(&again).unwrap(), text);
                prop_assert_eq!(again, event);
            }
        }
    }

    /// The same inside documented objects: an undocumented member put into every object of a sample comes out.
    #[test]
    fn nothing_is_lost_inside_documented_objects(
        name in prop::sample::select(EventName::ALL.to_vec()),
        value in json(),
    ) {
        let (mut body, mut quoted, mut objects) = (String::new(), false, 0);
        for c in sample(name).chars() {
            quoted ^= c == '"' && !body.ends_with('\\');
            body.push(c);
            if c == '{' && !quoted {
                body += &format!("\"undocumented_{objects}\":{value},");
                objects += 1;
            }
        }
        let text = published(&body);
        for number in 0..objects {
            let member = format!("\"undocumented_{number}\":{value}");
            prop_assert!(text.contains(&member), "{member} in {text}");
        }
    }
}

//! Whatever the sender may write, nothing of it is lost on the way to the topic.

use super::*;
use proptest::{collection::vec, prelude::*};
use std::collections::BTreeMap;

fn parse(body: &str) -> Result<Event, Untypable> {
    Event::parse(&Document::parse(body.as_bytes()).unwrap())
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
        let text = serde_json::to_string(&parse(&body).unwrap()).unwrap();
        for number in 0..objects {
            let member = format!("\"undocumented_{number}\":{value}");
            prop_assert!(text.contains(&member), "{member} in {text}");
        }
    }

    /// Without the types in between the same comes out as with them, whatever is redacted, or nothing.
    #[test]
    fn a_transcript_says_what_the_types_say(
        (name, members) in callback(),
        field in any::<prop::sample::Index>(),
        query in "(txSecret=a&?|b=c&?|%3D|\\\\u0026){0,4}",
        layout in prop::sample::select(vec!["", " ", "\n\t"]),
    ) {
        let mut members = members;
        if members.contains_key("stream_param") {
            members.insert("stream_param".into(), format!("\"{query}\""));
        }
        let body = spread(&object(&members), layout);
        let secret = "txSecret".to_owned();
        let fields = documented(name);
        let named: Vec<_> = members.keys().cloned().collect();
        for redact in [
            vec![],
            vec![secret.clone()],
            vec![secret.clone(), field.get(&fields).clone()],
            vec![secret, field.get(&named).clone()],
        ] {
            is_the_same(&body, &redact);
        }
    }
}

/// The same JSON with white space behind each comma and colon.
fn spread(text: &str, space: &str) -> String {
    let (mut quoted, mut escaped) = (false, false);
    let mut spread = String::new();
    for c in text.chars() {
        spread.push(c);
        if !quoted && matches!(c, ',' | ':') {
            spread += space;
        }
        quoted ^= c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
    }
    spread
}

/// Values at the borders of what is written as it came.
const BORDERS: [&str; 23] = [
    "null",
    "true",
    "\"true\"",
    "0",
    "-0",
    "-1",
    "1750000000",
    "999999999999999",
    "9007199254740993",
    "18446744073709551616",
    "1234567890123456789012345678901234567890",
    "1.0",
    "1e2",
    "\"\"",
    "\"1\"",
    "\"***\"",
    "\"a b\"",
    "\"a\\/b\"",
    "\"u?txSecret=a\"",
    "[ 1 ]",
    "[\"u?txSecret=a\"]",
    "{ \"a\" : 1 }",
    "\"{\\\"a\\\":[1e2]}\"",
];

/// Each of them in each documented field, and in undocumented ones that queries are looked for in.
#[test]
fn a_transcript_says_what_the_types_say_of_every_field() {
    let redacts = [vec![], vec!["txSecret".to_owned()]];
    let mut written = 0;
    for &name in EventName::ALL {
        let document = Document::parse(sample(name).as_bytes()).unwrap();
        let mut fields = documented(name);
        fields.extend(QUERY_FIELDS.map(str::to_owned));
        for field in fields.iter().filter(|field| *field != "event_type") {
            for value in BORDERS {
                // The others after it: a null has to go behind them.
                let mut body = format!("{{\"{field}\":{value}");
                for member in document
                    .members()
                    .iter()
                    .filter(|m| m.name != field.as_str())
                {
                    body += &format!(",\"{}\":{}", member.name, member.value);
                }
                body.push('}');
                for redact in &redacts {
                    written += usize::from(is_the_same(&body, redact));
                }
            }
        }
    }
    assert!(written > 4000, "{written}");
}

/// What a name may be, and what may be said without an escape.
#[test]
fn a_transcript_says_what_the_types_say_however_names_are_written() {
    let body = concat!(
        r#"{"\u0065vent_type":1,"a\"b\\":1,"stream\u005fid":"s","\u0073ign":"x","é":"é","d\u000al":""#,
        "\u{7f}",
        r#"","phone":"1"}"#
    );
    assert!(is_the_same(body, &[]));
    assert!(is_the_same(
        body,
        &["sign".into(), "t".into(), "event_type".into()]
    ));
    // A blanked field is for the long way, documented or not.
    assert!(!is_the_same(body, &["phone".into()]));
    assert!(!is_the_same(body, &["stream_id".into()]));
}

/// Whether there is a transcript; if so, that it is what the types say.
fn is_the_same(body: &str, redact: &[String]) -> bool {
    let document = Document::parse(body.as_bytes()).unwrap();
    let Some(found) = Event::transcribe(&document, redact) else {
        return false;
    };
    let mut event = Event::parse(&document).unwrap_or_else(|fault| panic!("{fault}: {body}"));
    let (name, time) = (event.name(), event.time());
    event.redact(redact);
    let json = String::from_utf8(found.json).unwrap();
    assert_eq!(json, serde_json::to_string(&event).unwrap(), "{body}");
    assert_eq!((found.name, found.time), (name, time), "{body}");
    true
}

/// What is documented doesn't take the long way.
#[test]
fn every_known_event_as_documented_has_a_transcript() {
    for &name in EventName::ALL
        .iter()
        .filter(|&&name| name != EventName::Unknown)
    {
        let document = Document::parse(sample(name).as_bytes()).unwrap();
        let transcript = Event::transcribe(&document, &["txSecret".into()]);
        assert!(transcript.is_some(), "{name}");
    }
}

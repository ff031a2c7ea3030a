//! Every sample of the vendor's documents, and the quirks of real callbacks: callback in, message out, byte for byte.
//!
//! See `tests/golden/README.md`. What comes out must also fit the published JSON Schema, and read back with the public
//! types must be exactly what was published.

#![expect(
    clippy::unwrap_used,
    reason = "outside test functions too, a test's fault is a panic"
)]

mod schema_check;

use livebridge::{
    callback::{
        event::{Event, event_type, sample, schema},
        id::ce_id,
        json::Document,
        names::{EventName, Family, SourceName},
    },
    clock::Millis,
    config::{Payload, Topics},
    publish::message::{Message, Rendering},
    spool::{Envelope, Reason, Record, Seq},
};
use md5::{Digest, Md5};
use serde::Serialize;
use serde_json::value::RawValue;
use std::{collections::BTreeMap, env, ffi::OsStr, fs, path::PathBuf};

const KEY: &str = "relaykey01";
/// The `t` of callbacks that have none of their own.
const EXPIRES: &str = "1750000000";
/// Two seconds after the sending of a callback with that `t`.
const RECEIVED_AT: Millis = Millis(1_749_999_402_042);

/// What is kept of a message.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Golden<'a> {
    Message {
        topic: &'a str,
        key: Option<&'a str>,
        headers: BTreeMap<&'a str, &'a str>,
        value: Box<RawValue>,
    },
    Untypable(&'a str),
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

/// Names and callbacks: the samples, and the variants.
fn callbacks() -> BTreeMap<String, String> {
    let mut callbacks: BTreeMap<_, _> = EventName::ALL
        .iter()
        .map(|&name| (name.to_string(), sample(name).to_owned()))
        .collect();
    for entry in fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().and_then(OsStr::to_str).unwrap();
        if let Some(name) = name.strip_suffix(".json")
            && !name.ends_with(".expected")
        {
            let callback = fs::read_to_string(&path).unwrap();
            let before = callbacks.insert(name.to_owned(), callback.trim().to_owned());
            assert_eq!(before, None, "{name} is a sample");
        }
    }
    callbacks
}

/// The callback with `sign`, and `t` if it has none, at its end.
fn signed(callback: &str) -> String {
    let document = Document::parse(callback.as_bytes()).unwrap();
    let own = document.get("t").map(|t| t.trim_matches('"').to_owned());
    let t = own.as_deref().unwrap_or(EXPIRES);
    let sign = hex::encode(Md5::digest(format!("{KEY}{t}")));
    let rest = if own.is_some() {
        format!(",\"sign\":\"{sign}\"}}")
    } else {
        format!(",\"sign\":\"{sign}\",\"t\":{t}}}")
    };
    format!("{}{rest}", callback.strip_suffix('}').unwrap())
}

fn record(callback: String) -> Record {
    let document = Document::parse(callback.as_bytes()).unwrap();
    let name = event_type(&document).map_or(EventName::Unknown, EventName::from_event_type);
    Record {
        seq: Seq(1),
        ce_id: ce_id(&document),
        accepted_at: RECEIVED_AT,
        envelope: Envelope {
            source: SourceName::parse("tencent").unwrap(),
            family: name.family(),
            received_at: RECEIVED_AT,
            traceparent: None,
            body: callback.into(),
        },
    }
}

fn rendering() -> Rendering {
    let topics = Topics {
        families: Family::ALL
            .iter()
            .map(|&family| (family, family.default_topic().to_owned()))
            .collect(),
        quarantine: Some("live.quarantine".into()),
        checkpoint: "live.checkpoint".into(),
    };
    Rendering::of(Payload::Typed, &["txSecret".into()], &topics)
}

/// All goldens with what comes of them.
fn rendered() -> impl Iterator<Item = (String, Result<Message, Reason>)> {
    callbacks().into_iter().map(|(name, callback)| {
        let unsigned = name.ends_with(".unsigned");
        let record = record(if unsigned {
            callback
        } else {
            signed(&callback)
        });
        let rendering = rendering();
        let topic = rendering.topic(record.envelope.family).unwrap();
        (name, rendering.message(&record, topic))
    })
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

fn printed(rendered: &Result<Message, Reason>) -> String {
    let golden = match rendered {
        Ok(message) => Golden::Message {
            topic: &message.topic,
            key: message.key.as_deref().map(text),
            headers: message
                .headers
                .iter()
                .map(|(name, value)| (*name, text(value)))
                .collect(),
            value: RawValue::from_string(text(&message.payload).to_owned()).unwrap(),
        },
        Err(reason) => Golden::Untypable(&reason.detail),
    };
    serde_json::to_string_pretty(&golden).unwrap() + "\n"
}

#[test]
fn the_test_key_signs_as_the_sender_does() {
    assert!(
        signed(r#"{"a":1}"#)
            .contains(r#""sign":"40994cf0dff5bdb781e083f6699f3d05","t":1750000000}"#)
    );
}

#[test]
fn every_callback_becomes_exactly_the_message_that_consumers_know() {
    let update = env::var_os("UPDATE_GOLDEN").is_some();
    let mut different = Vec::new();
    for (name, rendered) in rendered() {
        let path = folder().join(format!("{name}.expected.json"));
        let printed = printed(&rendered);
        if update {
            fs::write(&path, &printed).unwrap();
        } else if fs::read_to_string(&path).unwrap_or_default() != printed {
            different.push(format!("{name}: {printed}"));
        }
    }
    assert!(different.is_empty(), "{}", different.join("\n"));
}

#[test]
fn no_message_carries_the_signature_or_a_push_credential() {
    for (name, rendered) in rendered() {
        let Ok(message) = rendered else { continue };
        let document = Document::parse(&message.payload).unwrap();
        assert_eq!(
            (document.get("sign"), document.get("t")),
            (None, None),
            "{name}"
        );
        let payload = text(&message.payload).replace("txSecret=***", "");
        assert!(!payload.contains("txSecret="), "{name}");
    }
}

#[test]
fn what_is_published_fits_its_schema_and_reads_back_the_same() {
    for (name, rendered) in rendered() {
        let Ok(message) = rendered else { continue };
        let event: Event = serde_json::from_slice(&message.payload).unwrap();
        assert_eq!(
            text(&serde_json::to_vec(&event).unwrap()),
            text(&message.payload),
            "{name}"
        );
        let value = serde_json::from_slice(&message.payload).unwrap();
        if let Err(why) = schema_check::fits(&schema(event.name()), &value) {
            panic!("{name}: {why}");
        }
    }
}

#[test]
fn a_value_of_another_type_does_not_fit_its_schema() {
    for wrong in [
        r#"{"event_type":100,"file_size":"1"}"#,
        r#"{"event_type":100,"file_size":-1}"#,
        r#"{"event_type":100,"stream_id":5}"#,
        r#"{"event_type":100,"callback_ext":5}"#,
        r#"{"event_type":101}"#,
        r#"{}"#,
    ] {
        let value = serde_json::from_str(wrong).unwrap();
        assert!(
            schema_check::fits(&schema(EventName::RecordingFile), &value).is_err(),
            "{wrong}"
        );
    }
}

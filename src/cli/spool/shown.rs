//! A record as it is shown to people and to programs.

use crate::{
    callback::json::Document,
    cli::place::printable,
    publish::message::without_secrets,
    spool::{
        About, Record,
        look::{Outcome, Seen},
    },
};
use serde_json::{Value, json, value::RawValue};

/// How records are shown.
#[derive(Debug)]
pub(in crate::cli) struct Shown {
    /// What is blanked besides `sign`; none: nothing is.
    redact: Option<Vec<String>>,
}

impl Shown {
    /// With `***` for what the settings name, at least `txSecret`; as received if secrets may be shown.
    pub(in crate::cli) fn new(redact: &[String], secrets: bool) -> Self {
        let mut names = redact.to_vec();
        if !names.iter().any(|name| name == "txSecret") {
            names.push("txSecret".into());
        }
        Self {
            redact: (!secrets).then_some(names),
        }
    }

    /// The body as text; none if it can't be shown without secrets.
    fn body(&self, body: &[u8]) -> Option<String> {
        let bytes = match &self.redact {
            None => body.to_vec(),
            Some(names) => without_secrets(body, names)?,
        };
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// The body for people.
    pub(in crate::cli) fn readable(&self, record: &Record) -> String {
        let body = self.body(&record.envelope.body).unwrap_or_else(|| {
            let length = record.envelope.body.len();
            format!("({length} bytes that are no JSON object; --show-secrets shows them)")
        });
        printable(&body)
    }

    /// A line, and the body below it.
    pub(super) fn lines(&self, seen: &Seen) -> String {
        match seen {
            Seen::Record(record, outcome) => self.record_lines(record, *outcome),
            Seen::Corrupt {
                seq,
                family,
                accepted_at,
                ce_id,
                place,
            } => format!(
                "#{seq}  corrupt  (family {family})  accepted {accepted_at}  ce_id {ce_id}\n      its bytes in {place} are damaged"
            ),
            Seen::Lost(range) => {
                format!("{}  corrupt  lost: not in the log any more", numbers(range))
            }
        }
    }

    fn record_lines(&self, record: &Record, outcome: Outcome) -> String {
        let about = About::of(&record.envelope.body);
        let stream = about.stream.as_deref().unwrap_or("none");
        format!(
            "#{}  {}  {}  stream {}  source {}  received {}  accepted {}  ce_id {}\n      {}",
            record.seq,
            outcome.as_str(),
            about.event,
            printable(stream),
            record.envelope.source,
            record.envelope.received_at,
            record.accepted_at,
            record.ce_id,
            self.readable(record)
        )
    }

    /// One JSON object on one line.
    pub(super) fn json(&self, seen: &Seen) -> String {
        match seen {
            Seen::Record(record, outcome) => {
                let mut object = describe(record);
                if let Value::Object(members) = &mut object {
                    members.insert("outcome".into(), outcome.as_str().into());
                }
                let body = self.body(&record.envelope.body);
                with_body(&object, body.as_deref())
            }
            Seen::Corrupt {
                seq,
                family,
                accepted_at,
                ce_id,
                place,
            } => json!({
                "seq": seq.0, "ce_id": ce_id.to_string(), "family": family.key(), "outcome": "corrupt",
                "accepted_at": accepted_at.to_string(), "place": place,
            })
            .to_string(),
            Seen::Lost(range) => json!({
                "seq": range.start, "last_seq": range.end - 1, "outcome": "corrupt",
            })
            .to_string(),
        }
    }
}

/// `#4` or `#4..#6`.
fn numbers(range: &std::ops::Range<u64>) -> String {
    if range.end - range.start == 1 {
        format!("#{}", range.start)
    } else {
        format!("#{}..#{}", range.start, range.end - 1)
    }
}

/// What is known about a record besides its body.
pub(super) fn describe(record: &Record) -> Value {
    let about = About::of(&record.envelope.body);
    json!({
        "seq": record.seq.0,
        "ce_id": record.ce_id.to_string(),
        "source": record.envelope.source.as_str(),
        "event": about.event.as_str(),
        "family": record.envelope.family.key(),
        "stream": about.stream,
        "received_at": record.envelope.received_at.to_string(),
        "accepted_at": record.accepted_at.to_string(),
        "traceparent": record.envelope.traceparent,
    })
}

/// The body stays the text that came; white space that would break the line is made blank, which JSON allows outside of
/// strings, and inside of them it can't be.
fn with_body(object: &Value, body: Option<&str>) -> String {
    let raw = body
        .filter(|body| Document::parse(body.as_bytes()).is_ok())
        .and_then(|body| RawValue::from_string(body.trim().replace(['\n', '\r'], " ")).ok());
    let text = object.to_string();
    let open = text.strip_suffix('}').unwrap_or(&text);
    format!(
        "{open},\"body\":{}}}",
        raw.as_ref().map_or("null", |raw| raw.get())
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        callback::names::{Family, SourceName},
        clock::Millis,
        spool::{CeId, Envelope, Seq},
    };

    fn seen(body: &str) -> Seen {
        let record = Record {
            seq: Seq(7),
            ce_id: CeId([0xab; 16]),
            accepted_at: Millis(1_750_000_000_002),
            envelope: Envelope {
                source: SourceName::parse("tencent").unwrap(),
                family: Family::Recording,
                received_at: Millis(1_750_000_000_001),
                traceparent: None,
                body: body.to_owned().into(),
            },
        };
        Seen::Record(Box::new(record), Outcome::Pending)
    }

    const BODY: &str = "{\"event_type\":100,\n\"stream_id\":\"s1\",\"sign\":\"abc\",\"stream_param\":\"txSecret=abc&x=1\",\"n\":1e2}";

    #[test]
    fn secrets_are_shown_only_when_asked_for() {
        for secrets in [false, true] {
            let shown = Shown::new(&[], secrets);
            for text in [shown.lines(&seen(BODY)), shown.json(&seen(BODY))] {
                assert_eq!(text.contains("abc\""), secrets, "{text}");
                assert_eq!(text.contains("txSecret=abc"), secrets, "{text}");
                assert!(
                    text.contains("recording.file") && text.contains("1e2"),
                    "{text}"
                );
            }
        }
        let hidden = Shown::new(&[], false).lines(&seen("{sign:\"abc\"}"));
        assert!(!hidden.contains("abc\""), "{hidden}");
    }

    #[test]
    fn json_is_one_line_that_holds_the_body_as_it_came() {
        let line = Shown::new(&[], false).json(&seen(BODY));
        assert!(!line.contains('\n'));
        let value: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(value["body"]["stream_id"], "s1");
        assert_eq!(
            (&value["outcome"], &value["seq"]),
            (&"pending".into(), &7.into())
        );
    }

    #[test]
    fn a_terminal_obeys_nothing_of_a_body() {
        let text = Shown::new(&[], true).lines(&seen("{\"a\":\"\u{9b}31m\u{7f}\"}"));
        assert!(
            !text.contains('\u{9b}') && !text.contains('\u{7f}'),
            "{text:?}"
        );
    }
}

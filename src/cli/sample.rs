//! Callbacks to send: read from a file or taken from the samples, made distinct if asked for, signed.
//!
//! The text stays as it came, byte for byte: `t` and `sign` are replaced where they are if there is a key, and what makes
//! a callback distinct is put in only where somebody wants that.

use crate::callback::{
    json::{self, Document, Malformed},
    verify::sign,
};
use serde_json::value::RawValue;

/// One callback, as text.
#[derive(Debug, Clone)]
pub(super) struct Sample(String);

/// What makes one sending of a sample different from the others.
#[derive(Debug, Clone, Copy)]
pub(super) struct Distinct<'a> {
    /// Different for each run of the command.
    pub(super) run: &'a str,
    /// Counts within the run.
    pub(super) number: u64,
    /// Over how many streams the callbacks are spread; 1 leaves the stream id as it is.
    pub(super) streams: u64,
}

/// The callbacks in a text: one JSON object, or several after one another (one a line, say), or in arrays. A single one keeps the
/// white space around it.
pub(super) fn read(text: &str) -> Result<Vec<Sample>, String> {
    let wrong = |why: &dyn std::fmt::Display| format!("is not a JSON object, nor several: {why}");
    let callbacks = serde_json::Deserializer::from_str(text).into_iter::<Box<RawValue>>();
    let values: Vec<_> = callbacks.collect::<Result<_, _>>().map_err(|e| wrong(&e))?;
    let mut callbacks = Vec::with_capacity(values.len());
    let mut is_alone = true;
    for value in values {
        if json::kind(value.get()) == json::Kind::Array {
            is_alone = false;
            let inside: Vec<Box<RawValue>> =
                serde_json::from_str(value.get()).map_err(|e| wrong(&e))?;
            callbacks.extend(inside);
        } else {
            callbacks.push(value);
        }
    }
    if let Some(other) = callbacks
        .iter()
        .map(|callback| json::kind(callback.get()))
        .find(|kind| *kind != json::Kind::Object)
    {
        return Err(wrong(&format!("there is a value of kind {other:?}")));
    }
    match callbacks.as_slice() {
        [] => Err("holds no callback".into()),
        [_] if is_alone => Ok(vec![Sample(text.into())]),
        several => Ok(several.iter().map(|one| Sample(one.get().into())).collect()),
    }
}

impl Sample {
    /// The body to send. Without a key, `t` and `sign` stay as they are; without that and `distinct`, everything does.
    ///
    /// # Errors
    /// If something has to be replaced and it isn't the JSON that callbacks are.
    pub(super) fn body(
        &self,
        distinct: Option<Distinct<'_>>,
        key: Option<&str>,
        t: u64,
    ) -> Result<Vec<u8>, Malformed> {
        if distinct.is_none() && key.is_none() {
            return Ok(self.0.clone().into_bytes());
        }
        let document = Document::parse_lenient(&self.0)?;
        let mut values = Vec::new();
        if let Some(key) = key {
            values.push(("t", t.to_string()));
            values.push(("sign", quoted(&sign(key, t))));
        }
        if let Some(distinct) = distinct {
            distinguish(&document, distinct, &mut values);
        }
        Ok(with(&document, &values).into_bytes())
    }
}

/// An undocumented member does it: no documented value has to change, and relays keep undocumented members.
fn distinguish(
    document: &Document<'_>,
    distinct: Distinct<'_>,
    values: &mut Vec<(&'static str, String)>,
) {
    let mark = format!("{}-{}", distinct.run, distinct.number);
    values.push(("livebridge_send", quoted(&mark)));
    if distinct.streams > 1 {
        let stream = distinct.number % distinct.streams;
        for name in ["stream_id", "streamId"] {
            if let Some(id) = document.get(name).and_then(json::string) {
                values.push((name, quoted(&format!("{id}-{stream}"))));
            }
        }
    }
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// The callback with these members: replaced where they are, else put in front.
fn with(document: &Document<'_>, values: &[(&'static str, String)]) -> String {
    let edited = document.with_values(|member| {
        let found = values.iter().find(|(name, _)| *name == member.name);
        found.map(|(_, value)| value.clone())
    });
    let mut new: Vec<_> = values
        .iter()
        .filter(|(name, _)| document.get(name).is_none())
        .map(|(name, value)| format!("\"{name}\":{value}"))
        .collect();
    let Some((before, after)) = edited.split_once('{').filter(|_| !new.is_empty()) else {
        return edited;
    };
    if document.members().is_empty() {
        return format!("{before}{{{}{after}", new.join(","));
    }
    new.push(after.into());
    format!("{before}{{{}", new.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn sent(text: &str, distinct: Option<Distinct<'_>>, key: Option<&str>) -> Value {
        let sample = read(text).unwrap().remove(0);
        serde_json::from_slice(&sample.body(distinct, key, 1_750_000_000).unwrap()).unwrap()
    }

    #[test]
    fn a_sample_is_signed_anew_and_keeps_its_numbers() {
        let text = r#"{"event_type":100,"t":1,"sign":"old","score":1e2}"#;
        let sign = "40994cf0dff5bdb781e083f6699f3d05";
        let got = sent(text, None, Some("relaykey01"));
        assert_eq!(
            got,
            json!({"event_type": 100, "t": 1_750_000_000, "sign": sign, "score": 1e2})
        );
        let sample = read(text).unwrap().remove(0);
        let body = String::from_utf8(sample.body(None, None, 0).unwrap()).unwrap();
        assert!(body.contains("1e2") && body.contains("\"old\""), "{body}");
    }

    #[test]
    fn a_given_callback_keeps_every_byte_but_those_of_its_signature() {
        let sign = "40994cf0dff5bdb781e083f6699f3d05";
        let text = "{ \"z\":1,\"t\" : \"1\", \"dup\":1,\n\"dup\":1e2,\"sign\":null, \"a\":\"\\u00e9\\/\"}\n";
        let body = |key| {
            let body = read(text).unwrap().remove(0).body(None, key, 1_750_000_000);
            String::from_utf8(body.unwrap()).unwrap()
        };
        assert_eq!(body(None), text);
        let signed = text
            .replace("\"1\"", "1750000000")
            .replace("null", &format!("{sign:?}"));
        assert_eq!(body(Some("relaykey01")), signed);
    }

    #[test]
    fn what_a_callback_lacks_is_put_in_front() {
        for (text, expected) in [
            ("{}", "{\"livebridge_send\":\"r-0\"}"),
            (" { \"b\":1}", " {\"livebridge_send\":\"r-0\", \"b\":1}"),
        ] {
            let distinct = Distinct {
                run: "r",
                number: 0,
                streams: 1,
            };
            let sample = read(text).unwrap().remove(0);
            let body = sample.body(Some(distinct), None, 0).unwrap();
            assert_eq!(String::from_utf8(body).unwrap(), expected);
        }
    }

    #[test]
    fn several_lie_one_after_the_other_or_in_an_array() {
        let bodies = |text| {
            let body = |sample: &Sample| {
                let body = sample.body(None, None, 0).unwrap();
                String::from_utf8(body).unwrap()
            };
            read(text).map(|samples| samples.iter().map(body).collect::<Vec<_>>())
        };
        let two = Ok(vec![r#"{"a": 1e2}"#.to_owned(), "{}".into()]);
        assert_eq!(bodies("{\"a\": 1e2}\n{}\n"), two);
        assert_eq!(bodies("[{\"a\": 1e2},\n{}]\n"), two);
        assert_eq!(bodies(" [ {} ] "), Ok(vec!["{}".into()]));
        assert_eq!(bodies(" {} "), Ok(vec![" {} ".into()]), "as it is");
        for bad in ["[1]", "[[{}]]", "[]", ""] {
            assert!(bodies(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn each_is_distinct_and_spread_over_streams() {
        let at = |number| {
            let distinct = Distinct {
                run: "r",
                number,
                streams: 2,
            };
            sent(r#"{"stream_id":"s"}"#, Some(distinct), None)
        };
        assert_eq!(at(3), json!({"stream_id": "s-1", "livebridge_send": "r-3"}));
        assert_ne!(at(1), at(3));
    }

    #[test]
    fn a_file_may_hold_several() {
        assert_eq!(read("{\"a\":1}\n{\n\"b\":2}\n").unwrap().len(), 2);
        assert!(read("").unwrap_err().contains("no callback"));
        assert!(read("[1]").is_err());
    }
}

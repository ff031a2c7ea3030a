//! Callbacks to send: read from a file or taken from the samples, made distinct, signed.
//!
//! Top-level members keep the text that came; only `t` and `sign` are replaced, and what makes a callback distinct.

use crate::callback::verify::sign;
use serde_json::value::{RawValue, to_raw_value};
use std::collections::BTreeMap;

/// One callback, as members.
#[derive(Debug, Clone)]
pub(super) struct Sample(BTreeMap<String, Box<RawValue>>);

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

/// The callbacks in a text: one JSON object, or several after one another (one a line, say).
pub(super) fn read(text: &str) -> Result<Vec<Sample>, String> {
    let callbacks = serde_json::Deserializer::from_str(text).into_iter();
    let samples: Result<Vec<_>, _> = callbacks.map(|callback| callback.map(Sample)).collect();
    match samples {
        Err(e) => Err(format!("is not a JSON object, nor several: {e}")),
        Ok(samples) if samples.is_empty() => Err("holds no callback".into()),
        Ok(samples) => Ok(samples),
    }
}

impl Sample {
    /// The body to send. Without a key, `t` and `sign` stay as they are.
    pub(super) fn body(
        &self,
        distinct: Option<Distinct<'_>>,
        key: Option<&str>,
        t: u64,
    ) -> serde_json::Result<Vec<u8>> {
        let mut members = self.0.clone();
        if let Some(distinct) = distinct {
            distinguish(&mut members, distinct)?;
        }
        if let Some(key) = key {
            members.insert("t".into(), to_raw_value(&t)?);
            members.insert("sign".into(), to_raw_value(&sign(key, t))?);
        }
        serde_json::to_vec(&members)
    }
}

/// An undocumented member does it: no documented value has to change, and relays keep undocumented members.
fn distinguish(
    members: &mut BTreeMap<String, Box<RawValue>>,
    distinct: Distinct<'_>,
) -> serde_json::Result<()> {
    let mark = format!("{}-{}", distinct.run, distinct.number);
    members.insert("livebridge_send".into(), to_raw_value(&mark)?);
    if distinct.streams > 1 {
        let stream = distinct.number % distinct.streams;
        for name in ["stream_id", "streamId"] {
            let Some(id) = members
                .get(name)
                .and_then(|raw| serde_json::from_str::<String>(raw.get()).ok())
            else {
                continue;
            };
            members.insert(name.into(), to_raw_value(&format!("{id}-{stream}"))?);
        }
    }
    Ok(())
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

//! Blanks what shall not reach Kafka: top-level fields by name, and parameters inside `stream_param`.

use super::object::{REDACTED, REDACTED_JSON};
use crate::callback::json::{self, Document, Kind};
use std::borrow::Cow;

/// The fields that carry credentials in queries: that of the push URL, and the URLs that a relay task pulls, pushes and reports
/// to. Its `msg` names what it pulls once more.
pub(crate) const QUERY_FIELDS: [&str; 5] = [
    "stream_param",
    "to_url",
    "source_urls",
    "msg",
    "callback_url",
];

/// A JSON value with [`redact_query`] applied to every string in it, at any depth, names aside, and with the members of
/// objects blanked that have one of the names. None if nothing has to change, or if it isn't JSON.
/// That goes for JSON inside strings too.
#[must_use]
pub(crate) fn redact_query_value(value: &str, names: &[String]) -> Option<String> {
    if names.is_empty() {
        return None;
    }
    match json::kind(value) {
        Kind::String => {
            let text = json::string(value)?;
            let redacted = match json::kind(&text) {
                Kind::Array | Kind::Object if json::check(&text).is_ok() => {
                    redact_query_value(&text, names)?
                }
                _ => match redact_query(&text, names) {
                    Cow::Owned(redacted) => redacted,
                    Cow::Borrowed(_) => return None,
                },
            };
            serde_json::to_string(&redacted).ok()
        }
        Kind::Array => {
            let mut changed = false;
            let elements = json::elements(value).ok()?.into_iter().map(|element| {
                let redacted = redact_query_value(element, names);
                changed |= redacted.is_some();
                redacted.unwrap_or_else(|| element.into())
            });
            let elements: Vec<_> = elements.collect();
            changed.then(|| format!("[{}]", elements.join(",")))
        }
        Kind::Object => {
            let mut changed = false;
            let document = Document::parse_lenient(value).ok()?;
            let text = document.with_values(|member| {
                let redacted = if names.iter().any(|name| *name == member.name) {
                    Some(REDACTED_JSON.to_owned())
                } else {
                    redact_query_value(member.value, names)
                };
                changed |= redacted.is_some();
                redacted
            });
            changed.then_some(text)
        }
        Kind::Null | Kind::Bool | Kind::Number => None,
    }
}

/// `query` with the values of the named parameters replaced. Senders percent-encode the whole query now and then, so
/// `&` and `=` count in their encoded forms too, encoded any number of times: a secret must not slip through so.
#[must_use]
pub fn redact_query<'q>(query: &'q str, names: &[String]) -> Cow<'q, str> {
    let mut redacted = String::new();
    let (mut copied, mut at) = (0, 0);
    while at < query.len() {
        let rest = query.get(at..).unwrap_or_default();
        // A parameter's name ends at a sign that is not part of names.
        let Some((offset, sign)) = next_sign(rest, |_| true) else {
            break;
        };
        let after = at + offset + sign.len;
        if sign.byte == b'=' && is_named(rest.get(..offset).unwrap_or_default(), names) {
            let value = query.get(after..).unwrap_or_default();
            // The value goes on to a separator encoded no more often than its own equals sign.
            let length = value_length(value, sign.level);
            redacted.push_str(query.get(copied..after).unwrap_or_default());
            redacted.push_str(REDACTED);
            copied = after + length;
            at = copied;
        } else {
            at = after;
        }
    }
    if copied == 0 {
        return query.into();
    }
    redacted.push_str(query.get(copied..).unwrap_or_default());
    redacted.into()
}

/// Redacts a query in place.
pub(super) fn redact_text(query: &mut String, names: &[String]) {
    if let Cow::Owned(redacted) = redact_query(query, names) {
        *query = redacted;
    }
}

/// `&`, `=`, `?` or `;`, plain (level 0) or percent-encoded `level` times.
struct Sign {
    byte: u8,
    level: usize,
    len: usize,
}

/// The sign at the start of `text`: `=`, `%3D`, `%253D`, …
fn sign(text: &[u8]) -> Option<Sign> {
    let plain = |byte: u8| matches!(byte, b'&' | b'=' | b'?' | b';');
    match text {
        [b'%', rest @ ..] => {
            let mut rest = rest;
            let mut level = 1;
            while let [b'2', b'5', deeper @ ..] = rest {
                rest = deeper;
                level += 1;
            }
            let [high, low, ..] = rest else { return None };
            let byte = hex_digit(*high)? << 4 | hex_digit(*low)?;
            plain(byte).then_some(Sign {
                byte,
                level,
                len: 1 + 2 * level,
            })
        }
        [byte, ..] if plain(*byte) => Some(Sign {
            byte: *byte,
            level: 0,
            len: 1,
        }),
        _ => None,
    }
}

fn hex_digit(digit: u8) -> Option<u8> {
    char::from(digit)
        .to_digit(16)
        .and_then(|value| value.try_into().ok())
}

/// The first sign that `wanted` takes, and where it is.
fn next_sign(text: &str, wanted: impl Fn(&Sign) -> bool) -> Option<(usize, Sign)> {
    let bytes = text.as_bytes();
    (0..bytes.len()).find_map(|at| {
        let sign = sign(bytes.get(at..)?)?;
        wanted(&sign).then_some((at, sign))
    })
}

fn value_length(value: &str, level: usize) -> usize {
    next_sign(value, |sign| sign.byte == b'&' && sign.level <= level)
        .map_or(value.len(), |(at, _)| at)
}

/// Whether the (percent-encoded) name is among those to redact.
fn is_named(name: &str, names: &[String]) -> bool {
    let decoded = decode(name);
    names.iter().any(|known| *known.as_bytes() == *decoded)
}

/// Percent-decoded, as often as it was encoded.
fn decode(name: &str) -> Vec<u8> {
    let mut bytes = name.as_bytes().to_vec();
    while bytes.contains(&b'%') {
        let decoded = decode_once(&bytes);
        if decoded == bytes {
            break;
        }
        bytes = decoded;
    }
    bytes
}

fn decode_once(bytes: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let [byte, after @ ..] = rest {
        rest = after;
        let pair = match (byte, after) {
            (b'%', [high, low, behind @ ..]) => hex_digit(*high)
                .zip(hex_digit(*low))
                .map(|(high, low)| (high << 4 | low, behind)),
            _ => None,
        };
        match pair {
            Some((value, behind)) => {
                decoded.push(value);
                rest = behind;
            }
            None => decoded.push(*byte),
        }
    }
    decoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_named_parameter_is_blanked_however_it_is_encoded() {
        let names = ["txSecret".to_owned()];
        for (query, expected) in [
            ("txSecret=abc&txTime=1", "txSecret=***&txTime=1"),
            ("a=1&txSecret=abc", "a=1&txSecret=***"),
            ("a=1&txSecret=", "a=1&txSecret=***"),
            ("txSecret=a&txSecret=b", "txSecret=***&txSecret=***"),
            ("tx%53ecret=abc&b=2", "tx%53ecret=***&b=2"),
            ("txSecret=a%26b&c=d", "txSecret=***&c=d"),
            ("txSecret%3Dabc%26txTime%3D1", "txSecret%3D***%26txTime%3D1"),
            (
                "u=x%3FtxSecret%253Dabc%2526y",
                "u=x%3FtxSecret%253D***%2526y",
            ),
            (
                "rtmp://h/live/s?txSecret=abc",
                "rtmp://h/live/s?txSecret=***",
            ),
            ("txSecret=a=b", "txSecret=***"),
        ] {
            assert_eq!(redact_query(query, &names), expected);
        }
    }

    #[test]
    fn queries_are_found_in_every_shape() {
        let names = ["txSecret".to_owned()];
        for (value, expected) in [
            (r#""txSecret=a\u0026b=c""#, r#""txSecret=***&b=c""#),
            (r#"[ "u?txSecret=a", 1e2 ]"#, r#"["u?txSecret=***",1e2]"#),
            (
                r#"{"txSecret": 5, "b":{"url":"u?txSecret=a"}, "n":1e2}"#,
                r#"{"txSecret": "***", "b":{"url":"u?txSecret=***"}, "n":1e2}"#,
            ),
            (
                r#""[\"u?txSecret=a\",\"v\"]""#,
                r#""[\"u?txSecret=***\",\"v\"]""#,
            ),
        ] {
            assert_eq!(redact_query_value(value, &names).as_deref(), Some(expected));
            assert_eq!(redact_query_value(value, &[]), None);
        }
        for value in ["1e2", "null", r#"["b=c"]"#, r#"{"b": "c"}"#, r#""b=c""#] {
            assert_eq!(redact_query_value(value, &names), None);
        }
    }

    #[test]
    fn everything_else_stays() {
        let names = ["txSecret".to_owned()];
        for query in [
            "",
            "txSecretary=1&x=2",
            "txSecret",
            "a=txSecret",
            "%",
            "é=%zz&%2",
            "&&==",
        ] {
            assert_eq!(redact_query(query, &names), query);
        }
    }
}

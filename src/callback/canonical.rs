//! The canonical form of a callback: the same bytes for the sender's retries, however they are written or signed.
//!
//! Members sorted by unescaped name (bytes), duplicates in nested objects kept in their order; numbers as the text that
//! came; strings with the fewest escapes; no white space; top-level `sign` and `t` left out. Ids of stored records hang
//! on this form: it must never change, only get a successor with another version.

use super::json::{self, Document, Kind, Malformed, Member, plain::plain, prefix, scan::Scanner};
use std::{borrow::Cow, ops::Range};

/// The canonical form. Never longer than the text that came.
#[must_use]
pub fn canonical(document: &Document<'_>) -> Vec<u8> {
    let kept = document
        .members()
        .iter()
        .filter(|member| member.name != "sign" && member.name != "t");
    let mut members = Vec::with_capacity(document.members().len());
    members.extend(kept.map(|member| (prefix(&member.name), member)));
    members.sort_by(|(a, one), (b, other)| a.cmp(b).then_with(|| one.name.cmp(&other.name)));
    let mut out = Vec::with_capacity(document.text().len());
    out.push(b'{');
    for (_, member) in members {
        name(&mut out, member);
        out.push(b':');
        if is_canonical(member.value) {
            out.extend_from_slice(member.value.as_bytes());
        } else {
            rewritten(&mut out, member.value);
        }
        out.push(b',');
    }
    close(&mut out, b'}');
    out
}

fn name(out: &mut Vec<u8>, member: &Member<'_>) {
    match &member.name {
        Cow::Borrowed(plain) => quote(out, plain),
        Cow::Owned(said) => string(out, said),
    }
}

/// Whether a value is sure to be written as it came: a number, a word, or a string without escapes. Most are.
fn is_canonical(value: &str) -> bool {
    match json::kind(value) {
        Kind::Object | Kind::Array => false,
        Kind::String => json::is_plain_string(value),
        Kind::Null | Kind::Bool | Kind::Number => true,
    }
}

fn rewritten(out: &mut Vec<u8>, text: &str) {
    let before = out.len();
    if value(out, &mut Scanner::new(text)).is_err() {
        // A document was checked when it was made, so this is never reached; the text itself is still an identity.
        out.truncate(before);
        out.extend_from_slice(text.as_bytes());
    }
}

/// One value. Recursion is bounded by the depth that [`Document::parse`] lets through.
fn value(out: &mut Vec<u8>, text: &mut Scanner<'_>) -> Result<(), Malformed> {
    text.space();
    match text.peek() {
        Some(b'{') => object(out, text),
        Some(b'[') => array(out, text),
        Some(b'"') => {
            match text.string()? {
                // What came without an escape needs none.
                Cow::Borrowed(plain) => quote(out, plain),
                Cow::Owned(said) => string(out, &said),
            }
            Ok(())
        }
        _ => {
            out.extend_from_slice(text.value(0)?.as_bytes());
            Ok(())
        }
    }
}

fn array(out: &mut Vec<u8>, text: &mut Scanner<'_>) -> Result<(), Malformed> {
    text.take(b'[');
    out.push(b'[');
    text.space();
    if !text.take(b']') {
        loop {
            value(out, text)?;
            out.push(b',');
            if text.separator(b']')? {
                break;
            }
        }
    }
    close(out, b']');
    Ok(())
}

fn object(out: &mut Vec<u8>, text: &mut Scanner<'_>) -> Result<(), Malformed> {
    text.take(b'{');
    out.push(b'{');
    let mut members = Vec::new();
    text.space();
    if !text.take(b'}') {
        loop {
            let start = out.len();
            let name = text.name()?;
            string(out, &name);
            out.push(b':');
            value(out, text)?;
            out.push(b',');
            members.push((name, start..out.len()));
            if text.separator(b'}')? {
                break;
            }
            text.space();
        }
    }
    put_in_order(out, members);
    close(out, b'}');
    Ok(())
}

/// Sorts members that were written one after the other at the end of `out`.
fn put_in_order(out: &mut Vec<u8>, mut members: Vec<(Cow<'_, str>, Range<usize>)>) {
    if members.is_sorted_by(|(a, _), (b, _)| a <= b) {
        return;
    }
    let start = members.first().map_or(out.len(), |(_, place)| place.start);
    let unsorted = out.split_off(start);
    members.sort_by(|(a, _), (b, _)| a.cmp(b));
    for (_, place) in members {
        let piece = unsorted.get(place.start - start..place.end - start);
        out.extend_from_slice(piece.unwrap_or_default());
    }
}

/// Every piece has a comma after it: the last one goes.
fn close(out: &mut Vec<u8>, bracket: u8) {
    if out.last() == Some(&b',') {
        out.pop();
    }
    out.push(bracket);
}

/// A string that needs no escapes.
fn quote(out: &mut Vec<u8>, plain: &str) {
    out.push(b'"');
    out.extend_from_slice(plain.as_bytes());
    out.push(b'"');
}

/// A string with the fewest escapes.
fn string(out: &mut Vec<u8>, said: &str) {
    out.push(b'"');
    let mut rest = said.as_bytes();
    while let Some(plain) = plain(rest) {
        let (before, after) = rest.split_at(plain);
        out.extend_from_slice(before);
        let Some((&byte, after)) = after.split_first() else {
            break;
        };
        escape(out, byte);
        rest = after;
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

fn escape(out: &mut Vec<u8>, byte: u8) {
    let short = match byte {
        b'"' | b'\\' => byte,
        0x08 => b'b',
        0x0c => b'f',
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        _ => {
            let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or('0') as u8;
            out.extend_from_slice(b"\\u00");
            out.extend([digit(byte >> 4), digit(byte & 0xf)]);
            return;
        }
    };
    out.extend([b'\\', short]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Map, Value};

    fn of(text: &str) -> String {
        String::from_utf8(canonical(&Document::parse(text.as_bytes()).unwrap())).unwrap()
    }

    #[test]
    fn the_published_vectors() {
        for (callback, form) in [
            (
                r#"{"event_type":100,"stream_id":"s1","t":1750000000,"sign":"40994cf0dff5bdb781e083f6699f3d05"}"#,
                r#"{"event_type":100,"stream_id":"s1"}"#,
            ),
            (
                r#"{"t":"1","b":1e2,"a":1.50,"big":12345678901234567890,"neg":-0.0,"n":{"z":1,"sign":"kept","a":[true,null,"é/\u0001\u000A"]},"sign":"x"}"#,
                r#"{"a":1.50,"b":1e2,"big":12345678901234567890,"n":{"a":[true,null,"é/\u0001\n"],"sign":"kept","z":1},"neg":-0.0}"#,
            ),
            (
                r#"{"k\u00e9y":"\ud83d\ude00\/","d":{"x":1,"x":2},"a":[]}"#,
                r#"{"a":[],"d":{"x":1,"x":2},"kéy":"😀/"}"#,
            ),
        ] {
            assert_eq!(of(callback), form);
        }
    }

    #[test]
    fn nested_duplicates_keep_their_order_among_themselves() {
        assert_eq!(
            of(r#"{"d":{"y":1,"x":{"b":1,"a":2},"\u0079":0,"a":3}}"#),
            r#"{"d":{"a":3,"x":{"a":2,"b":1},"y":1,"y":0}}"#
        );
    }

    #[test]
    fn names_sort_by_bytes_and_escapes_are_the_fewest() {
        assert_eq!(
            of(
                "{\"é\":1,\"b\":2,\"B\":3,\"\":[ { } , [ ] ],\"z\":\"\\u007f\\u001f\\b\\f\\r\\t\\\\\\\"\\u2028\"}"
            ),
            "{\"\":[{},[]],\"B\":3,\"b\":2,\"z\":\"\u{7f}\\u001f\\b\\f\\r\\t\\\\\\\"\u{2028}\",\"é\":1}"
        );
    }

    #[test]
    fn the_deepest_document_has_a_form() {
        let text = format!("{{\"a\":{}1{}}}", "{\"b\": ".repeat(127), "}".repeat(127));
        assert_eq!(of(&text), text.replace(' ', ""));
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::btree_map(any::<String>(), inner, 0..5)
                    .prop_map(|members| Value::Object(Map::from_iter(members))),
            ]
        })
    }

    /// The same value written otherwise: every character escaped, white space everywhere, members the other way round.
    fn otherwise(value: &Value) -> String {
        let escaped = |said: &str| {
            let units: String = said.encode_utf16().map(|u| format!("\\u{u:04X}")).collect();
            format!(" \"{units}\"\n")
        };
        match value {
            Value::String(said) => escaped(said),
            Value::Array(items) => {
                let items: Vec<_> = items.iter().map(otherwise).collect();
                format!("\t[ {} ]", items.join(","))
            }
            Value::Object(members) => {
                let members: Vec<_> = members
                    .iter()
                    .rev()
                    .map(|(name, value)| format!("{}:{}", escaped(name), otherwise(value)))
                    .collect();
                format!("\r{{ {} }}", members.join(" ,"))
            }
            other => format!(" {other} "),
        }
    }

    proptest! {
        #[test]
        fn order_white_space_and_escapes_change_nothing(
            members in prop::collection::btree_map(any::<String>(), value(), 0..6)
        ) {
            let object = Value::Object(Map::from_iter(members));
            let plain = of(&object.to_string());
            prop_assert_eq!(&of(&otherwise(&object)), &plain);
            // It is its own canonical form.
            prop_assert_eq!(&of(&plain), &plain);
        }

        #[test]
        fn sign_and_t_change_nothing_else_does(sign in any::<String>(), t in any::<u64>(), other in 0u32..1000) {
            let with = serde_json::json!({"a": other, "sign": sign, "t": t, "n": {"t": t}});
            let without = format!("{{\"a\":{other},\"n\":{{\"t\":{t}}}}}");
            prop_assert_eq!(of(&with.to_string()), without.clone());
            let changed = without.replacen(&other.to_string(), &(other + 1).to_string(), 1);
            prop_assert_ne!(of(&without), of(&changed));
        }
    }
}

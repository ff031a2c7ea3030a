//! JSON as the door needs it: one object, its members in the order and the very text in which they came.
//!
//! One iterative pass checks UTF-8, the whole grammar of RFC 8259 (nested values too), the depth and every string's
//! surrogates, in linear time, and copies nothing but names with escapes in them.
//!
//! `serde_json` can't do this: its `Value` rewrites numbers and drops duplicate names; its `RawValue` keeps the text, but
//! passes over nested strings without looking at their surrogate escapes, and over nested values to any depth. What a
//! callback is accepted as must not depend on who parses it later.

pub(in crate::callback) mod plain;
pub(in crate::callback) mod scan;
mod unescape;

use scan::Scanner;
use std::{borrow::Cow, collections::HashSet};

/// The deepest nesting that is taken. The top-level object is depth 1.
pub const MAX_DEPTH: usize = 128;

/// Up to so many members, comparing all pairs of names is cheaper than hashing them.
const FEW: usize = 24;

/// Why bytes are not one acceptable JSON object. Says where (bytes from the start), never what was there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// The bytes are no UTF-8.
    #[error("not UTF-8 at byte {at}")]
    NotUtf8 {
        /// Bytes from the start.
        at: usize,
    },
    /// JSON perhaps, but no object.
    #[error("not a JSON object at byte {at}")]
    NotAnObject {
        /// Bytes from the start.
        at: usize,
    },
    /// Something that JSON doesn't have there.
    #[error("not JSON at byte {at}")]
    Unexpected {
        /// Bytes from the start.
        at: usize,
    },
    /// The text stops in the middle of a value.
    #[error("ends early, at byte {at}")]
    EndsEarly {
        /// Bytes from the start.
        at: usize,
    },
    /// Something follows the value.
    #[error("something follows the value at byte {at}")]
    Trailing {
        /// Bytes from the start.
        at: usize,
    },
    /// A control character in a string, or an escape that JSON doesn't have.
    #[error("a character or escape that JSON has not in strings at byte {at}")]
    BadString {
        /// Bytes from the start.
        at: usize,
    },
    /// `\ud800` to `\udfff` without its other half.
    #[error("a lone surrogate escape at byte {at}")]
    LoneSurrogate {
        /// Bytes from the start.
        at: usize,
    },
    /// More than [`MAX_DEPTH`] objects and arrays inside each other.
    #[error("nested over {MAX_DEPTH} deep at byte {at}")]
    TooDeep {
        /// Bytes from the start.
        at: usize,
    },
    /// A top-level name that was there before, perhaps written with other escapes.
    #[error("a top-level name twice")]
    DuplicateName,
}

/// One member of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member<'a> {
    /// The name, unescaped.
    pub name: Cow<'a, str>,
    /// The value's JSON text as it came, without the white space around it.
    pub value: &'a str,
}

/// One JSON object, checked through and through; its members in the order received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document<'a> {
    text: &'a str,
    members: Vec<Member<'a>>,
}

impl<'a> Document<'a> {
    /// A whole callback: exactly one JSON object in UTF-8 (no byte order mark), no top-level name twice, nested at most
    /// [`MAX_DEPTH`] deep, no lone surrogate escape anywhere.
    ///
    /// # Errors
    /// If it is anything else.
    pub fn parse(body: &'a [u8]) -> Result<Self, Malformed> {
        let text = std::str::from_utf8(body).map_err(|e| Malformed::NotUtf8 {
            at: e.valid_up_to(),
        })?;
        let document = Self::parse_lenient(text)?;
        if has_duplicates(&document.members) {
            return Err(Malformed::DuplicateName);
        }
        Ok(document)
    }

    /// An object inside a callback (or inside one of its strings): as [`Document::parse`], but a name may be there
    /// more than once. All of them are members; [`Document::get`] finds the last, as most readers of JSON do.
    ///
    /// # Errors
    /// If it is anything else.
    pub fn parse_lenient(text: &'a str) -> Result<Self, Malformed> {
        let mut scanner = Scanner::new(text);
        let mut members = Vec::with_capacity(FEW);
        scanner.space();
        if !scanner.take(b'{') {
            return Err(scanner.end_or(|at| Malformed::NotAnObject { at }));
        }
        scanner.space();
        if !scanner.take(b'}') {
            loop {
                let name = scanner.name()?;
                let value = scanner.value(1)?;
                members.push(Member { name, value });
                if scanner.separator(b'}')? {
                    break;
                }
                scanner.space();
            }
        }
        scanner.end()?;
        Ok(Self { text, members })
    }

    /// The whole text as received.
    #[must_use]
    pub const fn text(&self) -> &'a str {
        self.text
    }

    /// The members, in the order received.
    #[must_use]
    pub fn members(&self) -> &[Member<'a>] {
        &self.members
    }

    /// The JSON text of the member with this (unescaped) name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&'a str> {
        self.members
            .iter()
            .rev()
            .find(|member| member.name == name)
            .map(|member| member.value)
    }

    /// The text as received, but for the values of those members for which there is another JSON text; order, layout and
    /// everything else stay as they came.
    #[must_use]
    pub fn with_values(&self, mut instead: impl FnMut(&Member<'a>) -> Option<String>) -> String {
        let mut edited = String::with_capacity(self.text.len() + 16);
        let mut copied = 0;
        for member in &self.members {
            let Some(value) = instead(member) else {
                continue;
            };
            // Values are parts of the text.
            let start =
                (member.value.as_ptr() as usize).saturating_sub(self.text.as_ptr() as usize);
            edited.push_str(self.text.get(copied..start).unwrap_or_default());
            edited.push_str(&value);
            copied = start + member.value.len();
        }
        edited.push_str(self.text.get(copied..).unwrap_or_default());
        edited
    }
}

fn has_duplicates(members: &[Member<'_>]) -> bool {
    if members.len() > FEW {
        let mut seen = HashSet::with_capacity(members.len());
        return !members.iter().all(|member| seen.insert(&*member.name));
    }
    // Two equal names leave equal marks; of different ones hardly two do, and only those are compared.
    let mut marks = [0u64; 4];
    members.iter().enumerate().any(|(at, member)| {
        let mark = mark(&member.name);
        let bit = 1 << (mark & 63);
        let seen = marks.get_mut(usize::from(mark >> 6)).is_none_or(|word| {
            let seen = *word & bit != 0;
            *word |= bit;
            seen
        });
        seen && members
            .iter()
            .take(at)
            .any(|before| before.name == member.name)
    })
}

/// One of 256 marks, by the first eight bytes of a name and its length.
fn mark(name: &str) -> u8 {
    const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;
    let mixed = (prefix(name) ^ name.len() as u64).wrapping_mul(SPREAD);
    mixed.to_be_bytes()[0]
}

/// The first eight bytes of a name, in the order of names: most comparisons of two names need no more.
pub(in crate::callback) fn prefix(name: &str) -> u64 {
    let mut first = [0; 8];
    first
        .iter_mut()
        .zip(name.as_bytes())
        .for_each(|(to, from)| *to = *from);
    u64::from_be_bytes(first)
}

/// The kind of a JSON value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool,
    /// A number.
    Number,
    /// A string.
    String,
    /// An array.
    Array,
    /// An object.
    Object,
}

/// The kind of a value out of a [`Document`], by its first byte.
#[must_use]
pub fn kind(value: &str) -> Kind {
    match value.as_bytes().first() {
        Some(b'{') => Kind::Object,
        Some(b'[') => Kind::Array,
        Some(b'"') => Kind::String,
        Some(b't' | b'f') => Kind::Bool,
        Some(b'-' | b'0'..=b'9') => Kind::Number,
        _ => Kind::Null,
    }
}

/// Whether a value out of a [`Document`] is `null`.
#[must_use]
pub fn is_null(value: &str) -> bool {
    kind(value) == Kind::Null
}

/// Checks that a text is exactly one JSON value of any kind, under the same rules as [`Document::parse_lenient`].
///
/// # Errors
/// If it isn't.
pub fn check(text: &str) -> Result<(), Malformed> {
    let mut scanner = Scanner::new(text);
    scanner.value(0)?;
    scanner.end()
}

/// As [`check`], for a value that will stand inside `outside` other objects or arrays: those count towards
/// [`MAX_DEPTH`].
///
/// # Errors
/// If it isn't one JSON value, or too deep for that place.
pub fn check_inside(text: &str, outside: usize) -> Result<(), Malformed> {
    let mut scanner = Scanner::new(text);
    scanner.space();
    scanner.value(outside)?;
    scanner.end()
}

/// The JSON texts of an array's elements, each without the white space around it.
///
/// # Errors
/// If the text is not exactly one JSON array.
pub fn elements(text: &str) -> Result<Vec<&str>, Malformed> {
    let mut scanner = Scanner::new(text);
    let mut elements = Vec::new();
    scanner.space();
    if !scanner.take(b'[') {
        return Err(scanner.end_or(|at| Malformed::Unexpected { at }));
    }
    scanner.space();
    if !scanner.take(b']') {
        loop {
            elements.push(scanner.value(1)?);
            if scanner.separator(b']')? {
                break;
            }
        }
    }
    scanner.end()?;
    Ok(elements)
}

/// What a JSON string says, unescaped; nothing copied if it has no escapes. None if the text is no JSON string.
#[must_use]
pub fn string(value: &str) -> Option<Cow<'_, str>> {
    let mut scanner = Scanner::new(value);
    let string = scanner.string().ok()?;
    scanner.at_end().then_some(string)
}

/// Whether a value out of a [`Document`] is a string without escapes: what it says is what stands there.
#[must_use]
pub fn is_plain_string(value: &str) -> bool {
    kind(value) == Kind::String && !value.as_bytes().contains(&b'\\')
}

/// The text of an integer: a JSON number without fraction and exponent, of any size. None for everything else.
#[must_use]
pub fn integer_text(value: &str) -> Option<&str> {
    let digits = value.strip_prefix('-').unwrap_or(value);
    let integer = match digits.as_bytes() {
        [b'0'] => true,
        [b'1'..=b'9', rest @ ..] => rest.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    integer.then_some(value)
}

/// An integer that fits 64 bits. None for everything else, `1e2` and `1.0` too.
#[must_use]
pub fn integer(value: &str) -> Option<i64> {
    integer_text(value)?.parse().ok()
}

#[cfg(test)]
mod tests;

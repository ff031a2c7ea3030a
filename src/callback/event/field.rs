//! How one documented value is read from the JSON that came, and written to the JSON that goes.
//!
//! Reading is lenient in exactly the ways listed here, and reading what was written yields the same value again, so
//! that consumers get with serde precisely what was published.

use super::{raw, redact::redact_text, untypable::Untypable};
use crate::callback::json::{self, Kind};
use serde::{Serialize, Serializer};

/// A type that a documented field can have.
pub(super) trait Field: Sized {
    /// The value, from its JSON text (checked, and never `null`).
    fn read(value: &str) -> Result<Self, Untypable>;

    /// Whether this text, read and written again, is sure to be this very text: then it needs no reading. False says nothing.
    fn is_as_written(_value: &str) -> bool {
        false
    }

    /// The value as JSON.
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error>;

    /// Redacts the queries in it, if it is text or has text in it.
    fn redact_queries(&mut self, _: &[String]) {}

    /// The text, if it is one.
    fn text_mut(&mut self) -> Option<&mut String> {
        None
    }
}

/// Lets serde write a [`Field`].
pub(super) struct Written<'a, T>(pub(super) &'a T);

impl<T: Field> Serialize for Written<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.write(serializer)
    }
}

/// A way of reading a `T` that differs from the plain one.
pub(super) trait Reader<T> {
    /// Whether a value that isn't a `T` after this is a fault, so that consumers can rely on the type.
    const SURE: bool = true;

    /// As in [`Field::is_as_written`].
    fn is_as_written(_value: &str) -> bool {
        false
    }

    /// As in [`Field::read`]; none if the value shall be kept as it is, among the undocumented fields.
    fn read(value: &str) -> Result<Option<T>, Untypable>;
}

/// By the type alone.
pub(super) struct Plain;

impl<T: Field> Reader<T> for Plain {
    fn is_as_written(value: &str) -> bool {
        T::is_as_written(value)
    }

    fn read(value: &str) -> Result<Option<T>, Untypable> {
        T::read(value).map(Some)
    }
}

/// A documented string that identifies something: a number becomes its text as received, so that no digit is lost.
pub(super) struct Id;

impl Reader<String> for Id {
    fn is_as_written(value: &str) -> bool {
        String::is_as_written(value)
    }

    fn read(value: &str) -> Result<Option<String>, Untypable> {
        match json::kind(value) {
            Kind::Number => Ok(Some(value.into())),
            Kind::String => String::read(value).map(Some),
            _ => Err(Untypable::value("a string or a number", value)),
        }
    }
}

/// A list, or a single value from older senders: then a list of one.
pub(super) struct OneOrMany;

impl<T: Field> Reader<Vec<T>> for OneOrMany {
    fn read(value: &str) -> Result<Option<Vec<T>>, Untypable> {
        match json::kind(value) {
            Kind::Array => Vec::read(value).map(Some),
            _ => T::read(value).map(|one| Some(vec![one])),
        }
    }
}

/// Seen, but without a documented type: typed when its text comes out as it went in, else kept as it came; never a fault.
pub(super) struct Seen;

impl<T: Field> Reader<T> for Seen {
    const SURE: bool = false;

    fn is_as_written(value: &str) -> bool {
        T::is_as_written(value)
    }

    fn read(value: &str) -> Result<Option<T>, Untypable> {
        let same = |read: &T| {
            let written = serde_json::to_string(&Written(read)).unwrap_or_default();
            // Of strings it counts what they say: senders write `/` as `\/`.
            let says_the_same = || {
                let said = json::string(&written);
                said.is_some() && said == json::string(value)
            };
            written == value || written == raw::compact(value) || says_the_same()
        };
        Ok(T::read(value).ok().filter(same))
    }
}

/// The decimal text of a quantity: a number's, or that inside a string.
fn decimal(value: &str) -> Option<std::borrow::Cow<'_, str>> {
    match json::kind(value) {
        Kind::Number => Some(value.into()),
        Kind::String => json::string(value),
        _ => None,
    }
}

macro_rules! integers {
    ($($type:ty: $expected:literal,)*) => {$(
        impl Field for $type {
            fn is_as_written(value: &str) -> bool {
                is_short_natural(value)
            }

            fn read(value: &str) -> Result<Self, Untypable> {
                decimal(value)
                    .filter(|text| is_decimal(text))
                    .and_then(|text| text.parse().ok())
                    .ok_or_else(|| Untypable::value($expected, value))
            }

            fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                self.serialize(serializer)
            }
        }
    )*};
}

integers! {
    i64: "an integer of 64 bits, or its decimal text",
    u64: "an unsigned integer of 64 bits, or its decimal text",
}

/// Digits, perhaps after a minus: Rust's own parsing would also take a plus.
fn is_decimal(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())
}

/// A number from 0 on, without a fraction, that every type of number holds exactly.
fn is_short_natural(value: &str) -> bool {
    const DIGITS: usize = 15;
    match value.as_bytes() {
        [b'0'] => true,
        [b'1'..=b'9', rest @ ..] => rest.len() < DIGITS && rest.iter().all(u8::is_ascii_digit),
        _ => false,
    }
}

/// Whole numbers are written without a fraction, as they came.
impl Field for f64 {
    fn is_as_written(value: &str) -> bool {
        is_short_natural(value)
    }

    fn read(value: &str) -> Result<Self, Untypable> {
        decimal(value)
            .filter(|text| json::kind(text) == Kind::Number && json::check(text).is_ok())
            .and_then(|text| text.parse().ok())
            .filter(|number: &Self| number.is_finite())
            .ok_or_else(|| Untypable::value("a number, or its decimal text", value))
    }

    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        const EXACT: f64 = 9_007_199_254_740_992.0;
        if self.fract() == 0.0 && self.abs() <= EXACT {
            #[expect(clippy::cast_possible_truncation, reason = "whole and below 2^53")]
            return serializer.serialize_i64(*self as i64);
        }
        serializer.serialize_f64(*self)
    }
}

/// `"true"` and `"false"` too: the sender writes one of its flags as a string.
impl Field for bool {
    fn read(value: &str) -> Result<Self, Untypable> {
        match value {
            "true" | "\"true\"" => Ok(true),
            "false" | "\"false\"" => Ok(false),
            _ => Err(Untypable::value("a boolean", value)),
        }
    }

    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bool(*self)
    }
}

impl Field for String {
    /// Without escapes it has no character that JSON needs to escape.
    fn is_as_written(value: &str) -> bool {
        json::is_plain_string(value)
    }

    fn read(value: &str) -> Result<Self, Untypable> {
        json::string(value)
            .map(std::borrow::Cow::into_owned)
            .ok_or_else(|| Untypable::value("a string", value))
    }

    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self)
    }

    fn redact_queries(&mut self, names: &[String]) {
        redact_text(self, names);
    }

    fn text_mut(&mut self) -> Option<&mut String> {
        Some(self)
    }
}

impl<T: Field> Field for Vec<T> {
    fn read(value: &str) -> Result<Self, Untypable> {
        if json::kind(value) != Kind::Array {
            return Err(Untypable::value("an array", value));
        }
        json::elements(value)?
            .into_iter()
            .enumerate()
            .map(|(index, element)| T::read(element).map_err(|fault| fault.at(index)))
            .collect()
    }

    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter().map(Written))
    }

    fn redact_queries(&mut self, names: &[String]) {
        for element in self {
            element.redact_queries(names);
        }
    }
}

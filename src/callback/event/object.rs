//! One definition makes a documented object: the Rust type, its reader, serde both ways, and its JSON Schema.
//!
//! serde's derive can't do it: `flatten` goes through a buffer that rewrites numbers, so undocumented fields would lose
//! their text, and a derived reader can't say by which path it came to a bad value.

use super::{
    field::{Field, Reader},
    raw::Raw,
    transcript::Copier,
    untypable::Untypable,
};
use crate::callback::{json::Document, json::Member, names::EventName};
use serde::{Deserialize, Deserializer, de::Error as _, ser::SerializeMap};
use serde_json::value::RawValue;

/// What takes the place of a redacted value.
pub(super) const REDACTED: &str = "***";
pub(super) const REDACTED_JSON: &str = "\"***\"";

/// A type made by [`object!`].
pub(super) trait Object: Sized + Default {
    /// The kind, if it is a whole event.
    const EVENT: Option<EventName>;

    /// Takes one member: into its documented field, or among the others.
    fn take(&mut self, member: &Member<'_>) -> Result<(), Untypable>;

    /// How many documented fields there are.
    const FIELDS: usize;

    /// Where the documented field of this name stands among the others, from 0, and what copies its value.
    fn copier(name: &str) -> Option<(usize, Copier)>;

    /// Writes all fields but `event_type`.
    fn put<M: SerializeMap>(&self, map: &mut M) -> Result<(), M::Error>;

    /// Blanks a field. False if it isn't there.
    fn blank(&mut self, name: &str) -> bool;

    /// Redacts the queries in this documented field.
    fn redact_queries_in(&mut self, name: &str, names: &[String]);

    /// The text of this documented field.
    fn text_mut(&mut self, name: &str) -> Option<&mut String>;

    /// Reads all members. Of a whole event, `event_type` is left to the type, and `t` and `sign` are left out: they
    /// are part of the delivery, not of the event.
    fn from_members<'m>(
        members: impl IntoIterator<Item = &'m Member<'m>>,
    ) -> Result<Self, Untypable> {
        let mut object = Self::default();
        for member in members {
            let ours = Self::EVENT.is_some() && is_delivery(&member.name);
            if !ours {
                object.take(member)?;
            }
        }
        Ok(object)
    }

    /// Reads the text of an object, of the right kind if it is a whole event.
    fn from_text(text: &str) -> Result<Self, Untypable> {
        if text.as_bytes().first() != Some(&b'{') {
            return Err(Untypable::value("an object", text));
        }
        let document = Document::parse_lenient(text)?;
        if let Some(expected) = Self::EVENT {
            let found = EventName::from_event_type(super::event_type(&document)?);
            if found != expected {
                return Err(Untypable::OtherEvent { expected, found });
            }
        }
        Self::from_members(document.members())
    }
}

/// The top-level names that no typed event keeps as a field.
pub(super) fn is_delivery(name: &str) -> bool {
    matches!(name, "event_type" | "sign" | "t")
}

/// Reads a documented field. None if the value says nothing about the field's type, and so is kept among the others
/// under its name: null, what a consumer finds where a number was redacted, or what its reader leaves alone.
pub(super) fn read_field<T, R: Reader<T>>(name: &str, value: &str) -> Result<Option<T>, Untypable> {
    match R::read(value) {
        _ if value == "null" => Ok(None),
        Err(_) if value == REDACTED_JSON => Ok(None),
        read => read.map_err(|fault| fault.inside(name)),
    }
}

/// The value of a blanked field.
pub(super) fn redacted() -> Option<Raw> {
    Raw::read(REDACTED_JSON).ok()
}

/// For serde: takes the value's text whole and reads it as callbacks are read.
pub(super) fn through_text<'de, D: Deserializer<'de>, T>(
    deserializer: D,
    read: impl FnOnce(&str) -> Result<T, Untypable>,
) -> Result<T, D::Error> {
    let text = Box::<RawValue>::deserialize(deserializer)?;
    read(text.get()).map_err(D::Error::custom)
}

/// The way in which a field is read: `as Kind` in the definition, else plainly by its type.
macro_rules! reader {
    () => {
        $crate::callback::event::field::Plain
    };
    ($kind:ident) => {
        $crate::callback::event::field::$kind
    };
}
pub(super) use reader;

/// The name of a field in JSON: the one in brackets, else that of the Rust field.
macro_rules! json_name {
    ($field:ident) => {
        stringify!($field)
    };
    ($field:ident $json:literal) => {
        $json
    };
}
pub(super) use json_name;

/// The kind of event, for a definition that ends in `= Kind`.
macro_rules! kind_of {
    () => {
        None
    };
    ($kind:ident) => {
        Some($crate::callback::names::EventName::$kind)
    };
}
pub(super) use kind_of;

/// Defines a documented object.
///
/// ```text
/// object! {
///     /// What it is.
///     Name = Kind {                        `= Kind` makes it a whole event of that kind
///         /// What the field means.
///         rust_name("jsonName"): i64,      the name in JSON, if it differs
///         stream_id: String as Id,         read in another way than by its type
///     }
/// }
/// ```
macro_rules! object {
    (
        $(#[doc = $about:literal])*
        $name:ident $(= $event:ident)? {
            $( $(#[doc = $doc:literal])* $field:ident $(($json:literal))? : $type:ty $(as $kind:ident)? , )*
        }
    ) => {
        $(#[doc = $about])*
        #[derive(Debug, Clone, Default, PartialEq)]
        #[non_exhaustive]
        pub struct $name {
            $( $(#[doc = $doc])* pub $field: Option<$type>, )*
            /// Undocumented fields, and documented ones that were null.
            pub other: $crate::callback::event::raw::Other,
        }

        impl $crate::callback::event::object::Object for $name {
            const EVENT: Option<$crate::callback::names::EventName> =
                $crate::callback::event::object::kind_of!($($event)?);

            fn take(
                &mut self,
                member: &$crate::callback::json::Member<'_>,
            ) -> Result<(), $crate::callback::event::untypable::Untypable> {
                use $crate::callback::event::object;
                let (name, value) = (&*member.name, member.value);
                match name {
                    $(object::json_name!($field $($json)?) => {
                        let read = object::read_field::<$type, object::reader!($($kind)?)>(name, value)?;
                        // Of a name that comes twice in a nested object, the later ones are kept behind the first.
                        if self.$field.is_none() && read.is_some() {
                            self.$field = read;
                            return Ok(());
                        }
                    })*
                    _ => {}
                }
                self.other.push(name, value)
            }

            const FIELDS: usize = [$(stringify!($field)),*].len();

            fn copier(name: &str) -> Option<(usize, $crate::callback::event::transcript::Copier)> {
                use $crate::callback::event::{object, transcript};
                let mut at = 0;
                $(if name == object::json_name!($field $($json)?) {
                    return Some((at, transcript::copy::<$type, object::reader!($($kind)?)>));
                }
                at += 1;)*
                // Counted once too often, after the last field.
                let _ = at;
                None
            }

            fn put<M: serde::ser::SerializeMap>(&self, map: &mut M) -> Result<(), M::Error> {
                use $crate::callback::event::{field::Written, object};
                $(if let Some(value) = &self.$field {
                    map.serialize_entry(object::json_name!($field $($json)?), &Written(value))?;
                })*
                for (name, value) in self.other.iter() {
                    map.serialize_entry(name, value)?;
                }
                Ok(())
            }

            fn blank(&mut self, name: &str) -> bool {
                use $crate::callback::event::object;
                if let Some(text) = self.text_mut(name) {
                    object::REDACTED.clone_into(text);
                    return true;
                }
                let Some(blank) = object::redacted() else { return false };
                let documented = match name {
                    $(object::json_name!($field $($json)?) => self.$field.take().is_some(),)*
                    _ => false,
                };
                if documented {
                    self.other.put(name, blank);
                    return true;
                }
                self.other.replace(name, &blank)
            }

            fn redact_queries_in(&mut self, name: &str, names: &[String]) {
                use $crate::callback::event::{field::Field, object};
                match name {
                    $(object::json_name!($field $($json)?) => {
                        if let Some(value) = &mut self.$field {
                            value.redact_queries(names);
                        }
                    })*
                    _ => {}
                }
            }

            fn text_mut(&mut self, name: &str) -> Option<&mut String> {
                use $crate::callback::event::{field::Field, object};
                match name {
                    $(object::json_name!($field $($json)?) => self.$field.as_mut().and_then(Field::text_mut),)*
                    _ => None,
                }
            }
        }

        impl $crate::callback::event::field::Field for $name {
            fn read(value: &str) -> Result<Self, $crate::callback::event::untypable::Untypable> {
                <Self as $crate::callback::event::object::Object>::from_text(value)
            }

            fn write<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                use serde::ser::SerializeMap;
                use $crate::callback::event::object::Object;
                let mut map = serializer.serialize_map(None)?;
                if let Some(number) = Self::EVENT.and_then($crate::callback::names::EventName::event_type) {
                    map.serialize_entry("event_type", &number)?;
                }
                self.put(&mut map)?;
                map.end()
            }

            fn redact_queries(&mut self, names: &[String]) {
                use $crate::callback::event::object::Object;
                $(if let Some(value) = &mut self.$field {
                    $crate::callback::event::field::Field::redact_queries(value, names);
                })*
                self.other.redact_all_queries(names);
                for name in names {
                    self.blank(name);
                }
            }
        }

        impl $crate::callback::event::embedded::Content for $name {
            const OTHERWISE: &'static [&'static str] = &["array", "string"];

            fn open(value: &str) -> Result<Option<Self>, $crate::callback::event::untypable::Untypable> {
                let object = value.as_bytes().first() == Some(&b'{');
                object.then(|| $crate::callback::event::field::Field::read(value)).transpose()
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                $crate::callback::event::field::Field::write(self, serializer)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                $crate::callback::event::object::through_text(
                    deserializer,
                    <Self as $crate::callback::event::field::Field>::read,
                )
            }
        }

        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
                use $crate::callback::event::{object, object::Object, schema::Properties};
                let mut properties = Properties::new(Self::EVENT, &[$($about,)*]);
                $(properties.field::<$type, object::reader!($($kind)?)>(
                    generator,
                    object::json_name!($field $($json)?),
                    &[$($doc,)*],
                );)*
                properties.into_schema()
            }
        }
    };
}
pub(super) use object;

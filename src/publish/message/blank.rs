//! A body as received, with single values replaced in place and everything else byte for byte the same.

use crate::callback::{
    event::{QUERY_FIELDS, redact_query_value},
    json::Document,
};

/// The body with the value of its top-level `sign` blanked, since that covers only the key and `t`: whoever reads it could
/// forge with it. Values that `redact` names are replaced too.
pub(super) fn blanked(document: &Document<'_>, redact: &[String]) -> Vec<u8> {
    document
        .with_values(|member| replacement(&member.name, member.value, redact))
        .into_bytes()
}

/// The JSON that takes the value's place, if anything does.
fn replacement(name: &str, value: &str, redact: &[String]) -> Option<String> {
    if name == "sign" {
        return Some("\"\"".into());
    }
    if name == "event_type" {
        return None;
    }
    if redact.iter().any(|known| known == name) {
        return Some("\"***\"".into());
    }
    if !QUERY_FIELDS.contains(&name) {
        return None;
    }
    redact_query_value(value, redact)
}

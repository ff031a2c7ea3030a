//! A body as received, with single values replaced in place and everything else byte for byte the same.

use crate::callback::{
    event::{QUERY_FIELD, redact_query},
    json::{self, Document},
};
use std::borrow::Cow;

/// The body with the value of its top-level `sign` blanked, since that covers only the key and `t`: whoever reads it could
/// forge with it. Values that `redact` names are replaced too.
pub(super) fn blanked(document: &Document<'_>, redact: &[String]) -> Vec<u8> {
    let text = document.text();
    let mut body = Vec::with_capacity(text.len() + 16);
    let mut copied = 0;
    for member in document.members() {
        let Some(instead) = replacement(&member.name, member.value, redact) else {
            continue;
        };
        let start = offset(text, member.value);
        body.extend_from_slice(text.get(copied..start).unwrap_or_default().as_bytes());
        body.extend_from_slice(instead.as_bytes());
        copied = start + member.value.len();
    }
    body.extend_from_slice(text.get(copied..).unwrap_or_default().as_bytes());
    body
}

/// Where a part of a text begins.
fn offset(text: &str, part: &str) -> usize {
    (part.as_ptr() as usize).saturating_sub(text.as_ptr() as usize)
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
    if name != QUERY_FIELD {
        return None;
    }
    let query = json::string(value)?;
    match redact_query(&query, redact) {
        Cow::Owned(redacted) => serde_json::to_string(&redacted).ok(),
        Cow::Borrowed(_) => None,
    }
}

//! A typed event as JSON without the type in between: values that are written as they came are copied, and only the others are
//! read. Almost half of what the publisher's thread does in a drain was making messages, and much of that was for strings that
//! nobody looked at.
//!
//! It says what the long way would say, or nothing: then the long way is taken.

use super::{
    field::{Field, Reader, Written},
    object::{Object, is_delivery, read_field},
    raw::Raw,
    redact::QUERY_FIELDS,
    time::EventTime,
};
use crate::callback::{
    json::{self, Document, Member},
    names::EventName,
};

/// What an event may take beyond its callback.
const ROOM: usize = 64;

/// An event, written.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Transcript {
    /// What kind of event it is.
    pub(crate) name: EventName,
    /// When it happened, by its own account.
    pub(crate) time: Option<EventTime>,
    /// The event as serde would write it.
    pub(crate) json: Vec<u8>,
}

impl Transcript {
    /// Memory for the JSON of an event: about as much as came, so that nothing is copied while it grows.
    pub(crate) fn room_for(document: &Document<'_>) -> Vec<u8> {
        Vec::with_capacity(document.text().len() + ROOM)
    }
}

/// Writes a documented value of a member as its type would, with the queries in it redacted after these names. None if it
/// isn't sure to be written in that field.
pub(super) type Copier = fn(&Member<'_>, &[String], &mut Vec<u8>) -> Option<()>;

pub(super) fn copy<T: Field, R: Reader<T>>(
    member: &Member<'_>,
    redact: &[String],
    out: &mut Vec<u8>,
) -> Option<()> {
    if redact.is_empty() && R::is_as_written(member.value) {
        out.extend_from_slice(member.value.as_bytes());
        return Some(());
    }
    let mut value = read_field::<T, R>(&member.name, member.value).ok()??;
    if !redact.is_empty() {
        value.redact_queries(redact);
    }
    serde_json::to_writer(out, &Written(&value)).ok()
}

/// Writes an undocumented value, or a null.
fn copy_other(member: &Member<'_>, out: &mut Vec<u8>) -> Option<()> {
    if Raw::is_as_written(member.value) {
        out.extend_from_slice(member.value.as_bytes());
        return Some(());
    }
    serde_json::to_writer(out, &Raw::read(member.value).ok()?).ok()
}

/// All members of an event of this type: the documented ones in the order of the type, then the others as they came.
pub(super) fn json<T: Object>(
    event_type: i64,
    document: &Document<'_>,
    redact: &[String],
) -> Option<Vec<u8>> {
    let mut documented = vec![None; T::FIELDS];
    let mut others = Vec::new();
    for member in document.members() {
        if is_delivery(&member.name) {
            continue;
        }
        // A blanked field may have to change its place.
        if redact.iter().any(|name| *name == member.name) {
            return None;
        }
        match T::copier(&member.name).filter(|_| !json::is_null(member.value)) {
            Some((at, copier)) => *documented.get_mut(at)? = Some((copier, member)),
            None => others.push(member),
        }
    }
    let mut out = Transcript::room_for(document);
    out.extend_from_slice(b"{\"event_type\":");
    serde_json::to_writer(&mut out, &event_type).ok()?;
    for (copier, member) in documented.into_iter().flatten() {
        // As in the definition of the type: nothing in it has to be escaped.
        out.extend_from_slice(b",\"");
        out.extend_from_slice(member.name.as_bytes());
        out.extend_from_slice(b"\":");
        copier(member, redacted_in(member, redact), &mut out)?;
    }
    for member in others {
        if !redacted_in(member, redact).is_empty() {
            return None;
        }
        out.push(b',');
        serde_json::to_writer(&mut out, &*member.name).ok()?;
        out.push(b':');
        copy_other(member, &mut out)?;
    }
    out.push(b'}');
    Some(out)
}

/// What has to be redacted in the queries of a field.
fn redacted_in<'r>(member: &Member<'_>, redact: &'r [String]) -> &'r [String] {
    if QUERY_FIELDS.contains(&&*member.name) {
        redact
    } else {
        &[]
    }
}

//! The formula that several vendors share: `sign` is the MD5 of key and `t`, in the body itself, and `t` is when it
//! expires.
//!
//! The signature covers only key and `t`, not the body: whoever sees one valid pair can put any body to it until `t`.
//! TLS and a secret path are what protects the rest.

use super::{Keys, Policy, Refused, Vouched};
use crate::{
    callback::json::{self, Document},
    clock::Millis,
};
use md5::{Digest, Md5};
use std::{borrow::Cow, time::Duration};
use subtle::ConstantTimeEq;

/// Ten minutes, as all of them document.
pub(super) const VALIDITY: Duration = Duration::from_secs(600);

/// The signature of a callback that expires `t` seconds after the epoch.
#[must_use]
pub fn sign(key: &str, t: u64) -> String {
    sign_text(key, &t.to_string())
}

/// The same for `t` as the text that is sent: `01` and `1` have different signatures.
#[must_use]
pub fn sign_text(key: &str, t: &str) -> String {
    hex::encode(digest(key, t))
}

fn digest(key: &str, t: &str) -> [u8; 16] {
    let mut md5 = Md5::new();
    md5.update(key);
    md5.update(t);
    md5.finalize().into()
}

/// Judges by `sign` and `t`; one without both passes only if it `may_be_unsigned`.
pub(super) fn authenticate(
    document: &Document<'_>,
    may_be_unsigned: bool,
    keys: &Keys,
    policy: &Policy,
    now: Millis,
) -> Result<Vouched, Refused> {
    let (t, signature) = match (present(document, "t"), present(document, "sign")) {
        (Some(t), Some(signature)) => (t, signature),
        // One that carries half a signature is not unsigned.
        (None, None) if may_be_unsigned => return Ok(Vouched::Unsigned),
        _ => return Err(Refused::Missing),
    };
    let t = decimal(t).ok_or(Refused::Malformed)?;
    let expires: u64 = t.parse().map_err(|_| Refused::Malformed)?;
    let signature = md5_of(signature).ok_or(Refused::Malformed)?;
    let key = matching(keys, &t, &signature).ok_or(Refused::Mismatch)?;
    in_time(Millis::from_seconds(expires), policy.leeway, now)?;
    Ok(Vouched::Signed { key, expires })
}

/// A member's value; null counts as absent.
fn present<'a>(document: &Document<'a>, name: &str) -> Option<&'a str> {
    document.get(name).filter(|value| !json::is_null(value))
}

/// The decimal text as received, of a number or a string: 1 to 19 digits.
fn decimal(value: &str) -> Option<Cow<'_, str>> {
    let text = match json::kind(value) {
        json::Kind::Number => Cow::Borrowed(value),
        _ => json::string(value)?,
    };
    let digits = (1..=19).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    digits.then_some(text)
}

/// 32 hex digits of either case.
fn md5_of(value: &str) -> Option<[u8; 16]> {
    let mut bytes = [0; 16];
    hex::decode_to_slice(json::string(value)?.as_bytes(), &mut bytes).ok()?;
    Some(bytes)
}

/// Tries every key, so that the time taken doesn't tell which one matches.
fn matching(keys: &Keys, t: &str, signature: &[u8; 16]) -> Option<usize> {
    let mut found = None;
    for (index, key) in keys.iter().enumerate() {
        let matches: bool = digest(key.key.expose(), t).ct_eq(signature).into();
        if matches && found.is_none() {
            found = Some(index);
        }
    }
    found
}

fn in_time(expires: Millis, leeway: Duration, now: Millis) -> Result<(), Refused> {
    let by = now.since(expires);
    if by > leeway {
        return Err(Refused::Expired { by });
    }
    let ahead = expires.since(now);
    if ahead > VALIDITY.saturating_add(leeway) {
        return Err(Refused::Future { ahead });
    }
    Ok(())
}

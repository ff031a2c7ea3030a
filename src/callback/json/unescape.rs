//! What an escaped string says. Only for strings that the scanner has passed.

use super::plain::plain;

/// The inside of a string that was passed without a fault, with its escapes resolved.
pub(super) fn unescape(inside: &str) -> String {
    let mut out = String::with_capacity(inside.len());
    let mut rest = inside;
    // Quotes and control characters can't stand there: it is a backslash that is found.
    while let Some((said, escape)) = plain(rest.as_bytes()).and_then(|at| rest.split_at_checked(at))
    {
        out.push_str(said);
        let (said, after) = resolve(escape.get(1..).unwrap_or_default());
        out.push(said);
        rest = after;
    }
    out.push_str(rest);
    out
}

/// The character that an escape stands for, and what follows it. The text begins after the backslash.
fn resolve(escape: &str) -> (char, &str) {
    let mut chars = escape.chars();
    let said = match chars.next() {
        Some('b') => '\u{8}',
        Some('f') => '\u{c}',
        Some('n') => '\n',
        Some('r') => '\r',
        Some('t') => '\t',
        Some('u') => return resolve_unicode(chars.as_str()),
        other => other.unwrap_or_default(),
    };
    (said, chars.as_str())
}

fn resolve_unicode(hex: &str) -> (char, &str) {
    let unit = |text: &str| text.get(..4).and_then(|t| u32::from_str_radix(t, 16).ok());
    let first = unit(hex).unwrap_or_default();
    let after = hex.get(4..).unwrap_or_default();
    if let Some(said) = char::from_u32(first) {
        return (said, after);
    }
    let low = after.get(2..).and_then(unit).unwrap_or_default();
    let code = 0x1_0000 + ((first & 0x3FF) << 10) + (low & 0x3FF);
    let said = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
    (said, after.get(6..).unwrap_or_default())
}

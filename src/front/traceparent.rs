//! W3C trace context: a valid `traceparent` goes with the callback into Kafka; any other is as good as none.

use hyper::{HeaderMap, header::HeaderValue};

/// The longest that is kept: later versions may append to what version 00 has.
const LONGEST: usize = 128;

/// The request's one valid `traceparent`.
pub(super) fn traceparent(headers: &HeaderMap) -> Option<Box<str>> {
    let mut all = headers.get_all("traceparent").iter();
    let only = all.next().filter(|_| all.next().is_none());
    let text = only.map(HeaderValue::to_str)?.ok()?;
    is_valid(text).then(|| text.into())
}

fn is_valid(text: &str) -> bool {
    let mut fields = text.splitn(5, '-');
    let [version, trace, span, flags] = std::array::from_fn(|_| fields.next().unwrap_or_default());
    let hex = |field: &str, len: usize| {
        field.len() == len
            && field
                .bytes()
                .all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    };
    let nonzero = |field: &str| field.bytes().any(|b| b != b'0');
    hex(version, 2)
        && version != "ff"
        && hex(trace, 32)
        && nonzero(trace)
        && hex(span, 16)
        && nonzero(span)
        && hex(flags, 2)
        && (version != "00" || fields.next().is_none())
        && text.len() <= LONGEST
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALID: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn only_what_the_standard_allows_is_valid() {
        assert!(is_valid(VALID));
        assert!(is_valid(&format!("{}-more", VALID.replacen("00", "cc", 1))));
        for bad in [
            "",
            "00",
            &format!("{VALID}-more"),
            &format!("{VALID} "),
            &VALID.to_uppercase(),
            &VALID.replacen("00", "ff", 1),
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            &format!("cc{}-{}", &VALID[2..], "x".repeat(200)),
        ] {
            assert!(!is_valid(bad), "{bad}");
        }
    }

    #[test]
    fn two_headers_are_none() {
        let mut headers = HeaderMap::new();
        headers.append("traceparent", HeaderValue::from_static(VALID));
        assert_eq!(traceparent(&headers).as_deref(), Some(VALID));
        headers.append("traceparent", HeaderValue::from_static(VALID));
        assert_eq!(traceparent(&headers), None);
    }
}

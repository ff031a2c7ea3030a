//! W3C trace context: to which trace a callback belongs, and under which span. Pure.

use std::fmt;

/// The longest `traceparent` that is taken over: later versions may append to what version 00 has.
const LONGEST: usize = 128;

/// The number of a span within its trace; never all zeros.
pub type SpanId = [u8; 8];

/// What a `traceparent` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Context {
    /// The trace; never all zeros.
    pub trace: [u8; 16],
    /// The span that made the `traceparent`: the parent of whatever happens next.
    pub span: SpanId,
    /// Whether whoever began the trace wants its spans kept.
    pub sampled: bool,
}

impl Context {
    /// None if it isn't a valid `traceparent`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut fields = text.splitn(5, '-');
        let [version, trace, span, flags] =
            std::array::from_fn(|_| fields.next().unwrap_or_default());
        let [version] = bytes::<1>(version)?;
        let [flags] = bytes::<1>(flags)?;
        let context = Self {
            trace: bytes(trace)?,
            span: bytes(span)?,
            sampled: flags & 1 == 1,
        };
        let ids = context.trace.iter().any(|b| *b != 0) && context.span.iter().any(|b| *b != 0);
        let valid =
            version != 0xff && (version != 0 || fields.next().is_none()) && text.len() <= LONGEST;
        (ids && valid).then_some(context)
    }
}

/// Lower-case digits only, as the standard demands.
fn bytes<const N: usize>(hex: &str) -> Option<[u8; N]> {
    let lower = hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    let mut bytes = [0; N];
    (lower && hex::decode_to_slice(hex, &mut bytes).is_ok()).then_some(bytes)
}

/// As a `traceparent` of version 00.
impl fmt::Display for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (trace, span) = (hex::encode(self.trace), hex::encode(self.span));
        write!(f, "00-{trace}-{span}-{:02x}", u8::from(self.sampled))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALID: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn only_what_the_standard_allows_is_valid() {
        let context = Context::parse(VALID).unwrap();
        assert!(context.sampled);
        assert_eq!(context.to_string(), VALID);
        let not_sampled = VALID.replace("-01", "-00");
        assert!(!Context::parse(&not_sampled).unwrap().sampled);
        assert!(Context::parse(&format!("{}-more", VALID.replacen("00", "cc", 1))).is_some());
        for bad in [
            "",
            "00",
            &format!("{VALID}-more"),
            &format!("{VALID} "),
            &VALID.to_uppercase(),
            &VALID.replacen("00", "ff", 1),
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4bf92f3577b34da6a3ce929d0e0e47-00f067aa0ba902b7-01",
            &format!("cc{}-{}", &VALID[2..], "x".repeat(200)),
        ] {
            assert_eq!(Context::parse(bad), None, "{bad}");
        }
    }
}

//! Points in time as people write them: RFC 3339, or how long ago.

use crate::clock::{Clock, Millis, SystemClock};
use std::time::UNIX_EPOCH;

/// For clap: `2026-11-23T14:00:00Z`, `2026-11-23` (its first moment, UTC), or `2h`, which is two hours ago.
pub(super) fn parse(text: &str) -> Result<Millis, String> {
    at(text, SystemClock.now())
}

fn at(text: &str, now: Millis) -> Result<Millis, String> {
    if let Ok(ago) = humantime::parse_duration(text.trim_end_matches(" ago")) {
        let ago = u64::try_from(ago.as_millis()).unwrap_or(u64::MAX);
        return Ok(Millis(now.0.saturating_sub(ago)));
    }
    let whole = if text.len() == 10 {
        format!("{text}T00:00:00Z")
    } else {
        text.to_owned()
    };
    humantime::parse_rfc3339_weak(&whole)
        .ok()
        .and_then(|time| time.duration_since(UNIX_EPOCH).ok())
        .and_then(|since| u64::try_from(since.as_millis()).ok())
        .map(Millis)
        .ok_or_else(|| {
            "write a time such as 2026-11-23T14:00:00Z (UTC), a day such as 2026-11-23, or how long ago, such as 2h or 30m".into()
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_rfc_3339_days_or_ages() {
        let now = Millis(1_750_000_000_000);
        for (text, expected) in [
            ("2025-06-15T15:06:40Z", 1_750_000_000_000),
            ("2025-06-15T15:06:40.042Z", 1_750_000_000_042),
            ("2025-06-15 15:06:40", 1_750_000_000_000),
            ("2025-06-15", 1_749_945_600_000),
            ("2h", 1_749_992_800_000),
            ("1h 30m ago", 1_749_994_600_000),
        ] {
            assert_eq!(at(text, now), Ok(Millis(expected)), "{text}");
        }
        for bad in ["", "yesterday", "2025-06-15T15:06:40+08:00", "5"] {
            assert!(at(bad, now).is_err(), "{bad}");
        }
    }
}

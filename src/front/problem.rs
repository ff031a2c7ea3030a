//! Refusals: every answer but the 200, as RFC 9457 `application/problem+json`.
//!
//! Fixed words only: nothing of the request, and nothing that would help a forger, such as which check failed.

use crate::callback::json::Malformed;
use hyper::StatusCode;

/// Why a request gets no 200. There is no variant for a status below 400.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Problem {
    /// No such path, source or token.
    NotFound,
    /// Callbacks are POSTed.
    MethodNotAllowed,
    /// The body is over the limit.
    BodyTooLarge,
    /// The body didn't come in time.
    BodyTooSlow,
    /// The body broke off, or its framing is no HTTP.
    BodyBroken,
    /// Not one JSON object.
    Malformed(Malformed),
    /// Not authentic.
    NotAuthentic,
    /// More requests, or bytes of bodies, than may be in flight; or the queue to the spool, or to Kafka, is full.
    Overloaded,
    /// The spool has no room.
    Full,
    /// The spool has stopped, or nothing is published any more.
    Stopped,
    /// No receipt in time. The callback may become durable, or acked, all the same.
    NoReceipt,
    /// Kafka takes nothing for the callback's topic, or neither the callback nor its copy for the quarantine.
    NotTaken,
    /// The relay is going, and the request wasn't read in full in time.
    Leaving,
}

impl Problem {
    /// The statuses that there are, for metrics that exist from the start.
    pub(super) const CODES: [u16; 7] = [400, 401, 404, 405, 408, 413, 503];

    /// The answer's status.
    pub(super) const fn status(self) -> StatusCode {
        match self {
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::BodyTooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::BodyBroken | Self::Malformed(_) => StatusCode::BAD_REQUEST,
            Self::NotAuthentic => StatusCode::UNAUTHORIZED,
            Self::Overloaded
            | Self::Full
            | Self::Stopped
            | Self::NoReceipt
            | Self::NotTaken
            | Self::Leaving => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// After how many seconds it is worth trying again.
    pub(super) const fn retry_after_seconds(self) -> Option<&'static str> {
        match self {
            Self::Overloaded | Self::NoReceipt | Self::Leaving => Some("1"),
            Self::Full | Self::Stopped | Self::NotTaken => Some("30"),
            _ => None,
        }
    }

    /// The word for it where decisions are followed: of [`crate::follow::REASONS`].
    pub(super) const fn reason(self) -> &'static str {
        match self {
            Self::NotFound => "no-such-path",
            Self::MethodNotAllowed => "method",
            Self::BodyTooLarge => "body-too-large",
            Self::BodyTooSlow => "body-too-slow",
            Self::BodyBroken => "body-broken",
            Self::Malformed(_) => "malformed-json",
            Self::NotAuthentic => "mismatch",
            Self::Overloaded => "overload",
            Self::Full => "spool-full",
            Self::Stopped => "spool-stopped",
            Self::NoReceipt => "no-receipt",
            Self::NotTaken => "not-taken",
            Self::Leaving => "leaving",
        }
    }

    fn detail(self) -> String {
        let fixed = match self {
            Self::NotFound => "there is nothing at this path",
            Self::MethodNotAllowed => "callbacks are sent with POST",
            Self::BodyTooLarge => "the body is over the limit",
            Self::BodyTooSlow => "the body did not arrive in time",
            Self::BodyBroken => "the body broke off",
            Self::Malformed(why) => return format!("the body is not one JSON object: {why}"),
            Self::NotAuthentic => "the callback is not authentic",
            Self::Overloaded => "too much is in flight",
            Self::Full => "there is no room for more callbacks",
            Self::Stopped => "callbacks are not taken at the moment",
            Self::NoReceipt => "the callback was not made durable in time",
            Self::NotTaken => "callbacks of this kind are not taken at the moment",
            Self::Leaving => "the relay is shutting down",
        };
        fixed.to_owned()
    }

    /// The answer's body. All of its words are ours and need no escaping.
    pub(super) fn json(self) -> String {
        let status = self.status();
        format!(
            r#"{{"type":"about:blank","title":"{}","status":{},"detail":"{}"}}"#,
            status.canonical_reason().unwrap_or("Error"),
            status.as_u16(),
            self.detail()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_problem_is_json_with_a_known_code_and_503_says_when_to_come_again() {
        for problem in [
            Problem::NotFound,
            Problem::MethodNotAllowed,
            Problem::BodyTooLarge,
            Problem::BodyTooSlow,
            Problem::BodyBroken,
            Problem::Malformed(Malformed::DuplicateName),
            Problem::NotAuthentic,
            Problem::Overloaded,
            Problem::Full,
            Problem::Stopped,
            Problem::NoReceipt,
            Problem::NotTaken,
            Problem::Leaving,
        ] {
            let json: serde_json::Value = serde_json::from_str(&problem.json()).unwrap();
            let code = problem.status().as_u16();
            assert!(Problem::CODES.contains(&code));
            assert_eq!(json["status"], code);
            assert_eq!(problem.retry_after_seconds().is_some(), code == 503);
            let told = crate::follow::REASONS.iter();
            assert!(
                told.map(|(word, _)| *word)
                    .any(|word| word == problem.reason())
            );
        }
    }
}

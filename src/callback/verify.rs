//! Whether a callback is authentic: its signature, its keys, its expiry. Pure; the clock is an argument.
//!
//! A kind of source is a [`Kind`]. Whatever it says, an [`Authentic`] comes out of [`verify`] only, so that nobody
//! appends what nobody checked.

mod explain;
mod key_and_t;
mod keys;
mod request;
mod tencent_css;
mod volcengine_live;

pub use explain::Explanation;
pub use key_and_t::{sign, sign_text};
pub use keys::Keys;
pub use request::Request;
pub use tencent_css::TencentCss;
pub use volcengine_live::VolcengineLive;

use super::{
    json::{self, Document},
    names::EventName,
};
use crate::clock::Millis;
use std::{collections::BTreeSet, time::Duration};

/// What a source asks of its callbacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Whether signatures are asked for. If not, nothing at all is checked.
    pub auth_required: bool,
    /// The `event_type`s that are taken without a signature.
    pub unsigned_events: BTreeSet<i64>,
    /// How far past its expiry a callback is still taken, and how far ahead of the documented validity.
    pub leeway: Duration,
}

/// Why a callback is not authentic. The sender hears none of this: it would help a forger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// No `sign` or no `t`.
    #[error("the signature is missing")]
    Missing,
    /// `t` is not 1 to 19 digits, or `sign` not 32 hex digits.
    #[error("the signature is malformed")]
    Malformed,
    /// No key makes this signature.
    #[error("no key matches the signature")]
    Mismatch,
    /// Rightly signed, but past its expiry by more than the leeway.
    #[error("expired {} s ago, which is more than the leeway", by.as_secs())]
    Expired {
        /// How far past `t`.
        by: Duration,
    },
    /// Rightly signed, but expiring later than any sender would say.
    #[error("expires {} s from now, which no sender says", ahead.as_secs())]
    Future {
        /// How far ahead `t` is.
        ahead: Duration,
    },
}

impl Refused {
    /// All labels, for metrics that exist from the start.
    pub const LABELS: [&'static str; 5] = ["missing", "malformed", "mismatch", "expired", "future"];

    /// By how many seconds the sender's clock was ahead of ours, as [`Authentic::clock_offset_seconds`]: what is refused for its time
    /// alone was rightly signed, and tells most about a wrong clock. None for the other reasons.
    #[must_use]
    pub fn clock_offset_seconds(&self, validity: Duration) -> Option<i64> {
        let seconds = |time: Duration| i64::try_from(time.as_secs()).ok();
        let validity = seconds(validity)?;
        match self {
            Self::Expired { by } => Some(-seconds(*by)? - validity),
            Self::Future { ahead } => Some(seconds(*ahead)? - validity),
            Self::Missing | Self::Malformed | Self::Mismatch => None,
        }
    }

    /// The label in metrics.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Malformed => "malformed",
            Self::Mismatch => "mismatch",
            Self::Expired { .. } => "expired",
            Self::Future { .. } => "future",
        }
    }
}

/// What a kind of source says about a callback that it vouches for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Vouched {
    /// A key matched.
    Signed {
        /// Its place in [`Keys`].
        key: usize,
        /// When the signature expires, in seconds since the epoch.
        expires: u64,
    },
    /// Taken without a signature, as its source's settings say.
    Unsigned,
}

/// A callback that claims to be authentic: the request as it came, and what was read from its body.
#[derive(Debug, Clone, Copy)]
pub struct Claim<'a> {
    /// The request: kinds that sign headers, the query or the raw bytes look there.
    pub request: &'a Request<'a>,
    /// The body as a JSON object.
    pub document: &'a Document<'a>,
    /// Its integer `event_type`, if it has one.
    pub event_type: Option<i64>,
}

/// A kind of source: how its callbacks prove where they come from.
pub trait Kind: std::fmt::Debug + Send + Sync {
    /// Judges a callback.
    ///
    /// # Errors
    /// If it isn't authentic.
    fn authenticate(
        &self,
        claim: Claim<'_>,
        keys: &Keys,
        policy: &Policy,
        now: Millis,
    ) -> Result<Vouched, Refused>;

    /// How long a signature is valid when it is made, as the sender documents it.
    fn validity(&self) -> Duration;
}

/// A callback that was checked. [`verify`] is the only way to one.
///
/// ```compile_fail
/// fn forge(document: livebridge::callback::json::Document<'_>) -> livebridge::callback::verify::Authentic<'_> {
///     livebridge::callback::verify::Authentic { document, event_type: None, key: None, expired_by: None, offset: None }
/// }
/// ```
#[derive(Debug, PartialEq, Eq)]
pub struct Authentic<'a> {
    document: Document<'a>,
    event_type: Option<i64>,
    key: Option<usize>,
    expired_by: Option<Duration>,
    offset: Option<i64>,
}

/// Checks a callback.
///
/// # Errors
/// If it isn't authentic.
pub fn verify<'a>(
    kind: &dyn Kind,
    request: &Request<'_>,
    document: Document<'a>,
    keys: &Keys,
    policy: &Policy,
    now: Millis,
) -> Result<Authentic<'a>, Refused> {
    let event_type = event_type(&document);
    let vouched = if policy.auth_required {
        let claim = Claim {
            request,
            document: &document,
            event_type,
        };
        kind.authenticate(claim, keys, policy, now)?
    } else {
        Vouched::Unsigned
    };
    let (key, expires) = match vouched {
        Vouched::Signed { key, expires } => (Some(key), Some(expires)),
        Vouched::Unsigned => (None, None),
    };
    let late = |expires| now.since(Millis::from_seconds(expires));
    let made = |expires: u64| i128::from(expires) - i128::from(kind.validity().as_secs());
    Ok(Authentic {
        document,
        event_type,
        key,
        expired_by: expires.map(late).filter(|by| !by.is_zero()),
        offset: expires
            .map(|expires| made(expires) - i128::from(now.seconds()))
            .and_then(|offset| i64::try_from(offset).ok()),
    })
}

/// The integer `event_type` of a callback, if it has one.
#[must_use]
pub fn event_type(document: &Document<'_>) -> Option<i64> {
    document.get("event_type").and_then(json::integer)
}

/// The name of a callback's kind of event; `unknown` without an integer `event_type`.
#[must_use]
pub fn event_name(event_type: Option<i64>) -> EventName {
    event_type.map_or(EventName::Unknown, EventName::from_event_type)
}

impl<'a> Authentic<'a> {
    /// The callback itself.
    #[must_use]
    pub const fn document(&self) -> &Document<'a> {
        &self.document
    }

    /// Its integer `event_type`, if it has one.
    #[must_use]
    pub const fn event_type(&self) -> Option<i64> {
        self.event_type
    }

    /// Its kind of event, which says the family too.
    #[must_use]
    pub fn event(&self) -> EventName {
        event_name(self.event_type)
    }

    /// The place in [`Keys`] of the key that matched; none for a callback taken without a signature.
    #[must_use]
    pub const fn key(&self) -> Option<usize> {
        self.key
    }

    /// How far past its expiry it was received; none if it wasn't, or isn't signed.
    #[must_use]
    pub const fn expired_by(&self) -> Option<Duration> {
        self.expired_by
    }

    /// By how many seconds the sender's clock was ahead of ours, if it signed just before sending: expiry less the
    /// documented validity less now. None if it isn't signed.
    #[must_use]
    pub const fn clock_offset_seconds(&self) -> Option<i64> {
        self.offset
    }
}

#[cfg(test)]
mod tests;

//! Why a captured callback passes or fails, in words for the operator who holds the keys.

use super::{Claim, Keys, Kind, Policy, Refused, Request, Vouched, event_name, event_type};
use crate::{
    callback::{
        json::{self, Document},
        names::EventName,
    },
    clock::Millis,
};
use std::fmt;

/// What `livebridge verify` prints. Says a key's name, never the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// What kind of event it is.
    pub event: EventName,
    /// The verdict; what vouches for it, or why it is refused.
    pub verdict: Result<Vouched, Refused>,
    /// The name of the key that made the signature, in time or not.
    pub key: Option<String>,
    /// When the signature expires, in seconds since the epoch, also if no key made the signature.
    pub expires: Option<u64>,
    /// What there is to say of the signature alone, in time or not.
    signature: Result<Vouched, Refused>,
    now: Millis,
}

impl Explanation {
    /// Judges a callback as the door would at `now`.
    #[must_use]
    pub fn of(
        kind: &dyn Kind,
        request: &Request<'_>,
        document: &Document<'_>,
        keys: &Keys,
        policy: &Policy,
        now: Millis,
    ) -> Self {
        let event_type = event_type(document);
        let claim = Claim {
            request,
            document,
            event_type,
        };
        let judge = |policy: &Policy| kind.authenticate(claim, keys, policy, now);
        let verdict = if policy.auth_required {
            judge(policy)
        } else {
            Ok(Vouched::Unsigned)
        };
        // With a leeway without end, only the signature itself counts.
        let mut patient = policy.clone();
        patient.leeway = std::time::Duration::MAX;
        let signature = judge(&patient);
        let signed = match signature {
            Ok(Vouched::Signed { key, expires }) => Some((key, expires)),
            _ => None,
        };
        Self {
            event: event_name(event_type),
            verdict,
            key: signed.and_then(|(key, _)| keys.get(key).map(|key| key.name.clone())),
            expires: signed.map(|(_, expires)| expires).or_else(|| {
                claimed_expiry(document).filter(|_| signature == Err(Refused::Mismatch))
            }),
            signature,
            now,
        }
    }

    /// Whether the door would take it.
    #[must_use]
    pub const fn passes(&self) -> bool {
        self.verdict.is_ok()
    }
}

/// The `t` that a callback names, if it is seconds since the epoch.
fn claimed_expiry(document: &Document<'_>) -> Option<u64> {
    let value = document.get("t")?;
    let text = json::string(value).unwrap_or_else(|| value.into());
    text.parse().ok()
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "event: {}", self.event)?;
        match (&self.key, self.signature) {
            (Some(name), _) => writeln!(f, "key: {name}")?,
            (None, Err(Refused::Mismatch)) => writeln!(f, "key: none matches")?,
            (None, Err(Refused::Malformed)) => {
                writeln!(f, "key: none, the signature is malformed")?
            }
            (None, _) => writeln!(f, "key: none, it isn't signed")?,
        }
        if let Some(expires) = self.expires {
            let at = Millis::from_seconds(expires);
            let late = self.now.since(at).as_secs();
            let left = at.since(self.now).as_secs();
            if late > 0 {
                writeln!(f, "t: {expires} ({at}), {late} s ago")?;
            } else {
                writeln!(f, "t: {expires} ({at}), {left} s from now")?;
            }
        }
        match self.verdict {
            Ok(Vouched::Signed { .. }) => write!(f, "passes: signed"),
            Ok(Vouched::Unsigned) => write!(f, "passes: no signature is asked for"),
            Err(refused) => write!(f, "fails: {refused}"),
        }
    }
}

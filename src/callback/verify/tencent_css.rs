//! Tencent CSS: `sign` and `t` in the body, but for the events that are never signed.

use super::{Claim, Keys, Kind, Policy, Refused, Vouched, key_and_t};
use crate::clock::Millis;
use std::time::Duration;

/// The event that recordings come with: a signature is always asked for.
const ALWAYS_SIGNED: i64 = 100;

/// `tencent-css`.
#[derive(Debug, Clone, Copy, Default)]
pub struct TencentCss;

impl Kind for TencentCss {
    fn authenticate(
        &self,
        claim: Claim<'_>,
        keys: &Keys,
        policy: &Policy,
        now: Millis,
    ) -> Result<Vouched, Refused> {
        let may_be_unsigned = may_be_unsigned(claim.event_type, policy);
        key_and_t::authenticate(claim.document, may_be_unsigned, keys, policy, now)
    }

    fn validity(&self) -> Duration {
        key_and_t::VALIDITY
    }
}

fn may_be_unsigned(event_type: Option<i64>, policy: &Policy) -> bool {
    event_type
        .is_some_and(|event| event != ALWAYS_SIGNED && policy.unsigned_events.contains(&event))
}

//! Volcengine Live: the same formula as Tencent's, and every callback is signed.
//!
//! Its events are named by texts (`push_start`), so all of them are of the family `unknown` until they are typed.

use super::{Claim, Keys, Kind, Policy, Refused, Vouched, key_and_t};
use crate::clock::Millis;
use std::time::Duration;

/// `volcengine-live`.
#[derive(Debug, Clone, Copy, Default)]
pub struct VolcengineLive;

impl Kind for VolcengineLive {
    fn authenticate(
        &self,
        claim: Claim<'_>,
        keys: &Keys,
        policy: &Policy,
        now: Millis,
    ) -> Result<Vouched, Refused> {
        key_and_t::authenticate(claim.document, false, keys, policy, now)
    }

    fn validity(&self) -> Duration {
        key_and_t::VALIDITY
    }
}

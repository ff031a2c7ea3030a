//! New connections, when what clients log in with has changed: every producer is replaced by one that logs in anew.
//!
//! Brokers let go on whoever is connected, so there is time to end what is under way: a rotation costs no record its second
//! delivery, unless a broker doesn't answer.

use super::{
    broker::Broker,
    plan::Tick,
    publisher::{CLOSING_MAX, Publisher, Render, Shared},
};
use crate::spool::Outlet;
use std::time::Duration;

/// How long what is under way may take.
const UNDER_WAY: Duration = Duration::from_secs(5);

impl<O: Outlet, B: Broker, R: Render> Publisher<O, B, R> {
    /// Asks for it.
    pub(super) fn renew(&mut self, now: Tick) {
        self.moved = true;
        // With other credentials the next try is a first one.
        self.backoff.reset();
        self.trouble = None;
        if let Shared::Waiting { until } = &mut self.shared {
            *until = now;
        }
        let answers = self.kafka.reachable == Some(true);
        let within = if answers { UNDER_WAY } else { Duration::ZERO };
        self.renew_by = Some(now + within);
        for lane in &mut self.lanes {
            lane.solo.renew(now + CLOSING_MAX);
        }
    }

    /// Ends the shared producer when it has nothing under way, or when that takes too long.
    pub(super) fn tend_renewal(&mut self, now: Tick) {
        let Some(by) = self.renew_by else { return };
        let is_open = matches!(self.shared, Shared::Open(..));
        if is_open && now < by && self.has_something_under_way() {
            self.wake_at(by);
            return;
        }
        self.renew_by = None;
        if is_open {
            tracing::info!("the producer is replaced by one that logs in anew");
            self.end_shared(now);
        }
    }

    fn has_something_under_way(&self) -> bool {
        self.in_transaction()
            .unwrap_or_else(|| self.lanes.iter().any(|lane| lane.window.in_flight() > 0))
    }
}

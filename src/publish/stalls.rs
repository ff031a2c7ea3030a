//! Lanes that stand still: who is asked about, and what is said of it. What it means is decided in `stall`.

use super::{
    broker::Broker,
    mailbox::{Finding, Heard},
    plan::Tick,
    publisher::{Publisher, Render},
    stall::Look,
};
use crate::spool::{Outlet, Seq};
use std::sync::Arc;

/// What is said of a topic that takes nothing although nothing is wrong with it that could be seen.
const UNSEEN: &str = "the brokers answer, and don't take its first record";

/// Asks the brokers about a topic.
pub(super) trait Asks: Send {
    /// Returns at once; the answer comes by mail, or never.
    fn ask(&self, topic: &Arc<str>, about: Seq);
    /// No broker was in reach: it should soon be known when one is.
    fn look_soon(&self);
}

/// Who answers nothing.
#[cfg(test)]
pub(super) struct Nobody;

#[cfg(test)]
impl Asks for Nobody {
    fn ask(&self, _: &Arc<str>, _: Seq) {}
    fn look_soon(&self) {}
}

impl<O: Outlet, B: Broker, R: Render> Publisher<O, B, R> {
    /// Looks at every lane. In exactly-once a record that isn't taken ends its transaction, which says more, if that can end:
    /// Kafka writes the end of a transaction to each partition that has a part in it, and waits as long as one of them takes
    /// nothing.
    pub(super) fn tend_stalls(&mut self, now: Tick) {
        for at in self.lanes.ids() {
            let lane = &mut self.lanes[at];
            let Some(topic) = &lane.topic else { continue };
            let was_blocked = lane.stall.is_blocked();
            let under_way = lane.window.in_flight() > 0;
            let look = lane.stall.look(now, lane.window.first(), under_way);
            if let Look::Ask(about, _) = look {
                self.parts.watch.ask(topic, about);
            }
            let flows_again = was_blocked && !lane.stall.is_blocked();
            if flows_again {
                tracing::info!(topic = &**topic, "the lane flows again");
                self.moved = true;
                self.show_blocked(at);
            }
            if let Look::Until(then) | Look::Ask(_, then) = look {
                self.wake_at(then);
            }
        }
    }

    /// The brokers were asked about a lane's topic.
    pub(super) fn heard(&mut self, now: Tick, heard: Heard) {
        let named = |topic: &Option<Arc<str>>| topic.as_ref() == Some(&heard.topic);
        let Some(at) = self.lanes.find(|lane| named(&lane.topic)) else {
            return;
        };
        // In a transaction everybody waits for everybody. To blame is the topic with records that aren't acked; if there is none, the
        // one to which the end of the transaction can't be written.
        let exact = self.exact.as_ref();
        let owes = exact.is_none_or(|exact| exact.owes(at));
        let nobody_owes = !exact.is_some_and(|e| self.lanes.ids().any(|at| e.owes(at)));
        let is_exact = exact.is_some();
        let lane = &mut self.lanes[at];
        let answer = match heard.answer {
            Some(Finding::Fault { why, is_sure }) if owes || (nobody_owes && is_sure) => Some(why),
            Some(Finding::Sound) if !is_exact => Some(UNSEEN.into()),
            _ => None,
        };
        if lane.stall.heard(now, heard.about, answer) {
            let why = lane.stall.why();
            tracing::warn!(topic = &*heard.topic, why, "the topic takes nothing");
            self.moved = true;
            self.show_blocked(at);
        }
    }
}

//! What is made ready while a transaction ends: nothing can be sent then, for a fifth of the time of a drain, but what goes into
//! the next one can be read and made into messages.

use super::Exact;
use crate::{
    publish::{
        Fault,
        broker::Broker,
        course::Way,
        place::Entry,
        plan::Tick,
        publisher::{Publisher, Render},
    },
    spool::{Next, Outlet},
};

/// Records at a time, so that the reports that the end waits for aren't kept waiting.
const AT_ONCE: usize = 64;

impl<O: Outlet, B: Broker, R: Render> Publisher<O, B, R> {
    /// How many records were read, and couldn't be taken yet.
    #[cfg(test)]
    pub(super) fn read_ahead(&self) -> usize {
        self.head.read().len()
    }

    /// How many messages are ready.
    #[cfg(test)]
    pub(super) fn made_ready(&self) -> usize {
        let made = self.head.read().iter();
        made.filter(|entry| entry.made.is_some()).count()
    }

    /// See the module.
    pub(in crate::publish) fn make_ready(&mut self, now: Tick) -> Result<(), Fault> {
        let ending = |exact: &&Exact| exact.transaction.is_ending();
        let Some(exact) = self.exact.as_ref().filter(ending) else {
            return Ok(());
        };
        let end = self.parts.outlet.durable_end();
        let lanes = &self.lanes;
        for _ in 0..AT_ONCE {
            // Of all lanes, also of those that have cursors of their own: who comes back to the head cursor meanwhile has to find
            // there what it hasn't read itself.
            let next = self.head.read_ahead(&|_| true, end).map_err(Fault::Read)?;
            let Some(Entry { next, made }) = next else {
                return Ok(());
            };
            let Next::Record(record) = next else {
                continue;
            };
            let family = record.envelope.family;
            // Published before this run: it is only passed.
            if record.seq <= exact.floor.of(family) {
                continue;
            }
            let lane = lanes.iter().find(|lane| lane.families.contains(&family));
            let lane =
                lane.filter(|lane| lane.is_attached() && lane.course.way(now) == Way::Shared);
            if let Some(topic) = lane.and_then(|lane| lane.topic.as_ref()) {
                *made = Some(self.parts.render.message(record, topic));
            }
        }
        self.wake_at(now);
        Ok(())
    }
}

//! What is made ready while a transaction ends: nothing can be sent then, for as long as a quarter of the filling takes, but
//! what goes into the next one can be read and made into messages.

use crate::{
    publish::{
        Fault,
        broker::Broker,
        message::Message,
        plan::Tick,
        publisher::{Publisher, Render},
    },
    spool::{Next, Outlet, Reason, Seq},
};
use std::collections::VecDeque;

/// Records at a time, so that the reports that the end waits for aren't kept waiting.
const AT_ONCE: usize = 64;

/// Messages that were made before their time. At most as many as the head cursor has read before its time.
#[derive(Debug, Default)]
pub(in crate::publish) struct Ready(VecDeque<(Seq, Result<Message, Reason>)>);

impl Ready {
    /// What became of this record, if that was made ready. Those before it were taken by somebody else, or are due again later.
    pub(in crate::publish) fn take(&mut self, seq: Seq) -> Option<Result<Message, Reason>> {
        while self.0.pop_front_if(|(before, _)| *before < seq).is_some() {}
        let (_, made) = self.0.pop_front_if(|(this, _)| *this == seq)?;
        Some(made)
    }

    /// It couldn't be sent yet, after it was taken. Kept only before all others, so that they stay in order.
    pub(in crate::publish) fn put_back(&mut self, seq: Seq, message: Message) {
        if self.0.front().is_none_or(|(first, _)| seq < *first) {
            self.0.push_front((seq, Ok(message)));
        }
    }
}

impl<O: Outlet, B: Broker, R: Render> Publisher<O, B, R> {
    /// How many messages are ready.
    #[cfg(test)]
    pub(super) fn made_ready(&self) -> usize {
        self.exact.as_ref().map_or(0, |exact| exact.ready.0.len())
    }

    /// See the module.
    pub(in crate::publish) fn make_ready(&mut self, now: Tick) -> Result<(), Fault> {
        let Some(exact) = &mut self.exact else {
            return Ok(());
        };
        if !exact.transaction.is_ending() {
            return Ok(());
        }
        let end = self.parts.outlet.durable_end();
        let lanes = &self.lanes;
        for _ in 0..AT_ONCE {
            // Of all lanes, also of those that have cursors of their own: who comes back to the head cursor meanwhile has to find
            // there what it hasn't read itself.
            let next = self.head.read_ahead(&|_| true, end).map_err(Fault::Read)?;
            let Some(next) = next else {
                return Ok(());
            };
            let Next::Record(record) = next else {
                continue;
            };
            let family = record.envelope.family;
            let lane = lanes.iter().find(|lane| lane.families.contains(&family));
            let topic = lane
                .filter(|lane| lane.is_attached())
                .and_then(|lane| lane.topic.as_ref());
            if let Some(topic) = topic {
                let made = self.parts.render.message(record, topic);
                exact.ready.0.push_back((record.seq, made));
            }
        }
        self.wake_at(now);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    fn message(number: u8) -> Message {
        Message {
            topic: Arc::from("live"),
            key: None,
            headers: Vec::new(),
            payload: vec![number],
        }
    }

    fn ready(numbers: impl IntoIterator<Item = u8>) -> Ready {
        let made = |number: u8| (Seq(number.into()), Ok(message(number)));
        Ready(numbers.into_iter().map(made).collect())
    }

    #[test]
    fn only_a_records_own_message_is_taken_for_it_and_what_was_passed_goes() {
        let mut ready = ready([3, 5, 6]);
        assert_eq!(ready.take(Seq(2)), None, "another cursor is further back");
        assert_eq!(ready.take(Seq(3)), Some(Ok(message(3))));
        assert_eq!(ready.take(Seq(4)), None);
        assert_eq!(ready.take(Seq(6)), Some(Ok(message(6))));
        assert_eq!(ready.0.len(), 0);
    }

    #[test]
    fn what_is_put_back_keeps_the_order_and_never_piles_up() {
        let mut ready = ready([10]);
        for _ in 0..3 {
            for number in [4u8, 9] {
                let again = ready
                    .take(Seq(number.into()))
                    .unwrap_or_else(|| Ok(message(number)));
                ready.put_back(Seq(number.into()), again.unwrap());
            }
            assert!(ready.0.iter().is_sorted_by(|(a, _), (b, _)| a < b));
            assert!(ready.0.len() <= 2);
        }
        assert_eq!(ready.take(Seq(10)), Some(Ok(message(10))));
    }
}

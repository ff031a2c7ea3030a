//! Replay: settled records that the spool still holds, once more, with the same ids.
//!
//! Pending ones are left out, since they will be published anyway, and in their order; quarantined ones too: they never were
//! published.

use super::{Fault, Tell, WINDOW, With, courier::Courier, kafka, mark};
use crate::{
    callback::names::Family,
    publish::{broker::Broker, mailbox::RecordTicket, message::REPLAYED},
    spool::{
        Record, Selection,
        look::{Look, Outcome, Seen},
    },
};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, ops::ControlFlow};

/// What a replay did, or would do.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Replayed {
    /// Records sent and acked, by topic; those that would be, if it was only asked.
    pub by_topic: BTreeMap<String, u64>,
    /// Left out: not published yet, so the relay publishes them.
    pub pending: u64,
    /// Left out: in the quarantine (see `quarantine requeue`).
    pub quarantined: u64,
    /// Left out: damaged.
    pub corrupt: u64,
    /// Left out: their family is `off`.
    pub off: u64,
    /// Left out: no typed event under these settings.
    pub untypable: u64,
}

impl Replayed {
    /// All together.
    #[must_use]
    pub fn records(&self) -> u64 {
        self.by_topic.values().sum()
    }
}

/// Publishes what is selected once more. `dry_run`: only counts.
///
/// # Errors
/// At the first record that Kafka doesn't take, when nobody answers, or when `tell` broke it off; what was acked until then
/// is in Kafka, and the error says with which number to go on.
pub fn replay(
    look: &Look,
    selection: &Selection,
    dry_run: bool,
    with: With<'_>,
    tell: Tell<'_>,
) -> Result<Replayed, Fault> {
    replay_to(
        kafka(with.settings, true),
        look,
        selection,
        dry_run,
        with,
        tell,
    )
}

pub(super) fn replay_to<B: Broker>(
    broker: B,
    look: &Look,
    selection: &Selection,
    dry_run: bool,
    with: With<'_>,
    tell: Tell<'_>,
) -> Result<Replayed, Fault> {
    let planned = count(look, selection, with)?;
    if dry_run {
        return Ok(planned);
    }
    let mut round = Round {
        courier: Courier::new(broker, WINDOW),
        with,
        all: planned.records(),
        done: Replayed {
            by_topic: planned
                .by_topic
                .keys()
                .map(|topic| (topic.clone(), 0))
                .collect(),
            ..Replayed::default()
        },
        acked: 0,
        last_sent: None,
    };
    let mut failed = None;
    look.walk(selection, &mut |seen| match round.take(seen, tell) {
        Ok(()) => ControlFlow::Continue(()),
        Err(fault) => {
            failed = Some(fault);
            ControlFlow::Break(())
        }
    })?;
    let ended = match failed {
        Some(fault) => Err(fault),
        None => round.wait(0, tell),
    };
    match ended {
        Ok(()) => Ok(round.done),
        Err(fault) => Err(fault.and(&round.how_to_go_on())),
    }
}

/// Whether a record is to be sent; counts those that aren't.
fn wanted(seen: Seen, counts: &mut Replayed) -> Option<Box<Record>> {
    match seen {
        Seen::Record(record, Outcome::Published) => return Some(record),
        Seen::Record(_, Outcome::Pending) => counts.pending += 1,
        Seen::Record(_, Outcome::Quarantined) => counts.quarantined += 1,
        Seen::Corrupt { .. } => counts.corrupt += 1,
        Seen::Lost(range) => counts.corrupt += range.end - range.start,
    }
    None
}

fn count(look: &Look, selection: &Selection, with: With<'_>) -> Result<Replayed, Fault> {
    let mut counts = Replayed::default();
    look.walk(selection, &mut |seen| {
        if let Some(record) = wanted(seen, &mut counts) {
            match topic(record.envelope.family, with) {
                Some(topic) => *counts.by_topic.entry(topic.to_string()).or_default() += 1,
                None => counts.off += 1,
            }
        }
        ControlFlow::Continue(())
    })?;
    Ok(counts)
}

fn topic(family: Family, with: With<'_>) -> Option<&std::sync::Arc<str>> {
    with.settings.rendering.topic(family)
}

struct Round<'a, B: Broker> {
    courier: Courier<B>,
    with: With<'a>,
    all: u64,
    done: Replayed,
    acked: u64,
    last_sent: Option<u64>,
}

impl<B: Broker> Round<'_, B> {
    fn take(&mut self, seen: Seen, tell: Tell<'_>) -> Result<(), Fault> {
        let Some(record) = wanted(seen, &mut self.done) else {
            return Ok(());
        };
        let family = record.envelope.family;
        let Some(topic) = topic(family, self.with) else {
            self.done.off += 1;
            return Ok(());
        };
        let Ok(mut message) = self.with.settings.rendering.message(&record, topic) else {
            self.done.untypable += 1;
            return Ok(());
        };
        mark(&mut message, REPLAYED, self.with.clock);
        let ticket = RecordTicket {
            family,
            seq: record.seq,
            transaction: None,
        };
        let mut arrived = arrival(&mut self.done, &mut self.acked, self.all, self.with, tell);
        self.courier.send(&message, ticket, &mut arrived)?;
        self.last_sent = Some(record.seq.0);
        Ok(())
    }

    fn wait(&mut self, left: usize, tell: Tell<'_>) -> Result<(), Fault> {
        let mut arrived = arrival(&mut self.done, &mut self.acked, self.all, self.with, tell);
        self.courier.wait(left, &mut arrived)
    }

    /// All before it were acked.
    fn how_to_go_on(&self) -> String {
        let records = self.done.records();
        match self.courier.first_under_way().or(self.last_sent) {
            Some(seq) => format!(
                "; {records} of {} were replayed: go on with --seq {seq}..",
                self.all
            ),
            None => "; none was replayed".into(),
        }
    }
}

fn arrival<'a>(
    done: &'a mut Replayed,
    acked: &'a mut u64,
    all: u64,
    with: With<'a>,
    tell: Tell<'a>,
) -> impl FnMut(RecordTicket, &str) -> bool + 'a {
    move |_, topic| {
        *done.by_topic.entry(topic.to_owned()).or_default() += 1;
        *acked += 1;
        if let Some(metrics) = with.metrics {
            metrics.replayed(topic);
        }
        tell(*acked, all).is_continue()
    }
}

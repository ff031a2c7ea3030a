//! Whether first occurrences stand in the order of their numbers, stream by stream and partition by partition. Pure.

use super::{
    ledger::{Detail, Entry, Facts, Hears},
    report::Kind,
};
use crate::spool::Seq;
use std::collections::BTreeMap;

/// Follows the first occurrences of one stream after the other, each by number.
#[derive(Debug, Default)]
pub(super) struct Order {
    stream: Option<(u16, u64)>,
    /// By partition: the occurrence that is furthest so far.
    furthest: BTreeMap<i32, (i64, Seq)>,
}

impl Order {
    pub(super) fn next(&mut self, entry: &Entry, facts: &dyn Facts, hears: &mut dyn Hears) {
        let (Some(_), Some(first)) = (entry.murmur, entry.first) else {
            return;
        };
        let stream = (entry.topic, entry.stream);
        if self.stream != Some(stream) {
            self.end(hears);
            self.stream = Some(stream);
        }
        // What looks like its first occurrence may be a later one.
        if facts.lost_beginning(entry.topic, first.partition, entry.accepted_at) {
            return;
        }
        let here = (first.offset, entry.seq);
        match self.furthest.get_mut(&first.partition) {
            Some((offset, seq)) if *offset > first.offset => {
                let detail = Detail::After(*seq, *offset);
                hears.say(entry.said(Kind::OutOfOrder, Some(first), detail));
            }
            Some(furthest) => *furthest = here,
            None => {
                self.furthest.insert(first.partition, here);
            }
        }
    }

    /// Before the next stream, and after the last.
    pub(super) fn end(&mut self, hears: &mut dyn Hears) {
        if let Some((topic, _)) = self.stream
            && self.furthest.len() > 1
        {
            hears.across_partitions(topic);
        }
        self.furthest.clear();
    }
}

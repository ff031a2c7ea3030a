//! What the reports of one transaction say about the lanes that have a part in it. Pure.

use crate::publish::lanes::LaneId;
use std::collections::BTreeMap;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Account {
    parts: BTreeMap<LaneId, Part>,
    /// It can't be committed any more.
    failed: bool,
}

/// A lane's part in it.
#[derive(Debug, Default, Clone, Copy)]
struct Part {
    /// Records without an ack.
    unacked: usize,
    /// One of them had all its time.
    timed_out: bool,
}

impl Account {
    pub(super) fn sent(&mut self, lane: LaneId) {
        self.parts.entry(lane).or_default().unacked += 1;
    }

    pub(super) fn acked(&mut self, lane: LaneId) {
        let part = self.parts.entry(lane).or_default();
        part.unacked = part.unacked.saturating_sub(1);
    }

    pub(super) fn timed_out(&mut self, lane: LaneId) {
        self.parts.entry(lane).or_default().timed_out = true;
    }

    pub(super) const fn failed(&mut self) {
        self.failed = true;
    }

    fn part(&self, lane: LaneId) -> Part {
        self.parts.get(&lane).copied().unwrap_or_default()
    }

    /// Whether the lane's topic doesn't take what it was sent. Once it has failed nothing is sent any more, whoever is to blame: then
    /// only if a record had all its time.
    pub(super) fn owes(&self, lane: LaneId) -> bool {
        let part = self.part(lane);
        part.unacked > 0 && (part.timed_out || !self.failed)
    }

    /// Whether the lane may be why it failed: the topics that took all of theirs are not.
    pub(super) fn is_suspect(&self, lane: LaneId) -> bool {
        let part = self.part(lane);
        self.failed && part.unacked > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LANES: [LaneId; 4] = [
        LaneId::made_up(0),
        LaneId::made_up(1),
        LaneId::made_up(2),
        LaneId::made_up(3),
    ];

    #[test]
    fn only_who_has_records_without_an_ack_in_a_failed_transaction_is_suspect() {
        let mut account = Account::default();
        account.sent(LANES[0]);
        account.sent(LANES[1]);
        account.sent(LANES[1]);
        account.acked(LANES[0]);
        account.acked(LANES[1]);
        let suspects = |account: &Account| LANES.map(|lane| account.is_suspect(lane));
        assert_eq!(suspects(&account), [false; 4], "it goes well so far");
        account.failed();
        // Also a topic of which another partition took its record.
        assert_eq!(suspects(&account), [false, true, false, false]);
    }

    #[test]
    fn who_had_no_time_any_more_owes_nothing() {
        let mut account = Account::default();
        LANES[..3].iter().for_each(|lane| account.sent(*lane));
        account.acked(LANES[0]);
        let owing = |account: &Account| LANES.map(|lane| account.owes(lane));
        assert_eq!(owing(&account), [false, true, true, false]);
        account.timed_out(LANES[1]);
        account.failed();
        assert_eq!(owing(&account), [false, true, false, false]);
    }
}

//! What the reports of one transaction say about the lanes that have a part in it. Pure.

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Account {
    lanes: Vec<Part>,
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
    /// Of a transaction that begins.
    pub(super) fn begun(lanes: usize) -> Self {
        Self {
            lanes: vec![Part::default(); lanes],
            failed: false,
        }
    }

    pub(super) fn sent(&mut self, lane: usize) {
        if let Some(part) = self.lanes.get_mut(lane) {
            part.unacked += 1;
        }
    }

    pub(super) fn acked(&mut self, lane: usize) {
        if let Some(part) = self.lanes.get_mut(lane) {
            part.unacked = part.unacked.saturating_sub(1);
        }
    }

    pub(super) fn timed_out(&mut self, lane: usize) {
        if let Some(part) = self.lanes.get_mut(lane) {
            part.timed_out = true;
        }
    }

    pub(super) const fn failed(&mut self) {
        self.failed = true;
    }

    /// Whether the lane's topic doesn't take what it was sent. Once it has failed nothing is sent any more, whoever is to blame: then
    /// only if a record had all its time.
    pub(super) fn owes(&self, lane: usize) -> bool {
        let part = self.lanes.get(lane).copied().unwrap_or_default();
        part.unacked > 0 && (part.timed_out || !self.failed)
    }

    /// Whether the lane may be why it failed: the topics that took all of theirs are not.
    pub(super) fn is_suspect(&self, lane: usize) -> bool {
        let part = self.lanes.get(lane).copied().unwrap_or_default();
        self.failed && part.unacked > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_has_records_without_an_ack_in_a_failed_transaction_is_suspect() {
        let mut account = Account::begun(3);
        account.sent(0);
        account.sent(1);
        account.sent(1);
        account.acked(0);
        account.acked(1);
        let suspects = |account: &Account| [0, 1, 2, 3].map(|lane| account.is_suspect(lane));
        assert_eq!(suspects(&account), [false; 4], "it goes well so far");
        account.failed();
        // Also a topic of which another partition took its record.
        assert_eq!(suspects(&account), [false, true, false, false]);
    }

    #[test]
    fn who_had_no_time_any_more_owes_nothing() {
        let mut account = Account::begun(3);
        (0..3).for_each(|lane| account.sent(lane));
        account.acked(0);
        let owing = |account: &Account| [0, 1, 2, 3].map(|lane| account.owes(lane));
        assert_eq!(owing(&account), [false, true, true, false]);
        account.timed_out(1);
        account.failed();
        assert_eq!(owing(&account), [false, true, false, false]);
    }
}

//! What the reports of one transaction say about the lanes that have a part in it. Pure.

/// See the module.
#[derive(Debug, Default)]
pub(in crate::publish) struct Account {
    /// By lane: records without an ack.
    unacked: Vec<usize>,
    /// It can't be committed any more.
    failed: bool,
}

impl Account {
    /// Of a transaction that begins.
    pub(super) fn begun(lanes: usize) -> Self {
        Self {
            unacked: vec![0; lanes],
            failed: false,
        }
    }

    pub(super) fn sent(&mut self, lane: usize) {
        if let Some(unacked) = self.unacked.get_mut(lane) {
            *unacked += 1;
        }
    }

    pub(super) fn acked(&mut self, lane: usize) {
        if let Some(unacked) = self.unacked.get_mut(lane) {
            *unacked = unacked.saturating_sub(1);
        }
    }

    pub(super) const fn failed(&mut self) {
        self.failed = true;
    }

    /// Whether a record of the lane has no ack.
    pub(in crate::publish) fn owes(&self, lane: usize) -> bool {
        self.unacked.get(lane).is_some_and(|unacked| *unacked > 0)
    }

    /// Whether the lane may be why it failed: the topics that took all of theirs are not.
    pub(super) fn is_suspect(&self, lane: usize) -> bool {
        self.failed && self.owes(lane)
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
}

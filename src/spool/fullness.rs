//! Whether new records are taken, and why not: too much is unsettled, the filesystem is nearly full, or the writer has no segment
//! to go on in.

use super::shared::{Shared, locked};
use std::{io, sync::atomic::Ordering};

/// Why new records are refused.
#[derive(Debug, Default, Clone)]
pub(in crate::spool) struct Fullness {
    over: bool,
    /// The filesystem is nearly full.
    low: Option<String>,
    /// No segment can be written ahead. That alone stops nobody …
    no_next: Option<String>,
    /// … before the writer needs it.
    stranded: bool,
}

impl Fullness {
    fn blocked(&self) -> Option<&String> {
        let no_next = self.no_next.as_ref().filter(|_| self.stranded);
        self.low.as_ref().or(no_next)
    }

    /// For people; none if new records are taken.
    pub(in crate::spool) fn because(&self) -> Option<String> {
        let over = || "the unsettled records reached spool.max_bytes".to_owned();
        self.blocked().cloned().or_else(|| self.over.then(over))
    }
}

impl Shared {
    /// Whether the filesystem has its reserve; if not, why.
    pub(in crate::spool) fn reserve_is(&self, there: Result<(), String>) {
        self.change(|fullness| fullness.low = there.err());
    }

    /// Whether the next segment is ready; if not, why.
    pub(in crate::spool) fn next_segment_is(&self, ready: Result<(), String>) {
        self.change(|fullness| {
            fullness.stranded &= ready.is_err();
            fullness.no_next = ready.err();
        });
    }

    /// The writer has no segment, and gets none.
    pub(in crate::spool) fn stranded(&self, why: &io::Error) {
        self.change(|fullness| {
            fullness.stranded = true;
            fullness.no_next = Some(format!("no segment can be written ahead: {why}"));
        });
    }

    fn change(&self, change: impl FnOnce(&mut Fullness)) {
        let mut fullness = locked(&self.fullness);
        let was_blocked = fullness.blocked().is_some();
        change(&mut fullness);
        let blocked = fullness.blocked().cloned();
        self.show(&fullness);
        drop(fullness);
        match blocked {
            Some(why) if !was_blocked => {
                tracing::warn!("the spool takes no new records: {why}");
            }
            None if was_blocked => tracing::info!("the spool takes records again"),
            _ => {}
        }
    }

    /// Whether `more` bytes of new records fit now, besides `under_way`. Full at the limit, and then until the unsettled bytes are below
    /// 95 % of it. One record always fits an empty log.
    pub(in crate::spool) fn admits(&self, under_way: u64, more: u64) -> bool {
        let unsettled = locked(&self.view).unsettled_bytes() + under_way;
        let mut fullness = locked(&self.fullness);
        let max = self.limits.max_bytes;
        if fullness.over {
            fullness.over = unsettled >= max / 100 * 95 && unsettled > 0;
        }
        if !fullness.over && unsettled > 0 && unsettled + more > max {
            fullness.over = true;
        }
        self.show(&fullness);
        !fullness.over && fullness.blocked().is_none()
    }

    fn show(&self, fullness: &Fullness) {
        let full = fullness.over || fullness.blocked().is_some();
        self.full.store(full, Ordering::Release);
    }
}

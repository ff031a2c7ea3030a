//! Whether new records are taken, and why not: too much is unsettled, the filesystem is nearly full, or the writer has no segment
//! to go on in.

use super::{
    disk::Space,
    prepare,
    shared::{Shared, locked},
};
use std::io;

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

    fn is_full(&self) -> bool {
        self.over || self.blocked().is_some()
    }

    /// For people; none if new records are taken.
    pub(in crate::spool) fn because(&self) -> Option<String> {
        let over = || "the unsettled records reached spool.max_bytes".to_owned();
        self.blocked().cloned().or_else(|| self.over.then(over))
    }
}

/// How many bytes still fit before the spool is full, of `max` and on a filesystem with such space; `on_disk` are those of all
/// segments. What is settled or not yet written in them counts as room, though it comes back by whole segments: true to within two of
/// them, and the indices to come.
pub(in crate::spool) fn room(max: u64, unsettled: u64, on_disk: u64, space: Space) -> u64 {
    let by_limit = max.saturating_sub(unsettled);
    let by_disk = space
        .free
        .saturating_add(on_disk)
        .saturating_sub(unsettled)
        .saturating_sub(prepare::reserve(space));
    by_limit.min(by_disk)
}

impl Shared {
    /// Whether the filesystem has its reserve; if not, why.
    pub(in crate::spool) fn note_reserve(&self, there: Result<(), String>) {
        self.change(|fullness| fullness.low = there.err());
    }

    /// Whether the next segment is ready; if not, why.
    pub(in crate::spool) fn note_next_segment(&self, ready: Result<(), String>) {
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
        let was_full = fullness.is_full();
        change(&mut fullness);
        let has_turned = fullness.is_full() != was_full;
        drop(fullness);
        if has_turned {
            self.tell();
        }
    }

    /// Whether `more` bytes of new records fit now, besides `under_way`. Full at the limit, and then until the unsettled bytes are below
    /// 95 % of it. One record always fits an empty log.
    pub(in crate::spool) fn admits(&self, under_way: u64, more: u64) -> bool {
        let unsettled = locked(&self.view).unsettled_bytes() + under_way;
        let mut fullness = locked(&self.fullness);
        let was_full = fullness.is_full();
        let max = self.limits.max_bytes;
        if fullness.over {
            fullness.over = unsettled >= max / 100 * 95 && unsettled > 0;
        }
        if !fullness.over && unsettled > 0 && unsettled + more > max {
            fullness.over = true;
        }
        let is_full = fullness.is_full();
        drop(fullness);
        if is_full != was_full {
            self.tell();
        }
        !is_full
    }

    /// Logs how it is now, if that isn't what was logged last. Not under the lock that probes wait for: who reads the log may be slow.
    fn tell(&self) {
        let mut told = locked(&self.told_full);
        match self.full_because() {
            Some(why) if !*told => tracing::error!("the spool takes no new records: {why}"),
            None if *told => tracing::info!("the spool takes records again"),
            _ => return,
        }
        *told = !*told;
    }

    /// Why new records are refused, for people; none if they are taken.
    pub(in crate::spool) fn full_because(&self) -> Option<String> {
        locked(&self.fullness).because()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_is_what_the_limit_or_the_filesystem_leaves() {
        let total = 1000;
        let of = |unsettled, on_disk, free| room(500, unsettled, on_disk, Space { free, total });
        assert_eq!(of(0, 100, 900), 500, "the limit");
        assert_eq!(of(120, 200, 800), 380, "the limit, less what waits");
        assert_eq!(
            of(0, 100, 200),
            250,
            "the filesystem: 50 stay free, 100 can be used again"
        );
        assert_eq!(of(100, 100, 200), 150, "what waits can't");
        assert_eq!(of(0, 100, 20), 70, "somebody else has taken of the reserve");
        assert_eq!(of(100, 100, 20), 0);
        assert_eq!(of(600, 600, 400), 0, "more than a limit made smaller");
    }
}

//! How long a crowd is waited for, so that it shares a sync.

use super::BATCH_RECORDS;
use crate::spool::append::Append;
use std::{
    thread,
    time::{Duration, Instant},
};
use tokio::sync::mpsc;

/// How long a crowd is waited for at most.
const GATHER_MAX: Duration = Duration::from_micros(500);
/// How long at a time.
const GATHER_STEP: Duration = Duration::from_micros(20);

/// The batch before this one. Senders that wait for their answers come in crowds: who was answered together is back soon, together.
#[derive(Debug, Default)]
pub(super) struct Crowd {
    /// How many they were.
    pub(super) size: usize,
    /// How long its write and sync took.
    pub(super) commit: Duration,
}

impl Crowd {
    /// Waits for the most of a crowd to be back, so that it shares a sync again. A lone callback is never waited with.
    #[expect(
        clippy::disallowed_methods,
        reason = "the writer's own thread, and for as long as a sync at most"
    )]
    pub(super) fn gather(&self, queue: &mut mpsc::Receiver<Append>, batch: &mut Vec<Append>) {
        let begin = Instant::now();
        loop {
            while batch.len() < BATCH_RECORDS
                && let Ok(append) = queue.try_recv()
            {
                batch.push(append);
            }
            if self.is_back(batch.len(), begin.elapsed()) {
                return;
            }
            // Whoever is ready to run goes first meanwhile.
            thread::sleep(GATHER_STEP);
        }
    }

    /// Whether a sync is worth its while with so many, after so long. A quarter may have gone, or come later; and longer than the
    /// sync that they share takes, nobody gains by waiting.
    fn is_back(&self, waiting: usize, after: Duration) -> bool {
        waiting >= self.size - self.size / 4 || after >= self.commit.min(GATHER_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crowd_is_waited_for_as_long_as_a_sync_takes_and_a_lone_callback_not_at_all() {
        let of = |size, commit| Crowd {
            size,
            commit: Duration::from_micros(commit),
        };
        let micros = Duration::from_micros;
        for size in [0, 1] {
            assert!(of(size, 200).is_back(1, Duration::ZERO));
        }
        assert!(!of(64, 200).is_back(47, micros(199)));
        assert!(of(64, 200).is_back(48, Duration::ZERO), "most are back");
        assert!(of(64, 200).is_back(1, micros(200)), "they don't come");
        let slow = of(64, 5_000_000);
        assert!(!slow.is_back(1, GATHER_MAX - micros(1)) && slow.is_back(1, GATHER_MAX));
    }
}

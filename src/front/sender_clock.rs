//! Whether our clock is right, by the senders' own: a signature says when it expires, and so when it was made.
//!
//! A wrong local clock refuses what is authentic as expired or too far ahead. One late callback says nothing, so the median
//! of the last ones counts.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
    time::Duration,
};
use tokio::time::Instant;

/// How many callbacks count, and how many there must be.
const SAMPLES: usize = 63;
const FEWEST: usize = 8;
/// Seconds of difference that are worth a word, and how often it is said.
const WORTH_A_WORD: u64 = 60;
const AGAIN: Duration = Duration::from_secs(600);

/// The offsets of the last signed callbacks, in seconds: how far the sender's clock was ahead of ours.
#[derive(Debug, Default)]
pub struct SenderClock(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    offsets: VecDeque<i64>,
    told: Option<Instant>,
}

impl SenderClock {
    pub(super) fn note(&self, offset: i64) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.offsets.len() == SAMPLES {
            state.offsets.pop_front();
        }
        state.offsets.push_back(offset);
    }

    /// The median of the last ones; none while there are too few.
    #[must_use]
    pub fn median(&self) -> Option<i64> {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut offsets: Vec<_> = state.offsets.iter().copied().collect();
        drop(state);
        offsets.sort_unstable();
        let middle = offsets.get(offsets.len() / 2).copied();
        middle.filter(|_| offsets.len() >= FEWEST)
    }

    /// Warns of a median beyond a minute, once in ten minutes.
    pub(super) fn look(&self) {
        if let Some(offset) = self.warning(Instant::now()) {
            tracing::warn!(
                offset_seconds = offset,
                "the senders' clocks differ from ours by more than a minute: check the time on this machine, or callbacks may be refused as expired"
            );
        }
    }

    fn warning(&self, now: Instant) -> Option<i64> {
        let offset = self.median()?;
        if offset.unsigned_abs() <= WORTH_A_WORD {
            return None;
        }
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let due = state.told.is_none_or(|told| now >= told + AGAIN);
        due.then(|| {
            state.told = Some(now);
            offset
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_clock_is_told_by_the_median_and_not_too_often() {
        let (clock, now) = (SenderClock::default(), Instant::now());
        for _ in 0..7 {
            clock.note(-300);
        }
        assert_eq!(
            (clock.median(), clock.warning(now)),
            (None, None),
            "too few"
        );
        clock.note(-300);
        assert_eq!(clock.warning(now), Some(-300));
        assert_eq!(clock.warning(now + AGAIN / 2), None);
        assert_eq!(clock.warning(now + AGAIN), Some(-300));
        // Right again; some late ones among them say nothing, and the old ones are forgotten.
        for number in 0..SAMPLES {
            clock.note(if number % 3 == 0 { -900 } else { 1 });
        }
        assert_eq!(
            (clock.median(), clock.warning(now + 2 * AGAIN)),
            (Some(1), None)
        );
        for (offset, told) in [(60, None), (61, Some(61))] {
            (0..SAMPLES).for_each(|_| clock.note(offset));
            assert_eq!(clock.warning(now + 4 * AGAIN), told);
        }
    }
}

//! How long to wait before the next try: exponential, with jitter, without an end.
//!
//! The only place that knows the `backoff` crate, which is unmaintained (RUSTSEC-2025-0012) but small; only its pure
//! arithmetic is used. Its own `Instant` is never asked for a limit: there is none.

use backoff::{ExponentialBackoff, backoff::Backoff as _};
use std::time::Duration;

/// The waits of one thing that is tried again and again.
#[derive(Debug)]
pub struct Backoff {
    inner: ExponentialBackoff,
    least: Duration,
    most: Duration,
}

impl Backoff {
    /// Between two producers that failed: 0.1 s to 30 s.
    #[must_use]
    pub fn for_producer() -> Self {
        Self::between(Duration::from_millis(100), Duration::from_secs(30))
    }

    /// Between two probes of a topic that takes nothing, or of a quarantine without room: 1 s to 60 s.
    #[must_use]
    pub fn for_probe() -> Self {
        Self::between(Duration::from_secs(1), Duration::from_secs(60))
    }

    fn between(least: Duration, most: Duration) -> Self {
        let inner = ExponentialBackoff {
            current_interval: least,
            initial_interval: least,
            randomization_factor: 0.5,
            multiplier: 2.0,
            max_interval: most,
            max_elapsed_time: None,
            ..ExponentialBackoff::default()
        };
        Self { inner, least, most }
    }

    /// The wait before the next try; the one after is about twice as long.
    pub fn next_wait(&mut self) -> Duration {
        // Without a `max_elapsed_time` the crate never says None; if it did, waiting longest is the safe reading.
        self.inner
            .next_backoff()
            .unwrap_or(self.most)
            .clamp(self.least, self.most)
    }

    /// It worked: the next wait is the shortest again.
    pub fn reset(&mut self) {
        self.inner.reset();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_stay_within_their_limits_and_never_end() {
        for (mut backoff, least, most) in [
            (Backoff::for_producer(), 100, 30_000),
            (Backoff::for_probe(), 1_000, 60_000),
        ] {
            let waits: Vec<_> = (0..1_000).map(|_| backoff.next_wait()).collect();
            let (least, most) = (Duration::from_millis(least), Duration::from_millis(most));
            assert!(waits.iter().all(|w| (least..=most).contains(w)));
            assert!(waits[0] <= least * 3 / 2, "{:?}", waits[0]);
            assert!(waits[999] >= most / 2, "{:?}", waits[999]);
            backoff.reset();
            assert!(backoff.next_wait() <= least * 3 / 2);
        }
    }

    #[test]
    fn waits_are_spread() {
        let first = |_| Backoff::for_probe().next_wait();
        let waits: std::collections::BTreeSet<_> = (0..32).map(first).collect();
        assert!(waits.len() > 4, "32 relays must not probe in step");
    }
}

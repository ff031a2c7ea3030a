//! How long to wait before the next try: exponential, with jitter, without an end.
//!
//! The only place that knows the `backoff` crate, which is unmaintained (RUSTSEC-2025-0012) but small; only its pure
//! arithmetic is used. Its own `Instant` is never asked for a limit: there is none. Nor is its chance: the jitter comes from a
//! seed that the caller gives, so that a simulation can be replayed.

use backoff::{ExponentialBackoff, backoff::Backoff as _};
use std::time::Duration;

/// The waits of one thing that is tried again and again.
#[derive(Debug)]
pub struct Backoff {
    inner: ExponentialBackoff,
    jitter: u64,
    least: Duration,
    most: Duration,
}

impl Backoff {
    /// Between two producers that failed: 0.1 s to 30 s.
    #[must_use]
    pub fn for_producer(seed: u64) -> Self {
        Self::between(seed, Duration::from_millis(100), Duration::from_secs(30))
    }

    /// Between two probes of a topic that takes nothing, or of a quarantine without room: 1 s to 60 s.
    #[must_use]
    pub fn for_probe(seed: u64) -> Self {
        Self::between(seed, Duration::from_secs(1), Duration::from_secs(60))
    }

    fn between(seed: u64, least: Duration, most: Duration) -> Self {
        let inner = ExponentialBackoff {
            current_interval: least,
            initial_interval: least,
            // Ours is seeded.
            randomization_factor: 0.0,
            multiplier: 2.0,
            max_interval: most,
            max_elapsed_time: None,
            ..ExponentialBackoff::default()
        };
        Self {
            inner,
            jitter: seed,
            least,
            most,
        }
    }

    /// The wait before the next try; the one after is about twice as long.
    pub fn next_wait(&mut self) -> Duration {
        // Without a `max_elapsed_time` the crate never says None; if it did, waiting longest is the safe reading.
        let mean = self.inner.next_backoff().unwrap_or(self.most);
        mean.mul_f64(0.5 + self.draw()).clamp(self.least, self.most)
    }

    /// 0 to 1, by SplitMix64.
    fn draw(&mut self) -> f64 {
        self.jitter = self.jitter.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.jitter ^ (self.jitter >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z >> 40) as f64 / (1_u64 << 24) as f64
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
            (Backoff::for_producer(1), 100, 30_000),
            (Backoff::for_probe(2), 1_000, 60_000),
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
        let first = |seed| Backoff::for_probe(seed).next_wait();
        let waits: std::collections::BTreeSet<_> = (0..32).map(first).collect();
        assert!(waits.len() > 4, "32 relays must not probe in step");
    }

    #[test]
    fn the_same_seed_gives_the_same_waits() {
        let waits = |seed| {
            let mut backoff = Backoff::for_producer(seed);
            (0..20).map(|_| backoff.next_wait()).collect::<Vec<_>>()
        };
        assert_eq!(waits(7), waits(7));
        assert_ne!(waits(7), waits(8));
    }
}

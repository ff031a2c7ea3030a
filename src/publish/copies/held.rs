//! How many copies are in one place, and how large: bounded by both.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

/// Copies in one place.
pub(super) const COPIES_MAX: usize = 256;
/// Their bytes. One of any size may come on top of less.
const BYTES_MAX: usize = 16 << 20;

/// Counted here: librdkafka counts its events with them.
#[derive(Debug, Clone, Default)]
pub(super) struct Held(Arc<Amount>);

#[derive(Debug, Default)]
struct Amount {
    copies: AtomicUsize,
    bytes: AtomicUsize,
    is_abandoned: AtomicBool,
}

impl Held {
    pub(super) fn copies(&self) -> usize {
        self.0.copies.load(Ordering::Acquire)
    }

    /// For another, whatever its size: also where it will find nobody, to learn of that. Of one who asks and then adds there is only
    /// one.
    pub(super) fn has_room(&self) -> bool {
        self.0.is_abandoned.load(Ordering::Acquire)
            || self.copies() < COPIES_MAX && self.0.bytes.load(Ordering::Acquire) < BYTES_MAX
    }

    /// Nobody takes anything out from now on.
    pub(super) fn abandon(&self) {
        self.0.is_abandoned.store(true, Ordering::Release);
    }

    pub(super) fn add(&self, bytes: usize) {
        self.0.bytes.fetch_add(bytes, Ordering::AcqRel);
        self.0.copies.fetch_add(1, Ordering::AcqRel);
    }

    pub(super) fn remove(&self, bytes: usize) {
        self.0.copies.fetch_sub(1, Ordering::AcqRel);
        self.0.bytes.fetch_sub(bytes, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_small_ones_and_a_few_large_ones_fill_it_and_one_of_any_size_finds_room() {
        for (size, many) in [(1, COPIES_MAX), (BYTES_MAX / 4, 4), (BYTES_MAX * 4, 1)] {
            let held = Held::default();
            for _ in 0..many {
                assert!(held.has_room());
                held.add(size);
            }
            assert!(!held.has_room(), "{size}");
            held.remove(size);
            assert!(held.has_room());
        }
    }
}

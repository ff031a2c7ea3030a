//! Reproducible chance: a seed that is printed, so that a failure can be run again.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How many rounds a test has: so many, unless `LIVEBRIDGE_TEST_ROUNDS` says otherwise, as `./dev soak` does.
#[expect(
    clippy::disallowed_methods,
    reason = "whoever runs a test may want more of it"
)]
pub fn rounds(unless_told: u32) -> u32 {
    let told = std::env::var("LIVEBRIDGE_TEST_ROUNDS").ok();
    told.and_then(|text| text.parse().ok())
        .unwrap_or(unless_told)
}

/// SplitMix64.
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    /// The seed of `LIVEBRIDGE_TEST_SEED`, else a new one. It is printed; the output of a failed test shows it.
    #[expect(
        clippy::disallowed_methods,
        reason = "a test's seed comes from the environment or the clock"
    )]
    pub fn from_environment() -> Self {
        let given = std::env::var("LIVEBRIDGE_TEST_SEED").ok();
        let seed = given.and_then(|text| text.parse().ok()).unwrap_or_else(|| {
            let now = SystemTime::now().duration_since(UNIX_EPOCH);
            now.unwrap_or_default().subsec_nanos().into()
        });
        eprintln!("seed {seed}: run again with LIVEBRIDGE_TEST_SEED={seed}");
        Self(seed)
    }

    /// With this seed.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub const fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// 0 to `end` - 1.
    pub const fn below(&mut self, end: u64) -> u64 {
        self.roll() % end
    }

    /// A time of `least` up to `most` milliseconds.
    pub const fn millis(&mut self, least: u64, most: u64) -> Duration {
        Duration::from_millis(least + self.below(most - least + 1))
    }
}

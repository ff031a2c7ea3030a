//! How much the lanes may have under way. Pure.
//!
//! Each lane has a share that nobody else can take. The rest is a pool: a lane may borrow as much as is still free there
//! after that. So one busy lane gets half of the pool, two get a third each, and there is always some left for a lane that
//! has nothing yet, whoever is stuck. (Buffers of switches are shared like that: Choudhury and Hahne, dynamic queue length
//! thresholds.) A fixed share alone would make the one lane that a backlog is for wait for its reports again and again.

/// Records with a producer, and the bytes of their bodies.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Load {
    /// Records.
    pub records: usize,
    /// Bytes.
    pub bytes: usize,
}

impl Load {
    fn beyond(self, share: Self) -> Self {
        Self {
            records: self.records.saturating_sub(share.records),
            bytes: self.bytes.saturating_sub(share.bytes),
        }
    }

    const fn plus(self, other: Self) -> Self {
        Self {
            records: self.records.saturating_add(other.records),
            bytes: self.bytes.saturating_add(other.bytes),
        }
    }

    const fn fits(self, limit: Self) -> bool {
        self.records <= limit.records && self.bytes <= limit.bytes
    }
}

/// See the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// Of each lane alone.
    pub share: Load,
    /// Of all together, beside their shares.
    pub pool: Load,
}

impl Room {
    /// Whether a lane that has `own` under way may send a record of so many bytes, while the others have these. One record
    /// is always admitted, whatever its size.
    #[must_use]
    pub fn admits(&self, own: Load, others: impl Iterator<Item = Load>, bytes: usize) -> bool {
        let then = own.plus(Load { records: 1, bytes });
        if own.records == 0 || then.fits(self.share) {
            return true;
        }
        let borrowed = then.beyond(self.share);
        let by_others = others.map(|load| load.beyond(self.share));
        let by_others = by_others.fold(Load::default(), Load::plus);
        // As much again is still free.
        borrowed.plus(borrowed).plus(by_others).fits(self.pool)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOM: Room = Room {
        share: Load {
            records: 4,
            bytes: 400,
        },
        pool: Load {
            records: 60,
            bytes: 6000,
        },
    };

    /// Lanes that take what they get, in turns, 10 bytes a record.
    fn filled(lanes: usize) -> Vec<usize> {
        let mut loads = vec![Load::default(); lanes];
        loop {
            let before = loads.clone();
            for at in 0..lanes {
                let others = loads.iter().enumerate().filter(|(i, _)| *i != at);
                let others = others.map(|(_, load)| *load);
                if ROOM.admits(loads[at], others, 10) {
                    loads[at] = loads[at].plus(Load {
                        records: 1,
                        bytes: 10,
                    });
                }
            }
            if loads == before {
                return loads.iter().map(|load| load.records).collect();
            }
        }
    }

    #[test]
    fn one_busy_lane_gets_half_of_the_pool_and_two_a_third_each() {
        assert_eq!(filled(1), [4 + 30]);
        assert_eq!(filled(2), [4 + 20, 4 + 20]);
        assert_eq!(filled(5), [4 + 10; 5]);
    }

    #[test]
    fn a_lane_that_is_stuck_leaves_the_others_their_shares_and_half_of_what_is_left() {
        let stuck = Load {
            records: 34,
            bytes: 340,
        };
        let mut own = Load::default();
        while ROOM.admits(own, [stuck].into_iter(), 10) {
            own = own.plus(Load {
                records: 1,
                bytes: 10,
            });
        }
        assert_eq!(own.records, 4 + 15);
    }

    #[test]
    fn bytes_count_as_well_as_records_and_one_of_any_size_is_admitted() {
        let own = Load {
            records: 1,
            bytes: 100,
        };
        let admits = |bytes| ROOM.admits(own, std::iter::empty(), bytes);
        assert!(admits(300), "the share");
        assert!(admits(300 + 3000), "and half of the pool");
        assert!(!admits(300 + 3001));
        assert!(ROOM.admits(Load::default(), std::iter::empty(), 1 << 30));
    }

    #[test]
    fn all_together_never_have_more_than_the_shares_and_the_pool() {
        for lanes in 1..=20 {
            let sum: usize = filled(lanes).into_iter().sum();
            assert!(sum <= lanes * 4 + 60, "{lanes} lanes have {sum}");
        }
    }
}

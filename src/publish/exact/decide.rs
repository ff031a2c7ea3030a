//! What the checkpoint found in Kafka means for this run: go on from where, or stand down. Pure.

use super::checkpoint::Stored;
use crate::{
    callback::names::Family,
    spool::{Instance, Run, Seq, Settled, Written},
};

/// What was found under the spool's id, committed, after no one else could commit any more.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// The last message.
    pub last: Option<Stored>,
    /// The last message by a run that this spool has seen, this run included.
    pub ours: Option<Stored>,
    /// They lie behind a transaction that hangs, so that it isn't known whether they were committed: only whether what they speak of
    /// can be seen tells.
    pub hidden: bool,
}

/// What this run knows of its spool and of itself.
#[derive(Debug, Clone, Copy)]
pub(super) struct Here<'a> {
    /// This run.
    pub(super) own: Instance,
    /// All runs that this spool has seen.
    pub(super) runs: &'a [Run],
    /// The durable end, looked at before `written`.
    pub(super) end: Seq,
    /// Who wrote what the log holds.
    pub(super) written: &'a [Written],
    /// How far all is settled as far as this run knows by itself.
    pub(super) settled: Settled,
    /// The writer of the last message that this run has found, if it has found one.
    pub(super) last_seen: Option<Instance>,
}

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Decision {
    /// Publish what lies beyond.
    GoOn {
        /// How far all is settled.
        from: Settled,
        /// Whether the last message is this run's own, so that others know of it.
        claimed: bool,
    },
    /// Another run has taken over, and keeps what it has.
    StandDown {
        /// Who.
        rival: Instance,
        /// What was published for this spool.
        settled: Settled,
        /// That, and what is in the rival's hands, published or not.
        covered: Settled,
    },
}

/// See the module.
#[must_use]
pub(super) fn decide(found: &Found, here: &Here<'_>) -> Decision {
    let Some(last) = &found.last else {
        return Decision::GoOn {
            from: here.settled,
            claimed: false,
        };
    };
    if here.takes_for_ours(last.instance) {
        return Decision::GoOn {
            from: here.settled_by(last),
            claimed: last.instance == here.own,
        };
    }
    let settled = match &found.ours {
        Some(ours) => here.settled_by(ours),
        None => here.settled,
    };
    let mut covered = settled;
    // Its spool holds these, so it publishes them if it has not done so yet.
    let theirs = last.reach(here.written, here.end);
    for family in Family::ALL {
        covered.advance(*family, theirs);
    }
    Decision::StandDown {
        rival: last.instance,
        settled,
        covered,
    }
}

impl Here<'_> {
    /// Whether this writer is no rival.
    fn takes_for_ours(&self, writer: Instance) -> bool {
        match self.last_seen {
            _ if writer == self.own => true,
            Some(last_seen) => writer == last_seen,
            None => self.runs.iter().any(|run| run.instance == writer),
        }
    }

    /// What is settled by a message of this spool's line, besides what is known to be.
    fn settled_by(&self, stored: &Stored) -> Settled {
        let reach = if stored.instance == self.own {
            self.end
        } else {
            stored.reach(self.written, self.end)
        };
        let mut settled = self.settled;
        for family in Family::ALL {
            settled.advance(*family, stored.families.of(*family).min(reach));
        }
        settled
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::publish::exact::Places;

    /// The run before, this run, the rival.
    const BEFORE: Instance = Instance([1; 16]);
    const OWN: Instance = Instance([2; 16]);
    const RIVAL: Instance = Instance([3; 16]);

    fn all(through: u64) -> Settled {
        let mut settled = Settled::default();
        for family in Family::ALL {
            settled.advance(*family, Seq(through));
        }
        settled
    }

    fn by(instance: Instance, instances: &[(Instance, u64)], families: u64) -> Stored {
        Stored {
            instance,
            instances: instances.iter().map(|(i, last)| (*i, Seq(*last))).collect(),
            families: all(families),
            sent: Places::default(),
        }
    }

    const fn wrote(by: Instance, from: u64, through: u64) -> Written {
        Written {
            by,
            from: Seq(from),
            through: Seq(through),
        }
    }

    struct Spool {
        written: Vec<Written>,
        end: u64,
        local: u64,
        last_seen: Option<Instance>,
    }

    impl Spool {
        fn decide(&self, last: Option<Stored>, ours: Option<Stored>) -> Decision {
            let runs = [BEFORE, OWN].map(|instance| Run {
                instance,
                last: Seq(0),
            });
            let here = Here {
                own: OWN,
                runs: &runs,
                end: Seq(self.end),
                written: &self.written,
                settled: all(self.local),
                last_seen: self.last_seen,
            };
            decide(
                &Found {
                    last,
                    ours,
                    hidden: false,
                },
                &here,
            )
        }
    }

    fn went_on(decision: Decision) -> (u64, bool) {
        match decision {
            Decision::GoOn { from, claimed } => (from.least().0, claimed),
            Decision::StandDown { .. } => panic!("{decision:?}"),
        }
    }

    /// What was published for this spool, and what is covered.
    fn stood_down(decision: Decision) -> (u64, u64) {
        match decision {
            Decision::StandDown {
                rival,
                settled,
                covered,
            } => {
                assert_eq!(rival, RIVAL);
                (settled.least().0, covered.least().0)
            }
            Decision::GoOn { .. } => panic!("{decision:?}"),
        }
    }

    #[test]
    fn nothing_in_kafka_leaves_the_local_checkpoint() {
        let spool = Spool {
            written: vec![wrote(BEFORE, 1, 100)],
            end: 100,
            local: 80,
            last_seen: None,
        };
        assert_eq!(went_on(spool.decide(None, None)), (80, false));
    }

    #[test]
    fn the_checkpoint_in_kafka_beats_the_local_one() {
        let spool = Spool {
            written: vec![wrote(BEFORE, 1, 100), wrote(OWN, 101, 120)],
            end: 120,
            local: 80,
            last_seen: None,
        };
        let found = by(BEFORE, &[(BEFORE, 100)], 95);
        assert_eq!(
            went_on(spool.decide(Some(found.clone()), Some(found))),
            (95, false)
        );
    }

    #[test]
    fn a_restored_copy_publishes_what_it_took_while_kafka_was_down() {
        // The line it was copied from went on to 200; this copy used the numbers from 101 again.
        let spool = Spool {
            written: vec![wrote(BEFORE, 1, 100), wrote(OWN, 101, 120)],
            end: 120,
            local: 80,
            last_seen: None,
        };
        let found = by(BEFORE, &[(BEFORE, 200)], 200);
        assert_eq!(
            went_on(spool.decide(Some(found.clone()), Some(found.clone()))),
            (100, false)
        );
        // Nor may it say beforehand that what it takes next is settled.
        let spool = Spool {
            written: vec![wrote(BEFORE, 1, 100)],
            end: 100,
            ..spool
        };
        assert_eq!(
            went_on(spool.decide(Some(found.clone()), Some(found))),
            (100, false)
        );
    }

    #[test]
    fn after_a_rebuild_the_own_checkpoint_counts_in_full() {
        let spool = Spool {
            written: vec![wrote(BEFORE, 1, 100), wrote(OWN, 101, 120)],
            end: 120,
            local: 105,
            last_seen: Some(OWN),
        };
        let own = by(OWN, &[(BEFORE, 100), (OWN, 112)], 110);
        assert_eq!(
            went_on(spool.decide(Some(own.clone()), Some(own))),
            (110, true)
        );
    }

    #[test]
    fn a_claim_that_was_lost_is_no_rival() {
        let spool = Spool {
            written: vec![wrote(BEFORE, 1, 100)],
            end: 100,
            local: 80,
            last_seen: Some(BEFORE),
        };
        let found = by(BEFORE, &[(BEFORE, 100)], 95);
        assert_eq!(
            went_on(spool.decide(Some(found.clone()), Some(found))),
            (95, false)
        );
    }

    #[test]
    fn a_twin_that_started_later_takes_over_and_keeps_what_it_has() {
        // The rival was copied when this run had written up to 110, and took 111 to 130 itself.
        let spool = Spool {
            written: vec![wrote(BEFORE, 1, 100), wrote(OWN, 101, 150)],
            end: 150,
            local: 120,
            last_seen: Some(OWN),
        };
        let rival = by(RIVAL, &[(BEFORE, 100), (OWN, 110), (RIVAL, 130)], 130);
        // Whether 121 to 125 were committed, only Kafka can tell.
        let ours = by(OWN, &[(BEFORE, 100), (OWN, 140)], 125);
        assert_eq!(
            stood_down(spool.decide(Some(rival.clone()), Some(ours))),
            (125, 125)
        );
        // The rival's numbers say nothing about this run's records.
        assert_eq!(
            stood_down(spool.decide(Some(rival.clone()), None)),
            (120, 120)
        );
        // What it holds it publishes, if it hasn't yet.
        let spool = Spool { local: 90, ..spool };
        assert_eq!(stood_down(spool.decide(Some(rival), None)), (90, 110));
    }

    #[test]
    fn a_copy_that_finds_a_run_it_never_saw_stands_down_at_its_start() {
        let spool = Spool {
            written: vec![wrote(BEFORE, 1, 100), wrote(OWN, 101, 120)],
            end: 120,
            local: 80,
            last_seen: None,
        };
        let rival = by(RIVAL, &[(BEFORE, 100), (RIVAL, 300)], 290);
        let ours = by(BEFORE, &[(BEFORE, 100)], 100);
        assert_eq!(
            stood_down(spool.decide(Some(rival), Some(ours))),
            (100, 100)
        );
    }

    #[test]
    fn in_the_middle_of_a_run_even_an_earlier_run_is_a_rival() {
        let spool = Spool {
            written: vec![wrote(OWN, 1, 10)],
            end: 10,
            local: 5,
            last_seen: Some(OWN),
        };
        let other = by(BEFORE, &[(BEFORE, 100)], 95);
        let decision = spool.decide(Some(other.clone()), Some(other));
        assert!(matches!(
            decision,
            Decision::StandDown { rival: BEFORE, .. }
        ));
    }
}

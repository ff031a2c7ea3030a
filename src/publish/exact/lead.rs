//! Who leads: making a producer ready, deciding by the checkpoint that it finds, claiming, standing down.

use super::{
    Purpose,
    checkpoint::Stored,
    decide::{Decision, Found, Here, decide},
    transaction::Phase,
};
use crate::{
    publish::{
        Fault,
        broker::{Ask, Broker, OpenError, Producer},
        mailbox::{Answer, ProducerId},
        plan::Tick,
        publisher::{Publisher, Render, Shared},
    },
    spool::{Instance, Outlet, Settled},
};
use std::{mem, sync::Arc};

impl<O: Outlet, B: Broker, R: Render> Publisher<O, B, R> {
    pub(in crate::publish) fn has_stood_down(&self) -> bool {
        self.exact
            .as_ref()
            .is_some_and(super::Exact::has_stood_down)
    }

    /// A transactional producer, which is asked to get ready.
    pub(in crate::publish) fn open_exact(
        &mut self,
        id: ProducerId,
    ) -> Result<B::Producer, OpenError> {
        // On disk before anyone can be fenced: a copy that has seen this run must know it.
        let runs = self.parts.outlet.enlist();
        let runs =
            runs.map_err(|e| OpenError(format!("the list of runs can't be written: {e}")))?;
        let Some(exact) = &mut self.exact else {
            return Err(OpenError("it was not asked for".into()));
        };
        exact.runs = runs;
        exact.transaction.off();
        let purpose = Purpose {
            spool_id: self.parts.outlet.spool_id().to_owned(),
            topic: Arc::clone(&exact.topic),
            runs: exact.runs.clone(),
            tries: None,
        };
        let reports = Arc::clone(&self.parts.reports);
        let producer = self
            .parts
            .broker
            .open_transactional(id, reports, &purpose)?;
        producer.ask(Ask::Prepare);
        Ok(producer)
    }

    /// What the transactional producer has to say.
    pub(in crate::publish) fn answered(
        &mut self,
        now: Tick,
        id: ProducerId,
        answer: Answer,
    ) -> Result<(), Fault> {
        let tried = self.lane_tried_by(id);
        let Some(exact) = &mut self.exact else {
            return Ok(());
        };
        if let Some(at) = tried {
            return self.probe_answered(now, at, &answer);
        }
        if !matches!(self.shared, Shared::Open(open, _) if open == id) {
            return Ok(());
        }
        self.moved = true;
        match answer {
            Answer::Ready(found) => self.found(now, &found),
            Answer::NotYet => {
                let wait = self.backoff.next_wait();
                exact.ask_at = Some(now + wait);
                Ok(())
            }
            Answer::Useless => {
                self.end_shared(now);
                Ok(())
            }
            Answer::Commit(outcome) | Answer::Abort(outcome) => {
                let next = exact.transaction.answered(now, outcome);
                self.act(now, next)
            }
            Answer::Gone => Err(Fault::Clerk),
        }
    }

    /// Asks a producer that wasn't ready once more.
    pub(super) fn ask_again(&mut self, now: Tick) {
        let Some(exact) = &mut self.exact else { return };
        match exact.ask_at {
            Some(at) if now >= at => {
                exact.ask_at = None;
                if let Shared::Open(_, producer) = &self.shared {
                    producer.ask(Ask::Prepare);
                }
            }
            Some(at) => self.wake_at(at),
            None => {}
        }
    }

    fn found(&mut self, now: Tick, found: &Found) -> Result<(), Fault> {
        self.reached();
        let Some(exact) = &mut self.exact else {
            return Ok(());
        };
        // In this order: a record that becomes durable in between is beyond the end.
        let end = self.parts.outlet.durable_end();
        let written = self.parts.outlet.written();
        let here = Here {
            own: self.parts.outlet.instance(),
            runs: &exact.runs,
            end,
            written: &written,
            settled: exact.committed,
            last_seen: exact.last_seen,
        };
        match decide(found, &here) {
            Decision::GoOn { from, claimed } => {
                if found.last.is_none() && exact.last_seen.is_none() {
                    tracing::warn!(
                        topic = &*exact.topic,
                        "no checkpoint of this spool in Kafka: the local one counts"
                    );
                }
                exact.last_seen = found.last.as_ref().map(|last| last.instance);
                exact.floor = from;
                exact.before.get_or_insert(from);
                exact.claimed = claimed;
                exact.transaction.ready();
                self.go_on_from(now, &from)?;
                if claimed { Ok(()) } else { self.claim(now) }
            }
            Decision::StandDown {
                rival,
                settled,
                covered,
            } => self.stand_down(now, rival, &settled, &covered),
        }
    }

    /// What was under way when the last producer ended is published as far as the checkpoint says so, and due again
    /// where it doesn't.
    fn go_on_from(&mut self, now: Tick, from: &Settled) -> Result<(), Fault> {
        self.publish_sent(|family, seq| seq <= from.of(family));
        // What was refused was refused, whatever became of the abort.
        self.settle_blame(now)?;
        self.lanes.ids().for_each(|at| self.go_back(at));
        Ok(())
    }

    /// A transaction with nothing but a checkpoint. The first one of a run is its claim: before the first record, so that
    /// any other run of this spool's line learns of it.
    pub(super) fn claim(&mut self, now: Tick) -> Result<(), Fault> {
        self.begin(now, None)?;
        let Some(exact) = &mut self.exact else {
            return Ok(());
        };
        let next = exact.transaction.fed(now, false);
        self.act(now, next)
    }

    /// What the checkpoint under way says: all that is settled, with what its own transaction sends.
    pub(super) fn checkpoint_value(&mut self) -> Vec<u8> {
        let mut settled = self.written;
        for lane in &self.lanes {
            lane.window.report_with_sent(&mut settled);
        }
        let end = self.parts.outlet.durable_end();
        let written = self.parts.outlet.written();
        let own = self.parts.outlet.instance();
        let Some(exact) = &mut self.exact else {
            return Vec::new();
        };
        exact.sealed = settled;
        let mut families = exact.floor;
        for family in crate::callback::names::Family::ALL {
            families.advance(*family, settled.of(*family));
        }
        for wrote in &written {
            if let Some(run) = exact.runs.iter_mut().find(|r| r.instance == wrote.by) {
                run.last = run.last.max(wrote.through);
            }
        }
        let mut stored = Stored::of(own, &exact.runs, &written, end, families);
        if let Shared::Open(_, producer) = &self.shared {
            stored.sent = producer.places();
        }
        stored.to_json()
    }

    /// `settled` is published for this spool, `covered` besides that in the rival's hands. Only what this run knows of by itself
    /// is settled from now on; the rest is left to whoever adopts the spool.
    fn stand_down(
        &mut self,
        now: Tick,
        rival: Instance,
        settled: &Settled,
        covered: &Settled,
    ) -> Result<(), Fault> {
        tracing::error!(
            rival = %rival,
            spool_id = self.parts.outlet.spool_id(),
            "another relay publishes from a copy of this spool: this one takes nothing more and publishes nothing; \
             stop this one, then `livebridge spool adopt` lets it publish what it alone holds; the other one publishes what both hold, so let it"
        );
        self.end_shared(now);
        for lane in &mut self.lanes {
            lane.solo.close();
            lane.stall.rest();
        }
        self.lanes.ids().for_each(|at| self.show_blocked(at));
        self.publish_sent(|family, seq| seq <= settled.of(family));
        let mut counted = self.settled();
        for lane in &self.lanes {
            lane.window.report(&mut counted);
        }
        let outlet = &mut self.parts.outlet;
        outlet
            .stand_down(rival, covered)
            .map_err(Fault::Checkpoint)?;
        if let Some(exact) = &mut self.exact {
            exact.rival = Some(rival.to_string());
            exact.committed = counted;
        }
        self.moved = true;
        self.parts.metrics.stood_down(true);
        Ok(())
    }

    /// Ends what is under way, or lets it end: asked to stop.
    pub(in crate::publish) fn leave(&mut self, now: Tick) -> Result<(), Fault> {
        let Some(exact) = &mut self.exact else {
            return Ok(());
        };
        exact.leave_by = Some(now + super::flow::LEAVES_FOR);
        let next = match exact.transaction.phase() {
            Phase::Filling | Phase::Settling => exact.transaction.failed(),
            _ => return Ok(()),
        };
        self.act(now, next)
    }

    /// Until when this run still waits for the end of what is under way; none if there is nothing, or no time.
    pub(in crate::publish) fn leaving(&self, now: Tick) -> Option<Tick> {
        let exact = self.exact.as_ref()?;
        let under_way = matches!(self.shared, Shared::Open(..))
            && !matches!(exact.transaction.phase(), Phase::Off | Phase::Idle);
        exact.leave_by.filter(|by| under_way && now < *by)
    }

    /// The producer is gone.
    pub(in crate::publish) fn turn_off(&mut self) {
        if let Some(exact) = &mut self.exact {
            exact.transaction.off();
            exact.ask_at = None;
        }
    }

    /// Whether the producer owes an answer.
    pub(in crate::publish) fn is_asking(&self) -> bool {
        let exact = self.exact.as_ref();
        exact.is_some_and(|exact| {
            let phase = exact.transaction.phase();
            matches!(phase, Phase::Off | Phase::Committing | Phase::Aborting)
        })
    }

    /// Whether a transaction would be lost with the producer; none in at-least-once.
    pub(in crate::publish) fn in_transaction(&self) -> Option<bool> {
        let exact = self.exact.as_ref()?;
        let phase = exact.transaction.phase();
        Some(!matches!(phase, Phase::Off | Phase::Idle))
    }

    /// Whether a lane that goes alone was put off for the others, and they have nothing.
    pub(in crate::publish) fn take_deferred(&mut self) -> bool {
        let Some(exact) = &mut self.exact else {
            return false;
        };
        let put_off = mem::take(&mut exact.deferred);
        let deferred = put_off && exact.transaction.phase() == Phase::Idle;
        exact.others_turn &= !deferred;
        deferred
    }
}

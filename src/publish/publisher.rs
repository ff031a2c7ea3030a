//! The publisher as one step at a time: what arrived goes in, records go out, and it says when to come back.
//!
//! It reads no clock of its own for waiting and starts no thread, so a test drives it through a simulated day with a
//! broker that fails as its seed says. `feed` is its other half: reading, sending, setting aside.

use super::{
    Fault,
    aside::Owed,
    broker::Broker,
    classify::Code,
    copies::Copies,
    exact::Exact,
    lane::{Lane, Plan},
    lanes::{LaneId, Lanes},
    mailbox::{Mail, ProducerId, Report, Reports, Ticket},
    message::Message,
    metrics::Metrics,
    place::Place,
    plan::Tick,
    retry::Backoff,
    room::Room,
    stalls::Asks,
    status,
    traced::Traced,
    trouble::Trouble,
    turn::Turn,
};
use crate::{
    clock::Clock,
    spool::{Outlet, Reason, Record, Seq, Settled},
    traces::Traces,
};
use std::{collections::BTreeMap, sync::Arc, time::Duration};

/// How often the checkpoint is written and the status renewed, at most.
pub(super) const TICK: Duration = Duration::from_millis(200);
/// For a closing producer; it says itself that it is done after two seconds at the latest.
pub(super) const CLOSING_MAX: Duration = Duration::from_secs(3);

/// How records become messages. [`super::message::Rendering`] but for tests.
pub(super) trait Render: Send + 'static {
    fn message(&self, record: &Record, topic: &Arc<str>) -> Result<Message, Reason>;
    fn quarantine_copy(&self, record: &Record, reason: &Reason) -> Option<Message>;
}

/// The shared producer.
#[derive(Debug)]
pub(super) enum Shared<P> {
    Open(ProducerId, P),
    Closing { id: ProducerId, until: Tick },
    Waiting { until: Tick },
}

/// What to do after a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Come back when something arrives, at the latest at this time (none: only then).
    Wait(Option<Tick>),
    /// Asked to stop, and there is nothing left, or no time.
    Stop,
}

/// The parts that a publisher works with.
pub(super) struct Parts<O, B, R> {
    pub(super) outlet: O,
    pub(super) broker: B,
    pub(super) render: R,
    pub(super) copies: Box<dyn Copies>,
    pub(super) reports: Arc<dyn Reports>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) metrics: Metrics,
    pub(super) watch: Box<dyn Asks>,
    pub(super) traces: Traces,
}

/// See the module.
pub(super) struct Publisher<O: Outlet, B: Broker, R> {
    pub(super) parts: Parts<O, B, R>,
    pub(super) lanes: Lanes<O::Cursor, B::Producer>,
    /// What the lanes may have under way.
    pub(super) room: Room,
    pub(super) head: Place<O::Cursor>,
    /// Since when the head cursor waits for a full window.
    pub(super) stalled: Option<Tick>,
    pub(super) shared: Shared<B::Producer>,
    pub(super) wake: Option<Tick>,
    /// Something has changed since the last tick.
    pub(super) moved: bool,
    pub(super) backoff: Backoff,
    pub(super) producers: u64,
    pub(super) written: Settled,
    pub(super) tick_at: Tick,
    /// Ticks so far: the status is worth a look when it has changed.
    pub(super) ticks: u64,
    pub(super) kafka: status::Kafka,
    /// Records that their lanes are done with, and that are settled by their copies: empty where there is a local quarantine.
    pub(super) owed: BTreeMap<Seq, Owed>,
    /// What was last found wrong; none after an ack.
    pub(super) trouble: Option<Trouble>,
    /// New connections were asked for: the shared producer ends when it has nothing under way, at the latest then.
    pub(super) renew_by: Option<Tick>,
    pub(super) traced: Traced,
    /// None in at-least-once.
    pub(super) exact: Option<Exact>,
    /// The feed broke off with something left to read.
    pub(super) more: bool,
    /// Whose turn it is to poll the shared producer.
    pub(super) turn: Turn,
    stop_at: Option<Tick>,
}

impl<O: Outlet, B: Broker, R: Render> Publisher<O, B, R> {
    pub(super) fn new(plan: Plan, parts: Parts<O, B, R>) -> Self {
        let settled = parts.outlet.settled_at_start();
        let rival = parts.outlet.rival();
        parts.metrics.stood_down(rival.is_some());
        if let Some(rival) = &rival {
            tracing::error!(
                rival,
                "this spool has stood down for another relay: nothing is taken or published until `livebridge spool adopt`"
            );
        }
        // Whoever has stood down stays so, in whatever mode.
        let topic = plan.checkpoint.clone();
        let topic = topic.or_else(|| rival.as_ref().map(|_| Arc::default()));
        let exact = topic.map(|topic| Exact::new(topic, settled, rival));
        let mut lanes: Vec<Lane<O::Cursor, B::Producer>> = plan
            .routes
            .into_iter()
            .zip(0..)
            .map(|(route, at)| {
                let seed = plan.seed.wrapping_add(at);
                Lane::new(route, plan.span, &settled, seed, plan.patience)
            })
            .collect();
        // The head cursor starts where the foremost lane goes on; the others catch up with cursors of their own.
        let head = lanes.iter().map(|lane| lane.window.restart()).max();
        let head = head.unwrap_or_default();
        for lane in &mut lanes {
            let restart = lane.window.restart();
            if restart < head {
                lane.own = Some(Place::new(parts.outlet.cursor(restart)));
            }
        }
        Self {
            head: Place::new(parts.outlet.cursor(head)),
            traced: Traced::new(parts.traces.clone()),
            parts,
            room: plan.room,
            lanes: Lanes::new(lanes),
            stalled: None,
            shared: Shared::Waiting { until: Tick::ZERO },
            wake: None,
            moved: true,
            backoff: Backoff::for_producer(!plan.seed),
            producers: 0,
            written: settled,
            tick_at: Tick::ZERO,
            ticks: 0,
            turn: Turn::default(),
            stop_at: None,
            exact,
            owed: BTreeMap::new(),
            more: false,
            kafka: status::Kafka::default(),
            trouble: None,
            renew_by: None,
        }
    }

    /// Takes what arrived, does what can be done at `now`, says when to come back.
    pub(super) fn step(&mut self, now: Tick, mail: Mail) -> Result<Step, Fault> {
        self.wake = None;
        let reports = mail.reports.len();
        self.take_mail(now, mail)?;
        self.tend_renewal(now);
        self.tend_shared(now);
        self.tend_solos(now)?;
        self.tend_owed(now);
        if !self.has_stood_down() {
            self.feed(now)?;
            if self.take_deferred() {
                self.feed(now)?;
            }
            self.tend_exact(now)?;
            self.make_ready(now)?;
            self.tend_stalls(now);
        }
        self.tick(now)?;
        self.take_turns(now, reports);
        if let Some(stop_at) = self.stop_at {
            if now >= stop_at || self.is_empty() || self.has_stood_down() {
                return Ok(Step::Stop);
            }
            self.wake_at(stop_at);
        }
        Ok(Step::Wait(self.wake))
    }

    pub(super) fn status(&self) -> status::Status {
        let end = self.parts.outlet.durable_end();
        let mut kafka = self.kafka.clone();
        kafka.last_error = self.trouble.as_ref().map(|trouble| trouble.text.clone());
        kafka.producer = match self.shared {
            Shared::Open(..) => status::Producer::Open,
            Shared::Closing { .. } => status::Producer::Closing,
            Shared::Waiting { .. } => status::Producer::Waiting,
        };
        let exact = self.exact.as_ref();
        status::Status {
            kafka,
            exactly_once: exact.map(|exact| exact.standing(self.parts.outlet.spool_id())),
            lanes: self.lanes.iter().map(|lane| lane.status(end)).collect(),
        }
    }

    /// How far everything is settled. Never goes back.
    pub(super) fn settled(&self) -> Settled {
        if let Some(exact) = &self.exact {
            return exact.committed;
        }
        let mut settled = self.written;
        for lane in &self.lanes {
            lane.window.report(&mut settled);
        }
        settled
    }

    pub(super) fn wake_at(&mut self, at: Tick) {
        self.wake = Some(self.wake.map_or(at, |other| other.min(at)));
    }

    /// Whether it was asked to stop.
    pub(super) const fn is_stopping(&self) -> bool {
        self.stop_at.is_some()
    }

    pub(super) fn take_mail(&mut self, now: Tick, mail: Mail) -> Result<(), Fault> {
        if let Some(within) = mail.stop_within {
            let at = now + within;
            self.stop_at = Some(self.stop_at.map_or(at, |other| other.min(at)));
        }
        if mail.all_down {
            self.out_of_reach();
        } else if mail.answered && self.kafka.reachable != Some(true) {
            self.reached();
        }
        if let Some(trouble) = mail.trouble {
            self.trouble = Some(trouble.after(self.trouble.take()));
            self.moved = true;
        }
        if mail.renew {
            self.renew(now);
        }
        for report in mail.reports {
            self.moved = true;
            self.take_report(now, report)?;
        }
        for (id, code) in mail.fatal {
            self.died(now, id, code);
        }
        for id in mail.closed {
            self.closed(now, id)?;
        }
        for (seq, acked) in mail.copied {
            self.moved = true;
            self.copied(seq, acked);
        }
        for (id, answer) in mail.answers {
            self.answered(now, id, answer)?;
        }
        for heard in mail.heard {
            self.heard(now, heard);
        }
        Ok(())
    }

    pub(super) fn is_shared(&self, id: ProducerId) -> bool {
        match self.shared {
            Shared::Open(shared, _) | Shared::Closing { id: shared, .. } => shared == id,
            Shared::Waiting { .. } => false,
        }
    }

    fn take_report(&mut self, now: Tick, report: Report) -> Result<(), Fault> {
        if self.exact.is_some() {
            return self.take_exact_report(now, report);
        }
        if self.is_shared(report.producer) {
            match report.result {
                Ok(()) => {
                    self.acked(report.ticket);
                    if matches!(self.shared, Shared::Open(..)) {
                        self.backoff.reset();
                    }
                }
                Err(code) => {
                    self.blame(self.lanes.of(report.ticket.family), code);
                    self.end_shared(now);
                }
            }
            return Ok(());
        }
        let at = self.lanes.of(report.ticket.family);
        let solo = &mut self.lanes[at].solo;
        let theirs = solo.take(report.producer, report.ticket.seq);
        match (theirs, report.result) {
            // Of a producer that has ended: its records are due again already.
            (None, _) => Ok(()),
            (Some(_), Ok(())) => {
                self.acked(report.ticket);
                self.alone_settled(at);
                Ok(())
            }
            (Some(record), Err(code)) => self.alone_failed(now, at, &record, code),
        }
    }

    /// A producer said that it is done for, maybe before it said what became of its records.
    fn died(&mut self, now: Tick, id: ProducerId, code: Code) {
        // What is asked is answered, and the answer says more.
        if self.is_shared(id) && !self.is_asking() {
            self.end_shared(now);
        }
        for lane in &mut self.lanes {
            lane.solo.died(id, code, now + CLOSING_MAX);
        }
    }

    /// A producer has said all that it ever will.
    pub(super) fn closed(&mut self, now: Tick, id: ProducerId) -> Result<(), Fault> {
        if matches!(self.shared, Shared::Closing { id: closing, .. } if closing == id) {
            self.shared_ended(now);
        }
        for at in self.lanes.ids() {
            if let Some((record, code)) = self.lanes[at].solo.closed(id) {
                self.alone_failed(now, at, &record, code)?;
            }
        }
        Ok(())
    }

    /// A broker has done what it was asked for.
    pub(super) fn reached(&mut self) {
        if self.kafka.reachable == Some(false) {
            tracing::info!("Kafka is in reach again");
            self.parts.metrics.kafka_reachable(true);
        }
        self.moved |= self.kafka.reachable != Some(true);
        self.kafka.reachable = Some(true);
        self.trouble = None;
    }

    fn out_of_reach(&mut self) {
        if self.kafka.reachable != Some(false) {
            tracing::warn!(
                "Kafka is out of reach: no broker answers; what was accepted waits, in order"
            );
            self.parts.metrics.kafka_reachable(false);
            // With nothing to send, nothing else would tell when it is back.
            self.parts.watch.look_soon();
            self.moved = true;
        }
        self.kafka.reachable = Some(false);
    }

    /// An ack: the only way to be published.
    pub(super) fn acked(&mut self, ticket: Ticket) {
        let at = self.lanes.of(ticket.family);
        let now = self.parts.clock.now();
        self.reached();
        let lane = &mut self.lanes[at];
        let accepted_at = lane.window.settle(ticket.family, ticket.seq);
        lane.worked();
        let topic = lane.topic.as_deref().unwrap_or_default();
        self.parts.metrics.published(topic, now.since(accepted_at));
        self.traced.published(ticket.seq, topic, now);
        self.parts.outlet.acked(ticket.seq);
    }

    /// Notes an error for the lane; what it means for its course is decided when the shared producer has ended.
    pub(super) fn blame(&mut self, at: LaneId, code: Code) {
        let lane = &mut self.lanes[at];
        if code.is_purge() {
            return;
        }
        let topic = lane.topic.as_deref().unwrap_or_default();
        self.parts.metrics.failed(topic, code);
        if lane.verdict.is_none() {
            tracing::warn!(topic, code = %code, class = code.class().label(), "a record was not taken");
        }
        lane.failed(code);
        lane.verdict = lane.verdict.max(Some(code.class()));
    }
}

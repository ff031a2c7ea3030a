//! The publisher as one step at a time: what arrived goes in, records go out, and it says when to come back.
//!
//! It reads no clock of its own for waiting and starts no thread, so a test drives it through a simulated day with a
//! broker that fails as its seed says. `feed` is its other half: reading, sending, setting aside.

use super::{
    Fault,
    broker::Broker,
    copies::Copies,
    exact::Exact,
    lane::Lane,
    lanes::Lanes,
    mailbox::{Mail, ProducerId, Reports},
    message::Message,
    metrics::Metrics,
    place::Place,
    plan::{Plan, Tick},
    quarantine::Owed,
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
    /// In at-least-once: so far, of all lanes.
    pub(super) acks: u64,
    pub(super) written: Settled,
    pub(super) tick_at: Tick,
    /// Ticks so far: the status is worth a look when it has changed.
    pub(super) ticks: u64,
    pub(super) kafka: status::Kafka,
    /// Records that their lanes are done with, and that are settled by their copies: empty where there is a local quarantine.
    pub(super) owed: BTreeMap<Seq, Owed>,
    /// What was last found wrong; none after an ack, or when Kafka is in reach again.
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
    pub(super) stop_at: Option<Tick>,
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
            acks: 0,
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
}

//! What the publisher holds of each lane: its window, its course, its place in the spool, its own producer if need be.

use super::{
    broker::Producer,
    classify::{Class, Code},
    course::{Course, Mode},
    place::Place,
    plan::Route,
    solo::Solo,
    stall::{Patience, Stall},
    status,
    suspicion::{End, Tries},
    window::{Standing, Window},
};
use crate::{
    callback::names::Family,
    clock::Millis,
    spool::{Cursor, Record, Seq, Settled},
};
use std::sync::Arc;

/// One lane.
#[derive(Debug)]
pub(super) struct Lane<C, P> {
    /// None: its families are `off`.
    pub(super) topic: Option<Arc<str>>,
    pub(super) families: Vec<Family>,
    pub(super) window: Window,
    pub(super) course: Course,
    pub(super) stall: Stall,
    /// A cursor of its own; none while the head cursor serves it.
    pub(super) own: Option<Place<C>>,
    pub(super) solo: Solo<P>,
    /// When the record was accepted that the lane can't take yet.
    pub(super) waiting: Option<Millis>,
    /// The gravest class among its reports since the shared producer began to fail.
    pub(super) verdict: Option<Class>,
    pub(super) tries: Tries,
    /// In exactly-once: the last record that its topic had no time for.
    pub(super) suspect: Option<(Family, Seq)>,
    last_error: Option<String>,
}

impl<C: Cursor, P: Producer> Lane<C, P> {
    pub(super) fn new(
        route: Route,
        span: usize,
        settled: &Settled,
        seed: u64,
        patience: Patience,
    ) -> Self {
        Self {
            topic: route.topic.map(Into::into),
            window: Window::new(span, &route.families, settled),
            families: route.families,
            course: Course::new(seed),
            stall: Stall::new(patience),
            own: None,
            solo: Solo::None,
            suspect: None,
            tries: Tries::default(),
            waiting: None,
            verdict: None,
            last_error: None,
        }
    }

    pub(super) const fn is_attached(&self) -> bool {
        self.own.is_none()
    }

    /// Whether all that it has met is settled.
    pub(super) fn is_idle(&self) -> bool {
        self.is_attached() && self.window.is_empty()
    }

    pub(super) fn failed(&mut self, code: Code) {
        self.last_error = Some(code.to_string());
    }

    pub(super) fn failed_for(&mut self, why: String) {
        self.last_error = Some(why);
    }

    pub(super) fn worked(&mut self) {
        self.last_error = None;
        self.course.worked();
    }

    /// How the end of the shared producer looks from here. Takes the verdict.
    pub(super) fn ended(&mut self, others_lose: bool) -> End {
        let passed = self.window.passed();
        End {
            class: self.verdict.take(),
            others_lose,
            first: self.window.first().unwrap_or_else(|| passed.next()),
            passed,
        }
    }

    /// Whether the end of the shared producer costs it something that no error was about.
    pub(super) fn loses(&self) -> bool {
        !self.solo.has_record() && self.window.in_flight() > 0 && self.verdict.is_none()
    }

    /// When the oldest record was accepted that isn't settled.
    pub(super) fn oldest(&self) -> Option<Millis> {
        self.window.oldest().or(self.waiting)
    }

    pub(super) fn status(&self, durable_end: Seq) -> status::Lane {
        let mut settled = Settled::default();
        self.window.report(&mut settled);
        let least = self.families.iter().map(|&f| settled.of(f)).min();
        status::Lane {
            topic: self.topic.as_deref().map(Into::into),
            families: self.families.iter().map(|f| f.key()).collect(),
            state: self.mode(),
            lag: durable_end.0.saturating_sub(least.unwrap_or_default().0),
            in_flight: self.window.in_flight(),
            last_error: self.stall.why().map(Into::into).or(self.last_error.clone()),
        }
    }

    fn mode(&self) -> Mode {
        match self.course.mode() {
            Mode::Flowing | Mode::Singly if self.stall.is_blocked() => Mode::Blocked,
            mode => mode,
        }
    }

    /// A record that goes nowhere else from here, be it sent or not.
    pub(super) fn settle_here(&mut self, record: &Record) {
        let (family, seq) = (record.envelope.family, record.seq);
        match self.window.standing(family, seq) {
            Standing::Over => {
                self.window.settle(family, seq);
            }
            Standing::New | Standing::Due => {
                self.window.settled_unsent(family, seq, record.accepted_at);
            }
        }
    }

    /// Whether the topic takes nothing: as Kafka has said, or as can be seen.
    pub(super) fn is_blocked(&self) -> bool {
        self.course.is_blocked() || self.stall.is_blocked()
    }
}

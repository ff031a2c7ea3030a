//! Traces: a callback's `traceparent`, taken over or begun, and the spans of its way, exported if somebody wants them.
//!
//! ```text
//!  callback ───────────────┐         from the head of the request to the answer
//!     └─ durable ─────┐    │         from the queue to the spool's writer to its sync; none with `ack = "kafka"`
//!     └─ publish ─────┼────┼──────── from the producer's queue to Kafka's ack: seconds or hours later, maybe by another process
//! ```
//!
//! The message in Kafka carries the `traceparent` of `callback`, so that consumers go on in the same trace. Unless traces are
//! asked for (`traces.*`), a callback's own `traceparent` goes through as it came, and nothing else happens.
//!
//! Spans are for people: they are best effort, and neither the door nor the publisher ever waits for them. What the collector
//! can't take in time is dropped and counted.

pub mod context;
pub mod export;
pub mod otlp;
pub mod span;

use crate::config;
use context::{Context, SpanId};
use export::Queue;
use span::{Kind, Span, Value};
use std::sync::Arc;

/// What is done with traces. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Traces(Option<Arc<Inside>>);

#[derive(Debug)]
struct Inside {
    /// Whether a callback without a `traceparent` gets one.
    begins: bool,
    /// A trace that is begun is sampled if the second half of its number is below this.
    sampled_below: u64,
    /// Where spans go; none: nowhere.
    queue: Option<Queue>,
}

impl Traces {
    /// A `traceparent` goes through as it came.
    #[must_use]
    pub const fn off() -> Self {
        Self(None)
    }

    /// As these settings say; spans go to `queue`.
    #[must_use]
    pub fn new(settings: &config::Traces, queue: Option<Queue>) -> Self {
        if !settings.begin && queue.is_none() {
            return Self::off();
        }
        Self(Some(Arc::new(Inside {
            begins: settings.begin,
            sampled_below: below(settings.sample),
            queue,
        })))
    }

    /// A callback comes in, with this `traceparent` if it had a valid one.
    #[must_use]
    pub fn enter(&self, given: Option<Given<'_>>) -> Entered {
        let as_it_came = Entered {
            traceparent: given.map(|given| given.text.into()),
            callback: None,
        };
        let Some(inside) = &self.0 else {
            return as_it_came;
        };
        let parent = given.map(|given| given.context);
        let context = match parent {
            Some(parent) if parent.sampled && inside.queue.is_some() => Inside::next(parent.trace),
            Some(_) => return as_it_came,
            None if inside.begins => inside.begin(),
            None => return as_it_came,
        };
        // Without a random number there is no trace, and nothing else is amiss.
        let Some(context) = context else {
            return as_it_came;
        };
        let recorded = context.sampled && inside.queue.is_some();
        Entered {
            traceparent: Some(context.to_string().into()),
            callback: recorded.then(|| Recorded {
                inside: Arc::clone(inside),
                context,
                parent: parent.map(|parent| parent.span),
            }),
        }
    }

    /// The trace of a callback that came in earlier, if its spans are wanted.
    #[must_use]
    pub fn resume(&self, traceparent: Option<&str>) -> Option<Context> {
        self.0.as_ref()?.queue.as_ref()?;
        Context::parse(traceparent?).filter(|context| context.sampled)
    }

    /// There is no room to note where a span begins: counted as if the queue were full.
    pub fn no_room(&self) {
        if let Some(queue) = self.0.as_ref().and_then(|inside| inside.queue.as_ref()) {
            queue.no_room();
        }
    }

    /// A step within `of` is over. Spans that there is no room for are counted, nothing more.
    pub fn step(&self, of: Context, step: Step) {
        if let Some(inside) = &self.0 {
            inside.step(of, step);
        }
    }
}

/// A valid `traceparent`.
#[derive(Debug, Clone, Copy)]
pub struct Given<'a> {
    /// As it came.
    pub text: &'a str,
    /// What it says.
    pub context: Context,
}

impl<'a> Given<'a> {
    /// None if it isn't a valid one.
    #[must_use]
    pub fn parse(text: &'a str) -> Option<Self> {
        let context = Context::parse(text)?;
        Some(Self { text, context })
    }
}

/// One step, but for its place in its trace.
#[derive(Debug)]
pub struct Step {
    /// As in [`Span`].
    pub name: &'static str,
    /// As in [`Span`].
    pub kind: Kind,
    /// As in [`Span`].
    pub start: u64,
    /// As in [`Span`].
    pub end: u64,
    /// As in [`Span`].
    pub failed: bool,
    /// As in [`Span`].
    pub attributes: Vec<(&'static str, Value)>,
}

impl Step {
    fn into_span(self, context: Context, parent: Option<SpanId>) -> Span {
        Span {
            name: self.name,
            kind: self.kind,
            context,
            parent,
            start: self.start,
            end: self.end,
            failed: self.failed,
            attributes: self.attributes,
        }
    }
}

/// A callback that came in.
#[derive(Debug)]
pub struct Entered {
    /// What its message is to carry.
    pub traceparent: Option<Box<str>>,
    /// Its span, if it is wanted.
    pub callback: Option<Recorded>,
}

/// A callback whose spans are wanted.
#[derive(Debug)]
pub struct Recorded {
    inside: Arc<Inside>,
    context: Context,
    parent: Option<SpanId>,
}

impl Recorded {
    /// A step within it is over.
    pub fn step(&self, step: Step) {
        self.inside.step(self.context, step);
    }

    /// It is answered.
    pub fn over(self, step: Step) {
        self.inside.put(step.into_span(self.context, self.parent));
    }
}

impl Inside {
    fn begin(&self) -> Option<Context> {
        let mut trace = [0; 16];
        getrandom::fill(&mut trace).ok()?;
        let chance = u64::from_be_bytes(*trace.last_chunk()?);
        let context = Context {
            sampled: chance < self.sampled_below || self.sampled_below == u64::MAX,
            ..Self::next(trace)?
        };
        trace.iter().any(|b| *b != 0).then_some(context)
    }

    /// A new span of a sampled trace.
    fn next(trace: [u8; 16]) -> Option<Context> {
        let mut span = SpanId::default();
        getrandom::fill(&mut span).ok()?;
        let context = Context {
            trace,
            span,
            sampled: true,
        };
        span.iter().any(|b| *b != 0).then_some(context)
    }

    fn step(&self, of: Context, step: Step) {
        if let Some(context) = Self::next(of.trace) {
            self.put(step.into_span(context, Some(of.span)));
        }
    }

    fn put(&self, span: Span) {
        if let Some(queue) = &self.queue {
            queue.put(span);
        }
    }
}

/// The bound of a random number below which this share of all lies.
fn below(share: f64) -> u64 {
    // Saturates at both ends.
    (share * u64::MAX as f64) as u64
}

#[cfg(test)]
mod tests;

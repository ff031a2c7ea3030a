//! A callback's `traceparent`, and the spans of its way through the door.

use super::{problem::Problem, reply::Proof};
use crate::{
    callback::names::{EventName, SourceName},
    clock::Clock,
    spool::{CeId, How},
    traces::{Given, Recorded, Step, Traces, span::Kind},
};
use hyper::{HeaderMap, header::HeaderValue};
use tokio::time::Instant;

/// The request's one valid `traceparent`; any other is as good as none.
pub(super) fn traceparent(headers: &HeaderMap) -> Option<Given<'_>> {
    let mut all = headers.get_all("traceparent").iter();
    let only = all.next().filter(|_| all.next().is_none());
    let text = only.map(HeaderValue::to_str)?.ok()?;
    Given::parse(text)
}

/// A callback on its way to the spool.
pub(super) struct Trace {
    /// What its message is to carry.
    pub(super) traceparent: Option<Box<str>>,
    /// Its span, and when it was handed to the spool; none if nobody wants spans.
    recorded: Option<(Recorded, Instant)>,
}

/// What is known of the callback.
pub(super) struct Known<'a> {
    pub(super) source: &'a SourceName,
    pub(super) event: EventName,
    pub(super) ce_id: CeId,
    /// When the head of its request was there.
    pub(super) began: Instant,
}

impl Trace {
    pub(super) fn enter(traces: &Traces, headers: &HeaderMap) -> Self {
        let entered = traces.enter(traceparent(headers));
        Self {
            traceparent: entered.traceparent,
            recorded: entered.callback.map(|span| (span, Instant::now())),
        }
    }

    /// It was decided upon.
    pub(super) fn decided(
        self,
        known: &Known<'_>,
        result: &Result<Proof, Problem>,
        clock: &dyn Clock,
    ) {
        let Some((callback, submitted)) = self.recorded else {
            return;
        };
        let end = clock.now().nanos();
        let ago = |at: Instant| {
            let nanos = u64::try_from(at.elapsed().as_nanos()).unwrap_or(u64::MAX);
            end.saturating_sub(nanos)
        };
        let mut attributes = vec![
            ("livebridge.source", known.source.to_string().into()),
            ("livebridge.event", known.event.as_str().into()),
            ("cloudevents.event_id", known.ce_id.to_string().into()),
        ];
        let status = match result {
            Ok(_) => 200,
            Err(problem) => problem.status().as_u16().into(),
        };
        attributes.push(("http.response.status_code", status.into()));
        let how = match result {
            Ok(Proof::Durable(durable)) => {
                callback.step(Step {
                    name: "durable",
                    kind: Kind::Internal,
                    start: ago(submitted),
                    end,
                    failed: false,
                    attributes: vec![("livebridge.seq", durable.seq().0.into())],
                });
                Some(durable.how())
            }
            Ok(Proof::Acked(acked)) => Some(acked.how()),
            Ok(Proof::Ignored(_)) | Err(_) => None,
        };
        if let Some(how) = how {
            let outcome = match how {
                How::New => "accepted",
                How::Duplicate => "duplicate",
            };
            attributes.push(("livebridge.outcome", outcome.into()));
        }
        callback.over(Step {
            name: "callback",
            kind: Kind::Server,
            start: ago(known.began),
            end,
            failed: result.is_err(),
            attributes,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        clock::Millis,
        config,
        traces::{
            export::{Metrics, Queue},
            span::Value,
        },
    };
    use prometheus::Registry;

    const VALID: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn two_headers_are_none() {
        let mut headers = HeaderMap::new();
        headers.append("traceparent", HeaderValue::from_static(VALID));
        assert_eq!(traceparent(&headers).map(|given| given.text), Some(VALID));
        headers.append("traceparent", HeaderValue::from_static(VALID));
        assert!(traceparent(&headers).is_none());
    }

    /// Nobody may ask it.
    struct Never;

    impl Clock for Never {
        fn now(&self) -> Millis {
            panic!("the clock is read")
        }
    }

    struct Noon;

    impl Clock for Noon {
        fn now(&self) -> Millis {
            Millis(1_750_000_000_000)
        }
    }

    fn refused(traces: &Traces, headers: &HeaderMap, clock: &dyn Clock) -> Option<Box<str>> {
        let source = SourceName::parse("tencent").unwrap();
        let known = Known {
            source: &source,
            event: EventName::RecordingFile,
            ce_id: CeId([1; 16]),
            began: Instant::now(),
        };
        let mut trace = Trace::enter(traces, headers);
        let traceparent = trace.traceparent.take();
        trace.decided(&known, &Err(Problem::Full), clock);
        traceparent
    }

    #[test]
    fn while_traces_are_off_none_is_begun_and_no_clock_is_read() {
        let mut headers = HeaderMap::new();
        assert_eq!(refused(&Traces::off(), &headers, &Never), None);
        headers.append("traceparent", HeaderValue::from_static(VALID));
        let carried = refused(&Traces::off(), &headers, &Never);
        assert_eq!(carried.as_deref(), Some(VALID));
    }

    #[test]
    fn a_callback_that_was_not_taken_has_a_failed_span_alone() {
        let metrics = Metrics::register(&Registry::new()).unwrap();
        let (queue, mut spans) = Queue::with_room_for(10, metrics);
        let settings = config::Traces {
            begin: true,
            sample: 1.0,
            endpoint: None,
        };
        let traces = Traces::new(&settings, Some(queue));
        let carried = refused(&traces, &HeaderMap::new(), &Noon);
        let span = spans.try_recv().unwrap();
        assert_eq!(carried, Some(span.context.to_string().into()));
        assert_eq!((span.name, span.failed), ("callback", true));
        let status = ("http.response.status_code", Value::Number(503));
        assert!(span.attributes.contains(&status), "{span:?}");
        assert_eq!(span.end, Noon.now().nanos());
        assert!(spans.try_recv().is_err());
    }
}

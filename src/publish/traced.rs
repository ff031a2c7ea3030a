//! The last step of a trace: from a producer's queue to Kafka's ack, or to the commit.

use crate::{
    clock::{Clock, Millis},
    spool::{Record, Seq},
    traces::{Step, Traces, context::Context, span::Kind},
};
use std::collections::HashMap;

/// Records under way whose spans are wanted; beyond that they are counted as dropped.
const MOST: usize = 16_384;

/// See the module. One branch while nobody wants spans.
#[derive(Debug)]
pub(super) struct Traced {
    traces: Traces,
    /// With the time when a producer took it for the first time.
    under_way: HashMap<Seq, (Context, Millis)>,
}

impl Traced {
    pub(super) fn new(traces: Traces) -> Self {
        let under_way = HashMap::new();
        Self { traces, under_way }
    }

    /// A producer took the record, maybe not for the first time.
    pub(super) fn sent(&mut self, record: &Record, clock: &dyn Clock) {
        let traceparent = record.envelope.traceparent.as_deref();
        let Some(context) = self.traces.resume(traceparent) else {
            return;
        };
        if self.under_way.len() < MOST {
            let first = || (context, clock.now());
            self.under_way.entry(record.seq).or_insert_with(first);
        } else if !self.under_way.contains_key(&record.seq) {
            self.traces.no_room();
        }
    }

    /// Kafka has it.
    pub(super) fn published(&mut self, seq: Seq, topic: &str, now: Millis) {
        let Some((context, sent)) = self.take(seq) else {
            return;
        };
        self.traces.step(
            context,
            Step {
                name: "publish",
                kind: Kind::Producer,
                start: sent.nanos(),
                end: now.max(sent).nanos(),
                failed: false,
                attributes: vec![
                    ("messaging.system", "kafka".into()),
                    ("messaging.destination.name", topic.into()),
                    ("livebridge.seq", seq.0.into()),
                ],
            },
        );
    }

    /// It goes another way, or was published before.
    pub(super) fn forget(&mut self, seq: Seq) {
        self.take(seq);
    }

    fn take(&mut self, seq: Seq) -> Option<(Context, Millis)> {
        if self.under_way.is_empty() {
            return None;
        }
        self.under_way.remove(&seq)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        callback::names::{Family, SourceName},
        config, metrics,
        spool::{CeId, Envelope},
        traces::{
            export::{Metrics, Queue},
            span::Span,
        },
    };
    use prometheus::Registry;
    use tokio::sync::mpsc::Receiver;

    struct At(u64);

    impl Clock for At {
        fn now(&self) -> Millis {
            Millis(self.0)
        }
    }

    /// Nobody may ask it.
    struct Never;

    impl Clock for Never {
        fn now(&self) -> Millis {
            panic!("the clock is read")
        }
    }

    fn settings() -> config::Traces {
        config::Traces {
            begin: true,
            sample: 1.0,
            endpoint: None,
        }
    }

    fn wanted() -> (Traced, Receiver<Span>, Registry) {
        let registry = Registry::new();
        let (queue, spans) = Queue::with_room_for(10, Metrics::register(&registry).unwrap());
        let traces = Traces::new(&settings(), Some(queue));
        (Traced::new(traces), spans, registry)
    }

    fn record(seq: u64) -> Record {
        Record {
            seq: Seq(seq),
            ce_id: CeId([1; 16]),
            accepted_at: Millis(1),
            envelope: Envelope {
                source: SourceName::parse("tencent").unwrap(),
                family: Family::Recording,
                received_at: Millis(1),
                traceparent: Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".into()),
                body: "{}".into(),
            },
        }
    }

    #[test]
    fn while_nobody_wants_spans_nothing_is_noted_and_no_clock_is_read() {
        for traces in [Traces::off(), Traces::new(&settings(), None)] {
            let mut traced = Traced::new(traces);
            traced.sent(&record(1), &Never);
            traced.published(Seq(1), "live.recording", Millis(2));
            assert_eq!(traced.under_way.capacity(), 0);
        }
    }

    #[test]
    fn a_record_sent_again_has_one_span_from_the_first_time_on() {
        let (mut traced, mut spans, _) = wanted();
        traced.sent(&record(1), &At(1_000));
        traced.sent(&record(1), &At(2_000));
        for _ in 0..2 {
            traced.published(Seq(1), "live.recording", Millis(3_000));
        }
        let span = spans.try_recv().unwrap();
        assert_eq!((span.start, span.end), (1_000_000_000, 3_000_000_000));
        assert!(spans.try_recv().is_err());
    }

    #[test]
    fn what_goes_another_way_has_no_span() {
        let (mut traced, mut spans, _) = wanted();
        traced.sent(&record(1), &At(1_000));
        traced.forget(Seq(1));
        traced.published(Seq(1), "live.recording", Millis(3_000));
        assert!(spans.try_recv().is_err());
    }

    #[test]
    fn no_more_than_so_many_are_noted_and_the_others_are_counted() {
        let (mut traced, _spans, registry) = wanted();
        for seq in 0..MOST as u64 + 3 {
            traced.sent(&record(seq), &At(1));
        }
        // Noted already: not counted.
        traced.sent(&record(0), &At(2));
        assert_eq!(traced.under_way.len(), MOST);
        let page = metrics::encode(&registry).unwrap();
        let page = String::from_utf8(page).unwrap();
        let line = r#"livebridge_spans_dropped_total{reason="queue_full"} 3"#;
        assert!(page.contains(line), "{page}");
    }
}

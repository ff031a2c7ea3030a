//! Traces from the request to Kafka's ack: what consumers get, what a collector gets, and that nobody waits for one.

use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::any_value::Value,
    trace::v1::{Span, span::SpanKind},
};
use std::{
    io::{Read, Write},
    net::TcpListener,
    sync::{Arc, Mutex},
    time::Duration,
};
use support::{
    callback::{recording, signed},
    http::Client,
    kafka::Broker,
    reader::{self, Message},
    relay::Relay,
    topics::Topics,
    wait,
};

const SOON: Duration = Duration::from_secs(60);
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";

/// A collector that takes everything, for as long as the test runs. It reads with OpenTelemetry's own types.
struct Collector {
    address: String,
    spans: Arc<Mutex<Vec<Span>>>,
}

impl Collector {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("bound").to_string();
        let spans = Arc::<Mutex<Vec<Span>>>::default();
        let taken = Arc::clone(&spans);
        std::thread::spawn(move || {
            for socket in listener.incoming() {
                let mut socket = socket.expect("a connection");
                let request = request(&mut socket).resource_spans.into_iter();
                let scopes = request.flat_map(|resource| resource.scope_spans);
                let new = scopes.flat_map(|scope| scope.spans);
                taken.lock().expect("no panic").extend(new);
                let answer = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}";
                socket
                    .write_all(answer.as_bytes())
                    .expect("the relay reads");
            }
        });
        Self { address, spans }
    }

    fn endpoint(&self) -> String {
        format!("\"http://{}\"", self.address)
    }

    #[track_caller]
    fn wait_for(&self, spans: usize) {
        wait::until("the spans", SOON, || {
            (self.spans.lock().expect("no panic").len() >= spans).then_some(())
        });
    }

    /// The spans so far of this name, in the order in which they came.
    fn named(&self, name: &str) -> Vec<Span> {
        let spans = self.spans.lock().expect("no panic");
        let named = spans.iter().filter(|span| span.name == name);
        named.cloned().collect()
    }

    /// The only span of this name within another one.
    #[track_caller]
    fn within(&self, parent: &Span, name: &str) -> Span {
        let mut named = self.named(name);
        named.retain(|span| span.parent_span_id == parent.span_id);
        assert_eq!(named.len(), 1, "{name}");
        let span = named.remove(0);
        assert_eq!(span.trace_id, parent.trace_id);
        assert!(span.start_time_unix_nano <= span.end_time_unix_nano);
        span
    }
}

/// A request with its body.
fn request(socket: &mut impl Read) -> ExportTraceServiceRequest {
    let mut request = Vec::new();
    let mut piece = [0; 4096];
    loop {
        let read = socket.read(&mut piece).expect("a request");
        assert_ne!(read, 0, "cut off");
        request.extend_from_slice(piece.get(..read).expect("as much as was read"));
        let text = String::from_utf8_lossy(&request);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let mut head = head.lines();
            let length = head.find_map(|line| line.strip_prefix("content-length: "));
            if length == Some(&body.len().to_string()) {
                return serde_json::from_str(body).expect("OTLP as JSON");
            }
        }
    }
}

fn attribute(span: &Span, name: &str) -> Value {
    let mut attributes = span.attributes.iter();
    let found = attributes.find(|attribute| attribute.key == name);
    let value = found.and_then(|attribute| attribute.value.clone()?.value);
    value.unwrap_or_else(|| panic!("{name} in {span:?}"))
}

/// As a `traceparent` has it.
fn traceparent(span: &Span) -> String {
    format!("00-{}-{}-01", hex(&span.trace_id), hex(&span.span_id))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn relay(broker: &str, topics: &Topics) -> Relay {
    Relay::new(env!("CARGO_BIN_EXE_livebridge"), broker, topics)
}

#[track_caller]
fn post(relay: &Relay, number: u64, header: &str) {
    let body = signed(&recording("s1", number));
    let request = format!(
        "POST /callbacks/tencent HTTP/1.1\r\nhost: x\r\n{header}content-length: {}\r\n\r\n{body}",
        body.len()
    );
    let answer = Client::new(relay.address()).ask(request.as_bytes());
    assert_eq!(answer.expect("an answer").status, 200);
}

/// Three callbacks: of a sampled trace, of none, of one that isn't sampled. Their messages, and the spans of the first two.
#[track_caller]
fn through(
    relay: Relay,
    broker: &Broker,
    topics: &Topics,
    spans: usize,
) -> (Collector, Vec<Message>) {
    let collector = Collector::start();
    let mut relay = relay.set("traces.endpoint", &collector.endpoint());
    relay.start();
    post(
        &relay,
        1,
        &format!("traceparent: 00-{TRACE}-{PARENT}-01\r\n"),
    );
    post(&relay, 2, "");
    post(
        &relay,
        3,
        &format!("traceparent: 00-{TRACE}-{PARENT}-00\r\n"),
    );
    collector.wait_for(2 * spans);
    relay.terminate();
    assert_eq!(relay.wait_for_exit(SOON).code(), Some(0));
    let messages = reader::read_committed(&broker.bootstrap(), &[topics.of("recording")]);
    let carried = messages.iter().map(|message| message.header("traceparent"));
    let carried: Vec<_> = carried.collect();

    let callbacks = collector.named("callback");
    let [given, begun] = callbacks.as_slice() else {
        panic!("what isn't sampled has none: {callbacks:?}");
    };
    assert_eq!(hex(&given.trace_id), TRACE);
    assert_eq!(hex(&given.parent_span_id), PARENT);
    assert_ne!(hex(&begun.trace_id), TRACE);
    assert_eq!(hex(&begun.parent_span_id), "", "it began here");
    let as_it_came = format!("00-{TRACE}-{PARENT}-00");
    let expected = [traceparent(given), traceparent(begun), as_it_came];
    assert_eq!(carried, expected.each_ref().map(|text| Some(text.as_str())));
    for callback in &callbacks {
        assert_eq!(callback.kind(), SpanKind::Server);
        let event = attribute(callback, "livebridge.event");
        assert_eq!(event, Value::StringValue("recording.file".into()));
        let outcome = attribute(callback, "livebridge.outcome");
        assert_eq!(outcome, Value::StringValue("accepted".into()));
        let status = attribute(callback, "http.response.status_code");
        assert_eq!(status, Value::IntValue(200));
        let publish = collector.within(callback, "publish");
        assert_eq!(publish.kind(), SpanKind::Producer);
        let topic = attribute(&publish, "messaging.destination.name");
        assert_eq!(topic, Value::StringValue(topics.of("recording").into()));
    }
    let all = collector.spans.lock().expect("no panic").len();
    assert_eq!(all, 2 * spans, "none more, and none twice");
    (collector, messages)
}

#[test]
fn a_trace_goes_from_the_request_to_kafka_and_its_consumers() {
    let broker = Broker::shared();
    let topics = Topics::create(broker, 1);
    let relay = relay(&broker.bootstrap(), &topics);
    let (collector, _) = through(relay, broker, &topics, 3);
    for callback in collector.named("callback") {
        let durable = collector.within(&callback, "durable");
        assert!(callback.start_time_unix_nano <= durable.start_time_unix_nano);
        assert_eq!(durable.end_time_unix_nano, callback.end_time_unix_nano);
    }
}

#[test]
fn with_exactly_once_and_structured_events_too() {
    let broker = Broker::shared();
    let topics = Topics::create(broker, 1).with_checkpoint(broker);
    let relay = relay(&broker.bootstrap(), &topics)
        .set("delivery", "\"exactly-once\"")
        .set("kafka.cloudevents", "\"structured\"");
    let (_, messages) = through(relay, broker, &topics, 3);
    for message in &messages {
        let event = message.json();
        let extension = event.get("traceparent").and_then(|t| t.as_str());
        assert_eq!(extension, message.header("traceparent"));
    }
}

#[test]
fn without_a_disk_the_answer_waits_for_the_ack_and_nothing_is_durable() {
    let broker = Broker::shared();
    let topics = Topics::create(broker, 1);
    let relay = relay(&broker.bootstrap(), &topics)
        .set("ack", "\"kafka\"")
        .set("kafka.ack_timeout", "\"15s\"");
    let (collector, _) = through(relay, broker, &topics, 2);
    for callback in collector.named("callback") {
        let publish = collector.within(&callback, "publish");
        assert!(publish.end_time_unix_nano <= callback.end_time_unix_nano);
    }
}

#[test]
fn a_trace_goes_on_in_the_run_that_publishes() {
    let broker = Broker::shared();
    let topics = Topics::create(broker, 1);
    let collector = Collector::start();
    let mut relay = relay("127.0.0.1:1", &topics)
        .set("traces.endpoint", &collector.endpoint())
        .set("drain.publish", "\"100ms\"");
    relay.start();
    post(&relay, 1, "");
    // What gathers for the next request goes out at the end.
    relay.terminate();
    assert_eq!(relay.wait_for_exit(SOON).code(), Some(0));
    let callback = collector.named("callback").remove(0);
    assert!(collector.named("publish").is_empty());

    relay.command(&["drain", "--bootstrap-servers", &broker.bootstrap()]);
    collector.within(&callback, "publish");
    let messages = reader::read(&broker.bootstrap(), &[topics.of("recording")]);
    let carried = messages.iter().map(|message| message.header("traceparent"));
    let expected = traceparent(&callback);
    assert_eq!(carried.collect::<Vec<_>>(), [Some(expected.as_str())]);
}

#[test]
fn without_a_collector_everything_but_the_spans_is_as_ever() {
    let broker = Broker::shared();
    let topics = Topics::create(broker, 1);
    let mut relay = relay(&broker.bootstrap(), &topics)
        .set("traces.endpoint", "\"http://127.0.0.1:9/v1/traces\"");
    relay.start();
    for number in 1..=20 {
        assert_eq!(relay.post(&signed(&recording("s1", number))).status, 200);
    }
    let flow = relay.wait_until_settled(SOON);
    assert_eq!(flow.published, 20);
    wait::until("the spans are given up", SOON, || {
        let dropped = ["reason=\"unreachable\""];
        let dropped = relay
            .metrics()
            .count("livebridge_spans_dropped_total", &dropped);
        (dropped == 60).then_some(())
    });
    let said = relay
        .log()
        .matches("spans are dropped until the collector takes them")
        .count();
    assert_eq!(said, 1, "once, not for each batch");
    relay.terminate();
    assert_eq!(relay.wait_for_exit(SOON).code(), Some(0));
}

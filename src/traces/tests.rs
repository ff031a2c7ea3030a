use super::*;
use crate::config::Endpoint;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use otlp::{Resource, request};
use prometheus::Registry;
use serde_json::Value as Json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

const GIVEN: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

fn settings(begin: bool, sample: f64) -> config::Traces {
    config::Traces {
        begin,
        sample,
        endpoint: None,
    }
}

fn begun(share: f64) -> Context {
    let entered = Traces::new(&settings(true, share), None).enter(None);
    Context::parse(&entered.traceparent.unwrap()).unwrap()
}

fn step(name: &'static str) -> Step {
    Step {
        name,
        kind: Kind::Internal,
        start: 1,
        end: 2,
        failed: false,
        attributes: vec![("n", 7.into())],
    }
}

/// A queue to a collector of the test's.
async fn collector() -> (TcpListener, Queue, Registry) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let registry = Registry::new();
    let metrics = export::Metrics::register(&registry).unwrap();
    let endpoint = Endpoint {
        host: address.ip().to_string(),
        port: address.port(),
        path: "/v1/traces".into(),
    };
    let instance = "1".into();
    let (queue, _) = export::start(endpoint, Resource { instance }, metrics);
    (listener, queue, registry)
}

fn counted(registry: &Registry, line: &str) -> u64 {
    let text = String::from_utf8(crate::metrics::encode(registry).unwrap()).unwrap();
    let value = text.lines().find_map(|l| l.strip_prefix(line)).unwrap();
    value.trim().parse().unwrap()
}

#[test]
fn unless_asked_for_a_traceparent_goes_through_as_it_came() {
    let later = format!("{}-more", GIVEN.replacen("00", "cc", 1));
    let asked_to_begin = Traces::new(&settings(true, 1.0), None);
    for traces in [Traces::off(), asked_to_begin] {
        for given in [GIVEN, &later] {
            let entered = traces.enter(Given::parse(given));
            assert_eq!(entered.traceparent.as_deref(), Some(given));
            assert!(entered.callback.is_none());
        }
    }
    assert_eq!(Traces::off().enter(None).traceparent, None);
    assert_eq!(
        Traces::off().enter(Given::parse("nonsense")).traceparent,
        None
    );
}

#[test]
fn what_has_no_valid_traceparent_gets_one_of_its_own() {
    let traces = Traces::new(&settings(true, 1.0), None);
    let [one, other] = [None, Some("nonsense")].map(|given| {
        let text = traces
            .enter(given.and_then(Given::parse))
            .traceparent
            .unwrap();
        Context::parse(&text).unwrap()
    });
    assert!(one.sampled && other.sampled);
    assert_ne!(one.trace, other.trace);
    assert!(!begun(0.0).sampled);
    let half = (0..1000).filter(|_| begun(0.5).sampled).count();
    assert!((400..600).contains(&half), "{half} of 1000");
}

#[tokio::test]
async fn spans_hang_together_and_the_official_types_read_them() {
    let (listener, queue, _registry) = collector().await;
    let traces = Traces::new(&settings(true, 1.0), Some(queue));
    let entered = traces.enter(Given::parse(GIVEN));
    let traceparent = entered.traceparent.unwrap();
    let callback = entered.callback.unwrap();
    callback.step(step("durable"));
    callback.over(Step {
        failed: true,
        ..step("callback")
    });
    let resumed = traces.resume(Some(&traceparent)).unwrap();
    traces.step(resumed, step("publish"));
    // Not sampled by whoever began it: it goes through, and nothing is recorded.
    let unsampled = GIVEN.replace("-01", "-00");
    let entered = traces.enter(Given::parse(&unsampled));
    assert_eq!(entered.traceparent.as_deref(), Some(unsampled.as_str()));
    assert!(entered.callback.is_none());
    assert!(traces.resume(Some(&unsampled)).is_none());

    let (mut socket, _) = listener.accept().await.unwrap();
    let (head, body) = posted(&mut socket).await;
    assert!(head.starts_with("POST /v1/traces HTTP/1.1\r\n"), "{head}");
    assert!(head.contains("content-type: application/json\r\n"));
    let spans = spans(&body);
    let field = |name: &str, field: &str| {
        let span = spans.iter().find(|span| span["name"] == name).unwrap();
        span[field].as_str().unwrap().to_owned()
    };
    assert_eq!(spans.len(), 3);
    for name in ["callback", "durable", "publish"] {
        assert_eq!(field(name, "traceId"), "4bf92f3577b34da6a3ce929d0e0e4736");
    }
    assert_eq!(field("callback", "parentSpanId"), "00f067aa0ba902b7");
    let own = field("callback", "spanId");
    assert_eq!(field("durable", "parentSpanId"), own);
    assert_eq!(field("publish", "parentSpanId"), own);
    assert!(traceparent.contains(&own), "consumers go on under it");
}

/// As OpenTelemetry's own types understand the request: what they don't know, they would leave out.
fn spans(body: &[u8]) -> Vec<Json> {
    let request: ExportTraceServiceRequest = serde_json::from_slice(body).unwrap();
    assert_eq!(request.resource_spans.len(), 1);
    let read = serde_json::to_value(&request).unwrap();
    let sent: Json = serde_json::from_slice(body).unwrap();
    assert_within(&sent, &read, "");
    let spans = sent.pointer("/resourceSpans/0/scopeSpans/0/spans").unwrap();
    spans.as_array().unwrap().clone()
}

/// Every value that was sent was read, and as the same.
fn assert_within(sent: &Json, read: &Json, path: &str) {
    match (sent, read) {
        (Json::Object(sent), Json::Object(read)) => {
            for (name, value) in sent {
                let read = read.get(name).unwrap_or_else(|| panic!("{path}/{name}"));
                assert_within(value, read, &format!("{path}/{name}"));
            }
        }
        (Json::Array(sent), Json::Array(read)) => {
            assert_eq!(sent.len(), read.len(), "{path}");
            for (sent, read) in sent.iter().zip(read) {
                assert_within(sent, read, path);
            }
        }
        _ => assert_eq!(sent, read, "{path}"),
    }
}

#[test]
fn the_official_types_read_every_kind_of_value() {
    let span = Span {
        name: "callback",
        kind: Kind::Server,
        context: Context::parse(GIVEN).unwrap(),
        parent: None,
        start: 1_750_000_000_000_000_001,
        end: u64::MAX,
        failed: true,
        attributes: vec![("text", "\u{e9}\"".into()), ("number", 9.into())],
    };
    let instance = "1".into();
    let body = request(&Resource { instance }, &[span]);
    assert_eq!(spans(&body).len(), 1);
}

#[tokio::test]
async fn what_the_collector_says_is_counted() {
    let (listener, queue, registry) = collector().await;
    let traces = Traces::new(&settings(true, 1.0), Some(queue));
    let partly = r#"{"partialSuccess":{"rejectedSpans":"1"}}"#;
    for answer in [
        format!("200 OK\r\ncontent-length: {}\r\n\r\n{partly}", partly.len()),
        "503 Busy\r\ncontent-length: 0\r\n\r\n".into(),
    ] {
        let callback = traces.enter(None).callback.unwrap();
        callback.step(step("durable"));
        callback.over(step("callback"));
        let (mut socket, _) = listener.accept().await.unwrap();
        posted(&mut socket).await;
        let answer = format!("HTTP/1.1 {answer}");
        socket.write_all(answer.as_bytes()).await.unwrap();
    }
    // The next request comes when the last answer was counted.
    traces.enter(None).callback.unwrap().over(step("callback"));
    drop(listener.accept().await.unwrap());
    let refused = r#"livebridge_spans_dropped_total{reason="refused"}"#;
    assert_eq!(counted(&registry, "livebridge_spans_exported_total "), 1);
    assert_eq!(counted(&registry, refused), 3);
}

#[test]
fn a_full_queue_drops_and_counts_and_nobody_waits() {
    let registry = Registry::new();
    let metrics = export::Metrics::register(&registry).unwrap();
    let (queue, mut spans) = Queue::with_room_for(2, metrics);
    let traces = Traces::new(&settings(true, 1.0), Some(queue));
    for name in ["one", "two", "three"] {
        traces.enter(None).callback.unwrap().over(step(name));
    }
    let full = r#"livebridge_spans_dropped_total{reason="queue_full"}"#;
    assert_eq!(counted(&registry, full), 1);
    let kept = [(); 2].map(|()| spans.try_recv().unwrap().name);
    assert_eq!(kept, ["one", "two"]);
}

#[tokio::test]
async fn nobody_waits_for_a_collector_that_says_nothing() {
    let (_listener, queue, registry) = collector().await;
    let traces = Traces::new(&settings(true, 1.0), Some(queue));
    for _ in 0..20_000 {
        traces.enter(None).callback.unwrap().over(step("callback"));
    }
    let full = r#"livebridge_spans_dropped_total{reason="queue_full"}"#;
    assert!(counted(&registry, full) > 5_000);
}

/// The head and the body of a request.
async fn posted(socket: &mut TcpStream) -> (String, Vec<u8>) {
    let mut buffer = Vec::new();
    loop {
        assert_ne!(socket.read_buf(&mut buffer).await.unwrap(), 0);
        let Some(end) = buffer.windows(4).position(|four| four == b"\r\n\r\n") else {
            continue;
        };
        let head = String::from_utf8(buffer[..end + 2].to_vec()).unwrap();
        let lengths = head
            .lines()
            .find_map(|l| l.strip_prefix("content-length: "));
        let body = &buffer[end + 4..];
        if body.len() == lengths.unwrap().parse::<usize>().unwrap() {
            return (head, body.to_vec());
        }
    }
}

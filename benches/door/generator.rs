//! The load: kept-alive connections, each sending its next callback when the last was answered. Every callback is another
//! one, and signed anew every second.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use support::callback;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
};

/// Eight digits, so that every body has the same length.
const FIRST_NUMBER: u64 = 10_000_000;
/// Over how many streams the callbacks go: a usual day's.
pub(crate) const STREAMS: u64 = 5000;
static OVER: AtomicU64 = AtomicU64::new(STREAMS);

/// Across all rounds, so that the relay never sees a callback twice.
static NEXT: AtomicU64 = AtomicU64::new(FIRST_NUMBER);

/// What one round showed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Measured {
    pub(crate) count: usize,
    pub(crate) per_second: f64,
    pub(crate) cpu_micros: f64,
    pub(crate) p50_millis: f64,
    pub(crate) p99_millis: f64,
}

/// The rounds of one server.
#[derive(Debug, Default)]
pub(crate) struct Rounds(Vec<Measured>);

impl Rounds {
    pub(crate) fn push(&mut self, measured: Measured) {
        self.0.push(measured);
    }

    /// CPU a callback to another's, round by round: the least, the median, the most.
    pub(crate) fn cpu_to(&self, other: &Self) -> [f64; 3] {
        let pairs = self.0.iter().zip(&other.0);
        let mut ratios: Vec<f64> = pairs.map(|(a, b)| a.cpu_micros / b.cpu_micros).collect();
        ratios.sort_by(f64::total_cmp);
        let last = ratios.len().saturating_sub(1);
        let at = |place: usize| ratios.get(place).copied().unwrap_or(f64::NAN);
        [
            at(0),
            f64::midpoint(at(last / 2), at(last.div_ceil(2))),
            at(last),
        ]
    }

    /// The median of each figure.
    pub(crate) fn median(&self) -> Measured {
        let of = |figure: fn(&Measured) -> f64| {
            let mut all: Vec<f64> = self.0.iter().map(figure).collect();
            all.sort_by(f64::total_cmp);
            all.get(all.len() / 2).copied().unwrap_or(f64::NAN)
        };
        Measured {
            count: self.0.iter().map(|m| m.count).sum(),
            per_second: of(|m| m.per_second),
            cpu_micros: of(|m| m.cpu_micros),
            p50_millis: of(|m| m.p50_millis),
            p99_millis: of(|m| m.p99_millis),
        }
    }
}

/// The answers of one round.
#[derive(Debug)]
pub(crate) struct Answers {
    took: Duration,
    latencies: Vec<Duration>,
}

impl Answers {
    /// With the CPU time that the server used meanwhile.
    pub(crate) fn measured(mut self, cpu_seconds: f64) -> Measured {
        self.latencies.sort_unstable();
        let count = self.latencies.len();
        let at = |share: f64| {
            let place = (count as f64 * share) as usize;
            let latency = self.latencies.get(place.min(count.saturating_sub(1)));
            latency.map_or(f64::NAN, |l| l.as_secs_f64() * 1e3)
        };
        Measured {
            count,
            per_second: count as f64 / self.took.as_secs_f64(),
            cpu_micros: cpu_seconds * 1e6 / count as f64,
            p50_millis: at(0.5),
            p99_millis: at(0.99),
        }
    }
}

/// From now on the callbacks go over so many streams, at most 900,000.
pub(crate) fn over(streams: u64) {
    OVER.store(streams, Ordering::Relaxed);
}

/// The size of each body.
pub(crate) fn body_bytes() -> usize {
    body(FIRST_NUMBER, callback::fresh_t()).len()
}

/// Loads the server for this long.
#[tokio::main]
pub(crate) async fn run(address: &str, connections: usize, time: Duration) -> Answers {
    let address: Arc<str> = address.into();
    let begin = Instant::now();
    let mut tasks = JoinSet::new();
    for _ in 0..connections {
        tasks.spawn(connection(Arc::clone(&address), begin + time));
    }
    let latencies = tasks.join_all().await.concat();
    Answers {
        took: begin.elapsed(),
        latencies,
    }
}

async fn connection(address: Arc<str>, end: Instant) -> Vec<Duration> {
    let mut stream = TcpStream::connect(&*address).await.expect("a connection");
    stream.set_nodelay(true).expect("a socket option");
    let mut latencies = Vec::new();
    let mut answer = Vec::with_capacity(1024);
    let mut signed = Signed::default();
    loop {
        let request = signed.next();
        let begin = Instant::now();
        if begin >= end {
            return latencies;
        }
        stream
            .write_all(request.as_bytes())
            .await
            .expect("the server reads");
        read_answer(&mut stream, &mut answer).await;
        latencies.push(begin.elapsed());
    }
}

/// Whether an answer is there to its end: with the body that most servers send, or without one.
pub(crate) fn is_whole(answer: &[u8]) -> bool {
    let ends = |end: &[u8]| answer.ends_with(end);
    let is_empty = || {
        answer
            .windows(19)
            .any(|w| w.eq_ignore_ascii_case(b"content-length: 0\r\n"))
    };
    ends(br#"{"code":0}"#) || (ends(b"\r\n\r\n") && is_empty())
}

/// Reads one answer, which must be a 200.
async fn read_answer(stream: &mut TcpStream, answer: &mut Vec<u8>) {
    answer.clear();
    while !is_whole(answer) {
        let read = stream.read_buf(answer).await.expect("an answer");
        assert!(
            read > 0 && answer.len() < 1024,
            "{}",
            String::from_utf8_lossy(answer)
        );
    }
    assert!(
        answer.starts_with(b"HTTP/1.1 200"),
        "{}",
        String::from_utf8_lossy(answer)
    );
}

/// The parts of a request around its numbers: making each one from nothing would cost more than the servers do.
#[derive(Debug, Default)]
pub(crate) struct Signed {
    t: u64,
    parts: Vec<String>,
}

impl Signed {
    /// The next callback that no server has seen.
    pub(crate) fn next(&mut self) -> String {
        self.request(NEXT.fetch_add(1, Ordering::Relaxed))
    }

    fn request(&mut self, number: u64) -> String {
        const NUMBER: u64 = 77_777_777;
        const STREAM: &str = "stream-777777";
        let t = callback::fresh_t();
        if t != self.t {
            let body = body_of(STREAM, NUMBER, t);
            let request = format!(
                "POST /callbacks/tencent HTTP/1.1\r\nhost: relay\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            );
            // The marks alternate with the text between them.
            let marked = request
                .replace(STREAM, "\0s\0")
                .replace(&NUMBER.to_string(), "\0n\0");
            self.parts = marked.split('\0').map(str::to_owned).collect();
            self.t = t;
        }
        let (stream, number) = (stream(number), number.to_string());
        let parts = self.parts.iter().map(|part| match part.as_str() {
            "s" => stream.as_str(),
            "n" => number.as_str(),
            text => text,
        });
        parts.collect()
    }
}

pub(crate) fn stream(number: u64) -> String {
    format!("stream-{}", 100_000 + number % OVER.load(Ordering::Relaxed))
}

pub(crate) fn body(number: u64, t: u64) -> String {
    body_of(&stream(number), number, t)
}

fn body_of(stream: &str, number: u64, t: u64) -> String {
    callback::signed_at(&callback::recording(stream, number), t)
}

//! Senders that do everything right, and what they are owed.

use crate::{PATH, pulse::Pulse};
use std::{
    collections::BTreeMap,
    io::{Read, Write},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};
use support::{callback, wait};

pub(crate) const SENDERS: usize = 4;
/// Callbacks a second, of all of them.
pub(crate) const RATE: u64 = 200;
const PACE: Duration = Duration::from_millis(20);
const IN_TIME: Duration = Duration::from_secs(1);
const SUCCESS: &[u8] = b"{\"code\":0}";

/// A kept-alive connection.
pub(crate) trait Both: Read + Write {}
impl<T: Read + Write> Both for T {}

/// How to connect.
pub(crate) struct Line(pub(crate) Arc<dyn Fn() -> Box<dyn Both> + Send + Sync>);

impl Line {
    pub(crate) fn plain(address: &str) -> Self {
        let address = address.to_owned();
        Self(Arc::new(move || {
            let stream = crate::wire::connect(&address);
            let limit = Some(Duration::from_secs(20));
            stream.set_read_timeout(limit).expect("a socket");
            Box::new(stream)
        }))
    }
}

/// Running until stopped.
pub(crate) struct Honest {
    senders: Vec<JoinHandle<u64>>,
    stop: Arc<AtomicBool>,
    sent: Arc<AtomicU64>,
    slowest: Arc<AtomicU64>,
}

impl Honest {
    pub(crate) fn start(line: &Line) -> Self {
        let pulse = Arc::new(Pulse::start());
        let (stop, sent, slowest) = <(Arc<AtomicBool>, Arc<AtomicU64>, Arc<AtomicU64>)>::default();
        let senders = (0..SENDERS).map(|number| {
            let sender = Sender {
                stream: name(number),
                connect: Arc::clone(&line.0),
                pulse: Arc::clone(&pulse),
                stop: Arc::clone(&stop),
                sent: Arc::clone(&sent),
                slowest: Arc::clone(&slowest),
            };
            std::thread::spawn(move || sender.run())
        });
        Self {
            senders: senders.collect(),
            stop,
            sent,
            slowest,
        }
    }

    pub(crate) fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Panics if one of them was treated badly.
    pub(crate) fn check(&self) {
        assert!(
            self.senders.iter().all(|sender| !sender.is_finished()),
            "an honest sender was treated badly"
        );
    }

    /// How many callbacks each stream had; all were answered 200.
    pub(crate) fn stop(self) -> BTreeMap<String, u64> {
        self.stop.store(true, Ordering::Relaxed);
        let counts = self.senders.into_iter().map(|sender| sender.join());
        let counts: Vec<u64> = counts
            .map(|count| count.expect("an honest sender was treated badly"))
            .collect();
        eprintln!(
            "honest: {} callbacks, the slowest answer after {} ms",
            counts.iter().sum::<u64>(),
            self.slowest.load(Ordering::Relaxed)
        );
        (0..).map(name).zip(counts).collect()
    }
}

fn name(number: usize) -> String {
    format!("honest-{number}")
}

struct Sender {
    stream: String,
    connect: Arc<dyn Fn() -> Box<dyn Both> + Send + Sync>,
    pulse: Arc<Pulse>,
    stop: Arc<AtomicBool>,
    sent: Arc<AtomicU64>,
    slowest: Arc<AtomicU64>,
}

impl Sender {
    fn run(self) -> u64 {
        let began = Instant::now();
        let mut connection = (self.connect)();
        for count in 0_u32.. {
            if self.stop.load(Ordering::Relaxed) {
                return count.into();
            }
            wait::pass((PACE * count).saturating_sub(began.elapsed()));
            let body = callback::signed(&callback::recording(&self.stream, count.into()));
            let asked = Instant::now();
            send(&mut *connection, &body);
            self.in_time(asked);
            self.sent.fetch_add(1, Ordering::Relaxed);
        }
        unreachable!("so many callbacks take years")
    }

    /// Within a second, not counting time in which the machine stood still for everyone.
    fn in_time(&self, asked: Instant) {
        let took = asked.elapsed();
        if took > IN_TIME {
            let excused = self.pulse.stood_still(asked, asked + took);
            assert!(
                took <= IN_TIME + excused,
                "an honest sender waited {took:?}, and the machine stood still for {excused:?} of it"
            );
        }
        let millis = took.as_millis().try_into().expect("small");
        self.slowest.fetch_max(millis, Ordering::Relaxed);
    }
}

/// Sends a callback, which must be answered 200 on a connection that stays.
fn send(connection: &mut dyn Both, body: &str) {
    let head = format!(
        "POST {PATH} HTTP/1.1\r\nhost: relay\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let request = [head.as_bytes(), body.as_bytes()].concat();
    connection.write_all(&request).expect("the door reads");
    connection.flush().expect("the door reads");
    let mut answer = Vec::new();
    let mut some = [0; 1024];
    while !answer.ends_with(SUCCESS) {
        let read = connection
            .read(&mut some)
            .expect("an honest sender is answered");
        let told = String::from_utf8_lossy(&answer).into_owned();
        assert!(read > 0 && answer.len() < 1024, "no 200, but: {told}");
        answer.extend_from_slice(some.get(..read).unwrap_or_default());
    }
    assert!(
        answer.starts_with(b"HTTP/1.1 200 "),
        "{}",
        String::from_utf8_lossy(&answer)
    );
}

//! An open-loop sender: callbacks leave when their time has come, and each latency counts from that time, so that a server
//! that stalls can't hide it by slowing its senders down.

use crate::generator::{Signed, is_whole};
use std::{
    io::{Read, Write},
    net::TcpStream,
    thread,
    time::{Duration, Instant},
};

/// Connections, each with a thread that sleeps until its callback's time: timers of an async runtime are too coarse.
const CONNECTIONS: u32 = 16;

/// Sends `rate` callbacks a second for `time`; the latencies, in order of their size.
pub(crate) fn run(address: &str, rate: u32, time: Duration) -> Vec<Duration> {
    let begin = Instant::now() + Duration::from_millis(50);
    let gap = Duration::from_secs(1) * CONNECTIONS / rate;
    let mut latencies: Vec<Duration> = thread::scope(|scope| {
        let senders: Vec<_> = (0..CONNECTIONS)
            .map(|at| {
                let first = begin + gap * at / CONNECTIONS;
                scope.spawn(move || sender(address, first, gap, begin + time))
            })
            .collect();
        let joined = senders.into_iter().map(|s| s.join().expect("a sender"));
        joined.flatten().collect()
    });
    latencies.sort_unstable();
    latencies
}

#[expect(
    clippy::disallowed_methods,
    reason = "a thread of its own, which has nothing to do until then"
)]
fn sender(address: &str, first: Instant, gap: Duration, end: Instant) -> Vec<Duration> {
    let mut stream = TcpStream::connect(address).expect("a connection");
    stream.set_nodelay(true).expect("a socket option");
    let (mut latencies, mut answer) = (Vec::new(), Vec::new());
    let mut signed = Signed::default();
    let mut due = first;
    while due < end {
        let request = signed.next();
        thread::sleep(due.saturating_duration_since(Instant::now()));
        stream
            .write_all(request.as_bytes())
            .expect("the server reads");
        read_answer(&mut stream, &mut answer);
        latencies.push(due.elapsed());
        due += gap;
    }
    latencies
}

/// Reads one answer, which must be a 200.
fn read_answer(stream: &mut TcpStream, answer: &mut Vec<u8>) {
    answer.clear();
    let mut piece = [0; 512];
    while !is_whole(answer) {
        let read = stream.read(&mut piece).expect("an answer");
        answer.extend_from_slice(piece.get(..read).unwrap_or_default());
        assert!(read > 0, "{}", String::from_utf8_lossy(answer));
    }
    assert!(answer.starts_with(b"HTTP/1.1 200"));
}

/// How long a write of a callback's size and its sync take on this volume, into blocks that were written before: p50 and p99.
pub(crate) fn sync_times(dir: &std::path::Path) -> (Duration, Duration) {
    use std::os::unix::fs::FileExt;
    const TIMES: u64 = 500;
    let file = std::fs::File::create_new(dir.join("sync-times")).expect("a file for the syncs");
    file.write_all_at(&vec![0; 1024 * TIMES as usize], 0)
        .and_then(|()| file.sync_all())
        .expect("room for half a megabyte");
    let mut took: Vec<Duration> = (0..TIMES)
        .map(|n| {
            let begin = Instant::now();
            file.write_all_at(&[7; 1024], n * 1024)
                .and_then(|()| file.sync_data())
                .expect("a write and a sync");
            begin.elapsed()
        })
        .collect();
    took.sort_unstable();
    (at(&took, 0.5), at(&took, 0.99))
}

/// The latency that this share stayed below.
pub(crate) fn at(sorted: &[Duration], share: f64) -> Duration {
    let place = (sorted.len() as f64 * share) as usize;
    let place = place.min(sorted.len().saturating_sub(1));
    sorted.get(place).copied().unwrap_or_default()
}

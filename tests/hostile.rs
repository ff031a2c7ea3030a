//! The front door in hostile weather: the real binary, an honest sender at 200 callbacks a second that is answered 200
//! within a second all the while, and everything that the internet throws at a door. No Kafka is needed: whatever is
//! accepted waits in the spool, and is counted there.
//!
//! ```text
//!  honest ×4 ──► 200 ≤ 1 s ─┐
//!  idle ×5,000              ├──► relay: every attack ends in its answer or a closed connection, in time;
//!  one attack at a time ────┘           accepted = what the honest ones sent; memory + 64 MiB at most
//! ```

use std::{
    io::{Read, Write},
    net::TcpStream,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};
use support::{callback, http::Client, relay::Relay, topics::Topics, wait};

const PATH: &str = "/callbacks/tencent";
const HONEST: usize = 4;
const PACE: Duration = Duration::from_millis(20);
const IN_TIME: Duration = Duration::from_secs(1);
const MEMORY: i64 = 64 << 20;
/// The relay's limits are 1 s for a head and 2 s for a body; the machine may be busy.
const HEAD: Duration = Duration::from_secs(6);
const BODY: Duration = Duration::from_secs(7);

fn relay() -> Relay {
    Relay::new(
        env!("CARGO_BIN_EXE_livebridge"),
        "127.0.0.1:1",
        &Topics::named(),
    )
    .set("http.header_timeout", "\"1s\"")
    .set("http.body_timeout", "\"2s\"")
}

/// Its name, and what does it to an address.
type Attack = (&'static str, fn(&str));

/// Senders that do everything right, until stopped.
struct Honest {
    senders: Vec<JoinHandle<()>>,
    stop: Arc<AtomicBool>,
    sent: Arc<AtomicU64>,
    slowest: Arc<AtomicU64>,
}

impl Honest {
    fn start(address: &str) -> Self {
        let (stop, sent, slowest) = <(Arc<AtomicBool>, Arc<AtomicU64>, Arc<AtomicU64>)>::default();
        let sender = |number: usize| {
            let (stop, sent, slowest) =
                (Arc::clone(&stop), Arc::clone(&sent), Arc::clone(&slowest));
            let mut client = Client::new(address);
            std::thread::spawn(move || {
                let began = Instant::now();
                for count in 0.. {
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                    wait::pass((PACE * count).saturating_sub(began.elapsed()));
                    let body = callback::signed(&callback::recording(
                        &format!("honest-{number}"),
                        count.into(),
                    ));
                    let asked = Instant::now();
                    let answer = client
                        .post(PATH, &body)
                        .expect("an honest sender is answered");
                    let took = asked.elapsed();
                    assert_eq!(answer.status, 200, "{}", answer.text());
                    assert!(took <= IN_TIME, "an honest sender waited {took:?}");
                    sent.fetch_add(1, Ordering::Relaxed);
                    let millis = took.as_millis().try_into().expect("small");
                    slowest.fetch_max(millis, Ordering::Relaxed);
                }
            })
        };
        Self {
            senders: (0..HONEST).map(sender).collect(),
            stop,
            sent,
            slowest,
        }
    }

    fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Panics if one of them was treated badly.
    fn check(&self) {
        assert!(
            self.senders.iter().all(|sender| !sender.is_finished()),
            "an honest sender was treated badly"
        );
    }

    /// How many callbacks were sent.
    fn stop(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        for sender in self.senders {
            sender.join().expect("an honest sender was treated badly");
        }
        eprintln!(
            "honest: {} callbacks, the slowest answer after {} ms",
            self.sent.load(Ordering::Relaxed),
            self.slowest.load(Ordering::Relaxed)
        );
        self.sent.load(Ordering::Relaxed)
    }
}

fn connect(address: &str) -> TcpStream {
    let stream = TcpStream::connect(address).expect("the door takes connections");
    stream.set_nodelay(true).expect("a socket");
    stream
}

/// Everything that comes until the connection ends, which must be within `limit`.
#[track_caller]
fn rest(mut stream: &TcpStream, limit: Duration) -> Vec<u8> {
    let end = Instant::now() + limit;
    let mut all = Vec::new();
    loop {
        let left = end.saturating_duration_since(Instant::now());
        assert!(!left.is_zero(), "not closed within {limit:?}");
        stream.set_read_timeout(Some(left)).expect("a socket");
        let mut some = [0; 16 * 1024];
        match stream.read(&mut some) {
            Ok(0) => return all,
            Ok(len) => all.extend_from_slice(some.get(..len).unwrap_or_default()),
            Err(why) if why.kind() == std::io::ErrorKind::ConnectionReset => return all,
            Err(why) => panic!("not closed within {limit:?}: {why}"),
        }
    }
}

fn statuses(answers: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(answers);
    let lines = text.split("HTTP/1.1 ").skip(1);
    lines.map(|line| line.chars().take(3).collect()).collect()
}

/// Sends what can be sent; what was answered until the end.
#[track_caller]
fn ask(address: &str, bytes: &[u8], limit: Duration) -> Vec<String> {
    let mut stream = connect(address);
    // It may be closed before all is sent.
    let _ = stream.write_all(bytes);
    statuses(&rest(&stream, limit))
}

fn post(headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST {PATH} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}Content-Length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

fn idle(address: &str) -> Vec<TcpStream> {
    let limits = std::fs::read_to_string("/proc/self/limits").expect("/proc");
    let line = limits
        .lines()
        .find(|line| line.starts_with("Max open files"));
    let soft: usize = line
        .and_then(|line| line.split_whitespace().nth(3)?.parse().ok())
        .unwrap_or(1024);
    // The relay has the same limit, and both need some for other things.
    let count = soft.saturating_sub(400).min(5000);
    let connections = (0..count).map(|_| connect(address)).collect();
    eprintln!("idle connections: {count}");
    connections
}

fn slow_heads(address: &str) {
    let slow: Vec<_> = (0..200).map(|_| connect(address)).collect();
    let end = Instant::now() + Duration::from_secs(2);
    for byte in b"POST /callbacks/tencent HTTP/1.1\r\nHost: x\r\n"
        .iter()
        .cycle()
    {
        if Instant::now() > end {
            break;
        }
        for mut stream in &slow {
            let _ = stream.write_all(&[*byte]);
        }
        wait::pass(Duration::from_millis(100));
    }
    for stream in &slow {
        assert!(
            statuses(&rest(stream, HEAD)).is_empty(),
            "half a head was answered"
        );
    }
}

fn slow_bodies(address: &str) {
    let slow: Vec<_> = (0..200).map(|_| connect(address)).collect();
    for mut stream in &slow {
        let head = format!("POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n");
        stream.write_all(head.as_bytes()).expect("a head is taken");
    }
    let end = Instant::now() + Duration::from_secs(3);
    while Instant::now() < end {
        for mut stream in &slow {
            let _ = stream.write_all(b" ");
        }
        wait::pass(Duration::from_millis(100));
    }
    for stream in &slow {
        assert_eq!(statuses(&rest(stream, BODY)), ["408"]);
    }
}

fn endless_chunks(address: &str) {
    let chunk = format!("1000\r\n{}\r\n", " ".repeat(4096));
    let mut all: Vec<_> = (0..8).map(|_| connect(address)).collect();
    for stream in &mut all {
        let head = format!("POST {PATH} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
        stream.write_all(head.as_bytes()).expect("a head is taken");
        // Ten times what a body may have, unless it is cut off.
        for _ in 0..2400 {
            if stream.write_all(chunk.as_bytes()).is_err() {
                break;
            }
        }
        let answers = statuses(&rest(stream, BODY));
        // A reset may overtake the answer, since far more is sent than is read on.
        assert!(answers.is_empty() || answers == ["413"], "{answers:?}");
    }
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let len = u32::try_from(payload.len()).expect("short").to_be_bytes();
    [&len[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// GET / over http, by the static table alone.
const GET: [u8; 3] = [0x82, 0x84, 0x86];

fn http2_floods(address: &str) {
    let hello = [
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".as_slice(),
        &frame(4, 0, 0, &[]),
    ]
    .concat();
    let mut resets = hello.clone();
    for stream in (1..20_000).step_by(2) {
        resets.extend(frame(1, 4, stream, &GET));
        resets.extend(frame(3, 0, stream, &8_u32.to_be_bytes()));
    }
    let continuations = [
        hello.clone(),
        frame(1, 0, 1, &GET),
        frame(9, 0, 1, &[]).repeat(50_000),
    ]
    .concat();
    let larger = [
        hello.clone(),
        frame(1, 0, 1, &GET),
        frame(9, 0, 1, &[0; 16_000]).repeat(100),
    ]
    .concat();
    for flood in [resets, continuations, larger] {
        for _ in 0..4 {
            let mut stream = connect(address);
            let _ = stream.write_all(&flood);
            rest(&stream, HEAD);
        }
    }
    // Pings whose answers are never read.
    let mut stream = connect(address);
    let _ = stream.write_all(&[hello, frame(6, 0, 0, &[0; 8]).repeat(10_000)].concat());
}

fn pipelining(address: &str) {
    let one = format!("POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx");
    let last = String::from_utf8(post("", b"x")).expect("ASCII");
    let answers = ask(address, (one.repeat(999) + &last).as_bytes(), BODY);
    assert_eq!(
        (answers.len(), answers.iter().all(|a| a == "400")),
        (1000, true)
    );
}

fn smuggling(address: &str) {
    let behind = String::from_utf8(post("", b"{}")).expect("ASCII");
    let shape = |head: &str| format!("POST {PATH} HTTP/1.1{head}{behind}");
    for (name, head) in [
        (
            "both lengths",
            "\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        ),
        (
            "both, the other way round",
            "\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        ),
        (
            "two lengths",
            "\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{} ",
        ),
        (
            "a length that is none",
            "\r\nHost: x\r\nContent-Length: +2\r\n\r\n{}",
        ),
        (
            "another coding",
            "\r\nHost: x\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        ),
        (
            "obs-fold",
            "\r\nHost: x\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
        ),
        (
            "white space before the colon",
            "\r\nHost: x\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        ),
        (
            "chunked in HTTP/1.0",
            "\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        ),
        (
            "a bare LF in a chunk's size",
            "\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\n\n",
        ),
    ] {
        let mut request = shape(head);
        if name.ends_with("1.0") {
            request = request.replacen("HTTP/1.1", "HTTP/1.0", 1);
        }
        let answers = ask(address, request.as_bytes(), HEAD);
        // One refusal, and what is behind is not taken for a request.
        assert!(
            answers.is_empty() || answers == ["400"],
            "{name}: {answers:?}"
        );
    }
    // Lines that end in a bare LF are read as lines, by everyone alike: nothing can hide behind them.
    let bare =
        format!("POST {PATH} HTTP/1.1\nHost: x\nConnection: close\nContent-Length: 2\n\n{{}}");
    assert_eq!(ask(address, bare.as_bytes(), HEAD), ["401"]);
}

fn bodies(address: &str) {
    let t = callback::fresh_t();
    let sign = callback::sign("not the key", t);
    let forged = |rest: &str| format!(r#"{{"event_type":100,"t":{t},"sign":"{sign}"{rest}}}"#);
    let deep = |open: &str, close: &str| {
        format!(
            "{{\"a\":{}{}}}",
            open.repeat(100_000),
            close.repeat(100_000)
        )
    };
    let number = |digits: usize| "9".repeat(digits);
    for (status, body) in [
        ("400", deep("[", "]").into_bytes()),
        ("400", deep("{\"a\":", "}").into_bytes()),
        ("400", "[".repeat(900_000).into_bytes()),
        ("400", forged(r#","a":1,"a":2"#).into_bytes()),
        ("400", forged(r#","a":"\ud800""#).into_bytes()),
        ("400", [forged("").as_bytes(), b"\xff"].concat()),
        ("400", b"{\"a\":\"\xc0\xaf\"}".to_vec()),
        ("400", vec![0; 500_000]),
        (
            "401",
            forged(&format!(r#","a":{}"#, number(500_000))).into_bytes(),
        ),
        ("401", forged(r#","a":1e999999999999"#).into_bytes()),
        (
            "401",
            format!(
                r#"{{"event_type":{0},"t":{0},"sign":"{sign}"}}"#,
                number(400_000)
            )
            .into_bytes(),
        ),
        ("401", forged("").into_bytes()),
        ("401", b"{}".to_vec()),
    ] {
        let shown = String::from_utf8_lossy(body.get(..80).unwrap_or(&body)).into_owned();
        assert_eq!(ask(address, &post("", &body), BODY), [status], "{shown}");
    }
    assert_eq!(
        ask(
            address,
            &post(&format!("X: {}\r\n", "x".repeat(200 << 10)), b"{}"),
            HEAD
        ),
        ["431"]
    );
}

#[test]
fn an_honest_sender_is_served_whatever_the_weather() {
    // In memory: the weather is at the door, and another process's use of the disk would be taken for it.
    let memory_disk = tempfile::tempdir_in("/dev/shm").expect("a directory in memory");
    let spool = format!("\"{}\"", memory_disk.path().join("spool").display());
    let mut relay = relay().set("spool.dir", &spool);
    relay.start();
    let address = relay.address();
    let honest = Honest::start(&address);
    wait::until(
        "the honest senders are under way",
        Duration::from_secs(20),
        || (honest.sent() > 400).then_some(()),
    );
    let memory = || relay.metrics().count("process_resident_memory_bytes", &[]);
    let before = memory();
    let mut most = before;
    let idle = idle(&address);
    let attacks: [Attack; 7] = [
        ("slow heads", slow_heads),
        ("slow bodies", slow_bodies),
        ("endless chunks", endless_chunks),
        ("floods of HTTP/2", http2_floods),
        ("pipelining", pipelining),
        ("smuggling", smuggling),
        ("bodies", bodies),
    ];
    for (name, attack) in attacks {
        let (began, sent) = (Instant::now(), honest.sent());
        attack(&address);
        honest.check();
        let now = memory();
        eprintln!(
            "{name}: {:?}, {} honest callbacks, memory + {} KiB",
            began.elapsed(),
            honest.sent() - sent,
            (now - before) >> 10
        );
        most = most.max(now);
    }
    // Nobody is left but who may be: the idle ones, the honest ones, and whoever asks.
    let expected = i64::try_from(idle.len() + HONEST).expect("few");
    wait::until("every attacker is closed", BODY, || {
        (relay.metrics().count("livebridge_http_connections", &[]) <= expected).then_some(())
    });
    let sent = i64::try_from(honest.stop()).expect("few");
    assert!(
        most - before < MEMORY,
        "memory grew by {} KiB",
        (most - before) >> 10
    );
    let metrics = relay.metrics();
    assert_eq!(
        metrics.count("livebridge_callbacks_total", &[r#"outcome="accepted""#]),
        sent
    );
    assert_eq!(
        metrics.count("livebridge_callbacks_total", &[r#"outcome="duplicate""#]),
        0
    );
    let flow = metrics.flow();
    assert!(flow.balances() && flow.pending == sent, "{flow}");
}

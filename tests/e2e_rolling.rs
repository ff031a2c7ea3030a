//! A rolling restart: three relays behind a plain TCP balancer, under load, ended one after another by SIGTERM and started
//! again. The sender hears nothing but 200, and everything it was told is in Kafka.

use std::{
    io,
    net::{Shutdown, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};
use support::{
    callback::{recording, signed},
    http::Client,
    kafka::Broker,
    reader,
    relay::Relay,
    topics::Topics,
    wait,
};

const SETTLE: Duration = Duration::from_secs(120);
const SENDERS: usize = 4;

/// Passes bytes between a client and the next relay in turn, as a load balancer at the level of TCP does: of requests it
/// knows nothing. A relay is in the turn while its `/readyz` says so, which is asked before each new connection.
struct Balancer {
    address: String,
    stop: Arc<AtomicBool>,
    accepting: Option<JoinHandle<()>>,
}

impl Balancer {
    fn start(relays: &Arc<Vec<Mutex<Relay>>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("bound").to_string();
        let stop = Arc::new(AtomicBool::new(false));
        let (relays, stopped) = (Arc::clone(relays), Arc::clone(&stop));
        let accepting = std::thread::spawn(move || {
            let next = AtomicUsize::new(0);
            for client in listener.incoming() {
                if stopped.load(Ordering::Relaxed) {
                    return;
                }
                let client = client.expect("a connection");
                let relay = ready(&relays, &next);
                std::thread::spawn(move || pass(&client, &relay));
            }
        });
        Self {
            address,
            stop,
            accepting: Some(accepting),
        }
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // Wakes it.
        let _ = TcpStream::connect(&self.address);
        if let Some(accepting) = self.accepting.take() {
            let _ = accepting.join();
        }
    }
}

/// The address of the next relay that is ready.
fn ready(relays: &[Mutex<Relay>], next: &AtomicUsize) -> String {
    wait::until("a relay that is ready", SETTLE, || {
        let turn = next.fetch_add(1, Ordering::Relaxed);
        let relay = relays.get(turn % relays.len())?.try_lock().ok()?;
        (relay.readyz() == Some(200)).then(|| relay.address())
    })
}

/// Both ways until both have ended.
fn pass(client: &TcpStream, relay: &str) {
    let Ok(relay) = TcpStream::connect(relay) else {
        let _ = client.shutdown(Shutdown::Both);
        return;
    };
    let one_way = |from: &TcpStream, to: &TcpStream| {
        let [mut from, mut into] = [from, to].map(|side| side.try_clone().expect("a handle"));
        std::thread::spawn(move || {
            let _ = io::copy(&mut from, &mut into);
            let _ = into.shutdown(Shutdown::Write);
        })
    };
    let there = one_way(client, &relay);
    let back = one_way(&relay, client);
    let _ = (there.join(), back.join());
}

/// Posts one callback after another on a kept-alive connection until told to stop; each must be answered 200, at once and
/// without a retry. Returns how many.
fn send(address: String, sender: usize, stop: Arc<AtomicBool>, sent: Arc<AtomicUsize>) -> u64 {
    let mut client = Client::new(address);
    for number in 1.. {
        if stop.load(Ordering::Relaxed) {
            return number - 1;
        }
        let body = signed(&recording(&format!("stream-{sender}"), number));
        let answer = client.post("/callbacks/tencent", &body);
        let answer = answer.unwrap_or_else(|e| panic!("no answer to {number} of {sender}: {e}"));
        assert_eq!(answer.status, 200, "{}", answer.text());
        sent.fetch_add(1, Ordering::Relaxed);
        wait::pass(Duration::from_millis(5));
    }
    unreachable!("a sender doesn't come to the end of all numbers")
}

#[test]
fn a_rolling_restart_answers_nothing_but_200_and_loses_nothing() {
    let broker = Broker::shared();
    let topics = Topics::create(broker, 3);
    let binary = env!("CARGO_BIN_EXE_livebridge");
    let relays: Vec<_> = (0..3)
        .map(|_| {
            let mut relay = Relay::new(binary, &broker.bootstrap(), &topics)
                // Long enough for every sender to come by once more and be told to connect anew.
                .set("drain.delay", "\"1500ms\"");
            relay.start();
            Mutex::new(relay)
        })
        .collect();
    let relays = Arc::new(relays);
    let balancer = Balancer::start(&relays);
    let (stop, sent) = <(Arc<AtomicBool>, Arc<AtomicUsize>)>::default();
    let senders: Vec<_> = (0..SENDERS)
        .map(|sender| {
            let (address, stop, sent) = (balancer.address.clone(), stop.clone(), sent.clone());
            std::thread::spawn(move || send(address, sender, stop, sent))
        })
        .collect();
    let more = |count| {
        let goal = sent.load(Ordering::Relaxed) + count;
        wait::until("more callbacks are answered 200", SETTLE, || {
            let failed = senders.iter().any(JoinHandle::is_finished);
            (failed || sent.load(Ordering::Relaxed) >= goal).then_some(())
        });
    };

    for relay in relays.iter() {
        more(200);
        relay.lock().expect("no panic").terminate();
        // The lock isn't held meanwhile: the balancer goes on asking whether it is ready.
        let status = wait::until("the relay's end", SETTLE, || {
            relay.lock().expect("no panic").ended()
        });
        assert!(status.success(), "{status}");
        let mut relay = relay.lock().expect("no panic");
        relay.wait_for_exit(SETTLE);
        relay.start();
    }
    more(200);
    stop.store(true, Ordering::Relaxed);
    let counts: Vec<_> = senders
        .into_iter()
        .map(|sender| sender.join().expect("every answer was 200"))
        .collect();
    drop(balancer);

    for relay in relays.iter() {
        relay.lock().expect("no panic").wait_until_settled(SETTLE);
    }
    let messages = reader::read(&broker.bootstrap(), &[topics.of("recording")]);
    for (sender, count) in counts.iter().enumerate() {
        let stream = format!("stream-{sender}");
        let mut numbers: Vec<_> = messages
            .iter()
            .filter(|message| message.key_text() == Some(&stream))
            .map(|message| {
                message.json()["media_start_time"]
                    .as_u64()
                    .expect("a number")
            })
            .collect();
        // Order holds per spool, and the balancer deals one stream to several.
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers, (1..=*count).collect::<Vec<_>>(), "{stream}");
    }
}

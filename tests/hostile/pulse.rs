//! How long the machine itself stands still: a control that has nothing to do with the relay. A thread asks another one
//! over a loopback connection, again and again; where that took long, it wasn't the relay that was slow.
//!
//! Both are hardly ever on the processor, so that no attack, and nothing that the relay does, holds them up for long: the
//! scheduler is fair. What does is a machine that is frozen, swaps, or has far more to run than it can.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};
use support::wait;

const PAUSE: Duration = Duration::from_millis(20);
/// Shorter ones are nothing out of the ordinary.
const STALL: Duration = Duration::from_millis(250);

/// Running until dropped.
pub(crate) struct Pulse {
    stalls: Arc<Mutex<Vec<(Instant, Instant)>>>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Pulse {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let mut near = TcpStream::connect(listener.local_addr().expect("a port")).expect("itself");
        let (mut far, _) = listener.accept().expect("itself");
        for end in [&near, &far] {
            end.set_nodelay(true).expect("a socket");
        }
        let stalls = Arc::<Mutex<Vec<_>>>::default();
        let stop = Arc::<AtomicBool>::default();
        let echo = std::thread::spawn(move || {
            let mut byte = [0];
            while far.read_exact(&mut byte).is_ok() && far.write_all(&byte).is_ok() {}
        });
        let (noted, stopped) = (Arc::clone(&stalls), Arc::clone(&stop));
        let asking = std::thread::spawn(move || {
            let mut byte = [0];
            while !stopped.load(Ordering::Relaxed) {
                let asked = Instant::now();
                wait::pass(PAUSE);
                near.write_all(b"x").expect("the other end");
                near.read_exact(&mut byte).expect("the other end");
                let answered = Instant::now();
                if answered - asked > STALL + PAUSE {
                    noted.lock().expect("stalls").push((asked, answered));
                }
            }
        });
        Self {
            stalls,
            stop,
            threads: vec![asking, echo],
        }
    }

    /// How long the machine stood still between two moments.
    pub(crate) fn stood_still(&self, from: Instant, to: Instant) -> Duration {
        let stalls = self.stalls.lock().expect("stalls");
        let within = |(began, ended): &(Instant, Instant)| {
            (*ended)
                .min(to)
                .saturating_duration_since((*began).max(from))
        };
        stalls.iter().map(within).sum()
    }
}

impl Drop for Pulse {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // A panic was told where it happened.
            drop(thread.join());
        }
        let stalls = self.stalls.lock().expect("stalls");
        let longest = stalls.iter().map(|(began, ended)| *ended - *began).max();
        eprintln!(
            "the machine stood still {} times, at the longest for {:?}",
            stalls.len(),
            longest.unwrap_or_default()
        );
    }
}

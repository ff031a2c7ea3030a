//! Who polls a producer: a thread of its own, or for a while whoever enqueues.
//!
//! A message's memory is taken where it is enqueued and given back where its report is polled. On two threads that both
//! have much to do, they wait for each other inside the C library's allocator: a backlog cost up to twice the CPU then. So
//! whoever enqueues much polls by itself meanwhile, and the thread rests.

use super::Context;
use crate::publish::mailbox::{ProducerId, Reports};
use rdkafka::producer::{BaseProducer, Producer as _};
use std::{
    io,
    sync::{
        Arc, Mutex, PoisonError, TryLockError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, Thread},
    time::{Duration, Instant},
};

/// How long the thread looks for events before it looks whether it shall close, or rest. Reports don't wait for it. Not
/// shorter: the client library rounds what is left down to milliseconds, and so spins through the last one, each time.
const POLL: Duration = Duration::from_millis(250);
/// How long the last reports of a purged producer are waited for. Some never come.
const LAST_REPORTS: Duration = Duration::from_secs(2);

/// Events at a time: whoever polls has other things to do as well.
const EVENTS_MAX: usize = 1000;

/// What the two have in common.
#[derive(Debug, Default)]
struct Turns {
    /// Held by the one who polls: reports come one after the other, as the brokers' answers did.
    polls: Mutex<()>,
    /// Somebody else polled since the thread's last look.
    relieved: AtomicBool,
    closing: AtomicBool,
}

/// The thread, from outside. Dropping it does not end it.
#[derive(Debug)]
pub(super) struct Poller {
    turns: Arc<Turns>,
    thread: Thread,
}

impl Poller {
    /// Starts the thread.
    ///
    /// # Errors
    /// If there is no thread for it.
    pub(super) fn start(
        id: ProducerId,
        client: Arc<BaseProducer<Context>>,
        reports: Arc<dyn Reports>,
    ) -> io::Result<Self> {
        let turns = Arc::<Turns>::default();
        let theirs = Arc::clone(&turns);
        let handle = thread::Builder::new()
            .name("livebridge-kafka".into())
            .spawn(move || {
                run(&theirs, &client);
                reports.closed(id);
                // It may take as long as it likes.
                drop(client);
            })?;
        let thread = handle.thread().clone();
        Ok(Self { turns, thread })
    }

    /// Polls in the thread's place: all that is there. The thread rests then, for as long as this is called at least every
    /// `POLL`; what comes after the last call waits for at most twice that, or for [`Self::resume`].
    pub(super) fn poll_inline(&self, client: &BaseProducer<Context>) {
        self.turns.relieved.store(true, Ordering::Release);
        let _turn = match self.turns.polls.try_lock() {
            Ok(turn) => turn,
            Err(TryLockError::Poisoned(turn)) => turn.into_inner(),
            // The thread has it in hand, and looks up soon.
            Err(TryLockError::WouldBlock) => return,
        };
        // An event holds all reports of a broker's answer. What is left comes with the next look.
        (0..EVENTS_MAX).take_while(|_| polled(client)).count();
    }

    /// The thread polls again.
    pub(super) fn resume(&self) {
        self.turns.relieved.store(false, Ordering::Release);
        self.thread.unpark();
    }

    /// The thread waits for the last reports, then lets go of the client. Nobody who must not block may have the last reference.
    pub(super) fn close(&self) {
        self.turns.closing.store(true, Ordering::Release);
        self.thread.unpark();
    }
}

/// One event, and all that it holds. False: there was none.
fn polled(client: &BaseProducer<Context>) -> bool {
    let events = || client.client().context().events.load(Ordering::Relaxed);
    let before = events();
    client.poll(Duration::ZERO);
    events() != before
}

/// The thread, until it shall close.
fn run(turns: &Turns, client: &BaseProducer<Context>) {
    while !turns.closing.load(Ordering::Acquire) {
        if turns.relieved.swap(false, Ordering::AcqRel) {
            thread::park_timeout(POLL);
        } else {
            let _turn = turns.polls.lock().unwrap_or_else(PoisonError::into_inner);
            client.poll(POLL);
        }
    }
    let since = Instant::now();
    while client.in_flight_count() > 0 && since.elapsed() < LAST_REPORTS {
        client.poll(Duration::from_millis(10));
    }
}

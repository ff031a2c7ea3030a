//! Best-effort copies of quarantined records for `topics.quarantine`.
//!
//! They go through a producer of their own, on a thread of their own, so that a refusal can't hurt anything else: the
//! local quarantine has the record, a copy that is lost is only counted, and logged. Where there is no local quarantine, the
//! record owes its copy: then the publisher hears what became of it.

mod held;
mod open;

use super::{
    access::Clients, client_log::ClientLog, mailbox::Reports, message::Message, metrics::Metrics,
};
use crate::spool::Seq;
use held::{COPIES_MAX, Held};
use open::{Context, Open, ce_id, dropped};
use rdkafka::{error::KafkaError, producer::Producer as _};
use std::{
    sync::{
        Arc,
        mpsc::{Receiver, SyncSender, TryRecvError, sync_channel},
    },
    thread,
    time::{Duration, Instant},
};

/// How long a copy is tried.
const TRIED_FOR_MS: &str = "60000";
/// How long the thread listens to the producer before it looks for the next copy.
const POLL: Duration = Duration::from_millis(100);
/// How long a producer without copies is kept, so that it isn't opened anew for each of many.
const LINGER: Duration = Duration::from_secs(5);
/// How long the last reports are waited for when the publisher has ended.
const LAST_REPORTS: Duration = Duration::from_secs(2);

/// Takes copies, or not.
pub(crate) trait Copies: Send {
    /// False: there is no room for it. Of a copy that is owed by a record, [`Reports::copied`] tells what became.
    fn offer(&self, copy: Message, owed_by: Option<Seq>) -> bool;
}

/// A copy, and the record that owes it.
#[derive(Debug)]
struct Waiting {
    copy: Message,
    owed_by: Option<Seq>,
}

impl Waiting {
    fn bytes(&self) -> usize {
        self.copy.payload.len()
    }
}

/// Copies to the real Kafka. The thread ends when this is dropped.
#[derive(Debug)]
pub(super) struct KafkaCopies {
    sender: SyncSender<Waiting>,
    /// What the thread hasn't taken yet.
    waiting: Held,
}

impl KafkaCopies {
    /// Starts the thread; the producer is opened with the first copy.
    pub(super) fn start(
        clients: Clients,
        metrics: Metrics,
        log: Arc<ClientLog>,
        reports: Arc<dyn Reports>,
    ) -> std::io::Result<Self> {
        let (copies, inbox) = Self::queue();
        let courier = Courier::new(clients, metrics, log, reports, inbox);
        thread::Builder::new()
            .name("livebridge-copies".into())
            .spawn(move || courier.run())?;
        Ok(copies)
    }

    fn queue() -> (Self, Inbox) {
        let (sender, copies) = sync_channel(COPIES_MAX);
        let waiting = Held::default();
        let inbox = Inbox {
            copies,
            waiting: waiting.clone(),
        };
        (Self { sender, waiting }, inbox)
    }
}

impl Copies for KafkaCopies {
    fn offer(&self, copy: Message, owed_by: Option<Seq>) -> bool {
        if !self.waiting.has_room() {
            return false;
        }
        let copy = Waiting { copy, owed_by };
        self.waiting.add(copy.bytes());
        let sent = self.sender.try_send(copy);
        // Its callback would wait for room without end. The end of this thread ends the process, and the next one begins anew.
        assert!(
            sent.is_ok() || owed_by.is_none(),
            "the thread of copies is gone, by a panic"
        );
        sent.is_ok()
    }
}

/// What the thread works with.
struct Courier {
    clients: Clients,
    metrics: Metrics,
    log: Arc<ClientLog>,
    reports: Arc<dyn Reports>,
    inbox: Inbox,
    open: Option<Open>,
}

/// What waits for the thread.
struct Inbox {
    copies: Receiver<Waiting>,
    waiting: Held,
}

/// The thread has ended, or panicked.
impl Drop for Inbox {
    fn drop(&mut self) {
        self.waiting.abandon();
    }
}

impl Inbox {
    /// None: there will be no more.
    fn wait(&self) -> Option<Waiting> {
        let copy = self.copies.recv().ok()?;
        self.waiting.remove(copy.bytes());
        Some(copy)
    }

    fn next(&self) -> Result<Waiting, TryRecvError> {
        let copy = self.copies.try_recv()?;
        self.waiting.remove(copy.bytes());
        Ok(copy)
    }
}

/// Whether a producer that had its last copy this long ago has nothing more to do.
fn is_over(under_way: &Held, idle_for: Duration) -> bool {
    under_way.copies() == 0 && idle_for >= LINGER
}

impl Courier {
    fn new(
        clients: Clients,
        metrics: Metrics,
        log: Arc<ClientLog>,
        reports: Arc<dyn Reports>,
        inbox: Inbox,
    ) -> Self {
        let clients = clients.changed(|config, _| {
            config
                .set("enable.gapless.guarantee", "false")
                .set("message.timeout.ms", TRIED_FOR_MS);
        });
        Self {
            clients,
            metrics,
            log,
            reports,
            inbox,
            open: None,
        }
    }

    fn run(mut self) {
        loop {
            // Nobody is waited for while nothing is under way.
            if self.open.is_none() {
                let Some(copy) = self.inbox.wait() else {
                    return;
                };
                self.send(&copy);
            }
            let ended = self.send_waiting();
            self.listen();
            if ended {
                return self.finish();
            }
        }
    }

    /// Sends what waits, as far as there is room. True: there will be no more.
    fn send_waiting(&mut self) -> bool {
        while self.takes_more() {
            match self.inbox.next() {
                Ok(copy) => self.send(&copy),
                Err(TryRecvError::Empty) => return false,
                Err(TryRecvError::Disconnected) => return true,
            }
        }
        false
    }

    /// A producer that logs in with what has been replaced only ends what it has.
    fn takes_more(&self) -> bool {
        let takes =
            |open: &Open| open.under_way.has_room() && self.clients.version() == open.version;
        self.open.as_ref().is_none_or(takes)
    }

    fn listen(&mut self) {
        let version = self.clients.version();
        let Some(open) = &mut self.open else { return };
        open.producer.poll(POLL);
        if open.under_way.copies() > 0 {
            open.busy_at = Instant::now();
        }
        let is_old = open.version != version && open.under_way.copies() == 0;
        if is_old || is_over(&open.under_way, open.busy_at.elapsed()) {
            self.close();
        }
    }

    fn finish(&mut self) {
        let since = Instant::now();
        while let Some(open) = &self.open
            && open.under_way.copies() > 0
            && since.elapsed() < LAST_REPORTS
        {
            open.producer.poll(POLL);
        }
        self.close();
    }

    fn send(&mut self, waiting: &Waiting) {
        // A producer that is done for takes nothing more.
        if let Some(open) = &self.open
            && open.producer.client().fatal_error().is_some()
        {
            self.close();
        }
        let sent = match self.open() {
            Ok(open) => open.send(waiting),
            Err(error) => Err(error),
        };
        if let Err(error) = sent {
            dropped(&self.metrics, &ce_id(&waiting.copy), &error);
            if let Some(seq) = waiting.owed_by {
                self.reports.copied(seq, false);
            }
        }
    }

    fn open(&mut self) -> Result<&mut Open, KafkaError> {
        let open = match self.open.take() {
            Some(open) => open,
            None => {
                let under_way = Held::default();
                let context = Context {
                    under_way: under_way.clone(),
                    metrics: self.metrics.clone(),
                    log: Arc::clone(&self.log),
                    reports: Arc::clone(&self.reports),
                };
                // Before the properties are taken: should they change in between, it is opened anew, needlessly.
                let version = self.clients.version();
                Open {
                    producer: self.clients.config().create_with_context(context)?,
                    under_way,
                    busy_at: Instant::now(),
                    version,
                }
            }
        };
        Ok(self.open.insert(open))
    }

    /// Drops the producer. What it still has is reported as purged; what isn't, is counted here.
    fn close(&mut self) {
        let Some(open) = self.open.take() else { return };
        let under_way = open.under_way.clone();
        drop(open);
        let lost = under_way.copies();
        if lost > 0 {
            tracing::warn!(lost, "copies of quarantined records got no report");
            (0..lost).for_each(|_| self.metrics.copy_dropped());
        }
    }
}

#[cfg(test)]
mod tests;

//! A producer with a window: takes records in order, says which arrived, and ends at the first that doesn't.

use super::{Fault, PATIENCE};
use crate::publish::{
    broker::{Broker, Enqueued, Producer},
    classify::Code,
    mailbox::{ProducerId, RecordTicket, Report, Reports, Ticket},
    message::Message,
    trouble::Trouble,
};
use std::{
    collections::BTreeMap,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// How long one wait is, before it is looked whether anybody still wants it.
const LOOK: Duration = Duration::from_millis(200);

/// See the module.
pub(super) struct Courier<B: Broker> {
    broker: B,
    producer: Option<B::Producer>,
    desk: Arc<Desk>,
    /// Sent and not reported: number to topic.
    under_way: BTreeMap<u64, Arc<str>>,
    window: usize,
    patience: Duration,
    producers: u64,
}

#[derive(Default)]
struct Desk {
    inside: Mutex<Inside>,
    news: Condvar,
}

#[derive(Default)]
struct Inside {
    current: u64,
    reports: Vec<Report>,
    trouble: Option<Trouble>,
}

impl Desk {
    fn lock(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reports for Desk {
    fn report(&self, report: Report) {
        let mut inside = self.lock();
        if report.producer.0 == inside.current {
            inside.reports.push(report);
            self.news.notify_one();
        }
    }

    fn trouble(&self, _: ProducerId, _: Code, trouble: Trouble) {
        let mut inside = self.lock();
        inside.trouble = Some(trouble.after(inside.trouble.take()));
    }

    fn closed(&self, _: ProducerId) {}
}

impl<B: Broker> Courier<B> {
    pub(super) fn new(broker: B, window: usize) -> Self {
        Self {
            broker,
            producer: None,
            desk: Arc::default(),
            under_way: BTreeMap::new(),
            window,
            patience: PATIENCE,
            producers: 0,
        }
    }

    #[cfg(test)]
    pub(super) fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Sends one more, once there is room. `arrived` hears of records that Kafka has meanwhile; it says whether to go on.
    pub(super) fn send(
        &mut self,
        message: &Message,
        of: RecordTicket,
        arrived: &mut dyn FnMut(RecordTicket, &str) -> bool,
    ) -> Result<(), Fault> {
        self.wait(self.window.saturating_sub(1), arrived)?;
        let since = Instant::now();
        loop {
            let enqueued = self.open()?.enqueue(message, Ticket::Record(of));
            match enqueued {
                Enqueued::Taken => {
                    self.under_way.insert(of.seq.0, Arc::clone(&message.topic));
                    return Ok(());
                }
                Enqueued::Full if since.elapsed() < self.patience => {
                    let left = self.under_way.len().saturating_sub(1);
                    self.wait(left, arrived)?;
                }
                Enqueued::Full => return Err(self.no_answer()),
                Enqueued::Refused(code) => {
                    return Err(self.refused(of.seq.0, &message.topic, code));
                }
            }
        }
    }

    /// Waits until at most `left` are under way.
    pub(super) fn wait(
        &mut self,
        left: usize,
        arrived: &mut dyn FnMut(RecordTicket, &str) -> bool,
    ) -> Result<(), Fault> {
        let mut heard = Instant::now();
        loop {
            let reports = std::mem::take(&mut self.desk.lock().reports);
            if !reports.is_empty() {
                heard = Instant::now();
            }
            for Report { ticket, result, .. } in reports {
                let Ticket::Record(of) = ticket else { continue };
                let Some(topic) = self.under_way.get(&of.seq.0).cloned() else {
                    continue;
                };
                if let Err(code) = result {
                    return Err(self.refused(of.seq.0, &topic, code));
                }
                self.under_way.remove(&of.seq.0);
                if !arrived(of, &topic) {
                    return Err(Fault::BrokenOff {
                        rest: String::new(),
                    });
                }
            }
            if self.under_way.len() <= left {
                return Ok(());
            }
            if heard.elapsed() >= self.patience {
                return Err(self.no_answer());
            }
            let inside = self.desk.lock();
            if inside.reports.is_empty() {
                let wait = LOOK.min(self.patience);
                // The guard is not needed: the loop looks again.
                drop(self.desk.news.wait_timeout(inside, wait));
            }
        }
    }

    /// The first record that isn't known to have arrived.
    pub(super) fn first_under_way(&self) -> Option<u64> {
        self.under_way.keys().next().copied()
    }

    /// Lets go of the producer and of what it had; the next record gets a new one.
    pub(super) fn start_anew(&mut self) {
        if let Some(producer) = self.producer.take() {
            producer.close();
        }
        self.under_way.clear();
        let mut inside = self.desk.lock();
        inside.reports.clear();
        inside.current = 0;
    }

    fn open(&mut self) -> Result<&B::Producer, Fault> {
        if self.producer.is_none() {
            self.producers += 1;
            self.desk.lock().current = self.producers;
            let reports = Arc::clone(&self.desk) as Arc<dyn Reports>;
            let opened = self.broker.open(ProducerId(self.producers), reports);
            self.producer = Some(opened.map_err(|e| Fault::NoProducer(e.to_string()))?);
        }
        self.producer
            .as_ref()
            .ok_or_else(|| Fault::NoProducer("no producer".into()))
    }

    fn refused(&self, seq: u64, topic: &str, code: Code) -> Fault {
        Fault::Refused {
            topic: topic.to_owned(),
            seq,
            code,
            rest: String::new(),
        }
    }

    fn no_answer(&self) -> Fault {
        let trouble = self.desk.lock().trouble.clone();
        Fault::NoAnswer {
            trouble: trouble.map_or_else(|| "no error was reported".into(), |trouble| trouble.text),
            rest: String::new(),
        }
    }
}

impl<B: Broker> Drop for Courier<B> {
    fn drop(&mut self) {
        self.start_anew();
    }
}

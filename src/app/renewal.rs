//! What Kafka's clients log in with, read again and again: when a password, a key or a certificate changes, they connect anew.
//!
//! It is tried before it is taken: what librdkafka can't use, such as a new certificate whose key isn't there yet, leaves
//! the clients as they are.

use crate::{
    config::{
        Config, Topics,
        kafka::try_together,
        kafka_files::{Digests, files, read_again},
        read_settings_file,
    },
    publish::{self, access::Access},
};
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{sync::watch, task, time};

/// How often the files are read.
const EVERY: Duration = Duration::from_secs(1);

/// The files of Kafka's clients, as they were last.
pub(super) struct Renewal {
    access: Access,
    publisher: publish::Handle,
    topics: Topics,
    body_bytes: usize,
    failed: Box<dyn Fn() + Send>,
    digests: Digests,
    /// What was wrong the last time: said once, counted every time.
    problems: Vec<String>,
}

impl Renewal {
    /// None: nothing of it lies in files. `failed` counts.
    pub(super) fn new(
        config: &Config,
        access: Access,
        publisher: publish::Handle,
        failed: impl Fn() + Send + 'static,
    ) -> Option<Self> {
        let kafka = access.now();
        if files(&kafka).is_empty() {
            return None;
        }
        // A password that has changed since the settings were read is seen at the first look.
        let (_, digests, _) = read_again(&kafka, &Digests::new(), &read_settings_file);
        Some(Self {
            access,
            publisher,
            topics: config.topics.clone(),
            body_bytes: config.limits.body_bytes,
            failed: Box::new(failed),
            digests,
            problems: Vec::new(),
        })
    }

    /// Reads the files again, and takes what has changed.
    fn refresh(&mut self) {
        let before = self.access.now();
        let (now, digests, unusable) = read_again(&before, &self.digests, &read_settings_file);
        let unusable = unusable.iter();
        let mut problems: Vec<_> = unusable
            .map(|file| format!("{} {}", file.path.display(), file.why))
            .collect();
        if digests != self.digests || now.properties != before.properties {
            match try_together(&now, &self.topics, self.body_bytes) {
                Ok(()) => {
                    self.digests = digests;
                    self.access.replace(now);
                    self.publisher.renew();
                    tracing::info!("a file of Kafka's clients has changed: they connect anew");
                }
                Err(problem) => problems.push(problem),
            }
        }
        problems.iter().for_each(|_| (self.failed)());
        if problems != self.problems {
            for why in &problems {
                tracing::warn!(
                    why,
                    "a file of Kafka's clients is not usable: the clients stay as they are"
                );
            }
            self.problems = problems;
        }
    }
}

/// Reads the files every second until `stop` is true or gone.
pub(super) async fn poll(renewal: Option<Renewal>, mut stop: watch::Receiver<bool>) {
    let renewal = Arc::new(Mutex::new(renewal));
    let mut ticks = time::interval(EVERY);
    ticks.set_missed_tick_behavior(time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            _ = ticks.tick() => {}
        }
        let renewal = Arc::clone(&renewal);
        // A file system that hangs must not hold up a worker. If the reading itself panics, what was there stays.
        let _ = task::spawn_blocking(move || {
            let mut renewal = renewal.lock().unwrap_or_else(PoisonError::into_inner);
            renewal.iter_mut().for_each(Renewal::refresh);
        })
        .await;
    }
}

//! Reads key files and certificates again: every second, and at once when asked to.

use super::{keys::Keyring, sender_clock::SenderClock, tls::Tls};
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::{Notify, watch},
    task, time,
};

/// How often the files are read.
pub const POLL_EVERY: Duration = Duration::from_secs(1);

/// What is looked at again and again.
#[derive(Debug, Clone)]
pub struct Reloads {
    pub(super) rings: Vec<Arc<Keyring>>,
    pub(super) tls: Option<Arc<Tls>>,
    pub(super) sender_clock: Arc<SenderClock>,
}

impl Reloads {
    pub(super) fn refresh(&self) {
        self.rings.iter().for_each(|ring| ring.refresh(false));
        self.tls.iter().for_each(|tls| tls.refresh());
    }
}

/// Reads the files every [`POLL_EVERY`] and whenever `asked`, until `stop` is true or gone.
pub async fn poll(reloads: Reloads, asked: Arc<Notify>, mut stop: watch::Receiver<bool>) {
    let mut ticks = time::interval(POLL_EVERY);
    ticks.set_missed_tick_behavior(time::MissedTickBehavior::Delay);
    loop {
        let by_request = tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            () = asked.notified() => true,
            _ = ticks.tick() => false,
        };
        reloads.sender_clock.look();
        let reloads = reloads.clone();
        // A file system that hangs must not hold up a worker. If the reading itself panics, what was there stays.
        let _ = task::spawn_blocking(move || reloads.refresh()).await;
        if by_request {
            tracing::info!(
                "keys and certificates were read again; what changed, or was not usable, is said above"
            );
        }
    }
}

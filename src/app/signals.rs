//! SIGTERM and SIGINT: the first asks, the second ends the process at once. SIGHUP: keys and certificates are read again.

use std::{io, process, sync::Arc};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::Notify,
};

/// Both signals, caught from the moment this exists.
#[derive(Debug)]
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Catches SIGTERM and SIGINT.
    ///
    /// # Errors
    /// If the handlers can't be installed.
    pub fn install() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Waits for the first. After it, a second one ends the process with exit code 1, wherever it is: always as safe as
    /// kill -9, since a 200 was only given for what is on disk.
    pub async fn first(mut self) {
        let name = self.next().await;
        tracing::info!(signal = name, "asked to stop");
        tokio::spawn(async move {
            let name = self.next().await;
            tracing::warn!(signal = name, "asked again: ending at once");
            process::exit(1);
        });
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

/// SIGHUP, caught from the moment this exists.
#[derive(Debug)]
pub struct HangUp(Signal);

impl HangUp {
    /// Catches it.
    ///
    /// # Errors
    /// If the handler can't be installed.
    pub fn install() -> io::Result<Self> {
        Ok(Self(signal(SignalKind::hangup())?))
    }

    /// Notifies at each one; never ends. Several that come at once are one.
    pub async fn notify(mut self, reload: Arc<Notify>) {
        while self.0.recv().await.is_some() {
            tracing::info!(
                signal = "SIGHUP",
                "asked to read keys and certificates again"
            );
            reload.notify_one();
        }
    }
}

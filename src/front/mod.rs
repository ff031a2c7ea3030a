//! The front door: hyper. Reads requests within limits, has them checked and made durable, and answers.
//!
//! ```text
//!  listen ─► connection ─► handle ─► body ─► callback::verify ─► keeper: spool::Appender | hold::Appender
//!                             │                                        │
//!                             └── reply ◄── Proof (Durable | Acked | Ignored) ◄┘
//! ```
//!
//! Only [`reply`] makes a 200, and it takes a [`reply::Proof`]. The door knows neither Kafka nor files.

mod addresses;
pub mod admin;
mod body;
mod connection;
mod door;
mod handle;
mod http2;
mod keeper;
pub mod keys;
mod listen;
mod metrics;
mod notes;
pub mod off;
mod patience;
mod problem;
pub mod proxy_header;
pub mod reload;
pub mod reply;
mod route;
mod sender_clock;
pub mod tls;
mod traceparent;
mod watched;

pub use door::{Door, NoDoor, Parts};
#[cfg(test)]
pub(crate) use handle::handle;
pub use keeper::Keeper;
pub use listen::serve;
pub use metrics::Metrics;
pub use sender_clock::SenderClock;

use std::time::Duration;
use tokio::{sync::watch, time::Instant};

/// Where the door is in its life. The sender of this is the one who shuts down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Open.
    Running,
    /// Not ready any more, but serving as before; every answer closes its connection.
    Leaving,
    /// The listener and idle connections close. A request that was read in full gets its true answer; one that isn't
    /// by the deadline gets 503.
    Closing {
        /// By when a request must have been read.
        deadline: Instant,
    },
}

impl Phase {
    /// Closing, with this much time for requests to be read.
    #[must_use]
    pub fn closing(within: Duration) -> Self {
        Self::Closing {
            deadline: Instant::now() + within,
        }
    }
}

/// Waits until the door closes: by when requests must have been read. Whoever dropped the sender will never say so.
async fn closing(phase: &mut watch::Receiver<Phase>) -> Instant {
    loop {
        if let Phase::Closing { deadline } = *phase.borrow_and_update() {
            return deadline;
        }
        if phase.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(test)]
mod tests;

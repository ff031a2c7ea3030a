//! Stopping, in the order of the flow: door, writer, publisher. Each step has its own time, so the sum has an end
//! whatever Kafka or the disk do.

use super::{Fault, Parts};
use crate::{config::Drain, front::Phase, publish::Left};
use std::{future::Future, sync::atomic::Ordering, time::Duration};
use tokio::time::{Instant, timeout, timeout_at};

/// What the last step may take over its own time: a thread that must poll or join.
const GRACE: Duration = Duration::from_secs(2);

/// How a run ended when everything was as it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// Durable records that the next run will publish.
    pub left: u64,
}

/// Serves until `asked` or until a part ends by itself, which is a fault: no part of a relay ends by itself, and one that
/// limps on without its publisher only hides the outage.
pub(super) async fn run(
    mut parts: Parts,
    drain: Drain,
    asked: impl Future<Output = ()>,
) -> Result<Ended, Fault> {
    let fault = tokio::select! {
        () = asked => None,
        fault = parts.first_end() => Some(fault),
    };
    let fault = match fault {
        Some(fault) => {
            tracing::error!(%fault, "a part ended by itself: stopping");
            Some(fault)
        }
        None => leave(&mut parts, drain.delay).await,
    };
    let stopped = close(parts, drain).await;
    match (fault, stopped) {
        (Some(fault), _) => Err(fault),
        (None, stopped) => stopped,
    }
}

/// Not ready any more, but served as before, while load balancers take note.
async fn leave(parts: &mut Parts, delay: Duration) -> Option<Fault> {
    parts.draining.store(true, Ordering::Release);
    parts.phase.send_replace(Phase::Leaving);
    let ended = timeout(delay, parts.first_end()).await.ok()?;
    tracing::error!(fault = %ended, "a part ended by itself while leaving");
    Some(ended)
}

/// What has ended by itself isn't waited for again; everything else gets its time.
async fn close(mut parts: Parts, drain: Drain) -> Result<Ended, Fault> {
    parts.draining.store(true, Ordering::Release);
    parts.store.end_commands();
    let latest = Instant::now() + drain.requests + drain.publish + GRACE;
    close_door(&mut parts, drain).await;
    parts.store.told_of_the_end().await;
    let writer = parts.store.writer_ends().await;
    let publish = parts.store.publishes_for(drain);
    let left = publisher_ends(&mut parts, publish).await;
    parts.admin.abort();
    let last_spans = latest.min(Instant::now() + GRACE / 4);
    parts.exporter.ends_by(last_spans).await;
    parts.store.gone(latest).await;
    writer?;
    Ok(Ended {
        left: left?.records,
    })
}

/// The door ends by itself shortly after its deadline; with it goes the last appender.
async fn close_door(parts: &mut Parts, drain: Drain) {
    let deadline = Instant::now() + drain.requests;
    parts.phase.send_replace(Phase::Closing { deadline });
    if parts.door.is_over() {
        return;
    }
    let last = deadline + parts.store.last_answers_within(drain) + GRACE / 4;
    if timeout_at(last, parts.door.end()).await.is_ok() {
        return;
    }
    if parts.store.end_waiting() && timeout(GRACE / 4, parts.door.end()).await.is_ok() {
        return;
    }
    parts.door.abort();
    tracing::warn!("requests were still under way after drain.requests: cut off");
}

async fn publisher_ends(parts: &mut Parts, publish: Duration) -> Result<Left, Fault> {
    parts.publisher.stop(publish);
    let left = Left {
        records: parts.store.left(),
    };
    if parts.publishing.is_over() {
        return Ok(left);
    }
    match timeout(publish + GRACE / 2, parts.publishing.end()).await {
        Ok(ended) => super::publisher_ended(ended),
        Err(_) => {
            tracing::warn!("the publisher did not end in time: its last checkpoint may lag");
            Ok(left)
        }
    }
}

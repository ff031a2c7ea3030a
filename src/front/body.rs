//! Reads a request's body: within a size, a time, and a share of the memory that all bodies have together.

use super::{Phase, closing, problem::Problem};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Body;
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    time,
};

/// What a body may take.
#[derive(Debug, Clone)]
pub(super) struct Allowance {
    /// The largest body.
    pub(super) bytes: usize,
    /// From the end of the head to the end of the body.
    pub(super) time: Duration,
    /// How much [`Self::shared`] has when nothing is in flight.
    pub(super) budget: usize,
    /// What all bodies in flight may have together. Taken as bytes arrive, not as they are announced: an
    /// announcement costs the sender nothing.
    pub(super) shared: Arc<Semaphore>,
}

/// A body, and its share of the memory.
#[derive(Debug)]
pub(super) struct Whole {
    pub(super) bytes: Bytes,
    _share: Option<OwnedSemaphorePermit>,
}

/// Whether the announced length alone is too much.
pub(super) fn announces_too_much(body: &impl Body, allowance: &Allowance) -> bool {
    body.size_hint().lower() > allowance.bytes as u64
}

/// The whole body.
pub(super) async fn read(
    body: impl Body<Data = Bytes> + Unpin,
    allowance: &Allowance,
    phase: &mut watch::Receiver<Phase>,
) -> Result<Whole, Problem> {
    let too_late = async {
        let deadline = closing(phase).await;
        time::sleep_until(deadline).await;
    };
    tokio::select! {
        biased;
        whole = time::timeout(allowance.time, collect(body, allowance)) => {
            whole.unwrap_or(Err(Problem::BodyTooSlow))
        }
        () = too_late => Err(Problem::Leaving),
    }
}

async fn collect(
    mut body: impl Body<Data = Bytes> + Unpin,
    allowance: &Allowance,
) -> Result<Whole, Problem> {
    let mut share: Option<OwnedSemaphorePermit> = None;
    let mut first = Bytes::new();
    let mut more = BytesMut::new();
    let mut len = 0_usize;
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else {
            return Err(Problem::BodyBroken);
        };
        // Trailers say nothing to us.
        let Ok(piece) = frame.into_data() else {
            continue;
        };
        if piece.is_empty() {
            continue;
        }
        len = len.saturating_add(piece.len());
        if len > allowance.bytes {
            return Err(Problem::BodyTooLarge);
        }
        take(&mut share, piece.len(), &allowance.shared)?;
        if first.is_empty() {
            // Most callbacks arrive in one piece, which then is not copied.
            first = piece;
        } else {
            if more.is_empty() {
                more.extend_from_slice(&first);
            }
            more.extend_from_slice(&piece);
        }
    }
    let bytes = if more.is_empty() {
        first
    } else {
        more.freeze()
    };
    Ok(Whole {
        bytes,
        _share: share,
    })
}

fn take(
    share: &mut Option<OwnedSemaphorePermit>,
    bytes: usize,
    shared: &Arc<Semaphore>,
) -> Result<(), Problem> {
    let bytes = u32::try_from(bytes).map_err(|_| Problem::BodyTooLarge)?;
    let more = Arc::clone(shared)
        .try_acquire_many_owned(bytes)
        .map_err(|_| Problem::Overloaded)?;
    match share {
        Some(held) => held.merge(more),
        None => *share = Some(more),
    }
    Ok(())
}

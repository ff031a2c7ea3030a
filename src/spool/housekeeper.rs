//! What needn't happen on the writer's way: segments written ahead, indices of closed ones, deletion of settled ones, the
//! look at free space. One step does all that is due; the thread is a loop around it.

use super::{
    disk::{Dir, write_whole},
    index, prepare, removal,
    shared::{Shared, locked},
};
use crate::clock::{Clock, Millis};
use std::{
    io,
    sync::{
        Arc,
        atomic::Ordering,
        mpsc::{Receiver, RecvTimeoutError},
    },
    time::Duration,
};

/// How often free space and ages are looked at when nothing else happens.
const INTERVAL: Duration = Duration::from_secs(1);

/// Does what is due. Faults are survived, told, and tried again at the next step: nothing acknowledged depends on them.
pub(in crate::spool) fn step(shared: &Shared, now: Millis) {
    if let Err(e) = index_closed(shared) {
        shared.survived(format!(
            "an index can't be written, so the next start takes longer: {e}"
        ));
    }
    if let Err(e) = removal::remove_due(shared, now) {
        shared.survived(format!("a settled segment can't be removed: {e}"));
    }
    if !shared.stopping.load(Ordering::Acquire) {
        shared.note_reserve(keep_reserve(shared).map_err(|e| e.to_string()));
        shared.note_next_segment(make_ready(shared).map_err(|e| e.to_string()));
        uncache_settled(shared);
    }
    shared.measure_room();
    shared.refresh();
}

/// A segment ahead, for the writer to go on.
fn make_ready(shared: &Shared) -> io::Result<()> {
    removal::with_room(shared, || prepare::ensure_ready(shared))
}

/// Keeps the reserve free. The segment being written goes, too, if nothing in it is pending and the writer is idle.
fn keep_reserve(shared: &Shared) -> io::Result<()> {
    let attempt = || removal::with_room(shared, || reserve_is_free(shared));
    attempt().or_else(|e| {
        if close_idle(shared) {
            attempt()
        } else {
            Err(e)
        }
    })
}

fn reserve_is_free(shared: &Shared) -> io::Result<()> {
    let space = shared.disk.space()?;
    let reserve = prepare::reserve(space);
    if space.free < reserve {
        let text = format!(
            "{} bytes are free on the filesystem, {reserve} have to stay free",
            space.free
        );
        return Err(io::Error::new(io::ErrorKind::StorageFull, text));
    }
    Ok(())
}

/// Takes its segment from a writer that isn't writing, if all in it is settled.
fn close_idle(shared: &Shared) -> bool {
    let mut parked = locked(&shared.parked);
    let closed = parked.is_some() && locked(&shared.view).close_settled();
    if closed {
        // The open file would keep the room that its removal is to give.
        *parked = None;
    }
    closed
}

fn index_closed(shared: &Shared) -> io::Result<()> {
    loop {
        let Some(closed) = locked(&shared.view).unindexed() else {
            return Ok(());
        };
        let summary = &closed.summary;
        let entries = match &closed.entries {
            Some(entries) => Arc::clone(entries),
            None => shared.load(summary)?,
        };
        let bytes = index::encode(summary, &entries);
        write_whole(&*shared.disk, Dir::Root, &summary.name.index(), &[&bytes])?;
        let mut view = locked(&shared.view);
        view.indexed(summary.name);
        if !view.has(summary.name) {
            // The writer removed it for room meanwhile, when there was no index yet.
            drop(view);
            shared.disk.remove(Dir::Root, &summary.name.index())?;
        }
    }
}

/// What is settled is kept for replays, which may read it from the disk. Left in the page cache, it would fill all memory there is, or all
/// that a container may have, at the neighbours' cost; and the next segments get the pages that are still warm. Indices stay: the
/// next start reads those of the dedup window.
fn uncache_settled(shared: &Shared) {
    loop {
        let Some(name) = locked(&shared.view).uncache() else {
            return;
        };
        // Advice, nothing more. The writer may have removed it for room meanwhile.
        if let Err(e) = shared.disk.uncache(Dir::Root, &name.to_string()) {
            tracing::debug!(%name, "the page cache keeps it: {e}");
        }
    }
}

/// The thread: until the writer has ended and all that it left is done.
pub(in crate::spool) fn run(shared: &Shared, wakes: &Receiver<()>, clock: &dyn Clock) {
    loop {
        let ending = shared.stopping.load(Ordering::Acquire);
        step(shared, clock.now());
        if ending {
            return;
        }
        if wakes.recv_timeout(INTERVAL) == Err(RecvTimeoutError::Disconnected) {
            return;
        }
    }
}

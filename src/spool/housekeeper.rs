//! What needn't happen on the writer's way: segments written ahead, indices of closed ones, deletion of settled ones, the
//! look at free space. One step does all that is due; the thread is a loop around it.

use super::{
    disk::{Dir, write_whole},
    index, prepare,
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
    if let Err(e) = remove_settled(shared, now, false) {
        shared.survived(format!("a settled segment can't be removed: {e}"));
    }
    if !shared.stopping.load(Ordering::Acquire) {
        let blocked = make_ready(shared, now).err();
        shared.set_blocked(blocked.map(|e| e.to_string()));
    }
    shared.refresh();
}

/// Keeps a segment ready, and the reserve free: whatever is wholly settled goes before anything is refused.
fn make_ready(shared: &Shared, now: Millis) -> io::Result<()> {
    let attempt = || -> io::Result<()> {
        prepare::ensure_ready(shared)?;
        let space = shared.disk.space()?;
        if space.free < prepare::reserve(space) {
            let text = format!(
                "{} bytes are free on the filesystem, {} have to stay free",
                space.free,
                prepare::reserve(space)
            );
            return Err(io::Error::new(io::ErrorKind::StorageFull, text));
        }
        Ok(())
    };
    attempt().or_else(|_| {
        remove_settled(shared, now, true)?;
        attempt()
    })
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
        locked(&shared.view).indexed(summary.name);
    }
}

/// Oldest first, and only below the synced checkpoint. `pressed`: also those that `retain` would keep.
fn remove_settled(shared: &Shared, now: Millis, pressed: bool) -> io::Result<()> {
    let mut removed = false;
    let limits = &shared.limits;
    loop {
        let ahead = locked(&shared.slot).ready.as_ref().map_or(0, |p| p.len);
        let due =
            locked(&shared.view).removable(now, limits.retain, limits.max_bytes, ahead, pressed);
        let Some(summary) = due else { break };
        // Out of the view first: no new reader starts in it.
        locked(&shared.view).removed(summary.name);
        for file in [summary.name.to_string(), summary.name.index()] {
            match shared.disk.remove(Dir::Root, &file) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
                _ => removed = true,
            }
        }
    }
    if removed {
        shared.disk.sync_dir(Dir::Root)?;
    }
    Ok(())
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

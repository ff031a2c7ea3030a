//! Deletion of settled segments: oldest first, only below the synced checkpoint, and for room one after the other, so that no
//! more goes than has to. What can't be deleted is remembered and tried again.

use super::{
    disk::Dir,
    index::Summary,
    shared::{Shared, locked},
};
use crate::clock::Millis;
use std::{
    io::{self, ErrorKind},
    sync::{Arc, atomic::Ordering},
};

/// Removes what is older than `retain`, or over the limit.
pub(in crate::spool) fn remove_due(shared: &Shared, now: Millis) -> io::Result<()> {
    unlink(shared)?;
    while let Some(summary) = take_out(shared, now, false) {
        doom(shared, &summary);
        unlink(shared)?;
        // One after the other: with a newer one gone and an older one there, a power cut would leave what looks like a loss.
        shared.disk.sync_dir(Dir::Root)?;
    }
    Ok(())
}

/// Does something that needs room on the filesystem. As long as there is too little, settled segments go, also those that `retain`
/// would keep.
///
/// # Errors
/// What `act` says when nothing settled is left to delete, and any fault that isn't about room.
pub(in crate::spool) fn with_room<T>(
    shared: &Shared,
    act: impl Fn() -> io::Result<T>,
) -> io::Result<T> {
    loop {
        let done = act();
        if !done.as_ref().is_err_and(no_room) || !remove_one(shared)? {
            return done;
        }
    }
}

/// Whether a filesystem, or a quota on it, is full.
pub(in crate::spool) fn no_room(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded
    )
}

/// False: nothing settled is left.
fn remove_one(shared: &Shared) -> io::Result<bool> {
    unlink(shared)?;
    let Some(summary) = take_out(shared, Millis::default(), true) else {
        return Ok(false);
    };
    doom(shared, &summary);
    unlink(shared)?;
    // The sync also makes filesystems give the room back that hold on to it until then.
    shared.disk.sync_dir(Dir::Root)?;
    Ok(true)
}

/// Out of the view first: no new reader starts in it.
fn take_out(shared: &Shared, now: Millis, pressed: bool) -> Option<Arc<Summary>> {
    let ahead = shared.ready_bytes.load(Ordering::Relaxed);
    let limits = &shared.limits;
    let mut view = locked(&shared.view);
    let due = view.removable(now, limits.retain, limits.max_bytes, ahead, pressed)?;
    view.removed(due.name);
    Some(due)
}

/// The list is short: nothing is added to it before it is empty, but by the writer and the housekeeper at once.
fn doom(shared: &Shared, summary: &Summary) {
    let files = [summary.name.index(), summary.name.to_string()];
    locked(&shared.doomed).extend(files);
}

fn unlink(shared: &Shared) -> io::Result<()> {
    let mut doomed = locked(&shared.doomed);
    while let Some(file) = doomed.last() {
        match shared.disk.remove(Dir::Root, file) {
            Err(e) if e.kind() != ErrorKind::NotFound => return Err(e),
            _ => drop(doomed.pop()),
        }
    }
    Ok(())
}

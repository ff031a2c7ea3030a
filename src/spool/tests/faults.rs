//! Every kind of call fails at every place where it happens, with EIO and with ENOSPC: nothing acknowledged is lost, nobody hears a yes
//! that isn't true, and only a write or a sync of records ends a run that has begun.
//!
//! There is no call that reserves space: segments are made of zeros that are written.

use super::{
    crashes::{Promised, check, history},
    fake_disk::{EIO, ENOSPC, FakeDisk, Survives, Verb},
};

fn of_every_call(verb: Verb) {
    let whole = FakeDisk::new();
    assert_eq!(history(&whole, &mut Promised::default()), Some(()));
    let calls = whole.calls_of(verb);
    assert!(calls > 0, "{verb:?} is never called");
    let mut went_on = 0;
    for call in 1..=calls {
        for error in [EIO, ENOSPC] {
            let disk = FakeDisk::new();
            disk.fail_verb_at(verb, call, error);
            let mut promised = Promised::default();
            went_on += u64::from(history(&disk, &mut promised).is_some());
            for survives in [
                Survives::All,
                Survives::Nothing,
                Survives::Some(call * 31 + 1),
            ] {
                let context =
                    format!("{verb:?} {call} of {calls} fails with {error}, {survives:?}");
                let mut run = check(&disk.after_crash(survives), &promised, &context);
                // Whatever heard no yes can be sent again, and is then there.
                let (result, answers) = run.commit(&[1, 12, 55]);
                result.unwrap();
                assert!(
                    answers.into_iter().all(|a| matches!(a, Some(Ok(_)))),
                    "{context}"
                );
            }
        }
    }
    println!("{verb:?}: {calls} calls fail in two ways each, {went_on} runs went on");
}

#[test]
fn any_listing_of_a_directory_may_fail() {
    of_every_call(Verb::List);
}

#[test]
fn any_creation_may_fail() {
    of_every_call(Verb::Create);
}

#[test]
fn any_opening_may_fail() {
    of_every_call(Verb::Open);
}

#[test]
fn any_renaming_may_fail() {
    of_every_call(Verb::Rename);
}

#[test]
fn any_removal_may_fail() {
    of_every_call(Verb::Remove);
}

#[test]
fn any_sync_of_a_directory_may_fail() {
    of_every_call(Verb::SyncDir);
}

#[test]
fn any_read_may_fail() {
    of_every_call(Verb::Read);
}

#[test]
fn any_write_may_fail() {
    of_every_call(Verb::Write);
}

#[test]
fn any_sync_may_fail() {
    of_every_call(Verb::Sync);
}

#[test]
fn any_look_at_a_size_or_at_the_free_space_may_fail() {
    for verb in [Verb::Size, Verb::Len, Verb::Space] {
        of_every_call(verb);
    }
}

//! Looking at the golden spool, and at damaged copies of it.

use super::{
    Look, LookError, Seen,
    aside::Shelf,
    golden::{FIRST, Files, SECOND, files, golden, record, segment, write, written},
};
use crate::{
    callback::names::{EventName, Family},
    clock::Millis,
    config,
    metrics::Callbacks,
    spool::{
        Cursor, Next, Outlet, Selection, Seq, Settings, checkpoint, index,
        outlet::Settled,
        segment::Name,
        tests::rig::{DEDUP, HandClock, limits, spool_settings},
    },
};
use prometheus::Registry;
use std::{
    fs,
    ops::ControlFlow,
    path::Path,
    sync::{Arc, atomic::AtomicU64},
};

fn walk(look: &Look, selection: &Selection) -> Vec<Seen> {
    let mut seen = Vec::new();
    look.walk(selection, &mut |next| {
        seen.push(next);
        ControlFlow::Continue(())
    })
    .unwrap();
    seen
}

fn short(seen: &[Seen]) -> Vec<String> {
    let word = |seen: &Seen| match seen {
        Seen::Record(record, outcome) => format!("{} {}", record.seq, outcome.as_str()),
        Seen::Corrupt { seq, .. } => format!("{seq} corrupt"),
        Seen::Lost(range) => format!("{range:?} lost"),
    };
    seen.iter().map(word).collect()
}

fn faults(dir: &Path) -> Vec<String> {
    let look = Look::open(dir).unwrap();
    look.check(&mut |_, _| {}).unwrap().faults
}

#[test]
fn the_golden_spool_is_read_with_what_became_of_each() {
    let look = Look::open(&golden()).unwrap();
    let all = walk(&look, &Selection::default());
    assert_eq!(
        short(&all),
        [
            "1 published",
            "2 quarantined",
            "3 published",
            "4 published",
            "5 published",
            "6 published",
            "7 pending",
            "8 published",
            "9 pending"
        ]
    );
    for (seen, seq) in all.iter().zip(1..) {
        assert!(
            matches!(seen, Seen::Record(found, _) if **found == record(seq)),
            "{seen:?}"
        );
    }
    assert_eq!(faults(&golden()), [""; 0]);
    let listing = look.list().unwrap();
    let of: Vec<_> = listing
        .segments
        .iter()
        .map(|s| (s.first, s.last, s.indexed))
        .collect();
    assert_eq!(of, [(1, 6, true), (7, 9, false)]);
    assert_eq!(
        (listing.records, listing.pending, listing.quarantine.count),
        (9, 2, 1)
    );
    let held = listing.segments[1].families["stream"];
    assert_eq!((held.settled, held.pending), (1, 0));
    let shelf = Shelf::of(&golden()).unwrap();
    let places = shelf.list().unwrap();
    let (about, aside) = shelf.read(&places[0]).unwrap();
    assert_eq!((about.reason.as_str(), aside), ("untypable", record(2)));
}

#[test]
fn the_golden_spool_opens_recovers_and_gives_its_records() {
    let dir = written();
    let spool = config::Spool {
        dir: dir.path().into(),
        ..spool_settings(64 << 20)
    };
    let registry = Registry::new();
    let opened = crate::spool::open(
        Settings {
            spool: &spool,
            dedup: DEDUP,
            limits: &limits(4096),
        },
        // A later time would let the settled segment go.
        Arc::new(HandClock(AtomicU64::new(1_750_000_000_100))),
        &registry,
        Callbacks::register(&registry, &[]).unwrap(),
        crate::spool::AfterSync::default(),
    )
    .unwrap();
    assert_eq!(
        (
            opened.report.durable_end,
            opened.report.recovered_records,
            opened.report.torn_bytes
        ),
        (9, 2, 40)
    );
    assert_eq!(opened.report.damage, [""; 0]);
    let mut cursor = opened.outlet.cursor(Seq(0));
    for seq in 1..=9 {
        let next = cursor.next(&|_| true, Seq(u64::MAX)).unwrap();
        assert_eq!(next, Some(Next::Record(record(seq))));
    }
    assert_eq!(cursor.next(&|_| true, Seq(u64::MAX)).unwrap(), None);
    drop(opened.appender);
    opened.threads.join().unwrap();
}

#[test]
fn a_look_selects_and_changes_nothing() {
    let dir = written();
    let look = Look::open(dir.path()).unwrap();
    let some = |selection| short(&walk(&look, &selection));
    let stream = Selection {
        stream: Some("s1".into()),
        event: Some(EventName::RecordingFile),
        ..Selection::default()
    };
    assert_eq!(some(stream), ["1 published", "2 quarantined", "7 pending"]);
    let time = Selection {
        since: Some(Millis(1_750_000_000_005)),
        until: Some(Millis(1_750_000_000_008)),
        ..Selection::default()
    };
    assert_eq!(some(time), ["5 published", "6 published", "7 pending"]);
    let seq = Selection {
        first: Some(8),
        ..Selection::default()
    };
    assert_eq!(some(seq), ["8 published", "9 pending"]);
    look.list().unwrap();
    look.check(&mut |_, _| {}).unwrap();
    for (name, bytes) in files() {
        assert_eq!(fs::read(dir.path().join(name)).unwrap(), bytes);
    }
    let names: Vec<_> = fs::read_dir(dir.path()).unwrap().collect();
    assert_eq!(names.len(), 6, "{names:?}");
}

#[test]
fn every_flipped_byte_of_a_frame_is_found_and_named() {
    let dir = written();
    let file = dir.path().join(FIRST.to_string());
    let good = fs::read(&file).unwrap();
    let (_, index) = segment(FIRST, 1..=6, &[]);
    let (_, entries) = index::decode(FIRST, &index).unwrap();
    for entry in &entries {
        for at in [
            entry.offset,
            entry.offset + 8,
            entry.offset + 48,
            entry.end() - 1,
        ] {
            let mut bad = good.clone();
            bad[usize::try_from(at).unwrap()] ^= 0x10;
            fs::write(&file, &bad).unwrap();
            let look = Look::open(dir.path()).unwrap();
            let seen = short(&walk(&look, &Selection::default()));
            assert_eq!(
                seen[usize::try_from(entry.seq.0).unwrap() - 1],
                format!("{} corrupt", entry.seq)
            );
            let found = faults(dir.path());
            assert!(
                found.len() == 1 && found[0].contains(&format!("record {} ", entry.seq)),
                "{found:?}"
            );
        }
    }
}

#[test]
fn damage_in_the_middle_of_a_live_tail_is_found_and_a_torn_end_is_none() {
    let dir = written();
    let file = dir.path().join(SECOND.to_string());
    let good = fs::read(&file).unwrap();
    let mut bad = good.clone();
    bad[4096 + 60] ^= 1;
    fs::write(&file, &bad).unwrap();
    let look = Look::open(dir.path()).unwrap();
    let seen = short(&walk(
        &look,
        &Selection {
            first: Some(6),
            ..Selection::default()
        },
    ));
    assert_eq!(
        seen,
        ["6 published", "7..8 lost", "8 published", "9 pending"]
    );
    assert!(faults(dir.path())[0].contains("record 7 is not there"));
    // The last frame, of which nobody says that it was acknowledged.
    let mut torn = good;
    let last = torn.iter().rposition(|b| *b == b'}').unwrap();
    torn[last] = 0;
    fs::write(&file, &torn).unwrap();
    assert_eq!(faults(dir.path()), [""; 0]);
    assert_eq!(Look::open(dir.path()).unwrap().end(), Seq(8));
}

#[test]
fn gaps_overlaps_and_what_the_index_does_not_tell_are_found() {
    let break_one = |change: &dyn Fn(&mut Files)| {
        let dir = tempfile::tempdir().unwrap();
        let mut files = files();
        change(&mut files);
        write(&files, dir.path());
        faults(dir.path()).join("\n")
    };
    // A segment is missing: the checkpoint knows that 1 to 6 were there, the header of the next one too.
    let third = Name {
        ordinal: 6,
        salt: 7,
    };
    let gap = break_one(&|files| {
        files.insert(third.to_string(), segment(third, 9..=9, &[]).0);
        files.insert(SECOND.to_string(), segment(SECOND, 7..=7, &[]).0);
    });
    assert!(gap.contains("record 8 is not there"), "{gap}");
    let overlap = break_one(&|files| {
        let (bytes, index) = segment(third, 5..=9, &[]);
        files.insert(third.to_string(), bytes);
        files.insert(third.index(), index);
    });
    assert!(overlap.contains("overlap"), "{overlap}");
    let other_index = break_one(&|files| {
        files.insert(FIRST.index(), segment(FIRST, 2..=6, &[]).1);
    });
    assert!(other_index.contains("record 2 at"), "{other_index}");
    let damaged_index = break_one(&|files| {
        let index = files.get_mut(&FIRST.index()).unwrap();
        let last = index.len() - 1;
        index[last] ^= 1;
    });
    assert!(
        damaged_index.contains("the index is damaged"),
        "{damaged_index}"
    );
    let lead = break_one(&|files| {
        let mut far = Settled::default();
        far.advance(Family::Stream, Seq(50));
        files.insert("checkpoint".into(), checkpoint::encode(4, &far));
    });
    assert!(lead.contains("record 50 is settled"), "{lead}");
    let gone = break_one(&|files| {
        files.remove("checkpoint");
    });
    assert!(gone.contains("it is gone"), "{gone}");
    let none_left = break_one(&|files| {
        files.retain(|file, _| !file.ends_with(".segment") && !file.ends_with(".index"));
    });
    assert!(none_left.contains("no segment is left"), "{none_left}");
    let slots = break_one(&|files| {
        files.insert("checkpoint".into(), vec![1; 8192]);
    });
    assert!(slots.contains("both slots are damaged"), "{slots}");
    let aside = break_one(&|files| {
        files.insert(
            "quarantine/00000000000000000003-x.record".into(),
            b"{}\n".to_vec(),
        );
    });
    assert!(aside.contains("quarantine/: record 3"), "{aside}");
}

#[test]
fn another_directory_is_no_spool_and_a_later_format_is_told_from_damage() {
    let dir = tempfile::tempdir().unwrap();
    assert!(matches!(
        Look::open(dir.path()),
        Err(LookError::NotASpool(_))
    ));
    assert!(matches!(
        Look::open(&dir.path().join("gone")),
        Err(LookError::NotASpool(_))
    ));
    let dir = written();
    let mut index = fs::read(dir.path().join(FIRST.index())).unwrap();
    index[8] = 9;
    fs::write(dir.path().join(FIRST.index()), index).unwrap();
    assert!(matches!(
        Look::open(dir.path()),
        Err(LookError::Newer { .. })
    ));
}

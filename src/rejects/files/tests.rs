use super::{super::entry::tests::entry, *};
use std::{os::unix::fs::PermissionsExt, time::Duration};

const LIMITS: Rejects = Rejects {
    max_entries: 80,
    max_bytes: 64 << 10,
    max_age: Duration::from_secs(60),
};

fn all(spool: &Path) -> Vec<(String, u64, bool)> {
    let mut all = Vec::new();
    read(spool, |name, entry, accepted| {
        all.push((name.to_owned(), entry.at.0, accepted));
        ControlFlow::Continue(())
    })
    .unwrap();
    all
}

fn on_disk(spool: &Path) -> u64 {
    let files = fs::read_dir(directory(spool)).unwrap();
    files
        .map(|file| file.unwrap().metadata().unwrap().len())
        .sum()
}

#[test]
fn the_last_ones_are_kept_within_count_and_bytes() {
    let spool = tempfile::tempdir().unwrap();
    assert_eq!(all(spool.path()), []);
    let mut files = Files::open(spool.path(), LIMITS).unwrap();
    for at in 1..=1000 {
        assert!(files.append(&entry(at, b"{}")).unwrap());
        assert!(all(spool.path()).len() <= LIMITS.max_entries);
    }
    let kept = all(spool.path());
    assert!(kept.len() > LIMITS.max_entries / 2);
    assert_eq!(kept.last().unwrap().1, 1000);
    for at in 1001..1100 {
        files.append(&entry(at, &[b'x'; 5000])).unwrap();
        assert!(on_disk(spool.path()) <= LIMITS.max_bytes);
    }
    assert!(
        !files.append(&entry(1, &[b'x'; 9000])).unwrap(),
        "larger than a file"
    );
    for file in fs::read_dir(directory(spool.path())).unwrap() {
        assert_eq!(
            file.unwrap().metadata().unwrap().permissions().mode() & 0o777,
            0o600
        );
    }
    assert_eq!(
        fs::metadata(directory(spool.path()))
            .unwrap()
            .permissions()
            .mode()
            & 0o777,
        0o700
    );
}

#[test]
fn any_number_of_runs_and_torn_ends_push_out_nothing_that_there_is_room_for() {
    let spool = tempfile::tempdir().unwrap();
    for run in 1..=40 {
        let mut files = Files::open(spool.path(), LIMITS).unwrap();
        files.append(&entry(run, b"{}")).unwrap();
        if run == 20 {
            let dir = directory(spool.path());
            let newest = path(&dir, *numbers(&dir).unwrap().last().unwrap());
            let mut torn = OpenOptions::new().append(true).open(newest).unwrap();
            torn.write_all(&entry(0, b"{}").encode()[..9]).unwrap();
        }
    }
    let kept: Vec<_> = all(spool.path()).into_iter().map(|(_, at, _)| at).collect();
    assert_eq!(kept, (1..=40).collect::<Vec<_>>());
}

#[test]
fn what_is_too_old_goes_also_when_one_comes_now_and_then() {
    let spool = tempfile::tempdir().unwrap();
    let mut files = Files::open(spool.path(), LIMITS).unwrap();
    let age = u64::try_from(LIMITS.max_age.as_millis()).unwrap();
    for at in (1..200).map(|n| n * 5_000) {
        files.append(&entry(at, b"{}")).unwrap();
        files.sweep(Millis(at)).unwrap();
        let oldest = all(spool.path()).into_iter().map(|(_, at, _)| at).min();
        // A file goes as a whole: an eighth more, and the time between two of them.
        assert!(at - oldest.unwrap() <= age + age / 4 + 5_000);
    }
}

#[test]
fn a_new_run_goes_on_where_the_old_one_ended_and_what_is_too_old_goes() {
    let spool = tempfile::tempdir().unwrap();
    for run in 0..3 {
        let mut files = Files::open(spool.path(), LIMITS).unwrap();
        // The clock was put back before the last run.
        files
            .append(&entry([1000, 20_000, 500][run], b"{}"))
            .unwrap();
    }
    let kept: Vec<_> = all(spool.path()).into_iter().map(|(_, at, _)| at).collect();
    assert_eq!(kept, [1000, 20_000, 500]);
    let mut files = Files::open(spool.path(), LIMITS).unwrap();
    files.sweep(Millis(80_000)).unwrap();
    assert_eq!(all(spool.path()).len(), 3);
    files.sweep(Millis(80_001)).unwrap();
    assert_eq!(all(spool.path()).len(), 2);
    files.sweep(Millis(u64::MAX)).unwrap();
    assert_eq!(all(spool.path()), []);
}

#[test]
fn what_was_accepted_is_remembered_and_a_torn_end_is_passed_over() {
    let spool = tempfile::tempdir().unwrap();
    let mut files = Files::open(spool.path(), LIMITS).unwrap();
    files.append(&entry(1, b"{}")).unwrap();
    files.append(&entry(2, b"{}")).unwrap();
    let names: Vec<_> = all(spool.path())
        .into_iter()
        .map(|(name, ..)| name)
        .collect();
    mark_accepted(spool.path(), &[names[1].clone(), "999.1".into()]).unwrap();
    assert_eq!(
        all(spool.path()),
        [(names[0].clone(), 1, false), (names[1].clone(), 2, true)]
    );
    let file = path(&directory(spool.path()), 1);
    let content = fs::read(&file).unwrap();
    fs::write(&file, &content[..content.len() - 1]).unwrap();
    assert_eq!(all(spool.path()).len(), 1);
}

use super::*;

const NOW: Tick = Tick::from_secs(1);

fn begun(alone: Option<LaneId>) -> Transaction {
    let mut transaction = Transaction::new();
    transaction.ready();
    transaction.began(NOW, alone);
    transaction
}

/// One record in it, and its checkpoint acked.
fn committing() -> Transaction {
    let mut transaction = begun(None);
    transaction.sent(10);
    assert_eq!(transaction.fed(NOW, false), Do::Nothing);
    assert_eq!(transaction.acked(), Do::Seal);
    assert_eq!(transaction.sealed(), Do::Commit);
    transaction
}

#[test]
fn the_checkpoint_goes_when_every_report_is_in_and_the_commit_when_its_own_is() {
    let mut transaction = begun(None);
    transaction.sent(10);
    transaction.sent(10);
    assert_eq!(transaction.acked(), Do::Nothing);
    assert_eq!(transaction.fed(NOW, true), Do::Nothing, "there may be more");
    assert_eq!(transaction.fed(NOW, false), Do::Nothing);
    assert!(!transaction.admits(None, 1));
    assert_eq!(transaction.acked(), Do::Seal);
    assert_eq!(transaction.sealed(), Do::Commit);
    assert_eq!(transaction.answered(NOW, Outcome::Done), Do::Advance);
    assert_eq!(transaction.phase(), Phase::Idle);
}

#[test]
fn it_takes_ten_thousand_records_or_fifty_milliseconds() {
    let mut transaction = begun(None);
    for _ in 0..RECORDS_MAX {
        assert!(transaction.admits(None, 1));
        transaction.sent(1);
    }
    assert!(!transaction.admits(None, 1));
    let mut transaction = begun(None);
    transaction.sent(1);
    assert_eq!(transaction.fed(NOW + FILLS_FOR, true), Do::Nothing);
    assert_eq!(transaction.phase(), Phase::Settling);
    let mut transaction = begun(None);
    assert!(transaction.admits(None, usize::MAX), "one always goes");
    transaction.sent(BYTES_MAX);
    assert!(!transaction.admits(None, 1));
}

#[test]
fn with_a_backlog_it_takes_records_for_longer_than_an_end_takes_and_not_for_ever() {
    for (end, fills) in [(1, 50), (60, 240), (10_000, 1_000)] {
        let (end, fills) = (Duration::from_millis(end), Duration::from_millis(fills));
        let mut transaction = committing();
        let _ = transaction.answered(NOW + end, Outcome::Done);
        transaction.began(NOW, None);
        transaction.sent(1);
        let almost = fills.saturating_sub(Duration::from_millis(1));
        assert_eq!(transaction.fed(NOW + almost, true), Do::Nothing);
        assert_eq!(transaction.phase(), Phase::Filling, "{end:?}");
        assert_eq!(transaction.wake(), Some(NOW + fills));
        let _ = transaction.fed(NOW + fills, true);
        assert_eq!(transaction.phase(), Phase::Settling, "{end:?}");
        // Nothing more: at once.
        let mut transaction = committing();
        let _ = transaction.answered(NOW + end, Outcome::Done);
        transaction.began(NOW, None);
        transaction.sent(1);
        let _ = transaction.fed(NOW, false);
        assert_eq!(transaction.phase(), Phase::Settling);
    }
}

#[test]
fn an_open_commit_is_asked_for_again_and_never_aborted() {
    let mut transaction = committing();
    assert_eq!(transaction.answered(NOW, Outcome::Again), Do::Nothing);
    assert_eq!(transaction.failed(), Do::Nothing, "a late report");
    assert_eq!(transaction.tend(NOW), Do::Nothing);
    assert_eq!(transaction.tend(NOW + AGAIN), Do::Commit);
    assert_eq!(transaction.tend(NOW + AGAIN), Do::Nothing, "once");
    assert_eq!(transaction.answered(NOW, Outcome::Done), Do::Advance);
}

#[test]
fn what_requires_an_abort_is_aborted_and_rewound() {
    let mut transaction = committing();
    assert_eq!(transaction.answered(NOW, Outcome::MustAbort), Do::Abort);
    assert_eq!(transaction.answered(NOW, Outcome::Again), Do::Nothing);
    assert_eq!(transaction.tend(NOW + AGAIN), Do::Abort);
    assert_eq!(transaction.answered(NOW, Outcome::Done), Do::Rewind);
}

#[test]
fn an_unknown_outcome_is_neither() {
    let mut transaction = committing();
    assert_eq!(transaction.answered(NOW, Outcome::Unknown), Do::Rebuild);
    assert_eq!(transaction.phase(), Phase::Off);
    let mut transaction = begun(None);
    assert_eq!(transaction.failed(), Do::Abort);
    assert_eq!(transaction.answered(NOW, Outcome::Unknown), Do::Rebuild);
}

#[test]
fn a_failed_report_aborts_whatever_else_was_acked() {
    let mut transaction = begun(None);
    transaction.sent(1);
    transaction.sent(1);
    assert_eq!(transaction.acked(), Do::Nothing);
    assert_eq!(transaction.failed(), Do::Abort);
    assert_eq!(transaction.acked(), Do::Nothing);
    assert_eq!(transaction.failed(), Do::Nothing, "once");
}

#[test]
fn a_lane_that_goes_alone_waits_for_each_record_and_not_for_ever() {
    let mut transaction = begun(Some(LaneId::made_up(3)));
    assert!(!transaction.admits(None, 1) && !transaction.admits(Some(LaneId::made_up(2)), 1));
    assert!(transaction.admits(Some(LaneId::made_up(3)), 1));
    transaction.sent(1);
    assert!(!transaction.admits(Some(LaneId::made_up(3)), 1));
    assert!(transaction.overdue(NOW).is_none());
    assert!(transaction.overdue(NOW + ALONE_FOR).is_some());
    assert_eq!(transaction.acked(), Do::Nothing);
    assert!(
        transaction.admits(Some(LaneId::made_up(3)), 1)
            && transaction.overdue(NOW + ALONE_FOR).is_none()
    );
}

use super::*;
use Taken::{Acked, Joined, New};
use std::{cell::Cell, rc::Rc};

/// Waits until the test says otherwise.
#[derive(Debug, Clone)]
struct Someone {
    name: &'static str,
    gone: Rc<Cell<bool>>,
}

impl Waits for Someone {
    fn is_gone(&self) -> bool {
        self.gone.get()
    }
}

impl PartialEq for Someone {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

fn someone(name: &'static str) -> Someone {
    let gone = Rc::default();
    Someone { name, gone }
}

const PATIENCE: Duration = Duration::from_secs(4);

struct Rig {
    book: Book<Someone>,
    now: u64,
}

impl Rig {
    /// Two lanes: recordings and their states share one, streams have the other. Each holds two records or ten bytes.
    fn new() -> Self {
        let share = Share {
            records: 2,
            bytes: 10,
            lanes: vec![
                vec![Family::Recording, Family::RecordingStatus],
                vec![Family::Stream],
            ],
        };
        let window = Window::new(Duration::from_secs(1800), 1000);
        Self {
            book: Book::new(window, share),
            now: 1_000_000,
        }
    }

    fn take(&mut self, id: u8, family: Family, who: &Someone) -> Taken<Someone> {
        self.take_body(id, family, who, b"x")
    }

    fn take_body(
        &mut self,
        id: u8,
        family: Family,
        who: &Someone,
        body: &'static [u8],
    ) -> Taken<Someone> {
        let envelope = Envelope {
            source: SourceName::parse("tencent").unwrap(),
            family,
            received_at: Millis(self.now),
            traceparent: None,
            body: body.into(),
        };
        let event = EventName::RecordingFile;
        let now = Millis(self.now);
        self.book
            .take(now, CeId([id; 16]), event, envelope, who.clone())
    }

    fn ack(&mut self, seq: u64) -> Vec<(How, &'static str)> {
        let gone = self.book.ack(Seq(seq), Millis(self.now));
        named(gone)
    }

    fn stuck(&self) -> bool {
        self.book.is_stuck(Millis(self.now), PATIENCE)
    }
}

fn named(gone: Option<Gone<Someone>>) -> Vec<(How, &'static str)> {
    let waiting = gone.map(|gone| gone.waiting).unwrap_or_default();
    waiting
        .into_iter()
        .map(|(how, who)| (how, who.name))
        .collect()
}

fn refused(why: Refused, who: &Someone) -> Taken<Someone> {
    Taken::Refused(why, who.clone())
}

#[test]
fn an_identical_one_joins_and_both_hear_of_the_one_ack() {
    let (mut rig, a, b) = (Rig::new(), someone("a"), someone("b"));
    assert_eq!(rig.take(1, Family::Recording, &a), New);
    assert_eq!(rig.take(1, Family::Recording, &b), Joined);
    assert_eq!(rig.book.pending(), (1, 1));
    assert_eq!(rig.ack(1), [(How::New, "a"), (How::Duplicate, "b")]);
    assert_eq!(rig.book.pending(), (0, 0));
    assert_eq!(rig.ack(1), [], "an ack is told once");
}

#[test]
fn what_was_acked_is_a_duplicate_for_a_window_and_no_longer() {
    let (mut rig, a) = (Rig::new(), someone("a"));
    rig.take(1, Family::Recording, &a);
    rig.ack(1);
    rig.now += 1_799_999;
    assert_eq!(rig.take(1, Family::Recording, &a), Acked(Seq(1)));
    rig.now += 1;
    assert_eq!(rig.take(1, Family::Recording, &a), New);
}

#[test]
fn a_retry_after_503_joins_what_is_under_way_and_finds_what_was_acked_meanwhile() {
    let (mut rig, a, b) = (Rig::new(), someone("a"), someone("b"));
    rig.take(1, Family::Recording, &a);
    // Told 503 by the door, which listens no longer.
    a.gone.set(true);
    assert_eq!(rig.take(1, Family::Recording, &b), Joined);
    b.gone.set(true);
    rig.ack(1);
    assert_eq!(rig.take(1, Family::Recording, &b), Acked(Seq(1)));
}

#[test]
fn retries_that_nobody_waits_for_any_more_leave_nothing_behind() {
    let mut rig = Rig::new();
    for _ in 0..100 {
        let who = someone("again");
        rig.take(1, Family::Recording, &who);
        who.gone.set(true);
    }
    let last = someone("last");
    rig.take(1, Family::Recording, &last);
    assert_eq!(rig.ack(1), [(How::Duplicate, "last")]);
}

#[test]
fn what_is_refused_is_forgotten_so_that_the_retry_is_taken_anew() {
    let (mut rig, a) = (Rig::new(), someone("a"));
    rig.take(1, Family::Recording, &a);
    assert_eq!(named(rig.book.refuse(Seq(1))), [(How::New, "a")]);
    assert_eq!(rig.take(1, Family::Recording, &a), New);
    assert_eq!(rig.book.last(), Seq(2));
}

#[test]
fn a_lane_that_holds_as_much_as_it_may_refuses_at_once_and_others_take() {
    let (mut rig, a) = (Rig::new(), someone("a"));
    rig.take(1, Family::Recording, &a);
    rig.take(2, Family::RecordingStatus, &a);
    let full = refused(Refused::Full, &a);
    assert_eq!(rig.take(3, Family::Recording, &a), full);
    assert_eq!(rig.take(4, Family::Stream, &a), New);
    assert_eq!(rig.take_body(5, Family::Stream, &a, b"0123456789"), full);
    // What is known is no new load.
    assert_eq!(rig.take(1, Family::Recording, &a), Joined);
    rig.ack(2);
    assert_eq!(rig.take(1, Family::Recording, &a), Joined);
    assert_eq!(rig.take(3, Family::Recording, &a), New);
    // What was refused left no trace.
    assert_eq!(rig.take(5, Family::Stream, &a), New);
}

#[test]
fn a_blocked_lane_lets_go_of_who_waits_and_keeps_the_records_to_try_it_with() {
    let (mut rig, a, b) = (Rig::new(), someone("a"), someone("b"));
    let lane = [Family::Recording, Family::RecordingStatus];
    rig.take(1, Family::Recording, &a);
    rig.take(2, Family::Stream, &b);
    assert_eq!(rig.book.block(&lane, true), std::slice::from_ref(&a));
    let blocked = refused(Refused::Blocked, &a);
    assert_eq!(rig.take(1, Family::Recording, &a), blocked);
    assert_eq!(rig.take(3, Family::RecordingStatus, &a), blocked);
    assert_eq!(rig.take(4, Family::Stream, &a), New, "others go on");
    let first = rig
        .book
        .next(Seq(0), Seq(9), &|family| lane.contains(&family));
    assert_eq!(first.map(|record| record.seq), Some(Seq(1)));
    rig.book.block(&lane, false);
    assert_eq!(rig.ack(1), [], "who waited was told already");
    assert_eq!(rig.take(1, Family::Recording, &a), Acked(Seq(1)));
}

#[test]
fn a_blocked_lane_without_a_record_takes_one_to_try_it_with() {
    let (mut rig, a, b) = (Rig::new(), someone("a"), someone("b"));
    rig.take(1, Family::Stream, &a);
    rig.book.block(&[Family::Stream], true);
    // It couldn't be typed: the topic was never asked.
    rig.book.set_aside(Seq(1));
    assert_eq!(rig.take(2, Family::Stream, &b), New);
    assert_eq!(
        rig.take(3, Family::Stream, &b),
        refused(Refused::Blocked, &b)
    );
}

#[test]
fn what_waits_for_its_copy_only_is_out_of_its_lane() {
    let (mut rig, a) = (Rig::new(), someone("a"));
    rig.take(1, Family::Stream, &a);
    rig.book.set_aside(Seq(1));
    rig.book.set_aside(Seq(1));
    assert!(rig.book.next(Seq(0), Seq(9), &|_| true).is_none());
    // Blocked or not: it doesn't wait for that topic.
    assert_eq!(rig.book.block(&[Family::Stream], true), []);
    assert_eq!(rig.take(1, Family::Stream, &a), Joined);
    assert_eq!(rig.book.pending(), (1, 1));
    rig.now += 100_000;
    assert!(!rig.stuck());
    rig.ack(1);
    rig.book.block(&[Family::Stream], false);
    for (id, taken) in [(2, New), (3, New), (4, refused(Refused::Full, &a))] {
        assert_eq!(rig.take(id, Family::Stream, &a), taken);
    }
}

#[test]
fn it_is_stuck_when_something_waits_and_nothing_is_acked_for_too_long() {
    let (mut rig, a) = (Rig::new(), someone("a"));
    rig.take(1, Family::Recording, &a);
    rig.take(2, Family::Stream, &a);
    rig.now += 4_000;
    assert!(!rig.stuck());
    rig.now += 1;
    assert!(rig.stuck());
    // One partition of many: the other acks say that Kafka is there.
    rig.ack(2);
    assert!(!rig.stuck());
    rig.now += 4_001;
    assert!(rig.stuck());
    // Its topic only: not Kafka's fault.
    rig.book.block(&[Family::Recording], true);
    assert!(!rig.stuck());
    rig.book.block(&[Family::Recording], false);
    rig.ack(1);
    rig.now += 100_000;
    assert!(!rig.stuck(), "with nothing waiting nobody knows");
}

#[test]
fn the_end_is_told_to_all_and_nothing_is_taken_after_it() {
    let (mut rig, a, b) = (Rig::new(), someone("a"), someone("b"));
    rig.take(1, Family::Recording, &a);
    rig.take(2, Family::Stream, &b);
    assert_eq!(rig.book.close(), [a.clone(), b]);
    assert_eq!(
        rig.take(1, Family::Recording, &a),
        refused(Refused::Closed, &a)
    );
}

#[test]
fn a_reader_meets_what_it_wants_in_order_and_skips_what_is_acked() {
    let (mut rig, a) = (Rig::new(), someone("a"));
    for (id, family) in [
        (1, Family::Recording),
        (2, Family::Stream),
        (3, Family::Recording),
    ] {
        rig.take(id, family, &a);
    }
    let next = |rig: &Rig, after, limit| {
        let wanted = |family| family == Family::Recording;
        rig.book
            .next(Seq(after), Seq(limit), &wanted)
            .map(|r| r.seq.0)
    };
    assert_eq!(next(&rig, 0, 3), Some(1));
    assert_eq!(next(&rig, 1, 3), Some(3));
    assert_eq!(next(&rig, 1, 2), None);
    assert_eq!(next(&rig, 3, 3), None);
    rig.ack(1);
    assert_eq!(next(&rig, 0, 3), Some(3));
}

use super::*;

const LATER: Tick = Tick::from_secs(3600);

#[test]
fn a_blocked_lane_stays_blocked_while_the_quarantine_has_no_room_and_after() {
    let mut course = Course::new(1);
    course.block(Tick::ZERO, None);
    for _ in 0..2 {
        course.no_room(Tick::ZERO);
        assert!(course.is_blocked());
        assert_eq!(course.mode(), Mode::QuarantineFull);
        // Through the shared producer, a topic that takes nothing would be everybody's end.
        assert_eq!(course.way(LATER), Way::Alone);
    }
    course.room_again();
    assert_eq!(
        (course.mode(), course.way(LATER)),
        (Mode::Blocked, Way::Alone)
    );
    course.alone_settled(Seq(7));
    assert_eq!(course.way(LATER), Way::Shared);
}

#[test]
fn a_topic_that_refuses_one_record_is_no_longer_blocked() {
    let mut course = Course::new(1);
    course.block(Tick::ZERO, None);
    let refusal = Refusal::TooLarge;
    let judged = course.alone_failed(Tick::ZERO, Class::Poison(refusal), true);
    assert_eq!(judged, Alone::Quarantine(refusal));
    course.no_room(Tick::ZERO);
    assert!(!course.is_blocked());
    assert_eq!(course.way(LATER), Way::Alone);
    course.alone_settled(Seq(7));
    assert_eq!(course.mode(), Mode::Flowing);
}

#[test]
fn a_suspected_lane_is_tried_at_once_and_called_blocked_only_when_seen_to_be() {
    let mut course = Course::new(1);
    course.doubt(LATER);
    assert_eq!(course.way(LATER), Way::Alone);
    assert!(course.is_probed() && !course.is_blocked());
    course.put_off(LATER);
    assert!(matches!(course.way(LATER), Way::NotBefore(_)) && !course.is_blocked());
    course.stuck(LATER);
    assert!(course.is_probed() && course.is_blocked());
    course.probed();
    assert_eq!(
        (course.mode(), course.way(LATER)),
        (Mode::Flowing, Way::Shared)
    );
}

#[test]
fn what_can_not_be_tried_waits_also_while_the_quarantine_has_no_room() {
    let mut course = Course::new(1);
    course.block(Tick::ZERO, None);
    course.no_room(Tick::ZERO);
    assert_eq!(course.way(LATER), Way::Alone);
    course.put_off(LATER);
    assert!(matches!(course.way(LATER), Way::NotBefore(_)));
}

#[test]
fn waits_grow_while_a_topic_takes_what_tries_it_and_nothing_else() {
    let mut course = Course::new(1);
    let mut waits = Vec::new();
    for _ in 0..8 {
        course.stuck(Tick::ZERO);
        if let Way::NotBefore(at) = course.way(Tick::ZERO) {
            waits.push(at);
        }
        course.probed();
    }
    assert!(waits[7] >= Tick::from_secs(20), "{waits:?}");
    course.worked();
    course.stuck(Tick::ZERO);
    assert!(course.way(Tick::from_secs(2)) == Way::Alone);
}

const fn ends(first: u64, others_lose: bool) -> End {
    End {
        class: Some(Class::Retriable),
        others_lose,
        first: Seq(first),
        passed: Seq(10),
    }
}

fn end_times(course: &mut Course, times: u32, end: End) -> Vec<bool> {
    let mut ended = || course.shared_failed(LATER, end);
    (0..times).map(|_| ended()).collect()
}

#[test]
fn what_ends_the_producer_of_others_again_and_again_is_tried_by_itself() {
    let mut course = Course::new(1);
    assert_eq!(end_times(&mut course, 2, ends(3, true)), [false; 2]);
    // It got on in between.
    assert_eq!(
        end_times(&mut course, 3, ends(4, true)),
        [false, false, true]
    );
    assert_eq!(course.way(LATER), Way::Alone);
    assert!(!course.is_blocked(), "only suspected");
    course.alone_failed(LATER, Class::Retriable, false);
    assert!(!course.is_blocked(), "nobody else gets on either");
    course.alone_failed(LATER, Class::Retriable, true);
    assert!(course.is_blocked() && course.mode() == Mode::Blocked);
    course.alone_failed(LATER, Class::Retriable, false);
    assert!(course.is_blocked(), "it was seen to take nothing");
}

#[test]
fn one_by_one_a_topic_that_takes_nothing_while_others_are_taken_is_blocked_too() {
    let mut course = Course::new(1);
    let poison = End {
        class: Some(Class::Poison(Refusal::Policy)),
        ..ends(3, true)
    };
    course.shared_failed(LATER, poison);
    course.alone_failed(LATER, Class::Retriable, false);
    assert_eq!(course.mode(), Mode::Singly);
    course.alone_failed(LATER, Class::Retriable, true);
    assert_eq!(course.mode(), Mode::Blocked);
    course.alone_settled(Seq(4));
    assert_eq!(course.mode(), Mode::Singly, "through 10");
}

#[test]
fn what_ends_only_its_own_producer_goes_on_as_it_does() {
    let mut course = Course::new(1);
    assert_eq!(end_times(&mut course, 20, ends(3, false)), [false; 20]);
    assert_eq!(course.mode(), Mode::Flowing);
    let unharmed = End {
        class: None,
        ..ends(3, true)
    };
    assert_eq!(end_times(&mut course, 20, unharmed), [false; 20]);
    assert_eq!(
        end_times(&mut course, 3, ends(3, true)),
        [false, false, true],
        "now others lose"
    );
}

#[test]
fn if_its_first_record_was_taken_it_goes_on_one_by_one() {
    let mut course = Course::new(1);
    for first in [3, 4] {
        assert!(end_times(&mut course, 3, ends(first, true)).contains(&true));
        course.alone_settled(Seq(first));
    }
    assert_eq!(course.mode(), Mode::Singly, "through 10");
    course.alone_settled(Seq(10));
    assert_eq!(course.mode(), Mode::Flowing);
}

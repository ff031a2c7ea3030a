use super::*;

const SPAN: usize = 4;
const A: Family = Family::Recording;
const B: Family = Family::Stream;

fn window() -> Window {
    Window::new(SPAN, &[A, B], &Settled::default())
}

fn send(window: &mut Window, family: Family, seq: u64) {
    window.sent(family, Seq(seq), 10, Millis(seq));
}

/// Of so many records, as [`send`] sends them.
const fn load(records: usize) -> Load {
    Load {
        records,
        bytes: 10 * records,
    }
}

fn settled(window: &Window) -> (u64, u64) {
    let mut settled = Settled::default();
    window.report(&mut settled);
    (settled.of(A).0, settled.of(B).0)
}

#[test]
fn the_checkpoint_of_a_family_stops_before_its_first_unsettled_record() {
    let mut window = window();
    send(&mut window, A, 3);
    send(&mut window, B, 5);
    send(&mut window, A, 8);
    assert_eq!(settled(&window), (2, 4));
    window.settle(A, Seq(8));
    assert_eq!(settled(&window), (2, 4), "8 must not pass 3");
    window.settle(A, Seq(3));
    assert_eq!(settled(&window), (8, 4));
    window.pass_to(Seq(20));
    assert_eq!(settled(&window), (20, 4));
    window.settle(B, Seq(5));
    assert_eq!(settled(&window), (20, 20));
    assert!(window.is_empty());
}

#[test]
fn a_rewind_skips_what_was_reported_and_sends_the_rest_again() {
    let mut window = window();
    for seq in [1, 4, 6] {
        send(&mut window, A, seq);
    }
    window.settle(A, Seq(4));
    window.rewind();
    assert_eq!((window.restart(), window.in_flight()), (Seq(0), 0));
    assert_eq!(window.standing(A, Seq(1)), Standing::Due);
    assert_eq!(window.standing(A, Seq(4)), Standing::Over);
    assert_eq!(window.standing(A, Seq(6)), Standing::Due);
    assert_eq!(window.standing(A, Seq(7)), Standing::New);
    send(&mut window, A, 1);
    assert_eq!(window.restart(), Seq(5));
    window.settle(A, Seq(1));
    assert_eq!(settled(&window), (5, 6));
}

#[test]
fn a_window_is_bounded_in_slots_and_counts_what_is_under_way() {
    let mut window = window();
    for seq in 1..=4 {
        assert!(window.has_slot(Standing::New));
        send(&mut window, A, seq);
    }
    assert_eq!(window.load(), load(4));
    assert!(!window.has_slot(Standing::New), "four slots");
    window.settle(A, Seq(2));
    window.settle(A, Seq(3));
    assert_eq!(window.load(), load(2));
    assert!(!window.has_slot(Standing::New), "the first one holds them");
    window.rewind();
    assert_eq!(window.load(), load(0));
    assert!(window.has_slot(Standing::Due), "a slot of its own");
}

#[test]
#[should_panic(expected = "settled twice")]
fn a_record_cannot_be_settled_twice() {
    let mut window = window();
    send(&mut window, A, 1);
    send(&mut window, A, 2);
    window.settle(A, Seq(2));
    window.settle(A, Seq(2));
}

#[test]
#[should_panic(expected = "sent twice")]
fn a_record_cannot_be_sent_twice_at_a_time() {
    let mut window = window();
    send(&mut window, A, 1);
    send(&mut window, A, 1);
}

#[test]
fn families_that_were_settled_differently_skip_what_each_has() {
    let mut start = Settled::default();
    start.advance(A, Seq(10));
    start.advance(B, Seq(4));
    let window = Window::new(SPAN, &[A, B], &start);
    assert_eq!(window.restart(), Seq(4));
    assert_eq!(window.standing(A, Seq(7)), Standing::Over);
    assert_eq!(window.standing(B, Seq(7)), Standing::New);
}

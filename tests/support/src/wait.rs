//! Waiting for a condition with a deadline: the only pause in the tests.

use std::time::{Duration, Instant};

/// Asks again and again until there is an answer; panics, naming `what`, when `deadline` has passed.
#[track_caller]
pub fn until<T>(what: &str, deadline: Duration, condition: impl FnMut() -> Option<T>) -> T {
    match within(deadline, condition) {
        Some(answer) => answer,
        None => panic!("waited {deadline:?} in vain: {what}"),
    }
}

/// Asks again and again until there is an answer or `deadline` has passed.
pub fn within<T>(deadline: Duration, mut condition: impl FnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + deadline;
    let mut pause = Duration::from_millis(2);
    loop {
        if let Some(answer) = condition() {
            return Some(answer);
        }
        if Instant::now() >= end {
            return None;
        }
        pass(pause);
        pause = (pause * 2).min(Duration::from_millis(50));
    }
}

/// Lets time pass, where time itself is the subject: how long a broker stays frozen, say.
#[expect(
    clippy::disallowed_methods,
    reason = "other processes can't wake this one; everything here waits through this place"
)]
pub fn pass(time: Duration) {
    std::thread::sleep(time);
}

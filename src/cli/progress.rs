//! How far a long command is: a bar on a terminal, now and then a plain line elsewhere, always on stderr.

use std::{
    io::{self, IsTerminal, Write},
    time::{Duration, Instant},
};

/// How often a terminal is drawn.
const DRAWN: Duration = Duration::from_millis(100);
/// How often a line is written where there is no terminal.
const WRITTEN: Duration = Duration::from_secs(5);
const WIDTH: u64 = 30;

/// See the module.
#[derive(Debug)]
pub(super) struct Progress {
    verb: &'static str,
    things: &'static str,
    terminal: bool,
    last: Instant,
    drawn: bool,
    started: Instant,
    remark: String,
}

impl Progress {
    /// "replayed", "records", say.
    pub(super) fn new(verb: &'static str, things: &'static str) -> Self {
        let now = Instant::now();
        Self {
            verb,
            things,
            terminal: io::stderr().is_terminal(),
            last: now,
            drawn: false,
            started: now,
            remark: String::new(),
        }
    }

    /// What is to be said besides.
    pub(super) fn with(&mut self, remark: Option<&str>) {
        self.remark = remark.map(|text| format!(" ({text})")).unwrap_or_default();
    }

    /// So far.
    pub(super) fn at(&mut self, done: u64, all: u64) {
        let due = if self.terminal { DRAWN } else { WRITTEN };
        if self.last.elapsed() < due {
            return;
        }
        self.last = Instant::now();
        let mut text = line(self.verb, self.things, done, all, self.started.elapsed());
        text.push_str(&self.remark);
        let mut err = io::stderr().lock();
        // Nobody is left to tell if the terminal has gone.
        let _ = if self.terminal {
            self.drawn = true;
            write!(err, "\r{} {text}\u{1b}[K", bar(done, all)).and_then(|()| err.flush())
        } else {
            writeln!(err, "{text}")
        };
    }

    /// Leaves a clean line behind.
    pub(super) fn finish(&mut self) {
        if std::mem::take(&mut self.drawn) {
            let _ = write!(io::stderr().lock(), "\r\u{1b}[K");
        }
    }
}

fn bar(done: u64, all: u64) -> String {
    let full = done
        .saturating_mul(WIDTH)
        .checked_div(all)
        .unwrap_or(0)
        .min(WIDTH);
    (0..WIDTH)
        .map(|at| if at < full { '█' } else { '░' })
        .collect()
}

fn line(verb: &str, things: &str, done: u64, all: u64, took: Duration) -> String {
    let rate = done as f64 / took.as_secs_f64().max(1e-3);
    format!("{verb} {done} of {all} {things}, {rate:.0} a second")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_as_full_as_the_work_is_done() {
        assert!(bar(0, 10).chars().all(|c| c == '░'));
        assert_eq!(bar(5, 10).chars().filter(|c| *c == '█').count(), 15);
        assert!(bar(12, 10).chars().all(|c| c == '█'));
        assert_eq!(bar(3, 0).chars().count(), 30);
        assert_eq!(
            line("replayed", "records", 5, 10, Duration::from_secs(2)),
            "replayed 5 of 10 records, 2 a second"
        );
    }
}

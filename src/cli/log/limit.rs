//! Holds back what one place in the code says again and again: a log that a flood of quarantined callbacks fills up tells
//! nobody anything. A hundred lines of a place within ten seconds are written, then it is said that more are held back, and
//! with its next line how many there were. Lines of debug and trace are asked for, and never held back.

use crate::clock::{Clock, SystemClock};
use std::{
    collections::HashMap,
    io,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};
use tracing::{Level, Metadata, callsite::Identifier};
use tracing_subscriber::fmt::MakeWriter;

/// The lines of a place within [`EVERY`].
const BURST: u64 = 100;
const EVERY: Duration = Duration::from_secs(10);

/// Makes writers to where `inner` writes, or to nowhere.
#[derive(Debug)]
pub(super) struct Limited<M> {
    inner: M,
    json: bool,
    started: Instant,
    /// As many as there are places in the code that log.
    places: Mutex<HashMap<Identifier, Place>>,
}

impl<M> Limited<M> {
    /// `json`: the lines are JSON objects, and so are those about what was held back.
    pub(super) fn new(inner: M, json: bool) -> Self {
        Self {
            inner,
            json,
            started: Instant::now(),
            places: Mutex::default(),
        }
    }

    fn admit(&self, place: Identifier) -> Verdict {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        places
            .entry(place)
            .or_default()
            .admit(self.started.elapsed())
    }

    fn note(&self, words: &str) -> String {
        let now = SystemClock.now();
        if self.json {
            format!(
                "{{\"timestamp\":\"{now}\",\"level\":\"WARN\",\"message\":\"{words}\",\"target\":\"livebridge::log\"}}\n"
            )
        } else {
            format!("{now}  WARN livebridge::log: {words}\n")
        }
    }
}

impl<'a, M: MakeWriter<'a>> MakeWriter<'a> for Limited<M> {
    type Writer = Line<M::Writer>;

    fn make_writer(&'a self) -> Self::Writer {
        Line {
            before: String::new(),
            to: Some(self.inner.make_writer()),
            after: String::new(),
        }
    }

    fn make_writer_for(&'a self, about: &Metadata<'_>) -> Self::Writer {
        if *about.level() > Level::INFO {
            return self.make_writer();
        }
        let verdict = self.admit(about.callsite());
        let before = match verdict {
            Verdict::Say { missing } if missing > 0 => {
                self.note(&format!("{missing} lines like the next one were held back"))
            }
            _ => String::new(),
        };
        let after = match verdict {
            Verdict::SayLast => self.note("more lines like the last one are held back"),
            _ => String::new(),
        };
        Line {
            before,
            to: (verdict != Verdict::Hold).then(|| self.inner.make_writer_for(about)),
            after,
        }
    }
}

/// Takes one line, which the formatter hands over in one piece.
#[derive(Debug)]
pub(super) struct Line<W> {
    before: String,
    to: Option<W>,
    after: String,
}

impl<W: io::Write> io::Write for Line<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if let Some(to) = &mut self.to {
            to.write_all(std::mem::take(&mut self.before).as_bytes())?;
            to.write_all(line)?;
            to.write_all(std::mem::take(&mut self.after).as_bytes())?;
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.as_mut().map_or(Ok(()), io::Write::flush)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// So many were held back before it.
    Say {
        missing: u64,
    },
    /// The next ones are held back.
    SayLast,
    Hold,
}

#[derive(Debug, Default)]
struct Place {
    since: Duration,
    lines: u64,
}

impl Place {
    fn admit(&mut self, now: Duration) -> Verdict {
        let mut missing = 0;
        if now.saturating_sub(self.since) >= EVERY {
            missing = self.lines.saturating_sub(BURST);
            *self = Self {
                since: now,
                lines: 0,
            };
        }
        self.lines += 1;
        match self.lines {
            BURST => Verdict::SayLast,
            lines if lines < BURST => Verdict::Say { missing },
            _ => Verdict::Hold,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn a_place_says_its_hundred_and_later_how_many_were_missing() {
        let mut place = Place::default();
        let at = Duration::from_secs;
        for _ in 1..BURST {
            assert_eq!(place.admit(at(1)), Verdict::Say { missing: 0 });
        }
        assert_eq!(place.admit(at(2)), Verdict::SayLast);
        for _ in 0..5000 {
            assert_eq!(place.admit(at(9)), Verdict::Hold);
        }
        assert_eq!(place.admit(at(10)), Verdict::Say { missing: 5000 });
        assert_eq!(place.admit(at(30)), Verdict::Say { missing: 0 });
    }

    #[derive(Clone, Default)]
    struct Text(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Text {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_flood_of_one_place_leaves_room_for_the_others_and_every_line_is_json() {
        let text = Text::default();
        let written = text.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_writer(Limited::new(move || written.clone(), true))
            .with_max_level(Level::DEBUG)
            .json()
            .finish();
        tracing::subscriber::with_default(subscriber, || {
            for seq in 0..3000 {
                tracing::warn!(seq, "a record went to the quarantine");
            }
            tracing::info!("another place");
            for seq in 0..300 {
                tracing::debug!(seq, "asked for");
            }
        });
        let text = String::from_utf8(text.0.lock().unwrap().clone()).unwrap();
        let lines: Vec<serde_json::Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(lines.len(), 100 + 1 + 1 + 300, "{text}");
        assert!(lines[100].to_string().contains("are held back"), "{text}");
        assert!(text.contains("another place"));
    }
}

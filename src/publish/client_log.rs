//! What librdkafka says, in the log: never as an error, since it goes on trying by itself, and each kind of line at
//! most once a minute, since it says the same again and again while Kafka is down.
//!
//! One for all clients of a process: what one of them has said of a broker, the others needn't repeat.

use super::trouble::Trouble;
use rdkafka::{
    ClientContext,
    config::RDKafkaLogLevel,
    consumer::ConsumerContext,
    error::{KafkaError, RDKafkaErrorCode},
    message::DeliveryResult,
    producer::ProducerContext,
};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

/// Between two lines of a kind.
const EVERY: Duration = Duration::from_secs(60);
/// Kinds that are told apart. Further ones share one.
const KINDS_MAX: usize = 256;

/// Properties whose very mention is worth a warning to librdkafka.
const OURS: &[&str] = &["enable.gapless.guarantee", "queuing.strategy"];

/// See the module.
#[derive(Debug)]
pub struct ClientLog {
    throttle: Mutex<Throttle>,
    started: Instant,
}

impl Default for ClientLog {
    fn default() -> Self {
        Self {
            throttle: Mutex::default(),
            started: Instant::now(),
        }
    }
}

impl ClientLog {
    /// A line of a client's log.
    pub fn line(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        if let RDKafkaLogLevel::Debug = level {
            tracing::debug!(facility, "librdkafka: {text}");
            return;
        }
        // About properties that we set, knowing what we do, and nobody can change.
        if facility == "CONFWARN" && OURS.iter().any(|ours| text.contains(ours)) {
            return;
        }
        if let Some(trouble) = Trouble::of_line(text) {
            // With a certificate it comes again, as an error.
            if trouble.certificate_of.is_none() {
                self.say(&trouble);
            }
            return;
        }
        let Some(held_back) = self.admit(&kind(facility, text)) else {
            return;
        };
        match level {
            RDKafkaLogLevel::Emerg
            | RDKafkaLogLevel::Alert
            | RDKafkaLogLevel::Critical
            | RDKafkaLogLevel::Error => {
                tracing::warn!(facility, held_back, "librdkafka: {text}");
            }
            _ => tracing::info!(facility, held_back, "librdkafka: {text}"),
        }
    }

    /// Trouble of a client with its brokers, such as that none is in reach.
    pub fn trouble(&self, error: &KafkaError, reason: &str) {
        // How a consumer that reads to the end hears of it, as it asked to: all is well.
        if error.rdkafka_error_code() == Some(RDKafkaErrorCode::PartitionEOF) {
            return;
        }
        if let Some(trouble) = Trouble::of_line(reason) {
            self.say(&trouble);
            return;
        }
        if let Some(held_back) = self.admit(&kind(&error.to_string(), reason)) {
            tracing::warn!(%error, held_back, "librdkafka: {reason}");
        }
    }

    /// What is wrong, in words of ours.
    pub fn say(&self, trouble: &Trouble) {
        if let Some(held_back) = self.admit(&trouble.text) {
            tracing::warn!(held_back, "Kafka: {}", trouble.text);
        }
    }

    /// How many like it were held back since the last; none: this one is, too.
    fn admit(&self, kind: &str) -> Option<u64> {
        let mut throttle = self.throttle.lock().unwrap_or_else(PoisonError::into_inner);
        throttle.admit(self.started.elapsed(), kind)
    }
}

/// Lines that differ only in numbers are of one kind, unless they come from different threads: each broker has one,
/// named first in the text, as in `[thrd:kafka-1:9092/1]: kafka-1:9092/1: Disconnected (after 2012ms in state UP)`.
fn kind(facility: &str, text: &str) -> String {
    let (thread, rest) = text.split_once("]: ").unwrap_or(("", text));
    let rest = rest.chars().filter(|c| !c.is_ascii_digit()).take(200);
    format!("{facility} {thread} ")
        .chars()
        .take(200)
        .chain(rest)
        .collect()
}

#[derive(Debug, Default)]
struct Throttle(BTreeMap<String, Kind>);

#[derive(Debug)]
struct Kind {
    said_at: Duration,
    held_back: u64,
}

impl Throttle {
    fn admit(&mut self, now: Duration, kind: &str) -> Option<u64> {
        let due = |said_at: Duration| now.saturating_sub(said_at) >= EVERY;
        if self.0.len() >= KINDS_MAX {
            self.0.retain(|_, kind| !due(kind.said_at));
        }
        let known = self.0.contains_key(kind);
        let kind = if known || self.0.len() < KINDS_MAX {
            kind
        } else {
            ""
        };
        let Some(before) = self.0.get_mut(kind) else {
            let new = Kind {
                said_at: now,
                held_back: 0,
            };
            self.0.insert(kind.to_owned(), new);
            return Some(0);
        };
        if due(before.said_at) {
            before.said_at = now;
            Some(std::mem::take(&mut before.held_back))
        } else {
            before.held_back += 1;
            None
        }
    }
}

/// The context of a client that has nothing to tell but what is for the log.
pub(super) struct Logged(pub(super) Arc<ClientLog>);

impl ClientContext for Logged {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        self.0.line(level, facility, text);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.0.trouble(&error, reason);
    }
}

impl ConsumerContext for Logged {}

impl ProducerContext for Logged {
    type DeliveryOpaque = ();

    fn delivery(&self, _: &DeliveryResult<'_>, (): ()) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logged::logged;

    #[test]
    fn a_flood_of_troubles_is_one_line_and_no_error() {
        let log = ClientLog::default();
        let down = KafkaError::Global(RDKafkaErrorCode::AllBrokersDown);
        let text = logged(|| {
            for ms in 0..1000 {
                log.trouble(&down, "3/3 brokers are down");
                let line = format!("[thrd:kafka-1:9092/1]: refused (after {ms}ms in CONNECT)");
                log.line(RDKafkaLogLevel::Error, "FAIL", &line);
            }
        });
        assert_eq!(text.lines().count(), 2, "{text}");
        assert!(!text.contains("ERROR"), "{text}");
    }

    #[test]
    fn what_the_user_did_not_set_is_not_warned_of() {
        let log = ClientLog::default();
        let warning =
            |name: &str| format!("[thrd:app]: Configuration property {name} is experimental");
        let text = logged(|| {
            for name in ["queuing.strategy", "enable.gapless.guarantee", "linger.ms"] {
                log.line(RDKafkaLogLevel::Warning, "CONFWARN", &warning(name));
            }
        });
        assert_eq!(text.lines().count(), 1, "{text}");
    }

    #[test]
    fn that_a_reader_has_read_all_is_no_trouble() {
        let log = ClientLog::default();
        let end = KafkaError::Global(RDKafkaErrorCode::PartitionEOF);
        let text = logged(|| log.trouble(&end, "Fetch from broker 1 reached end of partition"));
        assert_eq!(text, "");
    }

    #[test]
    fn what_needs_a_person_is_one_line_in_words_of_ours() {
        let log = ClientLog::default();
        let code = KafkaError::Global(RDKafkaErrorCode::Authentication);
        let text = logged(|| {
            for ms in 0..1000 {
                let reason = format!(
                    "sasl_ssl://kafka-1:9093/1: SASL authentication error: no (after {ms}ms in state AUTH_REQ)"
                );
                log.line(
                    RDKafkaLogLevel::Error,
                    "FAIL",
                    &format!("[thrd:x]: {reason}"),
                );
                log.trouble(&code, &reason);
            }
        });
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(text.contains("the broker kafka-1:9093 refuses"), "{text}");
    }

    #[test]
    fn a_kind_comes_again_after_a_minute_with_the_number_held_back() {
        let mut throttle = Throttle::default();
        let at = Duration::from_secs;
        assert_eq!(throttle.admit(at(0), "a"), Some(0));
        assert_eq!(throttle.admit(at(1), "a"), None);
        assert_eq!(throttle.admit(at(2), "b"), Some(0));
        assert_eq!(throttle.admit(at(59), "a"), None);
        assert_eq!(throttle.admit(at(60), "a"), Some(2));
        assert_eq!(throttle.admit(at(61), "a"), None);
    }

    #[test]
    fn brokers_are_told_apart_and_numbers_are_not() {
        let of = |broker, ms| kind("FAIL", &format!("[thrd:{broker}]: refused after {ms}ms"));
        assert_eq!(of("kafka-1", 1), of("kafka-1", 20));
        assert_ne!(of("kafka-1", 1), of("kafka-2", 1));
    }

    #[test]
    fn however_many_kinds_there_are_they_take_bounded_room() {
        let mut throttle = Throttle::default();
        let said = (0..10_000)
            .filter(|n| throttle.admit(Duration::ZERO, &n.to_string()).is_some())
            .count();
        assert_eq!(said, KINDS_MAX + 1);
        assert_eq!(throttle.0.len(), KINDS_MAX + 1);
        assert!(throttle.admit(EVERY, "new").is_some());
        assert_eq!(throttle.0.len(), 1);
    }
}

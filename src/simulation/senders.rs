//! The senders of a simulated day: what they send, when they try again, and what they were told.

use super::relay::{KEY, TOPICS};
use crate::{
    callback::{
        id::ce_id,
        json::Document,
        names::Family,
        verify::{event_name, event_type, sign},
    },
    publish::{plan::Tick, simulation::kafka::POISON},
};
use std::time::Duration;
use support::dice::Dice;

/// What is the matter with a callback.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Plain,
    /// The broker won't take it.
    Poison,
    /// It has no typed event.
    Untypable,
    /// Its signature is wrong.
    Forged,
}

#[derive(Debug, Clone)]
pub(super) struct Callback {
    pub(super) kind: Kind,
    pub(super) stream: String,
    /// None: its family is off.
    pub(super) topic: Option<&'static str>,
    pub(super) id: String,
    /// Without the signature.
    members: String,
    /// In steps of the day.
    pub(super) first_sent: u64,
    pub(super) answered: Option<u64>,
    pub(super) attempts: u32,
    /// When it is sent (again); none while it is under way, or for good.
    pub(super) due: Option<Tick>,
}

const EVENTS: [i64; 7] = [100, 332, 0, 1, 200, 9999, 343];
/// A sender of recordings tries so often, a minute apart.
const ATTEMPTS: u32 = 12;
const APART: Duration = Duration::from_secs(60);

impl Callback {
    pub(super) fn new(number: usize, step: u64, now: Tick, dice: &mut Dice) -> Self {
        let kind = match dice.below(40) {
            0 => Kind::Poison,
            1 => Kind::Untypable,
            2 => Kind::Forged,
            _ => Kind::Plain,
        };
        let event = match kind {
            Kind::Untypable => 100,
            _ => EVENTS[dice.below(EVENTS.len() as u64) as usize],
        };
        let stream = format!("stream-{}", dice.below(3));
        let pad = "x".repeat(dice.below(400) as usize);
        let more = match kind {
            Kind::Poison => format!(r#","file_format":"{}""#, str::from_utf8(POISON).unwrap()),
            Kind::Untypable => r#","duration":[]"#.into(),
            Kind::Plain | Kind::Forged => String::new(),
        };
        let members = format!(
            r#""event_type":{event},"stream_id":"{stream}","number":{number},"pad":"{pad}"{more}"#
        );
        let whole = format!("{{{members}}}");
        let document = Document::parse(whole.as_bytes()).unwrap();
        let family = event_name(event_type(&document)).family();
        Self {
            kind,
            topic: topic_of(family),
            id: ce_id(&document).to_string(),
            stream,
            members,
            first_sent: step,
            answered: None,
            attempts: 0,
            due: Some(now),
        }
    }

    /// What goes over the wire: signed anew each time, in one order or the other.
    pub(super) fn body(&self, seconds: u64) -> String {
        let t = seconds + 600;
        let key = if self.kind == Kind::Forged {
            "anotherkey"
        } else {
            KEY
        };
        let signature = format!(r#""t":{t},"sign":"{}""#, sign(key, t));
        if self.attempts.is_multiple_of(2) {
            format!("{{{},{signature}}}", self.members)
        } else {
            format!("{{{signature},{}}}", self.members)
        }
    }

    /// Answered, or cut off.
    pub(super) fn heard(&mut self, status: Option<u16>, step: u64, now: Tick, dice: &mut Dice) {
        let forged = self.kind == Kind::Forged;
        match status {
            Some(200) => {
                assert!(!forged, "{} was taken", self.id);
                self.answered.get_or_insert(step);
                // Now and then the answer is lost on its way.
                self.due = (dice.below(20) == 0).then(|| now + APART);
            }
            Some(401) => {
                assert!(forged, "{} is authentic", self.id);
                self.due = None;
            }
            Some(503) | None => {
                let wait = Duration::from_millis(dice.below(2) * dice.below(60_000));
                self.due = (self.attempts < ATTEMPTS).then(|| now + wait);
            }
            Some(other) => panic!("answered {other}: {}", self.members),
        }
    }

    /// Whether it is owed to Kafka's readers, or to the quarantine.
    pub(super) fn is_owed(&self) -> bool {
        self.answered.is_some() && self.topic.is_some()
    }

    pub(super) fn number(&self) -> usize {
        let text = self.members.split("\"number\":").nth(1).unwrap();
        text.split(',').next().unwrap().parse().unwrap()
    }
}

fn topic_of(family: Family) -> Option<&'static str> {
    let found = TOPICS.iter().find(|(known, _)| *known == family);
    found.map(|(_, topic)| *topic)
}

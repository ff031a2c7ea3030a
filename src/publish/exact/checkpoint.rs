//! The checkpoint of exactly-once as it lies in Kafka: the message that is committed together with the records. Pure.
//!
//! Key: the spool's id. Value: JSON, of which the last one counts:
//!
//! ```text
//! {"instance": "<the run that wrote it>",
//!  "instances": {"<a run>": <the last of its records that the writer's spool holds>, …},
//!  "families": {"recording": <settled up to and including this record>, …},
//!  "sent": {"<topic>": {"<partition>": [[<first offset>, <last offset>], …], …}, …}}
//! ```
//!
//! `sent` says where the other messages of its own transaction lie; `repair` is what for. It is missing in what older releases
//! have written.
//!
//! A record is settled by it if the run that wrote the record is among `instances`, its number is at most the one there,
//! and at most its family's. Not by number alone: a copy of a spool that goes its own way uses the same numbers again.

use super::places::Places;
use crate::{
    callback::names::Family,
    spool::{Instance, Run, Seq, Settled, Written},
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The latest runs that are named even if none of their records is left: an older copy of the spool may hold some.
const RUNS_NAMED: usize = 64;

/// What one message says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// The run that wrote it.
    pub instance: Instance,
    /// The runs whose records it speaks of, and the last record of each.
    pub instances: BTreeMap<Instance, Seq>,
    /// How far each family is settled.
    pub families: Settled,
    /// Where the other messages of its transaction lie.
    pub sent: Places,
}

/// Why a message can't be relied on.
#[derive(Debug, thiserror::Error)]
pub enum Malformed {
    /// Not what livebridge writes.
    #[error("the checkpoint in Kafka can't be read: {0}")]
    Json(#[from] serde_json::Error),
    /// Not the name of a run.
    #[error("the checkpoint in Kafka names a run {0:?}, which is no name")]
    Instance(String),
    /// Written by a later release.
    #[error(
        "the checkpoint in Kafka knows the family {0:?}: it was written by a later release, use that one"
    )]
    Family(String),
}

#[derive(Serialize, Deserialize)]
struct Wire {
    instance: String,
    instances: BTreeMap<String, u64>,
    families: BTreeMap<String, u64>,
    #[serde(default)]
    sent: Places,
}

impl Stored {
    /// What this run says of its spool: `runs` are those that the spool has seen, this one last; `written` is who wrote
    /// what it holds, up to `end`.
    #[must_use]
    pub fn of(
        own: Instance,
        runs: &[Run],
        written: &[Written],
        end: Seq,
        families: Settled,
    ) -> Self {
        let late = runs.len().saturating_sub(RUNS_NAMED);
        let mut instances = BTreeMap::new();
        for (at, run) in runs.iter().enumerate() {
            let holds_some = written.iter().any(|w| w.by == run.instance);
            if run.last > Seq(0) && (holds_some || at >= late) {
                instances.insert(run.instance, run.last);
            }
        }
        instances.insert(own, end);
        Self {
            instance: own,
            instances,
            families,
            sent: Places::default(),
        }
    }

    /// The message's value.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        let wire = Wire {
            instance: self.instance.to_string(),
            instances: self
                .instances
                .iter()
                .map(|(run, last)| (run.to_string(), last.0))
                .collect(),
            families: Family::ALL
                .iter()
                .map(|f| (f.key().to_owned(), self.families.of(*f).0))
                .collect(),
            sent: self.sent.clone(),
        };
        // Maps of texts and numbers: nothing in it can fail to be written.
        serde_json::to_vec(&wire).unwrap_or_default()
    }

    /// Reads a message's value.
    ///
    /// # Errors
    /// If it isn't one. Nobody may then go on: what is settled is not known.
    pub fn from_json(value: &[u8]) -> Result<Self, Malformed> {
        let wire: Wire = serde_json::from_slice(value)?;
        let run =
            |name: &str| Instance::parse(name).ok_or_else(|| Malformed::Instance(name.into()));
        let mut families = Settled::default();
        for (key, seq) in &wire.families {
            let family = Family::ALL.iter().find(|f| f.key() == key);
            let family = family.ok_or_else(|| Malformed::Family(key.clone()))?;
            families.advance(*family, Seq(*seq));
        }
        let instances = wire.instances.iter();
        Ok(Self {
            instance: run(&wire.instance)?,
            instances: instances
                .map(|(name, last)| Ok((run(name)?, Seq(*last))))
                .collect::<Result<_, Malformed>>()?,
            families,
            sent: wire.sent,
        })
    }

    /// How far into a log this message speaks of each record: the last number before the first record of a run that it
    /// doesn't know, or knows only up to an earlier record. `end` is the end of the log, looked at before `written`.
    #[must_use]
    pub fn reach(&self, written: &[Written], end: Seq) -> Seq {
        for stretch in written {
            let before = Seq(stretch.from.0.saturating_sub(1));
            match self.instances.get(&stretch.by) {
                Some(last) if *last >= stretch.through => {}
                Some(last) => return before.max(*last).min(end),
                None => return before.min(end),
            }
        }
        end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn run(n: u8) -> Instance {
        Instance([n; 16])
    }

    fn stored() -> Stored {
        let mut families = Settled::default();
        families.advance(Family::Recording, Seq(17));
        let mut sent = Places::default();
        sent.note("live.recording", 3, 40);
        Stored {
            instance: run(2),
            instances: [(run(1), Seq(10)), (run(2), Seq(20))].into(),
            families,
            sent,
        }
    }

    #[test]
    fn what_is_written_is_what_is_read() {
        let stored = stored();
        let json = stored.to_json();
        assert_eq!(Stored::from_json(&json).unwrap(), stored);
        let text = String::from_utf8(json).unwrap();
        assert!(text.contains(r#""recording":17"#), "{text}");
    }

    #[test]
    fn what_an_older_release_has_written_names_no_places() {
        let before = r#"{"instance":"02020202020202020202020202020202","instances":{},"families":{"recording":17}}"#;
        let stored = Stored::from_json(before.as_bytes()).unwrap();
        assert_eq!(stored.families.of(Family::Recording), Seq(17));
        assert!(stored.sent.is_empty());
    }

    #[test]
    fn what_is_not_understood_is_not_guessed() {
        for value in [
            "",
            "{}",
            r#"{"instance":"1","instances":{},"families":{}}"#,
            r#"{"instance":"00000000000000000000000000000000","instances":{},"families":{"later":1}}"#,
        ] {
            assert!(Stored::from_json(value.as_bytes()).is_err(), "{value}");
        }
    }

    #[test]
    fn it_speaks_of_no_record_of_an_unlisted_run() {
        let written = |by, from, through| Written {
            by: run(by),
            from: Seq(from),
            through: Seq(through),
        };
        let reach = |log: &[Written], end| stored().reach(log, Seq(end)).0;
        assert_eq!(reach(&[written(1, 3, 10), written(2, 11, 20)], 20), 20);
        // The log ends before the checkpoint: what will be written next is not settled by it.
        assert_eq!(reach(&[written(1, 3, 10), written(2, 11, 15)], 15), 15);
        // A run that the checkpoint's writer never saw.
        assert_eq!(reach(&[written(1, 3, 10), written(9, 11, 20)], 20), 10);
        // Records that a listed run wrote after the writer's copy was taken.
        assert_eq!(reach(&[written(1, 3, 14), written(2, 15, 20)], 20), 10);
        assert_eq!(reach(&[written(1, 12, 14)], 14), 11);
        assert_eq!(reach(&[], 30), 30);
    }

    #[test]
    fn runs_are_named_while_their_records_may_be_met() {
        let runs: Vec<Run> = (1..=100)
            .map(|n| Run {
                instance: run(n),
                last: Seq(u64::from(n)),
            })
            .collect();
        let log = [Written {
            by: run(3),
            from: Seq(3),
            through: Seq(3),
        }];
        let stored = Stored::of(run(100), &runs, &log, Seq(200), Settled::default());
        assert_eq!(stored.instances.len(), RUNS_NAMED + 1);
        assert_eq!(stored.instances.get(&run(3)), Some(&Seq(3)));
        assert_eq!(stored.instances.get(&run(100)), Some(&Seq(200)));
        assert_eq!(stored.instances.get(&run(4)), None);
    }
}

//! One pass: what the spool has, into the ledger; what the topics have, against it; and what there is to say.

use super::{
    Fault, Report, Tell, With,
    identity::{Identity, Mark},
    ledger::{Damaged, Ledger, Match},
    parts::{BUCKETS, Parts, bucket},
    retention::{self, Known, TopicFacts},
    topic::Topic,
    tracks::{Scribe, Tracks},
};
use crate::{
    callback::{event::stream_key, json::Document},
    spool::{
        Record, Selection,
        look::{Look, Outcome, Seen},
    },
};
use rdkafka::ClientConfig;
use std::{collections::BTreeMap, ops::ControlFlow, sync::Arc};

/// Everything that an audit goes by.
pub(super) struct Audit<'a> {
    pub(super) look: &'a Look,
    pub(super) selection: &'a Selection,
    pub(super) with: With<'a>,
    pub(super) tracks: Tracks,
    pub(super) client: ClientConfig,
    pub(super) committed: bool,
    pub(super) parts: Parts,
    pub(super) report: Report,
    pub(super) progress: Progress<'a>,
}

/// How far it is.
pub(super) struct Progress<'a> {
    pub(super) done: u64,
    pub(super) all: u64,
    pub(super) tell: Tell<'a>,
}

impl Progress<'_> {
    fn one_more(&mut self) -> ControlFlow<()> {
        self.done += 1;
        (self.tell)(self.done, self.all.max(self.done))
    }
}

/// The key that a record has in Kafka, whether or not it can be typed.
pub(super) fn key(record: &Record) -> Option<Vec<u8>> {
    let document = Document::parse(&record.envelope.body).ok()?;
    stream_key(&document).map(|key| key.into_owned().into_bytes())
}

impl Audit<'_> {
    /// Counts how many records there are of each part.
    pub(super) fn split(&mut self) -> Result<Parts, Fault> {
        let mut buckets = vec![0; BUCKETS];
        let (tracks, progress) = (&self.tracks, &mut self.progress);
        let mut broken_off = false;
        self.look.walk(self.selection, &mut |seen| {
            if let Seen::Record(record, _) = seen
                && let Some((_, topic)) = tracks.of(record.envelope.family)
            {
                let bucket = bucket(topic, key(&record).as_deref(), Identity::of(&record));
                if let Some(count) = buckets.get_mut(bucket) {
                    *count += 1;
                }
            }
            let on = progress.one_more();
            broken_off = on.is_break();
            on
        })?;
        if broken_off {
            return Err(Fault::BrokenOff);
        }
        Parts::of(&buckets, self.with.at_once)
    }

    pub(super) fn pass(&mut self, pass: usize) -> Result<(), Fault> {
        let mut ledger = self.enter(pass)?;
        ledger.seal();
        let mut facts = Known {
            now: self.with.clock.now(),
            topics: BTreeMap::new(),
        };
        let mut opened = Vec::new();
        for (number, since) in ledger.topics() {
            let name = Arc::clone(self.tracks.name(number));
            let retention = (self.with.retention)(&name).map_err(Fault::Topic)?;
            let topic = Topic::open(&self.client, &name, since, self.committed)?;
            self.progress.all += topic.len();
            opened.push((number, name, retention, topic));
        }
        let mut scribe = Scribe::new(self.with.listed);
        for (number, name, retention, topic) in opened {
            let partitions =
                self.compare(pass, (number, &name), topic, &mut ledger, &mut scribe)?;
            self.report.topic(&name).partitions = partitions.len() as u64;
            facts.topics.insert(
                number,
                TopicFacts {
                    retention,
                    partitions,
                },
            );
        }
        ledger.judge(&facts, &mut scribe);
        scribe.write(self.look, &self.tracks, self.with, &mut self.report)?;
        Ok(())
    }

    /// Everything of this pass that is expected.
    fn enter(&mut self, pass: usize) -> Result<Ledger, Fault> {
        let room = self.progress.all.min(self.with.at_once as u64);
        let mut ledger = Ledger::with_room_for(usize::try_from(room).unwrap_or_default());
        let settled = self.look.settled();
        let mut ended = None;
        let Self {
            look,
            selection,
            with,
            tracks,
            parts,
            report,
            progress,
            ..
        } = self;
        look.walk(selection, &mut |seen| {
            match seen {
                Seen::Record(record, outcome) => {
                    let entering = Entering {
                        with,
                        tracks,
                        parts,
                        pass,
                    };
                    entering.record(&record, outcome, &mut ledger, report);
                }
                Seen::Corrupt {
                    seq,
                    family,
                    accepted_at,
                    ce_id,
                    ..
                } if pass == 0 => {
                    report.records += 1;
                    report.damaged += 1;
                    if let Some((topic, name)) = tracks.of(family) {
                        let damaged = Damaged {
                            seq,
                            accepted_at,
                            topic,
                            settled: seq <= settled.of(family),
                            found: false,
                        };
                        if ledger.add_damaged(ce_id, damaged) {
                            report.topic(name).records += 1;
                        }
                    }
                }
                Seen::Lost(range) if pass == 0 => report.lost += range.end - range.start,
                Seen::Corrupt { .. } | Seen::Lost(_) => {}
            }
            if ledger.len() > with.at_once {
                ended = Some(Fault::TooMany {
                    records: ledger.len() as u64,
                    at_once: with.at_once,
                });
            } else if progress.one_more().is_break() {
                ended = Some(Fault::BrokenOff);
            }
            match ended {
                Some(_) => ControlFlow::Break(()),
                None => ControlFlow::Continue(()),
            }
        })?;
        ended.map_or(Ok(ledger), Err)
    }

    /// One topic's messages against the ledger.
    fn compare(
        &mut self,
        pass: usize,
        (number, name): (u16, &str),
        topic: Topic,
        ledger: &mut Ledger,
        scribe: &mut Scribe,
    ) -> Result<Vec<retention::Partition>, Fault> {
        let Self {
            parts,
            report,
            progress,
            ..
        } = self;
        let counts = report.topic(name);
        topic.read(&mut |arrived| {
            let on = progress.one_more();
            let Some(known) = arrived.identity() else {
                if pass == 0 {
                    counts.messages += 1;
                    match arrived.mark() {
                        Mark::Probe => counts.probes += 1,
                        _ => counts.others += 1,
                    }
                }
                return on;
            };
            let own = parts.has(pass, bucket(name, arrived.key, known.0));
            let matched = ledger.arrive(number, arrived, known);
            if let Match::Record(seq, true) = matched {
                scribe.keep(seq, arrived);
            }
            if own {
                counts.messages += 1;
                match (arrived.mark(), matched) {
                    (Mark::Replayed, _) => counts.replayed += 1,
                    (Mark::Requeued, _) => counts.requeued += 1,
                    (_, Match::Other) => counts.others += 1,
                    _ => {}
                }
            }
            on
        })
    }
}

/// Takes records into the ledger.
struct Entering<'a> {
    with: &'a With<'a>,
    tracks: &'a Tracks,
    parts: &'a Parts,
    pass: usize,
}

impl Entering<'_> {
    fn record(&self, record: &Record, outcome: Outcome, ledger: &mut Ledger, report: &mut Report) {
        let Some((number, topic)) = self.tracks.of(record.envelope.family) else {
            if self.pass == 0 {
                report.records += 1;
                report.off += 1;
            }
            return;
        };
        let message = self.with.settings.rendering.message(record, topic).ok();
        let key = match &message {
            Some(message) => message.key.clone(),
            None => key(record),
        };
        let bucket = bucket(topic, key.as_deref(), Identity::of(record));
        if !self.parts.has(self.pass, bucket) {
            return;
        }
        report.records += 1;
        if outcome == Outcome::Quarantined {
            report.quarantined += 1;
        } else {
            report.topic(topic).records += 1;
        }
        let message = message.as_ref();
        ledger.add(record, outcome, (number, topic), key.as_deref(), message);
    }
}

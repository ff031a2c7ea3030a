//! Names and words: which family goes where, and what is said of what was found, with what the record itself tells.

use super::{
    Fault, With,
    identity::{Arrived, is_mark},
    ledger::{Detail, Hears, How, Parts, Said},
    report::{Finding, Kind, Report, TopicCounts},
};
use crate::{
    callback::names::Family,
    publish::message::{Message, Rendering},
    spool::{
        About, Record, Selection, Seq,
        look::{Look, Seen},
    },
};
use std::{collections::BTreeMap, ops::ControlFlow, sync::Arc};

/// The topics, each with a number.
#[derive(Debug)]
pub(super) struct Tracks {
    names: Vec<Arc<str>>,
    families: BTreeMap<Family, u16>,
}

impl Tracks {
    pub(super) fn after(rendering: &Rendering) -> Self {
        let mut tracks = Self {
            names: Vec::new(),
            families: BTreeMap::new(),
        };
        for family in Family::ALL {
            let Some(name) = rendering.topic(*family) else {
                continue;
            };
            // Several families may share a topic.
            let known = tracks.names.iter().position(|known| known == name);
            let place = known.unwrap_or_else(|| {
                tracks.names.push(Arc::clone(name));
                tracks.names.len() - 1
            });
            let number = u16::try_from(place).unwrap_or(u16::MAX);
            tracks.families.insert(*family, number);
        }
        tracks
    }

    /// None: the family is `off`.
    pub(super) fn of(&self, family: Family) -> Option<(u16, &Arc<str>)> {
        let number = *self.families.get(&family)?;
        Some((number, self.names.get(usize::from(number))?))
    }

    /// Of a number that came from here.
    #[expect(clippy::indexing_slicing, reason = "numbers come from `of` alone")]
    pub(super) fn name(&self, number: u16) -> &Arc<str> {
        &self.names[usize::from(number)]
    }
}

/// Hears what the ledger says, keeps as much of it as may be listed, and writes it down.
pub(super) struct Scribe {
    listed: usize,
    said: BTreeMap<Kind, Vec<Said>>,
    counts: BTreeMap<u16, TopicCounts>,
    not_listed: u64,
    /// Messages that differ, for a look at where.
    kept: BTreeMap<Seq, Kept>,
}

/// A message, for comparison.
pub(super) struct Kept {
    key: Option<Vec<u8>>,
    headers: Vec<(String, Vec<u8>)>,
    value: Vec<u8>,
}

impl Kept {
    pub(super) fn of(arrived: &Arrived<'_>) -> Self {
        let headers = arrived.headers.iter();
        Self {
            key: arrived.key.map(<[u8]>::to_vec),
            headers: headers
                .map(|(name, value)| ((*name).to_owned(), value.to_vec()))
                .collect(),
            value: arrived.value.to_vec(),
        }
    }
}

impl Scribe {
    pub(super) const fn new(listed: usize) -> Self {
        Self {
            listed,
            said: BTreeMap::new(),
            counts: BTreeMap::new(),
            not_listed: 0,
            kept: BTreeMap::new(),
        }
    }

    /// The first message of a record that differs.
    pub(super) fn keep(&mut self, seq: Seq, arrived: &Arrived<'_>) {
        if self.kept.len() >= self.listed || self.kept.contains_key(&seq) {
            return;
        }
        self.kept.insert(seq, Kept::of(arrived));
    }

    /// Adds what was heard to the report. Records are read once more for what is said of them.
    pub(super) fn write(
        mut self,
        look: &Look,
        tracks: &Tracks,
        with: With<'_>,
        report: &mut Report,
    ) -> Result<(), Fault> {
        for (number, counts) in &self.counts {
            report.topic(tracks.name(*number)).add(counts);
        }
        report.not_listed += self.not_listed;
        for (kind, said) in std::mem::take(&mut self.said) {
            let mut room = self.listed.saturating_sub(listed(report, kind));
            for said in said {
                if room == 0 {
                    report.not_listed += 1;
                    continue;
                }
                room -= 1;
                let record = read(look, said.seq)?;
                let finding = self.finding(said, tracks, with, record.as_deref());
                report.findings.push(finding);
            }
        }
        Ok(())
    }

    fn finding(
        &self,
        said: Said,
        tracks: &Tracks,
        with: With<'_>,
        record: Option<&Record>,
    ) -> Finding {
        let topic = tracks.name(said.topic);
        let about = record.map(|record| About::of(&record.envelope.body));
        let detail = match said.detail {
            Detail::None => String::new(),
            Detail::Words(words) => words,
            Detail::Copies(copies) => format!("{copies} times"),
            Detail::After(seq, offset) => {
                format!("before #{seq} of the same stream, which came earlier and is at {offset}")
            }
            Detail::Damaged => "its bytes in the spool are damaged, too".into(),
            Detail::Differs(parts) => {
                let rendered = record.and_then(|r| with.settings.rendering.message(r, topic).ok());
                differences(parts, self.kept.get(&said.seq), rendered.as_ref())
            }
        };
        Finding {
            kind: said.kind,
            seq: said.seq.0,
            ce_id: said.ce_id.to_string(),
            event: about.as_ref().map(|about| about.event.to_string()),
            stream: about.and_then(|about| about.stream),
            accepted_at: said.accepted_at,
            topic: topic.to_string(),
            partition: said.place.map(|place| place.partition),
            offset: said.place.map(|place| place.offset),
            detail,
        }
    }
}

fn listed(report: &Report, kind: Kind) -> usize {
    report.findings.iter().filter(|f| f.kind == kind).count()
}

/// None: it is damaged, or was removed meanwhile.
fn read(look: &Look, seq: Seq) -> Result<Option<Box<Record>>, Fault> {
    let one = Selection {
        first: Some(seq.0),
        last: Some(seq.0),
        ..Selection::default()
    };
    let mut found = None;
    look.walk(&one, &mut |seen| {
        if let Seen::Record(record, _) = seen {
            found = Some(record);
        }
        ControlFlow::Break(())
    })?;
    Ok(found)
}

/// Where a message differs from what the present settings would publish.
pub(super) fn differences(parts: Parts, kept: Option<&Kept>, expected: Option<&Message>) -> String {
    let mut words = Vec::new();
    let (Some(kept), Some(expected)) = (kept, expected) else {
        for (differs, name) in [
            (parts.key, "key"),
            (parts.headers, "headers"),
            (parts.value, "value"),
        ] {
            words.extend(differs.then(|| name.to_owned()));
        }
        return words.join(", ");
    };
    if kept.key != expected.key {
        words.push("key".to_owned());
    }
    let found = |name: &str| {
        let header = kept.headers.iter().find(|(known, _)| known == name);
        header.map(|(_, value)| value.as_slice())
    };
    for (name, value) in &expected.headers {
        match found(name) {
            None => words.push(format!("no header {name}")),
            Some(other) if other != &**value => words.push(format!("header {name}")),
            Some(_) => {}
        }
    }
    for (name, _) in &kept.headers {
        if !is_mark(name) && !expected.headers.iter().any(|(known, _)| known == name) {
            words.push(format!("an additional header {name}"));
        }
    }
    if kept.value != expected.payload {
        let same = kept.value.iter().zip(&expected.payload);
        let at = same
            .take_while(|(found, expected)| found == expected)
            .count();
        words.push(format!("value, from byte {at} on"));
    }
    if words.is_empty() {
        words.push("the order or number of its headers".into());
    }
    words.join(", ")
}

impl Hears for Scribe {
    fn say(&mut self, said: Said) {
        self.counts.entry(said.topic).or_default().count(said.kind);
        let all = self.said.entry(said.kind).or_default();
        if all.len() < self.listed {
            all.push(said);
        } else {
            self.not_listed += 1;
        }
    }

    fn record(&mut self, topic: u16, how: How) {
        let counts = self.counts.entry(topic).or_default();
        match how {
            How::Found(comparable) => {
                counts.found += 1;
                counts.not_comparable += u64::from(!comparable);
            }
            How::FoundAgainOnly => counts.found_again_only += 1,
            How::Pending => counts.pending += 1,
            How::Absent => {}
        }
    }

    fn across_partitions(&mut self, topic: u16) {
        let counts = self.counts.entry(topic).or_default();
        counts.streams_across_partitions += 1;
    }
}

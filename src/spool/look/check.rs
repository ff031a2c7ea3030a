//! Holding a spool against itself: every frame against its checksum and its index, the numbers against each other, the
//! checkpoint against the log, the quarantine against its form.

use super::super::{
    checkpoint::Found,
    disk::{Dir, read_all},
    index::{self, Entry, Unusable},
    load,
    record::Seq,
    scan::{Frame, Item, Scanned},
    segment::Block,
};
use super::{Look, LookError, Segment, aside::Shelf};
use serde::Serialize;
use std::{collections::BTreeMap, io};

/// Findings told one by one; more are only counted.
const TOLD_MAX: usize = 1000;

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Checked {
    /// Segments read.
    pub segments: u64,
    /// Frames whose checksum was right.
    pub frames: u64,
    /// Bytes of them.
    pub bytes: u64,
    /// What is wrong, one line each; the first thousand.
    pub faults: Vec<String>,
    /// How many there are.
    pub fault_count: u64,
    /// What is no fault but worth knowing.
    pub notes: Vec<String>,
}

impl Checked {
    fn fault(&mut self, text: String) {
        self.fault_count += 1;
        if self.faults.len() < TOLD_MAX {
            self.faults.push(text);
        }
    }

    /// Whether everything is as it should be.
    #[must_use]
    pub const fn is_sound(&self) -> bool {
        self.fault_count == 0
    }
}

impl Look {
    /// Reads through everything. Memory: one segment at a time. `progress` hears (segments done, all).
    ///
    /// # Errors
    /// If a file can't be read. Damage is no error but a finding.
    pub fn check(&self, progress: &mut dyn FnMut(u64, u64)) -> Result<Checked, LookError> {
        let mut checked = Checked::default();
        let mut last = Seq(0);
        for (done, segment) in (0..).zip(&self.segments) {
            progress(done, self.segments.len() as u64);
            if let Err(e) = self.check_segment(segment, last, &mut checked) {
                if e.kind() != io::ErrorKind::NotFound {
                    return Err(self.failed(format!("reading {}", segment.summary.name), e));
                }
                let text = format!(
                    "{}: removed meanwhile, all of it settled",
                    segment.summary.name
                );
                checked.notes.push(text);
            }
            last = last.max(segment.summary.through);
        }
        self.check_checkpoint(&mut checked);
        self.check_quarantine(&mut checked)?;
        Ok(checked)
    }

    fn check_segment(&self, segment: &Segment, last: Seq, checked: &mut Checked) -> io::Result<()> {
        let name = segment.summary.name;
        let scanned = load::scanned(&self.disk, name)?;
        for range in &scanned.unreadable {
            checked.fault(format!(
                "{name}: the disk doesn't give back bytes {} to {}",
                range.start, range.end
            ));
        }
        match scanned.block {
            Block::Bad if segment.indexed => {
                checked.fault(format!("{name}: its header is damaged"));
            }
            Block::Bad => checked.notes.push(format!(
                "{name}: its header can't be read: the power went while its first records were written, or it is damaged; the next start writes it anew"
            )),
            _ => {}
        }
        let entries = self.entries_of_index(segment, checked)?;
        checked.segments += 1;
        let mut frames: BTreeMap<u64, Frame> = BTreeMap::new();
        for item in &scanned.items {
            if let Item::Frame(frame) = item {
                checked.frames += 1;
                checked.bytes += u64::from(frame.entry.size);
                frames.insert(frame.entry.offset, *frame);
            }
        }
        let mut next = segment.from;
        for entry in &entries {
            holes(&name.to_string(), next, entry.seq, checked);
            next = entry.seq.next();
            match frames.remove(&entry.offset) {
                Some(frame) if agree(segment, &scanned, entry, &frame.entry) => {}
                Some(frame) => checked.fault(format!(
                    "{name}: the index says record {} at {}, but record {} is there",
                    entry.seq, entry.offset, frame.entry.seq
                )),
                None => checked.fault(format!(
                    "{name}: record {} ({}) at {} is damaged: its checksum is wrong",
                    entry.seq, entry.family, entry.offset
                )),
            }
        }
        holes(
            &name.to_string(),
            next,
            segment.summary.through.next(),
            checked,
        );
        if let Some(first) = entries.first()
            && first.seq <= last
        {
            checked.fault(format!(
                "{name}: begins with record {}, but an earlier segment holds up to {last}: \
                 two segments overlap (an older copy may have been put back)",
                first.seq
            ));
        }
        rest(segment, &scanned, &frames, checked);
        Ok(())
    }

    /// Of the index as it is on disk, if there is a usable one.
    fn entries_of_index(&self, segment: &Segment, checked: &mut Checked) -> io::Result<Vec<Entry>> {
        let summary = &segment.summary;
        if let Some(entries) = &segment.entries {
            return Ok(entries.to_vec());
        }
        let bytes = read_all(
            &self.disk,
            Dir::Root,
            &summary.name.index(),
            index::FILE_MAX,
        )?;
        match index::decode(summary.name, &bytes) {
            Ok((_, entries)) => return Ok(entries),
            Err(Unusable::Damaged) => checked.fault(format!(
                "{}: the index is damaged (the relay reads through the segment instead)",
                summary.name.index()
            )),
            Err(newer) => checked.fault(format!("{}: {newer}", summary.name.index())),
        }
        load::entries(&self.disk, summary)
    }

    /// Held against what was read before the log, so that a live one can't seem to lead.
    fn check_checkpoint(&self, checked: &mut Checked) {
        let checkpoint = match self.checkpoint {
            Found::Damaged => Some("both slots are damaged"),
            Found::Missing => Some("it is gone, though there are segments"),
            Found::New | Found::Valid | Found::HalfUnreadable => None,
        };
        if let Some(what) = checkpoint {
            checked.fault(format!(
                "the checkpoint: {what}, so everything in the log would be published again"
            ));
        }
        if let Some(lost) = &self.unaccounted {
            holes(
                "no segment is left",
                Seq(lost.start),
                Seq(lost.end),
                checked,
            );
        }
        // Not what the segments account for: that takes the checkpoint's word for how far the log went.
        let there = |s: &Segment| match &s.entries {
            Some(entries) => entries.last().map(|e| e.seq),
            None => Some(s.summary.through),
        };
        let end = self.segments.iter().filter_map(there).max();
        let (most, end) = (self.settled_before.most(), end.unwrap_or_default());
        if most > end && end > Seq(0) {
            checked.fault(format!(
                "the checkpoint says that record {most} is settled, but the log ends at {end}"
            ));
        }
    }

    fn check_quarantine(&self, checked: &mut Checked) -> Result<(), LookError> {
        let shelf = Shelf::of(&self.root)?;
        let places = shelf
            .list()
            .map_err(|e| self.failed("listing the quarantine", e))?;
        for place in &places {
            match shelf.read(place) {
                Ok(_) => {}
                Err(super::aside::Unreadable::Io(e)) if e.kind() == io::ErrorKind::NotFound => {}
                Err(why) => checked.fault(format!("quarantine/: record {}: {why}", place.seq)),
            }
        }
        if !places.is_empty() {
            let text = format!("the quarantine holds {} record(s)", places.len());
            checked.notes.push(text);
        }
        Ok(())
    }
}

fn holes(name: &str, from: Seq, to: Seq, checked: &mut Checked) {
    if from < to {
        let last = to.0 - 1;
        let text = if from.0 == last {
            format!("{name}: record {last} is not there")
        } else {
            format!("{name}: records {from} to {last} are not there")
        };
        checked.fault(text);
    }
}

/// The tables of sources may be ordered differently.
fn agree(segment: &Segment, scanned: &Scanned, entry: &Entry, frame: &Entry) -> bool {
    let source = segment.summary.sources.get(usize::from(entry.source));
    let same_source = source == scanned.sources.get(usize::from(frame.source));
    let same = Entry {
        source: entry.source,
        ..*frame
    } == *entry;
    same && same_source
}

/// What the entries don't speak of.
fn rest(
    segment: &Segment,
    scanned: &Scanned,
    frames: &BTreeMap<u64, Frame>,
    checked: &mut Checked,
) {
    let summary = &segment.summary;
    let name = summary.name;
    let mut behind = 0;
    for frame in frames.values() {
        let seq = frame.entry.seq;
        if seq >= segment.from && seq <= summary.through {
            checked.fault(format!(
                "{name}: record {seq} is there, but its index doesn't have it"
            ));
        } else {
            behind += 1;
        }
    }
    if behind > 0 {
        checked.notes.push(format!(
            "{name}: {behind} frame(s) beyond its end: newer than this look, or never acknowledged"
        ));
    }
    let torn: u64 = scanned
        .items
        .iter()
        .map(|item| match item {
            Item::Bad(range) if range.start >= summary.end => range.end - range.start,
            _ => 0,
        })
        .sum();
    if torn > 0 {
        checked.notes.push(format!(
            "{name}: {torn} byte(s) after its end were never acknowledged"
        ));
    }
}

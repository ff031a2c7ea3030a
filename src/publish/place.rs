//! A place in the spool: where a lane, or all of them together, have got to, and what was read there and couldn't be taken
//! yet.

use super::message::Message;
use crate::{
    callback::names::Family,
    clock::Millis,
    spool::{Cursor, Next, Reason, Seq},
};
use std::{collections::VecDeque, io};

/// How many numbers a cursor looks at in one go, so that nobody waits long.
const LOOK_AT: u64 = 1 << 16;
/// The most that is read before its time: what can be made ready while a transaction ends.
const AHEAD_RECORDS: usize = 4096;
/// The same in bytes of bodies.
const AHEAD_BYTES: usize = 4 << 20;

/// What was read, and the message that was made of it before its time, if one was.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) next: Next,
    pub(super) made: Option<Result<Message, Reason>>,
}

impl From<Next> for Entry {
    fn from(next: Next) -> Self {
        Self { next, made: None }
    }
}

impl Entry {
    /// Its number.
    pub(super) const fn seq(&self) -> Seq {
        match &self.next {
            Next::Record(record) => record.seq,
            Next::Corrupt { seq, .. } => *seq,
        }
    }

    pub(super) const fn family(&self) -> Family {
        match &self.next {
            Next::Record(record) => record.envelope.family,
            Next::Corrupt { family, .. } => *family,
        }
    }

    pub(super) const fn accepted_at(&self) -> Option<Millis> {
        match &self.next {
            Next::Record(record) => Some(record.accepted_at),
            Next::Corrupt { .. } => None,
        }
    }

    fn bytes(&self) -> usize {
        match &self.next {
            Next::Record(record) => record.envelope.body.len(),
            Next::Corrupt { .. } => 0,
        }
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Place<C> {
    cursor: C,
    /// Read and not taken, in the order of their numbers: one that has to wait, and behind it what was read before its time.
    read: VecDeque<Entry>,
    /// The bytes of their bodies.
    bytes: usize,
}

impl<C: Cursor> Place<C> {
    pub(super) const fn new(cursor: C) -> Self {
        Self {
            cursor,
            read: VecDeque::new(),
            bytes: 0,
        }
    }

    /// Everything up to here was taken or isn't wanted.
    pub(super) fn passed(&self) -> Seq {
        match self.read.front() {
            Some(entry) => Seq(entry.seq().0.saturating_sub(1)),
            None => self.cursor.passed(),
        }
    }

    /// The next wanted entry, at most up to `limit`; none if the cursor has passed what it looked at. What was read before its
    /// time comes whether it is wanted or not.
    pub(super) fn next(
        &mut self,
        wanted: &dyn Fn(Family) -> bool,
        limit: Seq,
    ) -> io::Result<Option<Entry>> {
        if let Some(read) = self.read.pop_front() {
            self.bytes -= read.bytes();
            return Ok(Some(read));
        }
        self.read_on(wanted, limit)
    }

    /// Keeps an entry for the next try.
    pub(super) fn hold(&mut self, entry: Entry) {
        self.bytes += entry.bytes();
        self.read.push_front(entry);
    }

    /// Reads an entry before its time, and keeps it; none if there is no room, or nothing up to `limit`.
    pub(super) fn read_ahead(
        &mut self,
        wanted: &dyn Fn(Family) -> bool,
        limit: Seq,
    ) -> io::Result<Option<&mut Entry>> {
        if self.read.len() >= AHEAD_RECORDS || self.bytes >= AHEAD_BYTES {
            return Ok(None);
        }
        let Some(entry) = self.read_on(wanted, limit)? else {
            return Ok(None);
        };
        self.bytes += entry.bytes();
        self.read.push_back(entry);
        Ok(self.read.back_mut())
    }

    /// Read and not taken.
    #[cfg(test)]
    pub(super) const fn read(&self) -> &VecDeque<Entry> {
        &self.read
    }

    fn read_on(
        &mut self,
        wanted: &dyn Fn(Family) -> bool,
        limit: Seq,
    ) -> io::Result<Option<Entry>> {
        let passed = self.cursor.passed();
        if passed >= limit {
            return Ok(None);
        }
        let limit = limit.min(Seq(passed.0.saturating_add(LOOK_AT)));
        Ok(self.cursor.next(wanted, limit)?.map(Entry::from))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        callback::names::SourceName,
        spool::{CeId, Envelope, Record},
    };
    use bytes::Bytes;

    /// So many records of this many bytes, every third of streams.
    struct Log {
        records: u64,
        body: Bytes,
        passed: Seq,
    }

    impl Log {
        fn place(records: u64, bytes: usize) -> Place<Self> {
            Place::new(Self {
                records,
                body: vec![0; bytes].into(),
                passed: Seq(0),
            })
        }
    }

    impl Cursor for Log {
        fn passed(&self) -> Seq {
            self.passed
        }

        fn next(
            &mut self,
            wanted: &dyn Fn(Family) -> bool,
            limit: Seq,
        ) -> io::Result<Option<Next>> {
            while self.passed < limit && self.passed.0 < self.records {
                self.passed.0 += 1;
                let of_streams = self.passed.0.is_multiple_of(3);
                let family = if of_streams {
                    Family::Stream
                } else {
                    Family::Recording
                };
                if wanted(family) {
                    return Ok(Some(Next::Record(Record {
                        seq: self.passed,
                        ce_id: CeId([0; 16]),
                        accepted_at: Millis(0),
                        envelope: Envelope {
                            source: SourceName::parse("tencent").unwrap(),
                            family,
                            received_at: Millis(0),
                            traceparent: None,
                            body: self.body.clone(),
                        },
                    })));
                }
            }
            Ok(None)
        }
    }

    fn numbers(place: &mut Place<Log>, wanted: &dyn Fn(Family) -> bool, limit: u64) -> Vec<u64> {
        let next = || place.next(wanted, Seq(limit)).unwrap();
        std::iter::from_fn(next)
            .map(|entry| entry.seq().0)
            .collect()
    }

    #[test]
    fn what_is_read_before_its_time_is_not_passed_and_comes_in_order_wanted_or_not() {
        let mut place = Log::place(10, 1);
        let recording = |family| family == Family::Recording;
        assert_eq!(
            place.next(&recording, Seq(9)).unwrap().unwrap().seq(),
            Seq(1)
        );
        let held = place.next(&recording, Seq(9)).unwrap().unwrap();
        place.hold(held);
        while place.read_ahead(&|_| true, Seq(6)).unwrap().is_some() {}
        assert_eq!(place.passed(), Seq(1));
        let again = place.next(&recording, Seq(9)).unwrap().unwrap();
        place.hold(again);
        assert_eq!(place.passed(), Seq(1), "before all that was read");
        assert_eq!(numbers(&mut place, &recording, 9), [2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(place.passed(), Seq(9));
    }

    #[test]
    fn what_is_read_before_its_time_has_limits_and_room_again_when_it_is_taken() {
        for (bytes, most) in [(1, AHEAD_RECORDS), (64 << 10, AHEAD_BYTES >> 16)] {
            let mut place = Log::place(1 << 20, bytes);
            let mut ahead = 0;
            while place.read_ahead(&|_| true, Seq(1 << 20)).unwrap().is_some() {
                ahead += 1;
            }
            assert_eq!(ahead, most);
            assert!(place.next(&|_| true, Seq(1 << 20)).unwrap().is_some());
            assert!(place.read_ahead(&|_| true, Seq(1 << 20)).unwrap().is_some());
            assert!(place.read_ahead(&|_| true, Seq(1 << 20)).unwrap().is_none());
        }
    }
}

//! A place in the spool: where a lane, or all of them together, have got to, and what was read there and couldn't be taken
//! yet.

use super::lane::seq_of;
use crate::{
    callback::names::Family,
    spool::{Cursor, Next, Seq},
};
use std::{collections::VecDeque, io};

/// How many numbers a cursor looks at in one go, so that nobody waits long.
const LOOK_AT: u64 = 1 << 16;
/// The most that is read before its time: what can be made ready while a transaction ends.
const AHEAD_RECORDS: usize = 4096;
/// The same in bytes of bodies.
const AHEAD_BYTES: usize = 4 << 20;

/// See the module.
#[derive(Debug)]
pub(super) struct Feed<C> {
    cursor: C,
    /// Read and not taken, in the order of their numbers: one that has to wait, and behind it what was read before its time.
    read: VecDeque<Next>,
    /// The bytes of their bodies.
    bytes: usize,
}

impl<C: Cursor> Feed<C> {
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
            Some(next) => Seq(seq_of(next).0.saturating_sub(1)),
            None => self.cursor.passed(),
        }
    }

    /// The next wanted entry, at most up to `limit`; none if the cursor has passed what it looked at. What was read before its
    /// time comes whether it is wanted or not.
    pub(super) fn next(
        &mut self,
        wanted: &dyn Fn(Family) -> bool,
        limit: Seq,
    ) -> io::Result<Option<Next>> {
        if let Some(read) = self.read.pop_front() {
            self.bytes -= bytes_of(&read);
            return Ok(Some(read));
        }
        self.read_on(wanted, limit)
    }

    /// Keeps an entry for the next try.
    pub(super) fn hold(&mut self, next: Next) {
        self.bytes += bytes_of(&next);
        self.read.push_front(next);
    }

    /// Reads an entry before its time, and keeps it; none if there is no room, or nothing up to `limit`.
    pub(super) fn read_ahead(
        &mut self,
        wanted: &dyn Fn(Family) -> bool,
        limit: Seq,
    ) -> io::Result<Option<&Next>> {
        if self.read.len() >= AHEAD_RECORDS || self.bytes >= AHEAD_BYTES {
            return Ok(None);
        }
        let Some(next) = self.read_on(wanted, limit)? else {
            return Ok(None);
        };
        self.bytes += bytes_of(&next);
        self.read.push_back(next);
        Ok(self.read.back())
    }

    fn read_on(&mut self, wanted: &dyn Fn(Family) -> bool, limit: Seq) -> io::Result<Option<Next>> {
        let passed = self.cursor.passed();
        if passed >= limit {
            return Ok(None);
        }
        let limit = limit.min(Seq(passed.0.saturating_add(LOOK_AT)));
        match self.cursor.next(wanted, limit)? {
            Next::End => Ok(None),
            next => Ok(Some(next)),
        }
    }
}

fn bytes_of(next: &Next) -> usize {
    match next {
        Next::Record(record) => record.envelope.body.len(),
        Next::Corrupt { .. } | Next::End => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        callback::names::SourceName,
        clock::Millis,
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
        fn feed(records: u64, bytes: usize) -> Feed<Self> {
            Feed::new(Self {
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

        fn next(&mut self, wanted: &dyn Fn(Family) -> bool, limit: Seq) -> io::Result<Next> {
            while self.passed < limit && self.passed.0 < self.records {
                self.passed.0 += 1;
                let of_streams = self.passed.0.is_multiple_of(3);
                let family = if of_streams {
                    Family::Stream
                } else {
                    Family::Recording
                };
                if wanted(family) {
                    return Ok(Next::Record(Record {
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
                    }));
                }
            }
            Ok(Next::End)
        }
    }

    fn numbers(feed: &mut Feed<Log>, wanted: &dyn Fn(Family) -> bool, limit: u64) -> Vec<u64> {
        let next = || feed.next(wanted, Seq(limit)).unwrap();
        std::iter::from_fn(next)
            .map(|next| seq_of(&next).0)
            .collect()
    }

    #[test]
    fn what_is_read_before_its_time_is_not_passed_and_comes_in_order_wanted_or_not() {
        let mut feed = Log::feed(10, 1);
        let recording = |family| family == Family::Recording;
        assert_eq!(
            seq_of(&feed.next(&recording, Seq(9)).unwrap().unwrap()),
            Seq(1)
        );
        let held = feed.next(&recording, Seq(9)).unwrap().unwrap();
        feed.hold(held);
        while feed.read_ahead(&|_| true, Seq(6)).unwrap().is_some() {}
        assert_eq!(feed.passed(), Seq(1));
        assert_eq!(numbers(&mut feed, &recording, 9), [2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(feed.passed(), Seq(9));
    }

    #[test]
    fn what_is_read_before_its_time_has_limits_and_room_again_when_it_is_taken() {
        for (bytes, most) in [(1, AHEAD_RECORDS), (64 << 10, AHEAD_BYTES >> 16)] {
            let mut feed = Log::feed(1 << 20, bytes);
            let mut ahead = 0;
            while feed.read_ahead(&|_| true, Seq(1 << 20)).unwrap().is_some() {
                ahead += 1;
            }
            assert_eq!(ahead, most);
            assert!(feed.next(&|_| true, Seq(1 << 20)).unwrap().is_some());
            assert!(feed.read_ahead(&|_| true, Seq(1 << 20)).unwrap().is_some());
            assert!(feed.read_ahead(&|_| true, Seq(1 << 20)).unwrap().is_none());
        }
    }
}

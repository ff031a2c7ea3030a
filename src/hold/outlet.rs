//! The publisher's side of the hold: it reads records here as from a spool, and says what Kafka has.

use super::{
    Shared,
    appender::{Acked, NotAcked, Waiter},
    book::{Book, Gone},
};
use crate::{
    callback::names::Family,
    metrics::Outcome,
    spool::{
        Aside, Cursor, Next, Outlet, QuarantineError, Reason, Record, Seq, Settled, Unrelated,
    },
};
use std::{io, sync::Arc};

/// See [`Outlet`]. When it is dropped, nobody publishes any more: whoever waits is told.
#[derive(Debug)]
pub struct HoldOutlet(Arc<Shared>);

impl HoldOutlet {
    pub(super) const fn new(shared: Arc<Shared>) -> Self {
        Self(shared)
    }
}

impl Drop for HoldOutlet {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl HoldOutlet {
    /// What leaves the book, by which the gauge shrinks.
    fn gone(
        &self,
        leave: impl FnOnce(&mut Book<Waiter>) -> Option<Gone<Waiter>>,
    ) -> Option<Gone<Waiter>> {
        let mut book = self.0.book();
        let gone = leave(&mut book);
        self.0.metrics.bytes(&book);
        gone
    }
}

/// A place among the records that wait.
#[derive(Debug)]
pub struct HoldCursor {
    shared: Arc<Shared>,
    passed: Seq,
}

impl Cursor for HoldCursor {
    fn passed(&self) -> Seq {
        self.passed
    }

    fn next(&mut self, wanted: &dyn Fn(Family) -> bool, limit: Seq) -> io::Result<Option<Next>> {
        let book = self.shared.book();
        let limit = limit.min(book.last());
        match book.next(self.passed, limit, wanted) {
            Some(record) => {
                self.passed = record.seq;
                Ok(Some(Next::Record(record)))
            }
            None => {
                self.passed = self.passed.max(limit);
                Ok(None)
            }
        }
    }
}

impl Unrelated for HoldOutlet {}

impl Outlet for HoldOutlet {
    type Cursor = HoldCursor;

    fn cursor(&self, after: Seq) -> HoldCursor {
        HoldCursor {
            shared: Arc::clone(&self.0),
            passed: after,
        }
    }

    /// The last record taken: nothing here is durable, and nobody is answered 200 for it before its ack.
    fn durable_end(&self) -> Seq {
        self.0.book().last()
    }

    fn settled_at_start(&self) -> Settled {
        Settled::default()
    }

    /// There is nothing to come back to.
    fn checkpoint(&mut self, _: &Settled) -> io::Result<()> {
        Ok(())
    }

    fn quarantine(&mut self, _: &Record, _: &Reason) -> Result<Aside, QuarantineError> {
        Ok(Aside::OwesCopy)
    }

    fn settled_corrupt(&self) {}

    fn acked(&mut self, seq: Seq) {
        let now = self.0.clock.now();
        let Some(gone) = self.gone(|book| book.ack(seq, now)) else {
            return;
        };
        let callbacks = &self.0.callbacks;
        callbacks.count(&gone.source, gone.event, Outcome::Accepted);
        for (how, waiter) in gone.waiting {
            waiter.tell(Ok(Acked::by_all_in_sync(seq, how)));
        }
    }

    fn copying(&mut self, seq: Seq) {
        self.0.book().set_aside(seq);
    }

    fn copied(&mut self, seq: Seq, acked: bool) {
        if acked {
            return self.acked(seq);
        }
        let Some(gone) = self.gone(|book| book.refuse(seq)) else {
            return;
        };
        self.0.metrics.pending_records.dec();
        let callbacks = &self.0.callbacks;
        callbacks.count(&gone.source, gone.event, Outcome::Overloaded);
        for (_, waiter) in gone.waiting {
            waiter.tell(Err(NotAcked::Refused));
        }
    }

    fn blocked(&mut self, families: &[Family], blocked: bool) {
        let waiting = self.0.book().block(families, blocked);
        for waiter in waiting {
            waiter.tell(Err(NotAcked::Blocked));
        }
    }
}

//! What the publisher may ask of the spool. The publisher knows no files: it sees this trait, and tests fake it.

use super::{
    lineage::{Run, Written},
    record::{Record, Seq},
    segment::Instance,
};
use crate::callback::names::Family;
use std::io;

/// How far each family is settled (published, quarantined, discarded or corrupt): every record of the family with a
/// number up to and including this one. A family with nothing pending stands where the reader has passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Settled([Seq; Family::ALL.len()]);

impl Settled {
    /// How far this family is settled.
    #[must_use]
    pub fn of(&self, family: Family) -> Seq {
        self.0
            .get(usize::from(family.code()))
            .copied()
            .unwrap_or_default()
    }

    /// The same for each.
    pub(in crate::spool) fn advance_all(&mut self, through: Seq) {
        for family in Family::ALL {
            self.advance(*family, through);
        }
    }

    /// Moves a family forward; never back.
    pub fn advance(&mut self, family: Family, through: Seq) {
        if let Some(seq) = self.0.get_mut(usize::from(family.code())) {
            *seq = (*seq).max(through);
        }
    }

    /// Everything up to and including this is settled, whatever its family: segments go below.
    #[must_use]
    pub fn least(&self) -> Seq {
        self.0.iter().copied().min().unwrap_or_default()
    }

    /// The furthest family.
    #[must_use]
    pub fn most(&self) -> Seq {
        self.0.iter().copied().max().unwrap_or_default()
    }
}

/// What a cursor finds next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// A record; the cursor has passed it.
    Record(Record),
    /// An acknowledged record that is damaged on disk, or can't be read. The cursor has passed it; what is left of it was copied to
    /// `corrupt/`, and the dedup window has forgotten it. It is to be settled, and counted then.
    Corrupt {
        /// Its number.
        seq: Seq,
        /// Its family, from the segment's index.
        family: Family,
    },
}

/// A place in the durable part of the log, going forward.
pub trait Cursor: Send {
    /// Everything up to and including this number has been passed (returned, or not there).
    fn passed(&self) -> Seq;

    /// The next record, never past the durable end. Records whose family `wanted` refuses are passed over, as
    /// cheaply as can be. Returns after a bounded amount of reading: `limit` says up to which number (inclusive)
    /// to look at most; none then means "passed the limit or the durable end".
    ///
    /// # Errors
    /// If the disk fails. The cursor stays where it was.
    fn next(&mut self, wanted: &dyn Fn(Family) -> bool, limit: Seq) -> io::Result<Option<Next>>;
}

/// Why a record goes to the local quarantine: the `reason` label and a text for people (never a secret).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// `untypable`, `too_large`, `invalid_record`, `invalid_timestamp` or `policy`.
    pub label: &'static str,
    /// What was wrong, for whoever looks into it.
    pub detail: String,
    /// The topic that it was meant for.
    pub topic: String,
}

/// Why the quarantine could not take a record. Nothing was settled.
#[derive(Debug, thiserror::Error)]
pub enum QuarantineError {
    /// At its own limit: the lane waits, an operator must look.
    #[error(
        "the quarantine is full ({bytes} of {max_bytes} bytes): requeue or remove what it holds"
    )]
    Full {
        /// What it holds.
        bytes: u64,
        /// `spool.quarantine_max_bytes`.
        max_bytes: u64,
    },
    /// The disk failed.
    #[error("the quarantine can't be written: {0}")]
    Io(#[from] io::Error),
}

/// Where a record is that was put aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aside {
    /// In the local quarantine, fsynced: it is settled.
    Kept,
    /// Nowhere yet, since there is no disk: its copy for `topics.quarantine` is all that there will be of it.
    OwesCopy,
}

/// Which runs wrote the log, and whether it is this spool that goes on with it: what exactly-once asks.
pub trait Lineage: Send + 'static {
    /// The random name of this spool.
    fn spool_id(&self) -> &str;

    /// The random name of this run.
    fn instance(&self) -> Instance;

    /// Which run wrote what the log holds, in order.
    fn written(&self) -> Vec<Written>;

    /// Puts this run on the fsynced list of those that this spool has seen, and returns the list, this run last.
    ///
    /// # Errors
    /// If the disk fails. It may be tried again.
    fn enlist(&mut self) -> io::Result<Vec<Run>>;

    /// The run that publishes in place of this spool, if it has stood down.
    fn rival(&self) -> Option<String>;

    /// This spool stands down for another run, fsynced: it takes no new record from now on, nor after a restart.
    /// `covered` is what that run is known to have, or to have published: kept, and settled only when the spool is adopted.
    ///
    /// # Errors
    /// If the disk fails. The run must then end.
    fn stand_down(&mut self, rival: Instance, covered: &Settled) -> io::Result<()>;

    /// A record that this run has found to be settled by an earlier one, which counted it: it no longer counts as recovered.
    fn settled_by_an_earlier_run(&self);
}

/// The publisher's side of the spool.
pub trait Outlet: Lineage {
    /// The kind of cursor.
    type Cursor: Cursor;

    /// A cursor that has passed everything up to and including `after`.
    fn cursor(&self, after: Seq) -> Self::Cursor;

    /// The last durable record. Nobody reads past it.
    fn durable_end(&self) -> Seq;

    /// How far each family was settled when the spool was opened.
    fn settled_at_start(&self) -> Settled;

    /// Writes and syncs the checkpoint. May lag, must never lead: every family's number is at most the durable end
    /// (asserted). Lets go of segments below [`Settled::least`].
    ///
    /// # Errors
    /// If the disk fails. The run must then end.
    fn checkpoint(&mut self, settled: &Settled) -> io::Result<()>;

    /// Puts a record aside, fsynced. Putting the same record (seq and ce_id) again after a restart is not an error and
    /// not a second entry.
    ///
    /// # Errors
    /// See [`QuarantineError`].
    fn quarantine(&mut self, record: &Record, reason: &Reason) -> Result<Aside, QuarantineError>;

    /// All in-sync replicas hold this record: whoever waits to hear just that hears it now.
    fn acked(&mut self, _seq: Seq) {}

    /// The copy of a record that owes one is on its way, and its lane is done with the record.
    fn copying(&mut self, _seq: Seq) {}

    /// What became of the copy that a record owed ([`Aside::OwesCopy`]): true if all in-sync replicas hold it, false if it
    /// was given up.
    fn copied(&mut self, _seq: Seq, _acked: bool) {}

    /// Kafka takes nothing for the topic of these families, or takes it again.
    fn blocked(&mut self, _families: &[Family], _blocked: bool) {}

    /// A record that a cursor found damaged was settled: it counts as corrupt from now on, and no longer as pending.
    fn settled_corrupt(&self);
}

/// For what is no spool on a disk, and so knows no rivals: at-least-once asks nothing of all this.
pub(crate) trait Unrelated: Send + 'static {}

impl<T: Unrelated> Lineage for T {
    fn spool_id(&self) -> &'static str {
        "00"
    }

    fn instance(&self) -> Instance {
        Instance::default()
    }

    fn written(&self) -> Vec<Written> {
        Vec::new()
    }

    fn enlist(&mut self) -> io::Result<Vec<Run>> {
        Ok(Vec::new())
    }

    fn rival(&self) -> Option<String> {
        None
    }

    fn stand_down(&mut self, _: Instance, _: &Settled) -> io::Result<()> {
        Err(io::Error::other("at-least-once has no rivals"))
    }

    fn settled_by_an_earlier_run(&self) {}
}

//! The second try of refused callbacks: judged with the keys of now as of the time when they came, those that pass go
//! into the spool as if they had just come. One way, be it `serve` that does it or a command that opened the spool itself.

use super::{Entry, mark_accepted, read};
use crate::{
    callback::{
        id::ce_id,
        json::Document,
        names::{EventName, Family},
        verify::{self, Keys, Kind, Policy},
    },
    spool::{AppendError, CeId, Envelope, How, Receipt},
};
use serde::{Deserialize, Serialize};
use std::{
    collections::HashSet,
    io,
    ops::ControlFlow,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

/// Callbacks that wait for their receipts at once: few beside those of the senders.
const AT_ONCE: usize = 64;
/// After so many it is noted which they were. Whatever isn't, after a crash, is found to be a duplicate.
const NOTED_AFTER: usize = 1024;
/// While the queue to the spool is full: how often it is tried again, and after how long.
const TRIES: u32 = 100;
const PAUSE: Duration = Duration::from_millis(50);

/// What the spool needs of a callback that passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Passed {
    /// Its kind of event.
    pub event: EventName,
    /// Its id.
    pub ce_id: CeId,
}

/// The way into the spool.
pub trait Gate {
    /// Judges by the rules and keys of its source, as of the time when it came.
    ///
    /// # Errors
    /// Why it fails.
    fn judge(&self, entry: &Entry) -> Result<Passed, String>;

    /// Whether the door would ignore it.
    fn is_off(&self, family: Family) -> bool;

    /// Hands it to the spool's writer.
    ///
    /// # Errors
    /// See [`crate::spool::Appender::submit`].
    fn submit(&self, passed: Passed, envelope: Envelope) -> Result<Receipt, AppendError>;
}

/// Judges an entry again.
///
/// # Errors
/// Why it fails still.
pub fn judge(
    kind: &dyn Kind,
    keys: &Keys,
    policy: &Policy,
    entry: &Entry,
) -> Result<Passed, String> {
    let document = Document::parse(&entry.body).map_err(|why| why.to_string())?;
    // No header was kept: no kind of source looks at one.
    let request = verify::Request::of_body(&entry.body);
    let authentic = verify::verify(kind, &request, document, keys, policy, entry.at)
        .map_err(|why| why.to_string())?;
    if authentic.key().is_none() {
        // What proved those was the path, which isn't kept, or their source's word: not enough for what was refused once.
        return Err("it is unsigned: nothing in it proves where it came from".into());
    }
    Ok(Passed {
        event: authentic.event(),
        ce_id: ce_id(authentic.document()),
    })
}

/// What became of those that were to be accepted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reverified {
    /// Records made, durable.
    pub new: u64,
    /// There already.
    pub duplicates: u64,
    /// Their family is off.
    pub off: u64,
    /// Not authentic for whoever was to accept them.
    pub failed: u64,
    /// Why the first of these isn't.
    pub failed_because: Option<String>,
    /// Not in the ledger any more.
    pub gone: u64,
}

impl Reverified {
    /// Both together.
    pub fn add(&mut self, other: Self) {
        self.new += other.new;
        self.duplicates += other.duplicates;
        self.off += other.off;
        self.failed += other.failed;
        self.failed_because = self.failed_because.take().or(other.failed_because);
        self.gone += other.gone;
    }
}

/// Why not all were accepted. What was is noted, and can be asked for again without harm.
#[derive(Debug, thiserror::Error)]
pub enum NotAll {
    /// The ledger.
    #[error("the ledger of refusals can't be read or written: {0}")]
    Ledger(#[from] io::Error),
    /// The spool.
    #[error("{why}, after {so_far} callback(s), which are noted: say it again for the others")]
    Spool {
        /// What it said.
        why: AppendError,
        /// In the spool now.
        so_far: u64,
    },
    /// Nobody waits for it any more.
    #[error("broken off")]
    BrokenOff,
}

/// Accepts the entries of these names that pass, oldest first; blocks until all of them are durable.
///
/// # Errors
/// If that ended early.
pub fn accept(
    spool: &Path,
    names: &[String],
    gate: &dyn Gate,
    tell: &mut dyn FnMut(u64, u64) -> ControlFlow<()>,
) -> Result<Reverified, NotAll> {
    let wanted: HashSet<&str> = names.iter().map(String::as_str).collect();
    let (mut seen, all) = (0, wanted.len() as u64);
    let mut intake = Intake::new(spool);
    let mut halted = Ok(());
    read(spool, |name, entry, accepted| {
        if !wanted.contains(name) {
            return ControlFlow::Continue(());
        }
        seen += 1;
        if accepted {
            intake.done.duplicates += 1;
        } else {
            halted = intake.take(name, entry, gate);
        }
        if halted.is_ok() && tell(seen, all).is_break() {
            halted = Err(Halt::NobodyWaits);
        }
        match halted {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        }
    })?;
    // Also when it was cut short: what is durable is noted, and counts.
    let settled = intake.settle();
    intake.note()?;
    let mut done = intake.done;
    match halted.and(settled) {
        Ok(()) => {
            done.gone = all.saturating_sub(seen);
            Ok(done)
        }
        Err(Halt::Ledger(why)) => Err(why.into()),
        Err(Halt::NobodyWaits) => Err(NotAll::BrokenOff),
        Err(Halt::Spool(why)) => Err(NotAll::Spool {
            why,
            so_far: done.new + done.duplicates,
        }),
    }
}

/// Why it goes no further.
enum Halt {
    Ledger(io::Error),
    Spool(AppendError),
    NobodyWaits,
}

/// Callbacks on their way into the spool.
struct Intake {
    spool: PathBuf,
    waiting: Vec<(String, Receipt)>,
    to_note: Vec<String>,
    done: Reverified,
}

impl Intake {
    fn new(spool: &Path) -> Self {
        Self {
            spool: spool.into(),
            waiting: Vec::new(),
            to_note: Vec::new(),
            done: Reverified::default(),
        }
    }

    fn take(&mut self, name: &str, entry: Entry, gate: &dyn Gate) -> Result<(), Halt> {
        let passed = match gate.judge(&entry) {
            Ok(passed) => passed,
            Err(why) => {
                self.done.failed += 1;
                self.done.failed_because.get_or_insert(why);
                return Ok(());
            }
        };
        let family = passed.event.family();
        if gate.is_off(family) {
            self.done.off += 1;
            return Ok(());
        }
        let envelope = Envelope {
            source: entry.source,
            family,
            received_at: entry.at,
            traceparent: entry.traceparent.map(Into::into),
            body: entry.body,
        };
        let receipt = self.submit(passed, &envelope, gate)?;
        self.waiting.push((name.into(), receipt));
        if self.waiting.len() >= AT_ONCE {
            self.settle()?;
        }
        Ok(())
    }

    /// The senders of now come first: while they fill the queue, this waits.
    fn submit(
        &mut self,
        passed: Passed,
        envelope: &Envelope,
        gate: &dyn Gate,
    ) -> Result<Receipt, Halt> {
        for _ in 0..TRIES {
            match gate.submit(passed, envelope.clone()) {
                Ok(receipt) => return Ok(receipt),
                Err(AppendError::Overloaded) => {}
                Err(why) => return Err(Halt::Spool(why)),
            }
            self.settle()?;
            // Nothing tells when there is room.
            thread::park_timeout(PAUSE);
        }
        Err(Halt::Spool(AppendError::Overloaded))
    }

    /// Waits until what was handed over is durable.
    fn settle(&mut self) -> Result<(), Halt> {
        let mut halted = Ok(());
        for (name, receipt) in std::mem::take(&mut self.waiting) {
            match receipt.wait() {
                Ok(durable) => {
                    match durable.how() {
                        How::New => self.done.new += 1,
                        How::Duplicate => self.done.duplicates += 1,
                    }
                    self.to_note.push(name);
                }
                // Others of them may be durable all the same: those are noted.
                Err(why) => halted = halted.and(Err(Halt::Spool(why))),
            }
        }
        if self.to_note.len() >= NOTED_AFTER {
            self.note().map_err(Halt::Ledger)?;
        }
        halted
    }

    fn note(&mut self) -> io::Result<()> {
        if self.to_note.is_empty() {
            return Ok(());
        }
        mark_accepted(&self.spool, &std::mem::take(&mut self.to_note))
    }
}

#[cfg(test)]
mod tests;

//! Who keeps an authentic callback: the spool on disk, or, where there is none, Kafka itself. Either gives a receipt, and only
//! from that comes the proof for a 200.

use super::{door::Door, problem::Problem, reply::Proof};
use crate::{
    callback::names::{EventName, SourceName},
    hold::{self, NotAcked},
    metrics::Outcome,
    spool::{self, AppendError, CeId, Envelope},
};
use tokio::time;

/// See the module.
#[derive(Debug)]
pub enum Keeper {
    /// Durable on disk.
    Spool(spool::Appender),
    /// Acked by all in-sync replicas; in memory until then.
    Hold(hold::Appender),
}

impl Keeper {
    /// Hands a callback over and waits for its receipt, for at most `http.answer_timeout`. Once it is handed over, nothing
    /// takes it back: neither a client that hangs up nor a receipt that comes too late for the answer.
    pub(super) async fn keep(
        &self,
        door: &Door,
        ce_id: CeId,
        event: EventName,
        envelope: Envelope,
    ) -> Result<Proof, Problem> {
        let refused = Refused {
            callbacks: door.callbacks.clone(),
            source: envelope.source.clone(),
            event,
        };
        let within = door.http.answer_timeout;
        match self {
            Self::Spool(spool) => {
                let receipt = spool.submit(ce_id, event, envelope);
                let receipt = receipt.map_err(|why| refused.count(why))?;
                durable(receipt, within, refused).await
            }
            Self::Hold(hold) => {
                let receipt = hold.submit(ce_id, event, envelope);
                let receipt = receipt.map_err(|why| refused.count(why))?;
                acked(receipt, within).await
            }
        }
    }
}

async fn durable(
    mut receipt: spool::Receipt,
    within: time::Duration,
    refused: Refused,
) -> Result<Proof, Problem> {
    match time::timeout(within, &mut receipt).await {
        Ok(Ok(durable)) => Ok(Proof::Durable(durable)),
        Ok(Err(why)) => Err(refused.count(why)),
        Err(_) => {
            // Whether a record was made is only known when the writer says so. It answers or drops every receipt, and
            // there are no more of them than its queue holds.
            tokio::spawn(async move {
                if let Err(why) = receipt.await {
                    refused.count(why);
                }
            });
            Err(Problem::NoReceipt)
        }
    }
}

/// The hold counts what becomes of what it took, since it may learn of it much later.
async fn acked(mut receipt: hold::Receipt, within: time::Duration) -> Result<Proof, Problem> {
    match time::timeout(within, &mut receipt).await {
        Ok(said) => said.map(Proof::Acked).map_err(Problem::from),
        Err(_) => match receipt.give_up() {
            Some(acked) => Ok(Proof::Acked(acked)),
            None => Err(Problem::NoReceipt),
        },
    }
}

/// Counts a callback that was answered 503 and made no record.
struct Refused {
    callbacks: crate::metrics::Callbacks,
    source: SourceName,
    event: EventName,
}

impl Refused {
    fn count(&self, why: impl Into<Problem>) -> Problem {
        self.callbacks
            .count(&self.source, self.event, Outcome::Overloaded);
        why.into()
    }
}

impl From<AppendError> for Problem {
    fn from(why: AppendError) -> Self {
        match why {
            AppendError::Full => Self::Full,
            AppendError::Overloaded => Self::Overloaded,
            AppendError::Stopped | AppendError::StoodDown => Self::Stopped,
        }
    }
}

impl From<NotAcked> for Problem {
    fn from(why: NotAcked) -> Self {
        match why {
            NotAcked::Overloaded => Self::Overloaded,
            NotAcked::Blocked | NotAcked::Refused => Self::NotTaken,
            NotAcked::Stopped => Self::Stopped,
        }
    }
}

//! What commands may ask of a running relay, through `control.sock`.

use super::status::{Shown, Sources, status};
use crate::{
    callback::names::Family,
    clock::Clock,
    control::{Handler, Socket, serve},
    follow::{Filter, Follower},
    front::Door,
    publish::{
        self,
        again::{self, Replayed, Requeued, Tell, With},
    },
    rejects::{self, Entry, Gate, Passed, Reverified},
    spool::{
        AppendError, Envelope, Receipt, Selection,
        look::{Look, aside::Shelf},
    },
};
use std::{
    path::PathBuf,
    sync::{Arc, OnceLock, Weak},
};
use tokio::{sync::watch, task::JoinHandle};

/// What it takes.
pub(super) struct Control {
    pub(super) dir: PathBuf,
    pub(super) settings: publish::Settings,
    pub(super) metrics: publish::Metrics,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) sources: Arc<OnceLock<Sources>>,
    /// It holds an appender, and the writer ends with the last of these.
    pub(super) door: Weak<Door>,
}

/// For as long as the door is there; held only from one callback to the next.
struct WhileOpen<'a>(&'a Weak<Door>);

impl Gate for WhileOpen<'_> {
    fn judge(&self, entry: &Entry) -> Result<Passed, String> {
        let door = self.0.upgrade().ok_or("the relay stops")?;
        door.judge(entry)
    }

    fn is_off(&self, family: Family) -> bool {
        self.0.upgrade().is_some_and(|door| door.is_off(family))
    }

    fn submit(&self, passed: Passed, envelope: Envelope) -> Result<Receipt, AppendError> {
        let door = self.0.upgrade().ok_or(AppendError::Stopped)?;
        door.submit(passed, envelope)
    }
}

/// Serves the socket. The relay does its work without it: a socket that can't be made is a warning.
pub(super) fn start(control: Control, stop: watch::Receiver<bool>) -> Option<JoinHandle<()>> {
    match Socket::bind(&control.dir) {
        Ok(socket) => Some(tokio::spawn(serve(socket, Arc::new(control), stop))),
        Err(e) => {
            tracing::warn!(
                "control.sock can't be made, so nobody can follow, and replay, requeue and reverify --accept have to wait for the relay's end: {e}"
            );
            None
        }
    }
}

impl Control {
    fn with(&self) -> With<'_> {
        With {
            settings: &self.settings,
            clock: &*self.clock,
            metrics: Some(&self.metrics),
        }
    }
}

impl Handler for Control {
    fn status(&self) -> serde_json::Value {
        self.sources.get().map(status).unwrap_or_default()
    }

    fn replay(
        &self,
        selection: &Selection,
        dry_run: bool,
        tell: Tell<'_>,
    ) -> Result<Replayed, String> {
        let look = Look::open(&self.dir).map_err(|e| e.to_string())?;
        let replayed = again::replay(&look, selection, dry_run, self.with(), tell);
        if let (Ok(replayed), false) = (&replayed, dry_run) {
            tracing::info!(
                records = replayed.records(),
                "replayed on an operator's word"
            );
        }
        replayed.map_err(|e| e.to_string())
    }

    fn requeue(&self, records: Option<&[u64]>, tell: Tell<'_>) -> Result<Requeued, String> {
        let mut shelf = Shelf::of(&self.dir).map_err(|e| e.to_string())?;
        if let Some(Shown::Spool(spool, _)) = self.sources.get().map(|sources| &sources.store) {
            shelf = shelf.counted_by(spool);
        }
        let mut places = shelf.list().map_err(|e| format!("the quarantine: {e}"))?;
        places.retain(|place| records.is_none_or(|wanted| wanted.contains(&place.seq)));
        let requeued = again::requeue(&shelf, &places, self.with(), tell);
        if let Ok(requeued) = &requeued {
            let records: u64 = requeued.by_topic.values().sum();
            tracing::info!(
                records,
                left = requeued.left,
                "requeued on an operator's word"
            );
        }
        requeued.map_err(|e| e.to_string())
    }

    fn reverify(&self, names: &[String], tell: Tell<'_>) -> Result<Reverified, String> {
        let done = rejects::accept(&self.dir, names, &WhileOpen(&self.door), tell);
        if let Ok(done) = &done {
            tracing::info!(
                records = done.new,
                duplicates = done.duplicates,
                failed = done.failed,
                "refused callbacks were accepted on an operator's word"
            );
        }
        done.map_err(|e| e.to_string())
    }

    fn follow(&self, filter: &Filter) -> Result<Follower, String> {
        let door = self.door.upgrade().ok_or("the relay stops")?;
        let follower = door.decisions().follow(&filter.sources);
        follower.map_err(|e| e.to_string())
    }
}

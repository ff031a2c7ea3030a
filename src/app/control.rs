//! What commands may ask of a running relay, through `control.sock`.

use super::status::{Sources, status};
use crate::{
    clock::Clock,
    control::{Handler, Socket, serve},
    follow::{Decisions, Filter, Follower},
    publish::{
        self,
        again::{self, Replayed, Requeued, Tell, With},
    },
    spool::{
        Selection,
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
    /// The door's: with it they end.
    pub(super) decisions: Weak<Decisions>,
}

/// Serves the socket. The relay does its work without it: a socket that can't be made is a warning.
pub(super) fn start(control: Control, stop: watch::Receiver<bool>) -> Option<JoinHandle<()>> {
    match Socket::bind(&control.dir) {
        Ok(socket) => Some(tokio::spawn(serve(socket, Arc::new(control), stop))),
        Err(e) => {
            tracing::warn!(
                "control.sock can't be made, so nobody can follow, and replay and requeue have to wait for the relay's end: {e}"
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
        let shelf = Shelf::of(&self.dir).map_err(|e| e.to_string())?;
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

    fn follow(&self, filter: &Filter) -> Result<Follower, String> {
        let decisions = self.decisions.upgrade();
        let decisions = decisions.ok_or("the relay stops")?;
        decisions.follow(&filter.sources).map_err(|e| e.to_string())
    }
}

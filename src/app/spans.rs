//! Spans of traces on their way out, if anybody wants them.

use super::Fault;
use crate::{
    config,
    traces::{Traces, export, otlp::Resource},
};
use prometheus::Registry;
use tokio::{
    task::JoinHandle,
    time::{Instant, timeout_at},
};

/// The task that exports spans. It ends after door and publisher, when what they gave it is exported.
#[derive(Debug)]
pub(super) struct Exporter(Option<JoinHandle<()>>);

/// What is done with traces in this run, and what exports their spans. Needs a runtime.
pub(super) fn export_spans(
    settings: &config::Traces,
    registry: &Registry,
) -> Result<(Traces, Exporter), Fault> {
    let metrics = export::Metrics::register(registry)?;
    let Some(endpoint) = settings.endpoint.clone() else {
        return Ok((Traces::new(settings, None), Exporter(None)));
    };
    let resource = Resource::of_this_run().map_err(|source| Fault::Process {
        doing: "drawing a random number",
        source,
    })?;
    tracing::info!(%endpoint, instance = resource.instance, "spans of traces are exported");
    let (queue, task) = export::start(endpoint, resource, metrics);
    Ok((Traces::new(settings, Some(queue)), Exporter(Some(task))))
}

impl Exporter {
    /// The last spans, if the collector takes them in time.
    pub(super) async fn ends_by(self, latest: Instant) {
        if let Some(task) = self.0 {
            drop(timeout_at(latest, task).await);
        }
    }
}

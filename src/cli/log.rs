//! The log: to stderr, text for people or one JSON object a line. librdkafka's own lines come in as target
//! `librdkafka`, through the `log` facade.

mod limit;

use crate::config::{Log, LogFormat};
use std::io::{self, IsTerminal};
use tracing_subscriber::EnvFilter;

/// Starts logging for the process. Does nothing if it was started before, as in tests.
pub fn start(settings: &Log) {
    let filter = EnvFilter::try_new(&settings.filter).unwrap_or_else(|_| EnvFilter::new("info"));
    let json = settings.format == LogFormat::Json;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        // It would say so on stderr, by a macro that panics if that can't be written, which is what it has to say.
        .log_internal_errors(false)
        .with_writer(limit::Limited::new(io::stderr, json));
    // An error says that another logger is there already, which then serves.
    drop(match settings.format {
        LogFormat::Text => builder.with_ansi(io::stderr().is_terminal()).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    });
}

//! `schema`: what consumers may rely on, as JSON Schema or as an AsyncAPI document. Without settings, so with the
//! default topics.

use super::{Failure, Outcome, settings::print};
use crate::callback::{
    event::{asyncapi, schema, schema_all, structured_schema},
    names::{EventName, Family},
};
use std::collections::BTreeMap;

/// Prints the JSON Schema of the typed events, of one or of all.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
                        livebridge schema recording.file\n  \
                        livebridge schema > events.schema.json\n  \
                        livebridge schema recording.file --structured    as with kafka.cloudevents = \"structured\"\n  \
                        livebridge schema --asyncapi > asyncapi.json")]
pub(super) struct Args {
    /// An event name, such as recording.file [default: all].
    event: Option<String>,
    /// Of the whole CloudEvent, as it is the value with kafka.cloudevents = "structured".
    #[arg(long, requires = "event")]
    structured: bool,
    /// The AsyncAPI 3.0 document of all topics, with their default names.
    #[arg(long, conflicts_with = "event")]
    asyncapi: bool,
}

pub(super) fn run(args: &Args) -> Outcome {
    let document = match &args.event {
        _ if args.asyncapi => asyncapi(&topics()),
        None => schema_all(),
        Some(name) if args.structured => structured_schema(event(name)?),
        Some(name) => schema(event(name)?),
    };
    let text = serde_json::to_string_pretty(&document).map_err(Failure::failed)?;
    print(&format!("{text}\n"))
}

fn event(name: &str) -> Result<EventName, Failure> {
    name.parse().map_err(|e| {
        let known: Vec<_> = EventName::ALL.iter().map(|name| name.as_str()).collect();
        Failure::Usage(format!("{e}; write one of {}", known.join(", ")))
    })
}

fn topics() -> BTreeMap<Family, String> {
    let default = |family: &Family| (*family, family.default_topic().into());
    Family::ALL.iter().map(default).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_event_is_bad_usage() {
        assert!(
            matches!(event("recording.fil"), Err(Failure::Usage(why)) if why.contains("recording.file"))
        );
    }
}

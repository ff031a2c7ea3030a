//! `tail`: what the door decides about each callback, live, through the control socket of a running `serve`.

use super::{
    Failure, Outcome,
    output::Output,
    place::{Place, event, printable},
    settings::remark,
};
use crate::{
    callback::names::EventName,
    control::{Client, Reply, Request},
    follow::{self, Decision, Filter, REASONS},
};
use serde_json::{Value, json};
use std::{fmt::Write, ops::ControlFlow, path::Path};

/// Follows what a running `serve` decides: each callback as it is accepted, a duplicate, ignored, refused (and why) or
/// overloaded. Shows no body, signature, key or path. Goes on until Ctrl-C, or until serve stops (exit 0).
#[derive(Debug, clap::Args)]
#[command(after_help = after_help())]
pub(super) struct Args {
    /// Sent to this source; repeatable, as all of these are: one of the values must fit.
    #[arg(long, value_name = "NAME")]
    source: Vec<String>,
    /// Of this kind, for example recording.file.
    #[arg(long, value_name = "NAME", value_parser = event)]
    event: Vec<EventName>,
    /// Of this stream (the key in Kafka).
    #[arg(long, value_name = "ID")]
    stream: Vec<String>,
    /// What became of it.
    #[arg(long, value_name = "OUTCOME")]
    outcome: Vec<follow::Outcome>,
    /// Why it wasn't taken; see below.
    #[arg(long, value_name = "REASON", value_parser = reason, hide_possible_values = true)]
    reason: Vec<String>,
    /// One JSON object a line.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Place,
}

fn after_help() -> String {
    let mut help = String::from(
        "Examples:\n  \
         livebridge tail --spool-dir /var/lib/livebridge\n  \
         livebridge tail --config livebridge.toml --outcome refused --outcome overloaded\n  \
         livebridge tail --config livebridge.toml --stream s1 --json\n\nReasons:\n",
    );
    for (reason, meaning) in REASONS {
        // Writing to a String can't fail.
        let _ = writeln!(help, "  {reason:18} {meaning}");
    }
    help
}

fn reason(text: &str) -> Result<String, String> {
    let known = REASONS.iter().map(|(reason, _)| *reason);
    if known.clone().any(|reason| reason == text) {
        return Ok(text.into());
    }
    Err(format!(
        "write one of {}",
        known.collect::<Vec<_>>().join(", ")
    ))
}

pub(super) fn run(args: &Args) -> Outcome {
    let config = args.place.settings()?;
    let dir = &config.spool.dir;
    let Some(client) = Client::connect(dir).map_err(Failure::failed)? else {
        return Err(Failure::Failed(not_there(dir)));
    };
    let request = Request::Follow {
        filter: Filter {
            sources: args.source.clone(),
            events: args.event.iter().map(ToString::to_string).collect(),
            streams: args.stream.clone(),
            outcomes: args.outcome.clone(),
            reasons: args.reason.clone(),
        },
    };
    let mut output = Output::standard();
    let mut each = |reply: &Reply, pause: bool| {
        let goes_on = match shown(reply, args.json) {
            Some(line) => output.line(&line),
            None => {
                remark(&format!("following serve on {}", dir.display()));
                ControlFlow::Continue(())
            }
        };
        // What is there is shown before the next is waited for.
        if goes_on.is_continue() && pause {
            return output.flush();
        }
        goes_on
    };
    let last = client
        .follow(&request, &mut each)
        .map_err(Failure::failed)?;
    output.finish()?;
    match last {
        Some(Reply::Failed(why)) => Err(Failure::Failed(why)),
        Some(Reply::Ended {}) => {
            remark("serve has stopped");
            Ok(())
        }
        // Nobody reads on.
        Some(_) => Ok(()),
        None => Err(Failure::Failed(
            "serve is gone without a word (killed?), or gave up on a follower that took nothing for a minute".into(),
        )),
    }
}

fn not_there(dir: &Path) -> String {
    let shown = dir.display();
    if dir.join("spool-id").is_file() {
        format!(
            "no serve runs on the spool {shown}: there is nothing to follow until it is started"
        )
    } else {
        format!(
            "no serve runs on {shown}, and there is no spool: give the one of serve with --config or --spool-dir"
        )
    }
}

/// None for the word that it has begun.
fn shown(reply: &Reply, as_json: bool) -> Option<String> {
    match reply {
        Reply::Decision(decision) if as_json => Some(json_line(decision)),
        Reply::Decision(decision) => Some(line(decision)),
        Reply::Lost { decisions } if as_json => Some(json!({ "lost": decisions }).to_string()),
        Reply::Lost { decisions } => Some(format!(
            "… {decisions} decisions were not shown: more came than could be read in time"
        )),
        _ => None,
    }
}

fn json_line(decision: &Decision) -> String {
    let mut object = json!(decision);
    if let Value::Object(members) = &mut object {
        members.insert("at".into(), decision.at.to_string().into());
    }
    escaped(&object.to_string())
}

/// JSON may hold characters that a terminal obeys, in its strings only: there they can be escaped.
fn escaped(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        if c.is_control() {
            // Writing to a String can't fail; no control character is beyond 0x9f.
            let _ = write!(text, "\\u{:04x}", u32::from(c));
        } else {
            text.push(c);
        }
    }
    text
}

/// What, to whom, whose, and what else there is to say.
fn line(decision: &Decision) -> String {
    let mut line = format!("{}  {:10}", decision.at, decision.outcome.as_str());
    let status = decision.status.map(|status| status.to_string());
    let reason = decision.reason.as_deref();
    let words = [status.as_deref(), reason].into_iter().flatten();
    let words: Vec<_> = words.collect();
    let or_dash = |text: &Option<String>| text.as_deref().map_or("-".into(), printable);
    // Writing to a String can't fail.
    let _ = write!(
        line,
        "  {:18}  {}  {}  {}",
        words.join(" "),
        decision.address,
        or_dash(&decision.source),
        decision.event.as_deref().unwrap_or("-"),
    );
    if let Some(stream) = &decision.stream {
        let _ = write!(line, "  stream {}", printable(stream));
    }
    if let Some(key) = &decision.key {
        let _ = write!(line, "  key {}", printable(key));
    }
    if let Some(seq) = decision.seq {
        let _ = write!(line, "  #{seq}");
    }
    if let Some(bytes) = decision.bytes {
        let _ = write!(line, "  {bytes} bytes");
    }
    if let Some(seconds) = decision.expired_by {
        let _ = write!(line, "  {seconds} s late");
    }
    if let Some(micros) = decision.micros {
        let _ = write!(line, "  {:.1} ms", micros as f64 / 1e3);
    }
    if let Some(detail) = &decision.detail {
        let _ = write!(line, "  ({detail})");
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Millis;

    fn decision() -> Decision {
        let at = Millis(1_750_000_000_042);
        let mut decision = Decision::new(at, follow::Outcome::Refused, [192, 0, 2, 1].into());
        decision.status = Some(401);
        decision.reason = Some("mismatch".into());
        decision.source = Some("tencent".into());
        decision.stream = Some("s\u{1b}[2J\u{9b}1m".into());
        decision.micros = Some(1_250);
        decision
    }

    #[test]
    fn a_line_says_what_and_why_and_a_terminal_obeys_nothing_of_it() {
        let line = shown(&Reply::Decision(Box::new(decision())), false).unwrap();
        assert_eq!(
            line,
            "2025-06-15T15:06:40.042Z  refused     401 mismatch        192.0.2.1  tencent  -  \
             stream s\\u{1b}[2J\\u{9b}1m  1.2 ms"
        );
        let lost = shown(&Reply::Lost { decisions: 7 }, false).unwrap();
        assert!(lost.contains("7 decisions were not shown"));
        assert_eq!(shown(&Reply::Following {}, false), None);
    }

    #[test]
    fn json_has_its_time_as_text_and_what_was_lost_too() {
        let line = shown(&Reply::Decision(Box::new(decision())), true).unwrap();
        let value: Value = serde_json::from_str(&line).unwrap();
        assert!(!line.contains(char::is_control), "{line:?}");
        assert_eq!(value["stream"], "s\u{1b}[2J\u{9b}1m");
        assert_eq!(value["at"], "2025-06-15T15:06:40.042Z");
        assert_eq!(value["reason"], "mismatch");
        assert_eq!(value.get("seq"), None);
        let lost = shown(&Reply::Lost { decisions: 7 }, true).unwrap();
        assert_eq!(lost, r#"{"lost":7}"#);
    }

    #[test]
    fn only_reasons_that_there_are_can_be_asked_for() {
        assert_eq!(reason("mismatch"), Ok("mismatch".into()));
        assert!(reason("mismatched").unwrap_err().contains("mismatch,"));
    }
}

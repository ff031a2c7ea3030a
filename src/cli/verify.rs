//! `verify`: why a captured callback passes or fails, with the keys of the settings.

use super::{
    Failure, Outcome, moment,
    settings::{load, print, remark},
};
use crate::{
    callback::{
        json::Document,
        verify::{Explanation, Keys, Kind, Policy, Request, TencentCss, VolcengineLive},
    },
    clock::{Clock, Millis, SystemClock},
    config::{Auth, Config, Flags, Source, SourceKind, keys},
};
use std::path::PathBuf;

/// The largest callback that is read; more than any relay takes.
const MAX_BYTES: u64 = 128 << 20;

/// Says why a captured callback passes or fails: which key made the signature, and how far past t it is. Exit 0 if it
/// passes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
                        livebridge verify --key KEY callback.json\n  \
                        livebridge verify --config livebridge.toml --source tencent callback.json\n  \
                        livebridge verify --key KEY --at 1750000000 callback.json    as if received then")]
pub(super) struct Args {
    /// The body of the callback, byte for byte.
    file: PathBuf,
    /// The source whose keys and rules count [default: tencent, or the only one].
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// When it was received: a time, how long ago, or seconds since the epoch [default: now].
    #[arg(long, value_name = "TIME", value_parser = received)]
    at: Option<Millis>,
    #[command(flatten)]
    flags: Flags,
}

/// As `t` has it, or as people do.
fn received(text: &str) -> Result<Millis, String> {
    match text.parse() {
        Ok(seconds) => Ok(Millis::from_seconds(seconds)),
        Err(_) => moment::parse(text),
    }
}

pub(super) fn run(args: &Args) -> Outcome {
    let loaded = load(&args.flags)?;
    for warning in &loaded.warnings {
        remark(&format!("warning: {warning}"));
    }
    let source = pick(&loaded.config, args.source.as_deref())?;
    let shown = args.file.display();
    let body = keys::read_limited(&args.file, MAX_BYTES)
        .map_err(|e| Failure::Usage(format!("{shown}: {e}")))?;
    let now = args.at.unwrap_or_else(|| SystemClock.now());
    let document = Document::parse(&body).map_err(|e| {
        Failure::Failed(format!(
            "{shown} fails: it can't be authenticated (400): {e}"
        ))
    })?;
    let explanation = explain(&loaded.config, source, &document, now);
    print(&format!("source: {}\n{explanation}\n", source.name))?;
    if explanation.passes() {
        Ok(())
    } else {
        Err(Failure::Failed(format!("{shown} fails (401)")))
    }
}

pub(super) fn pick<'c>(config: &'c Config, name: Option<&str>) -> Result<&'c Source, Failure> {
    let sources = &config.sources;
    let only = if let [only] = sources.as_slice() {
        Some(only)
    } else {
        None
    };
    let named = |name| sources.iter().find(|source| source.name.as_str() == name);
    let picked = match name {
        Some(name) => named(name),
        None => only.or_else(|| named("tencent")),
    };
    picked.ok_or_else(|| {
        let known: Vec<_> = sources.iter().map(|source| source.name.as_str()).collect();
        Failure::Usage(format!("--source: write one of {}", known.join(", ")))
    })
}

fn explain(config: &Config, source: &Source, document: &Document<'_>, now: Millis) -> Explanation {
    let judge = Judge::of(config, source);
    // All kinds look at nothing but the document.
    Explanation::of(
        judge.kind,
        &Request::of_body(&[]),
        document,
        &judge.keys,
        &judge.policy,
        now,
    )
}

/// What judges the callbacks of a source: as the door would, with the keys that are there now.
pub(super) struct Judge {
    pub(super) kind: &'static dyn Kind,
    pub(super) keys: Keys,
    pub(super) policy: Policy,
}

impl Judge {
    pub(super) fn of(config: &Config, source: &Source) -> Self {
        // One that can't be read was warned about, or was a fault.
        let files: Vec<_> = source
            .key_files
            .iter()
            .filter_map(|path| Some((path.clone(), keys::read_file(path).ok()?)))
            .collect();
        Self {
            kind: match source.kind {
                SourceKind::TencentCss => &TencentCss,
                SourceKind::VolcengineLive => &VolcengineLive,
            },
            keys: Keys::new(keys::all(&source.keys, &files)),
            policy: Policy {
                auth_required: source.auth == Auth::Required,
                unsigned_events: source.unsigned_events.clone(),
                leeway: config.expiry_leeway,
            },
        }
    }
}

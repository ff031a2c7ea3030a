//! Which spool a command means, and which of its records.

use super::{Failure, moment, settings::load_without_keys};
use crate::{
    callback::names::EventName,
    clock::Millis,
    config::{Ack, Config, Flags},
    spool::Selection,
};
use std::path::PathBuf;

/// The spool that is meant. Nothing else of the settings is needed to look into one.
#[derive(Debug, clap::Args)]
pub(super) struct Place {
    /// The directory of the spool, or of a copy of one [default: spool.dir of the settings].
    #[arg(long, value_name = "DIR")]
    pub(super) spool_dir: Option<String>,
    /// The settings file, TOML.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl Place {
    /// The settings; a key isn't asked for.
    pub(super) fn settings(&self) -> Result<Config, Failure> {
        let flags = Flags {
            config: self.config.clone(),
            spool_dir: self.spool_dir.clone(),
            ..Flags::default()
        };
        self.of(load_without_keys(&flags)?.config)
    }

    fn of(&self, config: Config) -> Result<Config, Failure> {
        with_a_spool(config, self.spool_dir.is_some())
    }
}

/// With `ack = "kafka"` there is none, unless one is named.
pub(super) fn with_a_spool(config: Config, is_named: bool) -> Result<Config, Failure> {
    if config.ack == Ack::Kafka && !is_named {
        return Err(Failure::Usage(
            "ack = \"kafka\" keeps nothing on disk: there is no spool, no quarantine, no ledger of refusals and no control.sock. \
             For a spool that was left by ack = \"spool\", name its directory: --spool-dir DIR"
                .into(),
        ));
    }
    Ok(config)
}

/// The spool that is meant, and the way to the brokers. Topics and the rest come from the settings file.
#[derive(Debug, clap::Args)]
pub(super) struct Link {
    #[command(flatten)]
    place: Place,
    /// The brokers, comma-separated.
    #[arg(long, value_name = "HOST:PORT,…")]
    bootstrap_servers: Option<String>,
    /// trace, debug, info, warn, error, off, or a filter [default: warn].
    #[arg(long, value_name = "FILTER")]
    log_level: Option<String>,
}

impl Link {
    /// The settings; a key isn't asked for. A command that says itself how far it is needs less of a log.
    pub(super) fn settings(&self) -> Result<Config, Failure> {
        let flags = Flags {
            config: self.place.config.clone(),
            spool_dir: self.place.spool_dir.clone(),
            bootstrap_servers: self.bootstrap_servers.clone(),
            log_level: Some(self.log_level.clone().unwrap_or_else(|| "warn".into())),
            ..Flags::default()
        };
        self.place.of(load_without_keys(&flags)?.config)
    }
}

/// Which records are meant: all conditions must hold.
#[derive(Debug, clap::Args)]
pub(super) struct Which {
    /// Accepted at this time or later: 2026-11-23T14:00:00Z, 2026-11-23, or 2h (ago).
    #[arg(long, value_name = "TIME", value_parser = moment::parse)]
    since: Option<Millis>,
    /// Accepted before this time.
    #[arg(long, value_name = "TIME", value_parser = moment::parse)]
    until: Option<Millis>,
    /// Of this stream (the key in Kafka).
    #[arg(long, value_name = "ID")]
    stream: Option<String>,
    /// Of this kind, for example recording.file.
    #[arg(long, value_name = "NAME", value_parser = event)]
    event: Option<EventName>,
    /// This number, or from one to another: 42, 42..99, 42.., ..99.
    #[arg(long, value_name = "N[..M]", value_parser = numbers)]
    seq: Option<Numbers>,
}

impl Which {
    pub(super) fn selection(&self) -> Selection {
        let seq = self.seq.unwrap_or_default();
        Selection {
            since: self.since,
            until: self.until,
            first: seq.first,
            last: seq.last,
            stream: self.stream.clone(),
            event: self.event,
        }
    }
}

/// Numbers of records, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Numbers {
    first: Option<u64>,
    last: Option<u64>,
}

/// Nothing that a terminal would obey.
pub(super) fn printable(text: &str) -> String {
    text.chars()
        .flat_map(|c| {
            let escaped = c.is_control().then(|| c.escape_unicode());
            let plain = (!c.is_control()).then_some(c);
            escaped.into_iter().flatten().chain(plain)
        })
        .collect()
}

pub(super) fn event(text: &str) -> Result<EventName, String> {
    text.parse().map_err(|_| {
        let names: Vec<_> = EventName::ALL.iter().map(|e| e.as_str()).collect();
        format!("write one of {}", names.join(", "))
    })
}

pub(super) fn numbers(text: &str) -> Result<Numbers, String> {
    let number = |text: &str| match text {
        "" => Ok(None),
        text => text.parse().map(Some).map_err(|_| HINT.to_owned()),
    };
    const HINT: &str = "write a number, or two with .. between: 42, 42..99, 42.., ..99";
    match text.split_once("..") {
        Some((first, last)) => Ok(Numbers {
            first: number(first)?,
            last: number(last)?,
        }),
        None => match number(text)? {
            Some(one) => Ok(Numbers {
                first: Some(one),
                last: Some(one),
            }),
            None => Err(HINT.into()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_one_or_a_range() {
        let range = |first, last| Ok(Numbers { first, last });
        assert_eq!(numbers("42"), range(Some(42), Some(42)));
        assert_eq!(numbers("42..99"), range(Some(42), Some(99)));
        assert_eq!(numbers("42.."), range(Some(42), None));
        assert_eq!(numbers("..99"), range(None, Some(99)));
        for bad in ["", "x", "1..x", "-1"] {
            assert!(numbers(bad).is_err(), "{bad}");
        }
        assert!(
            event("recording.fil")
                .unwrap_err()
                .contains("recording.file")
        );
    }
}

//! The settings that have a flag. Values are taken as text: the parser of the settings reports all faults at once,
//! where clap would stop at the first.

use clap::Args;
use std::{fmt, path::PathBuf};

/// The flags that set something; shared by all commands that read the settings.
#[derive(Clone, Default, Args)]
#[command(next_help_heading = "Settings")]
pub struct Flags {
    /// The settings file, TOML.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Where callbacks arrive.
    #[arg(long, value_name = "IP:PORT")]
    pub listen: Option<String>,
    /// Where /livez, /readyz, /startupz, /metrics and /status are.
    #[arg(long, value_name = "IP:PORT")]
    pub admin_listen: Option<String>,
    /// The callback key of the source `tencent` (or of the only source). Repeatable.
    #[arg(long, value_name = "KEY")]
    pub key: Vec<String>,
    /// A file with one key a line, read again when it changes. Repeatable.
    #[arg(long, value_name = "FILE")]
    pub key_file: Vec<String>,
    /// The brokers, comma-separated.
    #[arg(long, value_name = "HOST:PORT,…")]
    pub bootstrap_servers: Option<String>,
    /// The directory of the spool.
    #[arg(long, value_name = "DIR")]
    pub spool_dir: Option<String>,
    /// What a 200 waits for: spool (fsynced on local disk), or kafka (all in-sync replicas have it; no disk).
    #[arg(long, value_name = "WHAT")]
    pub ack: Option<String>,
    /// at-least-once, or exactly-once: by Kafka transactions, for readers with read_committed.
    #[arg(long, value_name = "HOW")]
    pub delivery: Option<String>,
    /// text or json [default: text on a terminal, else json].
    #[arg(long, value_name = "FORMAT")]
    pub log_format: Option<String>,
    /// trace, debug, info, warn, error, off, or a filter such as info,librdkafka=debug.
    #[arg(long, value_name = "FILTER")]
    pub log_level: Option<String>,
}

impl Flags {
    /// The values of this flag, in the order given.
    #[must_use]
    pub(super) fn get(&self, flag: &str) -> Vec<&str> {
        let one = match flag {
            "--listen" => &self.listen,
            "--admin-listen" => &self.admin_listen,
            "--bootstrap-servers" => &self.bootstrap_servers,
            "--spool-dir" => &self.spool_dir,
            "--ack" => &self.ack,
            "--delivery" => &self.delivery,
            "--log-format" => &self.log_format,
            "--log-level" => &self.log_level,
            "--key" => return self.key.iter().map(String::as_str).collect(),
            "--key-file" => return self.key_file.iter().map(String::as_str).collect(),
            _ => return Vec::new(),
        };
        one.as_deref().into_iter().collect()
    }
}

/// Keys may be among them, so only the number of those is shown.
impl fmt::Debug for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flags")
            .field("config", &self.config)
            .field("keys", &self.key.len())
            .finish_non_exhaustive()
    }
}

//! The real binary, run on a spool, and what it printed.

use serde_json::Value;
use std::{path::Path, process::Command};
use support::relay::Relay;

pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_livebridge");
/// Nothing listens there.
pub(crate) const NO_BROKER: &str = "127.0.0.1:1";

pub(crate) struct Seen {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Seen {
    pub(crate) fn lines(&self) -> Vec<Value> {
        let json = |line| serde_json::from_str(line).unwrap();
        self.out.lines().map(json).collect()
    }
}

pub(crate) fn run(arguments: &[&str], spool: &Path) -> Seen {
    let output = Command::new(BINARY)
        .args(arguments)
        .arg("--spool-dir")
        .arg(spool)
        .env_clear()
        .output()
        .unwrap();
    Seen {
        code: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// The relay's own settings file, which names topics and brokers.
pub(crate) fn run_with(arguments: &[&str], relay: &Relay) -> Seen {
    let settings = relay.spool_dir().with_file_name("livebridge.toml");
    let output = Command::new(BINARY)
        .args(arguments)
        .arg("--config")
        .arg(settings)
        .env_clear()
        .output()
        .unwrap();
    Seen {
        code: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

//! Programs that `./dev` puts into `target/tools/bin`: promtool, Prometheus, helm, kubeconform, kube-score.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

/// `target/tools`.
pub fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/tools")
}

/// One of the programs.
#[track_caller]
pub fn tool(name: &str) -> Command {
    let path = directory().join("bin").join(name);
    assert!(
        path.exists(),
        "{name} is not in target/tools/bin: `./dev test` puts it there"
    );
    Command::new(path.canonicalize().expect("it exists"))
}

/// Runs a command; what it printed, standard output first. Panics with that if it fails.
#[track_caller]
pub fn said(command: &mut Command) -> String {
    let output = command
        .output()
        .unwrap_or_else(|e| panic!("can't run {command:?}: {e}"));
    let said = text(&output);
    assert!(
        output.status.success(),
        "{command:?} {}\n{said}",
        output.status
    );
    said
}

/// What a command printed, standard output first.
pub fn text(output: &Output) -> String {
    let [out, err] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    format!("{out}{err}")
}

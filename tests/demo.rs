//! `livebridge demo` as a process: what it shows, how it ends, and that it leaves nothing behind.

use std::{fs, path::Path, process::Command, time::Duration};
use support::{
    process::{Process, Signal},
    wait,
};
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(60);

/// A running demo whose temporary files go to a directory of ours.
struct Demo {
    process: Process,
    directory: TempDir,
}

impl Demo {
    fn start(arguments: &[&str]) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let temporary = directory.path().join("tmp");
        fs::create_dir(&temporary).expect("a directory");
        let mut command = Command::new(env!("CARGO_BIN_EXE_livebridge"));
        command.arg("demo").args(arguments).env("TMPDIR", temporary);
        let log = directory.path().join("log");
        let process = Process::spawn("the demo", command, &log, directory.path());
        Self { process, directory }
    }

    fn shown(&self) -> String {
        read(&self.directory.path().join("log"))
    }

    /// What is left of its temporary files.
    fn left(&self) -> Vec<String> {
        let entries = fs::read_dir(self.directory.path().join("tmp")).expect("still there");
        entries.map(|entry| format!("{entry:?}")).collect()
    }
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

#[test]
fn the_demo_says_what_became_of_each_callback() {
    let mut demo = Demo::start(&["--once"]);
    let status = demo.process.wait(PATIENCE);
    let shown = demo.shown();
    assert!(status.success(), "{shown}");
    for line in [
        "◄─ recording.file ",
        "◄─ duplicate: not published again",
        "◄─ refused: no key matches the signature",
    ] {
        assert!(shown.contains(line), "{line}\nnot in\n{shown}");
    }
    assert_eq!(demo.left(), Vec::<String>::new());
}

#[test]
fn stopping_the_demo_in_the_middle_is_no_error() {
    let mut demo = Demo::start(&[]);
    wait::until("the first words", PATIENCE, || {
        demo.shown().contains("livebridge demo").then_some(())
    });
    demo.process.signal(Signal::Term);
    let status = demo.process.wait(PATIENCE);
    let shown = demo.shown();
    assert!(status.success(), "{shown}");
    assert!(!shown.contains("posting to the relay"), "{shown}");
    assert_eq!(demo.left(), Vec::<String>::new());
}

#[test]
fn a_demo_that_nobody_can_read_ends_with_a_word_and_one_whose_reader_left_without() {
    for (stdout, code) in [("/dev/full", 1), ("a closed pipe", 0)] {
        let directory = tempfile::tempdir().expect("a directory");
        let mut command = Command::new(env!("CARGO_BIN_EXE_livebridge"));
        command.arg("demo").env("TMPDIR", directory.path());
        match stdout {
            "/dev/full" => {
                command.stdout(fs::OpenOptions::new().write(true).open(stdout).expect("it"))
            }
            _ => command.stdout(std::io::pipe().expect("a pipe").1),
        };
        let output = command.output().expect("the binary runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{stdout}: {said}");
        assert!(!said.contains("panicked"), "{said}");
        let left = fs::read_dir(directory.path()).expect("still there");
        assert_eq!(left.count(), 0);
    }
}

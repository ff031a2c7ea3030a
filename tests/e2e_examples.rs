//! The examples do what their first lines say, against a real relay and a real Kafka.

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};
use support::{
    callback::{recording, signed},
    kafka::Broker,
    process::{self, Process},
    python,
    relay::Relay,
    topics::Topics,
    wait,
};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// What both examples print of these recordings.
fn expected() -> Vec<String> {
    let line =
        |n| format!("s1: 154 s, 277941079 bytes, http://12345678.vod2.example.com/s1/{n}.mp4");
    (1..=3).map(line).collect()
}

/// Runs an example until it has printed what is expected, and nothing else.
#[track_caller]
fn assert_prints_each_recording_once(example: Command) {
    let broker = Broker::shared();
    let topics = Topics::create(broker, 2);
    let mut relay = Relay::new(
        env!("CARGO_BIN_EXE_livebridge"),
        &broker.bootstrap(),
        &topics,
    );
    relay.start();
    for number in [1, 2, 2, 3] {
        assert_eq!(relay.post(&signed(&recording("s1", number))).status, 200);
    }
    let dir = tempfile::tempdir().expect("a temporary directory");
    let out = dir.path().join("out");
    let mut example = example;
    example.arg(broker.bootstrap()).arg(topics.of("recording"));
    let running = Process::spawn("the example", example, &out, dir.path());
    let printed = || {
        let text = std::fs::read_to_string(&out).unwrap_or_default();
        text.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    wait::until(
        "three lines of the example",
        Duration::from_secs(60),
        || (printed().len() >= 3).then_some(()),
    );
    assert_eq!(printed(), expected());
    running.kill();
}

#[test]
fn the_rust_consumer_prints_finished_recordings() {
    let mut cargo = Command::new(env!("CARGO"));
    cargo
        .args(["build", "--quiet", "--locked", "--example", "recordings"])
        .current_dir(ROOT);
    process::run("build the example", &mut cargo);
    let beside: PathBuf = Path::new(env!("CARGO_BIN_EXE_livebridge")).with_file_name("examples");
    assert_prints_each_recording_once(Command::new(beside.join("recordings")));
}

#[test]
fn the_python_consumer_prints_finished_recordings() {
    let mut python = Command::new(python::interpreter());
    python.arg(Path::new(ROOT).join("examples/consumer.py"));
    assert_prints_each_recording_once(python);
}

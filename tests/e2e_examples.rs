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

/// A program that is run where a reader of the examples would.
fn in_root(program: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(ROOT);
    command
}

#[test]
#[ignore = "fetches packages from npm: run by ./dev examples"]
fn the_node_consumer_prints_finished_recordings() {
    let mut npm = in_root("npm", &["ci", "--silent", "--no-audit", "--no-fund"]);
    npm.args(["--ignore-scripts", "--prefix", "examples/node"]);
    process::run("install the packages of the Node example", &mut npm);
    assert_prints_each_recording_once(in_root("node", &["examples/node/recordings.js"]));
}

#[test]
#[ignore = "fetches modules from Go's proxy: run by ./dev examples"]
fn the_go_consumer_prints_finished_recordings() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let program = dir.path().join("recordings");
    let mut build = in_root("go", &["build", "-o"]);
    build.arg(&program).arg(".");
    build.current_dir(Path::new(ROOT).join("examples/go"));
    process::run("build the Go example", &mut build);
    // It looks for the schemas from its own directory.
    let mut example = Command::new(&program);
    example.current_dir(Path::new(ROOT).join("examples/go"));
    assert_prints_each_recording_once(example);
}

#[test]
#[ignore = "fetches jars from Maven Central: run by ./dev examples"]
fn the_java_consumer_prints_finished_recordings() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let list = dir.path().join("class-path");
    let mut build = in_root(
        "mvn",
        &["-q", "-B", "-f", "examples/java/pom.xml", "compile"],
    );
    build.arg("dependency:build-classpath");
    build.arg(format!("-Dmdep.outputFile={}", list.display()));
    process::run("build the Java example", &mut build);
    let jars = std::fs::read_to_string(&list).expect("a class path");
    let class_path = format!("examples/java/target/classes:{jars}");
    assert_prints_each_recording_once(in_root("java", &["-cp", &class_path, "Recordings"]));
}

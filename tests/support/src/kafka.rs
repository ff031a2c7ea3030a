//! A real Apache Kafka: one KRaft node, broker and controller in one process, on localhost.
//!
//! The jars come from Maven Central once, into `target/kafka/`. A broker keeps its directory and its ports while it
//! is killed, frozen and started again.

use crate::{
    admin::Admin,
    port::Port,
    process::{self, Process, Signal},
    wait,
};
use std::{
    fs::{self, File},
    hash::{DefaultHasher, Hash, Hasher},
    path::{Path, PathBuf},
    process::Command,
    sync::{Mutex, OnceLock},
    time::Duration,
};
use tempfile::TempDir;

/// How long a broker may take to come up on a busy machine.
const START: Duration = Duration::from_secs(240);

/// A broker. Dropping it kills it and removes its data.
#[derive(Debug)]
pub struct Broker {
    /// Before the directory, which is dropped after it: the log of a failed test lies there.
    process: Mutex<Option<Process>>,
    port: Port,
    controller: Port,
    dir: TempDir,
    machine: Machine,
    /// Of further listeners, held with it.
    _ports: Vec<Port>,
}

/// What the broker's JVM is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Machine {
    /// To start fast and take little: tests.
    Small,
    /// To take much load, as in production: benches.
    Fast,
}

/// What a broker is made to be.
#[derive(Debug)]
pub(crate) struct Blueprint {
    pub(crate) machine: Machine,
    /// For clients.
    pub(crate) port: Port,
    pub(crate) controller: Port,
    /// How its directory is formatted.
    pub(crate) format: &'static [&'static str],
    /// Lines beside the usual ones, which they override.
    pub(crate) settings: String,
}

impl Blueprint {
    /// A small one, alone.
    pub(crate) fn new() -> Self {
        let (port, controller) = (Port::claim(), Port::claim());
        let settings = format!(
            "controller.quorum.bootstrap.servers={}\n",
            controller.address()
        );
        Self {
            machine: Machine::Small,
            port,
            controller,
            format: &["--standalone"],
            settings,
        }
    }
}

impl Broker {
    /// The broker that the tests of one binary share. Tests that disturb theirs start one of their own.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Broker> = OnceLock::new();
        SHARED.get_or_init(Self::started)
    }

    /// A broker of its own, up and answering.
    pub fn started() -> Self {
        let broker = Self::down();
        broker.start();
        broker
    }

    /// A broker for benches: slower to start, and compiled as well as Java can.
    pub fn for_load() -> Self {
        let broker = Self::made(
            Blueprint {
                machine: Machine::Fast,
                ..Blueprint::new()
            },
            Vec::new(),
        );
        broker.start();
        broker
    }

    /// A broker that has an address, and is not running yet.
    pub fn down() -> Self {
        Self::made(Blueprint::new(), Vec::new())
    }

    /// A broker after this blueprint, not running yet. `ports` are held as long as it is.
    pub(crate) fn made(blueprint: Blueprint, ports: Vec<Port>) -> Self {
        let broker = Self {
            machine: blueprint.machine,
            port: blueprint.port,
            controller: blueprint.controller,
            _ports: ports,
            dir: tempfile::Builder::new()
                .prefix("livebridge-kafka-")
                .tempdir()
                .expect("a temporary directory"),
            process: Mutex::new(None),
        };
        broker.write_settings(&blueprint.settings);
        let mut format = java("32m", "256m");
        format
            .arg("-cp")
            .arg(class_path(&[]))
            .args(["kafka.tools.StorageTool", "format"])
            .args(blueprint.format)
            .args(["-t", "bGl2ZWJyaWRnZS10ZXN0cw", "-c"])
            .arg(broker.settings_file());
        process::run("format the broker's directory", &mut format);
        broker
    }

    /// Starts it, again on the same data and port after [`Self::kill`], and waits until it answers.
    #[track_caller]
    pub fn start(&self) {
        self.launch();
        self.wait_until_up();
    }

    /// Starts it without waiting.
    #[track_caller]
    pub fn launch(&self) {
        let mut slot = self.process.lock().expect("no panic under this lock");
        assert!(slot.is_none(), "the broker runs already");
        let mut java = match self.machine {
            Machine::Small => java("64m", "320m"),
            Machine::Fast => fast_java("512m"),
        };
        java.arg(format!(
            "-Dlog4j2.configurationFile={}",
            self.dir.path().join("log4j2.properties").display()
        ))
        .arg("-cp")
        .arg(class_path(&[]))
        .arg("kafka.Kafka")
        .arg(self.settings_file());
        *slot = Some(Process::spawn(
            "the Kafka broker",
            java,
            &self.dir.path().join("broker.log"),
            self.dir.path(),
        ));
    }

    /// Waits until it answers as a broker, not only until its port is open.
    #[track_caller]
    pub fn wait_until_up(&self) {
        let up = wait::within(START, || {
            let mut slot = self.process.lock().expect("no panic under this lock");
            let process = slot.as_mut().expect("the broker was started");
            if let Some(status) = process.ended() {
                panic!("the broker ended: {status}\n{}", process.log_tail());
            }
            let answered = self.admin().is_answered(Duration::from_secs(2));
            answered.then_some(())
        });
        if up.is_none() {
            let slot = self.process.lock().expect("no panic under this lock");
            let log = slot.as_ref().map(Process::log_tail).unwrap_or_default();
            panic!("the broker is not up after {START:?}\n{log}");
        }
    }

    /// Kills it at once, as a power cut of its machine would.
    pub fn kill(&self) {
        let process = self
            .process
            .lock()
            .expect("no panic under this lock")
            .take();
        process.expect("the broker was started").kill();
    }

    /// Asks it to end, as an operator would, and waits for that: its leaderships move first.
    #[track_caller]
    pub fn stop(&self) {
        let mut slot = self.process.lock().expect("no panic under this lock");
        let mut process = slot.take().expect("the broker was started");
        process.signal(Signal::Term);
        process.wait(START);
    }

    /// Freezes it: connections stay open, nothing answers.
    pub fn freeze(&self) {
        self.signal(Signal::Stop);
    }

    /// Lets it go on.
    pub fn thaw(&self) {
        self.signal(Signal::Cont);
    }

    fn signal(&self, signal: Signal) {
        let slot = self.process.lock().expect("no panic under this lock");
        slot.as_ref()
            .expect("the broker was started")
            .signal(signal);
    }

    /// The processor time that it has used since it was started.
    pub fn cpu(&self) -> Duration {
        let slot = self.process.lock().expect("no panic under this lock");
        slot.as_ref().map_or(Duration::ZERO, Process::cpu)
    }

    /// `host:port` for clients.
    pub fn bootstrap(&self) -> String {
        self.port.address()
    }

    /// Creates topics, with one replica each, and waits until their partitions have leaders.
    #[track_caller]
    pub fn create_topics(&self, topics: &[&str], partitions: i32, settings: &[(&str, &str)]) {
        self.admin()
            .create_topics(topics, (partitions, 1), settings);
    }

    /// Does to topics what an operator does.
    pub fn admin(&self) -> Admin {
        Admin::of(&self.bootstrap())
    }

    fn settings_file(&self) -> PathBuf {
        self.dir.path().join("server.properties")
    }

    fn write_settings(&self, more: &str) {
        // The controller turns a restarted broker away until the session of its killed predecessor has run out: so
        // that is short.
        let (port, controller) = (self.port.address(), self.controller.address());
        let settings = format!(
            "process.roles=broker,controller\n\
             node.id=1\n\
             listeners=PLAINTEXT://{port},CONTROLLER://{controller}\n\
             advertised.listeners=PLAINTEXT://{port}\n\
             controller.listener.names=CONTROLLER\n\
             listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT\n\
             log.dirs={}\n\
             auto.create.topics.enable=false\n\
             num.partitions=3\n\
             offsets.topic.num.partitions=1\n\
             offsets.topic.replication.factor=1\n\
             transaction.state.log.num.partitions=1\n\
             transaction.state.log.replication.factor=1\n\
             transaction.state.log.min.isr=1\n\
             transaction.abort.timed.out.transaction.cleanup.interval.ms=1000\n\
             group.initial.rebalance.delay.ms=0\n\
             broker.session.timeout.ms=2000\n\
             broker.heartbeat.interval.ms=400\n\
             num.network.threads=2\n\
             num.io.threads=4\n\
             log.cleaner.dedupe.buffer.size=2097152\n\
             {more}",
            self.dir.path().join("data").display(),
        );
        fs::write(self.settings_file(), settings).expect("the broker's settings");
        let logging = "rootLogger.level = warn\n\
                       rootLogger.appenderRef.stdout.ref = stdout\n\
                       appender.stdout.type = Console\n\
                       appender.stdout.name = stdout\n\
                       appender.stdout.layout.type = PatternLayout\n\
                       appender.stdout.layout.pattern = %d %p %c{1}: %m%n\n\
                       logger.transactions.name = kafka.coordinator.transaction\n\
                       logger.transactions.level = info\n";
        fs::write(self.dir.path().join("log4j2.properties"), logging).expect("the log settings");
    }
}

/// A small JVM that starts fast: two cores are shared by everything.
pub fn java(least: &str, most: &str) -> Command {
    let mut java = Command::new("java");
    java.arg(format!("-Xms{least}"))
        .arg(format!("-Xmx{most}"))
        .args([
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
            "-XX:-UsePerfData",
        ]);
    java
}

/// A JVM that takes its time to start, and then compiles all that is worth it.
fn fast_java(memory: &str) -> Command {
    let mut java = Command::new("java");
    java.arg(format!("-Xms{memory}"))
        .arg(format!("-Xmx{memory}"))
        .args(["-XX:+UseParallelGC", "-XX:-UsePerfData"]);
    java
}

/// The jars of Kafka, and directories before them.
pub fn class_path(before: &[PathBuf]) -> String {
    let jars = jars().join("*");
    let parts = before.iter().chain([&jars]);
    parts
        .map(|p| p.display().to_string())
        .collect::<Vec<_>>()
        .join(":")
}

fn jars() -> PathBuf {
    static JARS: OnceLock<PathBuf> = OnceLock::new();
    JARS.get_or_init(|| {
        let pom = include_str!("kafka.pom.xml");
        once("4.4.0", pom, |dir| {
            fs::write(dir.join("pom.xml"), pom).expect("the list of jars");
            let mut mvn = Command::new("mvn");
            mvn.args(["-q", "-B", "dependency:copy-dependencies", "-f"])
                .arg(dir.join("pom.xml"))
                .arg(format!("-DoutputDirectory={}", dir.display()));
            process::run("fetch Apache Kafka from Maven Central", &mut mvn);
        })
    })
    .clone()
}

/// `target/kafka/<name>`, made by `make` unless it was made before from the same `input`; under a lock, so that test
/// binaries that run side by side make it once.
pub fn once(name: &str, input: &str, make: impl FnOnce(&Path)) -> PathBuf {
    let base = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/kafka");
    fs::create_dir_all(&base).expect("target/kafka");
    let base = base.canonicalize().expect("target/kafka");
    let lock = File::create(base.join(format!("{name}.lock"))).expect("a lock file");
    lock.lock().expect("a lock");
    let dir = base.join(name);
    let mut hasher = DefaultHasher::new();
    input.hash(&mut hasher);
    let stamp = format!("{:016x}", hasher.finish());
    let made = dir.join("made-from");
    if fs::read_to_string(&made).is_ok_and(|found| found == stamp) {
        return dir;
    }
    // Left over from a try that failed half way.
    let _ = fs::remove_dir_all(&dir);
    fs::create_dir_all(&dir).expect("a directory");
    make(&dir);
    fs::write(made, stamp).expect("the stamp");
    dir
}

//! Who is measured: each a process of its own, so that its CPU time is its own.

use crate::{Figures, Shown, bare, collector, generator, median, open_loop};
use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};
use support::{
    kafka, kafka::Broker, port::Port, process, process::Process, relay::Relay, topics::Topics, wait,
};

const START: Duration = Duration::from_secs(60);
/// Who uses less than a twentieth of a core for so long has nothing to do.
const A_WHILE: Duration = Duration::from_millis(500);
const SETTLE: Duration = Duration::from_secs(300);

/// A server under load.
pub(crate) struct Contender {
    pub(crate) name: &'static str,
    pub(crate) address: String,
    /// What its 200 promises.
    means: &'static str,
    server: Server,
    shown: Shown,
}

enum Server {
    Relay(Box<Relay>),
    Other {
        process: Process,
        _port: Port,
        _dir: tempfile::TempDir,
    },
}

impl Contender {
    fn cpu(&self) -> Duration {
        match &self.server {
            Server::Relay(relay) => relay.cpu(),
            Server::Other { process, .. } => process.cpu(),
        }
    }

    /// Publishing belongs to the work of whoever answers before it.
    pub(crate) fn settle(&mut self) {
        match &mut self.server {
            Server::Relay(relay) => {
                relay.wait_until_settled(SETTLE);
            }
            Server::Other { process, .. } => {
                let mut before = process.cpu();
                wait::until("it to have nothing left", SETTLE, || {
                    wait::pass(A_WHILE);
                    let used = process.cpu() - before;
                    before += used;
                    (used < A_WHILE / 20).then_some(())
                });
            }
        }
    }

    pub(crate) fn round(&mut self, connections: usize, rate: u32, time: Duration) {
        let before = self.cpu();
        let answers = generator::run(&self.address, connections, time);
        self.settle();
        let used = (self.cpu() - before).as_secs_f64();
        self.shown.closed.push(answers.measured(used));
        let sorted = open_loop::run(&self.address, rate, time);
        self.shown.open(&sorted);
        self.settle();
    }

    pub(crate) fn figures(&mut self) -> Figures {
        Figures {
            name: self.name,
            means: self.means,
            closed: self.shown.closed.median(),
            open_p50: median(&mut self.shown.open_p50),
            open_p99: median(&mut self.shown.open_p99),
        }
    }

    fn other(
        name: &'static str,
        means: &'static str,
        make: impl FnOnce(&str, &Path) -> Command,
    ) -> Self {
        let (port, dir) = (
            Port::claim(),
            tempfile::tempdir().expect("a temporary directory"),
        );
        let address = port.address();
        let command = make(&address, dir.path());
        let process = Process::spawn(name, command, &dir.path().join("log"), dir.path());
        let up = wait::within(START, || std::net::TcpStream::connect(&address).ok());
        assert!(
            up.is_some(),
            "{name} doesn't listen at {address}\n{}",
            process.log_tail()
        );
        let server = Server::Other {
            process,
            _port: port,
            _dir: dir,
        };
        Self {
            name,
            address,
            means,
            server,
            shown: Shown::default(),
        }
    }
}

/// Everyone, started.
pub(crate) fn all(broker: &Broker, topics: &Topics, relay: &str) -> Vec<Contender> {
    let (bootstrap, topic) = (broker.bootstrap(), topics.of("recording"));
    let with = |mut command: Command, address: &str| {
        let port = address.rsplit(':').next().unwrap_or_default();
        command
            .env("BOOTSTRAP_SERVERS", &bootstrap)
            .env("TOPIC", topic)
            .env("PORT", port);
        command
    };
    vec![
        Contender::other("bare hyper", "nothing: it was read", |address, _| {
            let mut serve = Command::new(std::env::current_exe().expect("the path of this bench"));
            serve.args([bare::WORD, address]);
            serve
        }),
        ours(&bootstrap, topics, relay),
        Contender::other("FastAPI + aiokafka", "Kafka has it", |address, _| {
            let mut python = Command::new(fastapi());
            let port = address.rsplit(':').next().unwrap_or_default();
            python
                .args(["-m", "uvicorn", "app:app", "--app-dir"])
                .arg(source("fastapi"))
                .args(["--host", "127.0.0.1", "--port", port])
                .args(["--log-level", "warning", "--no-access-log"]);
            with(python, address)
        }),
        Contender::other("Fastify + kafkajs", "Kafka has it", |address, _| {
            let mut node = Command::new("node");
            node.arg(fastify().join("app.js"));
            with(node, address)
        }),
        Contender::other("OpenTelemetry Collector", "fsynced", |address, dir| {
            collector::command(address, &bootstrap, topic, dir)
        }),
    ]
}

fn ours(bootstrap: &str, topics: &Topics, binary: &str) -> Contender {
    let mut relay = Relay::new(binary, bootstrap, topics).set("spool.segment_bytes", "\"64MiB\"");
    relay.start();
    Contender {
        name: "livebridge",
        address: relay.address(),
        means: "fsynced, and it will be in Kafka",
        server: Server::Relay(Box::new(relay)),
        shown: Shown::default(),
    }
}

fn source(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("benches/peers")
        .join(name)
}

/// The interpreter of an environment with the packages.
fn fastapi() -> PathBuf {
    let requirements = include_str!("fastapi/requirements.txt");
    let dir = kafka::once("peer-fastapi", requirements, |dir| {
        let venv = dir.join("venv");
        process::run(
            "make a Python environment (python3-venv)",
            Command::new("python3").args(["-m", "venv"]).arg(&venv),
        );
        process::run(
            "install FastAPI and aiokafka",
            Command::new(venv.join("bin/python"))
                .args(["-m", "pip", "install", "--quiet", "--requirement"])
                .arg(source("fastapi").join("requirements.txt")),
        );
    });
    dir.join("venv/bin/python")
}

/// A directory with the program and its packages.
fn fastify() -> PathBuf {
    let made_from = concat!(
        include_str!("fastify/package-lock.json"),
        include_str!("fastify/app.js")
    );
    kafka::once("peer-fastify", made_from, |dir| {
        for file in ["package.json", "package-lock.json", "app.js"] {
            std::fs::copy(source("fastify").join(file), dir.join(file)).expect("a copy");
        }
        process::run(
            "install Fastify and kafkajs",
            Command::new("npm")
                .args([
                    "ci",
                    "--silent",
                    "--no-audit",
                    "--no-fund",
                    "--ignore-scripts",
                    "--prefix",
                ])
                .arg(dir),
        );
    })
}

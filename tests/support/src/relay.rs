//! The relay as a user runs it: the real binary with a settings file, a spool that outlives its process, and ports
//! that stay the same from start to start.

use crate::{
    callback,
    http::{Client, Response},
    metrics::{Flow, Metrics},
    port::Port,
    process::{Process, Signal, read_log},
    topics::Topics,
    wait,
};
use std::{
    path::{Path, PathBuf},
    process::{Command, ExitStatus},
    time::Duration,
};
use tempfile::TempDir;

/// How long a relay may take to be ready on a busy machine.
const START: Duration = Duration::from_secs(30);

/// A relay. Dropping it kills its process and removes its spool.
#[derive(Debug)]
pub struct Relay {
    /// Before the directory, which is dropped after it: the log of a failed test lies there.
    process: Option<Process>,
    binary: PathBuf,
    settings: Vec<(String, String)>,
    dir: TempDir,
    http: Port,
    admin: Port,
}

impl Relay {
    /// A relay that publishes to these brokers and topics; not started. `binary` is
    /// `env!("CARGO_BIN_EXE_livebridge")`, which only a test itself knows.
    pub fn new(binary: &str, bootstrap: &str, topics: &Topics) -> Self {
        let dir = tempfile::Builder::new()
            .prefix("livebridge-relay-")
            .tempdir()
            .expect("a temporary directory");
        let mut relay = Self {
            binary: binary.into(),
            settings: topics.settings(),
            dir,
            http: Port::claim(),
            admin: Port::claim(),
            process: None,
        };
        let quoted = |text: &str| format!("\"{text}\"");
        let spool = relay.spool_dir().display().to_string();
        for (key, value) in [
            ("http.listen", quoted(&relay.http.address())),
            ("admin.listen", quoted(&relay.admin.address())),
            ("kafka.bootstrap_servers", quoted(bootstrap)),
            ("spool.dir", quoted(&spool)),
            ("sources.tencent.keys", format!("[\"{}\"]", callback::KEY)),
            // Everything that a start scans is small, and segments turn over within a test.
            ("spool.segment_bytes", quoted("4MiB")),
            ("drain.delay", quoted("100ms")),
            ("log.format", quoted("json")),
        ] {
            relay = relay.set(key, &value);
        }
        relay
    }

    /// Another setting: a dotted key, and its value as TOML.
    #[must_use]
    pub fn set(mut self, key: &str, toml: &str) -> Self {
        self.settings.retain(|(known, _)| known != key);
        self.settings.push((key.into(), toml.into()));
        self
    }

    /// A relay with the same settings, on ports of its own, and with a copy of the spool as it lies on disk now, whether
    /// this relay runs or not; not started.
    pub fn twin(&self) -> Self {
        let dir = tempfile::Builder::new()
            .prefix("livebridge-twin-")
            .tempdir()
            .expect("a temporary directory");
        copy(&self.spool_dir(), &dir.path().join("spool"));
        let (http, admin) = (Port::claim(), Port::claim());
        let spool = dir.path().join("spool").display().to_string();
        let mut settings = self.settings.clone();
        for (key, value) in &mut settings {
            match key.as_str() {
                "http.listen" => *value = format!("\"{}\"", http.address()),
                "admin.listen" => *value = format!("\"{}\"", admin.address()),
                "spool.dir" => *value = format!("\"{spool}\""),
                _ => {}
            }
        }
        Self {
            binary: self.binary.clone(),
            settings,
            dir,
            http,
            admin,
            process: None,
        }
    }

    /// Runs another command of the binary with the settings file of this relay; what it printed.
    #[track_caller]
    pub fn command(&self, arguments: &[&str]) -> String {
        write_settings(&self.settings, self.dir.path());
        let mut command = Command::new(&self.binary);
        command
            .args(arguments)
            .arg("--config")
            .arg(self.dir.path().join("livebridge.toml"));
        let out = crate::process::run(&format!("run livebridge {arguments:?}"), &mut command);
        String::from_utf8_lossy(&out).into_owned()
    }

    /// The same for one that is to fail: its exit code, and all that it said.
    #[track_caller]
    pub fn failing(&self, arguments: &[&str]) -> (Option<i32>, String) {
        write_settings(&self.settings, self.dir.path());
        let output = Command::new(&self.binary)
            .args(arguments)
            .arg("--config")
            .arg(self.dir.path().join("livebridge.toml"))
            .output()
            .expect("the binary runs");
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said).into_owned();
        (output.status.code(), said)
    }

    /// Freezes it.
    #[track_caller]
    pub fn freeze(&self) {
        self.signal(Signal::Stop);
    }

    /// Lets it go on.
    #[track_caller]
    pub fn thaw(&self) {
        self.signal(Signal::Cont);
    }

    #[track_caller]
    fn signal(&self, signal: Signal) {
        let process = self.process.as_ref().expect("the relay was started");
        process.signal(signal);
    }

    /// Starts it and waits until it is ready.
    #[track_caller]
    pub fn start(&mut self) {
        self.launch();
        let ready = wait::within(START, || {
            let process = self.process.as_mut().expect("launched above");
            if let Some(status) = process.ended() {
                panic!("the relay ended: {status}\n{}", process.log_tail());
            }
            (self.readyz() == Some(200)).then_some(())
        });
        assert!(
            ready.is_some(),
            "the relay is not ready after {START:?}\n{}",
            self.log_tail()
        );
    }

    /// Starts it without waiting.
    #[track_caller]
    pub fn launch(&mut self) {
        assert!(self.process.is_none(), "the relay runs already");
        self.process = Some(self.spawn(self.dir.path()));
    }

    /// Starts another process with the same settings, on ports of its own, whose log is kept apart.
    pub fn rival(&self) -> Rival {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let (http, admin) = (Port::claim(), Port::claim());
        let mut settings = self.settings.clone();
        for (key, value) in &mut settings {
            match key.as_str() {
                "http.listen" => *value = format!("\"{}\"", http.address()),
                "admin.listen" => *value = format!("\"{}\"", admin.address()),
                _ => {}
            }
        }
        write_settings(&settings, dir.path());
        Rival {
            process: self.spawn_with(dir.path()),
            _dir: dir,
            _ports: [http, admin],
        }
    }

    fn spawn(&self, dir: &Path) -> Process {
        write_settings(&self.settings, dir);
        self.spawn_with(dir)
    }

    fn spawn_with(&self, dir: &Path) -> Process {
        let mut serve = Command::new(&self.binary);
        serve
            .arg("serve")
            .arg("--config")
            .arg(dir.join("livebridge.toml"));
        // What the machine's user has set must not change what is tested.
        for (name, _) in std::env::vars_os() {
            let known = name.to_string_lossy();
            if known.starts_with("LIVEBRIDGE_") || known == "RUST_LOG" {
                serve.env_remove(&name);
            }
        }
        Process::spawn("the relay", serve, &dir.join("relay.log"), self.dir.path())
    }

    /// Kills it at once.
    #[track_caller]
    pub fn kill(&mut self) {
        self.process.take().expect("the relay was started").kill();
    }

    /// Asks it to end.
    #[track_caller]
    pub fn terminate(&self) {
        self.process
            .as_ref()
            .expect("the relay was started")
            .signal(Signal::Term);
    }

    /// Asks it to read keys and certificates again.
    #[track_caller]
    pub fn hang_up(&self) {
        self.process
            .as_ref()
            .expect("the relay was started")
            .signal(Signal::Hup);
    }

    /// Waits for its end.
    #[track_caller]
    pub fn wait_for_exit(&mut self, deadline: Duration) -> ExitStatus {
        let status = self
            .process
            .as_mut()
            .expect("the relay was started")
            .wait(deadline);
        self.process = None;
        status
    }

    /// Whether it has ended by itself, and how.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.process.as_mut().and_then(Process::ended)
    }

    /// The processor time that it has used.
    #[track_caller]
    pub fn cpu(&self) -> Duration {
        self.process.as_ref().expect("the relay was started").cpu()
    }

    /// The memory that it holds, in bytes.
    #[track_caller]
    pub fn memory(&self) -> u64 {
        let process = self.process.as_ref().expect("the relay was started");
        process.memory()
    }

    /// The most that it has held, in bytes.
    #[track_caller]
    pub fn memory_peak(&self) -> u64 {
        let process = self.process.as_ref().expect("the relay was started");
        process.memory_peak()
    }

    /// A client of its front door.
    pub fn client(&self) -> Client {
        Client::new(self.http.address())
    }

    /// `host:port` of its front door.
    pub fn address(&self) -> String {
        self.http.address()
    }

    /// `host:port` of its admin listener.
    pub fn admin_address(&self) -> String {
        self.admin.address()
    }

    /// Posts a callback over a connection of its own.
    #[track_caller]
    pub fn post(&self, body: &str) -> Response {
        let answer = self.client().post("/callbacks/tencent", body);
        answer.unwrap_or_else(|e| panic!("no answer from the relay: {e}\n{}", self.log_tail()))
    }

    /// Gets a page of the admin listener; none if nothing answers.
    pub fn admin(&self, path: &str) -> Option<Response> {
        Client::new(self.admin.address()).get(path).ok()
    }

    /// The status of `/readyz`; none if nothing answers.
    pub fn readyz(&self) -> Option<u16> {
        self.admin("/readyz").map(|response| response.status)
    }

    /// `/status`.
    #[track_caller]
    pub fn status(&self) -> serde_json::Value {
        let page = self.admin("/status").expect("the admin listener answers");
        serde_json::from_slice(&page.body).expect("/status is JSON")
    }

    /// What `/status` says of the lane of this topic: its state, and its last error.
    #[track_caller]
    pub fn lane(&self, topic: &str) -> (String, String) {
        let status = self.status();
        let lanes = status["publisher"]["lanes"].as_array().expect("lanes");
        let lane = lanes.iter().find(|lane| lane["topic"] == topic);
        let lane = lane.unwrap_or_else(|| panic!("no lane of {topic}: {status}"));
        let text = |name: &str| lane[name].as_str().unwrap_or_default().to_owned();
        (text("state"), text("last_error"))
    }

    /// `/metrics`.
    #[track_caller]
    pub fn metrics(&self) -> Metrics {
        let page = self.admin("/metrics").expect("the admin listener answers");
        Metrics::parse(&page.text())
    }

    /// Waits until nothing is pending, and checks that everything that came in is accounted for.
    #[track_caller]
    pub fn wait_until_settled(&mut self, deadline: Duration) -> Flow {
        let settled = wait::within(deadline, || {
            if let Some(status) = self.ended() {
                panic!("the relay ended: {status}\n{}", self.log_tail());
            }
            let page = self.admin("/metrics")?;
            let flow = Metrics::parse(&page.text()).flow();
            (flow.pending == 0 && flow.balances()).then_some(flow)
        });
        settled.unwrap_or_else(|| {
            let flow = self.metrics().flow();
            panic!(
                "not settled after {deadline:?}: {flow}\n{}",
                self.log_tail()
            )
        })
    }

    /// The last lines of its log.
    pub fn log_tail(&self) -> String {
        self.process
            .as_ref()
            .map(Process::log_tail)
            .unwrap_or_default()
    }

    /// Its whole log, of all its runs.
    pub fn log(&self) -> String {
        read_log(&self.log_path())
    }

    fn log_path(&self) -> PathBuf {
        self.dir.path().join("relay.log")
    }

    /// From its next start on nothing can be written to its log.
    #[must_use]
    pub fn with_full_log(self) -> Self {
        std::os::unix::fs::symlink("/dev/full", self.log_path()).expect("a link");
        self
    }

    /// Where its spool lies.
    pub fn spool_dir(&self) -> PathBuf {
        self.dir.path().join("spool")
    }
}

/// A second process on the same spool.
#[derive(Debug)]
pub struct Rival {
    process: Process,
    _dir: TempDir,
    _ports: [Port; 2],
}

impl Rival {
    /// Waits for its end: how it ended, and what it printed.
    #[track_caller]
    pub fn wait_for_exit(&mut self, deadline: Duration) -> (ExitStatus, String) {
        let status = self.process.wait(deadline);
        (status, self.process.log_tail())
    }
}

/// The files of a spool and of its directories, but for the lock and the socket, which belong to a process.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a directory");
    for entry in std::fs::read_dir(from).expect("the spool").flatten() {
        let (name, kind) = (entry.file_name(), entry.file_type().expect("its type"));
        if kind.is_dir() {
            copy(&entry.path(), &to.join(name));
        } else if kind.is_file() && name != "lock" {
            // One that is removed just now was settled.
            let _ = std::fs::copy(entry.path(), to.join(name));
        }
    }
}

fn write_settings(settings: &[(String, String)], dir: &Path) {
    let lines: String = settings
        .iter()
        .map(|(key, value)| format!("{key} = {value}\n"))
        .collect();
    std::fs::write(dir.join("livebridge.toml"), lines).expect("the relay's settings");
}

//! A child process that never outlives its test, however the test ends.
//!
//! Dropping kills it. A test that is itself killed, or a static that is never dropped, can't do that: so a guardian
//! shell waits on a pipe from us, and kills the child by its id when the pipe closes without a word.

use crate::wait;
use std::{
    io::Write,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::Duration,
};

/// What can be sent to a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// Ends it at once, as a power cut would end the process.
    Kill,
    /// Asks it to end.
    Term,
    /// Asks it to read its files again.
    Hup,
    /// Freezes it.
    Stop,
    /// Thaws it.
    Cont,
}

/// A running child.
#[derive(Debug)]
pub struct Process {
    child: Child,
    guardian: Child,
    name: String,
    log: PathBuf,
}

/// What is in a log, if it is a file: a device may go on without end.
pub(crate) fn read_log(log: &Path) -> String {
    if !log.is_file() {
        return String::new();
    }
    let text = std::fs::read(log).unwrap_or_default();
    String::from_utf8_lossy(&text).into_owned()
}

const GUARDIAN: &str = r#"trap "" INT TERM HUP
read -r word
[ "$word" = done ] || { kill -9 "$1"; rm -rf "$2"; }"#;

impl Process {
    /// Starts it with its output appended to `log`. `dir` is removed should we be killed.
    pub fn spawn(name: &str, mut command: Command, log: &Path, dir: &Path) -> Self {
        let out = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(log)
            .expect("a log file");
        let child = command
            .stdin(Stdio::null())
            .stdout(out.try_clone().expect("a second handle of the log"))
            .stderr(out)
            .spawn()
            .unwrap_or_else(|e| panic!("can't start {name}: {e}"));
        let guardian = Command::new("sh")
            .args(["-c", GUARDIAN, "guardian", &child.id().to_string()])
            .arg(dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("sh");
        Self {
            child,
            guardian,
            name: name.into(),
            log: log.into(),
        }
    }

    /// Its id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        let name = match signal {
            Signal::Kill => "KILL",
            Signal::Term => "TERM",
            Signal::Hup => "HUP",
            Signal::Stop => "STOP",
            Signal::Cont => "CONT",
        };
        let kill = format!("kill -{name} {}", self.child.id());
        let sent = Command::new("sh")
            .args(["-c", &kill])
            .stderr(Stdio::null())
            .status();
        assert!(
            sent.is_ok_and(|s| s.success()),
            "{} is gone already\n{}",
            self.name,
            self.log_tail()
        );
    }

    /// Whether it has ended, and how.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("a child of ours")
    }

    /// Waits for its end.
    #[track_caller]
    pub fn wait(&mut self, deadline: Duration) -> ExitStatus {
        match wait::within(deadline, || self.ended()) {
            Some(status) => status,
            None => panic!(
                "{} still runs after {deadline:?}\n{}",
                self.name,
                self.log_tail()
            ),
        }
    }

    /// Kills it and waits for its end.
    pub fn kill(mut self) {
        self.end();
    }

    /// The last lines that it printed, for the message of a failed test.
    pub fn log_tail(&self) -> String {
        let text = read_log(&self.log);
        let lines: Vec<_> = text.lines().collect();
        let tail = &lines[lines.len().saturating_sub(40)..];
        format!(
            "--- the last lines of {}:\n{}\n---",
            self.name,
            tail.join("\n")
        )
    }

    /// The processor time that it has used, user and system, in clock ticks of 10 ms.
    pub fn cpu(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.id())).unwrap_or_default();
        // The name in parentheses may hold spaces; utime and stime are the 12th and 13th after it.
        let after = stat.rsplit_once(") ").map_or("", |(_, after)| after);
        let ticks: u64 = after
            .split(' ')
            .skip(11)
            .take(2)
            .filter_map(|field| field.parse::<u64>().ok())
            .sum();
        Duration::from_millis(10 * ticks)
    }

    /// The memory that it holds now, in bytes (resident).
    pub fn memory(&self) -> u64 {
        self.status_bytes("VmRSS:")
    }

    /// The most that it has held so far.
    pub fn memory_peak(&self) -> u64 {
        self.status_bytes("VmHWM:")
    }

    fn status_bytes(&self, name: &str) -> u64 {
        let path = format!("/proc/{}/status", self.id());
        let status = std::fs::read_to_string(path).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let kib = line.and_then(|l| l.split_whitespace().next()?.parse::<u64>().ok());
        kib.unwrap_or(0) * 1024
    }

    fn end(&mut self) {
        // Both fail only if it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some(mut pipe) = self.guardian.stdin.take() {
            let _ = pipe.write_all(b"done\n");
        }
        let _ = self.guardian.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.log_tail());
        }
        self.end();
    }
}

/// Runs a command to its end; panics with its output if it fails.
#[track_caller]
pub fn run(what: &str, command: &mut Command) -> Vec<u8> {
    let output = command.output().unwrap_or_else(|e| {
        panic!("can't run {command:?} to {what}: {e}. `./dev test` installs what the tests need")
    });
    assert!(
        output.status.success(),
        "can't {what}: {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output.stdout
}

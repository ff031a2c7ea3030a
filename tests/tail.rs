//! `livebridge tail` as whoever sets up a sender uses it: the real binary, beside the real relay.

use serde_json::Value;
use std::{
    path::{Path, PathBuf},
    process::{Command, ExitStatus},
    time::Duration,
};
use support::{callback, process::Process, relay::Relay, topics::Topics, wait};

const BINARY: &str = env!("CARGO_BIN_EXE_livebridge");
const SOON: Duration = Duration::from_secs(20);
const TOKEN: &str = "path-token-01";

struct Tail {
    process: Process,
    log: PathBuf,
}

impl Tail {
    /// Begun, and following.
    fn start(dir: &Path, name: &str, spool: &Path, arguments: &[&str]) -> Self {
        let log = dir.join(name);
        let mut tail = Command::new(BINARY);
        tail.arg("tail").args(arguments);
        tail.arg("--spool-dir").arg(spool).env_clear();
        let tail = Self {
            process: Process::spawn("tail", tail, &log, dir),
            log,
        };
        wait::until("it follows", SOON, || {
            tail.text().contains("following serve on").then_some(())
        });
        tail
    }

    fn text(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Its decisions, once there are so many.
    fn decisions(&self, count: usize) -> Vec<Value> {
        wait::until("decisions are told", SOON, || {
            let text = self.text();
            let lines = text.lines().filter(|line| line.starts_with('{'));
            let lines: Vec<_> = lines
                .map(|line| serde_json::from_str(line).expect("JSON"))
                .collect();
            (lines.len() >= count).then_some(lines)
        })
    }

    fn end(mut self) -> (ExitStatus, String) {
        (self.process.wait(SOON), self.text())
    }
}

fn tail_fails(spool: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(BINARY)
        .arg("tail")
        .args(arguments)
        .arg("--spool-dir")
        .arg(spool)
        .env_clear()
        .output()
        .expect("the binary");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code(), text)
}

#[test]
fn decisions_are_followed_live_until_serve_stops_and_nothing_secret_is_told() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut relay = Relay::new(BINARY, "127.0.0.1:1", &Topics::named())
        .set("sources.tencent.path_token", &format!("\"{TOKEN}\""))
        .set("topics.quality", "\"off\"")
        .set("drain.publish", "\"100ms\"");
    let spool = relay.spool_dir();
    let (code, said) = tail_fails(&spool, &[]);
    assert!(
        code == Some(1) && said.contains("no serve runs on") && said.contains("no spool"),
        "{said}"
    );
    relay.start();
    let (code, said) = tail_fails(&spool, &["--source", "nowhere"]);
    assert!(
        code == Some(1) && said.contains("there is tencent"),
        "{said}"
    );
    let (code, said) = tail_fails(&spool, &["--reason", "mismatched"]);
    assert!(code == Some(64) && said.contains("mismatch,"), "{said}");

    let all = Tail::start(dir.path(), "all", &spool, &["--json"]);
    let people = Tail::start(dir.path(), "people", &spool, &[]);
    let some = Tail::start(
        dir.path(),
        "some",
        &spool,
        &[
            "--json",
            "--source",
            "tencent",
            "--event",
            "recording.file",
            "--stream",
            "s1",
            "--outcome",
            "refused",
            "--reason",
            "mismatch",
        ],
    );
    let t = callback::fresh_t();
    let sign = callback::sign(callback::KEY, t);
    let of = |stream: &str| callback::signed_at(&callback::recording(stream, 1), t);
    let forged = |stream: &str| of(stream).replace(&sign, &callback::sign("forger", t));
    let quality = callback::signed_at(r#"{"event_type":343}"#, t);
    let right = format!("/callbacks/tencent/{TOKEN}");
    for (path, body, status, outcome, reason) in [
        (right.as_str(), of("s1"), 200, "accepted", None),
        (&right, of("s1"), 200, "duplicate", None),
        (&right, quality, 200, "ignored", None),
        (&right, forged("s2"), 401, "refused", Some("mismatch")),
        (&right, "{".into(), 400, "refused", Some("malformed-json")),
        (
            "/callbacks/tencent",
            of("s1"),
            404,
            "refused",
            Some("wrong-token"),
        ),
        ("/", of("s1"), 404, "refused", Some("no-such-path")),
        (&right, forged("s1"), 401, "refused", Some("mismatch")),
    ] {
        let before = all.text().lines().filter(|l| l.starts_with('{')).count();
        let answer = relay.client().post(path, &body).expect("an answer");
        assert_eq!(answer.status, status, "{path}");
        let told = all.decisions(before + 1);
        let told = told.last().expect("one");
        assert_eq!(told["outcome"], outcome, "{told}");
        assert_eq!(told.get("reason").and_then(Value::as_str), reason, "{told}");
        assert_eq!(told["status"], status, "{told}");
    }
    let filtered = some.decisions(1);
    assert_eq!(filtered.len(), 1, "{filtered:?}");
    assert_eq!(filtered[0]["stream"], "s1");
    wait::until("people are told", SOON, || {
        (people.text().lines().count() == 9).then_some(())
    });
    assert!(
        people.text().contains("  refused     401 mismatch"),
        "{}",
        people.text()
    );

    relay.terminate();
    for tail in [all, people, some] {
        let (status, text) = tail.end();
        assert!(
            status.success() && text.contains("serve has stopped"),
            "{text}"
        );
        let forged = callback::sign("forger", t);
        for secret in [
            callback::KEY,
            &sign,
            &forged,
            TOKEN,
            "video_url",
            &t.to_string(),
        ] {
            assert!(!text.contains(secret), "{secret}: {text}");
        }
    }
    assert!(relay.wait_for_exit(SOON).success());
    let (code, said) = tail_fails(&spool, &[]);
    assert!(
        code == Some(1) && said.contains("no serve runs on the spool"),
        "{said}"
    );

    // Killed, it can't say goodbye.
    relay.start();
    let tail = Tail::start(dir.path(), "killed", &spool, &[]);
    relay.kill();
    let (status, text) = tail.end();
    assert!(
        !status.success() && text.contains("gone without a word"),
        "{text}"
    );
}

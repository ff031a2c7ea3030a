//! The commands that look into a spool, by the real binary: on a copy, and beside a relay that writes.

#![expect(
    clippy::unwrap_used,
    reason = "what is missing in a test is a failure of it"
)]

use serde_json::Value;
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::Duration,
};
use support::{
    callback::{recording, signed},
    kafka::Broker,
    reader,
    relay::Relay,
    topics::Topics,
    wait,
};

const BINARY: &str = env!("CARGO_BIN_EXE_livebridge");
/// Nothing listens there.
const NO_BROKER: &str = "127.0.0.1:1";

struct Seen {
    code: i32,
    out: String,
    err: String,
}

impl Seen {
    fn lines(&self) -> Vec<Value> {
        let json = |line| serde_json::from_str(line).unwrap();
        self.out.lines().map(json).collect()
    }
}

fn run(arguments: &[&str], spool: &Path) -> Seen {
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

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/spool-v1")
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(&path, &target).unwrap();
        }
    }
}

fn golden_copy() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    copy(&golden(), dir.path());
    dir
}

#[test]
fn a_copied_spool_is_listed_and_found_sound() {
    let ls = run(&["spool", "ls"], &golden());
    assert_eq!(ls.code, 0, "{}", ls.err);
    for said in [
        "spool 00112233445566778899aabbccddeeff",
        "0000000004-0123456789abcdef.segment  #1..#6  6 records",
        "closed, indexed",
        "no index",
        "recording 6",
        "records 9, pending 2, quarantined 1",
    ] {
        assert!(ls.out.contains(said), "{said}\nnot in\n{}", ls.out);
    }
    let json: Value =
        serde_json::from_str(&run(&["spool", "ls", "--json"], &golden()).out).unwrap();
    assert_eq!(
        (&json["pending"], &json["segments"][1]["first"]),
        (&2.into(), &7.into())
    );
    let verify = run(&["spool", "verify"], &golden());
    assert_eq!(
        (verify.code, verify.out.contains("sound")),
        (0, true),
        "{}",
        verify.out
    );
}

#[test]
fn cat_prints_callbacks_with_their_outcome_and_no_secrets() {
    let cat = |more: &[&str]| run(&[&["spool", "cat"], more].concat(), &golden());
    let all = cat(&[]);
    assert_eq!(all.code, 0, "{}", all.err);
    for said in [
        "#1  published  recording.file  stream s1  source tencent  received 2025-06-15T15:06:40.000Z",
        "#2  quarantined",
        "#7  pending",
        "txSecret=***",
    ] {
        assert!(all.out.contains(said), "{said}\nnot in\n{}", all.out);
    }
    assert!(!all.out.contains("40994cf0") && !all.out.contains("txSecret=abc"));
    let open = cat(&["--show-secrets"]).out;
    assert!(open.contains("40994cf0") && open.contains("txSecret=abc"));
    let seqs = |seen: &Seen| -> Vec<u64> {
        let seq = |line: &Value| line["seq"].as_u64().unwrap();
        seen.lines().iter().map(seq).collect()
    };
    let json = cat(&["--json"]);
    assert_eq!(seqs(&json), [1, 2, 3, 4, 5, 6, 7, 8, 9]);
    assert_eq!(json.lines()[6]["body"]["file_id"], "f7");
    for (filter, expected) in [
        (
            &["--stream", "s1", "--event", "recording.file"][..],
            &[1, 2, 7][..],
        ),
        (
            &[
                "--since",
                "2025-06-15T15:06:40.005Z",
                "--until",
                "2025-06-15T15:06:40.007Z",
            ],
            &[5, 6],
        ),
        (&["--seq", "8.."], &[8, 9]),
        (&["--since", "2h"], &[]),
    ] {
        assert_eq!(
            seqs(&cat(&[filter, &["--json"]].concat())),
            expected,
            "{filter:?}"
        );
    }
    assert_eq!(cat(&["--event", "recording.fil"]).code, 64);
}

#[test]
fn export_gives_bodies_byte_for_byte() {
    let dir = golden_copy();
    let file = dir.path().join("out.jsonl");
    let to = file.to_str().unwrap();
    let seen = run(&["spool", "export", "--output", to], dir.path());
    assert_eq!((seen.code, seen.out.as_str()), (0, ""), "{}", seen.err);
    let text = fs::read_to_string(&file).unwrap();
    let lines: Vec<Value> = text
        .lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect();
    assert_eq!(lines.len(), 9);
    assert_eq!(
        lines[5]["body"],
        "{ \"event_type\" : 100,\r\n \"stream_id\":\"sé\" }"
    );
    assert_eq!(
        lines[2]["traceparent"],
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    );
    assert_eq!(
        run(&["spool", "export", "--output", to], dir.path()).code,
        1,
        "it overwrites"
    );
}

#[test]
fn damage_is_shown_where_it_is_and_is_exit_1() {
    let dir = golden_copy();
    let segment = dir.path().join("0000000004-0123456789abcdef.segment");
    let mut bytes = fs::read(&segment).unwrap();
    bytes[4096 + 100] ^= 1;
    fs::write(&segment, bytes).unwrap();
    let cat = run(&["spool", "cat"], dir.path());
    assert!(
        cat.out.starts_with("#1  corrupt  (family recording)"),
        "{}",
        cat.out
    );
    let verify = run(&["spool", "verify"], dir.path());
    assert_eq!(verify.code, 1);
    assert!(
        verify
            .out
            .contains("record 1 (recording) at 4096 is damaged"),
        "{}",
        verify.out
    );
    let export = run(&["spool", "export"], dir.path());
    assert_eq!((export.code, export.lines().len()), (1, 8));
    let empty = tempfile::tempdir().unwrap();
    let none = run(&["spool", "ls"], empty.path());
    assert_eq!(
        (none.code, none.err.contains("there is no spool in")),
        (1, true),
        "{}",
        none.err
    );
    assert_eq!(fs::read_dir(empty.path()).unwrap().count(), 0);
}

#[test]
fn a_live_spool_is_read_while_it_is_written_and_never_found_damaged() {
    let mut relay = Relay::new(BINARY, NO_BROKER, &Topics::named());
    relay.start();
    let spool = relay.spool_dir();
    let sending = {
        let address = relay.address();
        thread::spawn(move || {
            let mut client = support::http::Client::new(address);
            for n in 0..700 {
                let body = signed(&recording("live", n));
                assert_eq!(
                    client.post("/callbacks/tencent", &body).unwrap().status,
                    200
                );
            }
        })
    };
    let mut looks = 0;
    while !sending.is_finished() || looks == 0 {
        for command in ["verify", "ls"] {
            let seen = run(&["spool", command], &spool);
            assert_eq!(seen.code, 0, "{}{}", seen.out, seen.err);
        }
        let cat = run(&["spool", "cat", "--json"], &spool);
        assert_eq!(cat.code, 0, "{}", cat.err);
        for (line, seq) in cat.lines().iter().zip(1_u64..) {
            assert_eq!(
                (&line["seq"], &line["outcome"]),
                (&seq.into(), &"pending".into())
            );
        }
        looks += 1;
    }
    sending.join().unwrap();
    // Everything that was answered is there.
    let files: BTreeSet<_> = run(&["spool", "export"], &spool)
        .lines()
        .iter()
        .map(|line| {
            let body: Value = serde_json::from_str(line["body"].as_str().unwrap()).unwrap();
            body["media_start_time"].as_u64().unwrap()
        })
        .collect();
    assert_eq!(files, (0..700).collect());
    assert_eq!(relay.readyz(), Some(200));
}

const SETTLE: Duration = Duration::from_secs(60);

/// The relay's own settings file, which names topics and brokers.
fn run_with(arguments: &[&str], relay: &Relay) -> Seen {
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

fn messages(topics: &Topics, family: &str) -> Vec<reader::Message> {
    reader::read(&Broker::shared().bootstrap(), &[topics.of(family)])
}

fn marked(messages: &[reader::Message], mark: &str) -> usize {
    let has = |m: &&reader::Message| m.header(mark).is_some();
    messages.iter().filter(has).count()
}

fn accept(relay: &Relay, body: &str) {
    assert_eq!(relay.post(&signed(body)).status, 200);
}

#[test]
fn drain_publishes_what_a_relay_left_and_refuses_beside_one() {
    let broker = Broker::shared();
    let topics = Topics::create(broker, 2);
    let mut relay = Relay::new(BINARY, NO_BROKER, &topics);
    relay.start();
    for n in 0..20 {
        accept(&relay, &recording("drained", n));
    }
    let beside = run_with(&["drain"], &relay);
    assert_eq!(beside.code, 1);
    assert!(
        beside
            .err
            .contains("publishes it already (20 record(s) pending)"),
        "{}",
        beside.err
    );
    relay.kill();
    let within = run_with(&["drain", "--within", "300ms"], &relay);
    assert_eq!(within.code, 1);
    assert!(
        within.err.contains("20 record(s) are still pending"),
        "{}",
        within.err
    );
    let bootstrap = broker.bootstrap();
    let drained = run_with(&["drain", "--bootstrap-servers", &bootstrap], &relay);
    assert_eq!(
        (drained.code, drained.out.as_str()),
        (0, "nothing is pending\n"),
        "{}",
        drained.err
    );
    assert_eq!(messages(&topics, "recording").len(), 20);
    let ls: Value =
        serde_json::from_str(&run_with(&["spool", "ls", "--json"], &relay).out).unwrap();
    assert_eq!((&ls["pending"], &ls["records"]), (&0.into(), &20.into()));
}

#[test]
fn replay_and_requeue_go_through_a_running_relay_and_are_counted_there() {
    let broker = Broker::shared();
    let topics = Topics::create(broker, 2);
    let mut relay = Relay::new(BINARY, &broker.bootstrap(), &topics);
    relay.start();
    for n in 0..10 {
        accept(&relay, &recording(if n < 4 { "again" } else { "other" }, n));
    }
    // Can't be typed: goes to the quarantine.
    accept(
        &relay,
        r#"{"event_type":100,"stream_id":"again","duration":[]}"#,
    );
    relay.wait_until_settled(SETTLE);
    // What is published stands in the checkpoint a moment after it is counted.
    let dry = wait::until("the checkpoint to pass what was published", SETTLE, || {
        let dry = run_with(
            &["replay", "--since", "1h", "--stream", "again", "--dry-run"],
            &relay,
        );
        dry.out.contains("would replay 4 record(s)").then_some(dry)
    });
    assert!(
        dry.out.contains("left out: 1 in the quarantine"),
        "{}",
        dry.out
    );
    let replayed = run_with(&["replay", "--since", "1h", "--stream", "again"], &relay);
    assert_eq!(replayed.code, 0, "{}", replayed.err);
    assert!(
        replayed.out.contains("replayed 4 record(s)"),
        "{}",
        replayed.out
    );
    let topic = topics.of("recording").to_owned();
    let label = format!("topic=\"{topic}\"");
    assert_eq!(
        relay
            .metrics()
            .count("livebridge_replayed_total", &[&label]),
        4
    );
    let ls = run_with(&["quarantine", "ls"], &relay);
    assert!(ls.out.contains("#11  untypable  for "), "{}", ls.out);
    let cat = run_with(&["quarantine", "cat", "11"], &relay);
    assert!(
        cat.out.contains("\"duration\":[]") && cat.out.contains("\"sign\":\"\""),
        "{}",
        cat.out
    );
    // Still untypable: stays.
    let stays = run_with(&["quarantine", "requeue", "11"], &relay);
    assert_eq!(stays.code, 1);
    assert!(
        stays.out.contains("#11 stays: duration"),
        "{}{}",
        stays.out,
        stays.err
    );
    mend(&relay.spool_dir());
    let requeued = run_with(&["quarantine", "requeue", "--all"], &relay);
    assert_eq!(requeued.code, 0, "{}{}", requeued.out, requeued.err);
    assert_eq!(
        relay
            .metrics()
            .count("livebridge_requeued_total", &[&label]),
        1
    );
    assert_eq!(run_with(&["quarantine", "ls"], &relay).out, "");
    // The same without a relay.
    relay.terminate();
    assert!(relay.wait_for_exit(SETTLE).success());
    assert!(!relay.spool_dir().join("control.sock").exists());
    let alone = run_with(&["replay", "--seq", "1..2"], &relay);
    assert!(
        alone.out.contains("replayed 2 record(s)"),
        "{}{}",
        alone.out,
        alone.err
    );
    let all = messages(&topics, "recording");
    assert_eq!(all.len(), 10 + 4 + 1 + 2);
    assert_eq!(
        (
            marked(&all, "livebridge-replayed"),
            marked(&all, "livebridge-requeued")
        ),
        (6, 1)
    );
    let ids: BTreeSet<_> = all.iter().map(reader::Message::ce_id).collect();
    assert_eq!(ids.len(), 11, "a replay has the ids of what it repeats");
    assert_eq!(run_with(&["replay"], &relay).code, 64);
}

/// What an operator might do to a record that can't be typed.
fn mend(spool: &Path) {
    let file = wait::until("a quarantined record", SETTLE, || {
        let entry = fs::read_dir(spool.join("quarantine")).unwrap().next()?;
        Some(entry.unwrap().path())
    });
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace("\"duration\":[]", "\"duration\":7")).unwrap();
}

#[test]
fn a_rehearsal_passes_on_a_sound_volume_and_leaves_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().to_str().unwrap();
    let output = Command::new(BINARY)
        .args(["prove", "--dir", path, "--seconds", "3"])
        .env_clear()
        .output()
        .unwrap();
    let out = String::from_utf8(output.stdout).unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{out}{err}");
    for said in [
        "write + fdatasync of 1 KiB: p50",
        "spool, 1 waiting:",
        "spool, 128 waiting:",
        "kill -9: ",
        "full spool: said so after",
        "verdict: this volume keeps the promise",
    ] {
        assert!(out.contains(said), "{said}\nnot in\n{out}");
    }
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

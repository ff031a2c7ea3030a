//! Reading only: `ls`, `cat`, `verify`, `export`, on a copy and on a live spool.

use crate::rig::{BINARY, NO_BROKER, Seen, run};
use serde_json::Value;
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    thread,
};
use support::{
    callback::{recording, signed},
    relay::Relay,
    topics::Topics,
};

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

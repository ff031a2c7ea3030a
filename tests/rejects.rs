//! The rehearsal of a mis-rotation: what was refused with the wrong key is put right with the right one.

use std::{fs, process::Command, time::Duration};
use support::{callback, relay::Relay, topics::Topics, wait};

const BINARY: &str = env!("CARGO_BIN_EXE_livebridge");
const SOON: Duration = Duration::from_secs(20);
const COUNT: u64 = 150;

fn rejects(spool: &str, arguments: &[&str]) -> (bool, String) {
    let output = Command::new(BINARY)
        .arg("rejects")
        .args(arguments)
        .args(["--spool-dir", spool])
        .env_clear()
        .output()
        .expect("the binary");
    let text = [output.stdout, output.stderr].concat();
    (
        output.status.success(),
        String::from_utf8_lossy(&text).into_owned(),
    )
}

#[test]
fn what_was_refused_with_the_wrong_key_comes_into_the_spool_with_the_right_one() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("key");
    fs::write(&file, "mistyped\n").expect("a key file");
    let mut relay = Relay::new(BINARY, "127.0.0.1:1", &Topics::named())
        .set("drain.publish", "\"100ms\"")
        .set("sources.tencent.keys", "[]")
        .set(
            "sources.tencent.key_files",
            &format!("[\"{}\"]", file.display()),
        );
    relay.start();
    // Recordings rightly signed, and as many forgeries and things that aren't callbacks.
    let t = callback::fresh_t();
    let mut client = relay.client();
    let written = || {
        relay
            .metrics()
            .count("livebridge_rejects_written_total", &[])
    };
    for number in 0..COUNT {
        let body = callback::signed_at(&callback::recording("s", number), t);
        let forged = body.replace(
            &callback::sign(callback::KEY, t),
            &callback::sign("forger", t),
        );
        for (body, status) in [(body.as_str(), 401), (&forged, 401), ("{", 400)] {
            let answer = client.post("/callbacks/tencent", body).expect("an answer");
            assert_eq!(answer.status, status);
        }
        // The queue is short, and what is beyond it is dropped: the disk of a busy machine has to keep up.
        if number % 50 == 49 {
            let so_far = 3 * (number as i64 + 1);
            wait::until("the ledger is written", SOON, || {
                (written() == so_far).then_some(())
            });
        }
    }
    let spool = relay.spool_dir().display().to_string();

    // Looked at while the relay runs.
    let (_, list) = rejects(&spool, &["ls"]);
    assert_eq!(list.lines().count() as u64, 3 * COUNT);
    let (_, list) = rejects(&spool, &["ls", "--reason", "mismatch", "--since", "10m"]);
    assert_eq!(list.lines().count() as u64, 2 * COUNT);
    let first = list.lines().next().expect("one");
    assert!(
        first.contains("127.0.0.1  tencent  mismatch  recording.file"),
        "{first}"
    );
    let (_, body) = rejects(&spool, &["cat", first.split(' ').next().expect("a name")]);
    assert_eq!(body, callback::signed_at(&callback::recording("s", 0), t));

    // Only told; and a running relay takes nothing with which its own keys don't agree.
    let sum = format!("{COUNT} pass, {} fail", 2 * COUNT);
    let (done, said) = rejects(&spool, &["reverify", "--key", callback::KEY]);
    assert!(done && said.contains(&sum), "{said}");
    let accept = ["reverify", "--accept", "--key", callback::KEY];
    let (done, said) = rejects(&spool, &accept);
    let not = format!("{COUNT} pass with the keys given here, but not with those that serve has");
    assert!(!done && said.contains(&not), "{said}");
    relay.terminate();
    assert!(relay.wait_for_exit(SOON).success());

    // With a key that is as wrong, nothing comes in; with the right one, everything does, once.
    let (_, said) = rejects(&spool, &["reverify", "--accept", "--key", "another"]);
    assert!(said.contains("0 pass"), "{said}");
    let (done, said) = rejects(&spool, &accept);
    let expected = format!("{sum}; {COUNT} are in the spool now, 0 were there already");
    assert!(done && said.contains(&expected), "{said}");
    let (done, said) = rejects(&spool, &accept);
    assert!(done && said.contains("0 pass"), "{said}");

    fs::write(&file, callback::KEY).expect("a key file");
    relay.start();
    let flow = relay.metrics().flow();
    assert_eq!((flow.recovered, flow.pending), (COUNT as i64, COUNT as i64));
    // The sender's own retry finds its place taken.
    relay.post(&callback::signed(&callback::recording("s", 0)));
    let duplicates = relay
        .metrics()
        .count("livebridge_callbacks_total", &[r#"outcome="duplicate""#]);
    assert_eq!(duplicates, 1);

    // And with the relay running: it takes what it refused itself, beside what is sent.
    let spare = callback::signed_at(&callback::recording("live", 1), t);
    let spare = spare.replace(
        &callback::sign(callback::KEY, t),
        &callback::sign("second-key", t),
    );
    assert_eq!(relay.post(&spare).status, 401);
    fs::write(&file, format!("{}\nsecond-key\n", callback::KEY)).expect("a key file");
    relay.hang_up();
    wait::until("both keys are read", SOON, || {
        let keys = relay.status()["keys"]["tencent"].as_array().map(Vec::len);
        (keys == Some(2)).then_some(())
    });
    let files = ["reverify", "--accept", "--key-file"];
    let (done, said) = rejects(
        &spool,
        &[&files[..], &[&file.display().to_string()]].concat(),
    );
    assert!(
        done && said.contains("1 are in the spool now, 0 were there already"),
        "{said}"
    );
    let flow = relay.metrics().flow();
    assert!(
        flow.balances() && (flow.accepted, flow.pending) == (1, COUNT as i64 + 1),
        "{flow}"
    );
}

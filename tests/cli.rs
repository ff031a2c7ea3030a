//! The binary from outside: exit codes, what it prints, and what it leaves alone.

use std::{
    fs,
    io::{self, BufRead, BufReader, Read, Write},
    net::TcpListener,
    path::Path,
    process::{Command, Output},
    thread,
    time::Duration,
};

const SECRET: &str = "hunter2secret";

/// Runs the binary in an empty environment and directory.
fn livebridge(directory: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_livebridge"))
        .args(arguments)
        .env_clear()
        .envs(variables.iter().copied())
        .current_dir(directory)
        .output()
        .expect("the binary starts")
}

struct Seen {
    code: i32,
    out: String,
    err: String,
}

fn run(arguments: &[&str]) -> Seen {
    let directory = tempfile::tempdir().expect("a directory");
    run_in(directory.path(), arguments, &[])
}

fn run_in(directory: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Seen {
    let output = livebridge(directory, arguments, variables);
    let seen = Seen {
        code: output.status.code().expect("it exits by itself"),
        out: String::from_utf8(output.stdout).expect("UTF-8"),
        err: String::from_utf8(output.stderr).expect("UTF-8"),
    };
    assert!(
        !seen.out.contains(SECRET) && !seen.err.contains(SECRET),
        "{arguments:?} shows a secret: {}{}",
        seen.out,
        seen.err
    );
    seen
}

#[test]
fn bad_settings_are_all_reported_and_nothing_is_bound_or_written() {
    let directory = tempfile::tempdir().unwrap();
    // Had it tried to bind this one, it would have failed in another way.
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = taken.local_addr().unwrap().to_string();
    fs::write(
        directory.path().join("settings.toml"),
        format!("[spool]\nmax_byte = 5\n[sources.tencent]\nkeys = [\"{SECRET}\", \"\"]\npath_token = \"/{SECRET}\"\n"),
    )
    .unwrap();
    let seen = run_in(
        directory.path(),
        &[
            "serve",
            "--config",
            "settings.toml",
            "--listen",
            &listen,
            "--ack",
            "disk",
        ],
        &[
            ("LIVEBRIDGE_ADMIN_LISTEN", ""),
            ("LIVEBRIDGE_DELIVERY", "twice"),
            ("LIVEBRIDGE_SERVICE_HOST", "10.0.0.1"),
        ],
    );
    assert_eq!(seen.code, 64, "{}", seen.err);
    for named in [
        "6 faults",
        "--ack: \"disk\"",
        "spool.max_byte in settings.toml: there is no such setting; the nearest is spool.max_bytes",
        "sources.tencent.keys in settings.toml: key 2 is empty",
        "sources.tencent.path_token in settings.toml",
        "LIVEBRIDGE_ADMIN_LISTEN: is empty",
        "LIVEBRIDGE_DELIVERY: \"twice\"",
    ] {
        assert!(seen.err.contains(named), "{named}\nnot in\n{}", seen.err);
    }
    let left: Vec<_> = fs::read_dir(directory.path()).unwrap().collect();
    assert_eq!(left.len(), 1, "{left:?}");
}

#[test]
fn without_a_key_it_refuses_to_start_and_says_how_to_set_one() {
    let directory = tempfile::tempdir().unwrap();
    let seen = run_in(directory.path(), &["serve"], &[]);
    assert_eq!(seen.code, 64);
    for way in ["no key is set", "--key", "LIVEBRIDGE_KEY", "--key-file"] {
        assert!(seen.err.contains(way), "{}", seen.err);
    }
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[test]
fn bad_usage_is_64_names_the_nearest_and_shows_no_secret() {
    let seen = run(&["serve", "--kye", SECRET]);
    assert_eq!(seen.code, 64);
    assert!(seen.err.contains("--key"), "{}", seen.err);
    assert_eq!(run(&["serve", &format!("--kye={SECRET}")]).code, 64);
    let seen = run(&["serve", SECRET]);
    assert_eq!(
        (seen.code, seen.err.contains("serve --help")),
        (64, true),
        "{}",
        seen.err
    );
    assert!(
        run(&["topics", "create", "--partition", "3"])
            .err
            .contains("--partitions")
    );
    assert!(run(&["serv"]).err.contains("serve"));
    for arguments in [
        &[][..],
        &["topics"],
        &["send", "--count", "0"],
        &["sign"],
        &["sign", "k", "soon"],
    ] {
        assert_eq!(run(arguments).code, 64, "{arguments:?}");
    }
}

#[test]
fn help_and_version_are_0_and_every_help_shows_examples() {
    assert_eq!(run(&["--version"]).code, 0);
    for command in [
        &["serve"][..],
        &["demo"],
        &["check"],
        &["topics", "create"],
        &["send"],
        &["sign"],
        &["verify"],
        &["schema"],
        &[],
    ] {
        let seen = run(&[command, &["--help"]].concat());
        assert_eq!(seen.code, 0, "{command:?}");
        assert!(seen.out.contains("Examples:"), "{command:?}: {}", seen.out);
    }
}

#[test]
fn check_without_online_asks_nobody() {
    let seen = run(&[
        "check",
        "--key",
        SECRET,
        "--bootstrap-servers",
        "127.0.0.1:1",
    ]);
    assert_eq!(
        (seen.code, seen.out.contains("settings: right")),
        (0, true),
        "{}",
        seen.err
    );
    let directory = tempfile::tempdir().unwrap();
    let seen = run_in(
        directory.path(),
        &["check"],
        &[
            ("LIVEBRIDGE_KEY", SECRET),
            ("LIVEBRIDGE_SERVICE_PORT", "80"),
        ],
    );
    assert_eq!(seen.code, 0);
    assert!(
        seen.out.contains("warning: LIVEBRIDGE_SERVICE_PORT"),
        "{}",
        seen.out
    );
}

#[test]
fn check_online_without_a_broker_is_1() {
    let seen = run(&[
        "check",
        "--online",
        "--key",
        SECRET,
        "--bootstrap-servers",
        "127.0.0.1:1",
        "--log-level",
        "off",
    ]);
    assert_eq!(seen.code, 1);
    assert!(
        seen.err.contains("no broker answered at 127.0.0.1:1"),
        "{}",
        seen.err
    );
}

#[test]
fn signs_and_verifies_the_published_vectors() {
    let seen = run(&["sign", "test", "1545030873"]);
    assert_eq!(
        (seen.code, seen.out.as_str()),
        (0, "t=1545030873\nsign=ca3e25e5dc17a6f9909a9ae7281e300d\n")
    );
    assert!(run(&["sign", "test"]).out.starts_with("t="));
    let zeros = run(&["sign", "test", "01545030873"]).out;
    assert!(
        zeros.starts_with("t=01545030873\n") && !zeros.contains("ca3e25e5dc17a6f9909a9ae7281e300d"),
        "{zeros}"
    );

    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("callback.json");
    let callback = r#"{"event_type":100,"t":1545030873,"sign":"ca3e25e5dc17a6f9909a9ae7281e300d"}"#;
    fs::write(&file, callback).unwrap();
    let verify = |key: &str, at: &str| {
        run_in(
            directory.path(),
            &[
                "verify",
                "--key",
                "other",
                "--key",
                key,
                "--at",
                at,
                "callback.json",
            ],
            &[],
        )
    };
    let seen = verify("test", "1545030883");
    assert_eq!(seen.code, 0, "{}{}", seen.out, seen.err);
    for said in [
        "source: tencent",
        "event: recording.file",
        "key: key-2",
        "10 s ago",
        "passes",
    ] {
        assert!(seen.out.contains(said), "{}", seen.out);
    }
    let seen = verify("test", "1545040873");
    assert_eq!(seen.code, 1);
    assert!(
        seen.out.contains("key-2") && seen.out.contains("10000 s ago"),
        "{}",
        seen.out
    );
    let seen = verify(SECRET, "1545030883");
    assert_eq!(seen.code, 1);
    assert!(seen.out.contains("none matches"), "{}", seen.out);
    fs::write(&file, "[1]").unwrap();
    assert_eq!(verify("test", "1").code, 1);
    assert_eq!(
        run_in(
            directory.path(),
            &["verify", "--key", "k", "gone.json"],
            &[]
        )
        .code,
        64
    );
}

#[test]
fn sign_shows_no_key_when_its_arguments_are_swapped() {
    let seen = run(&["sign", "1750000000", SECRET]);
    assert_eq!((seen.code, seen.err.contains("KEY first")), (64, true));
}

#[test]
fn schemas_are_json() {
    for arguments in [
        &["schema", "recording.file"][..],
        &["schema"],
        &["schema", "--asyncapi"],
    ] {
        let seen = run(arguments);
        assert_eq!(seen.code, 0);
        assert!(
            serde_json::from_str::<serde_json::Value>(&seen.out)
                .unwrap()
                .is_object()
        );
    }
    assert_eq!(run(&["schema", "recording.fil"]).code, 64);
}

/// What one `send` with these arguments puts on the wire as its body, answered 200.
fn body_sent(directory: &Path, arguments: &[&str]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound");
    let server = thread::spawn(move || answer_one(&listener));
    let url = format!("http://{address}/");
    let seen = run_in(
        directory,
        &[&["send", "--url", &url], arguments].concat(),
        &[],
    );
    assert_eq!(seen.code, 0, "{}{}", seen.out, seen.err);
    server.join().expect("no panic").expect("a whole request")
}

fn answer_one(listener: &TcpListener) -> io::Result<String> {
    let (stream, _) = listener.accept()?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut request = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        request.read_line(&mut line)?;
        match line.trim_end().split_once(": ") {
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                length = value.parse().map_err(io::Error::other)?;
            }
            _ if line == "\r\n" => break,
            _ => {}
        }
    }
    let mut body = vec![0; length];
    request.read_exact(&mut body)?;
    let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
    request.into_inner().write_all(answer)?;
    String::from_utf8(body).map_err(io::Error::other)
}

#[test]
fn send_leaves_a_given_callback_as_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let text = "{\"z\": 1e2, \"t\":7,\"dup\":1,\"dup\":2,\"sign\":\"x\",\"a\":\"\\u00e9\"}\n";
    fs::write(directory.path().join("captured.json"), text).unwrap();
    let file = ["--event", "captured.json"];
    assert_eq!(body_sent(directory.path(), &file), text);
    let repeated = ["--event", "captured.json", "--same"];
    assert_eq!(body_sent(directory.path(), &repeated), text);
    let signed = body_sent(
        directory.path(),
        &["--event", "captured.json", "--key", "k"],
    );
    assert!(
        signed.starts_with("{\"z\": 1e2, \"t\":") && !signed.contains("livebridge_send"),
        "{signed}"
    );
    assert!(!signed.contains("\"x\""), "{signed}");
    assert!(body_sent(directory.path(), &[]).contains("livebridge_send"));
}

#[test]
fn send_fails_when_nobody_answers_200() {
    let seen = run(&[
        "send",
        "--key",
        SECRET,
        "--url",
        "http://127.0.0.1:1/callbacks/tencent",
    ]);
    assert_eq!(seen.code, 1);
    assert!(seen.out.contains("no answer: 1"), "{}", seen.out);
    assert_eq!(run(&["send", "--url", "ftp://127.0.0.1/"]).code, 64);
    let seen = run(&["send", "--event", "recording.fil"]);
    assert!(
        seen.code == 64 && seen.err.contains("recording.file"),
        "{}",
        seen.err
    );
}

#[test]
fn without_a_disk_the_settings_are_right_and_commands_for_a_spool_say_that_there_is_none() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(
        directory.path().join("settings.toml"),
        format!("ack = \"kafka\"\n[sources.tencent]\nkeys = [\"{SECRET}\"]\n"),
    )
    .unwrap();
    let with = |command: &[&str]| {
        let settings = ["--config", "settings.toml"];
        run_in(directory.path(), &[command, &settings].concat(), &[])
    };
    let seen = with(&["check"]);
    assert_eq!(seen.code, 0, "{}", seen.err);
    for command in [
        &["drain"][..],
        &["replay", "--since", "1h"],
        &["spool", "ls"],
        &["spool", "adopt"],
        &["quarantine", "ls"],
        &["quarantine", "requeue", "--all"],
        &["rejects", "ls"],
        &["rejects", "reverify"],
        &["audit", "--since", "1h"],
        &["tail"],
        &["prove"],
    ] {
        let seen = with(command);
        assert_eq!(seen.code, 64, "{command:?}: {}", seen.err);
        assert!(seen.err.contains("--spool-dir DIR"), "{}", seen.err);
    }
    // One of earlier days can be looked into, and drained: here there is none.
    let seen = with(&["drain", "--spool-dir", "old"]);
    assert_eq!(seen.code, 1, "{}", seen.err);
    assert!(
        seen.err.contains("there is no spool in old"),
        "{}",
        seen.err
    );

    let off = "topics.quarantine = \"off\"\n";
    let settings = fs::read_to_string(directory.path().join("settings.toml")).unwrap();
    fs::write(
        directory.path().join("settings.toml"),
        off.to_owned() + &settings,
    )
    .unwrap();
    let seen = with(&["check"]);
    assert_eq!(seen.code, 64, "{}", seen.err);
    assert!(seen.err.contains("topics.quarantine"), "{}", seen.err);
}

//! Both sides over a real socket.

use super::{Client, Handler, Reply, Request, Socket, place::NAME, serve};
use crate::{
    publish::again::{Replayed, Requeued, Tell},
    spool::Selection,
};
use serde_json::{Value, json};
use std::{
    io::{Read, Write},
    os::unix::{fs::PermissionsExt, net::UnixStream},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
};

/// Replays five records; the first one when the test says so.
struct Fake {
    started: SyncSender<()>,
    go: Mutex<Receiver<()>>,
}

impl Handler for Fake {
    fn status(&self) -> Value {
        json!({"spool": {"pending_records": 3}})
    }

    fn replay(&self, _: &Selection, dry_run: bool, tell: Tell<'_>) -> Result<Replayed, String> {
        self.started.send(()).unwrap();
        self.go.lock().unwrap().recv().unwrap();
        for done in 1..=5 {
            if tell(done, 5).is_break() {
                self.started.send(()).unwrap();
                return Err("broken off".into());
            }
        }
        let pending = u64::from(dry_run);
        Ok(Replayed {
            pending,
            ..Replayed::default()
        })
    }

    fn requeue(&self, records: Option<&[u64]>, _: Tell<'_>) -> Result<Requeued, String> {
        Err(format!("{records:?}"))
    }
}

struct Rig {
    _dir: tempfile::TempDir,
    spool: PathBuf,
    started: Receiver<()>,
    go: SyncSender<()>,
}

/// A relay's socket, in a directory whose path is too long for an address.
fn rig() -> Rig {
    let dir = tempfile::tempdir().unwrap();
    let spool = dir.path().join("x".repeat(120));
    std::fs::create_dir(&spool).unwrap();
    // As a run that was killed leaves it.
    std::fs::write(spool.join(NAME), "").unwrap();
    let (started, starts) = sync_channel(4);
    let (go, goes) = sync_channel(4);
    let fake = Fake {
        started,
        go: Mutex::new(goes),
    };
    tokio::spawn(serve(Socket::bind(&spool).unwrap(), Arc::new(fake)));
    Rig {
        _dir: dir,
        spool,
        started: starts,
        go,
    }
}

fn ask(spool: &Path, request: &Request) -> (Reply, Vec<(u64, u64)>) {
    let client = Client::connect(spool).unwrap().unwrap();
    let mut progress = Vec::new();
    let reply = client.ask(request, &mut |done, all| progress.push((done, all)));
    (reply.unwrap(), progress)
}

fn replay(dry_run: bool) -> Request {
    Request::Replay {
        selection: Selection::default(),
        dry_run,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_asks_hears_how_far_it_is_and_gets_its_answer() {
    let rig = rig();
    let mode = std::fs::metadata(rig.spool.join(NAME))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    let (status, _) = ask(&rig.spool, &Request::Status {});
    assert!(matches!(status, Reply::Status(value) if value["spool"]["pending_records"] == 3));
    rig.go.send(()).unwrap();
    let (replayed, progress) = ask(&rig.spool, &replay(true));
    assert!(matches!(
        replayed,
        Reply::Replayed(Replayed { pending: 1, .. })
    ));
    assert_eq!(progress, [(1, 5), (2, 5), (3, 5), (4, 5), (5, 5)]);
    let records = Some(vec![7]);
    let (failed, _) = ask(&rig.spool, &Request::Requeue { records });
    assert_eq!(failed, Reply::Failed("Some([7])".into()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_task_at_a_time_and_it_ends_when_its_command_does() {
    let rig = rig();
    let mut first = UnixStream::connect(short(&rig.spool)).unwrap();
    writeln!(first, "{}", serde_json::to_string(&replay(false)).unwrap()).unwrap();
    rig.started.recv().unwrap();
    let (second, _) = ask(&rig.spool, &replay(false));
    assert!(matches!(second, Reply::Failed(why) if why.contains("under way")));
    // Still answered meanwhile.
    assert!(matches!(
        ask(&rig.spool, &Request::Status {}).0,
        Reply::Status(_)
    ));
    // Nothing to read on it any more: the first answer that can't be written breaks the task off.
    drop(first);
    rig.go.send(()).unwrap();
    rig.go.send(()).unwrap();
    loop {
        match ask(&rig.spool, &replay(false)).0 {
            Reply::Failed(why) if why.contains("under way") => tokio::task::yield_now().await,
            other => {
                assert!(matches!(other, Reply::Replayed(_)), "{other:?}");
                break;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nonsense_is_answered_and_too_much_of_it_is_cut() {
    let rig = rig();
    for nonsense in [
        "{\"replay\":{}}\n",
        "\n",
        "{\"status\":{\"x\":1}}\n",
        "{\"reboot\":{}}\n",
    ] {
        let mut stream = UnixStream::connect(short(&rig.spool)).unwrap();
        stream.write_all(nonsense.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(
            answer.starts_with("{\"failed\":\"not understood"),
            "{nonsense}: {answer}"
        );
    }
    let mut stream = UnixStream::connect(short(&rig.spool)).unwrap();
    // The other end may have gone already.
    drop(stream.write_all(&vec![b' '; 2 << 20]));
    let mut answer = String::new();
    drop(stream.read_to_string(&mut answer));
    assert!(
        answer.is_empty() || answer.contains("not understood"),
        "{answer}"
    );
    assert!(matches!(
        ask(&rig.spool, &Request::Status {}).0,
        Reply::Status(_)
    ));
}

#[test]
fn without_a_relay_there_is_nobody_to_ask() {
    let dir = tempfile::tempdir().unwrap();
    assert!(Client::connect(dir.path()).unwrap().is_none());
    drop(std::os::unix::net::UnixListener::bind(dir.path().join(NAME)).unwrap());
    assert!(Client::connect(dir.path()).unwrap().is_none());
}

/// By way of a link, for a test that speaks without the client.
fn short(spool: &Path) -> PathBuf {
    let link = spool.parent().unwrap().join("s");
    if !link.exists() {
        std::os::unix::fs::symlink(spool, &link).unwrap();
    }
    link.join(NAME)
}

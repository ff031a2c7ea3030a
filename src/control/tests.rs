//! Both sides over a real socket.

use super::{Client, Handler, Reply, Request, Socket, place::NAME, serve};
use crate::{
    callback::names::SourceName,
    clock::Millis,
    follow::{Decision, Decisions, FOLLOWERS, Filter, Follower, Outcome},
    publish::again::{Replayed, Requeued, Tell},
    rejects::Reverified,
    spool::Selection,
};
use serde_json::{Value, json};
use std::{
    io::{BufRead, BufReader, Read, Write},
    os::unix::{fs::PermissionsExt, net::UnixStream},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, Weak,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    time::{Duration, Instant},
};
use tokio::{sync::watch, task::JoinHandle};

/// Replays five records; the first one when the test says so.
struct Fake {
    started: SyncSender<()>,
    go: Mutex<Receiver<()>>,
    decisions: Weak<Decisions>,
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

    fn reverify(&self, names: &[String], _: Tell<'_>) -> Result<Reverified, String> {
        Err(format!("{names:?}"))
    }

    fn follow(&self, filter: &Filter) -> Result<Follower, String> {
        let decisions = self.decisions.upgrade().ok_or("it stops")?;
        decisions.follow(&filter.sources).map_err(|e| e.to_string())
    }
}

struct Rig {
    _dir: tempfile::TempDir,
    spool: PathBuf,
    started: Receiver<()>,
    go: SyncSender<()>,
    decisions: Option<Arc<Decisions>>,
    stop: watch::Sender<bool>,
    served: JoinHandle<()>,
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
    let decisions = Arc::new(Decisions::new(
        &[SourceName::parse("tencent").unwrap()],
        &[],
    ));
    let fake = Fake {
        started,
        go: Mutex::new(goes),
        decisions: Arc::downgrade(&decisions),
    };
    let (stop, stopped) = watch::channel(false);
    let socket = Socket::bind(&spool).unwrap();
    let served = tokio::spawn(serve(socket, Arc::new(fake), stopped));
    Rig {
        decisions: Some(decisions),
        stop,
        served,
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
    let (replayed, mut progress) = ask(&rig.spool, &replay(true));
    // Signs of life come in between if the machine is slow.
    progress.dedup();
    progress.retain(|&(done, _)| done > 0);
    assert!(matches!(
        replayed,
        Reply::Replayed(Replayed { pending: 1, .. })
    ));
    assert_eq!(progress, [(1, 5), (2, 5), (3, 5), (4, 5), (5, 5)]);
    let records = Some(vec![7]);
    let (failed, _) = ask(&rig.spool, &Request::Requeue { records });
    assert_eq!(failed, Reply::Failed("Some([7])".into()));
    let names = vec!["1.1".into()];
    let (failed, _) = ask(&rig.spool, &Request::Reverify { names });
    assert_eq!(failed, Reply::Failed("[\"1.1\"]".into()));
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
    // No end of the line, and no byte beyond the limit: it is waited for no longer than that.
    let mut stream = UnixStream::connect(short(&rig.spool)).unwrap();
    let much = usize::try_from(super::server::REQUEST_MAX).unwrap();
    stream.write_all(&vec![b' '; much]).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.contains("not understood"), "{answer}");
    assert!(matches!(
        ask(&rig.spool, &Request::Status {}).0,
        Reply::Status(_)
    ));
}

fn follow(filter: Filter) -> String {
    serde_json::to_string(&Request::Follow { filter }).unwrap() + "\n"
}

fn decision(at: u64, outcome: Outcome) -> Decision {
    Decision::new(Millis(at), outcome, [192, 0, 2, 1].into())
}

/// One who has begun to follow, and its lines.
fn follower(spool: &Path, filter: Filter) -> impl Iterator<Item = Reply> {
    let mut stream = UnixStream::connect(short(spool)).unwrap();
    stream.write_all(follow(filter).as_bytes()).unwrap();
    let mut lines = BufReader::new(stream)
        .lines()
        .map(|line| serde_json::from_str(&line.unwrap()).unwrap());
    assert_eq!(lines.next(), Some(Reply::Following {}));
    lines
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_follows_hears_what_the_filter_takes_and_of_the_end() {
    let mut rig = rig();
    let decisions = rig.decisions.take().unwrap();
    let refused = Filter {
        outcomes: vec![Outcome::Refused],
        ..Filter::default()
    };
    let (all, some) = (
        follower(&rig.spool, Filter::default()),
        follower(&rig.spool, refused),
    );
    for at in 0..10 {
        decisions.tell(decision(at, Outcome::Accepted));
    }
    decisions.tell(decision(10, Outcome::Refused));
    // Asked to stop, it still tells what the door decides, until that is no more.
    rig.stop.send_replace(true);
    decisions.tell(decision(11, Outcome::Accepted));
    drop(decisions);
    let all: Vec<_> = all.collect();
    assert_eq!((all.len(), all.last()), (13, Some(&Reply::Ended {})));
    let told = Reply::Decision(Box::new(decision(10, Outcome::Refused)));
    assert_eq!(some.collect::<Vec<_>>(), [told, Reply::Ended {}]);
    rig.served.await.unwrap();
    assert!(Client::connect(&rig.spool).unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_who_reads_nothing_loses_lines_and_learns_how_many_and_nobody_waits_for_it() {
    let rig = rig();
    let decisions = rig.decisions.as_ref().unwrap();
    let slow = follower(&rig.spool, Filter::default());
    // Far more than the ring and the socket's buffers hold.
    const ALL: u64 = 100_000;
    for at in 0..ALL {
        decisions.tell(decision(at, Outcome::Accepted));
    }
    let (mut seen, mut lost, mut next) = (0, 0, 0);
    for reply in slow {
        match reply {
            Reply::Decision(decision) => {
                assert_eq!(decision.at.0, next, "told how many are missing, and where");
                next += 1;
                seen += 1;
            }
            Reply::Lost { decisions } => {
                next += decisions;
                lost += decisions;
            }
            other => panic!("{other:?}"),
        }
        if seen + lost == ALL {
            break;
        }
    }
    assert!(seen > 0 && lost > ALL / 2, "{seen} seen, {lost} lost");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn followers_are_few_and_keep_no_other_command_out() {
    let rig = rig();
    let mut all: Vec<_> = (0..FOLLOWERS)
        .map(|_| follower(&rig.spool, Filter::default()))
        .collect();
    let one_more = Request::Follow {
        filter: Filter::default(),
    };
    let (refused, _) = ask(&rig.spool, &one_more);
    assert!(matches!(refused, Reply::Failed(why) if why.contains("follow already")));
    assert!(matches!(
        ask(&rig.spool, &Request::Status {}).0,
        Reply::Status(_)
    ));
    // One who goes makes room for the next.
    all.pop();
    let until = Instant::now() + Duration::from_secs(30);
    while matches!(ask_first(&rig.spool), Reply::Failed(_)) {
        assert!(Instant::now() < until, "a place is not given back");
        tokio::task::yield_now().await;
    }
    let elsewhere = Filter {
        sources: vec!["nowhere".into()],
        ..Filter::default()
    };
    let (refused, _) = ask(&rig.spool, &Request::Follow { filter: elsewhere });
    assert!(matches!(refused, Reply::Failed(why) if why.contains("there is tencent")));
}

/// The first answer to whoever wants to follow.
fn ask_first(spool: &Path) -> Reply {
    let client = Client::connect(spool).unwrap().unwrap();
    let request = Request::Follow {
        filter: Filter::default(),
    };
    let mut each = |_: &Reply, _: bool| std::ops::ControlFlow::Break(());
    client.follow(&request, &mut each).unwrap().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_the_limit_of_connections_the_next_one_waits_for_a_place() {
    let rig = rig();
    let connect = || UnixStream::connect(short(&rig.spool)).unwrap();
    let mut silent: Vec<_> = (0..super::server::CONNECTIONS).map(|_| connect()).collect();
    let mut next = connect();
    next.write_all(b"{\"status\":{}}\n").unwrap();
    next.set_read_timeout(Some(Duration::from_millis(100)))
        .unwrap();
    let mut byte = [0];
    let early = next.read(&mut byte);
    assert!(early.is_err(), "answered beyond the limit");
    silent.pop();
    next.set_read_timeout(None).unwrap();
    let mut answer = String::new();
    next.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("{\"status\""), "{answer}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_breaks_a_long_task_off_and_says_so() {
    let rig = rig();
    let mut stream = UnixStream::connect(short(&rig.spool)).unwrap();
    writeln!(stream, "{}", serde_json::to_string(&replay(false)).unwrap()).unwrap();
    rig.started.recv().unwrap();
    rig.stop.send_replace(true);
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.contains("broken off"), "{answer}");
    rig.served.await.unwrap();
    rig.go.send(()).unwrap();
    // The task itself is told by the first progress that nobody takes.
    rig.started.recv().unwrap();
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

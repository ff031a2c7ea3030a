//! The relay's side: few connections at once, one request each, one long task at a time.

use super::{
    Reply, Request,
    place::{Address, NAME},
};
use crate::{
    publish::again::{Replayed, Requeued, Tell},
    spool::Selection,
};
use std::{
    fs, io,
    ops::ControlFlow,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{UnixListener, UnixStream},
    sync::{Semaphore, mpsc},
    time::{sleep, timeout},
};

/// Connections at once.
const CONNECTIONS: usize = 4;
/// A request is no longer.
const REQUEST_MAX: u64 = 1 << 20;
/// For a request to come, and for an answer to be taken.
const PATIENCE: Duration = Duration::from_secs(5);
/// Answers that wait to be taken.
const WAITING: usize = 16;

/// Does what is asked. The long tasks block, on a thread of their own.
pub trait Handler: Send + Sync + 'static {
    /// What `/status` shows.
    fn status(&self) -> serde_json::Value;

    /// See [`Request::Replay`].
    ///
    /// # Errors
    /// A text for people.
    fn replay(
        &self,
        selection: &Selection,
        dry_run: bool,
        tell: Tell<'_>,
    ) -> Result<Replayed, String>;

    /// See [`Request::Requeue`].
    ///
    /// # Errors
    /// A text for people.
    fn requeue(&self, records: Option<&[u64]>, tell: Tell<'_>) -> Result<Requeued, String>;
}

/// The socket, for its owner alone. Its file goes when this is dropped.
#[derive(Debug)]
pub struct Socket {
    listener: UnixListener,
    path: PathBuf,
    owner: u32,
}

impl Socket {
    /// Takes the place of what an earlier run left. Only for who holds the spool's lock.
    ///
    /// # Errors
    /// If the directory isn't ours to write.
    pub fn bind(dir: &Path) -> io::Result<Self> {
        let path = dir.join(NAME);
        match fs::remove_file(&path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
            _ => {}
        }
        let address = Address::of(dir, NAME)?;
        let listener = UnixListener::bind(&address.path)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
        Ok(Self {
            listener,
            owner: fs::metadata(&path)?.uid(),
            path,
        })
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        // Left behind, it is refused to whoever connects, and removed by the next run.
        drop(fs::remove_file(&self.path));
    }
}

/// Serves until it is dropped.
pub async fn serve(socket: Socket, handler: Arc<dyn Handler>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let tasks = Arc::new(Semaphore::new(1));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else {
            return;
        };
        let stream = match socket.listener.accept().await {
            Ok((stream, _)) => stream,
            Err(e) => {
                tracing::warn!("control.sock: {e}");
                sleep(PATIENCE).await;
                continue;
            }
        };
        // The directory is ours alone; this also holds for the moment before the mode was set.
        let known = stream
            .peer_cred()
            .is_ok_and(|peer| peer.uid() == socket.owner || peer.uid() == 0);
        if !known {
            continue;
        }
        let (handler, tasks) = (Arc::clone(&handler), Arc::clone(&tasks));
        tokio::spawn(async move {
            answer(stream, handler, tasks).await;
            drop(place);
        });
    }
}

async fn answer(stream: UnixStream, handler: Arc<dyn Handler>, tasks: Arc<Semaphore>) {
    let (read, mut write) = stream.into_split();
    let mut line = Vec::new();
    let mut lines = BufReader::new(read.take(REQUEST_MAX));
    let read = timeout(PATIENCE, lines.read_until(b'\n', &mut line)).await;
    if !matches!(read, Ok(Ok(1..))) {
        return;
    }
    let (replies, mut coming) = mpsc::channel(WAITING);
    start(&line, handler, tasks, replies);
    let mut last = Reply::Progress { done: 0, all: 0 };
    loop {
        // A sign of life: for whoever waits, and whether anybody does.
        let reply = match timeout(PATIENCE, coming.recv()).await {
            Ok(Some(reply)) => reply,
            Ok(None) => return,
            Err(_) => last.clone(),
        };
        let Ok(mut text) = serde_json::to_vec(&reply) else {
            return;
        };
        text.push(b'\n');
        if !matches!(timeout(PATIENCE, write.write_all(&text)).await, Ok(Ok(()))) {
            // Nobody listens: dropping the channel breaks the task off.
            return;
        }
        last = reply;
    }
}

/// Whatever becomes of the request, `replies` is dropped with its last answer.
fn start(
    line: &[u8],
    handler: Arc<dyn Handler>,
    tasks: Arc<Semaphore>,
    replies: mpsc::Sender<Reply>,
) {
    let reply = match serde_json::from_slice(line) {
        Ok(Request::Status {}) => Reply::Status(handler.status()),
        Ok(request) => match tasks.try_acquire_owned() {
            Ok(task) => {
                tokio::task::spawn_blocking(move || {
                    run(&request, &*handler, &replies);
                    drop(task);
                });
                return;
            }
            Err(_) => {
                let text = "another replay or requeue is under way: wait for its end";
                Reply::Failed(text.into())
            }
        },
        Err(e) => Reply::Failed(format!("not understood: {e}")),
    };
    // There is room: it is the first.
    drop(replies.try_send(reply));
}

/// A task ends when nobody waits for it any more.
fn run(request: &Request, handler: &dyn Handler, replies: &mpsc::Sender<Reply>) {
    let mut told = 0;
    let mut tell = |done: u64, all: u64| {
        // A hundred lines are enough, and each is a look whether anybody is still there.
        let step = (all / 100).max(1);
        if done < told + step && done != all {
            return match replies.is_closed() {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            };
        }
        told = done;
        match replies.blocking_send(Reply::Progress { done, all }) {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        }
    };
    let reply = match request {
        Request::Status {} => Ok(Reply::Status(handler.status())),
        Request::Replay { selection, dry_run } => handler
            .replay(selection, *dry_run, &mut tell)
            .map(Reply::Replayed),
        Request::Requeue { records } => handler
            .requeue(records.as_deref(), &mut tell)
            .map(Reply::Requeued),
    };
    // Nobody may be there any more.
    drop(replies.blocking_send(reply.unwrap_or_else(Reply::Failed)));
}

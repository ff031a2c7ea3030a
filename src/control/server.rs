//! The relay's side: few connections at once, one request each, one long task at a time.

use super::{
    Reply, Request, follow,
    place::{Address, NAME},
};
use crate::{
    follow::{Filter, Follower},
    publish::again::{Replayed, Requeued, Tell},
    rejects::Reverified,
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
    net::{
        UnixListener, UnixStream,
        unix::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch},
    task::JoinSet,
    time::{sleep, timeout},
};

/// Connections at once, followers not counted.
pub(super) const CONNECTIONS: usize = 4;
/// A request is no longer.
pub(super) const REQUEST_MAX: u64 = 1 << 20;
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

    /// See [`Request::Reverify`].
    ///
    /// # Errors
    /// A text for people.
    fn reverify(&self, names: &[String], tell: Tell<'_>) -> Result<Reverified, String>;

    /// See [`Request::Follow`]. Doesn't block.
    ///
    /// # Errors
    /// A text for people.
    fn follow(&self, filter: &Filter) -> Result<Follower, String>;
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

/// Serves until told to stop: nobody new comes in then, long tasks are broken off, and followers are told of the end
/// when the door is no more.
pub async fn serve(socket: Socket, handler: Arc<dyn Handler>, stop: watch::Receiver<bool>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let desk = Desk {
        handler,
        tasks: Arc::new(Semaphore::new(1)),
        stop,
    };
    let mut connections = JoinSet::new();
    let mut stop = desk.stop.clone();
    loop {
        tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => break,
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
            Some((place, stream)) = accept(&socket, &places) => {
                connections.spawn(desk.clone().answer(stream, place));
            }
        }
    }
    drop(socket);
    while connections.join_next().await.is_some() {}
}

/// The next one who may ask, once there is a place.
async fn accept(
    socket: &Socket,
    places: &Arc<Semaphore>,
) -> Option<(OwnedSemaphorePermit, UnixStream)> {
    let place = Arc::clone(places).acquire_owned().await.ok()?;
    loop {
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
        if known {
            return Some((place, stream));
        }
    }
}

/// What every connection needs.
#[derive(Clone)]
struct Desk {
    handler: Arc<dyn Handler>,
    tasks: Arc<Semaphore>,
    stop: watch::Receiver<bool>,
}

impl Desk {
    async fn answer(mut self, stream: UnixStream, place: OwnedSemaphorePermit) {
        let (read, write) = stream.into_split();
        let mut line = Vec::new();
        let mut lines = BufReader::new(read.take(REQUEST_MAX));
        let asked = tokio::select! {
            _ = self.stop.wait_for(|stop| *stop) => return,
            asked = timeout(PATIENCE, lines.read_until(b'\n', &mut line)) => asked,
        };
        if !matches!(asked, Ok(Ok(1..))) {
            return;
        }
        if let Ok(Request::Follow { filter }) = serde_json::from_slice(&line) {
            // A place of its own: few are needed by those who come and go.
            drop(place);
            let read = lines.into_inner().into_inner();
            return self.follow(read, write, &filter).await;
        }
        let (replies, coming) = mpsc::channel(WAITING);
        start(&line, self.handler, self.tasks, replies);
        relate(coming, write, self.stop).await;
        drop(place);
    }

    async fn follow(self, read: OwnedReadHalf, mut write: OwnedWriteHalf, filter: &Filter) {
        match self.handler.follow(filter) {
            Ok(follower) => follow::follow(read, write, follower, filter).await,
            Err(why) => drop(say(&mut write, &Reply::Failed(why)).await),
        }
    }
}

/// Passes on what a task says.
async fn relate(
    mut coming: mpsc::Receiver<Reply>,
    mut write: OwnedWriteHalf,
    mut stop: watch::Receiver<bool>,
) {
    let mut last = Reply::Progress { done: 0, all: 0 };
    loop {
        let reply = tokio::select! {
            biased;
            // A sign of life: for whoever waits, and whether anybody does.
            reply = timeout(PATIENCE, coming.recv()) => match reply {
                Ok(Some(reply)) => reply,
                Ok(None) => return,
                Err(_) => last.clone(),
            },
            _ = stop.wait_for(|stop| *stop) => Reply::Failed(
                "the relay stops, so this was broken off: what was done stays done".into(),
            ),
        };
        // If nobody listens any more, dropping the channel breaks the task off.
        if say(&mut write, &reply).await.is_none() || matches!(reply, Reply::Failed(_)) {
            return;
        }
        last = reply;
    }
}

/// None if nobody took it.
async fn say(write: &mut OwnedWriteHalf, reply: &Reply) -> Option<()> {
    let mut text = serde_json::to_vec(reply).ok()?;
    text.push(b'\n');
    timeout(PATIENCE, write.write_all(&text)).await.ok()?.ok()
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
                let text = "another replay, requeue or reverify is under way: wait for its end";
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
        Request::Follow { .. } => Err("who follows is not a task".into()),
        Request::Replay { selection, dry_run } => handler
            .replay(selection, *dry_run, &mut tell)
            .map(Reply::Replayed),
        Request::Requeue { records } => handler
            .requeue(records.as_deref(), &mut tell)
            .map(Reply::Requeued),
        Request::Reverify { names } => handler.reverify(names, &mut tell).map(Reply::Reverified),
    };
    // Nobody may be there any more.
    drop(replies.blocking_send(reply.unwrap_or_else(Reply::Failed)));
}

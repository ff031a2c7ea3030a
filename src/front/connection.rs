//! One connection: hyper on top of a socket that is watched, so that idling and dawdling are told apart.
//!
//! hyper's own `header_read_timeout` runs from the end of the last answer: it can't give an idle connection 75 s and a
//! begun head 5 s. So the socket notes when bytes arrive, the service when a request is being handled, and the deadline
//! follows from that:
//!
//! ```text
//!            bytes               head complete            answer made              answer flushed
//!   Idle ───────────► Head ────────────────► Request ───────────────► Answering ─────────────────► Idle
//!   idle_timeout      header_timeout         (its own limits)         idle_timeout
//! ```
//!
//! Bytes of a pipelined head that hyper read together with a body aren't seen as a begun head: it then has the idle
//! timeout, which is still a limit.

use super::{Phase, closing, door::Door, handle::handle};
use hyper::{Request, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use std::{
    convert::Infallible,
    future::poll_fn,
    io,
    pin::{Pin, pin},
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf},
    net::TcpStream,
    sync::watch,
    time::{self, Instant},
};

/// What a connection is doing, and since when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Idle(Instant),
    Head(Instant),
    Request,
    Answering(Instant),
}

/// What socket, service and deadline know of each other. All of them are polled by one task: the lock is never waited for.
#[derive(Debug, Clone)]
struct Progress(Arc<Mutex<Stage>>);

impl Progress {
    fn new() -> Self {
        Self(Arc::new(Mutex::new(Stage::Idle(Instant::now()))))
    }

    fn get(&self) -> Stage {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, stage: Stage) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = stage;
    }
}

/// The socket, watched.
struct Watched {
    socket: TcpStream,
    progress: Progress,
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.socket).poll_read(cx, buf);
        if buf.filled().len() > before && matches!(self.progress.get(), Stage::Idle(_)) {
            self.progress.set(Stage::Head(Instant::now()));
        }
        polled
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    /// hyper flushes after it has written all of an answer.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.socket).poll_flush(cx);
        if polled.is_ready() && matches!(self.progress.get(), Stage::Answering(_)) {
            self.progress.set(Stage::Idle(Instant::now()));
        }
        polled
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}

/// When a connection has had its time.
#[derive(Debug, Clone, Copy)]
struct Patience {
    header: Duration,
    idle: Duration,
}

impl Patience {
    /// None: whatever the connection does now has limits of its own.
    fn deadline(self, stage: Stage, closing: Option<Instant>) -> Option<Instant> {
        let own = match stage {
            Stage::Idle(since) | Stage::Answering(since) => since + self.idle,
            Stage::Head(since) => since + self.header,
            Stage::Request => return None,
        };
        let Some(last_call) = closing else {
            return Some(own);
        };
        Some(match stage {
            Stage::Idle(since) => since,
            Stage::Head(_) | Stage::Request => own.min(last_call),
            // An answer that is made goes out, if the client reads at all.
            Stage::Answering(since) => own.min(last_call.max(since + LINGER)),
        })
    }
}

/// How long, and for how many bytes, a closed connection is read on: closing a socket with unread bytes resets it, and
/// the client may lose the answer that it is about to read.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: u64 = 2 * 1024 * 1024;

/// Serves a connection to its end.
pub(super) async fn run(socket: TcpStream, door: Arc<Door>, phase: watch::Receiver<Phase>) {
    let progress = Progress::new();
    let patience = Patience {
        header: door.header_timeout,
        idle: door.idle_timeout,
    };
    let mut settings = http1::Builder::new();
    settings
        .header_read_timeout(None)
        .half_close(true)
        .max_header_size(door.header_bytes);
    let io = TokioIo::new(Watched {
        socket,
        progress: progress.clone(),
    });
    let leaving = phase.clone();
    let service = {
        let progress = progress.clone();
        service_fn(move |request: Request<Incoming>| {
            let (door, progress, mut phase) = (Arc::clone(&door), progress.clone(), phase.clone());
            progress.set(Stage::Request);
            async move {
                let answer = handle(&door, request, &mut phase).await;
                progress.set(Stage::Answering(Instant::now()));
                Ok::<_, Infallible>(answer)
            }
        })
    };
    let connection = pin!(settings.serve_connection(io, service).without_shutdown());
    match within(connection, &progress, patience, leaving).await {
        Some(Ok(parts)) => linger(parts.io.into_inner().socket).await,
        Some(Err(why)) => tracing::debug!(%why, "a connection broke"),
        None => {}
    }
}

/// Polls a connection until it ends (its result) or has had its time (none).
async fn within<F: Future>(
    mut connection: Pin<&mut F>,
    progress: &Progress,
    patience: Patience,
    mut phase: watch::Receiver<Phase>,
) -> Option<F::Output> {
    let mut alarm = pin!(time::sleep(patience.idle));
    let mut closing_at = pin!(closing(&mut phase));
    let mut last_call = None;
    poll_fn(|cx| {
        if let Poll::Ready(end) = connection.as_mut().poll(cx) {
            return Poll::Ready(Some(end));
        }
        if last_call.is_none()
            && let Poll::Ready(deadline) = closing_at.as_mut().poll(cx)
        {
            last_call = Some(deadline);
        }
        loop {
            let deadline = patience.deadline(progress.get(), last_call);
            let now = Instant::now();
            if deadline.is_some_and(|deadline| deadline <= now) {
                return Poll::Ready(None);
            }
            // The alarm may ring too early, never too late: it is set anew only when it must.
            if let Some(deadline) = deadline
                && deadline < alarm.deadline()
            {
                alarm.as_mut().reset(deadline);
            }
            if alarm.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            let next = deadline.unwrap_or(now + patience.idle);
            alarm.as_mut().reset(next);
        }
    })
    .await
}

async fn linger(mut socket: TcpStream) {
    if socket.shutdown().await.is_err() {
        return;
    }
    let mut rest = socket.take(LINGER_BYTES);
    let _ = time::timeout(LINGER, tokio::io::copy(&mut rest, &mut tokio::io::sink())).await;
}

//! HTTP/2: by ALPN on TLS, or by prior knowledge in clear text for use behind a proxy.
//!
//! hyper and h2 keep the protocol; the limits are ours, each held by a test. What a stream asks for costs the same as
//! over HTTP/1: requests and bytes in flight are counted by the handler, for all connections together.

use super::{Phase, door::Door, patience::Patience, reply::Reply};
use hyper::{Request, body::Incoming, rt::Executor, server::conn::http2, service::Service};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::{
    convert::Infallible,
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::watch,
    task::JoinSet,
    time,
};

/// Requests at once on one connection; a further one is refused with `REFUSED_STREAM`, which is safe to send again.
pub(super) const STREAMS: u32 = 100;
/// Streams that the client has reset and that still cost us something: with one more the connection ends (rapid reset).
pub(super) const RESETS: usize = 20;
/// Streams that we had to reset because of the client's faults: with one more the connection ends.
pub(super) const FAULTS: usize = 64;
/// What a client may send ahead of our reading, for a stream and for the connection. Less if all bodies together may
/// have less.
const STREAM_WINDOW: u32 = 64 * 1024;
const CONNECTION_WINDOW: u32 = 256 * 1024;
/// Answers are a few hundred bytes.
const SEND_BUFFER: usize = 16 * 1024;
/// A peer that is gone without a word is noticed by a ping.
const PING_EVERY: Duration = Duration::from_secs(20);
const PING_TIMEOUT: Duration = Duration::from_secs(10);

fn settings(door: &Door, streams: Streams) -> http2::Builder<Streams> {
    let most = u32::try_from(door.body.budget).unwrap_or(u32::MAX);
    let mut settings = http2::Builder::new(streams);
    settings
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .max_pending_accept_reset_streams(RESETS)
        .max_local_error_reset_streams(FAULTS)
        // h2 also derives from this how many CONTINUATION frames a head may have.
        .max_header_list_size(u32::try_from(door.header_bytes).unwrap_or(u32::MAX))
        .initial_stream_window_size(STREAM_WINDOW.min(most))
        .initial_connection_window_size(CONNECTION_WINDOW.min(most))
        .max_send_buf_size(SEND_BUFFER)
        .keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PING_TIMEOUT);
    settings
}

/// Serves a connection to its end. When the door is left, or the connection is old enough, the client is told with a
/// GOAWAY, and what it has asked for until then is answered.
pub(super) async fn serve<S, V>(
    io: S,
    service: V,
    door: &Door,
    patience: &Patience,
    mut phase: watch::Receiver<Phase>,
) -> hyper::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
    V: Service<Request<Incoming>, Response = Reply, Error = Infallible>,
    V::Future: Send + 'static,
{
    let connection = settings(door, Streams::default()).serve_connection(TokioIo::new(io), service);
    let mut connection = pin!(connection);
    let mut last_call = pin!(async {
        let left = phase.wait_for(|phase| *phase != Phase::Running);
        tokio::select! {
            // Whoever dropped the sender will never say so.
            Ok(_) = left => {}
            () = time::sleep_until(patience.aged) => {}
        }
    });
    tokio::select! {
        biased;
        ended = connection.as_mut() => return ended,
        () = last_call.as_mut() => {}
    }
    connection.as_mut().graceful_shutdown();
    connection.await
}

/// The tasks of a connection's streams, which end with it at the latest: none outlives the door's shutting down.
#[derive(Debug, Clone, Default)]
struct Streams(Arc<Mutex<JoinSet<()>>>);

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Streams {
    fn execute(&self, stream: F) {
        let mut tasks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while tasks.try_join_next().is_some() {}
        tasks.spawn(stream);
    }
}

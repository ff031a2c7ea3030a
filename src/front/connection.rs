//! One connection, from its first byte to its last: a PROXY header and a TLS handshake if the settings say so, then
//! HTTP/1 or HTTP/2, all within the time that [`super::patience`] gives.

use super::{
    Phase,
    addresses::Place,
    door::Door,
    handle::{Answer, handle},
    http2,
    patience::{LINGER, Patience, Progress, Stage, within},
    proxy_header, reply,
    watched::Watched,
};
use http_body_util::Full;
use hyper::{Method, Request, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use std::{convert::Infallible, io, net::IpAddr, pin::pin, sync::Arc};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    sync::watch,
    time::{self, Instant},
};
use tokio_rustls::TlsAcceptor;

/// How many bytes a closed connection is read on for, at most [`LINGER`]: closing a socket with unread bytes resets it,
/// and the client may lose the answer that it is about to read.
const LINGER_BYTES: u64 = 2 * 1024 * 1024;

/// Serves a connection to its end.
pub(super) async fn run(
    socket: TcpStream,
    peer: IpAddr,
    door: Arc<Door>,
    phase: watch::Receiver<Phase>,
) {
    let progress = Progress::new();
    let connection = Connection {
        peer,
        patience: Patience::new(&door.http),
        progress: progress.clone(),
        phase: phase.clone(),
        door: Arc::clone(&door),
    };
    let patience = connection.patience;
    let left = phase.clone();
    match within(pin!(connection.begin(socket)), &progress, &patience, phase).await {
        // Boxed: what hardly any connection needs must not cost each of them memory.
        Some(Ok(Ended::Plain(socket))) => Box::pin(linger(socket)).await,
        Some(Ok(Ended::Done)) => {}
        None if matches!(*left.borrow(), Phase::Closing { .. }) => {}
        None => match progress.get() {
            Stage::Handshake(_) => door.tell_of_connection("handshake-timeout", peer),
            Stage::Head(_) => door.tell_of_connection("head-timeout", peer),
            _ => {}
        },
        Some(Err(why)) => {
            tracing::debug!(%peer, %why, "a connection broke");
            if matches!(&why, Broken::Http(why) if why.is_parse()) {
                door.tell_of_connection("malformed-http", peer);
            }
        }
    }
}

/// How a connection ended that did so by itself.
enum Ended {
    /// To be closed with care.
    Plain(TcpStream),
    Done,
}

#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error(transparent)]
    Http(#[from] hyper::Error),
    #[error(transparent)]
    Io(#[from] io::Error),
}

struct Connection {
    /// Whoever connected, or whom a trusted proxy named by a PROXY header.
    peer: IpAddr,
    door: Arc<Door>,
    patience: Patience,
    progress: Progress,
    phase: watch::Receiver<Phase>,
}

impl Connection {
    async fn begin(mut self, mut socket: TcpStream) -> Result<Ended, Broken> {
        let _place = if self.door.proxy_protocol && self.door.proxies.trusts(self.peer) {
            match Box::pin(self.take_proxys_word(&mut socket)).await? {
                Some(place) => Some(place),
                None => return Ok(Ended::Done),
            }
        } else {
            None
        };
        if self.door.tls.is_some() {
            Box::pin(self.secure(socket)).await
        } else {
            self.serve_plain(socket).await
        }
    }

    /// None: that client has as many connections as it may have.
    async fn take_proxys_word(&mut self, socket: &mut TcpStream) -> io::Result<Option<Place>> {
        let header = proxy_header::read(socket).await.inspect_err(|_| {
            self.door.tell_of_connection("proxy-header", self.peer);
        });
        if let Some(client) = header? {
            self.peer = client;
        }
        let place = self.door.place(self.peer);
        if place.is_none() {
            self.door.connection_refused(self.peer);
        }
        Ok(place)
    }

    async fn secure(self, socket: TcpStream) -> Result<Ended, Broken> {
        let Some(tls) = &self.door.tls else {
            return Ok(Ended::Done);
        };
        let stream = TlsAcceptor::from(tls.now())
            .accept(socket)
            .await
            .inspect_err(|_| {
                self.door.metrics.handshake_failures.inc();
                self.door.tell_of_connection("tls-handshake", self.peer);
            })?;
        self.progress.set(Stage::Idle(Instant::now()));
        let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
        let watched = Watched::new(stream, self.progress.clone());
        if is_http2 {
            self.serve_http2(watched).await?;
            return Ok(Ended::Done);
        }
        let stream = self.serve_http1(watched).await?;
        linger(stream).await;
        Ok(Ended::Done)
    }

    async fn serve_plain(self, socket: TcpStream) -> Result<Ended, Broken> {
        self.progress.set(Stage::Idle(Instant::now()));
        let mut watched = Watched::new(socket, self.progress.clone());
        if watched.begins_with_preface().await? {
            Box::pin(self.serve_http2(watched)).await?;
            return Ok(Ended::Done);
        }
        Ok(Ended::Plain(self.serve_http1(watched).await?))
    }

    async fn serve_http1<S>(self, io: Watched<S>) -> hyper::Result<S>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let mut settings = http1::Builder::new();
        settings
            .header_read_timeout(None)
            .half_close(true)
            .max_header_size(self.door.header_bytes);
        let (door, peer, patience) = (self.door, self.peer, self.patience);
        let (progress, phase) = (self.progress, self.phase);
        let service = service_fn(move |request: Request<Incoming>| {
            let (door, progress, mut phase) = (Arc::clone(&door), progress.clone(), phase.clone());
            progress.set(Stage::Request);
            async move {
                let Answer { reply, close } = handle(&door, peer, request, &mut phase).await;
                progress.set(Stage::Answering(Instant::now()));
                let last = close || patience.is_over() || *phase.borrow() != Phase::Running;
                Ok::<_, Infallible>(if last {
                    reply::close_after(reply)
                } else {
                    reply
                })
            }
        });
        let connection = settings.serve_connection(TokioIo::new(io), service);
        let parts = connection.without_shutdown().await?;
        Ok(parts.io.into_inner().io)
    }

    async fn serve_http2<S>(self, io: Watched<S>) -> hyper::Result<()>
    where
        S: AsyncRead + AsyncWrite + Unpin + 'static,
    {
        let (peer, patience) = (self.peer, self.patience);
        let since = Instant::now();
        self.progress.set(Stage::Streams { active: 0, since });
        let (door, progress, phase) = (Arc::clone(&self.door), self.progress, self.phase.clone());
        let service = service_fn(move |request: Request<Incoming>| {
            let (door, mut phase, stream) = (Arc::clone(&door), phase.clone(), progress.stream());
            let is_head = request.method() == Method::HEAD;
            async move {
                // What is left unread of a stream is reset, and no other stream is touched by that.
                let answer = handle(&door, peer, request, &mut phase).await;
                drop(stream);
                // For HTTP/1 hyper leaves the body out by itself.
                let reply = answer.reply;
                Ok::<_, Infallible>(if is_head {
                    reply.map(|_| Full::default())
                } else {
                    reply
                })
            }
        });
        http2::serve(io, service, &self.door, &patience, self.phase).await
    }
}

async fn linger(mut stream: impl AsyncRead + AsyncWrite + Unpin) {
    let close = async {
        if stream.shutdown().await.is_ok() {
            let mut rest = stream.take(LINGER_BYTES);
            let _ = tokio::io::copy(&mut rest, &mut tokio::io::sink()).await;
        }
    };
    let _ = time::timeout(LINGER, close).await;
}

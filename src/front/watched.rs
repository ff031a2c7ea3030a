//! A connection's bytes, watched: when they arrive, when the socket takes no more, and which protocol they begin with.

use super::patience::{Progress, Stage};
use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf},
    time::Instant,
};

/// What an HTTP/2 connection begins with; no HTTP/1 request can.
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A socket, or TLS on one.
pub(super) struct Watched<S> {
    pub(super) io: S,
    progress: Progress,
    /// What was read to find out the protocol, to be read again.
    first: [u8; PREFACE.len()],
    len: u8,
    given: u8,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Watched<S> {
    pub(super) const fn new(io: S, progress: Progress) -> Self {
        Self {
            io,
            progress,
            first: [0; PREFACE.len()],
            len: 0,
            given: 0,
        }
    }

    /// Whether the client speaks HTTP/2: decided by the first byte that differs from the preface. Nothing is taken away
    /// from whoever reads next. Takes as long as the client does: idle and head timeouts apply.
    pub(super) async fn begins_with_preface(&mut self) -> io::Result<bool> {
        let mut first = [0; PREFACE.len()];
        let mut len = 0;
        let is_http2 = loop {
            let read = match first.get_mut(len..) {
                Some(rest) if !rest.is_empty() => self.read(rest).await?,
                _ => break true,
            };
            len += read;
            if read == 0 || first.get(..len) != PREFACE.get(..len) {
                break false;
            }
        };
        self.first = first;
        self.len = u8::try_from(len).unwrap_or_default();
        Ok(is_http2)
    }

    fn give_first(&mut self, buf: &mut ReadBuf<'_>) {
        let rest = self.first.get(self.given.into()..self.len.into());
        let rest = rest.unwrap_or_default();
        let given = rest.get(..buf.remaining()).unwrap_or(rest);
        buf.put_slice(given);
        self.given += u8::try_from(given.len()).unwrap_or_default();
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.given < self.len {
            self.give_first(buf);
            return Poll::Ready(Ok(()));
        }
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.io).poll_read(cx, buf);
        if buf.filled().len() > before && matches!(self.progress.get(), Stage::Idle(_)) {
            self.progress.set(Stage::Head(Instant::now()));
        }
        polled
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.io).poll_write(cx, buf);
        self.progress.writes(polled.is_ready());
        polled
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.io).poll_write_vectored(cx, bufs);
        self.progress.writes(polled.is_ready());
        polled
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    /// hyper flushes after it has written all of an answer.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.io).poll_flush(cx);
        if polled.is_pending() {
            self.progress.writes(false);
        } else if matches!(self.progress.get(), Stage::Answering(_)) {
            self.progress.set(Stage::Idle(Instant::now()));
        }
        polled
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncWriteExt;

    /// Sends `pieces` one by one; what was decided, and what is read afterwards.
    async fn sniff(pieces: &[&[u8]]) -> (bool, Vec<u8>) {
        let (mut client, server) = tokio::io::duplex(64);
        let mut watched = Watched::new(server, Progress::new());
        let send = async move {
            for piece in pieces {
                client.write_all(piece).await.unwrap();
                tokio::task::yield_now().await;
            }
            drop(client);
        };
        let read = async {
            let is_http2 = watched.begins_with_preface().await.unwrap();
            let mut all = Vec::new();
            watched.read_to_end(&mut all).await.unwrap();
            (is_http2, all)
        };
        tokio::join!(send, read).1
    }

    #[tokio::test]
    async fn the_preface_is_found_however_it_comes_and_nothing_is_lost() {
        let whole = [PREFACE.as_slice(), b"more"].concat();
        let single: Vec<_> = whole.chunks(1).collect();
        for pieces in [vec![whole.as_slice()], single, whole.chunks(7).collect()] {
            assert_eq!(sniff(&pieces).await, (true, whole.clone()));
        }
        for other in [
            b"POST / HTTP/1.1\r\n\r\n".as_slice(),
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r",
            b"PRI * HTTP/1.1\r\n\r\n and much more than the preface is long",
            b"P",
            b"",
        ] {
            let pieces: Vec<_> = other.chunks(5).collect();
            assert_eq!(sniff(&pieces).await, (false, other.to_vec()));
        }
    }
}

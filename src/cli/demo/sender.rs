//! Plays Tencent's part: one POST after the other over a kept connection.

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Request, StatusCode, client::conn::http1, header};
use hyper_util::rt::TokioIo;
use std::{io, net::SocketAddr, time::Duration};
use tokio::{net::TcpStream, time::Instant};

/// What the relay said.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) body: String,
    pub(super) took: Duration,
}

pub(super) struct Sender {
    door: SocketAddr,
    kept: Option<http1::SendRequest<Full<Bytes>>>,
}

impl Sender {
    pub(super) const fn new(door: SocketAddr) -> Self {
        Self { door, kept: None }
    }

    pub(super) async fn post(&mut self, body: &str) -> io::Result<Answer> {
        let mut connection = match self.kept.take() {
            Some(kept) if kept.is_ready() => kept,
            _ => self.connect().await?,
        };
        let request = Request::post("/callbacks/tencent")
            .header(header::HOST, self.door.to_string())
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::from(body.to_owned()))
            .map_err(io::Error::other)?;
        let begin = Instant::now();
        let answer = connection
            .send_request(request)
            .await
            .map_err(io::Error::other)?;
        let took = begin.elapsed();
        let status = answer.status();
        let body = answer
            .into_body()
            .collect()
            .await
            .map_err(io::Error::other)?
            .to_bytes();
        self.kept = Some(connection);
        Ok(Answer {
            status,
            body: String::from_utf8_lossy(&body).into_owned(),
            took,
        })
    }

    async fn connect(&self) -> io::Result<http1::SendRequest<Full<Bytes>>> {
        let stream = TcpStream::connect(self.door).await?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(io::Error::other)?;
        tokio::spawn(connection);
        Ok(sender)
    }
}

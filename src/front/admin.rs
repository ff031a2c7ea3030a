//! The admin listener: probes, metrics and status, read-only, apart from the callbacks' listener.
//!
//! It must answer while the door is overloaded, so it shares no limit with it, and has small ones of its own.

use crate::{
    health::Health,
    metrics::{CONTENT_TYPE, Register, encode},
};
use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode,
    body::Incoming,
    header::{ALLOW, CONTENT_TYPE as MEDIA_TYPE, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use prometheus::{IntGauge, Registry};
use std::{convert::Infallible, sync::Arc, time::Duration};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
    task::JoinSet,
    time,
};

/// The most connections at once: a few scrapers, probes and people.
const CONNECTIONS: usize = 64;
/// From an answer (or the start) to the end of the next head: idling included.
const NEXT_HEAD: Duration = Duration::from_secs(75);
/// A connection is closed after so long, whatever it does, so that nobody holds one of the few for ever.
const LONGEST: Duration = Duration::from_secs(600);
const HEAD_BYTES: usize = 16 * 1024;
/// When the system has no room for a connection.
const NO_ROOM_PAUSE: Duration = Duration::from_millis(100);

/// What the admin listener shows.
#[derive(Debug)]
pub struct Admin {
    registry: Registry,
    health: Health,
    ready: IntGauge,
}

impl Admin {
    /// Registers `livebridge_ready`.
    ///
    /// # Errors
    /// If the registry has a metric of that name already.
    pub fn new(registry: Registry, health: Health) -> prometheus::Result<Self> {
        let ready = Register(&registry).gauge(
            "livebridge_ready",
            "1 when a callback can be made durable, as /readyz says.",
        )?;
        Ok(Self {
            registry,
            health,
            ready,
        })
    }

    fn answer(&self, method: &Method, path: &str) -> Response<Full<Bytes>> {
        if !["/livez", "/readyz", "/startupz", "/metrics", "/status"].contains(&path) {
            return text(StatusCode::NOT_FOUND, "nothing is here\n".into());
        }
        if !matches!(*method, Method::GET | Method::HEAD) {
            let mut answer = text(StatusCode::METHOD_NOT_ALLOWED, "read only\n".into());
            let get = HeaderValue::from_static("GET, HEAD");
            answer.headers_mut().insert(ALLOW, get);
            return answer;
        }
        match path {
            "/readyz" => self.readyz(),
            "/startupz" if !self.health.started() => {
                text(StatusCode::SERVICE_UNAVAILABLE, "starting\n".into())
            }
            "/metrics" => self.metrics(),
            "/status" => with(
                StatusCode::OK,
                "application/json",
                format!("{:#}\n", self.health.status()).into(),
            ),
            _ => text(StatusCode::OK, "ok\n".into()),
        }
    }

    fn readyz(&self) -> Response<Full<Bytes>> {
        let reasons = self.health.not_ready();
        if reasons.is_empty() {
            text(StatusCode::OK, "ready\n".into())
        } else {
            let why = format!("not ready: {}\n", reasons.join(", "));
            text(StatusCode::SERVICE_UNAVAILABLE, why.into())
        }
    }

    fn metrics(&self) -> Response<Full<Bytes>> {
        self.ready
            .set(i64::from(self.health.not_ready().is_empty()));
        match encode(&self.registry) {
            Ok(metrics) => with(StatusCode::OK, CONTENT_TYPE, metrics.into()),
            Err(why) => {
                tracing::error!(%why, "the metrics can't be shown");
                text(StatusCode::INTERNAL_SERVER_ERROR, "see the log\n".into())
            }
        }
    }
}

fn text(status: StatusCode, words: Bytes) -> Response<Full<Bytes>> {
    with(status, "text/plain; charset=utf-8", words)
}

fn with(status: StatusCode, media_type: &'static str, body: Bytes) -> Response<Full<Bytes>> {
    let mut answer = Response::new(Full::new(body));
    *answer.status_mut() = status;
    let media_type = HeaderValue::from_static(media_type);
    answer.headers_mut().insert(MEDIA_TYPE, media_type);
    answer
}

/// Serves until `stop` is true or gone; connections are then cut.
pub async fn serve(listener: TcpListener, admin: Arc<Admin>, mut stop: watch::Receiver<bool>) {
    let slots = Arc::new(Semaphore::new(CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
            (socket, slot) = accept(&listener, &slots) => {
                let admin = Arc::clone(&admin);
                connections.spawn(async move {
                    let _ = time::timeout(LONGEST, run(socket, admin)).await;
                    drop(slot);
                });
            }
        }
    }
}

async fn accept(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
) -> (TcpStream, Option<tokio::sync::OwnedSemaphorePermit>) {
    let slot = Arc::clone(slots).acquire_owned().await.ok();
    loop {
        match listener.accept().await {
            Ok((socket, _)) => return (socket, slot),
            Err(why) => {
                tracing::warn!(%why, "no admin connection can be taken at the moment");
                time::sleep(NO_ROOM_PAUSE).await;
            }
        }
    }
}

async fn run(socket: TcpStream, admin: Arc<Admin>) {
    let service = service_fn(move |request: Request<Incoming>| {
        let answer = admin.answer(request.method(), request.uri().path());
        async move { Ok::<_, Infallible>(answer) }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(NEXT_HEAD)
        .max_header_size(HEAD_BYTES)
        .serve_connection(TokioIo::new(socket), service)
        .await;
    if let Err(why) = served {
        tracing::debug!(%why, "an admin connection broke");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;
    use std::sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    };
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    fn admin(reasons: &Arc<Mutex<Vec<&'static str>>>, started: &Arc<AtomicBool>) -> Admin {
        let reasons = Arc::clone(reasons);
        let health = Health::new(
            Box::new(move || {
                reasons
                    .lock()
                    .unwrap()
                    .iter()
                    .copied()
                    .map(Into::into)
                    .collect()
            }),
            Arc::clone(started),
            Box::new(|| serde_json::json!({"spool": {"full": false}})),
        );
        Admin::new(crate::metrics::registry().unwrap(), health).unwrap()
    }

    #[tokio::test]
    async fn probes_say_started_and_ready_and_why_not() {
        let reasons = Arc::new(Mutex::new(vec![]));
        let started = Arc::new(AtomicBool::new(false));
        let admin = admin(&reasons, &started);
        let get = async |path| {
            let answer = admin.answer(&Method::GET, path);
            let status = answer.status().as_u16();
            let body = answer.into_body().collect().await.unwrap().to_bytes();
            (status, String::from_utf8(body.to_vec()).unwrap())
        };
        assert_eq!(get("/livez").await.0, 200);
        assert_eq!(get("/startupz").await.0, 503);
        assert_eq!(get("/readyz").await, (503, "not ready: starting\n".into()));
        started.store(true, Ordering::Release);
        assert_eq!(get("/startupz").await.0, 200);
        assert_eq!(get("/readyz").await.0, 200);
        assert!(get("/metrics").await.1.contains("livebridge_ready 1"));
        *reasons.lock().unwrap() = vec!["full", "leaving"];
        assert_eq!(
            get("/readyz").await,
            (503, "not ready: full, leaving\n".into())
        );
        assert!(get("/metrics").await.1.contains("livebridge_ready 0"));
        assert!(get("/status").await.1.contains("\"full\": false"));
        assert_eq!(get("/").await.0, 404);
        assert_eq!(admin.answer(&Method::POST, "/livez").status(), 405);
    }

    #[tokio::test]
    async fn it_listens_until_it_is_stopped() {
        let started = Arc::new(AtomicBool::new(true));
        let admin = Arc::new(admin(&Arc::default(), &started));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = watch::channel(false);
        let served = tokio::spawn(serve(listener, admin, stopped));
        let mut client = TcpStream::connect(address).await.unwrap();
        client
            .write_all(b"GET /livez HTTP/1.0\r\n\r\n")
            .await
            .unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        assert!(
            answer.contains("200 OK") && answer.ends_with("ok\n"),
            "{answer}"
        );
        stop.send_replace(true);
        served.await.unwrap();
    }
}

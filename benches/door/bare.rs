//! What hyper alone can do: read the body, answer.

use http_body_util::{BodyExt, Full};
use hyper::{
    Request, Response, body::Bytes, body::Incoming, server::conn::http1, service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

/// Makes this program the bare server.
pub(crate) const WORD: &str = "serve-bare";

/// Serves until killed.
#[tokio::main]
pub(crate) async fn serve(address: &str) {
    let listener = TcpListener::bind(address).await.expect("a free port");
    loop {
        let (stream, _) = listener.accept().await.expect("a connection");
        let _ = stream.set_nodelay(true);
        tokio::spawn(
            http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(answer)),
        );
    }
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let body = request.into_body().collect().await?.to_bytes();
    std::hint::black_box(&body);
    Ok(Response::new(Full::new(Bytes::from_static(
        br#"{"code":0}"#,
    ))))
}

//! Answers on the callbacks' listener. The only place that makes a 200, and it takes a proof by value.
//!
//! ```compile_fail
//! // No proof, no 200.
//! livebridge::front::reply::accepted();
//! ```
//! ```compile_fail
//! // A proof is used once.
//! fn twice(proof: livebridge::front::reply::Proof) {
//!     let _ = livebridge::front::reply::accepted(proof);
//!     let _ = livebridge::front::reply::accepted(proof);
//! }
//! ```

use super::{off::Ignored, problem::Problem};
use crate::{hold::Acked, spool::Durable};
use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Response, StatusCode,
    header::{ALLOW, CONNECTION, CONTENT_TYPE, HeaderValue, RETRY_AFTER},
};

/// An answer.
pub type Reply = Response<Full<Bytes>>;

/// What entitles to a 200. None can be made up: see [`Durable`], [`Acked`] and [`Ignored`].
#[derive(Debug, PartialEq, Eq)]
pub enum Proof {
    /// The callback is durable.
    Durable(Durable),
    /// All in-sync replicas of Kafka hold the callback.
    Acked(Acked),
    /// Its family is `off`.
    Ignored(Ignored),
}

/// 200 `{"code":0}`: what the sender counts as delivered.
#[must_use]
pub fn accepted(_proof: Proof) -> Reply {
    let body = Bytes::from_static(br#"{"code":0}"#);
    with(StatusCode::OK, "application/json", body)
}

/// Every other answer.
pub(super) fn refused(problem: Problem) -> Reply {
    let body = Bytes::from(problem.json());
    let mut reply = with(problem.status(), "application/problem+json", body);
    if let Some(seconds) = problem.retry_after_seconds() {
        let seconds = HeaderValue::from_static(seconds);
        reply.headers_mut().insert(RETRY_AFTER, seconds);
    }
    if problem == Problem::MethodNotAllowed {
        let post = HeaderValue::from_static("POST");
        reply.headers_mut().insert(ALLOW, post);
    }
    reply
}

/// Makes an answer the last one on its connection.
pub(super) fn close_after(mut reply: Reply) -> Reply {
    let close = HeaderValue::from_static("close");
    reply.headers_mut().insert(CONNECTION, close);
    reply
}

fn with(status: StatusCode, media_type: &'static str, body: Bytes) -> Reply {
    let mut reply = Response::new(Full::new(body));
    *reply.status_mut() = status;
    let media_type = HeaderValue::from_static(media_type);
    reply.headers_mut().insert(CONTENT_TYPE, media_type);
    reply
}

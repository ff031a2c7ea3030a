//! What must never be in a log, however much is logged: keys, signatures, the secret part of a path, bodies.

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Request, client::conn::http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use support::{callback, relay::Relay, topics::Topics};
use tokio::net::TcpStream;

const TOKEN: &str = "path-token-01";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_holds_no_secret_at_any_level() {
    let binary = env!("CARGO_BIN_EXE_livebridge");
    let mut relay = Relay::new(binary, "127.0.0.1:1", &Topics::named())
        .set("sources.tencent.path_token", &format!("\"{TOKEN}\""))
        .set("log.level", "\"trace\"")
        .set("drain.publish", "\"100ms\"");
    relay.start();
    let t = callback::fresh_t();
    let right = callback::signed_at(&callback::recording("s1", 1), t);
    let sign = callback::sign(callback::KEY, t);
    let forged_sign = callback::sign("forger", t);
    let forged = right.replace(&sign, &forged_sign);
    let malformed = format!("{right}{right}");
    let bodies = [(&right, 200), (&forged, 401), (&malformed, 400)];
    let path = format!("/callbacks/tencent/{TOKEN}");

    for (body, status) in bodies {
        let answer = relay.client().post(&path, body).expect("an answer");
        assert_eq!(answer.status, status);
        // A path is as secret where it is nearly right.
        let astray = format!("/callbacks/tencent/{TOKEN}/");
        assert_eq!(relay.client().post(&astray, body).expect("one").status, 404);
    }
    let socket = TcpStream::connect(relay.address()).await.expect("the door");
    let io = TokioIo::new(socket);
    let hello = http2::handshake(TokioExecutor::new(), io).await;
    let (mut sender, connection) = hello.expect("HTTP/2");
    let connection = tokio::spawn(connection);
    for (body, status) in bodies {
        let request = Request::post(format!("http://relay{path}"));
        let body = Full::new(Bytes::from(body.clone()));
        let request = request.body(body).expect("a request");
        let answer = sender.send_request(request).await.expect("an answer");
        assert_eq!(answer.status(), status);
    }
    drop(sender);
    drop(connection.await);
    relay.terminate();
    assert!(
        relay
            .wait_for_exit(std::time::Duration::from_secs(20))
            .success()
    );

    let log = relay.log();
    assert!(
        log.contains("TRACE") && log.contains("no key matches"),
        "not all is logged"
    );
    for secret in [callback::KEY, &sign, &forged_sign, TOKEN, "video_url"] {
        let line = log.lines().find(|line| line.contains(secret));
        assert_eq!(line, None, "{secret}");
    }
}

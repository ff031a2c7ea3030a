//! What attackers send and hear, byte by byte.

use crate::PATH;
use std::{
    io::{ErrorKind, Read, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

pub(crate) fn connect(address: &str) -> TcpStream {
    let stream = TcpStream::connect(address).expect("the door takes connections");
    stream.set_nodelay(true).expect("a socket");
    // An attacker who isn't read doesn't wait for ever either.
    let limit = Some(Duration::from_secs(30));
    stream.set_write_timeout(limit).expect("a socket");
    stream
}

/// Everything that comes until the connection ends, which must be within `limit`.
#[track_caller]
pub(crate) fn rest(mut stream: &TcpStream, limit: Duration) -> Vec<u8> {
    let end = Instant::now() + limit;
    let mut all = Vec::new();
    loop {
        let left = end.saturating_duration_since(Instant::now());
        assert!(!left.is_zero(), "not closed within {limit:?}");
        stream.set_read_timeout(Some(left)).expect("a socket");
        let mut some = [0; 16 * 1024];
        match stream.read(&mut some) {
            Ok(0) => return all,
            Ok(len) => all.extend_from_slice(some.get(..len).unwrap_or_default()),
            Err(why) if why.kind() == ErrorKind::ConnectionReset => return all,
            Err(why) => panic!("not closed within {limit:?}: {why}"),
        }
    }
}

/// The statuses of HTTP/1 answers.
pub(crate) fn statuses(answers: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(answers);
    let lines = text.split("HTTP/1.1 ").skip(1);
    lines.map(|line| line.chars().take(3).collect()).collect()
}

/// Sends what can be sent; what was answered until the end.
#[track_caller]
pub(crate) fn ask(address: &str, bytes: &[u8], limit: Duration) -> Vec<String> {
    let mut stream = connect(address);
    // It may be closed before all is sent.
    let _ = stream.write_all(bytes);
    statuses(&rest(&stream, limit))
}

/// A request that is the last one on its connection.
pub(crate) fn post(headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST {PATH} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}Content-Length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

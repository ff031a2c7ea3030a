//! Those who take their time: connections that do nothing, heads and bodies that dawdle, bodies without an end.

use crate::{
    BODY, HEAD, PATH,
    wire::{connect, rest, statuses},
};
use std::{
    io::Write,
    net::TcpStream,
    time::{Duration, Instant},
};
use support::wait;

/// The relay has the same limit of files, and both need some for other things.
pub(crate) fn as_many_as_files_allow(most: usize) -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").expect("/proc");
    let line = limits
        .lines()
        .find(|line| line.starts_with("Max open files"));
    let soft: usize = line
        .and_then(|line| line.split_whitespace().nth(3)?.parse().ok())
        .unwrap_or(1024);
    soft.saturating_sub(400).min(most)
}

fn crowd(address: &str) -> Vec<TcpStream> {
    (0..200).map(|_| connect(address)).collect()
}

/// A byte now and then, for longer than the limit.
fn drip(crowd: &[TcpStream], bytes: &mut dyn Iterator<Item = &u8>, time: Duration) {
    let end = Instant::now() + time;
    while Instant::now() < end {
        let byte = *bytes.next().expect("no end of bytes");
        for mut stream in crowd {
            // It may be closed already.
            let _ = stream.write_all(&[byte]);
        }
        wait::pass(Duration::from_millis(100));
    }
}

pub(crate) fn heads(address: &str) {
    let crowd = crowd(address);
    let head = b"POST /callbacks/tencent HTTP/1.1\r\nHost: x\r\n";
    drip(&crowd, &mut head.iter().cycle(), Duration::from_secs(2));
    for stream in &crowd {
        let answers = statuses(&rest(stream, HEAD));
        assert!(answers.is_empty(), "half a head was answered {answers:?}");
    }
}

pub(crate) fn bodies(address: &str) {
    let crowd = crowd(address);
    for mut stream in &crowd {
        let head = format!("POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n");
        stream.write_all(head.as_bytes()).expect("a head is taken");
    }
    drip(&crowd, &mut b" ".iter().cycle(), Duration::from_secs(3));
    for stream in &crowd {
        assert_eq!(statuses(&rest(stream, BODY)), ["408"]);
    }
}

pub(crate) fn endless_chunks(address: &str) {
    let chunk = format!("1000\r\n{}\r\n", " ".repeat(4096));
    let mut all: Vec<_> = (0..8).map(|_| connect(address)).collect();
    for stream in &mut all {
        let head = format!("POST {PATH} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
        stream.write_all(head.as_bytes()).expect("a head is taken");
        // Ten times what a body may have, unless it is cut off.
        for _ in 0..2400 {
            if stream.write_all(chunk.as_bytes()).is_err() {
                break;
            }
        }
        let answers = statuses(&rest(stream, BODY));
        // A reset may overtake the answer, since far more is sent than is read on.
        assert!(answers.is_empty() || answers == ["413"], "{answers:?}");
    }
}

//! Floods of HTTP/2 frames. Each connection ends, in time; what is answered before its end doesn't matter.

use crate::{
    HEAD,
    wire::{connect, rest},
};
use std::{
    io::Write,
    time::{Duration, Instant},
};

/// GET / over http, by the static table alone.
const GET: [u8; 3] = [0x82, 0x84, 0x86];
const DATA_FRAME: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const CONTINUATION: u8 = 9;
const END_HEADERS: u8 = 4;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let len = u32::try_from(payload.len()).expect("short").to_be_bytes();
    let [_, len @ ..] = len;
    [
        &len,
        [kind, flags].as_slice(),
        &stream.to_be_bytes(),
        payload,
    ]
    .concat()
}

fn hello() -> Vec<u8> {
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".as_slice();
    [preface, &frame(SETTINGS, 0, 0, &[])].concat()
}

/// From four connections at once, for a second at least.
fn flood(address: &str, bytes: &[u8]) {
    let end = Instant::now() + Duration::from_secs(1);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                loop {
                    let mut stream = connect(address);
                    // It may be closed before all is sent.
                    let _ = stream.write_all(bytes);
                    rest(&stream, HEAD);
                    if Instant::now() > end {
                        return;
                    }
                }
            });
        }
    });
}

pub(crate) fn rapid_resets(address: &str) {
    let cancel = 8_u32.to_be_bytes();
    let mut of_heads = hello();
    let mut of_bodies = hello();
    for stream in (1..20_000).step_by(2) {
        of_heads.extend(frame(HEADERS, END_HEADERS, stream, &GET));
        of_heads.extend(frame(RST_STREAM, 0, stream, &cancel));
        of_bodies.extend(frame(HEADERS, END_HEADERS, stream, &GET));
        of_bodies.extend(frame(DATA_FRAME, 0, stream, b"{"));
        of_bodies.extend(frame(RST_STREAM, 0, stream, &cancel));
    }
    flood(address, &of_heads);
    flood(address, &of_bodies);
}

pub(crate) fn continuations(address: &str) {
    let begun = [hello(), frame(HEADERS, 0, 1, &GET)].concat();
    let empty = frame(CONTINUATION, 0, 1, &[]).repeat(50_000);
    flood(address, &[begun.clone(), empty].concat());
    let large = frame(CONTINUATION, 0, 1, &[0; 16_000]).repeat(100);
    flood(address, &[begun, large].concat());
}

/// Their answers are never read; the connection is left to the relay's limits.
pub(crate) fn pings(address: &str) {
    let mut stream = connect(address);
    let pings = frame(PING, 0, 0, &[0; 8]).repeat(10_000);
    // As much as the sockets hold.
    stream
        .set_write_timeout(Some(Duration::from_millis(200)))
        .expect("a socket");
    let _ = stream.write_all(&[hello(), pings].concat());
}

//! Requests in requests: many at once, and shapes that two readers could take for different ones.

use crate::{
    BODY, HEAD, PATH,
    wire::{ask, post},
};
use support::callback;

pub(crate) fn pipelining(address: &str) {
    let one = format!("POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx");
    let last = String::from_utf8(post("", b"x")).expect("ASCII");
    let answers = ask(address, (one.repeat(999) + &last).as_bytes(), BODY);
    assert_eq!(
        (answers.len(), answers.iter().all(|a| a == "400")),
        (1000, true)
    );
}

/// Behind the request stands another one, rightly signed: were it taken for one, it would be accepted, and published.
pub(crate) fn smuggling(address: &str) {
    let smuggled = callback::signed(&callback::recording("smuggled", 1));
    let behind = String::from_utf8(post("", smuggled.as_bytes())).expect("ASCII");
    let shapes = [
        (
            "both lengths",
            "\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        ),
        (
            "both, the other way round",
            "\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        ),
        (
            "two lengths",
            "\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{} ",
        ),
        (
            "a length that is none",
            "\r\nHost: x\r\nContent-Length: +2\r\n\r\n{}",
        ),
        (
            "a length in hexadecimal",
            "\r\nHost: x\r\nContent-Length: 0x2\r\n\r\n{}",
        ),
        (
            "another coding",
            "\r\nHost: x\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        ),
        (
            "obs-fold",
            "\r\nHost: x\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
        ),
        (
            "a folded length",
            "\r\nHost: x\r\nContent-Length:\r\n 2\r\n\r\n{}",
        ),
        (
            "white space before the colon",
            "\r\nHost: x\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        ),
        (
            "a bare CR",
            "\r\nHost: x\rTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        ),
        (
            "chunked in HTTP/1.0",
            "\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        ),
        (
            "a bare LF in a chunk's size",
            "\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\n\n",
        ),
        (
            "a chunk's size beyond all numbers",
            "\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000000\r\n",
        ),
    ];
    for (name, head) in shapes {
        let version = if name.ends_with("1.0") { "1.0" } else { "1.1" };
        let request = format!("POST {PATH} HTTP/{version}{head}{behind}");
        let answers = ask(address, request.as_bytes(), HEAD);
        // One refusal, and what is behind is not taken for a request.
        assert!(
            answers.is_empty() || answers == ["400"],
            "{name}: {answers:?}"
        );
    }
    // Lines that end in a bare LF are read as lines, by everyone alike: nothing can hide behind them.
    let bare =
        format!("POST {PATH} HTTP/1.1\nHost: x\nConnection: close\nContent-Length: 2\n\n{{}}");
    assert_eq!(ask(address, bare.as_bytes(), HEAD), ["401"]);
}

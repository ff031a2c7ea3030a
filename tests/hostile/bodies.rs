//! Whole requests that are no callbacks, or not authentic ones. Those that are refused for their form carry a right
//! signature, so that nothing else keeps them out.

use crate::{
    BODY, HEAD,
    wire::{ask, post},
};
use support::{callback, dice::Dice};

pub(crate) fn large_heads(address: &str) {
    let (long, body) = ("x".repeat(200 << 10), signed(""));
    let many = "X: y\r\n".repeat((200 << 10) / 6);
    for headers in [format!("X: {long}\r\n"), format!("{long}: y\r\n"), many] {
        let answers = ask(address, &post(&headers, body.as_bytes()), HEAD);
        assert_eq!(answers, ["431"]);
    }
}

fn of(key: &str, rest: &str) -> String {
    let t = callback::fresh_t();
    let sign = callback::sign(key, t);
    format!(r#"{{"event_type":100,"stream_id":"hostile","t":{t},"sign":"{sign}"{rest}}}"#)
}

fn signed(rest: &str) -> String {
    of(callback::KEY, rest)
}

fn forged(rest: &str) -> String {
    of("not the key", rest)
}

pub(crate) fn no_callbacks(address: &str) {
    let deep = |open: &str, close: &str| {
        let (open, close) = (open.repeat(100_000), close.repeat(100_000));
        signed(&format!(",\"a\":{open}{close}")).into_bytes()
    };
    let just_too_deep = format!(",\"a\":{}{}", "[".repeat(128), "]".repeat(128));
    for body in [
        deep("[", "]"),
        deep("{\"a\":", "1}"),
        signed(&just_too_deep).into_bytes(),
        "[".repeat(900_000).into_bytes(),
        signed(r#","a":1,"a":2"#).into_bytes(),
        signed(r#","stream_id":"another""#).into_bytes(),
        signed(r#","\u0074":1"#).into_bytes(),
        signed(r#","a":"\ud800""#).into_bytes(),
        signed(",\"a\":\"\u{1}\"").into_bytes(),
        [signed("").as_bytes(), b"\xff"].concat(),
        b"{\"a\":\"\xef\xbf\"}".to_vec(),
        [b"\xef\xbb\xbf", signed("").as_bytes()].concat(),
        [signed("").as_bytes(), signed("").as_bytes()].concat(),
        signed("").replace('"', "'").into_bytes(),
        b"{\"a\":\"\xc0\xaf\"}".to_vec(),
        vec![0; 500_000],
    ] {
        refused("400", address, &body);
    }
}

#[track_caller]
fn refused(status: &str, address: &str, body: &[u8]) {
    let shown = String::from_utf8_lossy(body.get(..120).unwrap_or(body)).into_owned();
    assert_eq!(ask(address, &post("", body), BODY), [status], "{shown}");
}

pub(crate) fn forgeries(address: &str) {
    let digits = |count: usize| "9".repeat(count);
    let huge_t = format!(
        r#"{{"event_type":{0},"t":{0},"sign":"{1}"}}"#,
        digits(400_000),
        callback::sign(callback::KEY, 1)
    );
    for body in [
        forged(&format!(r#","a":{}"#, digits(500_000))),
        forged(r#","a":1e999999999999"#),
        forged(r#","a":-0.0000000000000000000000000000000000000001E-999"#),
        huge_t,
        forged(""),
        signed("").replace("\"sign\"", "\"Sign\""),
        signed("").replace("\"t\"", "\"T\""),
        "{}".into(),
    ] {
        refused("401", address, body.as_bytes());
    }
    // Any other digit in the signature or its time.
    let mut dice = Dice::new(6);
    for _ in 0..200 {
        let body = signed("");
        let (at, what) = if dice.below(2) == 0 {
            (body.find("\"sign\":\"").expect("a sign") + 8, 32)
        } else {
            (body.find("\"t\":").expect("a time") + 4, 10)
        };
        let place = at + usize::try_from(dice.below(what)).expect("small");
        let mut changed = body.into_bytes();
        let digit = changed.get_mut(place).expect("a digit");
        *digit = if *digit == b'1' { b'2' } else { b'1' };
        refused("401", address, &changed);
    }
}

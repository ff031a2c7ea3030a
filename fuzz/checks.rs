//! What must hold for any bytes at all, told by readers that aren't ours: serde_json for JSON, MD5 itself for signatures,
//! and the PROXY protocol's own words. Used by the fuzz targets and, with mutants of authentic bytes, by the test suite.

use livebridge::{
    callback::{
        event::stream_key,
        id::ce_id,
        json::{Document, Malformed},
        verify::{Keys, Kind, Policy, Request, TencentCss, VolcengineLive, verify},
    },
    clock::Millis,
    config::{NamedKey, Secret},
    front::proxy_header,
};
use md5::{Digest, Md5};
use serde_json::value::RawValue;
use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    pin::pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

/// The keys that sign, and the second in which everything happens.
pub(crate) const KEYS: [&str; 2] = ["relaykey01", "the-next-key"];
/// Seconds since the epoch.
pub(crate) const NOW: u64 = 1_750_000_000;
const LEEWAY: u64 = 1200;
const VALIDITY: u64 = 600;
/// Taken without a signature.
const UNSIGNED: i64 = 314;

/// `sign` of `t`, as the vendor says.
pub(crate) fn sign(key: &str, t: &str) -> String {
    hex::encode(Md5::digest(format!("{key}{t}")))
}

type Members = BTreeMap<String, Box<RawValue>>;

/// The body of a callback is read as serde_json reads it, or refused.
pub(crate) fn body(bytes: &[u8]) {
    let other: Result<Members, _> = serde_json::from_slice(bytes);
    match Document::parse(bytes) {
        Ok(document) => {
            let other = other.expect("what is taken is JSON");
            assert_eq!(document.members().len(), other.len(), "a name twice");
            for member in document.members() {
                let value = other.get(&*member.name).expect("the same names");
                assert_eq!(member.value, value.get().trim(), "the same values");
            }
            let _ = (ce_id(&document), stream_key(&document));
        }
        // What we refuse and others may take.
        Err(
            Malformed::DuplicateName | Malformed::LoneSurrogate { .. } | Malformed::TooDeep { .. },
        ) => {}
        Err(why) => assert!(other.is_err(), "{why}, but it is JSON"),
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Expected {
    Signed(usize),
    Unsigned,
    Refused,
}

/// Exactly what is authentic passes, for the very reason that makes it so.
pub(crate) fn signature(bytes: &[u8]) {
    let Ok(document) = Document::parse(bytes) else {
        return;
    };
    let members: Members = serde_json::from_slice(bytes).expect("what is taken is JSON");
    let named = |(i, key): (usize, &&str)| NamedKey {
        name: format!("key-{i}"),
        key: Secret::new(*key),
    };
    let keys = Keys::new(KEYS.iter().enumerate().map(named).collect());
    let policy = Policy {
        auth_required: true,
        unsigned_events: [UNSIGNED].into(),
        leeway: Duration::from_secs(LEEWAY),
    };
    let kinds: [(&dyn Kind, bool); 2] = [(&TencentCss, true), (&VolcengineLive, false)];
    for (kind, has_unsigned) in kinds {
        let request = Request::of_body(bytes);
        let now = Millis::from_seconds(NOW);
        let found = verify(kind, &request, document.clone(), &keys, &policy, now);
        let found = found.map_or(Expected::Refused, |authentic| {
            authentic.key().map_or(Expected::Unsigned, Expected::Signed)
        });
        assert_eq!(found, expected(&members, has_unsigned));
    }
}

fn expected(members: &Members, has_unsigned: bool) -> Expected {
    let there = |name: &str| {
        let value = members.get(name).map(|value| value.get().trim());
        value.filter(|value| *value != "null")
    };
    let (Some(t), Some(sign_there)) = (there("t"), there("sign")) else {
        let alone = there("t").is_none() && there("sign").is_none();
        let event = there("event_type").and_then(|text| text.parse::<i64>().ok());
        let unsigned = has_unsigned && alone && event == Some(UNSIGNED);
        return if unsigned {
            Expected::Unsigned
        } else {
            Expected::Refused
        };
    };
    let text = |value: &str| serde_json::from_str::<String>(value).ok();
    let t = text(t).unwrap_or_else(|| t.to_owned());
    let digits = (1..=19).contains(&t.len()) && t.bytes().all(|b| b.is_ascii_digit());
    let expires = t.parse::<u64>().ok().filter(|_| digits);
    let lasting = NOW - LEEWAY..=NOW + VALIDITY + LEEWAY;
    let in_time = expires.is_some_and(|expires| lasting.contains(&expires));
    let given = text(sign_there).unwrap_or_default().to_ascii_lowercase();
    let by = KEYS.iter().position(|key| sign(key, &t) == given);
    match by {
        Some(key) if in_time => Expected::Signed(key),
        _ => Expected::Refused,
    }
}

/// A PROXY header names whom its bytes name, and not a byte behind it is taken.
pub(crate) fn proxy_header(bytes: &[u8]) {
    let mut rest = bytes;
    let read = {
        let mut read = pin!(proxy_header::read(&mut rest));
        // Nothing has to be waited for in memory.
        match read.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(read) => read,
            Poll::Pending => panic!("it waits for bytes that are there"),
        }
    };
    let taken = bytes.len() - rest.len();
    assert!(taken <= 16 + 2048, "far more than any header");
    if let Ok(client) = read {
        let header = bytes.get(..taken).expect("taken from there");
        assert_eq!(client, named_by(header), "{}", header.escape_ascii());
    }
}

/// Whom a header names. Panics if it is none.
fn named_by(header: &[u8]) -> Option<IpAddr> {
    if let Some(rest) = header.strip_prefix(b"\r\n\r\n\0\r\nQUIT\n".as_slice()) {
        let (fixed, addresses) = rest.split_at_checked(4).expect("a command and a length");
        let length = usize::from(u16::from_be_bytes([fixed[2], fixed[3]]));
        assert_eq!(addresses.len(), length, "as long as it says");
        return match (fixed[0], fixed[1]) {
            (0x21, 0x11) => {
                assert!(length >= 12);
                addresses
                    .first_chunk::<4>()
                    .map(|a| Ipv4Addr::from(*a).into())
            }
            (0x21, 0x21) => {
                assert!(length >= 36);
                let source = addresses.first_chunk::<16>().map(|a| Ipv6Addr::from(*a));
                source.map(|a| IpAddr::from(a).to_canonical())
            }
            (0x20 | 0x21, _) => None,
            other => panic!("no such command: {other:?}"),
        };
    }
    let line = std::str::from_utf8(header).expect("a line of text");
    let line = line.strip_suffix("\r\n").expect("a whole line");
    assert!(header.len() <= 107 && !line.contains(['\r', '\n']));
    let words: Vec<&str> = line.split(' ').collect();
    match words.as_slice() {
        ["PROXY", "UNKNOWN", ..] => None,
        ["PROXY", family, from, to, ports @ ..] => {
            let (from, to): (IpAddr, IpAddr) = (
                from.parse().expect("an address"),
                to.parse().expect("an address"),
            );
            let v4 = *family == "TCP4";
            assert!(v4 || *family == "TCP6", "no such family");
            assert_eq!((from.is_ipv4(), to.is_ipv4()), (v4, v4));
            assert_eq!(ports.len(), 2);
            for port in ports {
                assert!(port.parse::<u16>().is_ok() && !port.starts_with('+'));
            }
            Some(from.to_canonical())
        }
        _ => panic!("no header: {line:?}"),
    }
}

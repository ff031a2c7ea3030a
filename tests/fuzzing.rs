//! The parsers under mutants of authentic bytes: no panic, and nothing is taken that other readers wouldn't take for
//! authentic. The same checks as those of the fuzz targets (`./dev fuzz`), which go further and take longer.

#![expect(
    clippy::indexing_slicing,
    reason = "a test may: what is missing fails it"
)]

#[path = "../fuzz/checks.rs"]
mod checks;

use checks::{KEYS, NOW, sign};
use proptest::{prelude::*, sample::Index};

/// What makes a difference to a parser.
const TOKENS: [&[u8]; 24] = [
    b"{",
    b"}",
    b"[",
    b"]",
    b"\"",
    b":",
    b",",
    b"\\",
    b"null",
    b"314",
    b"0",
    b"-",
    b"1e400",
    b" ",
    b"\0",
    b"\xff",
    b"\\u0074",
    b"\\ud800",
    b"\"t\":1",
    b"\"sign\":null",
    b"\r\n",
    b"TCP6",
    b"::1",
    b"\x21\x21",
];

#[derive(Debug, Clone)]
enum Change {
    Flip(Index, u8),
    Insert(Index, Index),
    Cut(Index, usize),
    Repeat(Index, usize),
    Swap(Index, Index),
    Case(Index),
    Truncate(Index),
}

fn change() -> impl Strategy<Value = Change> {
    let index = any::<Index>;
    prop_oneof![
        (index(), 0_u8..8).prop_map(|(at, bit)| Change::Flip(at, bit)),
        (index(), index()).prop_map(|(at, token)| Change::Insert(at, token)),
        (index(), 1_usize..9).prop_map(|(at, len)| Change::Cut(at, len)),
        (index(), 1_usize..40).prop_map(|(at, len)| Change::Repeat(at, len)),
        (index(), index()).prop_map(|(one, two)| Change::Swap(one, two)),
        index().prop_map(Change::Case),
        index().prop_map(Change::Truncate),
    ]
}

fn apply(bytes: &mut Vec<u8>, change: &Change) {
    if bytes.is_empty() {
        return;
    }
    let len = bytes.len();
    match change {
        Change::Flip(at, bit) => bytes[at.index(len)] ^= 1 << bit,
        Change::Insert(at, token) => {
            let at = at.index(len);
            bytes.splice(at..at, TOKENS[token.index(TOKENS.len())].iter().copied());
        }
        Change::Cut(at, count) => {
            let at = at.index(len);
            bytes.drain(at..(at + count).min(len));
        }
        Change::Repeat(at, count) => {
            let at = at.index(len);
            let piece = bytes[at..(at + count).min(len)].to_vec();
            bytes.splice(at..at, piece);
        }
        Change::Swap(one, two) => bytes.swap(one.index(len), two.index(len)),
        Change::Case(at) => {
            let byte = &mut bytes[at.index(len)];
            *byte = if byte.is_ascii_lowercase() {
                byte.to_ascii_uppercase()
            } else {
                byte.to_ascii_lowercase()
            };
        }
        Change::Truncate(at) => bytes.truncate(at.index(len)),
    }
}

/// None, one or a few changes of one of these.
fn mutants(authentic: Vec<Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    let changes = prop::collection::vec(change(), 0..4);
    (prop::sample::select(authentic), changes).prop_map(|(mut bytes, changes)| {
        for change in &changes {
            apply(&mut bytes, change);
        }
        bytes
    })
}

fn callbacks() -> Vec<Vec<u8>> {
    let [one, two] = KEYS;
    let mut all = vec![
        r#"{"event_type":314}"#.to_owned(),
        r#"{"event_type":314,"t":null,"sign":null}"#.to_owned(),
    ];
    for (key, t) in [
        (one, NOW),
        (two, NOW + 600),
        // As far as can be, and a second further.
        (one, NOW - 1200),
        (one, NOW - 1201),
        (one, NOW + 1800),
        (one, NOW + 1801),
        ("no key of ours", NOW),
    ] {
        let s = sign(key, &t.to_string());
        let upper = s.to_ascii_uppercase();
        all.push(format!(
            r#"{{"event_type":100,"stream_id":"s1","t":{t},"sign":"{s}"}}"#
        ));
        all.push(format!(
            r#" {{"sign" : "{upper}", "t":"{t}", "n":[1.50,{{"t":1}}], "k\u00e9y":"\ud83d\ude00\/"}} "#
        ));
        // Another text for the same second has another signature.
        let padded = format!("0{t}");
        let s = sign(key, &padded);
        all.push(format!(
            r#"{{"event_type":314,"t":"{padded}","sign":"{s}"}}"#
        ));
    }
    all.into_iter().map(String::into_bytes).collect()
}

fn headers() -> Vec<Vec<u8>> {
    let v2 = |command: u8, family: u8, rest: &[u8]| {
        let len = u16::try_from(rest.len()).expect("short").to_be_bytes();
        let signature = b"\r\n\r\n\0\r\nQUIT\n".as_slice();
        [signature, &[command, family], &len, rest].concat()
    };
    let v4 = [192, 0, 2, 1, 10, 0, 0, 1, 1, 2, 1, 187];
    let headers = [
        b"PROXY TCP4 192.0.2.1 10.0.0.1 4711 443\r\n".to_vec(),
        b"PROXY TCP6 2001:db8::1 ::ffff:192.0.2.1 1 65535\r\n".to_vec(),
        b"PROXY UNKNOWN\r\n".to_vec(),
        b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n".to_vec(),
        v2(0x21, 0x11, &v4),
        v2(0x21, 0x11, &[v4.as_slice(), &[4; 300]].concat()),
        v2(0x21, 0x21, &[7; 36]),
        v2(0x20, 0, &[]),
        v2(0x21, 0x31, &[0; 216]),
    ];
    let followed = headers.map(|header| [&header, b"POST / HTTP/1.1\r\n".as_slice()].concat());
    followed.into()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn no_body_is_taken_that_is_no_json(bytes in mutants(callbacks())) {
        checks::body(&bytes);
    }

    #[test]
    fn nothing_passes_but_what_is_authentic(bytes in mutants(callbacks())) {
        checks::signature(&bytes);
    }

    #[test]
    fn a_proxy_header_names_whom_its_bytes_name(bytes in mutants(headers())) {
        checks::proxy_header(&bytes);
    }
}

proptest! {
    #[test]
    fn any_bytes_at_all_are_borne(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        checks::body(&bytes);
        checks::signature(&bytes);
        checks::proxy_header(&bytes);
    }
}

#[test]
fn what_the_mutants_are_made_from_is_authentic_as_far_as_it_claims() {
    for bytes in callbacks() {
        checks::body(&bytes);
        checks::signature(&bytes);
    }
    headers()
        .iter()
        .for_each(|bytes| checks::proxy_header(bytes));
}

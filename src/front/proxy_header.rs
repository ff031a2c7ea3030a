//! The PROXY protocol, v1 and v2: what a proxy says about the client before it passes its bytes on.
//!
//! ```text
//! v1  "PROXY TCP4 192.0.2.1 198.51.100.1 4711 443\r\n"       at most 107 bytes; "PROXY UNKNOWN…\r\n": the proxy itself
//! v2  signature 12 │ version, command 1 │ family 1 │ length 2 │ addresses and extensions
//!                        0x21: PROXY       0x11 TCP4 │ 0x21 TCP6      source │ destination │ ports │ …
//!                        0x20: LOCAL, the proxy itself
//! ```
//!
//! Only [`read`] does IO, and takes not a byte more than the header. Only a trusted proxy's header is ever read.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
};
use tokio::io::{AsyncRead, AsyncReadExt};

const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
const V1_SHORTEST: usize = b"PROXY UNKNOWN\r\n".len();
const V1_LONGEST: usize = 107;
const V2_FIXED: usize = 16;
/// Addresses and extensions. Real ones have a few dozen bytes; with TLS information a few hundred.
const V2_LONGEST: usize = 2048;

/// Not a PROXY header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no PROXY header, or a broken one")]
pub struct Broken;

impl From<Broken> for io::Error {
    fn from(broken: Broken) -> Self {
        Self::new(io::ErrorKind::InvalidData, broken)
    }
}

/// Reads the header, which must be there: who connected to the proxy; none if the proxy speaks for itself.
///
/// # Errors
/// [`Broken`], as an error of the kind `InvalidData`, if there is no header; or that of `io`.
pub async fn read(io: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<IpAddr>> {
    let mut header = vec![0; V1_SHORTEST];
    io.read_exact(&mut header).await?;
    if header.starts_with(&SIGNATURE) {
        header.push(io.read_u8().await?);
        let rest = rest_of_v2(&header)?;
        header.resize(V2_FIXED + rest, 0);
        let Some(rest) = header.get_mut(V2_FIXED..) else {
            return Err(Broken.into());
        };
        io.read_exact(rest).await?;
        return Ok(v2(&header)?);
    }
    // A byte at a time: what follows the line belongs to TLS or HTTP.
    while header.starts_with(b"PROXY ") && !header.ends_with(b"\r\n") && header.len() < V1_LONGEST {
        header.push(io.read_u8().await?);
    }
    Ok(v1(&header)?)
}

fn v1(line: &[u8]) -> Result<Option<IpAddr>, Broken> {
    let text = std::str::from_utf8(line).map_err(|_| Broken)?;
    let text = text
        .strip_prefix("PROXY ")
        .and_then(|text| text.strip_suffix("\r\n"));
    let text = text.filter(|_| line.len() <= V1_LONGEST).ok_or(Broken)?;
    if text.contains(['\r', '\n']) {
        return Err(Broken);
    }
    let mut words = text.split(' ');
    match words.next() {
        Some("UNKNOWN") => Ok(None),
        Some("TCP4") => v1_source::<Ipv4Addr>(words).map(|source| Some(source.into())),
        Some("TCP6") => {
            v1_source::<Ipv6Addr>(words).map(|source| Some(IpAddr::from(source).to_canonical()))
        }
        _ => Err(Broken),
    }
}

fn v1_source<'a, A: FromStr>(mut words: impl Iterator<Item = &'a str>) -> Result<A, Broken> {
    let mut word = || words.next().ok_or(Broken);
    let source = word()?.parse().map_err(|_| Broken)?;
    let _destination: A = word()?.parse().map_err(|_| Broken)?;
    for port in [word()?, word()?] {
        let digits = !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
        let _port: u16 = port.parse().ok().filter(|_| digits).ok_or(Broken)?;
    }
    match words.next() {
        None => Ok(source),
        Some(_) => Err(Broken),
    }
}

/// How many bytes follow the fixed ones.
fn rest_of_v2(header: &[u8]) -> Result<usize, Broken> {
    match header {
        [.., high, low] if header.len() == V2_FIXED => {
            let len = usize::from(u16::from_be_bytes([*high, *low]));
            if len <= V2_LONGEST {
                Ok(len)
            } else {
                Err(Broken)
            }
        }
        _ => Err(Broken),
    }
}

fn v2(header: &[u8]) -> Result<Option<IpAddr>, Broken> {
    let (fixed, rest) = header.split_at_checked(V2_FIXED).ok_or(Broken)?;
    if rest_of_v2(fixed)? != rest.len() || !fixed.starts_with(&SIGNATURE) {
        return Err(Broken);
    }
    let (command, family) = match fixed {
        [.., command, family, _, _] => (*command, *family),
        _ => return Err(Broken),
    };
    match (command, family) {
        // A health check of the proxy's own.
        (0x20, _) => Ok(None),
        (0x21, 0x11) => {
            let source: [u8; 4] = *rest.get(..12).and_then(<[u8]>::first_chunk).ok_or(Broken)?;
            Ok(Some(Ipv4Addr::from(source).into()))
        }
        (0x21, 0x21) => {
            let source: [u8; 16] = *rest.get(..36).and_then(<[u8]>::first_chunk).ok_or(Broken)?;
            Ok(Some(IpAddr::from(source).to_canonical()))
        }
        // Something that isn't TCP over IP: its address says nothing here.
        (0x21, _) => Ok(None),
        _ => Err(Broken),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn header_v2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let len = u16::try_from(rest.len()).unwrap().to_be_bytes();
        [&SIGNATURE, [command, family].as_slice(), &len, rest].concat()
    }

    /// What is read, and what is left for whoever reads next.
    async fn read_all(bytes: &[u8]) -> (Result<Option<IpAddr>, io::ErrorKind>, Vec<u8>) {
        let mut rest = bytes;
        let read = read(&mut rest).await.map_err(|why| why.kind());
        (read, rest.to_vec())
    }

    #[tokio::test]
    async fn a_header_says_who_connected_and_not_a_byte_more_is_taken() {
        let v4: Option<IpAddr> = Some([192, 0, 2, 1].into());
        let v6: Option<IpAddr> = Some("2001:db8::1".parse().unwrap());
        let addresses_v4 = [192, 0, 2, 1, 10, 0, 0, 1, 1, 2, 1, 187];
        let mut addresses_v6 = [0; 36];
        addresses_v6[..16].copy_from_slice(&"2001:db8::1".parse::<Ipv6Addr>().unwrap().octets());
        let with_extensions = [addresses_v4.as_slice(), &[4; 300]].concat();
        for (header, expected) in [
            (b"PROXY TCP4 192.0.2.1 10.0.0.1 4711 443\r\n".to_vec(), v4),
            (b"PROXY TCP6 2001:db8::1 ::1 4711 443\r\n".to_vec(), v6),
            (b"PROXY UNKNOWN\r\n".to_vec(), None),
            (b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n".to_vec(), None),
            (header_v2(0x21, 0x11, &addresses_v4), v4),
            (header_v2(0x21, 0x11, &with_extensions), v4),
            (header_v2(0x21, 0x21, &addresses_v6), v6),
            (header_v2(0x20, 0x00, &[]), None),
            (header_v2(0x21, 0x31, &[0; 216]), None),
        ] {
            let sent = [header.as_slice(), b"\x16\x03\x01"].concat();
            assert_eq!(
                read_all(&sent).await,
                (Ok(expected), b"\x16\x03\x01".to_vec())
            );
        }
    }

    #[tokio::test]
    async fn what_is_no_header_is_refused() {
        for bad in [
            b"POST / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(),
            b"PROXY TCP4 192.0.2.1 10.0.0.1 4711\r\n".to_vec(),
            b"PROXY TCP4 192.0.2.1 10.0.0.1 4711 443 5\r\n".to_vec(),
            b"PROXY TCP4 192.0.2.1 10.0.0.1 65536 443\r\n".to_vec(),
            b"PROXY TCP4 192.0.2.1 10.0.0.1 +1 443\r\n".to_vec(),
            b"PROXY TCP4 ::1 ::1 1 443 padding padding\r\n".to_vec(),
            b"PROXY TCP5 192.0.2.1 10.0.0.1 1 443\r\n".to_vec(),
            b"PROXY  TCP4 192.0.2.1 10.0.0.1 1 443\r\n".to_vec(),
            [b"PROXY UNKNOWN ".as_slice(), &[b'x'; 200], b"\r\n"].concat(),
            header_v2(0x11, 0x11, &[0; 12]),
            header_v2(0x22, 0x11, &[0; 12]),
            header_v2(0x21, 0x11, &[0; 11]),
            header_v2(0x21, 0x21, &[0; 35]),
            header_v2(0x21, 0x11, &[0; V2_LONGEST + 1]),
        ] {
            let (read, _) = read_all(&bad).await;
            assert_eq!(
                read,
                Err(io::ErrorKind::InvalidData),
                "{}",
                bad.escape_ascii()
            );
        }
        assert_eq!(
            read_all(b"PROXY TCP4 192.0").await.0,
            Err(io::ErrorKind::UnexpectedEof)
        );
    }

    fn now<F: Future>(future: F) -> F::Output {
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        runtime.unwrap().block_on(future)
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic_or_read_on(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let starts = [b"".as_slice(), b"PROXY ", b"PROXY TCP4 ", &SIGNATURE, b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c"];
            for start in starts {
                let sent = [start, &bytes].concat();
                let (read, rest) = now(read_all(&sent));
                let taken = sent.len() - rest.len();
                prop_assert!(taken <= V2_FIXED + V2_LONGEST);
                if read.is_ok() {
                    prop_assert!(sent.starts_with(b"PROXY ") || sent.starts_with(&SIGNATURE));
                }
            }
        }

        #[test]
        fn every_address_comes_through(source: [u8; 4], destination: [u8; 4], ports: [u16; 2]) {
            let [from, to] = [source, destination].map(Ipv4Addr::from);
            let line = format!("PROXY TCP4 {from} {to} {} {}\r\n", ports[0], ports[1]);
            let expected = Some(IpAddr::from(from));
            prop_assert_eq!(now(read_all(line.as_bytes())).0, Ok(expected));
            let rest = [source.as_slice(), &destination, &[0; 4]].concat();
            prop_assert_eq!(now(read_all(&header_v2(0x21, 0x11, &rest))).0, Ok(expected));
        }
    }
}

//! An HTTP/2 client that knows no manners: it sends the frames that a test asks for and reads what comes.

use super::rig::LONG;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    time,
};

pub(super) const DATA: u8 = 0;
pub(super) const HEADERS: u8 = 1;
pub(super) const RST_STREAM: u8 = 3;
pub(super) const SETTINGS: u8 = 4;
pub(super) const PING: u8 = 6;
pub(super) const GOAWAY: u8 = 7;
pub(super) const WINDOW_UPDATE: u8 = 8;
pub(super) const CONTINUATION: u8 = 9;

pub(super) const END_STREAM: u8 = 1;
pub(super) const END_HEADERS: u8 = 4;

pub(super) const REFUSED_STREAM: u32 = 7;
pub(super) const FLOW_CONTROL_ERROR: u32 = 3;
pub(super) const ENHANCE_YOUR_CALM: u32 = 11;

pub(super) struct Frame {
    pub(super) kind: u8,
    pub(super) stream: u32,
    pub(super) payload: Vec<u8>,
}

impl Frame {
    /// The code of a RST_STREAM or GOAWAY.
    pub(super) fn code(&self) -> u32 {
        let at = if self.kind == GOAWAY { 4 } else { 0 };
        u32::from_be_bytes(self.payload[at..at + 4].try_into().unwrap())
    }
}

pub(super) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let len = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&len[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A header of a block: literal, never indexed, no Huffman code.
pub(super) fn header(name: &str, value: &str) -> Vec<u8> {
    let mut block = vec![0x10];
    for text in [name, value] {
        let mut rest = text.len();
        if rest < 127 {
            block.push(u8::try_from(rest).unwrap());
        } else {
            block.push(127);
            rest -= 127;
            while rest >= 128 {
                block.push(u8::try_from(rest % 128).unwrap() | 128);
                rest /= 128;
            }
            block.push(u8::try_from(rest).unwrap());
        }
        block.extend_from_slice(text.as_bytes());
    }
    block
}

/// The head of a POST.
pub(super) fn head(path: &str) -> Vec<u8> {
    head_of("POST", path)
}

/// The head of a request.
pub(super) fn head_of(method: &str, path: &str) -> Vec<u8> {
    let names = [
        (":method", method),
        (":scheme", "http"),
        (":authority", "x"),
        (":path", path),
    ];
    names
        .iter()
        .flat_map(|(name, value)| header(name, value))
        .collect()
}

pub(super) struct Http2<S> {
    pub(super) socket: S,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Http2<S> {
    /// Says hello.
    pub(super) async fn begin(socket: S) -> Self {
        let mut client = Self { socket };
        client.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
        client.send(&frame(SETTINGS, 0, 0, &[])).await;
        client
    }

    pub(super) async fn send(&mut self, bytes: &[u8]) {
        self.socket.write_all(bytes).await.unwrap();
    }

    /// A whole request.
    pub(super) async fn post(&mut self, stream: u32, path: &str, body: &str) {
        let head = frame(HEADERS, END_HEADERS, stream, &head(path));
        let body = frame(DATA, END_STREAM, stream, body.as_bytes());
        self.send(&[head, body].concat()).await;
    }

    /// The next frame; none if the connection is closed.
    pub(super) async fn next(&mut self) -> Option<Frame> {
        let read = async {
            let mut head = [0; 9];
            self.socket.read_exact(&mut head).await.ok()?;
            let len = u32::from_be_bytes([0, head[0], head[1], head[2]]);
            let mut payload = vec![0; len.try_into().unwrap()];
            self.socket.read_exact(&mut payload).await.ok()?;
            Some(Frame {
                kind: head[3],
                stream: u32::from_be_bytes(head[5..9].try_into().unwrap()),
                payload,
            })
        };
        time::timeout(LONG, read)
            .await
            .expect("neither a frame nor the end")
    }

    /// The next frame of this kind on this stream. Panics if there is none.
    pub(super) async fn until(&mut self, kind: u8, stream: u32) -> Frame {
        loop {
            let frame = self.next().await.expect("closed before the frame came");
            if (frame.kind, frame.stream) == (kind, stream) {
                return frame;
            }
        }
    }

    /// The status of this stream's answer.
    pub(super) async fn status(&mut self, stream: u32) -> u16 {
        let head = self.until(HEADERS, stream).await;
        // Indexed fields of the static table; a literal begins with the index of its name.
        match head.payload[0] {
            0x88 => 200,
            0x8c => 400,
            0x8d => 404,
            // A literal :status: index 8, then Huffman or plain; three digits plain, or look at the text.
            _ => {
                let text = String::from_utf8_lossy(&head.payload).into_owned();
                [401, 405, 408, 413, 431, 503]
                    .into_iter()
                    .find(|code: &u16| text.contains(&code.to_string()))
                    .or_else(|| huffman_status(&head.payload))
                    .expect("a known status")
            }
        }
    }

    /// The last GOAWAY before the end, and whether the end came.
    pub(super) async fn goaway(&mut self) -> u32 {
        self.until(GOAWAY, 0).await.code()
    }
}

/// Digits in HPACK's Huffman code: 0 to 2 have 5 bits (0, 1, 2), 3 to 9 have 6 (25 and on).
fn huffman_status(block: &[u8]) -> Option<u16> {
    let len = usize::from(block.get(1)? & 0x7f);
    let bits: String = block
        .get(2..2 + len)?
        .iter()
        .map(|byte| format!("{byte:08b}"))
        .collect();
    let (mut rest, mut digits) = (bits.as_str(), String::new());
    while digits.len() < 3 {
        let five = u8::from_str_radix(rest.get(..5)?, 2).ok()?;
        if five <= 2 {
            digits.push(char::from(b'0' + five));
            rest = &rest[5..];
        } else {
            let six = u8::from_str_radix(rest.get(..6)?, 2).ok()?;
            digits.push(char::from(b'0' + six.checked_sub(22)?));
            rest = &rest[6..];
        }
    }
    digits.parse().ok()
}

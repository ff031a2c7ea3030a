//! The grammar of RFC 8259 as one pass over bytes, without recursion: what is open is a bit each.

use super::{MAX_DEPTH, Malformed, plain::plain, unescape::unescape};
use std::borrow::Cow;

/// Which containers are open, outermost first: one bit each, set for an object.
struct Open {
    objects: u128,
    depth: usize,
    /// Containers around the value that is passed over.
    outside: usize,
}

const _: () = assert!(MAX_DEPTH <= u128::BITS as usize);

impl Open {
    fn push(&mut self, object: bool, at: usize) -> Result<(), Malformed> {
        if self.depth + self.outside >= MAX_DEPTH {
            return Err(Malformed::TooDeep { at });
        }
        self.objects = (self.objects << 1) | u128::from(object);
        self.depth += 1;
        Ok(())
    }

    fn pop(&mut self) {
        self.objects >>= 1;
        self.depth = self.depth.saturating_sub(1);
    }

    /// Whether the innermost is an object; none if nothing is open.
    fn top(&self) -> Option<bool> {
        (self.depth > 0).then_some(self.objects & 1 == 1)
    }
}

/// A place in a text.
pub(in crate::callback) struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Scanner<'a> {
    pub(in crate::callback) const fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    pub(in crate::callback) fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn rest(&self) -> &'a [u8] {
        self.text.as_bytes().get(self.at..).unwrap_or_default()
    }

    /// From `start` to here. Both are next to ASCII, so this is always a piece of text.
    fn since(&self, start: usize) -> &'a str {
        self.text.get(start..self.at).unwrap_or_default()
    }

    /// The fault here: the text's end, or `what` stands here.
    pub(in crate::callback) fn end_or(&self, what: impl FnOnce(usize) -> Malformed) -> Malformed {
        if self.at_end() {
            Malformed::EndsEarly { at: self.at }
        } else {
            what(self.at)
        }
    }

    fn unexpected(&self) -> Malformed {
        self.end_or(|at| Malformed::Unexpected { at })
    }

    pub(in crate::callback) fn at_end(&self) -> bool {
        self.at >= self.text.len()
    }

    pub(in crate::callback) fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    pub(in crate::callback) fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    /// Nothing but white space may follow.
    pub(in crate::callback) fn end(&mut self) -> Result<(), Malformed> {
        self.space();
        if self.at_end() {
            Ok(())
        } else {
            Err(Malformed::Trailing { at: self.at })
        }
    }

    /// After a value: true at `close`, false at a comma.
    pub(in crate::callback) fn separator(&mut self, close: u8) -> Result<bool, Malformed> {
        self.space();
        if self.take(b',') {
            Ok(false)
        } else if self.take(close) {
            Ok(true)
        } else {
            Err(self.unexpected())
        }
    }

    /// A member's name and the colon.
    pub(in crate::callback) fn name(&mut self) -> Result<Cow<'a, str>, Malformed> {
        let name = self.string()?;
        self.colon()?;
        Ok(name)
    }

    fn colon(&mut self) -> Result<(), Malformed> {
        self.space();
        if self.take(b':') {
            Ok(())
        } else {
            Err(self.unexpected())
        }
    }

    /// One value with all that is in it, `outside` containers deep: its text.
    pub(in crate::callback) fn value(&mut self, outside: usize) -> Result<&'a str, Malformed> {
        let mut open = Open {
            objects: 0,
            depth: 0,
            outside,
        };
        self.space();
        let start = self.at;
        loop {
            self.space();
            if self.opens_or_scalar(&mut open)? {
                continue;
            }
            // A value has ended, and perhaps what it was in, and what that was in …
            loop {
                let Some(object) = open.top() else {
                    return Ok(self.since(start));
                };
                if !self.separator(if object { b'}' } else { b']' })? {
                    if object {
                        self.space();
                        self.skip_name()?;
                    }
                    break;
                }
                open.pop();
            }
        }
    }

    /// At the start of a value. True if it is a container with something in it, and its first value is next.
    fn opens_or_scalar(&mut self, open: &mut Open) -> Result<bool, Malformed> {
        match self.peek() {
            Some(b'{') => {
                open.push(true, self.at)?;
                self.at += 1;
                self.space();
                if self.take(b'}') {
                    open.pop();
                    return Ok(false);
                }
                self.skip_name()?;
                Ok(true)
            }
            Some(b'[') => {
                open.push(false, self.at)?;
                self.at += 1;
                self.space();
                if self.take(b']') {
                    open.pop();
                    return Ok(false);
                }
                Ok(true)
            }
            Some(b'"') => self.skip_string().map(|_| false),
            Some(b'-' | b'0'..=b'9') => self.number().map(|()| false),
            Some(b't') => self.word("true"),
            Some(b'f') => self.word("false"),
            Some(b'n') => self.word("null"),
            _ => Err(self.unexpected()),
        }
    }

    fn word(&mut self, word: &str) -> Result<bool, Malformed> {
        for byte in word.bytes() {
            if !self.take(byte) {
                return Err(self.unexpected());
            }
        }
        Ok(false)
    }

    fn number(&mut self) -> Result<(), Malformed> {
        self.take(b'-');
        if !self.take(b'0') {
            self.digits()?;
        }
        if self.take(b'.') {
            self.digits()?;
        }
        if self.take(b'e') || self.take(b'E') {
            if !self.take(b'+') {
                self.take(b'-');
            }
            self.digits()?;
        }
        Ok(())
    }

    /// At least one digit.
    fn digits(&mut self) -> Result<(), Malformed> {
        let count = self
            .rest()
            .iter()
            .take_while(|b| b.is_ascii_digit())
            .count();
        self.at += count;
        if count == 0 {
            return Err(self.unexpected());
        }
        Ok(())
    }

    fn skip_name(&mut self) -> Result<(), Malformed> {
        self.skip_string()?;
        self.colon()
    }

    /// A string: what it says.
    pub(in crate::callback) fn string(&mut self) -> Result<Cow<'a, str>, Malformed> {
        let start = self.at + 1;
        let escaped = self.skip_string()?;
        let inside = self.text.get(start..self.at - 1).unwrap_or_default();
        Ok(if escaped {
            Cow::Owned(unescape(inside))
        } else {
            Cow::Borrowed(inside)
        })
    }

    /// Passes a string; true if there are escapes in it.
    fn skip_string(&mut self) -> Result<bool, Malformed> {
        if !self.take(b'"') {
            return Err(self.unexpected());
        }
        let mut escaped = false;
        loop {
            match plain(self.rest()) {
                None => {
                    return Err(Malformed::EndsEarly {
                        at: self.text.len(),
                    });
                }
                Some(count) => self.at += count,
            }
            if self.take(b'"') {
                return Ok(escaped);
            }
            escaped = true;
            self.escape()?;
        }
    }

    /// At a backslash, or at a control character.
    fn escape(&mut self) -> Result<(), Malformed> {
        let start = self.at;
        if !self.take(b'\\') {
            return Err(Malformed::BadString { at: start });
        }
        match self.peek() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 1,
            Some(b'u') => {
                self.at += 1;
                match self.hex4()? {
                    0xDC00..=0xDFFF => return Err(Malformed::LoneSurrogate { at: start }),
                    0xD800..=0xDBFF => self.low_surrogate(start)?,
                    _ => {}
                }
            }
            _ => return Err(self.end_or(|at| Malformed::BadString { at })),
        }
        Ok(())
    }

    fn low_surrogate(&mut self, start: usize) -> Result<(), Malformed> {
        let lone = Malformed::LoneSurrogate { at: start };
        if !(self.take(b'\\') && self.take(b'u')) {
            return Err(self.end_or(|_| lone));
        }
        match self.hex4()? {
            0xDC00..=0xDFFF => Ok(()),
            _ => Err(lone),
        }
    }

    fn hex4(&mut self) -> Result<u32, Malformed> {
        let mut code = 0;
        for _ in 0..4 {
            let digit = self.peek().and_then(|b| char::from(b).to_digit(16));
            let Some(digit) = digit else {
                return Err(self.end_or(|at| Malformed::BadString { at }));
            };
            code = code * 16 + digit;
            self.at += 1;
        }
        Ok(code)
    }
}

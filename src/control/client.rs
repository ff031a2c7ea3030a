//! The command's side: blocking, since a command has nothing else to do.

use super::{
    Reply, Request,
    place::{Address, NAME},
};
use std::{
    io::{self, BufRead, BufReader, Read, Write},
    ops::ControlFlow,
    os::unix::net::UnixStream,
    path::Path,
    time::Duration,
};

/// Longer than a relay needs to say that it gives up.
const PATIENCE: Duration = Duration::from_secs(120);
/// No answer is longer.
const LINE_MAX: u64 = 4 << 20;

/// A connection to the relay that holds a spool.
#[derive(Debug)]
pub struct Client {
    stream: UnixStream,
}

/// Why a relay can't be asked.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The socket, or its permissions.
    #[error("the relay can't be reached through {NAME}: {0}")]
    Io(#[from] io::Error),
    /// Another release, perhaps.
    #[error("the relay's answer isn't understood: {0}")]
    Answer(String),
}

impl Client {
    /// None: no relay serves this spool.
    ///
    /// # Errors
    /// If there is one and it can't be reached.
    pub fn connect(dir: &Path) -> Result<Option<Self>, ClientError> {
        let connected = Address::of(dir, NAME).and_then(|at| UnixStream::connect(&at.path));
        let stream = match connected {
            Ok(stream) => stream,
            // Not there, or left behind by one that was killed.
            Err(e)
                if matches!(
                    e.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused
                ) =>
            {
                return Ok(None);
            }
            Err(e) => return Err(e.into()),
        };
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Some(Self { stream }))
    }

    /// Asks, and waits for the last answer.
    ///
    /// # Errors
    /// If the connection breaks: what was asked for may have been done in part.
    pub fn ask(
        mut self,
        request: &Request,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<Reply, ClientError> {
        self.send(request)?;
        let mut lines = BufReader::new(self.stream);
        loop {
            match next(&mut lines)? {
                Some(Reply::Progress { done, all }) => progress(done, all),
                Some(last) => return Ok(last),
                None => return Err(ClientError::Answer("it broke off".into())),
            }
        }
    }

    /// Asks, and hands on every answer, with whether no other is there yet, for as long as they come and are wanted:
    /// however long that is. The last one says why there are no more; none, if the relay went without a word.
    ///
    /// # Errors
    /// If the connection breaks.
    pub fn follow(
        mut self,
        request: &Request,
        each: &mut dyn FnMut(&Reply, bool) -> ControlFlow<()>,
    ) -> Result<Option<Reply>, ClientError> {
        self.send(request)?;
        self.stream.set_read_timeout(None)?;
        let mut lines = BufReader::new(self.stream);
        loop {
            let Some(reply) = next(&mut lines)? else {
                return Ok(None);
            };
            let last = matches!(reply, Reply::Ended {} | Reply::Failed(_));
            if last || each(&reply, lines.buffer().is_empty()).is_break() {
                return Ok(Some(reply));
            }
        }
    }

    fn send(&mut self, request: &Request) -> io::Result<()> {
        let mut line = serde_json::to_vec(request)?;
        line.push(b'\n');
        self.stream.write_all(&line)
    }
}

/// The next answer; none if the other side has gone.
fn next(lines: &mut BufReader<UnixStream>) -> Result<Option<Reply>, ClientError> {
    let mut line = Vec::new();
    lines.by_ref().take(LINE_MAX).read_until(b'\n', &mut line)?;
    if line.is_empty() {
        return Ok(None);
    }
    let reply = serde_json::from_slice(&line);
    reply
        .map(Some)
        .map_err(|e| ClientError::Answer(e.to_string()))
}

//! The command's side: blocking, since a command has nothing else to do.

use super::{
    Reply, Request,
    place::{Address, NAME},
};
use std::{
    io::{self, BufRead, BufReader, Read, Write},
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
        let mut line = serde_json::to_vec(request).map_err(io::Error::from)?;
        line.push(b'\n');
        self.stream.write_all(&line)?;
        let mut lines = BufReader::new(self.stream);
        loop {
            let mut line = Vec::new();
            lines.by_ref().take(LINE_MAX).read_until(b'\n', &mut line)?;
            if line.is_empty() {
                return Err(ClientError::Answer("it broke off".into()));
            }
            let reply = serde_json::from_slice(&line);
            match reply.map_err(|e| ClientError::Answer(e.to_string()))? {
                Reply::Progress { done, all } => progress(done, all),
                last => return Ok(last),
            }
        }
    }
}

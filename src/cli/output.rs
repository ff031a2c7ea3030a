//! Lines to standard output or to a file, many and fast. A reader that closes its end (`| head`) ends the command in peace.

use super::Failure;
use std::{
    fs::OpenOptions,
    io::{self, BufWriter, Write},
    ops::ControlFlow,
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

/// Where lines go.
pub(super) struct Output {
    to: BufWriter<Box<dyn Write>>,
    name: String,
    ended: Option<io::Error>,
}

impl Output {
    pub(super) fn standard() -> Self {
        Self::new(Box::new(io::stdout()), "standard output".into())
    }

    /// A new file, for us alone (0600): what is in a spool is nobody else's business.
    pub(super) fn file(path: &Path) -> Result<Self, Failure> {
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)
            .map_err(|e| Failure::Failed(format!("{}: {e}", path.display())))?;
        Ok(Self::new(Box::new(file), path.display().to_string()))
    }

    fn new(to: Box<dyn Write>, name: String) -> Self {
        Self {
            to: BufWriter::with_capacity(64 << 10, to),
            name,
            ended: None,
        }
    }

    /// Writes a line; breaks off when nobody takes it.
    pub(super) fn line(&mut self, line: &str) -> ControlFlow<()> {
        let written = self
            .to
            .write_all(line.as_bytes())
            .and_then(|()| self.to.write_all(b"\n"));
        match written {
            Ok(()) => ControlFlow::Continue(()),
            Err(e) => {
                self.ended = Some(e);
                ControlFlow::Break(())
            }
        }
    }

    /// What was written so far goes out; breaks off when nobody takes it.
    pub(super) fn flush(&mut self) -> ControlFlow<()> {
        match self.to.flush() {
            Ok(()) => ControlFlow::Continue(()),
            Err(e) => {
                self.ended = Some(e);
                ControlFlow::Break(())
            }
        }
    }

    /// What is left goes out.
    pub(super) fn finish(mut self) -> Result<(), Failure> {
        let flushed = match self.ended.take() {
            Some(e) => Err(e),
            None => self.to.flush(),
        };
        match flushed {
            Err(e) if e.kind() != io::ErrorKind::BrokenPipe => {
                Err(Failure::Failed(format!("{}: {e}", self.name)))
            }
            _ => Ok(()),
        }
    }
}

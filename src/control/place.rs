//! Where the socket is. An address of a socket has at most 107 bytes, a directory's path may be longer: then the address goes
//! by the open directory.

use std::{
    fs::File,
    io,
    os::fd::AsRawFd,
    path::{Path, PathBuf},
};

pub(super) const NAME: &str = "control.sock";
const ADDRESS_MAX: usize = 100;

/// A path short enough for an address.
pub(super) struct Address {
    pub(super) path: PathBuf,
    /// Open as long as the path is used.
    _directory: Option<File>,
}

impl Address {
    pub(super) fn of(dir: &Path, name: &str) -> io::Result<Self> {
        let path = dir.join(name);
        if path.as_os_str().len() <= ADDRESS_MAX {
            return Ok(Self {
                path,
                _directory: None,
            });
        }
        let directory = File::open(dir)?;
        let path = format!("/proc/self/fd/{}/{name}", directory.as_raw_fd());
        Ok(Self {
            path: path.into(),
            _directory: Some(directory),
        })
    }
}

//! A disk that can only be looked at: what reads a spool from outside can't change it, whatever it calls.

use super::super::disk::{Dir, ReadDisk, ReadFile};
use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

/// See the module.
#[derive(Debug)]
pub(super) struct ReadOnly(PathBuf);

impl ReadOnly {
    pub(super) fn new(root: &Path) -> Self {
        Self(root.into())
    }

    fn directory(&self, dir: Dir) -> PathBuf {
        self.0.join(dir.subdirectory())
    }
}

impl ReadDisk for ReadOnly {
    /// A copied spool may come without its empty directories.
    fn list(&self, dir: Dir) -> io::Result<Vec<String>> {
        let entries = match fs::read_dir(self.directory(dir)) {
            Err(e) if e.kind() == io::ErrorKind::NotFound && dir != Dir::Root => {
                return Ok(Vec::new());
            }
            other => other?,
        };
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry?;
            if entry.file_type()?.is_file()
                && let Ok(name) = entry.file_name().into_string()
            {
                names.push(name);
            }
        }
        Ok(names)
    }

    fn open(&self, dir: Dir, name: &str) -> io::Result<Box<dyn ReadFile>> {
        Ok(Box::new(File::open(self.directory(dir).join(name))?))
    }

    fn size(&self, dir: Dir, name: &str) -> io::Result<u64> {
        Ok(fs::metadata(self.directory(dir).join(name))?.len())
    }
}

//! The keys of a source while it runs: key files are read again and again, so that a rotation needs no restart.
//!
//! Their content is compared, not their time or inode, so that Kubernetes' symlink swaps work. A file that is empty or
//! can't be read keeps the keys that it had.

use super::metrics::Metrics;
use crate::{
    callback::{names::SourceName, verify::Keys},
    config::{
        NamedKey, Secret,
        keys::{self, KeyFileError},
    },
};
use prometheus::IntCounter;
use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, RwLock},
};

/// How a key file is read: the door knows no files. `config::keys::read_file`, but in tests.
pub type ReadFile = Arc<dyn Fn(&Path) -> Result<Vec<Secret>, KeyFileError> + Send + Sync>;

/// Signatures are asked for, and there is no key to check them with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "source {0} has no usable key: set sources.{0}.keys, --key or --key-file (or auth = \"off\")"
)]
pub struct NoKey(pub SourceName);

/// Keys, each with its counter.
#[derive(Debug)]
pub(super) struct Armed {
    pub(super) keys: Keys,
    pub(super) matches: Vec<IntCounter>,
}

/// The keys of one source, as they are now.
pub struct Keyring {
    source: SourceName,
    configured: Vec<NamedKey>,
    read: ReadFile,
    files: Mutex<Vec<File>>,
    now: RwLock<Arc<Armed>>,
    metrics: Arc<Metrics>,
}

struct File {
    path: PathBuf,
    keys: Vec<Secret>,
    /// Whether the last reading failed: said once, counted every time.
    failing: bool,
}

impl std::fmt::Debug for Keyring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keyring")
            .field("source", &self.source)
            .finish_non_exhaustive()
    }
}

impl Keyring {
    /// Reads all files for the first time. One that isn't usable gives no keys yet.
    ///
    /// # Errors
    /// If there is no key, and one is `needed`.
    pub(super) fn load(
        source: SourceName,
        configured: Vec<NamedKey>,
        paths: Vec<PathBuf>,
        needed: bool,
        read: ReadFile,
        metrics: Arc<Metrics>,
    ) -> Result<Self, NoKey> {
        let file = |path| File {
            path,
            keys: Vec::new(),
            failing: false,
        };
        let empty = Armed {
            keys: Keys::default(),
            matches: Vec::new(),
        };
        let ring = Self {
            source,
            configured,
            read,
            files: Mutex::new(paths.into_iter().map(file).collect()),
            now: RwLock::new(Arc::new(empty)),
            metrics,
        };
        ring.refresh(true);
        if needed && ring.now().keys.is_empty() {
            return Err(NoKey(ring.source));
        }
        Ok(ring)
    }

    pub(super) fn now(&self) -> Arc<Armed> {
        Arc::clone(&self.now.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whose keys they are.
    #[must_use]
    pub const fn source(&self) -> &SourceName {
        &self.source
    }

    /// The names of the keys as they are now, for `/status`.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.now().keys.iter().map(|key| key.name.clone()).collect()
    }

    /// Reads the files again, and takes what has changed. Blocks for as long as that takes.
    pub(super) fn refresh(&self, at_start: bool) {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        let mut changed = at_start;
        for file in files.iter_mut() {
            changed |= self.refresh_file(file);
        }
        if changed {
            let armed = Arc::new(self.arm(&files));
            tracing::info!(source = %self.source, keys = armed.keys.len(), "keys are in use");
            *self.now.write().unwrap_or_else(PoisonError::into_inner) = armed;
        }
    }

    fn refresh_file(&self, file: &mut File) -> bool {
        match (self.read)(&file.path) {
            Ok(keys) => {
                file.failing = false;
                let changed = keys != file.keys;
                file.keys = keys;
                changed
            }
            Err(why) => {
                self.metrics.reload_failed();
                if !file.failing {
                    let path = file.path.display();
                    tracing::warn!(source = %self.source, %path, %why, "a key file is not usable: the keys that it had stay");
                }
                file.failing = true;
                false
            }
        }
    }

    fn arm(&self, files: &[File]) -> Armed {
        let files: Vec<_> = files
            .iter()
            .map(|file| (file.path.clone(), file.keys.clone()))
            .collect();
        let keys = Keys::new(keys::all(&self.configured, &files));
        let matches = keys
            .iter()
            .map(|key| self.metrics.key_matches(&self.source, &key.name))
            .collect();
        Armed { keys, matches }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rotation_is_taken_and_an_empty_or_unreadable_file_keeps_the_old_keys() {
        let source = SourceName::parse("tencent").unwrap();
        let registry = prometheus::Registry::new();
        let metrics =
            Arc::new(Metrics::register(&registry, std::slice::from_ref(&source)).unwrap());
        let disk = Arc::new(Mutex::new(Ok(b"one\n".as_slice())));
        let reader = Arc::clone(&disk);
        let read: ReadFile = Arc::new(move |_| match *reader.lock().unwrap() {
            Ok(content) => keys::parse_file(content),
            Err(()) => Err(KeyFileError::Unreadable(std::io::Error::other("gone"))),
        });
        let paths = vec![PathBuf::from("/etc/css.keys")];
        let ring = Keyring::load(source, vec![], paths, true, read, Arc::clone(&metrics)).unwrap();
        let secrets = |ring: &Keyring| -> Vec<String> {
            let armed = ring.now();
            armed
                .keys
                .iter()
                .map(|k| k.key.expose().to_owned())
                .collect()
        };
        assert_eq!(secrets(&ring), ["one"]);
        assert_eq!(ring.names(), ["css.keys"]);

        *disk.lock().unwrap() = Ok(b"two\none\n");
        ring.refresh(false);
        assert_eq!(secrets(&ring), ["two", "one"]);
        for unusable in [Ok(b" \n".as_slice()), Err(())] {
            *disk.lock().unwrap() = unusable;
            ring.refresh(false);
            assert_eq!(secrets(&ring), ["two", "one"]);
        }
        assert_eq!(metrics.reload_failures.get(), 2);
        *disk.lock().unwrap() = Ok(b"three");
        ring.refresh(false);
        assert_eq!(secrets(&ring), ["three"]);
        assert_eq!(metrics.reload_failures.get(), 2);
    }

    #[test]
    fn without_any_key_there_is_no_start() {
        let source = SourceName::parse("tencent").unwrap();
        let registry = prometheus::Registry::new();
        let metrics = Arc::new(Metrics::register(&registry, &[]).unwrap());
        let read: ReadFile = Arc::new(|_| Err(KeyFileError::Empty));
        let load = |paths, needed| {
            let (source, read) = (source.clone(), Arc::clone(&read));
            Keyring::load(source, vec![], paths, needed, read, Arc::clone(&metrics)).err()
        };
        assert_eq!(load(vec![], true), Some(NoKey(source.clone())));
        assert_eq!(load(vec!["/k".into()], true), Some(NoKey(source.clone())));
        assert_eq!(load(vec!["/k".into()], false), None);
    }
}

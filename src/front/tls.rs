//! The door's identity while it runs: certificate and key are read again and again, so that a renewal needs no restart.
//!
//! As with keys, content is compared. A connection keeps what it began with; the next one gets what is there then. Files
//! that make no identity, such as a new certificate whose key isn't there yet, leave the old one in use.

use super::metrics::Metrics;
use crate::{
    certificate::not_after,
    config::{
        TlsFiles,
        tls::{Pem, TlsError, server_config},
    },
};
use std::{
    io,
    path::Path,
    sync::{Arc, Mutex, PoisonError, RwLock},
};
use tokio_rustls::rustls::ServerConfig;

/// How a file of certificates or of a private key is read: the door knows no files.
pub type ReadPem = Arc<dyn Fn(&Path) -> io::Result<Vec<u8>> + Send + Sync>;

/// Why the door has no identity, and so can't open.
#[derive(Debug, thiserror::Error)]
pub enum NoIdentity {
    /// A file can't be read.
    #[error("a file of http.tls can't be read: {0}")]
    Unreadable(#[from] io::Error),
    /// What is in them is no identity.
    #[error("http.tls: {0}")]
    Unusable(#[from] TlsError),
}

/// Certificate and key, as they are now.
pub(super) struct Tls {
    files: TlsFiles,
    read: ReadPem,
    last: Mutex<Last>,
    now: RwLock<Arc<ServerConfig>>,
    metrics: Arc<Metrics>,
}

/// What was read last.
struct Last {
    pem: Pem,
    /// Whether the last reading failed: said once, counted every time.
    failing: bool,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls")
            .field("files", &self.files)
            .finish_non_exhaustive()
    }
}

impl Tls {
    /// Reads the files for the first time.
    pub(super) fn load(
        files: TlsFiles,
        read: ReadPem,
        metrics: Arc<Metrics>,
    ) -> Result<Self, NoIdentity> {
        let pem = read_all(&files, &read)?;
        let config = take_up(&pem, &metrics)?;
        Ok(Self {
            files,
            read,
            last: Mutex::new(Last {
                pem,
                failing: false,
            }),
            now: RwLock::new(config),
            metrics,
        })
    }

    /// What the next connection is served with.
    pub(super) fn now(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.now.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads the files again, and takes what has changed. Blocks for as long as that takes.
    pub(super) fn refresh(&self) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        match self.read_again(&mut last) {
            Ok(None) => last.failing = false,
            Ok(Some(config)) => {
                last.failing = false;
                tracing::info!(cert = %self.files.cert.display(), "a new certificate is in use");
                *self.now.write().unwrap_or_else(PoisonError::into_inner) = config;
            }
            Err(why) => {
                self.metrics.reload_failed();
                if !last.failing {
                    tracing::warn!(%why, "the files of http.tls are not usable: the old certificate stays");
                }
                last.failing = true;
            }
        }
    }

    fn read_again(&self, last: &mut Last) -> Result<Option<Arc<ServerConfig>>, NoIdentity> {
        let pem = read_all(&self.files, &self.read)?;
        if pem == last.pem {
            return Ok(None);
        }
        let config = take_up(&pem, &self.metrics)?;
        last.pem = pem;
        Ok(Some(config))
    }
}

fn read_all(files: &TlsFiles, read: &ReadPem) -> io::Result<Pem> {
    Ok(Pem {
        cert: read(&files.cert)?,
        key: read(&files.key)?,
        client_ca: files
            .client_ca
            .as_deref()
            .map(|path| read(path))
            .transpose()?,
    })
}

fn take_up(pem: &Pem, metrics: &Metrics) -> Result<Arc<ServerConfig>, TlsError> {
    let (config, own) = server_config(pem)?;
    match not_after(&own) {
        Some(seconds) => metrics.certificate_expires(seconds),
        None => tracing::warn!("when the certificate expires can't be told"),
    }
    Ok(Arc::new(config))
}

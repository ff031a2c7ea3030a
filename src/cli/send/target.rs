//! Where `send` sends to, and how it gets there.

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Uri,
    client::conn::http1::{SendRequest, handshake},
};
use hyper_util::rt::TokioIo;
use std::{path::Path, sync::Arc};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_rustls::{
    TlsConnector,
    rustls::{
        ClientConfig, RootCertStore,
        crypto::ring,
        pki_types::{CertificateDer, ServerName, pem::PemObject},
    },
};

pub(super) type Connection = SendRequest<Full<Bytes>>;

/// A URL, and what it takes to speak to who is there.
pub(super) struct Target {
    authority: String,
    host: String,
    port: u16,
    path: String,
    tls: Option<(TlsConnector, ServerName<'static>)>,
}

impl Target {
    /// Trusts the CAs in `ca_file`, or those of the system.
    pub(super) fn new(url: &str, ca_file: Option<&Path>) -> Result<Self, String> {
        let uri: Uri = url
            .parse()
            .map_err(|e| format!("--url is not a URL: {e}"))?;
        let host = uri
            .host()
            .unwrap_or_default()
            .trim_matches(['[', ']'])
            .to_owned();
        let (port, tls) = match uri.scheme_str() {
            Some("http") if ca_file.is_some() => {
                return Err("--ca-file is for https, and --url begins with http".into());
            }
            Some("http") => (80, None),
            Some("https") => {
                let name = ServerName::try_from(host.clone());
                let name = name.map_err(|_| {
                    format!("--url has no host that a certificate can be for: {host}")
                })?;
                (443, Some((connector(ca_file)?, name)))
            }
            _ => return Err("--url must begin with http:// or https://".into()),
        };
        let path = uri.path_and_query();
        Ok(Self {
            authority: uri.authority().map(ToString::to_string).unwrap_or_default(),
            host,
            port: uri.port_u16().unwrap_or(port),
            path: path.map_or("/", |path| path.as_str()).into(),
            tls,
        })
    }

    pub(super) fn authority(&self) -> &str {
        &self.authority
    }

    pub(super) fn path(&self) -> &str {
        &self.path
    }

    pub(super) async fn connect(&self) -> Result<Connection, String> {
        let failed = |e| format!("{}: {e}", self.authority);
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await;
        let stream = stream.map_err(failed)?;
        stream.set_nodelay(true).map_err(failed)?;
        match &self.tls {
            None => speak(stream).await,
            Some((connector, name)) => {
                let stream = connector.connect(name.clone(), stream).await;
                speak(stream.map_err(failed)?).await
            }
        }
    }
}

async fn speak(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
) -> Result<Connection, String> {
    let (sender, connection) = handshake(TokioIo::new(stream))
        .await
        .map_err(|e| e.to_string())?;
    // It ends with its sender, which hears of any error.
    tokio::spawn(connection);
    Ok(sender)
}

fn connector(ca_file: Option<&Path>) -> Result<TlsConnector, String> {
    let mut roots = RootCertStore::empty();
    match ca_file {
        Some(path) => {
            let failed =
                |why: &dyn std::fmt::Display| format!("--ca-file {}: {why}", path.display());
            let pem = std::fs::read(path).map_err(|e| failed(&e))?;
            for certificate in CertificateDer::pem_slice_iter(&pem) {
                let certificate = certificate.map_err(|e| failed(&e))?;
                roots.add(certificate).map_err(|e| failed(&e))?;
            }
            if roots.is_empty() {
                return Err(failed(&"there is no certificate in it; write it as PEM"));
            }
        }
        None => {
            let found = rustls_native_certs::load_native_certs();
            roots.add_parsable_certificates(found.certs);
            if roots.is_empty() {
                let why = found.errors.first().map(|e| format!(" ({e})"));
                return Err(format!(
                    "no CA certificates of the system were found{}: give those to trust with --ca-file",
                    why.unwrap_or_default()
                ));
            }
        }
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|e| e.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_http_or_https() {
        let target = Target::new("http://[::1]:8080/callbacks/tencent?x=1", None).unwrap();
        assert_eq!(
            (target.host.as_str(), target.port, target.path()),
            ("::1", 8080, "/callbacks/tencent?x=1")
        );
        let refused = |url, ca: Option<&str>| Target::new(url, ca.map(Path::new)).err().unwrap();
        assert!(refused("a:80", None).contains("must begin"));
        assert!(refused("/callbacks", None).contains("must begin"));
        assert!(refused("http://a/", Some("ca.pem")).contains("--ca-file is for https"));
        assert!(refused("https://a/", Some("no/such.pem")).contains("no/such.pem"));
        let dir = tempfile::tempdir().unwrap();
        let empty = dir.path().join("ca.pem");
        std::fs::write(&empty, "nothing").unwrap();
        assert!(refused("https://a/", empty.to_str()).contains("no certificate"));
    }
}

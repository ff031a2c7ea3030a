//! TLS: honest senders over it, and handshakes that are never finished.

use crate::{
    HEAD,
    honest::Line,
    wire::{connect, rest},
};
use rcgen::{CertificateParams, KeyPair};
use std::{
    io::{Read, Write},
    net::TcpStream,
    sync::Arc,
    time::Duration,
};
use tokio_rustls::rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned,
    crypto::ring,
    pki_types::{CertificateDer, ServerName},
};

const CROWD: usize = 500;

/// The relay's certificate, and who trusts it.
pub(crate) struct Identity {
    dir: tempfile::TempDir,
    config: Arc<ClientConfig>,
}

impl Identity {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let params = CertificateParams::new(["localhost".to_owned()]).expect("a name");
        let key = KeyPair::generate().expect("a key");
        let cert = params.self_signed(&key).expect("a certificate");
        std::fs::write(dir.path().join("cert.pem"), cert.pem()).expect("a file");
        std::fs::write(dir.path().join("key.pem"), key.serialize_pem()).expect("a file");
        let mut roots = RootCertStore::empty();
        let der = CertificateDer::from(cert.der().to_vec());
        roots.add(der).expect("a root");
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        Self {
            dir,
            config: Arc::new(config),
        }
    }

    pub(crate) fn settings(&self) -> [(&'static str, String); 2] {
        let path = |name: &str| format!("\"{}\"", self.dir.path().join(name).display());
        [
            ("http.tls.cert_file", path("cert.pem")),
            ("http.tls.key_file", path("key.pem")),
        ]
    }

    pub(crate) fn line(&self, address: &str) -> Line {
        let (config, address) = (Arc::clone(&self.config), address.to_owned());
        Line(Arc::new(move || {
            let socket = connect(&address);
            let limit = Some(Duration::from_secs(20));
            socket.set_read_timeout(limit).expect("a socket");
            Box::new(StreamOwned::new(client(&config), socket))
        }))
    }
}

fn client(config: &Arc<ClientConfig>) -> ClientConnection {
    let name = ServerName::try_from("localhost").expect("a name");
    ClientConnection::new(Arc::clone(config), name).expect("a client")
}

/// All of them are closed in time, and nothing of HTTP is said to any.
fn crowd(address: &str, begin: impl Fn(&mut TcpStream)) {
    let mut all: Vec<_> = (0..CROWD).map(|_| connect(address)).collect();
    all.iter_mut().for_each(begin);
    for stream in &all {
        let said = rest(stream, HEAD);
        assert!(!said.starts_with(b"HTTP"), "an answer without TLS");
    }
}

pub(crate) fn silence(address: &str) {
    crowd(address, |_| {});
}

pub(crate) fn half_a_hello(address: &str) {
    crowd(address, |stream| {
        let _ = stream.write_all(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03");
    });
}

/// The relay answers, and has done the costly part; the client never finishes.
pub(crate) fn hello_and_no_more(address: &str) {
    let identity = Identity::new();
    crowd(address, |stream| {
        client(&identity.config)
            .write_tls(stream)
            .expect("a hello is taken");
        let mut answered = [0];
        let _ = stream.read(&mut answered);
    });
}

pub(crate) fn rubbish(address: &str) {
    crowd(address, |stream| {
        let _ = stream.write_all(b"POST /callbacks/tencent HTTP/1.1\r\nHost: x\r\n\r\n");
    });
}

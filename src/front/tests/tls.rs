//! TLS: versions, renewal, client certificates, and handshakes that are never finished.

use super::{frames::Http2, rig::*};
use crate::{
    config::{TlsFiles, tls::Pem},
    follow::Seen,
    metrics::encode,
};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use std::{
    io,
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{net::TcpStream, time};
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{
        ClientConfig, RootCertStore, SupportedProtocolVersion,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
        version::{TLS12, TLS13},
    },
};

const PATH: &str = "/callbacks/tencent";
const SHORT: Duration = Duration::from_millis(50);

type Issuer = CertifiedIssuer<'static, KeyPair>;

fn ca() -> Issuer {
    let mut params = CertificateParams::new([]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// A certificate for localhost until the end of this year, and its key, PEM.
fn issue(ca: &Issuer, year: i32) -> (Vec<u8>, Vec<u8>) {
    let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
    params.not_after = date_time_ymd(year, 12, 31);
    let key = KeyPair::generate().unwrap();
    let cert = params.signed_by(&key, ca).unwrap();
    (cert.pem().into(), key.serialize_pem().into())
}

/// The files of a door, which a test can change.
#[derive(Clone)]
struct Files(Arc<Mutex<Pem>>);

impl Files {
    fn new((cert, key): (Vec<u8>, Vec<u8>), client_ca: Option<&Issuer>) -> Self {
        let client_ca = client_ca.map(|ca| ca.pem().into());
        Self(Arc::new(Mutex::new(Pem {
            cert,
            key,
            client_ca,
        })))
    }

    fn put(&self, (cert, key): (Vec<u8>, Vec<u8>)) {
        let mut files = self.0.lock().unwrap();
        (files.cert, files.key) = (cert, key);
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let files = self.0.lock().unwrap();
        match path.to_str() {
            Some("cert") => Ok(files.cert.clone()),
            Some("key") => Ok(files.key.clone()),
            _ => files
                .client_ca
                .clone()
                .ok_or(io::ErrorKind::NotFound.into()),
        }
    }

    fn settings(&self) -> Settings {
        let mut settings = Settings::default();
        settings.http.tls = Some(TlsFiles {
            cert: "cert".into(),
            key: "key".into(),
            client_ca: self
                .0
                .lock()
                .unwrap()
                .client_ca
                .is_some()
                .then(|| "ca".into()),
        });
        let files = self.clone();
        settings.read_pem = Arc::new(move |path| files.read(path));
        settings
    }
}

struct Visitor {
    ca: Vec<u8>,
    version: &'static SupportedProtocolVersion,
    identity: Option<(Vec<u8>, Vec<u8>)>,
    alpn: Vec<&'static str>,
}

impl Visitor {
    fn trusting(ca: &Issuer) -> Self {
        Self {
            ca: ca.pem().into(),
            version: &TLS13,
            identity: None,
            alpn: vec![],
        }
    }

    async fn connect(&self, rig: &Rig) -> io::Result<TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_slice(&self.ca).unwrap())
            .unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&[self.version])
            .unwrap()
            .with_root_certificates(roots);
        let mut config = match &self.identity {
            None => config.with_no_client_auth(),
            Some((cert, key)) => {
                let chain = vec![CertificateDer::from_pem_slice(cert).unwrap()];
                let key = PrivateKeyDer::from_pem_slice(key).unwrap();
                config.with_client_auth_cert(chain, key).unwrap()
            }
        };
        config.alpn_protocols = self.alpn.iter().map(|name| (*name).into()).collect();
        let socket = TcpStream::connect(rig.address).await?;
        let name = "localhost".try_into().unwrap();
        TlsConnector::from(Arc::new(config))
            .connect(name, socket)
            .await
    }
}

async fn accepted(stream: TlsStream<TcpStream>) -> Client<TlsStream<TcpStream>> {
    let mut client = Client::new(stream);
    client.send(&post(PATH, &signed(100))).await;
    assert_eq!(client.answer().await.status, 200);
    client
}

fn own_certificate(stream: &TlsStream<TcpStream>) -> Vec<u8> {
    stream.get_ref().1.peer_certificates().unwrap()[0].to_vec()
}

fn metrics(rig: &Rig) -> String {
    String::from_utf8(encode(&rig.registry).unwrap()).unwrap()
}

#[tokio::test]
async fn callbacks_are_taken_over_tls_1_2_and_1_3_and_not_in_clear_text() {
    let ca = ca();
    let rig = Rig::durable(Files::new(issue(&ca, 2040), None).settings()).await;
    for version in [&TLS12, &TLS13] {
        let visitor = Visitor {
            version,
            ..Visitor::trusting(&ca)
        };
        let stream = visitor.connect(&rig).await.unwrap();
        assert_eq!(stream.get_ref().1.protocol_version(), Some(version.version));
        // Kept alive.
        let mut client = accepted(stream).await;
        client.send(&post(PATH, "x")).await;
        assert_eq!(client.answer().await.status, 400);
    }
    let mut follower = rig.decisions.follow(&[]).unwrap();
    let mut plain = rig.connect().await;
    plain.send(&post(PATH, &signed(100))).await;
    let mut answer = Vec::new();
    let read = tokio::io::AsyncReadExt::read_to_end(&mut plain.socket, &mut answer);
    let _ = time::timeout(LONG, read).await.unwrap();
    assert!(!answer.starts_with(b"HTTP"));
    let told = follower.next().await;
    assert!(
        matches!(&told, Seen::Decision(told) if told.reason.as_deref() == Some("tls-handshake"))
    );
    let metrics = metrics(&rig);
    assert!(
        metrics.contains("livebridge_tls_handshake_failures_total 1"),
        "{metrics}"
    );
    assert!(
        metrics.contains("livebridge_tls_certificate_expiry_timestamp_seconds 2240524800"),
        "{metrics}"
    );
}

#[tokio::test]
async fn http_2_is_offered_by_alpn() {
    let ca = ca();
    let rig = Rig::durable(Files::new(issue(&ca, 2040), None).settings()).await;
    for (alpn, chosen) in [
        (vec!["h2", "http/1.1"], b"h2".as_slice()),
        (vec!["http/1.1"], b"http/1.1"),
    ] {
        let visitor = Visitor {
            alpn,
            ..Visitor::trusting(&ca)
        };
        let stream = visitor.connect(&rig).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(chosen));
        if chosen == b"h2" {
            let mut client = Http2::begin(stream).await;
            client.post(1, PATH, &signed(100)).await;
            assert_eq!(client.status(1).await, 200);
        } else {
            accepted(stream).await;
        }
    }
}

#[tokio::test]
async fn a_renewed_certificate_is_taken_without_dropping_connections_and_a_broken_one_is_not() {
    let ca = ca();
    let files = Files::new(issue(&ca, 2040), None);
    let rig = Rig::durable(files.settings()).await;
    let visitor = Visitor::trusting(&ca);
    let first = visitor.connect(&rig).await.unwrap();
    let old = own_certificate(&first);
    let mut first = accepted(first).await;

    let renewed = issue(&ca, 2041);
    // Half a renewal, and rubbish: the old one stays, and it is counted.
    for broken in [
        (renewed.0.clone(), issue(&ca, 2041).1),
        (b"rubbish".to_vec(), renewed.1.clone()),
    ] {
        files.put(broken);
        rig.reloads.refresh();
        let stream = visitor.connect(&rig).await.unwrap();
        assert_eq!(own_certificate(&stream), old);
    }
    assert_eq!(rig.metrics.reload_failures.get(), 2);
    assert!(metrics(&rig).contains("expiry_timestamp_seconds 2240524800"));

    files.put(renewed);
    rig.reloads.refresh();
    let second = visitor.connect(&rig).await.unwrap();
    assert_ne!(own_certificate(&second), old);
    accepted(second).await;
    assert!(metrics(&rig).contains("expiry_timestamp_seconds 2272060800"));
    // The old connection goes on.
    first.send(&post(PATH, &signed(1))).await;
    assert_eq!(first.answer().await.status, 200);
    assert_eq!(rig.metrics.reload_failures.get(), 2);
}

#[tokio::test]
async fn with_a_client_ca_nobody_comes_in_without_its_certificate() {
    let (ca, other) = (ca(), ca());
    let rig = Rig::durable(Files::new(issue(&ca, 2040), Some(&ca)).settings()).await;
    let known = Visitor {
        identity: Some(issue(&ca, 2040)),
        ..Visitor::trusting(&ca)
    };
    accepted(known.connect(&rig).await.unwrap()).await;
    for identity in [None, Some(issue(&other, 2040))] {
        let visitor = Visitor {
            identity,
            ..Visitor::trusting(&ca)
        };
        // In TLS 1.3 the client may be through with its part before it hears of the refusal.
        if let Ok(stream) = visitor.connect(&rig).await {
            let mut client = Client::new(stream);
            let _ =
                tokio::io::AsyncWriteExt::write_all(&mut client.socket, &post(PATH, &signed(100)))
                    .await;
            assert!(client.next().await.is_none());
        }
    }
    rig.until(|rig| rig.metrics.handshake_failures.get() == 2)
        .await;
}

#[tokio::test]
async fn a_handshake_that_is_never_finished_is_closed_in_time() {
    let ca = ca();
    let mut settings = Files::new(issue(&ca, 2040), None).settings();
    settings.http.handshake_timeout = SHORT;
    let rig = Rig::durable(settings).await;
    let mut follower = rig.decisions.follow(&[]).unwrap();
    // Nothing at all, and the start of a ClientHello.
    for sent in [b"".as_slice(), b"\x16\x03\x01\x02\x00\x01"] {
        let mut client = rig.connect().await;
        client.send(sent).await;
        assert!(client.next().await.is_none());
        let told = follower.next().await;
        assert!(
            matches!(&told, Seen::Decision(told) if told.reason.as_deref() == Some("handshake-timeout"))
        );
    }
}

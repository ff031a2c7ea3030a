//! Keys and certificates are exchanged under load, as an operator would, and nobody is refused.

use rcgen::{CertificateParams, KeyPair};
use std::{
    fs, io,
    path::Path,
    process::Command,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};
use support::{callback, http::Client, metrics::Metrics, relay::Relay, topics::Topics, wait};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{
        ClientConfig, RootCertStore,
        crypto::ring,
        pki_types::{CertificateDer, pem::PemObject},
    },
};

const PATH: &str = "/callbacks/tencent";
const SOON: Duration = Duration::from_secs(20);

fn relay() -> Relay {
    let binary = env!("CARGO_BIN_EXE_livebridge");
    Relay::new(binary, "127.0.0.1:1", &Topics::named())
}

fn signed_with(key: &str, number: u64) -> String {
    let t = callback::fresh_t();
    let sign = callback::sign(key, t);
    format!(r#"{{"event_type":100,"stream_id":"s{number}","t":{t},"sign":"{sign}"}}"#)
}

fn matches(metrics: &Metrics, key: &str) -> Option<f64> {
    let label = format!("key=\"{key}\"");
    metrics.sum("livebridge_signature_key_matches_total", &[&label])
}

#[test]
fn keys_are_rotated_under_load_and_nobody_is_refused() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("callback-key");
    fs::write(&file, "old-key\n").expect("a key file");
    let quoted = format!("[\"{}\"]", file.display());
    let mut relay = relay()
        .set("sources.tencent.keys", "[]")
        .set("sources.tencent.key_files", &quoted);
    relay.start();
    let key = Arc::new(Mutex::new("old-key"));
    let (stop, sent) = <(Arc<AtomicBool>, Arc<AtomicU64>)>::default();
    let senders: Vec<_> = (0..2)
        .map(|sender| {
            let (key, stop, sent) = (Arc::clone(&key), Arc::clone(&stop), Arc::clone(&sent));
            let mut client = Client::new(relay.address());
            std::thread::spawn(move || {
                for number in 0.. {
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                    let body = signed_with(*key.lock().expect("a key"), 2 * number + sender);
                    let answer = client.post(PATH, &body).expect("an answer");
                    assert_eq!(answer.status, 200, "{}", answer.text());
                    sent.fetch_add(1, Ordering::Relaxed);
                    wait::pass(Duration::from_millis(5));
                }
            })
        })
        .collect();
    let more = || {
        let goal = sent.load(Ordering::Relaxed) + 100;
        wait::until("more callbacks are answered", SOON, || {
            (sent.load(Ordering::Relaxed) >= goal).then_some(())
        });
    };
    let names = || {
        relay.status()["keys"]["tencent"]
            .as_array()
            .map_or(0, Vec::len)
    };
    let reload = |content: &str, keys: usize| {
        fs::write(&file, content).expect("a key file");
        relay.hang_up();
        wait::until("the keys are read", SOON, || {
            (names() == keys).then_some(())
        });
    };
    more();
    reload("old-key\nnew-key\n", 2);
    more();
    *key.lock().expect("a key") = "new-key";
    more();
    // The operator sees that the old key, the first in the file, is used no more.
    let before = matches(&relay.metrics(), "callback-key");
    more();
    let after = matches(&relay.metrics(), "callback-key");
    assert!(after.is_some() && after == before, "{before:?} {after:?}");
    reload("new-key\n", 1);
    more();
    // An empty file keeps the keys, and says so.
    fs::write(&file, "").expect("a key file");
    relay.hang_up();
    wait::until("it is said", SOON, || {
        relay
            .log()
            .contains("a key file is not usable")
            .then_some(())
    });
    more();
    assert!(
        relay
            .metrics()
            .count("livebridge_config_reload_failures_total", &[])
            > 0
    );
    stop.store(true, Ordering::Relaxed);
    for sender in senders {
        sender.join().expect("a sender was refused");
    }
    let metrics = relay.metrics();
    assert_eq!(
        metrics.count("livebridge_callbacks_total", &[r#"outcome="rejected""#]),
        0
    );
    assert_eq!(
        metrics.count("livebridge_callbacks_total", &[r#"outcome="accepted""#]),
        i64::try_from(sent.load(Ordering::Relaxed)).expect("few")
    );
    assert!(!relay.log().contains("new-key"), "a key is in the log");
}

fn issue(dir: &Path, roots: &mut RootCertStore) -> Vec<u8> {
    let params = CertificateParams::new(["localhost".to_owned()]).expect("a name");
    let key = KeyPair::generate().expect("a key");
    let cert = params.self_signed(&key).expect("a certificate");
    roots
        .add(CertificateDer::from_pem_slice(cert.pem().as_bytes()).expect("PEM"))
        .expect("a root");
    // The order of a careless operator: for a moment the two don't belong together.
    fs::write(dir.join("cert.pem"), cert.pem()).expect("a file");
    fs::write(dir.join("key.pem"), key.serialize_pem()).expect("a file");
    cert.der().to_vec()
}

async fn secure(address: &str, roots: &Arc<RootCertStore>) -> io::Result<TlsStream<TcpStream>> {
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(Arc::clone(roots))
        .with_no_client_auth();
    let name = "localhost".try_into().expect("a name");
    let socket = TcpStream::connect(address).await?;
    TlsConnector::from(Arc::new(config))
        .connect(name, socket)
        .await
}

async fn post(stream: &mut TlsStream<TcpStream>, number: u64) -> io::Result<()> {
    let body = signed_with(callback::KEY, number);
    let head = format!(
        "POST {PATH} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream
        .write_all(&[head.as_bytes(), body.as_bytes()].concat())
        .await?;
    let mut answer = Vec::new();
    while !answer.ends_with(b"{\"code\":0}") {
        if stream.read_buf(&mut answer).await? == 0 || answer.len() > 4096 {
            return Err(io::Error::other(String::from_utf8_lossy(&answer)));
        }
    }
    if answer.starts_with(b"HTTP/1.1 200 ") {
        Ok(())
    } else {
        Err(io::Error::other(String::from_utf8_lossy(&answer)))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_is_renewed_under_load_and_no_request_fails() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut all = RootCertStore::empty();
    // Clients trust whatever comes: made before anything starts, put in place one after the other.
    let first = issue(dir.path(), &mut all);
    let mut later = Vec::new();
    for _ in 0..3 {
        let place = tempfile::tempdir().expect("a directory");
        let der = issue(place.path(), &mut all);
        later.push((place, der));
    }
    let roots = Arc::new(all);
    let path = |name: &str| format!("\"{}\"", dir.path().join(name).display());
    let mut relay = relay()
        .set("http.tls.cert_file", &path("cert.pem"))
        .set("http.tls.key_file", &path("key.pem"))
        .set("http.handshake_timeout", "\"2s\"");
    relay.start();
    let address = relay.address();
    let (stop, sent) = <(Arc<AtomicBool>, Arc<AtomicU64>)>::default();
    // One sender keeps its connection through all renewals, one makes a new one each time.
    let senders: Vec<_> = [true, false]
        .map(|keeps| {
            let (stop, sent, roots, address) = (
                Arc::clone(&stop),
                Arc::clone(&sent),
                Arc::clone(&roots),
                address.clone(),
            );
            tokio::spawn(async move {
                let mut stream = secure(&address, &roots).await.expect("a handshake");
                for number in 0.. {
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                    if !keeps {
                        stream = secure(&address, &roots).await.expect("a handshake");
                    }
                    post(&mut stream, 2 * number + u64::from(keeps))
                        .await
                        .expect("a 200");
                    sent.fetch_add(1, Ordering::Relaxed);
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            })
        })
        .into();
    // Handshakes that are never finished are there all the while.
    let mut unfinished = Vec::new();
    for _ in 0..300 {
        let mut stream = TcpStream::connect(&address).await.expect("a connection");
        stream
            .write_all(b"\x16\x03\x01\x02\x00\x01\x00")
            .await
            .expect("the start of a hello");
        unfinished.push(stream);
    }
    let presented = async || {
        let stream = secure(&address, &roots).await.expect("a handshake");
        stream
            .get_ref()
            .1
            .peer_certificates()
            .expect("a certificate")[0]
            .to_vec()
    };
    assert_eq!(presented().await, first);
    for (place, der) in &later {
        let before = sent.load(Ordering::Relaxed);
        for name in ["cert.pem", "key.pem"] {
            fs::copy(place.path().join(name), dir.path().join(name)).expect("a copy");
            relay.hang_up();
        }
        let renewed = async {
            while presented().await != *der || sent.load(Ordering::Relaxed) < before + 50 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(SOON, renewed)
            .await
            .expect("the new certificate is taken");
    }
    for stream in &mut unfinished {
        let mut byte = [0];
        let read = tokio::time::timeout(SOON, stream.read(&mut byte))
            .await
            .expect("closed in time");
        assert!(
            matches!(read, Ok(0) | Err(_)),
            "an answer to half a handshake"
        );
    }
    stop.store(true, Ordering::Relaxed);
    for sender in senders {
        sender.await.expect("a request failed");
    }
    let metrics = relay.metrics();
    assert_eq!(
        metrics.count("livebridge_callbacks_total", &[r#"outcome="rejected""#]),
        0
    );
    assert!(metrics.count("livebridge_tls_certificate_expiry_timestamp_seconds", &[]) > 0);
    assert!(relay.log().contains("a new certificate is in use"));
}

#[test]
fn send_speaks_tls_to_whom_it_trusts_and_says_why_a_callback_was_refused() {
    let dir = tempfile::tempdir().expect("a directory");
    issue(dir.path(), &mut RootCertStore::empty());
    let path = |name: &str| dir.path().join(name).display().to_string();
    let mut relay = relay()
        .set("http.tls.cert_file", &format!("\"{}\"", path("cert.pem")))
        .set("http.tls.key_file", &format!("\"{}\"", path("key.pem")));
    relay.start();
    let port = relay.address();
    let (_, port) = port.rsplit_once(':').expect("a port");
    // For the system's CAs: one that has signed nothing here.
    let other = tempfile::tempdir().expect("a directory");
    issue(other.path(), &mut RootCertStore::empty());
    let send = |key: &str, more: &[&str]| {
        let url = format!("https://localhost:{port}{PATH}");
        let sent = Command::new(env!("CARGO_BIN_EXE_livebridge"))
            .args(["send", "--url", &url, "--key", key])
            .args(more)
            .env("SSL_CERT_FILE", other.path().join("cert.pem"))
            .env_remove("SSL_CERT_DIR")
            .output()
            .expect("the binary runs");
        let said = String::from_utf8_lossy(&sent.stdout).into_owned();
        (sent.status.code(), said)
    };
    let ca = path("cert.pem");
    let (code, said) = send(callback::KEY, &["--ca-file", &ca, "--count", "3"]);
    assert!(code == Some(0) && said.contains("200: 3"), "{said}");
    let (code, said) = send("another-key", &["--ca-file", &ca]);
    assert!(
        code == Some(1) && said.contains("401: 1 (the callback is not authentic)"),
        "{said}"
    );
    let (code, said) = send(callback::KEY, &[]);
    assert!(
        code == Some(1) && said.contains("no answer: 1") && said.contains("certificate"),
        "{said}"
    );
}

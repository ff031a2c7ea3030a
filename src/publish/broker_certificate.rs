//! Why a broker's certificate isn't accepted. librdkafka only says that it isn't; this asks the broker for it, and looks.
//!
//! Nothing is sent to a broker but the beginning of a handshake, which ends when the certificate is there.

use super::{
    classify::Code,
    client_log::ClientLog,
    mailbox::{ProducerId, Reports},
    trouble::{Flaw, Trouble},
};
use crate::{
    certificate,
    clock::{Clock, Millis, SystemClock},
};
use std::{
    net::{TcpStream, ToSocketAddrs},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};
use tokio_rustls::rustls::{
    self, ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme,
    client::{
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_name,
    },
    crypto::ring,
    pki_types::{CertificateDer, ServerName, UnixTime},
    server::ParsedCertificate,
};

/// For the connection, and for each answer.
const PATIENCE: Duration = Duration::from_secs(3);

/// Explains on a thread of its own, one at a time: whoever hears of a trouble must not wait for a broker.
#[derive(Debug, Clone, Default)]
pub(super) struct Explainer(Arc<AtomicBool>);

/// Who wants to know, about whom.
pub(super) struct Question {
    pub(super) address: String,
    /// Whether names are compared (`ssl.endpoint.identification.algorithm`).
    pub(super) checks_name: bool,
    pub(super) code: Code,
    pub(super) producer: ProducerId,
    pub(super) reports: Arc<dyn Reports>,
    pub(super) log: Arc<ClientLog>,
}

impl Explainer {
    /// Tells the reports and the log what is wrong. While another is explained nothing happens: librdkafka repeats itself.
    pub(super) fn explain(&self, question: Question) {
        if self.0.swap(true, Ordering::AcqRel) {
            return;
        }
        // Dropped where there is no thread for it, too.
        let busy = Busy(Arc::clone(&self.0));
        let started = thread::Builder::new()
            .name("livebridge-explain".into())
            .spawn(move || {
                let _busy = busy;
                question.answer();
            });
        if let Err(error) = started {
            tracing::debug!(%error, "no thread to look at a certificate");
        }
    }
}

/// Until it is dropped, by a panic as well.
struct Busy(Arc<AtomicBool>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

impl Question {
    fn answer(self) {
        let trouble = explained(&self.address, self.checks_name);
        self.log.say(&trouble);
        self.reports.trouble(self.producer, self.code, trouble);
    }
}

/// What is wrong with the certificate of the broker at this address, as far as a look at it tells. Takes a few seconds at the
/// most, unless the broker is slow on purpose.
#[must_use]
pub fn explained(address: &str, checks_name: bool) -> Trouble {
    let flaw = host_and_port(address).and_then(|(host, port)| {
        let chain = chain(host, port)?;
        Some(flaw(&chain, checks_name.then_some(host), SystemClock.now()))
    });
    Trouble::of_certificate(address, flaw.as_ref())
}

fn host_and_port(address: &str) -> Option<(&str, u16)> {
    let (host, port) = address.rsplit_once(':')?;
    let host = host
        .strip_prefix('[')
        .and_then(|h| h.strip_suffix(']'))
        .unwrap_or(host);
    Some((host, port.parse().ok()?))
}

/// What the broker shows: its certificate, then those of its CAs.
fn chain(host: &str, port: u16) -> Option<Vec<CertificateDer<'static>>> {
    let mut addresses = (host, port).to_socket_addrs().ok()?;
    let mut socket = addresses.find_map(|at| TcpStream::connect_timeout(&at, PATIENCE).ok())?;
    socket.set_read_timeout(Some(PATIENCE)).ok()?;
    socket.set_write_timeout(Some(PATIENCE)).ok()?;
    let seen = Arc::new(Seen::default());
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .ok()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::clone(&seen) as Arc<dyn ServerCertVerifier>)
        .with_no_client_auth();
    let name = ServerName::try_from(host.to_owned()).ok()?;
    let mut tls = ClientConnection::new(Arc::new(config), name).ok()?;
    // Seeing the certificate ends it.
    while tls.is_handshaking() && tls.complete_io(&mut socket).is_ok() {}
    let mut chain = seen.0.lock().unwrap_or_else(PoisonError::into_inner);
    chain.take()
}

/// The first thing that is wrong. The CA isn't asked for: what is for this name, and of this time, and wasn't accepted, was
/// signed by nobody who is trusted.
fn flaw(chain: &[CertificateDer<'_>], name: Option<&str>, now: Millis) -> Flaw {
    for der in chain {
        let Some((from, until)) = certificate::validity(der) else {
            continue;
        };
        let now = i64::try_from(now.seconds()).unwrap_or(i64::MAX);
        if now > until {
            return Flaw::Expired(date(until));
        }
        if now < from {
            return Flaw::NotYet(date(from));
        }
    }
    let own = chain
        .first()
        .and_then(|der| ParsedCertificate::try_from(der).ok());
    if let (Some(own), Some(name)) = (own, name)
        && let Ok(called) = ServerName::try_from(name)
        && verify_server_name(&own, &called).is_err()
    {
        return Flaw::Name(name.to_owned());
    }
    Flaw::Issuer
}

fn date(seconds: i64) -> String {
    let at = Millis::from_seconds(u64::try_from(seconds).unwrap_or(0));
    at.to_string().chars().take(10).collect()
}

/// Keeps the certificates and accepts none.
#[derive(Debug, Default)]
struct Seen(Mutex<Option<Vec<CertificateDer<'static>>>>);

impl ServerCertVerifier for Seen {
    fn verify_server_cert(
        &self,
        own: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let chain = [own].into_iter().chain(others);
        let chain = chain.map(|der| der.clone().into_owned()).collect();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(chain);
        Err(looked_at())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(looked_at())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(looked_at())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let provider = ring::default_provider();
        provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

fn looked_at() -> rustls::Error {
    rustls::Error::General("only looked at".into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    fn certificate(name: &str, from: i32, until: i32) -> CertificateDer<'static> {
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.not_before = date_time_ymd(from, 1, 1);
        params.not_after = date_time_ymd(until, 1, 1);
        params
            .self_signed(&KeyPair::generate().unwrap())
            .unwrap()
            .into()
    }

    /// 2026-11-26.
    const NOW: Millis = Millis::from_seconds(1_795_651_200);

    #[test]
    fn the_time_is_looked_at_then_the_name_and_what_is_left_is_the_issuer() {
        let right = || certificate("kafka-1", 2020, 2040);
        let old = certificate("kafka-1", 2020, 2026);
        let early = certificate("kafka-1", 2030, 2040);
        assert_eq!(flaw(&[right()], Some("kafka-1"), NOW), Flaw::Issuer);
        assert_eq!(
            flaw(&[right()], Some("kafka-2"), NOW),
            Flaw::Name("kafka-2".into())
        );
        assert_eq!(flaw(&[right()], None, NOW), Flaw::Issuer);
        for name in ["kafka-1", "kafka-2"] {
            let expired = Flaw::Expired("2026-01-01".into());
            assert_eq!(flaw(std::slice::from_ref(&old), Some(name), NOW), expired);
            assert_eq!(
                flaw(&[right(), old.clone()], Some(name), NOW),
                expired,
                "a CA"
            );
        }
        assert_eq!(flaw(&[early], None, NOW), Flaw::NotYet("2030-01-01".into()));
    }

    #[test]
    fn addresses_are_taken_apart() {
        assert_eq!(host_and_port("kafka-1:9093"), Some(("kafka-1", 9093)));
        assert_eq!(host_and_port("[::1]:9093"), Some(("::1", 9093)));
        assert_eq!(host_and_port("kafka-1"), None);
    }

    #[test]
    fn who_isnt_there_has_no_certificate_to_look_at() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        drop(listener);
        let trouble = explained(&address, true);
        assert!(
            trouble.text.contains("can't be verified"),
            "{}",
            trouble.text
        );
    }
}

//! TLS: from the texts of certificate, key and client CA files to what the door hands to rustls.
//!
//! The provider is `ring`: it builds in seconds with a C compiler alone, where aws-lc-rs needs cmake and a minute or
//! more. Whoever reads the files again uses [`server_config`] again, so that what passed at start is judged alike later.

use std::{path::PathBuf, sync::Arc};
use tokio_rustls::rustls::{
    self, RootCertStore, ServerConfig,
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, PrivateKeyDer, pem, pem::PemObject},
    server::{VerifierBuilderError, WebPkiClientVerifier, danger::ClientCertVerifier},
};

/// Where the door's identity lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// `http.tls.cert_file`: the certificate, then its intermediates, PEM.
    pub cert: PathBuf,
    /// `http.tls.key_file`: its private key, PEM.
    pub key: PathBuf,
    /// `http.tls.client_ca_file`: the CAs of which one must have signed the client's certificate, PEM; none = clients
    /// need no certificate.
    pub client_ca: Option<PathBuf>,
}

/// What is in the files.
#[derive(Clone, PartialEq, Eq)]
pub struct Pem {
    /// The certificate chain.
    pub cert: Vec<u8>,
    /// The private key.
    pub key: Vec<u8>,
    /// The CAs of clients.
    pub client_ca: Option<Vec<u8>>,
}

/// A key is among it.
impl std::fmt::Debug for Pem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Pem(..)")
    }
}

/// Why the files make no identity. Never quotes what they hold.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// No certificate in PEM form.
    #[error("cert_file holds no certificate; write it as PEM, the door's own first: {0}")]
    Certificate(pem::Error),
    /// The same, with nothing wrong in what is there.
    #[error("cert_file holds no certificate; write it as PEM, the door's own first")]
    NoCertificate,
    /// No private key in PEM form.
    #[error(
        "key_file holds no private key; write it as PEM (PKCS #8, PKCS #1 or SEC 1), without a password"
    )]
    Key,
    /// The key isn't the certificate's, or of a kind that isn't known.
    #[error("certificate and key can't be used together: {0}")]
    Pair(rustls::Error),
    /// Not CAs.
    #[error("client_ca_file holds no usable CA certificate; write it as PEM")]
    ClientCa,
    /// Not CAs, says rustls.
    #[error("client_ca_file can't be used: {0}")]
    ClientVerifier(#[from] VerifierBuilderError),
}

/// What rustls serves with, and the door's own certificate.
///
/// # Errors
/// If the files make no identity.
pub fn server_config(pem: &Pem) -> Result<(ServerConfig, CertificateDer<'static>), TlsError> {
    let chain: Vec<_> = CertificateDer::pem_slice_iter(&pem.cert)
        .collect::<Result<_, _>>()
        .map_err(TlsError::Certificate)?;
    let own = chain.first().cloned().ok_or(TlsError::NoCertificate)?;
    let key = PrivateKeyDer::from_pem_slice(&pem.key).map_err(|_| TlsError::Key)?;
    let provider = Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .map_err(TlsError::Pair)?;
    let builder = match &pem.client_ca {
        None => builder.with_no_client_auth(),
        Some(ca) => builder.with_client_cert_verifier(client_verifier(ca, provider)?),
    };
    let mut config = builder
        .with_single_cert(chain, key)
        .map_err(TlsError::Pair)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok((config, own))
}

fn client_verifier(
    pem: &[u8],
    provider: Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    let mut roots = RootCertStore::empty();
    for ca in CertificateDer::pem_slice_iter(pem) {
        let ca = ca.map_err(|_| TlsError::ClientCa)?;
        roots.add(ca).map_err(|_| TlsError::ClientCa)?;
    }
    if roots.is_empty() {
        return Err(TlsError::ClientCa);
    }
    Ok(WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertifiedKey, generate_simple_self_signed};

    fn pem() -> Pem {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        Pem {
            cert: cert.pem().into(),
            key: signing_key.serialize_pem().into(),
            client_ca: None,
        }
    }

    #[test]
    fn a_pair_that_belongs_together_is_taken_and_offers_both_protocols() {
        let mut pem = pem();
        pem.client_ca = Some(pem.cert.clone());
        let (config, _) = server_config(&pem).unwrap();
        assert_eq!(
            config.alpn_protocols,
            [b"h2".to_vec(), b"http/1.1".to_vec()]
        );
    }

    #[test]
    fn whatever_makes_no_identity_is_refused_without_being_quoted() {
        let (right, other) = (pem(), pem());
        let cases = [
            Pem {
                cert: vec![],
                ..right.clone()
            },
            Pem {
                cert: b"-----BEGIN CERTIFICATE-----\nx".into(),
                ..right.clone()
            },
            Pem {
                key: vec![],
                ..right.clone()
            },
            Pem {
                key: b"s3cret".into(),
                ..right.clone()
            },
            Pem {
                key: other.key,
                ..right.clone()
            },
            Pem {
                cert: right.key.clone(),
                ..right.clone()
            },
            Pem {
                client_ca: Some(vec![]),
                ..right.clone()
            },
            Pem {
                client_ca: Some(right.key.clone()),
                ..right.clone()
            },
        ];
        for broken in cases {
            let why = server_config(&broken).unwrap_err();
            assert!(
                !format!("{why}{why:?}{broken:?}").contains("s3cret"),
                "{why}"
            );
        }
    }
}

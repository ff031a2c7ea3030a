//! TLS, proxies and addresses: settings that need each other, or files.

use super::*;

fn debug(value: &impl std::fmt::Debug) -> String {
    format!("{value:?}")
}

fn tls_world(cert: &str, key: &str) -> World {
    World::with_key()
        .toml("[http.tls]\ncert_file = \"c.pem\"\nkey_file = \"k.pem\"\n")
        .file("c.pem", cert)
        .file("k.pem", key)
}

#[test]
fn tls_needs_a_certificate_and_its_key_that_can_be_used_together() {
    let pair = || rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (one, other) = (pair(), pair());
    let (cert, key) = (one.cert.pem(), one.signing_key.serialize_pem());
    let files = tls_world(&cert, &key).config().http.tls;
    assert_eq!(
        debug(&files),
        "Some(TlsFiles { cert: \"c.pem\", key: \"k.pem\", client_ca: None })"
    );
    assert!(World::with_key().config().http.tls.is_none());

    let fault = tls_world(&cert, &other.signing_key.serialize_pem()).fault();
    assert!(
        fault.starts_with("http.tls: certificate and key can't be used together"),
        "{fault}"
    );
    let fault = tls_world(&cert, SECRET).fault();
    assert!(fault.contains("key_file holds no private key"), "{fault}");
    let world =
        World::with_key().toml("[http.tls]\ncert_file = \"c.pem\"\nclient_ca_file = \"ca.pem\"\n");
    assert!(world.fault().starts_with("http.tls.key_file: is missing"));
    let world = World::with_key()
        .toml("[http.tls]\ncert_file = \"c.pem\"\nkey_file = \"k.pem\"\nclient_ca_file = \"ca.pem\"\n")
        .file("c.pem", &cert);
    let faults = world.faults();
    assert_eq!(faults.len(), 2, "{faults:?}");
    assert!(
        faults[0].starts_with("http.tls.key_file in settings.toml: k.pem can't be read"),
        "{faults:?}"
    );
    assert!(
        faults[1].starts_with("http.tls.client_ca_file in settings.toml: ca.pem can't be read"),
        "{faults:?}"
    );
}

#[test]
fn addresses_are_trusted_and_allowed_by_range() {
    let config = World::with_key()
        .toml("[http]\ntrusted_proxies = [\"10.0.0.0/8\"]\nproxy_protocol = \"on\"\n[sources.tencent]\nkind = \"volcengine-live\"\nallow = [\"192.0.2.1\", \"2001:db8::/32\"]\n")
        .config();
    assert!(config.http.proxy_protocol);
    assert_eq!(config.sources[0].allow.len(), 2);
    assert_eq!(config.sources[0].kind, SourceKind::VolcengineLive);
    let faults = World::with_key()
        .toml("[http]\ntrusted_proxies = [\"10.0.0.0/33\", \"proxy.example\"]\n[sources.tencent]\nallow = [\"x\"]\n")
        .faults();
    assert_eq!(faults.len(), 3, "{faults:?}");
    let fault = World::with_key()
        .toml("[http]\nproxy_protocol = \"on\"\n")
        .fault();
    assert!(fault.contains("needs http.trusted_proxies"), "{fault}");
}

//! Who is asking: addresses that proxies forward, and what hangs on them.

use super::rig::*;
use crate::{config::Cidr, follow::Seen};

const PATH: &str = "/callbacks/tencent";

fn ranges(texts: &[&str]) -> Vec<Cidr> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

/// Behind a proxy on this machine; callbacks are taken from 192.0.2.0/24 only.
fn behind(proxies: &[&str]) -> Settings {
    let mut settings = Settings::default();
    settings.http.trusted_proxies = ranges(proxies);
    settings.sources[0].allow = ranges(&["192.0.2.0/24"]);
    settings
}

fn forwarded(by: &str) -> Vec<u8> {
    let body = signed(100);
    format!("POST {PATH} HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: {by}\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into()
}

#[tokio::test]
async fn a_source_takes_callbacks_from_the_addresses_that_it_allows_and_no_others() {
    let rig = Rig::durable(behind(&[])).await;
    assert_eq!(rig.post(PATH, &signed(100)).await.status, 404);
    let metrics = String::from_utf8(crate::metrics::encode(&rig.registry).unwrap()).unwrap();
    assert!(metrics.contains("livebridge_addresses_refused_total{source=\"tencent\"} 1"));
    // Another source allows everyone.
    assert_eq!(
        rig.post("/callbacks/secret/s3cret", &signed(100))
            .await
            .status,
        200
    );
    let mut settings = Settings::default();
    settings.sources[0].allow = ranges(&["192.0.2.0/24", "127.0.0.0/8"]);
    let rig = Rig::durable(settings).await;
    assert_eq!(rig.post(PATH, &signed(100)).await.status, 200);
}

#[tokio::test]
async fn x_forwarded_for_counts_from_trusted_proxies_only() {
    for (proxies, status) in [
        (&["127.0.0.1"] as &[_], 200),
        (&[], 404),
        (&["10.0.0.0/8"], 404),
    ] {
        let rig = Rig::durable(behind(proxies)).await;
        let mut client = rig.connect().await;
        client.send(&forwarded("192.0.2.7")).await;
        assert_eq!(client.answer().await.status, status, "{proxies:?}");
        client.send(&forwarded("192.0.2.7, 198.51.100.1")).await;
        assert_eq!(
            client
                .next()
                .await
                .map(|answer| answer.status)
                .unwrap_or(404),
            404
        );
    }
}

#[tokio::test]
async fn a_proxy_header_says_who_is_asking_and_must_be_there() {
    let mut settings = behind(&["127.0.0.1"]);
    settings.http.proxy_protocol = true;
    let rig = Rig::durable(settings).await;
    for (source, status) in [("192.0.2.7", 200), ("198.51.100.7", 404)] {
        let mut client = rig.connect().await;
        client
            .send(format!("PROXY TCP4 {source} 127.0.0.1 4711 443\r\n").as_bytes())
            .await;
        client.send(&post(PATH, &signed(100))).await;
        assert_eq!(client.answer().await.status, status);
    }
    // Whom it names is not a trusted proxy: what it forwards is not believed.
    let mut client = rig.connect().await;
    client
        .send(b"PROXY TCP4 198.51.100.7 127.0.0.1 4711 443\r\n")
        .await;
    client.send(&forwarded("192.0.2.7")).await;
    assert_eq!(client.answer().await.status, 404);
    let mut follower = rig.decisions.follow(&[]).unwrap();
    let mut without = rig.connect().await;
    without.send(&post(PATH, &signed(100))).await;
    assert!(without.next().await.is_none());
    let told = follower.next().await;
    assert!(
        matches!(&told, Seen::Decision(told) if told.reason.as_deref() == Some("proxy-header"))
    );
}

#[tokio::test]
async fn a_proxy_header_from_anyone_else_is_not_even_read() {
    let mut settings = behind(&["10.0.0.0/8"]);
    settings.http.proxy_protocol = true;
    let rig = Rig::durable(settings).await;
    let mut client = rig.connect().await;
    client
        .send(b"PROXY TCP4 192.0.2.7 127.0.0.1 4711 443\r\n")
        .await;
    client.send(&post(PATH, &signed(100))).await;
    assert_eq!(client.answer().await.status, 400);
}

#[tokio::test]
async fn a_proxy_header_that_never_comes_is_closed_in_time() {
    let mut settings = behind(&["127.0.0.1"]);
    settings.http.proxy_protocol = true;
    settings.http.handshake_timeout = std::time::Duration::from_millis(50);
    let rig = Rig::durable(settings).await;
    let mut client = rig.connect().await;
    client.send(b"PROXY TCP4 ").await;
    assert!(client.next().await.is_none());
}

#[tokio::test]
async fn the_limit_per_address_is_that_of_the_clients_behind_a_proxy() {
    let mut settings = Settings::default();
    settings.http.trusted_proxies = ranges(&["127.0.0.1"]);
    settings.http.proxy_protocol = true;
    settings.limits.connections_per_address = Some(1);
    let rig = Rig::durable(settings).await;
    let hello = |client: u8| format!("PROXY TCP4 192.0.2.{client} 127.0.0.1 1 1\r\n");
    let mut kept = vec![];
    for (client, taken) in [(1, true), (2, true), (1, false)] {
        let mut connection = rig.connect().await;
        connection.send(hello(client).as_bytes()).await;
        connection.send(&post(PATH, &signed(100))).await;
        assert_eq!(connection.next().await.is_some(), taken);
        kept.push(connection);
    }
    assert_eq!(rig.metrics.connections_refused.get(), 1);
}

#[tokio::test]
async fn behind_an_http_proxy_a_client_has_so_many_requests_in_flight() {
    let mut settings = Settings::default();
    settings.http.trusted_proxies = ranges(&["127.0.0.1"]);
    settings.limits.connections_per_address = Some(1);
    let (rig, mut writer) = Rig::with_writer(settings).await;
    let mut first = rig.connect().await;
    first.send(&forwarded("192.0.2.1")).await;
    let waiting = writer.next().await.unwrap();
    for (client, status) in [("192.0.2.1", 503), ("192.0.2.2", 200)] {
        let mut other = rig.connect().await;
        other.send(&forwarded(client)).await;
        if status == 200 {
            writer
                .next()
                .await
                .unwrap()
                .durable(crate::spool::How::Duplicate);
        }
        assert_eq!(other.answer().await.status, status);
    }
    waiting.durable(crate::spool::How::New);
    assert_eq!(first.answer().await.status, 200);
}

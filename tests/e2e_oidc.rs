//! OAUTHBEARER with OpenID Connect: librdkafka asks an endpoint for a token with the client's credentials, and the broker takes
//! it. Only in builds with `--features oidc`; `./dev soak` runs it.
#![cfg(feature = "oidc")]
#![expect(
    clippy::indexing_slicing,
    reason = "digits of base64, by numbers below 64"
)]

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    thread,
    time::Duration,
};
use support::{
    callback,
    doors::{Doors, Listener},
    reader,
    relay::Relay,
    topics::Topics,
    wait,
};

const SETTLE: Duration = Duration::from_secs(120);
const SECRET: &str = "hunter2-right";

#[test]
fn a_token_opens_the_way_and_a_wrong_secret_is_one_clear_word_until_it_is_put_right() {
    let endpoint = endpoint();
    let module = "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule";
    let jaas = format!("{module} required unsecuredLoginStringClaim_sub=\"broker\";");
    let doors = Doors::started(
        &[Listener {
            name: "TOKEN",
            protocol: "SASL_PLAINTEXT",
            settings: vec![
                ("sasl.enabled.mechanisms", "OAUTHBEARER".into()),
                ("oauthbearer.sasl.jaas.config", jaas),
            ],
        }],
        "",
    );
    let topics = Topics::create(doors.broker(), 1);
    let dir = tempfile::tempdir().expect("a directory");
    let secret = dir.path().join("secret");
    fs::write(&secret, "hunter2-wrong\n").expect("a file");
    let binary = env!("CARGO_BIN_EXE_livebridge");
    let mut relay = Relay::new(binary, doors.way_in("TOKEN"), &topics);
    for (name, value) in [
        ("security.protocol", "SASL_PLAINTEXT"),
        ("sasl.mechanism", "OAUTHBEARER"),
        ("sasl.oauthbearer.method", "oidc"),
        ("sasl.oauthbearer.client.id", "relay"),
        ("sasl.oauthbearer.token.endpoint.url", &endpoint),
    ] {
        relay = relay.set(
            &format!("kafka.properties.\"{name}\""),
            &format!("\"{value}\""),
        );
    }
    let file = format!("\"{}\"", secret.display());
    relay = relay.set(
        "kafka.property_files.\"sasl.oauthbearer.client.secret\"",
        &file,
    );

    let (code, said) = relay.failing(&["check", "--online"]);
    assert_eq!(code, Some(1));
    assert_eq!(
        said.matches("no token for OAUTHBEARER").count(),
        1,
        "{said}"
    );
    relay.start();
    for number in 1..=5 {
        let answer = relay.post(&callback::signed(&callback::recording("s1", number)));
        assert_eq!(answer.status, 200);
    }
    wait::until("the word that there is no token", SETTLE, || {
        let status = relay.status();
        let error = status.pointer("/publisher/kafka/last_error")?.as_str()?;
        error.contains("no token for OAUTHBEARER").then_some(())
    });
    fs::write(&secret, SECRET).expect("a file");
    relay.wait_until_settled(SETTLE);
    let found = reader::read(&doors.broker().bootstrap(), &[topics.of("recording")]);
    assert_eq!(found.len(), 5);
    let checked = relay.command(&["check", "--online"]);
    assert!(checked.contains("brokers: 1"), "{checked}");
    assert!(!relay.log().contains("hunter2"));
}

/// An endpoint that gives a token to whoever shows the secret; it lives as long as the test's process.
fn endpoint() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            // Whoever hangs up half way gets nothing.
            let _ = answer(connection);
        }
    });
    format!("http://{address}/token")
}

fn answer(mut connection: TcpStream) -> std::io::Result<()> {
    let mut reader = BufReader::new(connection.try_clone()?);
    let (mut authorized, mut length) = (false, 0);
    let expected = format!(
        "authorization: basic {}",
        base64(&format!("relay:{SECRET}"), b"+/=").to_lowercase()
    );
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || line == "\r\n" {
            break;
        }
        let line = line.trim().to_lowercase();
        authorized |= line == expected;
        if let Some(given) = line.strip_prefix("content-length: ") {
            length = given.parse().unwrap_or(0);
        }
    }
    reader.take(length).read_to_end(&mut Vec::new())?;
    let (status, body) = if authorized {
        (
            "200 OK",
            format!(
                "{{\"access_token\":\"{}\",\"token_type\":\"bearer\",\"expires_in\":600}}",
                token()
            ),
        )
    } else {
        (
            "401 Unauthorized",
            "{\"error\":\"invalid_client\"}".to_owned(),
        )
    };
    write!(
        connection,
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}

/// Without a signature: the broker's own test validator takes it.
fn token() -> String {
    let now = callback::now();
    let claims = format!("{{\"sub\":\"relay\",\"iat\":{now},\"exp\":{}}}", now + 600);
    format!(
        "{}.{}.",
        base64("{\"alg\":\"none\"}", b"-_"),
        base64(&claims, b"-_")
    )
}

/// With these for the last two digits, and the third, if there is one, for padding.
fn base64(text: &str, last: &[u8]) -> String {
    let digits: Vec<u8> = (b'A'..=b'Z')
        .chain(b'a'..=b'z')
        .chain(b'0'..=b'9')
        .chain([last[0], last[1]])
        .collect();
    let mut encoded = String::new();
    for chunk in text.as_bytes().chunks(3) {
        let bits = chunk
            .iter()
            .fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte))
            << (8 * (3 - chunk.len()));
        for place in 0..=chunk.len() {
            encoded.push(char::from(digits[(bits >> (18 - 6 * place) & 63) as usize]));
        }
        if let Some(padding) = last.get(2) {
            (chunk.len()..3).for_each(|_| encoded.push(char::from(*padding)));
        }
    }
    encoded
}

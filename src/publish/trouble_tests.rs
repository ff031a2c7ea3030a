use super::*;

const DOWN: Code = Code::ALL_BROKERS_DOWN;

#[track_caller]
fn clear(line: &str, said: &[&str]) -> Trouble {
    let trouble = Trouble::of_line(line).unwrap_or_else(|| panic!("not known: {line}"));
    for bit in said {
        assert!(trouble.text.contains(bit), "{bit}: {}", trouble.text);
    }
    assert!(!trouble.text.contains(" (after "), "{}", trouble.text);
    trouble
}

#[test]
fn each_fault_is_one_sentence_that_says_where_and_what_to_do() {
    clear(
        "sasl_ssl://kafka-1:9093/bootstrap: SASL authentication error: Authentication failed during authentication due to \
         invalid credentials with SASL mechanism SCRAM-SHA-512 (after 310ms in state AUTH_REQ)",
        &[
            "kafka-1:9093",
            "refuses",
            "(SCRAM-SHA-512)",
            "sasl.password",
        ],
    );
    clear(
        "[thrd:sasl_ssl://kafka-1:9093/bootstrap]: sasl_ssl://kafka-1:9093/bootstrap: SASL PLAIN mechanism handshake failed: \
         Broker: Unsupported SASL mechanism: broker's supported mechanisms: SCRAM-SHA-256,SCRAM-SHA-512 (after 5ms in \
         state AUTH_HANDSHAKE)",
        &[
            "kafka-1:9093",
            "SCRAM-SHA-256,SCRAM-SHA-512",
            "sasl.mechanism",
        ],
    );
    let certificate = clear(
        "ssl://kafka-2:9094/2: SSL handshake failed: error:0A000086:SSL routines::certificate verify failed: broker \
         certificate could not be verified, verify that ssl.ca.location is correctly configured (after 5ms in state SSL_HANDSHAKE)",
        &[
            "certificate of the broker kafka-2:9094",
            "ssl.ca.location",
            "expired",
        ],
    );
    assert_eq!(certificate.certificate_of.as_deref(), Some("kafka-2:9094"));
    clear(
        "ssl://[::1]:9094/bootstrap: Disconnected: connecting to a PLAINTEXT broker listener? (after 1ms in state SSL_HANDSHAKE)",
        &["[::1]:9094", "doesn't speak TLS"],
    );
    clear(
        "kafka-1:9093/bootstrap: Disconnected: requesting ApiVersion: might be caused by incorrect security.protocol \
         configuration (connecting to a SSL listener?) or broker version is < 0.10 (after 4ms in state APIVERSION_QUERY)",
        &["kafka-1:9093", "TLS port", "security.protocol to ssl"],
    );
    let hung_up =
        "connection closed by peer: receive 0 after POLLIN (after 0ms in state APIVERSION_QUERY)";
    clear(
        &format!("[thrd:kafka-1:9093/bootstrap]: kafka-1:9093/bootstrap: Disconnected: {hung_up}"),
        &["kafka-1:9093", "TLS port"],
    );
    assert_eq!(
        Trouble::of_line(&format!("ssl://kafka-1:9093/1: Disconnected: {hung_up}")),
        None
    );
    clear(
        "ssl://kafka-1:9093/bootstrap: SSL handshake failed: error:0A00045C:SSL routines::tlsv13 alert certificate required \
         (after 9ms in state APIVERSION_QUERY)",
        &[
            "kafka-1:9093",
            "tlsv13 alert certificate required",
            "ssl.key.location",
        ],
    );
    clear(
        "Failed to acquire SASL OAUTHBEARER token: Failed to retrieve OIDC token from \"http://idp\": unauthorized (401)",
        &["token", "unauthorized (401)", "client.secret"],
    );
}

#[test]
fn what_isnt_known_keeps_its_words_and_its_code() {
    let refused =
        "kafka-1:9093/bootstrap: Connect to ipv4#10.0.0.1:9093 failed: Connection refused";
    let trouble = Trouble::of_error(Code(-195), refused);
    assert_eq!(trouble.worth, Worth::Plain);
    assert_eq!(trouble.text, format!("{}: {refused}", Code(-195)));
}

#[test]
fn that_all_are_down_doesnt_hide_why() {
    let down = || Trouble::of_error(DOWN, "1/1 brokers are down");
    let clear = || Trouble::of_certificate("k:9093", Some(&Flaw::Issuer));
    let plain = || Trouble::of_error(Code(-195), "Connection refused");
    assert_eq!(down().after(None), down());
    assert_eq!(clear().after(Some(down())), clear());
    assert_eq!(down().after(Some(clear())), clear());
    assert_eq!(down().after(Some(plain())), plain());
    // The password is right by now, and the broker away.
    assert_eq!(plain().after(Some(clear())), plain());
}

#[test]
fn a_certificate_has_one_of_five_sentences() {
    for (flaw, said) in [
        (
            Some(Flaw::Expired("2026-11-20".into())),
            "expired on 2026-11-20",
        ),
        (Some(Flaw::NotYet("2027-01-01".into())), "clock"),
        (Some(Flaw::Name("kafka".into())), "not for the name kafka"),
        (Some(Flaw::Issuer), "ssl.ca.location to the CA"),
        (None, "can't be verified"),
    ] {
        let trouble = Trouble::of_certificate("k:9093", flaw.as_ref());
        let begin = "the certificate of the broker k:9093 ";
        assert!(
            trouble.text.starts_with(begin) && trouble.text.contains(said),
            "{}",
            trouble.text
        );
    }
}

#[test]
fn others_words_are_cut() {
    let long = format!(
        "Failed to acquire SASL OAUTHBEARER token: {}",
        "é".repeat(9000)
    );
    assert!(Trouble::of_line(&long).unwrap().text.len() < 800);
}

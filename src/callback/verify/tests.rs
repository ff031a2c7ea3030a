use super::*;
use crate::config::{NamedKey, Secret};

const MINUTES_20: Duration = Duration::from_secs(1200);

fn keys(texts: &[&str]) -> Keys {
    let named: Vec<_> = texts
        .iter()
        .enumerate()
        .map(|(i, key)| NamedKey {
            name: format!("key-{}", i + 1),
            key: Secret::new(*key),
        })
        .collect();
    Keys::new(named)
}

fn policy(unsigned: &[i64]) -> Policy {
    Policy {
        auth_required: true,
        unsigned_events: unsigned.iter().copied().collect(),
        leeway: MINUTES_20,
    }
}

fn judge_at<'a>(
    body: &'a str,
    texts: &[&str],
    policy: &Policy,
    now: Millis,
) -> Result<Authentic<'a>, Refused> {
    let document = Document::parse(body.as_bytes()).unwrap();
    let request = Request::of_body(body.as_bytes());
    verify(&TencentCss, &request, document, &keys(texts), policy, now)
}

/// At 1750000000 s, with the key `relaykey01`.
fn judge<'a>(body: &'a str, policy: &Policy) -> Result<Authentic<'a>, Refused> {
    judge_at(
        body,
        &["relaykey01"],
        policy,
        Millis::from_seconds(1_750_000_000),
    )
}

const SIGN: &str = "40994cf0dff5bdb781e083f6699f3d05";

#[test]
fn the_known_signatures_verify() {
    for (key, t, signature) in [
        ("test", 1_545_030_873, "ca3e25e5dc17a6f9909a9ae7281e300d"),
        (
            "Xz4ZgayTr7rMgWQrH",
            1_588_040_109,
            "a2dabb362a9b811c0e26953a6276a41c",
        ),
        (
            "NjFGoDEy",
            1_614_151_508,
            "b9454ab5a85f9b7ad36071f5688ed34d",
        ),
        ("relaykey01", 1_750_000_000, SIGN),
        (
            "A1b2C3d4E5f6G7h8J9k0L1m2N3p4Q5r6",
            1_763_800_000,
            "167f42d59180072c0a5b45c099b9b8a7",
        ),
        (
            "adasda131312",
            1_999_999_999,
            "837ffffd87a232efa1dcf5acc8ff1c89",
        ),
        ("test", 1_622_600_525, "57d158ed72263fdc06f71a4a3785eb3f"),
        ("test", 1_754_623_810, "9e4bb18a54739577700a0d256b76c0ec"),
        ("test", 1_622_599_925, "5cf7b3cf74ef44ae4445b6052de74c08"),
        ("test", 1_473_646_392, "b7fc1e5f828bee824ee184fa1f3569cc"),
    ] {
        assert_eq!(sign(key, t), signature);
        let body = format!(r#"{{"event_type":100,"t":{t},"sign":"{signature}"}}"#);
        let authentic = judge_at(
            &body,
            &["other", key],
            &policy(&[]),
            Millis::from_seconds(t),
        );
        assert_eq!(authentic.unwrap().key(), Some(1), "{key} {t}");
    }
}

#[test]
fn the_documented_samples_that_reuse_a_signature_do_not_verify() {
    for t in [1_622_600_525, 1_754_623_810] {
        let body =
            format!(r#"{{"event_type":200,"t":{t},"sign":"ca3e25e5dc17a6f9909a9ae7281e300d"}}"#);
        let refused = judge_at(&body, &["test"], &policy(&[]), Millis::from_seconds(t));
        assert_eq!(refused, Err(Refused::Mismatch));
    }
}

#[test]
fn t_is_signed_as_the_text_that_came_number_or_string() {
    let padded = hex::encode({
        use md5::{Digest, Md5};
        Md5::digest("relaykey0101750000000")
    });
    for body in [
        format!(r#"{{"t":1750000000,"sign":"{SIGN}"}}"#),
        format!(r#"{{"t":"1750000000","sign":"{SIGN}"}}"#),
        format!(
            r#"{{"\u0074":"\u0031750000000","sign":"{}"}}"#,
            SIGN.to_uppercase()
        ),
        format!(r#"{{"t":"01750000000","sign":"{padded}"}}"#),
    ] {
        assert!(judge(&body, &policy(&[])).is_ok(), "{body}");
    }
}

#[test]
fn missing_and_malformed_signatures_are_told_apart() {
    for (t, signature, why) in [
        ("null", format!("\"{SIGN}\""), Refused::Missing),
        ("1750000000", "null".into(), Refused::Missing),
        ("1.75e9", format!("\"{SIGN}\""), Refused::Malformed),
        ("-1750000000", format!("\"{SIGN}\""), Refused::Malformed),
        ("\"\"", format!("\"{SIGN}\""), Refused::Malformed),
        ("\" 1750000000\"", format!("\"{SIGN}\""), Refused::Malformed),
        (
            "12345678901234567890",
            format!("\"{SIGN}\""),
            Refused::Malformed,
        ),
        ("true", format!("\"{SIGN}\""), Refused::Malformed),
        ("1750000000", "\"\"".into(), Refused::Malformed),
        ("1750000000", format!("\"{SIGN}0\""), Refused::Malformed),
        (
            "1750000000",
            format!("\"{}\"", SIGN.replace('f', "g")),
            Refused::Malformed,
        ),
        (
            "1750000000",
            "12345678901234567890123456789012".into(),
            Refused::Malformed,
        ),
        ("1750000001", format!("\"{SIGN}\""), Refused::Mismatch),
        (
            "9999999999999999999",
            format!("\"{SIGN}\""),
            Refused::Mismatch,
        ),
    ] {
        let body = format!(r#"{{"event_type":100,"t":{t},"sign":{signature}}}"#);
        assert_eq!(judge(&body, &policy(&[])), Err(why), "{body}");
    }
    for body in [
        "{}".to_owned(),
        format!(r#"{{"sign":"{SIGN}"}}"#),
        r#"{"t":1750000000}"#.into(),
    ] {
        assert_eq!(judge(&body, &policy(&[])), Err(Refused::Missing));
    }
}

#[test]
fn the_leeway_ends_after_its_last_millisecond() {
    let body = format!(r#"{{"t":1750000000,"sign":"{SIGN}"}}"#);
    let at = |now: u64| judge_at(&body, &["relaykey01"], &policy(&[]), Millis(now));
    let t = 1_750_000_000_000;
    assert_eq!(at(t).unwrap().expired_by(), None);
    assert_eq!(
        at(t + 1).unwrap().expired_by(),
        Some(Duration::from_millis(1))
    );
    assert_eq!(at(t + 1_200_000).unwrap().expired_by(), Some(MINUTES_20));
    let by = Duration::from_millis(1_200_001);
    assert_eq!(at(t + 1_200_001), Err(Refused::Expired { by }));

    assert_eq!(at(t - 600_000).unwrap().clock_offset_seconds(), Some(0));
    assert_eq!(at(t - 590_000).unwrap().clock_offset_seconds(), Some(-10));
    assert!(at(t - 1_800_000).is_ok());
    let ahead = Duration::from_millis(1_800_001);
    assert_eq!(at(t - 1_800_001), Err(Refused::Future { ahead }));
}

#[test]
fn only_events_that_are_named_go_unsigned_and_only_without_any_signature() {
    let policy = policy(&[314, 100]);
    let unsigned = judge(r#"{"event_type":314,"sign":null}"#, &policy).unwrap();
    assert_eq!(
        (unsigned.key(), unsigned.event()),
        (None, EventName::RelayTaskEvent)
    );
    for body in [
        r#"{"event_type":328}"#,
        r#"{"event_type":"314"}"#,
        r#"{}"#,
        r#"{"event_type":314,"t":1750000000}"#,
        r#"{"event_type":314,"sign":""}"#,
        // 100 is never taken unsigned, whatever the settings say.
        r#"{"event_type":100}"#,
    ] {
        assert_eq!(judge(body, &policy), Err(Refused::Missing), "{body}");
    }
    let wrong = r#"{"event_type":314,"t":1,"sign":"00000000000000000000000000000000"}"#;
    assert_eq!(judge(wrong, &policy), Err(Refused::Mismatch));
    let signed = format!(r#"{{"event_type":314,"t":1750000000,"sign":"{SIGN}"}}"#);
    assert_eq!(judge(&signed, &policy).unwrap().key(), Some(0));
}

#[test]
fn with_auth_off_nothing_is_checked() {
    let mut policy = policy(&[]);
    policy.auth_required = false;
    let taken = judge(r#"{"event_type":100,"t":1,"sign":"no"}"#, &policy).unwrap();
    assert_eq!(
        (taken.key(), taken.expired_by(), taken.event_type()),
        (None, None, Some(100))
    );
}

#[test]
fn an_explanation_names_the_key_and_the_distance_from_t() {
    let explain = |body: &str, now| {
        let document = Document::parse(body.as_bytes()).unwrap();
        let keys = keys(&["other", "relaykey01"]);
        Explanation::of(
            &TencentCss,
            &Request::of_body(body.as_bytes()),
            &document,
            &keys,
            &policy(&[]),
            Millis::from_seconds(now),
        )
    };
    let body = format!(r#"{{"event_type":100,"t":1750000000,"sign":"{SIGN}"}}"#);
    let late = explain(&body, 1_750_005_000);
    assert!(!late.passes());
    let text = late.to_string();
    assert!(
        text.contains("key: key-2") && text.contains("5000 s ago"),
        "{text}"
    );
    assert!(explain(&body, 1_749_999_400).passes());
    let forged = explain(&body.replace("d05", "d06"), 1_749_999_400).to_string();
    assert!(
        forged.contains("none matches")
            && forged.contains("t: 1750000000 (2025")
            && !forged.contains("relaykey01"),
        "{forged}"
    );
}

#[test]
fn an_explanation_doesnt_try_keys_on_what_is_no_signature() {
    let explain = |body: &str| {
        let document = Document::parse(body.as_bytes()).unwrap();
        Explanation::of(
            &TencentCss,
            &Request::of_body(body.as_bytes()),
            &document,
            &keys(&["relaykey01"]),
            &policy(&[314]),
            Millis::from_seconds(1_750_000_000),
        )
        .to_string()
    };
    for (body, said) in [
        (
            r#"{"event_type":314}"#,
            "key: none, it isn't signed\npasses",
        ),
        (r#"{"event_type":100}"#, "key: none, it isn't signed\nfails"),
        (
            r#"{"event_type":100,"t":1,"sign":"x"}"#,
            "key: none, the signature is malformed\nfails",
        ),
    ] {
        let text = explain(body);
        assert!(text.contains(said), "{text}");
    }
}

#[test]
fn volcengine_live_has_the_same_formula_and_takes_nothing_unsigned() {
    let judge = |body: &str| {
        let document = Document::parse(body.as_bytes()).unwrap();
        let request = Request::of_body(body.as_bytes());
        let now = Millis::from_seconds(1_750_000_000);
        let keys = keys(&["relaykey01"]);
        verify(
            &VolcengineLive,
            &request,
            document,
            &keys,
            &policy(&[314]),
            now,
        )
        .map(|authentic| (authentic.key(), authentic.event()))
    };
    let body = format!(r#"{{"event_type":"push_start","t":1750000000,"sign":"{SIGN}"}}"#);
    assert_eq!(judge(&body), Ok((Some(0), EventName::Unknown)));
    assert_eq!(judge(&body.replace("d05", "d06")), Err(Refused::Mismatch));
    assert_eq!(judge(r#"{"event_type":314}"#), Err(Refused::Missing));
}

mod property;

//! Nothing passes that no key has signed, whatever a forger puts into `t` and `sign`.

use super::*;
use proptest::prelude::*;

/// What a forger might put there: digits and hex digits, right and wrong, and other JSON.
fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        "[0-9]{0,21}",
        "\"[0-9]{0,21}\"",
        "\"[0-9a-fA-F]{31,33}\"",
        "\"[ -!#-\\[\\]-~]{0,40}\"",
        Just("null".to_owned()),
        Just("[]".to_owned()),
        Just(format!("\"{}\"", sign("relaykey01", 1_750_000_000))),
        Just("1750000000".to_owned()),
        Just("\"01750000000\"".to_owned()),
    ]
    .prop_filter("JSON", |text| {
        serde_json::from_str::<serde_json::Value>(text).is_ok()
    })
}

proptest! {
    /// Whoever passes shows the digest of a key and the very text of `t`, and is in time; nothing makes it panic.
    #[test]
    fn only_the_digest_of_a_key_and_t_passes(
        t in piece(), signature in piece(), event_type in 0_i64..400, seconds in 1_749_990_000_u64..1_750_010_000,
    ) {
        let body = format!(r#"{{"event_type":{event_type},"t":{t},"sign":{signature}}}"#);
        let now = Millis::from_seconds(seconds);
        let judged = judge_at(&body, &["other", "relaykey01"], &policy(&[314]), now);
        let Ok(authentic) = judged else { return Ok(()) };
        if authentic.key().is_none() {
            prop_assert_eq!((event_type, &*t, &*signature), (314, "null", "null"));
            return Ok(());
        }
        let (t, signature) = (t.trim_matches('"'), signature.trim_matches('"'));
        let key = ["other", "relaykey01"][authentic.key().unwrap()];
        prop_assert_eq!(sign_text(key, t), signature.to_lowercase());
        let expires: u64 = t.parse().unwrap();
        prop_assert!(seconds <= expires + 1200 && expires <= seconds + 1800);
    }
}

//! The identity of a callback, `ce_id`: what the dedup window, Kafka's readers and replays know it by.
//!
//! The sender gives none: no delivery id, no attempt counter. So it is the first 128 bits of SHA-256 over the
//! canonical form, computed once, at the door, and stored; it is never recomputed for a stored record.

use super::{canonical::canonical, json::Document};
use crate::spool::CeId;
use sha2::{Digest, Sha256};

/// The identity of a callback.
#[must_use]
pub fn ce_id(document: &Document<'_>) -> CeId {
    let digest = Sha256::digest(canonical(document));
    let mut id = [0; 16];
    id.iter_mut()
        .zip(digest)
        .for_each(|(byte, hashed)| *byte = hashed);
    CeId(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_vectors() {
        for (callback, id) in [
            (
                r#"{"event_type":100,"stream_id":"s1","t":1750000000,"sign":"40994cf0dff5bdb781e083f6699f3d05"}"#,
                "8169080668a72683e9874873642f312f",
            ),
            (
                r#"{"t":"1","b":1e2,"a":1.50,"big":12345678901234567890,"neg":-0.0,"n":{"z":1,"sign":"kept","a":[true,null,"é/\u0001\u000A"]},"sign":"x"}"#,
                "33e0806ffc6202bba399b46e8f1f3d2a",
            ),
            (
                r#"{"k\u00e9y":"\ud83d\ude00\/","d":{"x":1,"x":2},"a":[]}"#,
                "e06d0f25d2473e57841776d397fa5c0d",
            ),
        ] {
            let document = Document::parse(callback.as_bytes()).unwrap();
            assert_eq!(ce_id(&document).to_string(), id);
        }
    }

    #[test]
    fn a_retry_signed_anew_is_the_same_callback() {
        let of = |text: &str| ce_id(&Document::parse(text.as_bytes()).unwrap());
        let first = of(r#"{"event_type":0,"t":1,"sign":"a"}"#);
        assert_eq!(of(r#"{"sign":"b","event_type":0,"t":2}"#), first);
        assert_ne!(of(r#"{"event_type":1,"t":1,"sign":"a"}"#), first);
    }
}

//! Signed callbacks, as the sender makes them.

use md5::{Digest, Md5};
use serde_json::value::RawValue;
use std::{
    collections::BTreeMap,
    time::{SystemTime, UNIX_EPOCH},
};

/// The key that the tests' relay knows.
pub const KEY: &str = "relaykey01";

/// `sign` of this `t` under this key.
pub fn sign(key: &str, t: u64) -> String {
    hex::encode(Md5::digest(format!("{key}{t}")))
}

/// The sender's clock, Unix seconds.
#[expect(
    clippy::disallowed_methods,
    reason = "the tests' sender has the machine's clock"
)]
pub fn now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.expect("a clock after 1970").as_secs()
}

/// The `t` that the sender gives: the signature holds for ten minutes.
pub fn fresh_t() -> u64 {
    now() + 600
}

/// The same callback with this `t` and the `sign` of it, whatever it had before. The other values keep their text.
#[track_caller]
pub fn signed_at(body: &str, t: u64) -> String {
    let mut members: BTreeMap<String, Box<RawValue>> =
        serde_json::from_str(body).expect("a callback is a JSON object");
    let raw = |text: String| RawValue::from_string(text).expect("JSON");
    members.insert("t".into(), raw(t.to_string()));
    members.insert("sign".into(), raw(format!("\"{}\"", sign(KEY, t))));
    serde_json::to_string(&members).expect("JSON")
}

/// Signed as the sender would now.
#[track_caller]
pub fn signed(body: &str) -> String {
    signed_at(body, fresh_t())
}

/// A finished recording of a stream: the `number`th, which stands in `media_start_time`.
pub fn recording(stream: &str, number: u64) -> String {
    format!(
        r#"{{"event_type":100,"appid":12345678,"app":"push.example.com","appname":"live","stream_id":"{stream}","channel_id":"{stream}","file_id":"{stream}-{number}","record_file_id":"{stream}-{number}","file_format":"mp4","task_id":"UpTbk5RSVhRQ","start_time":1642089445,"end_time":1642089598,"start_time_usec":316441,"end_time_usec":618577,"duration":154,"file_size":277941079,"stream_param":"stream_param=test","video_url":"http://12345678.vod2.example.com/{stream}/{number}.mp4","media_start_time":{number},"record_bps":0,"callback_ext":"{{\"video_codec\":\"h264\",\"resolution\":\"640x480\"}}"}}"#
    )
}

#[cfg(test)]
mod tests {
    #[test]
    fn signs_as_the_published_vector_says() {
        let sign = super::sign(super::KEY, 1_750_000_000);
        assert_eq!(sign, "40994cf0dff5bdb781e083f6699f3d05");
    }
}

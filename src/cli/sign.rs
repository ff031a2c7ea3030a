//! `sign`: what the sender would put into `t` and `sign`.

use super::{Failure, Outcome, settings::print};
use crate::clock::{Clock, SystemClock};
use md5::{Digest, Md5};

/// How long a signature of the sender holds.
pub(super) const VALID_SECONDS: u64 = 600;

/// Prints t and sign for a callback key: sign is MD5(key + t), hex.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
                        livebridge sign KEY               expires in 10 minutes, as the sender does it\n  \
                        livebridge sign KEY 1750000000    expires then")]
pub(super) struct Args {
    /// The callback key.
    key: String,
    /// Expiry, seconds since the epoch [default: 10 minutes from now].
    t: Option<String>,
}

pub(super) fn run(args: &Args) -> Outcome {
    let t = match &args.t {
        Some(t) if (1..=19).contains(&t.len()) && t.bytes().all(|b| b.is_ascii_digit()) => {
            t.clone()
        }
        Some(t) => {
            return Err(Failure::Usage(format!(
                "T is {t:?}; write 1 to 19 digits: seconds since the epoch"
            )));
        }
        None => expiry().to_string(),
    };
    print(&format!("t={t}\nsign={}\n", signature(&args.key, &t)))
}

/// The `t` that the sender would write now.
pub(super) fn expiry() -> u64 {
    SystemClock.now().seconds().saturating_add(VALID_SECONDS)
}

/// MD5 over the key and the decimal text of `t`, in lower-case hex.
pub(super) fn signature(key: &str, t: &str) -> String {
    hex::encode(Md5::new().chain_update(key).chain_update(t).finalize())
}

#[cfg(test)]
mod tests {
    use super::signature;

    #[test]
    fn signs_as_the_sender_does() {
        for (key, t, sign) in [
            ("test", "1545030873", "ca3e25e5dc17a6f9909a9ae7281e300d"),
            (
                "Xz4ZgayTr7rMgWQrH",
                "1588040109",
                "a2dabb362a9b811c0e26953a6276a41c",
            ),
            (
                "relaykey01",
                "1750000000",
                "40994cf0dff5bdb781e083f6699f3d05",
            ),
        ] {
            assert_eq!(signature(key, t), sign);
        }
    }
}

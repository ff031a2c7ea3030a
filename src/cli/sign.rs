//! `sign`: what the sender would put into `t` and `sign`.

use super::{
    Failure, Outcome,
    settings::{print, remark},
};
use crate::{
    callback::verify::sign_text,
    clock::{Clock, SystemClock},
};

/// How long a signature of the sender holds.
const VALID_SECONDS: u64 = 600;

/// As seconds, a time in the year 5138.
const MILLISECONDS_FROM: u64 = 100_000_000_000;

pub(super) const EMPTY_KEY: &str = "KEY is empty: a variable that isn't set?";

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
    if args.key.is_empty() {
        return Err(Failure::Usage(EMPTY_KEY.into()));
    }
    let t = match &args.t {
        // Signed as the text that it is: a leading zero counts.
        Some(t) if (1..=19).contains(&t.len()) && t.bytes().all(|b| b.is_ascii_digit()) => {
            t.clone()
        }
        // Not quoted: whoever swaps the two has written the key here.
        Some(_) => {
            return Err(Failure::Usage(
                "T is not 1 to 19 digits, seconds since the epoch (not shown: it may be a key); write KEY first, then T"
                    .into(),
            ));
        }
        None => expiry().to_string(),
    };
    if t.parse().is_ok_and(|t: u64| t >= MILLISECONDS_FROM) {
        remark("warning: T is in seconds since the epoch, and this looks like milliseconds");
    }
    print(&format!("t={t}\nsign={}\n", sign_text(&args.key, &t)))
}

/// The `t` that the sender would write now.
pub(super) fn expiry() -> u64 {
    SystemClock.now().seconds().saturating_add(VALID_SECONDS)
}

//! A small spool, filled to its limit: it must say so, lose nothing, and take records again once some are settled.

use super::{
    Verdict,
    rig::{append, open, runtime, settle},
};
use crate::{
    callback::names::Family,
    spool::{AppendError, Appender, Cursor, Next, Outlet, Seq},
};
use std::{
    path::Path,
    time::{Duration, Instant},
};

const MAX_BYTES: u64 = 4 << 20;
/// For the room to be made.
const SOON: Duration = Duration::from_secs(10);
/// More records than fit, whatever their frames take besides.
const TOO_MANY: u64 = 2 * MAX_BYTES / 900;

pub(super) fn to_the_limit(dir: &Path) -> Verdict {
    let named = |why: String| format!("full spool: {why}");
    run(dir).map_err(named)
}

fn run(dir: &Path) -> Verdict {
    let mut opened = open(dir, MAX_BYTES)?;
    let runtime = runtime()?;
    let mut taken = 0;
    let refused = (1..=TOO_MANY).find_map(|number| {
        match runtime.block_on(append(&opened.appender, number)) {
            Ok(_) => {
                taken = number;
                None
            }
            Err(why) => Some(why),
        }
    });
    match refused {
        Some(AppendError::Full) => {}
        Some(other) => return Err(other.to_string()),
        None => return Err(format!("it took {taken} records and never was full")),
    }
    all_there(&opened.outlet, taken)?;
    settle(&mut opened.outlet, Seq(taken))?;
    runtime
        .block_on(resumes(&opened.appender))
        .map_err(|e| format!("settled, but it takes nothing: {e}"))?;
    drop(opened.appender);
    opened.threads.join().map_err(|e| e.to_string())?;
    Ok(format!(
        "full spool: said so after {taken} records ({} MiB), lost none, took records again once they were settled",
        MAX_BYTES >> 20
    ))
}

/// By itself, and soon: on a volume as full as the spool, settled segments are deleted first.
async fn resumes(appender: &Appender) -> Result<(), AppendError> {
    let since = Instant::now();
    loop {
        match append(appender, TOO_MANY + 1).await {
            Err(AppendError::Full) if since.elapsed() < SOON => {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            other => return other.map(drop),
        }
    }
}

fn all_there(outlet: &impl Outlet, taken: u64) -> Result<(), String> {
    let mut cursor = outlet.cursor(Seq(0));
    for seq in 1..=taken {
        let wanted = |_: Family| true;
        match cursor.next(&wanted, Seq(u64::MAX)) {
            Ok(Some(Next::Record(record))) if record.seq == Seq(seq) => {}
            Ok(other) => return Err(format!("record {seq} was acknowledged; there is {other:?}")),
            Err(e) => return Err(e.to_string()),
        }
    }
    Ok(())
}

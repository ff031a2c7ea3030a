//! The process that is killed: appends as fast as it can, and prints the number of each record only once it is durable.

use super::rig::{append, number_of, open, runtime};
use crate::{
    callback::names::Family,
    spool::{Cursor, How, Next, Outlet, Seq},
};
use std::{
    io::Write,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

const CLIENTS: usize = 16;

/// Ends only if something fails.
pub(super) fn write_until_killed(dir: &Path) -> Result<(), String> {
    let opened = open(dir, 1 << 30)?;
    let next = Arc::new(AtomicU64::new(first_free(&opened.outlet)?));
    let runtime = runtime()?;
    let tasks: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let (appender, next) = (opened.appender.clone(), Arc::clone(&next));
            runtime.spawn(async move {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let durable = match append(&appender, number).await {
                        Ok(durable) if durable.how() == How::New => durable,
                        Ok(_) => return format!("record {number} was taken for a duplicate"),
                        Err(e) => return e.to_string(),
                    };
                    // Nobody reads any more: it is over.
                    if writeln!(std::io::stdout(), "{} {number}", durable.seq()).is_err() {
                        return "nobody reads".into();
                    }
                }
            })
        })
        .collect();
    // The first to end ends it all: none ends as long as all is well.
    let ended = tasks
        .into_iter()
        .next()
        .map(|task| runtime.block_on(task).unwrap_or_else(|e| e.to_string()));
    Err(ended.unwrap_or_default())
}

/// The number after the greatest that an earlier process used.
fn first_free(outlet: &impl Outlet) -> Result<u64, String> {
    let mut cursor = outlet.cursor(Seq(0));
    let mut greatest = 0;
    loop {
        let wanted = |_: Family| true;
        match cursor.next(&wanted, Seq(u64::MAX)) {
            Ok(Some(Next::Record(record))) => greatest = greatest.max(number_of(record.ce_id)),
            Ok(Some(Next::Corrupt { seq, .. })) => return Err(format!("record {seq} is damaged")),
            Ok(None) => return Ok(greatest + 1),
            Err(e) => return Err(e.to_string()),
        }
    }
}

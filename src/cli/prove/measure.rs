//! The figures: what a sync costs on this volume, and what a spool makes of it.

use super::{
    Verdict,
    rig::{append, open, percentile, runtime, settle},
};
use crate::spool::Outlet;
use std::{
    fs::OpenOptions,
    io,
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// Written ahead, as segments are.
const FILE_BYTES: usize = 8 << 20;
const BLOCK: usize = 1024;
/// Slower than this, a lone callback may wait longer than its sender does.
const SLOW_MS: f64 = 1000.0;

/// Writes and syncs a KiB, again and again.
pub(super) fn syncs(file: &Path, time: Duration) -> Verdict {
    let mut took = sync_loop(file, time).map_err(|e| format!("write and fdatasync: {e}"))?;
    let seconds: f64 = took.iter().map(Duration::as_secs_f64).sum();
    took.sort_unstable();
    let (p50, p99) = (percentile(&took, 0.5), percentile(&took, 0.99));
    let text = format!(
        "write + fdatasync of 1 KiB: p50 {p50:.2} ms, p99 {p99:.2} ms, {:.0} a second",
        took.len() as f64 / seconds.max(1e-6)
    );
    if p99 > SLOW_MS {
        return Err(format!("{text}: too slow for a sender that waits 5 s"));
    }
    Ok(text)
}

fn sync_loop(path: &Path, time: Duration) -> io::Result<Vec<Duration>> {
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all_at(&vec![0; FILE_BYTES], 0)?;
    file.sync_all()?;
    let block = [0x5a; BLOCK];
    let end = Instant::now() + time;
    let mut took = Vec::new();
    while took.is_empty() || Instant::now() < end {
        let at = (took.len() * BLOCK) % FILE_BYTES;
        let start = Instant::now();
        file.write_all_at(&block, at as u64)?;
        file.sync_data()?;
        took.push(start.elapsed());
    }
    Ok(took)
}

/// The spool's own group commit, with so many callers who each wait for their receipt.
pub(super) fn spool(dir: &Path, clients: u64, time: Duration) -> Verdict {
    let mut opened = open(dir, 256 << 20)?;
    let runtime = runtime()?;
    let next = Arc::new(AtomicU64::new(1));
    let end = Instant::now() + time;
    let tasks: Vec<_> = (0..clients)
        .map(|_| {
            let (appender, next) = (opened.appender.clone(), Arc::clone(&next));
            runtime.spawn(async move {
                let mut took = Vec::new();
                while took.is_empty() || Instant::now() < end {
                    let start = Instant::now();
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let _durable = append(&appender, number).await.map_err(|e| e.to_string())?;
                    took.push(start.elapsed());
                }
                Ok::<_, String>(took)
            })
        })
        .collect();
    drop(opened.appender);
    let mut all = Vec::new();
    for task in tasks {
        // What is durable counts as published, so that segments go and come as they do in service.
        let through = opened.outlet.durable_end();
        settle(&mut opened.outlet, through)?;
        all.extend(runtime.block_on(task).map_err(|e| e.to_string())??);
    }
    opened.threads.join().map_err(|e| e.to_string())?;
    all.sort_unstable();
    Ok(format!(
        "spool, {clients} waiting: {:.0} records a second, p50 {:.2} ms, p99 {:.2} ms",
        all.len() as f64 / time.as_secs_f64(),
        percentile(&all, 0.5),
        percentile(&all, 0.99)
    ))
}

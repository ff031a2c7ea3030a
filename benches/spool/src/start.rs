//! What a start costs when much waits for Kafka: a process appends and is killed with kill -9, another one opens what it left.

use crate::{Fallible, clients, spool};
use prometheus::Registry;
use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

const CLIENTS: usize = 128;

pub fn measure(dir: &Path, mib: u64) -> Fallible<()> {
    let dir = tempfile::Builder::new()
        .prefix("spool-start-")
        .tempdir_in(dir)?;
    let me = std::env::current_exe()?;
    let mut filling = Command::new(&me)
        .arg("--fill")
        .arg(dir.path())
        .stdin(Stdio::null())
        .spawn()?;
    while bytes_in(dir.path())? < mib << 20 && filling.try_wait()?.is_none() {
        std::thread::park_timeout(Duration::from_millis(50));
    }
    filling.kill()?;
    filling.wait()?;
    println!("{} MiB of segments", bytes_in(dir.path())? >> 20);
    for entries in ["1", "1000000"] {
        let mut open = Command::new(&me);
        open.arg("--open")
            .arg(dir.path())
            .args(["--entries", entries]);
        if !open.status()?.success() {
            return Err("it can't be opened".into());
        }
    }
    Ok(())
}

fn bytes_in(dir: &Path) -> Fallible<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(dir)? {
        // One may go while we look.
        bytes += entry?.metadata().map_or(0, |of| of.len());
    }
    Ok(bytes)
}

/// Until killed.
pub fn fill(dir: &Path) -> Fallible<()> {
    let runtime = clients::runtime()?;
    let opened = spool::open(dir, 1 << 40, 1, &Registry::new(), runtime.handle())?;
    let append = spool::appending(opened.appender)?;
    clients::run(&runtime, CLIENTS, Duration::from_secs(3600), append, || {
        Ok(())
    })?;
    Ok(())
}

pub fn open(dir: &Path, entries: u64) -> Fallible<()> {
    let before = resident()?;
    let runtime = clients::runtime()?;
    let start = Instant::now();
    let opened = spool::open(dir, 1 << 40, entries, &Registry::new(), runtime.handle())?;
    let took = start.elapsed();
    println!(
        "open in {took:?}: {} records pending, {} segments read through, {} in the window; resident {} MiB, {} before",
        opened.report.recovered_records,
        opened.report.scanned_segments,
        opened.report.window_entries,
        resident()? >> 10,
        before >> 10
    );
    Ok(())
}

/// KiB.
fn resident() -> Fallible<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let text = line.and_then(|line| line.split_whitespace().next());
    Ok(text.ok_or("no VmRSS")?.parse()?)
}

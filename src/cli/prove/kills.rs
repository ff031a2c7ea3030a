//! kill -9, again and again: a process of ours writes, and is killed in the middle of it; what it acknowledged must be there.

use super::{
    Verdict,
    rig::{body, number_of},
};
use crate::spool::{
    Selection,
    look::{Look, Seen},
};
use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader},
    ops::ControlFlow,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// Rounds, however little time there is.
const LEAST: u32 = 3;
/// More than this isn't kept: the rehearsal starts anew with an empty spool. Each round reads them twice.
const RECORDS_MAX: usize = 20_000;
/// No first receipt for so long: something is wrong.
const PATIENCE: Duration = Duration::from_secs(30);

/// Kills until `end`: no round begins that would last beyond it, if it takes as long as the one before.
pub(super) fn rounds(dir: &Path, end: Instant) -> Verdict {
    let mut round = 0;
    let mut acknowledged = BTreeMap::new();
    let mut records = 0;
    let mut last = Duration::ZERO;
    while round < LEAST || Instant::now() + last < end {
        let began = Instant::now();
        if acknowledged.len() > RECORDS_MAX {
            acknowledged.clear();
            std::fs::remove_dir_all(dir).map_err(|e| e.to_string())?;
        }
        let before = acknowledged.len();
        one(dir, round, &mut acknowledged)
            .map_err(|why| format!("kill -9, round {round}: {why}"))?;
        check(dir, &acknowledged).map_err(|why| format!("kill -9, round {round}: {why}"))?;
        records += acknowledged.len() - before;
        round += 1;
        last = began.elapsed();
    }
    Ok(format!(
        "kill -9: {round} times, {records} acknowledged records, all there, in order, byte for byte"
    ))
}

/// Lets a process write until it has acknowledged a number of records that differs from round to round, kills it, and takes down what
/// it said.
fn one(dir: &Path, round: u32, acknowledged: &mut BTreeMap<u64, u64>) -> Result<(), String> {
    let program = std::env::current_exe().map_err(|e| e.to_string())?;
    let child = Command::new(program)
        .args(["prove", "--victim"])
        .arg(dir)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|e| e.to_string())?;
    let mut victim = Victim(child);
    let out = victim.0.stdout.take().ok_or("it has no output")?;
    let enough = 1 + usize::try_from(round * 37 % 500).unwrap_or(1);
    let since = Instant::now();
    let mut said = 0;
    for line in BufReader::new(out).lines() {
        let line = line.map_err(|e| e.to_string())?;
        let pair = line.split_once(' ');
        // The last line may be cut by the kill.
        let Some((Ok(seq), Ok(number))) = pair.map(|(seq, number)| (seq.parse(), number.parse()))
        else {
            continue;
        };
        acknowledged.insert(seq, number);
        said += 1;
        if said == enough || since.elapsed() > PATIENCE {
            victim.kill()?;
        }
    }
    if said < enough {
        return Err(format!("the process ended by itself after {said} receipts"));
    }
    Ok(())
}

/// Killed by its own handle, whatever happens here.
struct Victim(Child);

impl Victim {
    fn kill(&mut self) -> Result<(), String> {
        self.0.kill().map_err(|e| format!("kill -9: {e}"))
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        // It may be gone already.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Every acknowledged record is there with its number and its bytes, and the numbers go up by one.
fn check(dir: &Path, acknowledged: &BTreeMap<u64, u64>) -> Result<(), String> {
    let look = Look::open(dir).map_err(|e| e.to_string())?;
    let mut found = 0;
    let mut fault = None;
    let mut last = 0;
    let walked = look.walk(&Selection::default(), &mut |seen| {
        let Seen::Record(record, _) = seen else {
            fault = Some(format!("{seen:?}"));
            return ControlFlow::Break(());
        };
        let (seq, number) = (record.seq.0, number_of(record.ce_id));
        if seq != last + 1 && last != 0 {
            fault = Some(format!("record {seq} follows {last}"));
        }
        last = seq;
        if record.envelope.body != body(number) {
            fault = Some(format!(
                "record {seq} has other bytes than were acknowledged"
            ));
        }
        match acknowledged.get(&seq) {
            Some(said) if *said == number => found += 1,
            Some(said) => {
                fault = Some(format!(
                    "record {seq} is {number}, but {said} was acknowledged"
                ))
            }
            None => {}
        }
        match fault {
            Some(_) => ControlFlow::Break(()),
            None => ControlFlow::Continue(()),
        }
    });
    walked.map_err(|e| e.to_string())?;
    match fault {
        Some(fault) => Err(fault),
        None if found != acknowledged.len() => Err(format!(
            "{} acknowledged record(s) are not there",
            acknowledged.len() - found
        )),
        None => Ok(()),
    }
}

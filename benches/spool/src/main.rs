//! Appends a second, and how long each waits, with 1 to 512 waiting clients: our spool, against the raw limit of the disk and against
//! fjall and sqlite doing the same job, in one run, taking turns.
//!
//! ```text
//! raw limit   a loop of write + fdatasync into a file written before: the same bytes, as many records at once as the spool had
//! bare file   the same behind a group commit with waiting clients: no frames, no checksums, nothing to recover
//! livebridge  the spool as the relay has it; what is durable counts as published, so that segments come and go
//! fjall       a batch a commit, PersistMode::SyncData
//! sqlite      a transaction a commit, WAL, synchronous = FULL
//! ```
//!
//! The peers get the group commit that one would write by hand, the same in-memory dedup window, and never have to delete.
//! `--backlog MIB` instead: what a start costs with so much that waits for Kafka, after a kill -9.
//!
//! Absolute figures belong to the machine; the ratios are what to compare. `--dir`, `--seconds`, `--rounds`, `--clients N` for
//! that many alone.

mod clients;
mod group;
mod peers;
mod raw;
mod spool;
mod start;

use clients::{Measured, median};
use group::Store;
use std::{error::Error, path::PathBuf, time::Duration};

pub type Fallible<T> = Result<T, Box<dyn Error + Send + Sync>>;

const CLIENTS: [usize; 4] = [1, 16, 128, 512];
/// A usual callback.
pub const BODY: usize = 900;
const NAMES: [&str; 5] = ["raw limit", "bare file", "livebridge", "fjall", "sqlite"];

fn main() -> Fallible<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let given = |name: &str| {
        let mut rest = arguments.iter().skip_while(|a| *a != name).skip(1);
        rest.next().cloned()
    };
    let number = |name: &str, default: u64| -> Fallible<u64> {
        Ok(given(name).map_or(Ok(default), |text| text.parse())?)
    };
    let dir = given("--dir").map_or_else(std::env::temp_dir, PathBuf::from);
    if let Some(dir) = given("--fill") {
        return start::fill(dir.as_ref());
    }
    if let Some(dir) = given("--open") {
        return start::open(dir.as_ref(), number("--entries", 1_000_000)?);
    }
    if given("--backlog").is_some() {
        return start::measure(&dir, number("--backlog", 1024)?);
    }
    let time = Duration::from_secs(number("--seconds", 3)?);
    let rounds = number("--rounds", 5)?;
    println!(
        "{BODY} bytes a record, {time:?} a round, the median of {rounds} rounds, in {}",
        dir.display()
    );
    println!("clients  store         appends/s   of raw   p50 ms   p99 ms   records a sync");
    let counts = match number("--clients", 0)? {
        0 => CLIENTS.to_vec(),
        alone => vec![usize::try_from(alone)?],
    };
    for clients in counts {
        let mut all: [Vec<Measured>; 5] = Default::default();
        for _ in 0..rounds {
            let place = || {
                tempfile::Builder::new()
                    .prefix("spool-bench-")
                    .tempdir_in(&dir)
            };
            let ours = spool::measure(place()?.path(), clients, time)?;
            let batch = ours.batch.round().max(1.0) as usize;
            let round = [
                raw::measure(place()?.path(), batch, time)?,
                group::measure(peers::BareFile::open(place()?.path())?, clients, time)?,
                ours,
                group::measure(peers::Fjall::open(place()?.path())?, clients, time)?,
                group::measure(peers::Sqlite::open(place()?.path())?, clients, time)?,
            ];
            for (all, one) in all.iter_mut().zip(round) {
                all.push(one);
            }
        }
        for (name, rounds) in NAMES.iter().zip(&all) {
            let m = median(rounds);
            // Round by round, since the disk's mood may change between two.
            let mut of_raw: Vec<f64> = rounds
                .iter()
                .zip(&all[0])
                .map(|(one, raw)| one.per_second / raw.per_second)
                .collect();
            of_raw.sort_by(f64::total_cmp);
            println!(
                "{clients:>7}  {name:<12}  {:>9.0}   {:>6.2}   {:>6.2}   {:>6.2}   {:>14.1}",
                m.per_second,
                of_raw[of_raw.len() / 2],
                m.p50,
                m.p99,
                m.batch
            );
        }
    }
    Ok(())
}

//! Clients that each wait for their receipt before they come again, and what they saw.

use crate::Fallible;
use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

#[derive(Debug, Clone, Copy)]
pub struct Measured {
    pub per_second: f64,
    pub p50: f64,
    pub p99: f64,
    /// Records a sync.
    pub batch: f64,
}

impl Measured {
    /// From all latencies, in any order; each stands for `records` appends.
    pub fn of(mut took: Vec<Duration>, records: usize, time: Duration, syncs: u64) -> Self {
        took.sort_unstable();
        let at = |share: f64| {
            let place = (took.len() as f64 * share) as usize;
            let found = took.get(place.min(took.len().saturating_sub(1)));
            found.map_or(f64::NAN, |took| took.as_secs_f64() * 1e3)
        };
        let count = (took.len() * records) as f64;
        Self {
            per_second: count / time.as_secs_f64(),
            p50: at(0.5),
            p99: at(0.99),
            batch: count / syncs.max(1) as f64,
        }
    }
}

/// Of each figure.
pub fn median(rounds: &[Measured]) -> Measured {
    let of = |figure: fn(&Measured) -> f64| {
        let mut all: Vec<f64> = rounds.iter().map(figure).collect();
        all.sort_by(f64::total_cmp);
        all.get(all.len() / 2).copied().unwrap_or(f64::NAN)
    };
    Measured {
        per_second: of(|m| m.per_second),
        p50: of(|m| m.p50),
        p99: of(|m| m.p99),
        batch: of(|m| m.batch),
    }
}

/// As the relay's door has it: tasks on as many threads as there are cores.
pub fn runtime() -> Fallible<tokio::runtime::Runtime> {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    Ok(runtime.enable_time().build()?)
}

/// Lets each client append one record after the other; meanwhile, every 100 ms, does `meanwhile`. Latencies, and the time it took.
pub fn run<A, F>(
    runtime: &tokio::runtime::Runtime,
    clients: usize,
    time: Duration,
    append: A,
    mut meanwhile: impl FnMut() -> Fallible<()>,
) -> Fallible<(Vec<Duration>, Duration)>
where
    A: Fn(u64) -> F + Clone + Send + 'static,
    F: Future<Output = Fallible<()>> + Send,
{
    let next = Arc::new(AtomicU64::new(1));
    let begin = Instant::now();
    let end = begin + time;
    let tasks: Vec<_> = (0..clients)
        .map(|_| {
            let (append, next) = (append.clone(), Arc::clone(&next));
            runtime.spawn(async move {
                let mut took = Vec::new();
                loop {
                    let start = Instant::now();
                    if start >= end {
                        return Ok::<_, Box<dyn std::error::Error + Send + Sync>>(took);
                    }
                    append(next.fetch_add(1, Ordering::Relaxed)).await?;
                    took.push(start.elapsed());
                }
            })
        })
        .collect();
    drop(append);
    while Instant::now() < end {
        std::thread::park_timeout(Duration::from_millis(100).min(end - Instant::now()));
        meanwhile()?;
    }
    let mut all = Vec::new();
    for task in tasks {
        all.extend(runtime.block_on(task)??);
    }
    Ok((all, begin.elapsed()))
}

/// The body of a record, and its identity.
pub fn record(number: u64) -> ([u8; 16], Vec<u8>) {
    let mut id = [0x62; 16];
    id[..8].copy_from_slice(&number.to_le_bytes());
    let mut body = Vec::with_capacity(crate::BODY);
    body.extend_from_slice(&number.to_le_bytes());
    let mut state = number | 1;
    while body.len() < crate::BODY {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        body.extend_from_slice(&state.to_le_bytes());
    }
    body.truncate(crate::BODY);
    (id, body)
}

//! `send`: plays the sender. POSTs signed callbacks over connections that are kept, and sums up the answers.

mod target;

use super::{
    Failure, Outcome,
    sample::{self, Distinct, Sample},
    settings::print,
    sign,
    summary::Summary,
};
use crate::{
    clock::{Clock, SystemClock},
    config::Secret,
};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Request, StatusCode, header};
use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use target::{Connection, Target};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep_until, timeout},
};

/// As patient as the sender.
const PATIENCE: Duration = Duration::from_secs(20);

/// POSTs signed callbacks, samples or your own, and sums up the answers. Exit 0 only if every answer was 200.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
                        livebridge send --key KEY                                  one finished recording\n  \
                        livebridge send --key KEY --event stream.started --count 100 --rate 10\n  \
                        livebridge send --key KEY --event callback.json --same --count 2    the second is a duplicate\n  \
                        livebridge send --event captured.json                      as captured, byte for byte, not signed anew")]
pub(super) struct Args {
    /// Where to: http, or https with a certificate that the system trusts.
    #[arg(long, default_value = "http://127.0.0.1:8080/callbacks/tencent")]
    url: String,
    /// For https: trust the CAs in this file (PEM) instead of the system's.
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// The callback key to sign with; without it, callbacks are sent with the signature that they have.
    #[arg(long, value_parser = secret)]
    key: Option<Secret>,
    /// A file with one or more callbacks (one after the other, or an array), or an event name such as recording.file (see `livebridge schema`).
    #[arg(long, value_name = "FILE|NAME", default_value = "recording.file")]
    event: String,
    /// How many to send, taking the callbacks in turn [default: each one once].
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    count: Option<u64>,
    /// The most a second [default: as fast as the answers come].
    #[arg(long, value_parser = rate)]
    rate: Option<f64>,
    /// How many connections, each with one callback under way.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=4096))]
    concurrency: u64,
    /// Spread the callbacks over this many stream ids.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    streams: u64,
    /// Send them unchanged: the relay takes repetitions for duplicates. Otherwise an extra member, livebridge_send, makes
    /// each distinct; callbacks of a FILE that go out once each, and over no other streams, are sent unchanged, but for t and sign if there is a key.
    #[arg(long)]
    same: bool,
}

fn rate(text: &str) -> Result<f64, String> {
    let rate = text
        .parse::<f64>()
        .ok()
        .filter(|rate| *rate >= 0.001 && *rate <= 1e6);
    rate.ok_or_else(|| "write a number a second, from 0.001 to 1000000".into())
}

#[expect(clippy::unnecessary_wraps, reason = "the form that clap asks for")]
fn secret(text: &str) -> Result<Secret, std::convert::Infallible> {
    Ok(Secret::new(text))
}

pub(super) fn run(args: &Args) -> Outcome {
    if args.key.as_ref().is_some_and(|key| key.expose().is_empty()) {
        return Err(Failure::Usage(sign::EMPTY_KEY.into()));
    }
    let target = Target::new(&args.url, args.ca_file.as_deref()).map_err(Failure::Usage)?;
    let (samples, given) = samples(&args.event)?;
    let count = args.count.unwrap_or(samples.len() as u64);
    let each_once = count <= samples.len() as u64;
    let now = SystemClock.now();
    let plan = Arc::new(Plan {
        target,
        samples,
        run: format!("{:x}-{:x}", now.0, std::process::id()),
        key: args.key.clone(),
        count,
        interval: args.rate.map(|rate| Duration::from_secs_f64(1.0 / rate)),
        streams: args.streams,
        same: args.same || (given && each_once && args.streams == 1),
        next: AtomicU64::new(0),
    });
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(Failure::failed)?;
    let summary = runtime.block_on(send_all(&plan, args.concurrency));
    print(&summary.to_string())?;
    if summary.all_taken(count) {
        Ok(())
    } else {
        Err(Failure::Failed(
            "not every callback was answered 200".into(),
        ))
    }
}

/// The callbacks, and whether the user gave them: those are changed only if they have to differ from one another.
fn samples(event: &str) -> Result<(Vec<Sample>, bool), Failure> {
    if let Ok(name) = event.parse() {
        let text = crate::callback::event::sample(name);
        return sample::read(text)
            .map(|samples| (samples, false))
            .map_err(|e| Failure::Failed(format!("the sample of {event} {e}")));
    }
    let text = std::fs::read_to_string(event).map_err(|e| {
        let names: Vec<_> = crate::callback::names::EventName::ALL
            .iter()
            .map(|name| name.as_str())
            .collect();
        Failure::Usage(format!(
            "--event {event}: {e}; write a file's path, or one of {}",
            names.join(", ")
        ))
    })?;
    sample::read(&text)
        .map(|samples| (samples, true))
        .map_err(|e| Failure::Usage(format!("--event {event} {e}")))
}

struct Plan {
    target: Target,
    samples: Vec<Sample>,
    run: String,
    key: Option<Secret>,
    count: u64,
    interval: Option<Duration>,
    streams: u64,
    same: bool,
    next: AtomicU64,
}

impl Plan {
    /// The number of the next callback to send; none when all are taken.
    fn take(&self) -> Option<u64> {
        Some(self.next.fetch_add(1, Ordering::Relaxed)).filter(|number| *number < self.count)
    }

    fn body(&self, number: u64) -> Result<Vec<u8>, String> {
        let turn = usize::try_from(number % self.samples.len() as u64).unwrap_or_default();
        let sample = self.samples.get(turn).ok_or("there is no sample")?;
        let distinct = Distinct {
            run: &self.run,
            number,
            streams: self.streams,
        };
        let key = self.key.as_ref().map(Secret::expose);
        sample
            .body((!self.same).then_some(distinct), key, sign::expiry())
            .map_err(|e| e.to_string())
    }
}

async fn send_all(plan: &Arc<Plan>, connections: u64) -> Summary {
    let start = Instant::now();
    let mut senders = JoinSet::new();
    for _ in 0..connections.min(plan.count) {
        senders.spawn(send_in_turn(Arc::clone(plan), start));
    }
    let mut summary = Summary::default();
    while let Some(part) = senders.join_next().await {
        match part {
            Ok(part) => summary.add(part),
            Err(e) => summary.fail(e.to_string()),
        }
    }
    summary.took = start.elapsed();
    summary
}

async fn send_in_turn(plan: Arc<Plan>, start: Instant) -> Summary {
    let mut summary = Summary::default();
    let mut connection = None;
    while let Some(number) = plan.take() {
        if let Some(interval) = plan.interval {
            sleep_until(start + interval.mul_f64(number as f64)).await;
        }
        let begin = Instant::now();
        match timeout(PATIENCE, post(&plan, number, &mut connection)).await {
            Ok(Ok((status, words))) => summary.answer(status, &words, begin.elapsed()),
            Ok(Err(problem)) => {
                connection = None;
                summary.fail(problem);
            }
            Err(_) => {
                connection = None;
                summary.fail(format!("no answer within {} s", PATIENCE.as_secs()));
            }
        }
    }
    summary
}

async fn post(
    plan: &Plan,
    number: u64,
    kept: &mut Option<Connection>,
) -> Result<(StatusCode, Bytes), String> {
    let mut request = Request::post(plan.target.path())
        .header(header::HOST, plan.target.authority())
        .header(header::CONTENT_TYPE, "application/json")
        .body(Full::new(plan.body(number)?.into()))
        .map_err(|e| e.to_string())?;
    // A kept connection may have been closed meanwhile; hyper gives back a request that it didn't begin to write.
    for _ in 0..2 {
        let mut connection = match kept.take() {
            Some(connection) if !connection.is_closed() => connection,
            _ => plan.target.connect().await?,
        };
        connection.ready().await.map_err(|e| e.to_string())?;
        match connection.try_send_request(request).await {
            Ok(answer) => {
                let status = answer.status();
                // Read to its end, so that the connection can be used again.
                let body = answer.into_body().collect().await;
                let body = body.map_err(|e| e.to_string())?.to_bytes();
                *kept = Some(connection);
                return Ok((status, body));
            }
            Err(mut e) => match e.take_message() {
                Some(unsent) => request = unsent,
                None => return Err(e.into_error().to_string()),
            },
        }
    }
    Err("the connection was closed before the request could be sent".into())
}

//! `plan`: how large a spool, a volume and a window a given rate and outage need. The formulas stand in docs/capacity.md.

use super::{Failure, Outcome, settings::print};
use bytesize::ByteSize;
use humantime::format_duration;
use std::time::Duration;

/// The sender's retries, a minute apart: what a shut door costs nothing for.
const RETRIES: Duration = Duration::from_mins(12);
/// What a record has on disk besides its body: head 48, envelope 16, the longest source name 32, a `traceparent` 55, and its
/// line in the segment's index 48.
const BESIDE_BODY: u64 = 48 + 16 + 32 + 55 + 48;
/// Frames begin at multiples of this.
const ALIGNMENT: u64 = 8;
/// A segment being written, one written ahead.
const SEGMENTS: u64 = 2 * (64 << 20);
/// `spool.quarantine_max_bytes` and `rejects.max_bytes`, unless set.
const ASIDE: u64 = (1 << 30) + (64 << 20);
/// The free space that the relay insists on: 5 %, at most this.
const KEPT_FREE: u64 = 512 << 20;
/// `dedup.window`, unless set.
const WINDOW: Duration = Duration::from_mins(30);
const LEAST_ENTRIES: u64 = 1_000_000;
/// Measured: 13 MiB at rest, 140 bytes more for each callback in the window; and room for bodies and what librdkafka holds.
const MEMORY: u64 = 192 << 20;
const MEMORY_PER_ENTRY: u64 = 150;
/// Processor time of one callback from the door to Kafka's ack, measured: 28 microseconds.
const CPU_SECONDS: f64 = 30e-6;

/// Works out spool, volume, window, memory and time to catch up for a rate and an outage of Kafka. Asks nobody.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
                        livebridge plan --rate 50 --outage 24h\n  \
                        livebridge plan --rate 2000 --outage 4h --body 2KiB --kafka-rate 20000 --replicas 3")]
pub(super) struct Args {
    /// Callbacks a second, of all replicas together, at the busiest time that an outage may fall into.
    #[arg(long, value_name = "N", value_parser = rate)]
    rate: f64,
    /// How long Kafka may be away without a callback being refused.
    #[arg(long, value_name = "DURATION", value_parser = outage)]
    outage: Duration,
    /// The usual size of a body.
    #[arg(long, value_name = "SIZE", default_value = "1KiB")]
    body: ByteSize,
    /// Records a second that Kafka takes from all replicas when it is back [default: 10 times the rate].
    #[arg(long, value_name = "N", value_parser = rate)]
    kafka_rate: Option<f64>,
    /// How many replicas share the load. With two or more, each is sized for the loss of one.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    replicas: u16,
}

pub(super) fn run(args: &Args) -> Outcome {
    let kafka_rate = args.kafka_rate.unwrap_or(10.0 * args.rate);
    if kafka_rate <= args.rate {
        return Err(Failure::Usage(format!(
            "Kafka has to take more than the {} callbacks a second that come in, or the spool never empties",
            args.rate
        )));
    }
    let sharing = f64::from((args.replicas - 1).max(1));
    let plan = Plan::of(
        args.rate / sharing,
        args.outage,
        args.body.as_u64(),
        kafka_rate / sharing,
    );
    print(&plan.shown(args))
}

fn rate(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(rate) if (0.001..=10_000_000.0).contains(&rate) => Ok(rate),
        _ => Err("write a number from 0.001 to 10000000".into()),
    }
}

fn outage(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(outage) if outage <= Duration::from_hours(24 * 366) => Ok(outage),
        Ok(_) => Err("a year at most".into()),
        Err(e) => Err(e.to_string()),
    }
}

/// What one replica needs.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Plan {
    record_bytes: u64,
    waiting_records: u64,
    waiting_bytes: u64,
    spool_max_bytes: u64,
    volume_bytes: u64,
    dedup_max_entries: u64,
    memory_bytes: u64,
    catching_up: Duration,
    cpu_millis: u64,
}

impl Plan {
    /// `rate` and `kafka_rate` in records a second, the latter the larger; `body` in bytes.
    fn of(rate: f64, outage: Duration, body: u64, kafka_rate: f64) -> Self {
        let record_bytes = (BESIDE_BODY + body).next_multiple_of(ALIGNMENT);
        let waiting_records = whole(rate * outage.as_secs_f64());
        let waiting_bytes = waiting_records.saturating_mul(record_bytes);
        // A quarter more than expected; below a few segments, segments decide.
        let spool_max_bytes = (waiting_bytes.saturating_add(waiting_bytes / 4)).max(4 * SEGMENTS);
        let used = spool_max_bytes.saturating_add(SEGMENTS + ASIDE);
        // A filesystem takes some 5 % for itself.
        let volume_bytes = used.saturating_add(KEPT_FREE.min(used / 19));
        let volume_bytes = volume_bytes.saturating_add(volume_bytes / 19);
        let in_window = whole(rate * WINDOW.as_secs_f64() * 1.25);
        let dedup_max_entries = in_window.max(LEAST_ENTRIES);
        Self {
            record_bytes,
            waiting_records,
            waiting_bytes,
            spool_max_bytes,
            volume_bytes,
            dedup_max_entries,
            memory_bytes: MEMORY.saturating_add(in_window.saturating_mul(MEMORY_PER_ENTRY)),
            catching_up: Duration::from_secs(whole(
                outage.as_secs_f64() * rate / (kafka_rate - rate),
            )),
            cpu_millis: whole(kafka_rate.max(rate) * CPU_SECONDS * 1000.0).max(1),
        }
    }

    fn shown(&self, args: &Args) -> String {
        let size = |bytes: u64| ByteSize(bytes).display().iec().to_string();
        let gib = |bytes: u64| format!("{}GiB", bytes.div_ceil(1 << 30));
        let each = match args.replicas {
            1 => String::new(),
            n => format!("# for each of {n} replicas, so that {} are enough\n", n - 1),
        };
        format!(
            "{each}\
             each record          {record} on disk\n\
             waiting in the end   {waiting} records, {bytes}\n\
             spool.max_bytes      {max}    a quarter more than that\n\
             the volume           {volume}    with the quarantine, the ledger of refusals and free space\n\
             dedup.max_entries    {entries}\n\
             memory               {memory}\n\
             processor            {cpu:.3} cores while it catches up\n\
             caught up            {caught_up} after Kafka is back\n\
             lost                 nothing: {outage} on disk, and the sender's retries for {retries} more\n",
            record = size(self.record_bytes),
            waiting = self.waiting_records,
            bytes = size(self.waiting_bytes),
            max = gib(self.spool_max_bytes),
            volume = gib(self.volume_bytes),
            entries = self.dedup_max_entries,
            memory = format_args!("{}MiB", self.memory_bytes.div_ceil(1 << 20)),
            cpu = Duration::from_millis(self.cpu_millis).as_secs_f64(),
            caught_up = format_duration(self.catching_up),
            outage = format_duration(args.outage),
            retries = format_duration(RETRIES),
        )
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "arguments are positive and bounded, and a cast of a float saturates"
)]
fn whole(number: f64) -> u64 {
    number.ceil() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_hours(1);

    #[test]
    fn the_spool_holds_what_comes_in_during_the_outage_and_the_volume_more() {
        let plan = Plan::of(100.0, 24 * HOUR, 1024, 1000.0);
        assert_eq!(plan.record_bytes, 1224);
        assert_eq!(plan.waiting_records, 8_640_000);
        assert_eq!(plan.waiting_bytes, 8_640_000 * 1224);
        assert!(plan.spool_max_bytes * 4 >= plan.waiting_bytes * 5);
        assert!(plan.volume_bytes > plan.spool_max_bytes + SEGMENTS + ASIDE + KEPT_FREE);
        assert_eq!(plan.dedup_max_entries, LEAST_ENTRIES);
        assert_eq!(plan.catching_up, 24 * HOUR / 9);
    }

    #[test]
    fn more_of_anything_never_needs_less() {
        let small = Plan::of(10.0, HOUR, 500, 100.0);
        for larger in [
            Plan::of(20.0, HOUR, 500, 100.0),
            Plan::of(10.0, 2 * HOUR, 500, 100.0),
            Plan::of(10.0, HOUR, 5000, 100.0),
        ] {
            assert!(larger.waiting_bytes > small.waiting_bytes, "{larger:?}");
            assert!(
                larger.spool_max_bytes >= small.spool_max_bytes,
                "{larger:?}"
            );
            assert!(larger.volume_bytes >= small.volume_bytes, "{larger:?}");
        }
        let busy = Plan::of(5000.0, HOUR, 500, 50_000.0);
        assert_eq!(busy.dedup_max_entries, 5000 * 1800 * 5 / 4);
        assert!(busy.memory_bytes > small.memory_bytes);
    }

    #[test]
    fn nothing_overflows() {
        let plan = Plan::of(1e7, Duration::from_hours(24 * 366), u64::MAX >> 20, 2e7);
        assert!(plan.volume_bytes >= plan.spool_max_bytes);
    }
}

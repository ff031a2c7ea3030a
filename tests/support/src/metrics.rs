//! `/metrics` as numbers, and the identity that must hold at rest.

use std::fmt;

/// One scrape.
#[derive(Debug, Clone)]
pub struct Metrics(Vec<Sample>);

#[derive(Debug, Clone)]
struct Sample {
    name: String,
    labels: String,
    value: f64,
}

impl Metrics {
    /// Reads the text format.
    #[track_caller]
    pub fn parse(text: &str) -> Self {
        let lines = text
            .lines()
            .filter(|l| !l.is_empty() && !l.starts_with('#'));
        Self(lines.map(sample).collect())
    }

    /// The sum over all label combinations that hold every one of `labels` (`key="value"`); none if there is none.
    pub fn sum(&self, name: &str, labels: &[&str]) -> Option<f64> {
        let mut found = self
            .0
            .iter()
            .filter(|s| s.name == name && labels.iter().all(|label| s.labels.contains(label)))
            .peekable();
        found.peek()?;
        Some(found.map(|s| s.value).sum())
    }

    /// The sum, which must exist, as a whole number.
    #[track_caller]
    pub fn count(&self, name: &str, labels: &[&str]) -> i64 {
        let Some(value) = self.sum(name, labels) else {
            panic!("no metric {name} with {labels:?}");
        };
        value as i64
    }

    /// What became of every record.
    #[track_caller]
    pub fn flow(&self) -> Flow {
        // Without a disk there is nothing to be recovered, or found damaged.
        let waiting = self.sum("livebridge_ack_pending_records", &[]);
        let of_disk = |name| match waiting {
            Some(_) => 0,
            None => self.count(name, &[]),
        };
        Flow {
            recovered: of_disk("livebridge_spool_recovered_records"),
            accepted: self.count("livebridge_callbacks_total", &[r#"outcome="accepted""#]),
            published: self.count("livebridge_published_total", &[]),
            quarantined: self.count("livebridge_quarantined_total", &[]),
            corrupt: of_disk("livebridge_spool_corrupt_records_total"),
            discarded: self.count("livebridge_discarded_total", &[]),
            pending: match waiting {
                Some(waiting) => waiting as i64,
                None => self.count("livebridge_spool_pending_records", &[]),
            },
        }
    }
}

/// The terms of the identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is the metric of that name")]
pub struct Flow {
    pub recovered: i64,
    pub accepted: i64,
    pub published: i64,
    pub quarantined: i64,
    pub corrupt: i64,
    pub discarded: i64,
    pub pending: i64,
}

impl Flow {
    /// Whether everything that came in is accounted for.
    pub const fn balances(&self) -> bool {
        self.recovered + self.accepted
            == self.published + self.quarantined + self.corrupt + self.discarded + self.pending
    }
}

impl fmt::Display for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "recovered {} + accepted {} = published {} + quarantined {} + corrupt {} + discarded {} + pending {}",
            self.recovered,
            self.accepted,
            self.published,
            self.quarantined,
            self.corrupt,
            self.discarded,
            self.pending
        )
    }
}

#[track_caller]
fn sample(line: &str) -> Sample {
    let (series, value) = line.rsplit_once(' ').expect("a name and a value");
    let (name, labels) = series.split_once('{').unwrap_or((series, ""));
    Sample {
        name: name.into(),
        labels: labels.trim_end_matches('}').into(),
        value: value.parse().expect("a number"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_over_the_labels_not_asked_for() {
        let text =
            "# TYPE a counter\na{x=\"1\",y=\"1\"} 2\na{x=\"1\",y=\"2\"} 3\na{x=\"2\"} 10\nb 7\n";
        let metrics = Metrics::parse(text);
        assert_eq!(metrics.sum("a", &["x=\"1\""]), Some(5.0));
        assert_eq!(metrics.count("b", &[]), 7);
        assert_eq!(metrics.sum("c", &[]), None);
    }
}

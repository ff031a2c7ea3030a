//! What `send` reports: the answers by status, and how long they took.

use super::place::printable;
use hyper::StatusCode;
use std::{collections::BTreeMap, fmt, time::Duration};

/// The answers so far.
#[derive(Debug, Default)]
pub(super) struct Summary {
    answers: BTreeMap<u16, u64>,
    /// What the first answer of each other status than 200 said.
    words: BTreeMap<u16, String>,
    failures: u64,
    /// One is enough to tell what is wrong.
    first_failure: Option<String>,
    micros: Vec<u32>,
    pub(super) took: Duration,
}

impl Summary {
    pub(super) fn answer(&mut self, status: StatusCode, body: &[u8], after: Duration) {
        *self.answers.entry(status.as_u16()).or_default() += 1;
        if status != StatusCode::OK {
            let words = self.words.entry(status.as_u16());
            words.or_insert_with(|| shown(body));
        }
        self.micros
            .push(u32::try_from(after.as_micros()).unwrap_or(u32::MAX));
    }

    pub(super) fn fail(&mut self, problem: String) {
        self.failures += 1;
        self.first_failure.get_or_insert(problem);
    }

    pub(super) fn add(&mut self, other: Self) {
        for (status, count) in other.answers {
            *self.answers.entry(status).or_default() += count;
        }
        for (status, words) in other.words {
            self.words.entry(status).or_insert(words);
        }
        self.failures += other.failures;
        self.first_failure = self.first_failure.take().or(other.first_failure);
        self.micros.extend(other.micros);
        self.micros.sort_unstable();
    }

    pub(super) fn all_taken(&self, count: u64) -> bool {
        self.answers.get(&200) == Some(&count)
    }

    fn percentile(&self, share: f64) -> f64 {
        let last = self.micros.len().saturating_sub(1);
        let place = (last as f64 * share).round() as usize;
        f64::from(self.micros.get(place).copied().unwrap_or_default()) / 1000.0
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (status, count) in &self.answers {
            match self.words.get(status) {
                Some(words) if !words.is_empty() => writeln!(f, "{status}: {count} ({words})")?,
                _ => writeln!(f, "{status}: {count}")?,
            }
        }
        if let Some(problem) = &self.first_failure {
            writeln!(f, "no answer: {} (first: {problem})", self.failures)?;
        }
        let seconds = self.took.as_secs_f64().max(1e-6);
        let rate = self.micros.len() as f64 / seconds;
        writeln!(f, "took {seconds:.2} s, {rate:.0} answers a second")?;
        writeln!(
            f,
            "latency ms: p50 {:.2}, p99 {:.2}, max {:.2}",
            self.percentile(0.5),
            self.percentile(0.99),
            self.percentile(1.0)
        )
    }
}

/// In one line, and not too long; of a relay's own answer the word that says why.
fn shown(body: &[u8]) -> String {
    const LONGEST: usize = 200;
    #[derive(serde::Deserialize)]
    struct Problem {
        detail: String,
    }
    let text = match serde_json::from_slice::<Problem>(body) {
        Ok(problem) => problem.detail.into(),
        Err(_) => String::from_utf8_lossy(body),
    };
    let words: Vec<_> = text.split_whitespace().collect();
    let shown: String = words.join(" ").chars().take(LONGEST).collect();
    printable(&shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_200_for_every_one_is_a_success() {
        let mut summary = Summary::default();
        summary.answer(StatusCode::OK, b"{}", Duration::from_millis(2));
        assert!(summary.all_taken(1));
        let body = br#"{"status":401,"detail":"not authentic"}"#;
        summary.answer(StatusCode::UNAUTHORIZED, body, Duration::from_millis(4));
        assert!(!summary.all_taken(2));
        summary.fail("refused".into());
        let text = summary.to_string();
        assert!(
            text.contains("200: 1")
                && text.contains("401: 1 (not authentic)")
                && text.contains("no answer: 1 (first: refused)"),
            "{text}"
        );
    }
}

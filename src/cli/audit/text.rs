//! An audit's report for people.

use crate::{
    cli::place::printable,
    publish::audit::{Finding, Kind, Report},
};
use std::fmt::Write;

pub(super) fn of(report: &Report) -> String {
    let mut text = String::new();
    let passes = match report.passes {
        1 => String::new(),
        n => format!(", in {n} passes"),
    };
    // Writing to a String can't fail.
    let _ = writeln!(
        text,
        "spool {}: {} record(s), against the topics by {}{passes}",
        report.spool_id, report.records, report.isolation
    );
    for (count, what) in [
        (report.quarantined, "in the quarantine, so not expected"),
        (report.off, "of a family that is off, so not expected"),
        (
            report.damaged,
            "damaged in the spool: looked for by ce_id alone",
        ),
        (
            report.lost,
            "not in the spool any more, though they should be: see `spool verify`",
        ),
    ] {
        if count > 0 {
            let _ = writeln!(text, "  {count} {what}");
        }
    }
    topics(&mut text, report);
    for finding in &report.findings {
        let _ = writeln!(text, "{}", line(finding));
    }
    if report.not_listed > 0 {
        let _ = writeln!(
            text,
            "… and {} more (--list N lists more of them)",
            report.not_listed
        );
    }
    hints(&mut text, report);
    text
}

fn topics(text: &mut String, report: &Report) {
    for (name, topic) in &report.topics {
        let _ = write!(text, "{name}: {} of {} there", topic.found, topic.records);
        for (count, what) in [
            (topic.found_again_only, "there only as a replay or requeued"),
            (topic.pending, "not published yet"),
            (topic.missing, "missing"),
            (topic.altered, "altered"),
            (topic.out_of_order, "out of order"),
            (topic.duplicated, "duplicated"),
            (topic.untold, "gone, perhaps by retention"),
            (
                topic.not_comparable,
                "without a typed event to compare with",
            ),
            (
                topic.streams_across_partitions,
                "stream(s) in several partitions, between which no order can be told",
            ),
        ] {
            if count > 0 {
                let _ = write!(text, ", {count} {what}");
            }
        }
        let _ = write!(text, "; {} message(s)", topic.messages);
        for (count, what) in [
            (topic.replayed, "replayed"),
            (topic.requeued, "requeued"),
            (topic.probes, "probes"),
            (topic.others, "of no record that was looked for"),
        ] {
            if count > 0 {
                let _ = write!(text, ", {count} {what}");
            }
        }
        text.push('\n');
    }
}

fn line(finding: &Finding) -> String {
    let stream = finding.stream.as_deref().unwrap_or("none");
    let event = finding.event.as_deref().unwrap_or("?");
    let place = match (finding.partition, finding.offset) {
        (Some(partition), Some(offset)) => format!(" partition {partition} offset {offset}"),
        _ => String::new(),
    };
    let detail = match finding.detail.as_str() {
        "" => String::new(),
        detail => format!(": {}", printable(detail)),
    };
    format!(
        "{}  #{}  {event}  stream {}  accepted {}  ce_id {}  {}{place}{detail}",
        finding.kind.as_str(),
        finding.seq,
        printable(stream),
        finding.accepted_at,
        finding.ce_id,
        finding.topic,
    )
}

/// What may be behind it, other than a loss.
fn hints(text: &mut String, report: &Report) {
    for (kind, hint) in [
        (
            Kind::Missing,
            "missing: published by the spool's checkpoint, and not in the topic. If topics.* was changed since, or the family was off \
             then, that may be why",
        ),
        (
            Kind::Altered,
            "altered: differs from what the present settings would publish. If payload, redact or kafka.cloudevents was changed since, or \
             the version, that is why",
        ),
        (
            Kind::Duplicated,
            "duplicated: at least once may do that after a crash of the relay or a broker; consumers dedup by ce_id",
        ),
    ] {
        if report.of(kind) > 0 {
            let _ = writeln!(text, "{hint}");
        }
    }
    if Kind::ALL.into_iter().all(|kind| report.of(kind) == 0) {
        text.push_str("nothing is missing, altered, out of order or duplicated\n");
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::cli::audit) fn with(kind: Kind) -> Report {
        let mut report = Report {
            isolation: "read_uncommitted",
            passes: 1,
            ..Report::default()
        };
        let topic = report.topics.entry("live.x".into()).or_default();
        match kind {
            Kind::Missing => topic.missing = 1,
            Kind::Altered => topic.altered = 1,
            Kind::OutOfOrder => topic.out_of_order = 1,
            Kind::Duplicated => topic.duplicated = 1,
            Kind::Untold => topic.untold = 1,
        }
        report
    }

    #[test]
    fn a_report_without_findings_says_that_all_is_well_and_only_that_one() {
        let well = "nothing is missing";
        assert!(of(&Report::default()).contains(well));
        for kind in Kind::ALL {
            assert!(!of(&with(kind)).contains(well), "{kind:?}");
        }
    }

    #[test]
    fn what_a_finding_says_can_not_steer_a_terminal() {
        let finding = Finding {
            kind: Kind::Missing,
            seq: 7,
            ce_id: "ab".into(),
            event: Some("recording.file".into()),
            stream: Some("s\u{1b}[2J".into()),
            accepted_at: crate::clock::Millis(0),
            topic: "live.recording".into(),
            partition: Some(2),
            offset: Some(9),
            detail: "why".into(),
        };
        assert_eq!(
            line(&finding),
            "missing  #7  recording.file  stream s\\u{1b}[2J  accepted 1970-01-01T00:00:00.000Z  ce_id ab  live.recording partition 2 \
             offset 9: why"
        );
    }
}

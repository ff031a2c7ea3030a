//! The shape of the code base: which module may know what. ARCHITECTURE.md states these rules; this test holds them.
//!
//! Sources are read as text, tests and comments left out: crude, but a forbidden import can't hide from it.

#![expect(clippy::unwrap_used, reason = "a test may: what is missing fails it")]

use std::{fs, path::Path};

/// Words that mean IO, a clock, or a runtime.
const IMPURE: &[&str] = &[
    "std::fs",
    "std::net",
    "std::thread",
    "std::env",
    "std::process",
    "tokio::",
    "rdkafka",
    "hyper",
    "rustix",
    "Instant",
    "SystemTime",
    "SystemClock",
];

/// Modules that decide and don't do.
const PURE: &[&str] = &[
    "callback",
    "follow/decision.rs",
    "follow/filter.rs",
    "spool/bytes.rs",
    "spool/lost.rs",
    "spool/frame.rs",
    "spool/envelope.rs",
    "spool/segment.rs",
    "spool/index.rs",
    "spool/scan.rs",
    "spool/scan",
    "spool/window.rs",
    "hold/book.rs",
    "hold/share.rs",
    "publish/exact/account.rs",
    "publish/course.rs",
    "publish/suspicion.rs",
    "publish/plan.rs",
    "publish/window.rs",
    "publish/retry.rs",
    "publish/classify.rs",
    "publish/stall.rs",
    "publish/audit/identity.rs",
    "publish/audit/ledger.rs",
    "publish/audit/murmur.rs",
    "publish/audit/order.rs",
    "publish/audit/parts.rs",
    "publish/audit/retention.rs",
    "publish/trouble.rs",
    "publish/room.rs",
    "publish/turn.rs",
    "publish/exact/checkpoint.rs",
    "publish/exact/decide.rs",
    "publish/exact/places.rs",
    "publish/exact/transaction.rs",
    "publish/message.rs",
    "publish/message",
    "traces/context.rs",
    "traces/span.rs",
    "traces/otlp.rs",
];

/// (who, must not know, because)
const STRANGERS: &[(&str, &[&str], &str)] = &[
    (
        "front",
        &["rdkafka", "crate::publish", "std::fs"],
        "the door neither waits for Kafka nor knows files",
    ),
    (
        "publish",
        &["hyper", "crate::front", "std::fs", "http::"],
        "the publisher knows neither HTTP nor files",
    ),
    (
        "spool",
        &["rdkafka", "hyper", "crate::front", "crate::publish"],
        "the spool serves both sides and knows neither",
    ),
    (
        "hold",
        &[
            "rdkafka",
            "hyper",
            "crate::front",
            "crate::publish",
            "std::fs",
        ],
        "it stands in the spool's place: it serves both sides and knows neither, and no disk",
    ),
    (
        "traces",
        &[
            "rdkafka",
            "crate::front",
            "crate::publish",
            "crate::spool",
            "crate::hold",
            "std::fs",
        ],
        "both sides tell it of their steps, and it knows neither",
    ),
    (
        "callback",
        &["crate::front", "crate::publish"],
        "what a callback means doesn't depend on who asks",
    ),
];

#[test]
fn pure_modules_do_no_io_read_no_clock_and_know_no_runtime() {
    for place in PURE {
        assert_free_of(
            place,
            IMPURE,
            "it is pure: deciding is kept apart from doing",
        );
    }
}

#[test]
fn the_parts_do_not_know_each_other() {
    for (place, forbidden, because) in STRANGERS {
        assert_free_of(place, forbidden, because);
    }
}

#[test]
fn the_backoff_crate_stays_behind_one_module() {
    for file in sources("") {
        if !file.path.ends_with("publish/retry.rs") {
            assert!(
                !file.code.contains("backoff::"),
                "{}: the backoff crate is unmaintained and stays behind publish/retry.rs",
                file.path
            );
        }
    }
}

#[test]
fn only_the_reply_module_makes_a_200() {
    for file in sources("front") {
        if !file.path.ends_with("front/reply.rs") && !file.path.contains("front/admin") {
            assert!(
                !file.code.contains("StatusCode::OK"),
                "{}: a 200 is made in front/reply.rs, from a proof",
                file.path
            );
        }
    }
}

struct Source {
    path: String,
    code: String,
}

fn assert_free_of(place: &str, forbidden: &[&str], because: &str) {
    for file in sources(place) {
        for word in forbidden {
            assert!(
                !file.code.contains(word),
                "{} mentions `{word}`, but {because}",
                file.path
            );
        }
    }
}

/// The production code of a module, file by file. Panics if there is none: a rule about nothing holds nothing.
fn sources(place: &str) -> Vec<Source> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    collect(&src.join(place), &mut found);
    assert!(!found.is_empty(), "src/{place} is gone: mend this rule");
    found
}

fn collect(path: &Path, found: &mut Vec<Source>) {
    if path.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            collect(&entry.unwrap().path(), found);
        }
    } else if path.extension().is_some_and(|e| e == "rs")
        && !path.ends_with("tests.rs")
        && !path.components().any(|c| c.as_os_str() == "tests")
    {
        found.push(Source {
            path: path.display().to_string(),
            code: production_code(&fs::read_to_string(path).unwrap()),
        });
    }
}

/// Without comments, and without each item that is there for tests only: up to the line that closes it, which is indented as it is.
fn production_code(text: &str) -> String {
    let mut code = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if line.trim() == "#[cfg(test)]" {
            let indent = line.len() - line.trim_start().len();
            let ends = |line: &&str| {
                let closes = line.ends_with(['}', ';', ','])
                    && line.len() - line.trim_start().len() == indent;
                closes && !line.trim_start().starts_with("//")
            };
            lines.by_ref().find(ends);
        } else if !line.trim_start().starts_with("//") {
            code.push(line);
        }
    }
    code.join("\n")
}

#[test]
fn what_follows_an_item_for_tests_is_code() {
    let text = "use a;\n#[cfg(test)]\nmod tests;\n// no\nfn b() {\n    c();\n    #[cfg(test)]\n    d(\n        e,\n    );\n    f();\n}\n\n\
                #[cfg(test)]\nmod tests {\n    fn g() {}\n}\nfn h() {}\n";
    assert_eq!(
        production_code(text),
        "use a;\nfn b() {\n    c();\n    f();\n}\n\nfn h() {}"
    );
}

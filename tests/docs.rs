//! What the docs show can be typed as shown: links lead somewhere, every `livebridge` line is one that the binary understands,
//! the figures are those of `plan`, and the walk through an installation runs.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};
use support::{
    callback::{recording, signed},
    docs::{self, commands},
    kafka::Broker,
    port::Port,
    process::Process,
    relay::Relay,
    tools::{said, text},
    topics::Topics,
};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const BINARY: &str = env!("CARGO_BIN_EXE_livebridge");

/// README, and everything in docs/.
fn pages() -> Vec<(PathBuf, String)> {
    let root = Path::new(ROOT);
    let docs = fs::read_dir(root.join("docs")).expect("docs/");
    let paths = docs.map(|entry| entry.expect("an entry").path());
    let mut paths: Vec<_> = paths
        .filter(|path| path.extension().is_some_and(|kind| kind == "md"))
        .collect();
    paths.push(root.join("README.md"));
    paths.sort();
    let read = |path: PathBuf| {
        let text = fs::read_to_string(&path).expect("a page");
        (path, text)
    };
    paths.into_iter().map(read).collect()
}

/// GitHub's anchor of a heading.
fn anchor(heading: &str) -> String {
    let kept = heading
        .chars()
        .filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}

#[test]
fn every_link_within_the_project_leads_somewhere() {
    let mut links = 0;
    for (path, page) in pages() {
        for link in page
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split(')').next())
        {
            if link.contains("://") {
                continue;
            }
            let (file, heading) = link.split_once('#').unwrap_or((link, ""));
            let target = match file {
                "" => path.clone(),
                file => path.with_file_name("").join(file),
            };
            let found = fs::read_to_string(&target);
            let found = found.unwrap_or_else(|e| panic!("{}: {link}: {e}", path.display()));
            let mut headings = found.lines().filter_map(|line| line.strip_prefix('#'));
            let there = heading.is_empty()
                || headings.any(|line| anchor(line.trim_start_matches('#').trim()) == heading);
            assert!(there, "{}: {link}", path.display());
            links += 1;
        }
    }
    assert!(links > 25, "{links}");
}

/// As installed, but for where the binary lies.
#[test]
fn systemd_takes_the_unit_without_a_word() {
    let dir = tempfile::tempdir().expect("a directory");
    let unit = docs::page("deploy/systemd/livebridge.service");
    let installed = "ExecStart=/usr/local/bin/livebridge ";
    assert!(unit.contains(installed));
    let unit = unit.replace(installed, &format!("ExecStart={BINARY} "));
    let path = dir.path().join("livebridge.service");
    fs::write(&path, unit).expect("a file");
    let mut verify = Command::new("systemd-analyze");
    verify.args(["verify", "--recursive-errors=no"]).arg(&path);
    assert_eq!(said(&mut verify), "");
}

/// A small Debian has no `/bin/kill`, and `systemctl reload` failed there.
#[test]
fn the_systemd_unit_starts_nothing_but_the_binary_and_a_shell() {
    let unit = docs::page("deploy/systemd/livebridge.service");
    let programs: Vec<_> = unit
        .lines()
        .filter_map(|line| line.strip_prefix("Exec")?.split_once('='))
        .filter_map(|(_, command)| command.split_whitespace().next())
        .collect();
    assert_eq!(programs, ["/usr/local/bin/livebridge", "/bin/sh"]);
}

#[test]
fn the_binary_understands_every_line_that_the_docs_show() {
    let mut shown = 0;
    for (path, page) in pages() {
        for command in commands(&page) {
            let Some(at) = command.find("livebridge ").filter(|at| {
                *at == 0
                    || command
                        .get(..*at)
                        .is_some_and(|before| before.ends_with("-- "))
            }) else {
                continue;
            };
            let line = command.get(at..).unwrap_or_default();
            let arguments = line.split(['|', '>', '&']).next().unwrap_or_default();
            let arguments = arguments
                .split_whitespace()
                .skip(1)
                .map(|word| word.trim_matches('"'));
            // Help comes last, so that all before it was understood.
            let output = Command::new(BINARY).args(arguments).arg("--help").output();
            let output = output.expect("the binary runs");
            assert!(
                output.status.success(),
                "{}: {line}\n{}",
                path.display(),
                text(&output)
            );
            shown += 1;
        }
    }
    assert!(shown > 25, "{shown}");
}

/// What the code logs at info and above: its place, and the pieces of its text between what is put in, and between clauses.
fn logged(dir: &Path, found: &mut Vec<(String, Vec<String>)>) {
    for entry in fs::read_dir(dir).expect("sources") {
        let path = entry.expect("an entry").path();
        if path.is_dir() && !path.ends_with("tests") && !path.ends_with("simulation") {
            logged(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            let code = fs::read_to_string(&path).expect("a source");
            let code = code.split("#[cfg(test)]").next().unwrap_or_default();
            for level in ["error", "warn", "info"] {
                for call in code.split(&format!("tracing::{level}!(")).skip(1) {
                    let call = call.split(");").next().unwrap_or_default();
                    found.push((path.display().to_string(), pieces(call)));
                }
            }
        }
    }
}

fn pieces(call: &str) -> Vec<String> {
    let texts = call.split('"').skip(1).step_by(2);
    let text = texts.max_by_key(|text| text.len()).unwrap_or_default();
    let text = text.replace("\\\n", " ");
    let fixed = text.split(['{', '}']).step_by(2);
    let clauses = fixed.flat_map(|fixed| fixed.split([':', ';', ',']));
    clauses
        .map(|clause| clause.split_whitespace().collect::<Vec<_>>().join(" "))
        .filter(|clause| clause.len() >= 8)
        .collect()
}

#[test]
fn every_line_of_the_log_is_explained() {
    let page = docs::page("docs/logs.md");
    let mut lines = Vec::new();
    logged(&Path::new(ROOT).join("src"), &mut lines);
    assert!(lines.len() > 50, "{}", lines.len());
    // Texts that are made elsewhere.
    let (made, written): (Vec<_>, Vec<_>) = lines.iter().partition(|(_, pieces)| pieces.is_empty());
    assert!(made.len() <= 5, "{made:?}");
    for (place, pieces) in written {
        let explained = pieces.iter().any(|piece| page.contains(piece.as_str()));
        assert!(explained, "{place} logs {pieces:?}");
    }
}

fn planned(rate: &str, outage: &str, body: &str) -> String {
    let mut plan = Command::new(BINARY);
    plan.args(["plan", "--rate", rate, "--outage", outage, "--body", body]);
    support::tools::said(&mut plan)
}

/// The words after the name of a line.
#[track_caller]
fn line<'a>(plan: &'a str, name: &str) -> Vec<&'a str> {
    let line = plan.lines().find_map(|line| line.strip_prefix(name));
    line.unwrap_or_else(|| panic!("no {name} in\n{plan}"))
        .split_whitespace()
        .collect()
}

#[test]
fn the_table_of_spool_sizes_is_what_plan_says() {
    let page = fs::read_to_string(Path::new(ROOT).join("docs/capacity.md")).expect("the page");
    let mut rows = page
        .lines()
        .skip_while(|line| !line.starts_with("| callbacks a second"));
    let cells = |line: &str| -> Vec<String> {
        line.trim_matches('|')
            .split('|')
            .map(|cell| cell.trim().to_owned())
            .collect()
    };
    let head = cells(rows.next().expect("the table"));
    let mut compared = 0;
    for row in rows
        .skip(1)
        .take_while(|line| line.starts_with('|'))
        .map(cells)
    {
        let rate = row.first().expect("a rate").replace(',', "");
        for (outage, said) in head.iter().zip(&row).skip(1) {
            let outage = outage.trim_start_matches("outage of ").replace(' ', "");
            let plan = planned(&rate, &outage, "1KiB");
            let size = line(&plan, "spool.max_bytes").first().copied();
            assert_eq!(
                size,
                Some(said.replace(' ', "").as_str()),
                "{rate} a second, {outage}"
            );
            compared += 1;
        }
    }
    assert_eq!(compared, 16);
}

/// The formula against the real thing: what records take in the spool of a running relay.
#[test]
fn no_record_takes_more_than_plan_reckons_with() {
    const COUNT: usize = 50;
    let mut relay = Relay::new(BINARY, "127.0.0.1:1", &Topics::named());
    relay.start();
    let mut bytes = 0;
    for number in 0..COUNT {
        let body = signed(&recording("s1", number as u64));
        bytes += body.len();
        assert_eq!(relay.post(&body).status, 200);
    }
    let taken = relay.metrics().count("livebridge_spool_bytes", &[]);
    let taken = usize::try_from(taken).expect("a size") / COUNT;
    let plan = planned("1", "1h", &(bytes / COUNT).to_string());
    let waiting = line(&plan, "waiting in the end");
    // 3,600 records and their size in KiB or MiB: compared by what it says of one.
    assert_eq!(waiting.first(), Some(&"3600"), "{plan}");
    let [size, unit] = [waiting.get(2), waiting.get(3)].map(|word| *word.expect("a size"));
    assert_eq!(unit, "MiB", "{plan}");
    let one = size.parse::<f64>().expect("a number") * f64::from(1 << 20) / 3600.0;
    assert!((taken as f64) < one * 1.02, "{taken} bytes, {one} planned");
    assert!(
        (taken as f64) > one * 0.75,
        "{taken} bytes, {one} planned: too careful"
    );
}

/// Runs the walk through docs/install.md in a shell, with other ports than the ones shown: those may be taken here.
#[test]
fn the_walk_through_an_installation_runs_as_shown() {
    let broker = Broker::started();
    let (http, admin) = (Port::claim(), Port::claim());
    let lines = docs::marked(&docs::page("docs/install.md"), "bare").concat();
    assert!(lines.len() > 10, "{lines:?}");
    let post_to = format!(
        "livebridge send --url http://{}/callbacks/tencent ",
        http.address()
    );
    let script: String = lines
        .iter()
        .map(|line| {
            let line = line.replace("127.0.0.1:9092", &broker.bootstrap());
            let line = line.replace("127.0.0.1:9464", &admin.address());
            line.replace("livebridge send ", &post_to) + "\n"
        })
        .collect();
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("walk.sh");
    let around = "set -euxm\ntrap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n";
    fs::write(&path, format!("{around}{script}")).expect("a file");
    let mut bash = Command::new("bash");
    let beside = Path::new(BINARY).parent().expect("a directory");
    let search = std::env::join_paths([beside, Path::new("/usr/bin"), Path::new("/bin")]);
    bash.arg(&path)
        .current_dir(dir.path())
        .env("PATH", search.expect("a path"))
        .env("LIVEBRIDGE_LISTEN", http.address())
        .env("LIVEBRIDGE_ADMIN_LISTEN", admin.address());
    let mut running = Process::spawn("the walk", bash, &dir.path().join("log"), dir.path());
    let status = running.wait(Duration::from_secs(180));
    let log = fs::read_to_string(dir.path().join("log")).unwrap_or_default();
    assert!(status.success(), "{log}");
    for said in ["settings: right", "200: 3", "recording"] {
        assert!(log.contains(said), "{said}\nnot in\n{log}");
    }
}

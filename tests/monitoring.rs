//! Alerts, dashboard and runbook, held against the real binary by the real promtool and Prometheus.

use rcgen::{CertificateParams, KeyPair};
use serde_json::Value;
use std::{collections::BTreeSet, fs, io::Write, path::Path, process::Stdio, time::Duration};
use support::{
    callback::{now, recording, signed, signed_at},
    kafka::Broker,
    prometheus::Prometheus,
    relay::Relay,
    tools::{said, text, tool},
    topics::Topics,
    wait,
};

const RULES: &str = "deploy/prometheus/livebridge.rules.yaml";
const DASHBOARD: &str = "deploy/grafana/livebridge.json";
const SOON: Duration = Duration::from_secs(60);

fn file(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// A relay whose door speaks TLS, so that the metrics of certificates are there as well. Kafka is away.
fn relay_with_a_certificate(dir: &Path) -> Relay {
    let key = KeyPair::generate().expect("a key");
    let names = vec!["relay.example.com".to_owned()];
    let certificate = CertificateParams::new(names).expect("parameters");
    let certificate = certificate.self_signed(&key).expect("a certificate");
    fs::write(dir.join("cert"), certificate.pem()).expect("a file");
    fs::write(dir.join("key"), key.serialize_pem()).expect("a file");
    let quoted = |name| format!("\"{}\"", dir.join(name).display());
    let binary = env!("CARGO_BIN_EXE_livebridge");
    let mut relay = Relay::new(binary, "127.0.0.1:1", &Topics::named())
        .set("http.tls.cert_file", &quoted("cert"))
        .set("http.tls.key_file", &quoted("key"));
    relay.start();
    relay
}

/// Names, types, units and help texts are as Prometheus wants them.
#[track_caller]
fn promtool_has_nothing_to_say(page: &str) {
    let mut promtool = tool("promtool");
    promtool.args(["check", "metrics"]).stdin(Stdio::piped());
    promtool.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut check = promtool.spawn().expect("promtool");
    let mut input = check.stdin.take().expect("piped");
    input.write_all(page.as_bytes()).expect("promtool reads");
    drop(input);
    let output = check.wait_with_output().expect("promtool ends");
    assert_eq!(
        text(&output),
        "",
        "promtool check metrics has something to say"
    );
}

/// The words of a text that begin like metrics of the relay, or of a process.
fn metrics_named(text: &str) -> BTreeSet<&str> {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == ':'))
        .filter(|word| {
            word.starts_with("livebridge_")
                || word.starts_with("process_")
                || word.starts_with("livebridge:") && word.len() > "livebridge:".len()
        })
        .collect()
}

/// The values of this key in YAML of one key a line.
fn values<'a>(yaml: &'a str, key: &str) -> Vec<&'a str> {
    yaml.lines()
        .filter_map(|line| {
            line.trim_start()
                .strip_prefix("- ")
                .or(Some(line.trim_start()))
        })
        .filter_map(|line| line.strip_prefix(key)?.strip_prefix(": "))
        .collect()
}

#[test]
fn every_query_names_metrics_that_exist() {
    let dir = tempfile::tempdir().expect("a directory");
    let relay = relay_with_a_certificate(dir.path());
    let page = relay.admin("/metrics").expect("metrics").text();

    promtool_has_nothing_to_say(&page);

    // What is there only without a disk.
    let binary = env!("CARGO_BIN_EXE_livebridge");
    let mut without_disk =
        Relay::new(binary, "127.0.0.1:1", &Topics::named()).set("ack", "\"kafka\"");
    without_disk.start();
    let other_page = without_disk.admin("/metrics").expect("metrics").text();
    promtool_has_nothing_to_say(&other_page);

    let rules = file(RULES);
    let mut known: BTreeSet<&str> = page
        .lines()
        .chain(other_page.lines())
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split(['{', ' ']).next())
        .collect();
    known.extend(values(&rules, "record"));
    for place in [RULES, DASHBOARD] {
        let text = file(place);
        let named = metrics_named(&text);
        assert!(named.len() > 20, "{place} names hardly any metric");
        let unknown: Vec<_> = named.difference(&known).collect();
        assert!(unknown.is_empty(), "{place}: no such metrics: {unknown:?}");
    }
}

#[test]
fn the_rules_pass_their_checks_and_unit_tests() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let tests = "deploy/prometheus/livebridge.rules.test.yaml";
    for arguments in [["check", "rules", RULES], ["test", "rules", tests]] {
        let said = said(tool("promtool").args(arguments).current_dir(here));
        assert!(said.contains("SUCCESS"), "{said}");
    }
    let tested = file(tests);
    for alert in values(&file(RULES), "alert") {
        assert!(
            tested.contains(&format!("alertname=\"{alert}\"")),
            "no unit test lets {alert} fire"
        );
    }
}

/// Grafana isn't asked: what can be wrong without it is the JSON, a query, or two panels in one place.
#[test]
fn every_query_of_the_dashboard_is_one_that_prometheus_takes() {
    let dashboard: Value = serde_json::from_str(&file(DASHBOARD)).expect("JSON");
    let mut rules = String::from("groups:\n  - name: dashboard\n    rules:\n");
    let mut seen = BTreeSet::new();
    for panel in dashboard["panels"].as_array().expect("panels") {
        let place = &panel["gridPos"];
        let [x, y, w] = ["x", "y", "w"].map(|name| place[name].as_u64().expect("a number"));
        for column in x..x + w {
            assert!(
                seen.insert((column, y)),
                "two panels at {column}, {y}: {panel}"
            );
        }
        for target in panel["targets"].as_array().into_iter().flatten() {
            let query = target["expr"].as_str().expect("a query");
            let query = query.replace("$__rate_interval", "5m");
            let quoted = serde_json::to_string(&query).expect("a string");
            rules += &format!(
                "      - {{ record: dashboard:query, expr: {quoted}, labels: {{ n: \"{}\" }} }}\n",
                rules.len()
            );
        }
    }
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("rules.yaml");
    fs::write(&path, rules).expect("a file");
    said(tool("promtool").args(["check", "rules"]).arg(path));
}

#[test]
fn every_alert_has_its_page_in_the_runbook_and_every_page_its_alert() {
    let (rules, runbook) = (file(RULES), file("docs/runbook.md"));
    let alerts = values(&rules, "alert");
    let urls = values(&rules, "runbook_url");
    assert_eq!(alerts.len(), urls.len());
    for (alert, url) in alerts.iter().zip(urls) {
        let anchor = alert.to_lowercase();
        assert_eq!(url, format!("docs/runbook.md#{anchor}"));
    }
    let pages: Vec<_> = runbook
        .lines()
        .filter_map(|line| line.strip_prefix("### "))
        .collect();
    assert_eq!(alerts, pages, "in the order of the rules");
    for page in runbook.split("\n### ").skip(1) {
        let name = page.lines().next().unwrap_or_default();
        assert!(page.contains("**Means**"), "{name}");
        assert!(page.contains("**Check"), "{name}");
        assert!(
            page.contains("**Do**") || page.contains("and do**"),
            "{name}"
        );
    }
}

/// The rules with waiting times and the age shortened, since nobody waits ten minutes for a test: everything else is
/// what an operator loads.
fn impatient(rules: &str) -> String {
    let mut shortened = 0;
    let lines = rules.lines().map(|line| {
        let line = match line.split_once("for: ") {
            Some((before, _)) => format!("{before}for: 1s"),
            None => line.replace("oldest_pending_seconds > 300", "oldest_pending_seconds > 2"),
        };
        shortened += usize::from(line.ends_with("oldest_pending_seconds > 2"));
        line + "\n"
    });
    let rules = lines.collect();
    assert_eq!(shortened, 1, "the age of LivebridgeOldestPendingTooOld");
    rules
}

#[test]
fn while_kafka_is_stopped_the_alert_fires_and_ends_when_it_is_back() {
    let broker = Broker::started();
    let topics = Topics::create(&broker, 1);
    let binary = env!("CARGO_BIN_EXE_livebridge");
    let mut relay = Relay::new(binary, &broker.bootstrap(), &topics);
    relay.start();
    let prometheus = Prometheus::start(&[relay.admin_address()], &impatient(&file(RULES)));
    assert_eq!(relay.post(&signed(&recording("s1", 1))).status, 200);
    relay.wait_until_settled(SOON);
    wait::until("Prometheus knows the relay", SOON, || {
        prometheus
            .metrics()
            .contains("livebridge_ready")
            .then_some(())
    });
    wait::until("no alert while all is well", SOON, || {
        prometheus.firing().is_empty().then_some(())
    });

    broker.kill();
    assert_eq!(relay.post(&signed(&recording("s1", 2))).status, 200);
    let alert = "LivebridgeOldestPendingTooOld";
    let firing = wait::until("the alert fires", SOON, || {
        let firing = prometheus.firing();
        firing.contains(alert).then_some(firing)
    });
    assert_eq!(
        firing.len(),
        1,
        "recordings are safe, nobody is woken: {firing:?}"
    );

    broker.start();
    relay.wait_until_settled(SOON);
    wait::until("the alert ends", SOON, || {
        (!prometheus.firing().contains(alert)).then_some(())
    });

    each_kind_of_answer(&relay);
    relay.wait_until_settled(SOON);
    promtool_has_nothing_to_say(&relay.admin("/metrics").expect("metrics").text());
}

/// Callbacks of every outcome, after which no metric is at rest.
fn each_kind_of_answer(relay: &Relay) {
    let answered = |status: u16, body: &str| {
        assert_eq!(relay.post(body).status, status, "{body}");
    };
    let good = signed(&recording("s2", 1));
    answered(200, &good);
    answered(200, &good);
    answered(200, &signed(r#"{"event_type":9999}"#));
    answered(200, &signed(r#"{"event_type":"not an integer"}"#));
    answered(400, "not JSON");
    answered(401, &recording("s2", 2));
    answered(401, &signed_at(&recording("s2", 3), now() - 86_400));
    answered(
        401,
        &signed(&recording("s2", 4)).replace("\"sign\":\"", "\"sign\":\"x"),
    );
    answered(413, &" ".repeat(1 << 20));
    let mut client = relay.client();
    let elsewhere = client.post("/callbacks/nobody", &good).expect("an answer");
    assert_eq!(elsewhere.status, 404);
    let got = relay.client().get("/callbacks/tencent").expect("an answer");
    assert_eq!(got.status, 405);
    let metrics = relay.metrics();
    for (name, label) in [
        ("livebridge_callbacks_total", "outcome=\"accepted\""),
        ("livebridge_callbacks_total", "outcome=\"duplicate\""),
        ("livebridge_callbacks_total", "outcome=\"rejected\""),
        ("livebridge_http_requests_total", "code=\"404\""),
        ("livebridge_http_requests_total", "code=\"413\""),
        ("livebridge_signature_failures_total", "reason=\"expired\""),
    ] {
        assert!(metrics.count(name, &[label]) > 0, "{name} {label}");
    }
}

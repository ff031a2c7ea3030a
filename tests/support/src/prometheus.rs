//! A real Prometheus that scrapes relays and evaluates rules.

use crate::{http::Client, port::Port, process::Process, tools, wait};
use serde_json::Value;
use std::{collections::BTreeSet, path::Path, time::Duration};
use tempfile::TempDir;

/// How long it may take to come up on a busy machine.
const START: Duration = Duration::from_secs(60);

/// A running Prometheus. Dropping it kills it and removes its data.
#[derive(Debug)]
pub struct Prometheus {
    port: Port,
    process: Process,
    _dir: TempDir,
}

impl Prometheus {
    /// One that scrapes these `host:port`s as the job `livebridge` and evaluates these rules, both four times a second.
    #[track_caller]
    pub fn start(targets: &[String], rules: &str) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let port = Port::claim();
        std::fs::write(dir.path().join("rules.yaml"), rules).expect("the rules");
        let settings = format!(
            "global: {{ scrape_interval: 250ms, scrape_timeout: 250ms, evaluation_interval: 250ms }}\n\
             rule_files: [rules.yaml]\n\
             scrape_configs:\n  - job_name: livebridge\n    static_configs: [{{ targets: {targets:?} }}]\n"
        );
        let config = dir.path().join("prometheus.yaml");
        std::fs::write(&config, settings).expect("the settings");
        let mut prometheus = tools::tool("prometheus");
        prometheus
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", path(dir.path(), "data")))
            .arg(format!("--web.listen-address={}", port.address()))
            .arg("--log.level=warn");
        let log = dir.path().join("prometheus.log");
        let process = Process::spawn("Prometheus", prometheus, &log, dir.path());
        let mut this = Self {
            port,
            process,
            _dir: dir,
        };
        let up = wait::within(START, || {
            if let Some(status) = this.process.ended() {
                panic!("Prometheus ended: {status}\n{}", this.process.log_tail());
            }
            let answer = Client::new(this.port.address()).get("/-/ready").ok()?;
            (answer.status == 200).then_some(())
        });
        assert!(up.is_some(), "not up\n{}", this.process.log_tail());
        this
    }

    /// The names of the alerts that fire.
    #[track_caller]
    pub fn firing(&self) -> BTreeSet<String> {
        let page = self.get("/api/v1/alerts");
        let alerts = page["data"]["alerts"].as_array().expect("a list of alerts");
        alerts
            .iter()
            .filter(|alert| alert["state"] == "firing")
            .map(|alert| {
                let name = alert["labels"]["alertname"].as_str();
                name.expect("an alert has a name").to_owned()
            })
            .collect()
    }

    /// The metrics that it knows, its own about scraping included.
    #[track_caller]
    pub fn metrics(&self) -> BTreeSet<String> {
        let page = self.get("/api/v1/label/__name__/values");
        let names = page["data"].as_array().expect("a list of names");
        names
            .iter()
            .map(|name| name.as_str().expect("a name").to_owned())
            .collect()
    }

    #[track_caller]
    fn get(&self, path: &str) -> Value {
        // HTTP/1.0, so that the answer isn't chunked.
        let request = format!("GET {path} HTTP/1.0\r\nhost: prometheus\r\n\r\n");
        let answer = Client::new(self.port.address()).ask(request.as_bytes());
        let answer = answer.unwrap_or_else(|e| panic!("{e}\n{}", self.process.log_tail()));
        let page: Value = serde_json::from_slice(&answer.body)
            .unwrap_or_else(|e| panic!("{e}: {}", answer.text()));
        assert_eq!(page["status"], "success", "{page}");
        page
    }
}

fn path(dir: &Path, name: &str) -> String {
    dir.join(name).display().to_string()
}

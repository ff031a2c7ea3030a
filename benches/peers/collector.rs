//! An OpenTelemetry Collector as a relay of callbacks: its receiver of webhooks, its queue on disk with a sync for each write, its
//! exporter to Kafka. Built from its Go modules, once.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};
use support::{kafka, process};

/// Requests that may wait on disk; one more is refused.
const QUEUE: u32 = 1_000_000;

/// Listens at the address, keeps its queue in `dir`.
pub(crate) fn command(address: &str, bootstrap: &str, topic: &str, dir: &Path) -> Command {
    let settings = dir.join("collector.yaml");
    fs::write(&settings, configuration(address, bootstrap, topic, dir)).expect("its settings");
    let mut collector = Command::new(binary());
    collector.arg("--config").arg(settings);
    collector
}

fn configuration(address: &str, bootstrap: &str, topic: &str, dir: &Path) -> String {
    format!(
        "extensions:
  file_storage:
    directory: {}
    fsync: true
receivers:
  webhookevent:
    endpoint: {address}
    path: /callbacks/tencent
    keep_alives_enabled: true
    read_timeout: 10s
    write_timeout: 10s
exporters:
  kafka:
    brokers: [\"{bootstrap}\"]
    logs: {{ topic: {topic}, encoding: raw }}
    producer: {{ compression: lz4, required_acks: -1 }}
    sending_queue: {{ storage: file_storage, queue_size: {QUEUE} }}
service:
  extensions: [file_storage]
  telemetry:
    metrics: {{ level: none }}
    logs: {{ level: error }}
  pipelines:
    logs: {{ receivers: [webhookevent], exporters: [kafka] }}
",
        dir.display()
    )
}

fn binary() -> PathBuf {
    const GO: &str = concat!(
        include_str!("collector/go.mod"),
        include_str!("collector/go.sum"),
        include_str!("collector/main.go")
    );
    let dir = kafka::once("peer-collector", GO, |dir| {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/peers/collector");
        let mut go = Command::new("go");
        go.current_dir(source)
            .args(["build", "-mod=readonly", "-o"])
            .arg(dir.join("collector"))
            .arg(".");
        process::run("build an OpenTelemetry Collector (Go)", &mut go);
    });
    dir.join("collector")
}

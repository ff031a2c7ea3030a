//! The image that `./dev image` builds, run as an operator would run it at his strictest: read-only, without capabilities, as
//! any user, a volume for the spool. A callback goes in, and comes out of a real Kafka.

use serde_json::Value;
use std::{path::Path, process::Command, time::Duration};
use support::{
    callback::{self, recording, signed},
    http::Client,
    kafka::Broker,
    port::Port,
    reader,
    tools::said,
    topics::FAMILIES,
    wait,
};

const SOON: Duration = Duration::from_secs(60);
/// From scratch: the binary, the C library and certificates.
const SIZE_MAX: u64 = 40_000_000;

/// What `./dev image` calls what it has built.
const IMAGE: &str = "localhost/livebridge:rehearsal";

/// A container that goes with the test.
struct Container {
    name: String,
    volume: String,
}

impl Container {
    fn run(user: &str, broker: &Broker, http: &Port, admin: &Port) -> Self {
        let name = format!("livebridge-test-{}", http.number());
        let container = Self {
            volume: format!("{name}-spool"),
            name,
        };
        let mut podman = podman();
        // The default of files and processes can't be had where this test itself runs in a container.
        podman.args([
            "run",
            "-d",
            "--ulimit",
            "nofile=10000:10000",
            "--ulimit",
            "nproc=4096:4096",
        ]);
        podman.args([
            "--network",
            "host",
            "--read-only",
            "--read-only-tmpfs=false",
        ]);
        podman.args(["--cap-drop", "ALL", "--security-opt", "no-new-privileges"]);
        podman.args(["--user", user, "--name", &container.name]);
        podman.args(["-v", &format!("{}:/var/lib/livebridge", container.volume)]);
        for (name, value) in [
            ("KEY", callback::KEY),
            ("BOOTSTRAP_SERVERS", &broker.bootstrap()),
            ("LISTEN", &http.address()),
            ("ADMIN_LISTEN", &admin.address()),
        ] {
            podman.args(["-e", &format!("LIVEBRIDGE_{name}={value}")]);
        }
        said(podman.arg(IMAGE));
        container
    }

    fn logs(&self) -> String {
        said(podman().args(["logs", &self.name]))
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        let _ = podman().args(["rm", "-f", "-t", "0", &self.name]).output();
        let _ = podman().args(["volume", "rm", "-f", &self.volume]).output();
    }
}

/// On the store that the image was built into: without a daemon, and without what containers in containers lack.
fn podman() -> Command {
    let store = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/image");
    let mut podman = Command::new("podman");
    // There is no systemd to run health checks on time; this test runs them.
    podman.env("DISABLE_HC_SYSTEMD", "true");
    podman.args(["--runtime", "runc", "--cgroup-manager", "cgroupfs"]);
    podman.args(["--storage-driver", "vfs", "--root"]);
    podman
        .arg(store.join("store"))
        .arg("--runroot")
        .arg(store.join("run"));
    podman
}

#[test]
#[ignore = "builds a release in a container first: run by ./dev image"]
fn a_callback_goes_in_and_comes_out_of_kafka_as_any_user() {
    let inspected: Value =
        serde_json::from_str(&said(podman().args(["image", "inspect"]).arg(IMAGE))).expect("JSON");
    let about = inspected.get(0).expect("one image");
    let size = about.get("Size").and_then(Value::as_u64).expect("a size");
    println!("the image has {size} bytes");
    assert!(size < SIZE_MAX, "{size} bytes");
    let user = about.pointer("/Config/User").and_then(Value::as_str);
    assert_eq!(user, Some("65532:65532"));

    let broker = Broker::started();
    broker.create_topics(&FAMILIES.map(|(_, topic)| topic), 1, &[]);
    for (number, user) in [(1, "65532"), (2, "1000690000:0")] {
        let (http, admin) = (Port::claim(), Port::claim());
        let container = Container::run(user, &broker, &http, &admin);
        let page = |path: &str| Client::new(admin.address()).get(path).ok();
        let ready = wait::within(SOON, || (page("/readyz")?.status == 200).then_some(()));
        assert!(
            ready.is_some(),
            "as {user}: not ready\n{}",
            container.logs()
        );
        let answer = Client::new(http.address())
            .post("/callbacks/tencent", &signed(&recording("s1", number)));
        assert_eq!(
            answer.expect("an answer").status,
            200,
            "{}",
            container.logs()
        );
        wait::until("the record is published", SOON, || {
            let text = page("/metrics")?.text();
            text.contains("livebridge_published_total{topic=\"live.recording\"} 1")
                .then_some(())
        });
        // What a container engine asks from time to time, and what a person may.
        said(podman().args(["healthcheck", "run", &container.name]));
        let healthy = said(podman().args(["exec", &container.name, "livebridge", "health"]));
        assert_eq!(healthy, "ready\n");
        // Commands run in it, too, without a shell.
        let listed = said(podman().args(["exec", &container.name, "livebridge", "spool", "ls"]));
        assert!(listed.contains("recording"), "{listed}");
        said(podman().args(["stop", "-t", "40", &container.name]));
        let ended = said(podman().args([
            "inspect",
            "--format",
            "{{.State.ExitCode}}",
            &container.name,
        ]));
        assert_eq!(ended.trim(), "0", "{}", container.logs());
    }
    let messages = reader::read(&broker.bootstrap(), &["live.recording"]);
    let numbers: Vec<_> = messages
        .iter()
        .map(|message| {
            message
                .json()
                .get("media_start_time")
                .and_then(Value::as_u64)
        })
        .collect();
    assert_eq!(numbers, [Some(1), Some(2)]);
}

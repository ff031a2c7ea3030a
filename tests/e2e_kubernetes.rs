//! The chart on a real Kubernetes: installed, upgraded, drained, scaled and removed by the lines that the docs show. The API
//! server, its admission, the scheduler and the controllers are the real ones; that pods run is only said so.

#![expect(
    clippy::indexing_slicing,
    reason = "into a JSON document that isn't there is null, and fails what is asserted of it"
)]

use serde_json::Value;
use std::{
    fs,
    os::unix::fs::symlink,
    path::Path,
    process::{Command, Output},
    time::Duration,
};
use support::{
    docs,
    kubernetes::Cluster,
    tools::{directory, said, text, tool},
    wait,
};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const SOON: Duration = Duration::from_secs(180);
/// `minReadySeconds` of the chart.
const SETTLES: u64 = 5;

/// The cluster, and a place to type what the docs show.
struct Rehearsal {
    cluster: Cluster,
    /// Lines that nobody can run here.
    left_out: Vec<String>,
}

impl Rehearsal {
    fn begin() -> Self {
        let cluster = Cluster::start(3, 5);
        symlink(Path::new(ROOT).join("deploy"), cluster.dir().join("deploy")).expect("a link");
        for crd in fs::read_dir(directory().join("crds")).expect("CRDs of Prometheus Operator") {
            let crd = fs::read_to_string(crd.expect("an entry").path()).expect("a CRD");
            cluster.apply(&crd);
        }
        let left_out = Vec::new();
        Self { cluster, left_out }
    }

    /// Types a line as it stands in the docs.
    fn types(&mut self, line: &str) {
        // No container runs, so there is nothing to execute in; and the binary's own lines are run by other tests.
        if line.contains(" exec ") || line.starts_with("livebridge ") {
            self.left_out.push(line.into());
            return;
        }
        println!("$ {line}");
        print!("{}", said(&mut self.bash(line)));
    }

    /// A shell in which the docs' lines find what they name.
    fn bash(&self, line: &str) -> Command {
        let mut bash = Command::new("bash");
        let search = format!("{}:/usr/bin:/bin", directory().join("bin").display());
        bash.args(["-euo", "pipefail", "-c", line])
            .current_dir(self.cluster.dir())
            .env("PATH", search)
            .env("KUBECONFIG", self.cluster.kubeconfig())
            .env("HOME", self.cluster.dir());
        bash
    }

    fn types_all(&mut self, lines: &[String]) {
        for line in lines {
            self.types(line);
        }
    }

    fn helm_template(&self, more: &[&str]) -> Output {
        let mut helm = tool("helm");
        helm.args([
            "template",
            "other",
            "deploy/helm/livebridge",
            "--kube-version",
            "1.37.0",
        ]);
        helm.args(more).current_dir(self.cluster.dir());
        helm.output().expect("helm")
    }

    /// Waits until this many pods are ready, and have been for `minReadySeconds`, and no others are there. Before that
    /// an update may replace several at once.
    fn wait_for_pods(&self, count: usize) {
        wait::until("the pods are available", SOON, || {
            let pods = self.pods();
            let sets = self.cluster.get("statefulsets,deployments -n livebridge");
            let available = sets.items().iter();
            let available = available.filter_map(|set| set["status"]["availableReplicas"].as_u64());
            let all_ready = pods.len() == count && pods.iter().all(is_ready);
            (all_ready && available.sum::<u64>() == count as u64).then_some(())
        });
    }

    fn pods(&self) -> Vec<Value> {
        let selector = "pods -n livebridge -l app.kubernetes.io/component=relay";
        self.cluster.get(selector).items().to_vec()
    }

    /// Name, id and volume of each claim that has a volume.
    fn claims(&self) -> Vec<[String; 3]> {
        let claims = self.cluster.get("pvc -n livebridge");
        let bound = claims
            .items()
            .iter()
            .filter(|claim| claim["status"]["phase"] == "Bound");
        bound
            .map(|claim| {
                ["/metadata/name", "/metadata/uid", "/spec/volumeName"].map(|at| {
                    let text = claim.pointer(at).and_then(Value::as_str);
                    text.expect("a text").to_owned()
                })
            })
            .collect()
    }

    /// Waits until the namespace holds this and what Kubernetes itself puts into each, whatever the kind.
    fn wait_for_what_is_left(&self, expected: &[&str]) {
        let kinds = self
            .cluster
            .say(&["api-resources", "--verbs=list", "--namespaced", "-oname"]);
        let kinds: Vec<_> = kinds
            .lines()
            .filter(|kind| !kind.starts_with("events") && *kind != "endpoints")
            .collect();
        assert!(
            kinds.contains(&"podmonitors.monitoring.coreos.com"),
            "{kinds:?}"
        );
        let kinds = kinds.join(",");
        let mut last = String::new();
        let found = wait::within(SOON, || {
            last = self
                .cluster
                .say(&["get", &kinds, "-n", "livebridge", "-oname"]);
            let own = ["configmap/kube-root-ca.crt", "serviceaccount/default"];
            let left: Vec<_> = last.lines().filter(|line| !own.contains(line)).collect();
            (left == expected).then_some(())
        });
        assert!(found.is_some(), "expected {expected:?}, there is\n{last}");
    }

    fn claim_names(&self) -> Vec<String> {
        self.claims().into_iter().map(|[name, ..]| name).collect()
    }

    /// Asks for a pod to be moved elsewhere, as draining its node does.
    fn evict(&self, pod: &str) -> Output {
        let eviction = format!(
            "{{\"apiVersion\":\"policy/v1\",\"kind\":\"Eviction\",\"metadata\":{{\"name\":\"{pod}\",\"namespace\":\"livebridge\"}}}}"
        );
        let file = self.cluster.dir().join("eviction.json");
        fs::write(&file, eviction).expect("a file");
        let place = format!("/api/v1/namespaces/livebridge/pods/{pod}/eviction");
        self.cluster
            .kubectl(&["create", "--raw", &place, "-f", &file.display().to_string()])
    }
}

fn is_ready(pod: &Value) -> bool {
    let conditions = pod["status"]["conditions"].as_array();
    let mut conditions = conditions.into_iter().flatten();
    pod["metadata"]["deletionTimestamp"].is_null()
        && conditions.any(|c| c["type"] == "Ready" && c["status"] == "True")
}

#[test]
#[ignore = "needs an API server, which takes long to build: run by ./dev soak"]
fn the_chart_is_installed_upgraded_drained_scaled_and_removed_as_the_docs_say() {
    let mut rehearsal = Rehearsal::begin();
    let blocks = docs::marked(&docs::page("docs/install.md"), "kubernetes");
    let [
        installing,
        without_disk,
        scaling,
        enlarging,
        removing,
        forgetting,
    ] = blocks.as_slice()
    else {
        panic!("{} blocks", blocks.len());
    };
    let upgrading = docs::marked(&docs::page("docs/upgrade.md"), "kubernetes").concat();

    rehearsal.types_all(installing);
    rehearsal.wait_for_pods(1);
    assert_eq!(rehearsal.claim_names(), ["spool-livebridge-0"]);
    what_is_not_restricted_is_refused(&rehearsal);
    what_is_misspelt_is_refused(&rehearsal);

    rehearsal.types(&upgrade("--set replicas=3"));
    rehearsal.wait_for_pods(3);
    let claims = rehearsal.claims();
    assert_eq!(claims.len(), 3);
    rehearsal.types_all(&upgrading);
    they_were_replaced_one_by_one(&rehearsal, "NEW");
    assert_eq!(rehearsal.claims(), claims, "each found its volume again");

    of_three_one_may_be_evicted_at_a_time(&rehearsal);
    a_node_can_be_drained(&mut rehearsal);
    assert_eq!(rehearsal.claims(), claims);

    the_volumes_are_enlarged_under_running_pods(&mut rehearsal, enlarging);
    assert_eq!(rehearsal.claims(), claims);

    for line in scaling {
        rehearsal.types(line);
        if line.contains(" scale ") {
            rehearsal.wait_for_pods(2);
            assert_eq!(rehearsal.claims(), claims, "the volume outlives its pod");
        }
        if line.contains(" wait ") {
            the_job_had_the_volume(&rehearsal);
        }
    }
    assert_eq!(rehearsal.claims(), claims[..2], "until somebody deletes it");

    rehearsal.types_all(removing);
    rehearsal.wait_for_what_is_left(&[
        "persistentvolumeclaim/spool-livebridge-0",
        "persistentvolumeclaim/spool-livebridge-1",
        "secret/livebridge-keys",
    ]);
    assert_eq!(rehearsal.claims(), claims[..2], "the volumes stay");
    let install = installing.iter().find(|line| line.starts_with("helm"));
    rehearsal.types(install.expect("an installation"));
    rehearsal.wait_for_pods(1);
    assert_eq!(rehearsal.claims(), claims[..2], "and are taken up again");

    rehearsal.types_all(removing);
    rehearsal.wait_for_pods(0);
    rehearsal.types_all(without_disk);
    rehearsal.wait_for_pods(2);
    rehearsal.types_all(removing);
    let [claims, namespace] = forgetting.as_slice() else {
        panic!("{forgetting:?}");
    };
    rehearsal.types(claims);
    rehearsal.wait_for_what_is_left(&["secret/livebridge-keys"]);
    rehearsal.types(namespace);
    println!("left out: {:#?}", rehearsal.left_out);
    assert_eq!(rehearsal.left_out.len(), 3);
}

/// As in docs/upgrade.md, to other values.
fn upgrade(values: &str) -> String {
    format!(
        "helm upgrade livebridge deploy/helm/livebridge -n livebridge --reset-then-reuse-values {values}"
    )
}

/// The namespace is `restricted`, so that the pods of the chart, which are there, are.
fn what_is_not_restricted_is_refused(rehearsal: &Rehearsal) {
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: { name: free, namespace: livebridge }\n\
               spec: { containers: [{ name: free, image: free }] }\n";
    let refused = rehearsal.cluster.try_apply(pod, &[]);
    assert!(!refused.status.success());
    assert!(
        text(&refused).contains("violates PodSecurity \"restricted"),
        "{}",
        text(&refused)
    );
}

/// The API server itself, strict about fields, takes everything that the chart can render; the plain manifests, too.
fn what_is_misspelt_is_refused(rehearsal: &Rehearsal) {
    let all = [
        "podMonitor.enabled",
        "serviceMonitor.enabled",
        "prometheusRule.enabled",
        "ingress.enabled",
    ];
    let all = all.map(|switch| format!("{switch}=true")).join(",");
    let drain = "drainJob.claim=spool-livebridge-0";
    for sets in [
        &["--set", "ack=kafka"][..],
        &["--set", &all, "--set", drain],
    ] {
        let rendered = rehearsal.helm_template(sets);
        assert!(rendered.status.success(), "{}", text(&rendered));
        let manifests = String::from_utf8(rendered.stdout).expect("UTF-8");
        let dry = ["--dry-run=server", "-n", "livebridge"];
        let taken = rehearsal.cluster.try_apply(&manifests, &dry);
        assert!(taken.status.success(), "{sets:?} {}", text(&taken));
        let misspelt = manifests.replacen(
            "terminationGracePeriodSeconds",
            "terminationGraceSeconds",
            1,
        );
        let refused = rehearsal.cluster.try_apply(&misspelt, &dry);
        assert!(!refused.status.success(), "{sets:?}");
        assert!(
            text(&refused).contains("terminationGraceSeconds"),
            "{}",
            text(&refused)
        );
    }
    let plain = docs::page("deploy/kubernetes/livebridge.yaml");
    let secret = docs::page("deploy/kubernetes/secret.example.yaml");
    for manifests in [plain, secret] {
        let taken = rehearsal
            .cluster
            .try_apply(&manifests, &["--dry-run=server", "--force-conflicts"]);
        assert!(taken.status.success(), "{}", text(&taken));
    }
}

/// From the last to the first, each only when the one before had been ready for a while.
fn they_were_replaced_one_by_one(rehearsal: &Rehearsal, tag: &str) {
    let pods = rehearsal.pods();
    assert_eq!(pods.len(), 3);
    let began: Vec<_> = pods
        .iter()
        .rev()
        .map(|pod| {
            let image = pod
                .pointer("/spec/containers/0/image")
                .and_then(Value::as_str);
            let expected = format!("registry.example.com/livebridge:{tag}");
            assert_eq!(image, Some(expected.as_str()));
            let at = pod["metadata"]["creationTimestamp"]
                .as_str()
                .expect("a time");
            let mut date = Command::new("date");
            let seconds = said(date.args(["-d", at, "+%s"]));
            seconds.trim().parse::<u64>().expect("seconds")
        })
        .collect();
    for (earlier, later) in began.iter().zip(began.iter().skip(1)) {
        // Times are in whole seconds.
        assert!(earlier + SETTLES <= later + 1, "{began:?}");
    }
}

fn of_three_one_may_be_evicted_at_a_time(rehearsal: &Rehearsal) {
    let cluster = &rehearsal.cluster;
    let nodes = cluster.get("nodes");
    // What is evicted now can't come back at once.
    for node in nodes.names() {
        cluster.say(&["cordon", node]);
    }
    let first = rehearsal.evict("livebridge-0");
    assert!(first.status.success(), "{}", text(&first));
    wait::until("one pod is gone", SOON, || {
        let ready = rehearsal.pods().iter().filter(|pod| is_ready(pod)).count();
        (ready == 2).then_some(())
    });
    let second = wait::until("the budget is used up", SOON, || {
        let second = rehearsal.evict("livebridge-1");
        text(&second)
            .contains("disruption budget")
            .then_some(second)
    });
    assert!(!second.status.success());
    for node in nodes.names() {
        cluster.say(&["uncordon", node]);
    }
    rehearsal.wait_for_pods(3);
}

fn a_node_can_be_drained(rehearsal: &mut Rehearsal) {
    let pods = rehearsal.pods();
    let node = pods
        .first()
        .and_then(|pod| pod["spec"]["nodeName"].as_str());
    let node = node.expect("a node").to_owned();
    rehearsal.types(&format!(
        "kubectl drain {node} --ignore-daemonsets --timeout=120s"
    ));
    rehearsal.wait_for_pods(3);
    let there = rehearsal
        .pods()
        .iter()
        .filter(|pod| pod["spec"]["nodeName"] == *node)
        .count();
    assert_eq!(there, 0);
    rehearsal.types(&format!("kubectl uncordon {node}"));
}

/// The way around the refusal of the API server to change a set's claims.
fn the_volumes_are_enlarged_under_running_pods(rehearsal: &mut Rehearsal, enlarging: &[String]) {
    let mut helm = rehearsal.bash(&upgrade("--set spool.size=40Gi"));
    let refused = helm.output().expect("bash");
    assert!(!refused.status.success());
    assert!(
        text(&refused).contains("volumeClaimTemplates"),
        "{}",
        text(&refused)
    );
    let ids = |rehearsal: &Rehearsal| {
        let pods = rehearsal.pods();
        let ids = pods.iter().map(|pod| pod["metadata"]["uid"].to_string());
        ids.collect::<Vec<_>>()
    };
    let before = ids(rehearsal);
    for line in enlarging {
        rehearsal.types(line);
        if line.contains("spool.size") {
            rehearsal.wait_for_pods(3);
        }
        if !line.contains("spool.maxBytes") && !line.contains("rollout") {
            assert_eq!(ids(rehearsal), before, "the pods go on");
        }
    }
    assert_ne!(ids(rehearsal), before);
    they_were_replaced_one_by_one(rehearsal, "NEW");
    for claim in rehearsal.cluster.get("pvc -n livebridge").items() {
        assert_eq!(claim["spec"]["resources"]["requests"]["storage"], "40Gi");
    }
}

/// The drain Job's pod was admitted, scheduled with the claim of the pod that is gone, and its end was taken for success.
fn the_job_had_the_volume(rehearsal: &Rehearsal) {
    let pods = rehearsal
        .cluster
        .get("pods -n livebridge -l app.kubernetes.io/component=drain");
    let [pod] = pods.items() else {
        panic!("{pods:?}");
    };
    let volumes = pod["spec"]["volumes"].as_array().expect("volumes");
    let claims: Vec<_> = volumes
        .iter()
        .filter_map(|volume| volume["persistentVolumeClaim"]["claimName"].as_str())
        .collect();
    assert_eq!(claims, ["spool-livebridge-2"]);
    assert!(pod["spec"]["nodeName"].is_string());
    let arguments = pod
        .pointer("/spec/containers/0/args/0")
        .and_then(Value::as_str);
    assert_eq!(arguments, Some("drain"));
}

//! A real Kubernetes: etcd, API server, scheduler and controllers as processes; the nodes are played by kwok, which says of
//! every pod that it runs, and of a Job's that it is done. No container is started.

use crate::{
    port::Port,
    process::Process,
    tools::{self, said, text},
    wait,
};
use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
    time::Duration,
};
use tempfile::TempDir;

/// How long a part may take to come up, or to do what is asked, on a busy machine.
const SOON: Duration = Duration::from_secs(180);
/// Of the one user, who may do everything. The cluster listens on this machine only, and lives as long as its test.
const TOKEN: &str = "of-a-test";
/// The class of the volumes that are there.
pub const STORAGE_CLASS: &str = "spools";

/// A running cluster. Dropping it ends its processes and removes what they wrote.
#[derive(Debug)]
pub struct Cluster {
    // In the order in which they end.
    _kwok: Process,
    _scheduler: Process,
    _controllers: Process,
    _api: Process,
    _etcd: Process,
    kubeconfig: PathBuf,
    dir: TempDir,
    _ports: Vec<Port>,
}

impl Cluster {
    /// One with this many nodes, each in a zone of its own, and as many volumes of 20 GiB as `volumes`.
    #[track_caller]
    pub fn start(nodes: usize, volumes: usize) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let ports: Vec<_> = (0..6).map(|_| Port::claim()).collect();
        let at = |part: usize| ports[part].number().to_string();
        let kubeconfig = dir.path().join("kubeconfig");
        fs::write(&kubeconfig, kubeconfig_of(&ports[2].address())).expect("a file");
        fs::write(
            dir.path().join("tokens"),
            format!("{TOKEN},test,test,system:masters\n"),
        )
        .expect("a file");
        key(dir.path());
        let start = |name: &str, arguments: &[String]| {
            let mut command = tools::tool(name);
            command.args(arguments).current_dir(dir.path());
            Process::spawn(
                name,
                command,
                &dir.path().join(format!("{name}.log")),
                dir.path(),
            )
        };
        let etcd = start("etcd", &etcd(&at(0), &at(1)));
        let api = start("kube-apiserver", &api(&at(0), &at(2)));
        let this = Kubectl {
            kubeconfig: &kubeconfig,
        };
        if wait::within(SOON, || this.ok(&["get", "--raw", "/readyz"])).is_none() {
            panic!("no API server\n{}\n{}", etcd.log_tail(), api.log_tail());
        }
        let by = format!("--kubeconfig={}", kubeconfig.display());
        let controllers = start("kube-controller-manager", &controllers(&by, &at(3)));
        let scheduler = start("kube-scheduler", &scheduler(&by, &at(4)));
        let kwok = start("kwok", &kwok(&by, &at(5)));
        let cluster = Self {
            _kwok: kwok,
            _scheduler: scheduler,
            _controllers: controllers,
            _api: api,
            _etcd: etcd,
            kubeconfig,
            dir,
            _ports: ports,
        };
        cluster.apply(&furniture(nodes, volumes));
        wait::until("every node is ready", SOON, || {
            let ready = cluster.get("nodes").items().iter().all(|node| {
                let conditions = node["status"]["conditions"].as_array();
                conditions
                    .into_iter()
                    .flatten()
                    .any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
            });
            ready.then_some(())
        });
        cluster
    }

    /// Where `kubectl` and Helm find it.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// A directory that goes with the cluster.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// `kubectl` with these arguments, as it went.
    pub fn kubectl(&self, arguments: &[&str]) -> Output {
        let mut kubectl = Kubectl {
            kubeconfig: &self.kubeconfig,
        }
        .command();
        kubectl.args(arguments).output().expect("kubectl")
    }

    /// What `kubectl` says. Panics if it fails.
    #[track_caller]
    pub fn say(&self, arguments: &[&str]) -> String {
        let mut kubectl = Kubectl {
            kubeconfig: &self.kubeconfig,
        }
        .command();
        said(kubectl.args(arguments))
    }

    /// `kubectl apply`, with strict validation by the server, of manifests as text.
    #[track_caller]
    pub fn apply(&self, manifests: &str) {
        let output = self.try_apply(manifests, &[]);
        assert!(output.status.success(), "{manifests}\n{}", text(&output));
    }

    /// The same, as it went.
    pub fn try_apply(&self, manifests: &str, more: &[&str]) -> Output {
        let file = self.dir.path().join("manifests.yaml");
        fs::write(&file, manifests).expect("a file");
        let file = file.display().to_string();
        let arguments = ["apply", "--server-side", "--validate=strict", "-f", &file];
        self.kubectl(&[&arguments, more].concat())
    }

    /// What there is of a kind, or one thing; with more arguments, such as a selector.
    #[track_caller]
    pub fn get(&self, what: &str) -> Found {
        let words: Vec<_> = ["get", "-o", "json"]
            .into_iter()
            .chain(what.split(' '))
            .collect();
        let json = self.say(&words);
        Found(serde_json::from_str(&json).unwrap_or_else(|e| panic!("{e}: {json}")))
    }
}

/// Of `kubectl get`.
#[derive(Debug)]
pub struct Found(pub Value);

impl Found {
    /// Of a kind: the things.
    #[track_caller]
    pub fn items(&self) -> &[Value] {
        self.0["items"].as_array().expect("a list")
    }

    /// Their names.
    #[track_caller]
    pub fn names(&self) -> Vec<&str> {
        self.items()
            .iter()
            .map(|item| item["metadata"]["name"].as_str().expect("a name"))
            .collect()
    }
}

struct Kubectl<'a> {
    kubeconfig: &'a Path,
}

impl Kubectl<'_> {
    fn command(&self) -> Command {
        let mut kubectl = tools::tool("kubectl");
        kubectl.arg("--kubeconfig").arg(self.kubeconfig);
        // Where it keeps what it has found out about the server.
        kubectl.envs(self.kubeconfig.parent().map(|dir| ("HOME", dir)));
        kubectl
    }

    fn ok(&self, arguments: &[&str]) -> Option<()> {
        let output = self.command().args(arguments).output().expect("kubectl");
        output.status.success().then_some(())
    }
}

fn flags(flags: &[&str]) -> Vec<String> {
    flags.iter().map(ToString::to_string).collect()
}

fn etcd(port: &str, peers: &str) -> Vec<String> {
    let (here, peers) = (
        format!("http://127.0.0.1:{port}"),
        format!("http://127.0.0.1:{peers}"),
    );
    let mut all = flags(&[
        "--data-dir=etcd",
        "--unsafe-no-fsync",
        "--log-level=warn",
        "--name=only",
    ]);
    all.extend([
        format!("--listen-client-urls={here}"),
        format!("--advertise-client-urls={here}"),
        format!("--listen-peer-urls={peers}"),
        format!("--initial-advertise-peer-urls={peers}"),
        format!("--initial-cluster=only={peers}"),
    ]);
    all
}

fn api(etcd: &str, port: &str) -> Vec<String> {
    let mut all = flags(&[
        "--bind-address=127.0.0.1",
        "--advertise-address=127.0.0.1",
        "--endpoint-reconciler-type=none",
        "--cert-dir=certificates",
        "--token-auth-file=tokens",
        "--authorization-mode=Node,RBAC",
        "--service-cluster-ip-range=10.96.0.0/16",
        "--service-account-issuer=https://kubernetes.default.svc",
        "--service-account-key-file=accounts.key",
        "--service-account-signing-key-file=accounts.key",
    ]);
    all.push(format!("--etcd-servers=http://127.0.0.1:{etcd}"));
    all.push(format!("--secure-port={port}"));
    all
}

fn controllers(kubeconfig: &str, port: &str) -> Vec<String> {
    let mut all = flags(&[
        "--leader-elect=false",
        "--bind-address=127.0.0.1",
        "--service-account-private-key-file=accounts.key",
    ]);
    all.extend([kubeconfig.to_owned(), format!("--secure-port={port}")]);
    all
}

fn scheduler(kubeconfig: &str, port: &str) -> Vec<String> {
    let mut all = flags(&["--leader-elect=false", "--bind-address=127.0.0.1"]);
    all.extend([kubeconfig.to_owned(), format!("--secure-port={port}")]);
    all
}

fn kwok(kubeconfig: &str, port: &str) -> Vec<String> {
    let mut all = flags(&[
        "--manage-all-nodes=true",
        // Else the nodes are taken for lost after 50 s, and their pods are not ready.
        "--node-lease-duration-seconds=40",
        "--node-ip=10.0.0.1",
        "--cidr=10.1.0.0/16",
    ]);
    let stages = tools::directory().join("stages.yaml");
    all.push(format!("--config={}", stages.display()));
    all.push(kubeconfig.to_owned());
    all.push(format!("--node-port={port}"));
    all
}

/// What accounts' tokens are signed with.
fn key(dir: &Path) {
    let mut openssl = Command::new("openssl");
    openssl
        .args(["genrsa", "-out", "accounts.key", "2048"])
        .current_dir(dir);
    said(&mut openssl);
}

/// The API server's certificate is one that it made itself, and nobody else is on this port.
fn kubeconfig_of(server: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: test\n\
         clusters: [{{ name: test, cluster: {{ server: \"https://{server}\", insecure-skip-tls-verify: true }} }}]\n\
         users: [{{ name: test, user: {{ token: {TOKEN} }} }}]\n\
         contexts: [{{ name: test, context: {{ cluster: test, user: test }} }}]\n"
    )
}

/// Nodes, and volumes that claims can be bound to: kwok makes none.
fn furniture(nodes: usize, volumes: usize) -> String {
    let mut all = format!(
        "apiVersion: storage.k8s.io/v1\nkind: StorageClass\n\
         metadata: {{ name: {STORAGE_CLASS}, annotations: {{ storageclass.kubernetes.io/is-default-class: \"true\" }} }}\n\
         allowVolumeExpansion: true\nprovisioner: kubernetes.io/no-provisioner\nvolumeBindingMode: WaitForFirstConsumer\n"
    );
    for n in 0..nodes {
        all += &format!(
            "---\napiVersion: v1\nkind: Node\nmetadata:\n  name: node-{n}\n  \
             labels: {{ kubernetes.io/hostname: node-{n}, topology.kubernetes.io/zone: zone-{n} }}\n\
             status:\n  allocatable: &has {{ cpu: \"8\", memory: 16Gi, ephemeral-storage: 100Gi, pods: \"50\" }}\n  capacity: *has\n"
        );
    }
    for n in 0..volumes {
        all += &format!(
            "---\napiVersion: v1\nkind: PersistentVolume\nmetadata: {{ name: volume-{n} }}\nspec:\n  \
             storageClassName: {STORAGE_CLASS}\n  accessModes: [ReadWriteOnce]\n  capacity: {{ storage: 20Gi }}\n  \
             persistentVolumeReclaimPolicy: Retain\n  hostPath: {{ path: /volume-{n} }}\n"
        );
    }
    all
}

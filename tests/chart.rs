//! The Helm chart over a matrix of values, held against the real tools: helm, the strict schemas of three Kubernetes
//! versions and of Prometheus Operator, kube-score, and the relay's own check of its settings.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};
use support::tools::{directory, said, text, tool};

/// Name, what is set, how many resources come out, and how many pods are among them.
const VARIANTS: &[(&str, &[&str], usize, usize)] = &[
    ("defaults", &[], 6, 1),
    (
        "three replicas, a load balancer",
        &[
            "replicas=3",
            "service.type=LoadBalancer",
            "service.externalTrafficPolicy=Local",
            "service.loadBalancerSourceRanges={192.0.2.0/24}",
            "spool.storageClassName=fast",
            "spool.annotations.a=b",
        ],
        6,
        1,
    ),
    (
        "everything switched on",
        &[
            "podMonitor.enabled=true",
            "serviceMonitor.enabled=true",
            "prometheusRule.enabled=true",
            "prometheusRule.docsUrl=https://docs.example.com/livebridge/",
            "prometheusRule.labels.release=prometheus",
            "ingress.enabled=true",
            "ingress.className=nginx",
            "ingress.tlsSecret=door",
            "drainJob.claim=spool-livebridge-2",
            "traces.endpoint=http://otel-collector.observability:4318/v1/traces",
            "traces.sample=0.1",
            "tls.secret=door",
            "tls.clientCaItem=ca.crt",
            "image.digest=sha256:0123456789012345678901234567890123456789012345678901234567890123",
            "image.pullSecrets={registry}",
            "priorityClassName=high",
            "nodeSelector.disk=ssd",
            "podAnnotations.a=b",
            "podLabels.a=b",
            "tolerations[0].key=spool",
            "tolerations[0].operator=Exists",
            "extraVolumes[0].name=ca",
            "extraVolumes[0].configMap.name=kafka-ca",
            "extraVolumeMounts[0].name=ca",
            "extraVolumeMounts[0].mountPath=/etc/kafka-ca",
        ],
        11,
        2,
    ),
    (
        "as little as possible",
        &[
            "podDisruptionBudget.enabled=false",
            "topologySpread.enabled=false",
            "networkPolicy.enabled=false",
        ],
        4,
        1,
    ),
    (
        "Kafka with SASL, settings of its own",
        &[
            "kafka.bootstrapServers=kafka-1:9093\\,kafka-2:9093",
            "kafka.properties.security\\.protocol=SASL_SSL",
            "kafka.properties.sasl\\.mechanism=PLAIN",
            "kafka.properties.sasl\\.username=relay",
            "kafka.properties.sasl\\.password=secret",
            "kafka.properties.linger\\.ms=20",
            "networkPolicy.kafkaPorts={9093}",
            "networkPolicy.kafkaTo[0].ipBlock.cidr=10.0.0.0/8",
            "networkPolicy.callbacksFrom[0].ipBlock.cidr=192.0.2.0/24",
            "settings.topics.quality=off",
            "settings.dedup.max_entries=2000000",
            "settings.spool.retain=48h",
            "settings.sources.tencent.allow={192.0.2.0/24}",
            "settings.redact={txSecret,token}",
            "drain.delaySeconds=15",
            "drain.publishSeconds=60",
        ],
        6,
        1,
    ),
    (
        "Kafka's password and certificates from Secrets",
        &[
            "kafka.properties.security\\.protocol=SASL_SSL",
            "kafka.properties.sasl\\.mechanism=SCRAM-SHA-512",
            "kafka.properties.sasl\\.username=relay",
            "kafka.valuesFrom.sasl\\.password.secret=kafka-user",
            "kafka.valuesFrom.sasl\\.password.item=password",
            "kafka.filesFrom.ssl\\.ca\\.location.secret=kafka-ca",
            "kafka.filesFrom.ssl\\.ca\\.location.item=ca.crt",
            "kafka.filesFrom.ssl\\.certificate\\.location.secret=kafka-user",
            "kafka.filesFrom.ssl\\.certificate\\.location.item=tls.crt",
            "kafka.filesFrom.ssl\\.key\\.location.secret=kafka-user",
            "kafka.filesFrom.ssl\\.key\\.location.item=tls.key",
            "networkPolicy.kafkaPorts={9093}",
        ],
        6,
        1,
    ),
    (
        "other names, exactly once",
        &[
            "delivery=exactly-once",
            "nameOverride=relay",
            "fullnameOverride=callbacks",
            "podSecurity.runAsUser=1000690000",
        ],
        6,
        1,
    ),
    (
        "settings from a Secret",
        &["settingsSecret=livebridge-settings"],
        5,
        1,
    ),
    (
        "answers when Kafka has it",
        &["ack=kafka", "replicas=2"],
        6,
        1,
    ),
];

/// What restricted Pod Security and this project demand of every pod.
const RESTRICTED: &[&str] = &[
    "runAsNonRoot: true",
    "type: RuntimeDefault",
    "allowPrivilegeEscalation: false",
    "drop: [\"ALL\"]",
    "readOnlyRootFilesystem: true",
    "automountServiceAccountToken: false",
    "enableServiceLinks: false",
];

fn chart() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/helm/livebridge")
}

fn template(sets: &[&str], more: &[&str]) -> Output {
    let mut helm = tool("helm");
    helm.args(["template", "livebridge"]).arg(chart());
    helm.args(["--kube-version", "1.37.0"]).args(more);
    for set in sets {
        helm.args(["--set", set]);
    }
    helm.output().expect("helm")
}

#[track_caller]
fn rendered(sets: &[&str], more: &[&str]) -> String {
    let output = template(sets, more);
    assert!(output.status.success(), "{sets:?}\n{}", text(&output));
    String::from_utf8(output.stdout).expect("UTF-8")
}

#[test]
fn every_variant_passes_the_strict_schemas_and_kube_score() {
    said(
        tool("helm")
            .args(["lint", "--strict", "--kube-version", "1.37.0"])
            .arg(chart()),
    );
    let dir = tempfile::tempdir().expect("a directory");
    for (name, sets, resources, pods) in VARIANTS {
        let manifests = rendered(sets, &[]);
        let file = dir.path().join(name).with_extension("yaml");
        fs::write(&file, &manifests).expect("a file");
        let kinds = manifests.lines().filter(|line| line.starts_with("kind: "));
        assert_eq!(kinds.count(), *resources, "{name}\n{manifests}");
        for demanded in RESTRICTED {
            let count = manifests.matches(demanded).count();
            assert_eq!(count, *pods, "{name}: {demanded}");
        }
        let mut score = tool("kube-score");
        score.args([
            "score",
            "--kubernetes-version",
            "v1.35",
            "--output-format",
            "ci",
        ]);
        // On purpose: throttling would delay syncs, and so answers.
        score.arg("--ignore-container-cpu-limit");
        // On purpose: a node that has the image can restart the relay while the registry is down.
        score.args(["--ignore-test", "container-image-pull-policy"]);
        if sets.contains(&"networkPolicy.enabled=false") {
            score.args(["--ignore-test", "pod-networkpolicy"]);
        }
        said(score.arg(&file));
    }
    let all: usize = VARIANTS.iter().map(|(_, _, resources, _)| resources).sum();
    let schemas = directory().join("schemas");
    let custom = schemas.join("crds/{{.ResourceKind}}_{{.ResourceAPIVersion}}.json");
    for version in ["1.26.0", "1.35.0", "1.37.0"] {
        let kubernetes = "{{.ResourceKind}}{{.KindSuffix}}.json";
        let mut kubeconform = tool("kubeconform");
        kubeconform.args(["-strict", "-summary", "-schema-location"]);
        kubeconform.arg(schemas.join(version).join(kubernetes));
        kubeconform.arg("-schema-location").arg(&custom);
        let said = said(kubeconform.arg(dir.path()));
        assert!(
            said.contains(&format!("Valid: {all}, ")),
            "{version}\n{said}"
        );
    }
}

#[test]
fn the_plain_manifests_are_those_of_the_chart() {
    let head = "# Made from deploy/helm/livebridge. To renew: UPDATE_GOLDEN=1 cargo test --locked --test chart\n";
    let without_disk = &["ack=kafka", "replicas=2"][..];
    for (name, sets) in [
        ("livebridge.yaml", &[][..]),
        ("livebridge-without-disk.yaml", without_disk),
    ] {
        let expected = head.to_owned() + &rendered(sets, &[]);
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/kubernetes");
        let path = directory.join(name);
        if env::var_os("UPDATE_GOLDEN").is_some() {
            fs::write(&path, &expected).expect("a file");
        }
        let found = fs::read_to_string(&path).unwrap_or_default();
        assert!(
            found == expected,
            "deploy/kubernetes/{name} is not what the chart renders"
        );
    }
}

/// The settings file of rendered manifests, with the mounted files put where they are here.
fn settings(manifests: &str, mounted: &Path) -> Option<String> {
    let (_, after) = manifests.split_once("livebridge.toml: |\n")?;
    let lines = after.lines().map_while(|line| line.strip_prefix("    "));
    let toml: String = lines.map(|line| format!("{line}\n")).collect();
    let here = mounted.display().to_string();
    Some(
        toml.replace("/etc/livebridge-keys", &here)
            .replace("/etc/livebridge-tls", &here)
            .replace("/etc/livebridge-kafka/kafka-user", &here)
            .replace("/etc/livebridge-kafka/kafka-ca", &here),
    )
}

#[test]
fn the_relay_takes_the_settings_of_every_variant() {
    let dir = tempfile::tempdir().expect("a directory");
    fs::write(dir.path().join("keys"), "a-key\n").expect("a file");
    let key = rcgen::KeyPair::generate().expect("a key");
    let mut parameters =
        rcgen::CertificateParams::new(vec!["relay".to_owned()]).expect("parameters");
    parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let certificate = parameters.self_signed(&key).expect("a certificate").pem();
    for (name, pem) in [
        ("tls.crt", &certificate),
        ("ca.crt", &certificate),
        ("tls.key", &key.serialize_pem()),
        ("password", &"a-password".to_owned()),
    ] {
        fs::write(dir.path().join(name), pem).expect("a file");
    }
    let mut checked = 0;
    for (name, sets, ..) in VARIANTS {
        let Some(toml) = settings(&rendered(sets, &[]), dir.path()) else {
            continue;
        };
        let file = dir.path().join("livebridge.toml");
        fs::write(&file, &toml).expect("a file");
        let mut check = Command::new(env!("CARGO_BIN_EXE_livebridge"));
        let output = check
            .args(["check", "--config"])
            .arg(&file)
            .output()
            .expect("livebridge");
        let said = text(&output);
        assert!(output.status.success(), "{name}\n{toml}\n{said}");
        assert!(!said.contains("warning: the settings"), "{name}: {said}");
        checked += 1;
    }
    assert_eq!(checked, VARIANTS.len() - 1, "all but the one in a Secret");
}

#[test]
fn the_network_policy_lets_spans_out_to_their_collector_alone() {
    let policy = |sets: &[&str]| rendered(sets, &["-s", "templates/networkpolicy.yaml"]);
    assert!(!policy(&[]).contains("collector"));
    for (endpoint, port) in [("http://otel:4318/v1/traces", 4318), ("http://otel", 80)] {
        let policy = policy(&[&format!("traces.endpoint={endpoint}")]);
        let said = format!(
            "# The collector of traces.\n    - ports:\n        - {{ protocol: TCP, port: {port} }}\n"
        );
        assert!(policy.contains(&said), "{policy}");
    }
}

#[test]
fn the_network_policy_lets_the_relay_out_to_each_port_of_its_brokers() {
    let policy = |sets: &[&str]| rendered(sets, &["-s", "templates/networkpolicy.yaml"]);
    let port = |port: u16| format!("- {{ protocol: TCP, port: {port} }}");
    let usual = policy(&[]);
    assert_eq!(usual.matches(&port(9092)).count(), 1, "{usual}");
    let others = policy(&["kafka.bootstrapServers=a.example.com:9093\\, [fd00::1]:9094"]);
    for each in [9092, 9093, 9094] {
        assert!(others.contains(&port(each)), "{each}\n{others}");
    }
}

#[test]
fn the_rules_look_for_the_job_that_the_monitors_make() {
    let rules = rendered(
        &["prometheusRule.enabled=true", "nameOverride=relay"],
        &["-s", "templates/monitoring.yaml"],
    );
    assert!(rules.contains("job=\"relay\""), "{rules}");
    assert!(!rules.contains("job=\"livebridge\""), "{rules}");
}

#[test]
fn the_time_to_end_is_more_than_any_drain_takes() {
    for (drain, grace) in [
        (&[][..], 40),
        (&["drain.delaySeconds=15", "drain.publishSeconds=60"], 100),
    ] {
        let manifests = rendered(drain, &[]);
        let said = format!("terminationGracePeriodSeconds: {grace}\n");
        assert!(manifests.contains(&said), "{drain:?}");
        let toml = settings(&manifests, Path::new("/")).expect("settings");
        let seconds = |name: &str| {
            let line = toml
                .lines()
                .find_map(|line| line.strip_prefix(name))
                .expect("a drain setting");
            line.trim_matches(|c: char| !c.is_ascii_digit())
                .parse::<u64>()
                .expect("seconds")
        };
        let sum = seconds("drain.delay") + seconds("drain.requests") + seconds("drain.publish") + 2;
        assert_eq!(sum + 18, grace);
    }
}

#[test]
fn volumes_outlive_the_set_and_a_job_empties_one_whose_pod_is_gone() {
    let manifests = rendered(&[], &[]);
    for kept in ["whenDeleted: Retain", "whenScaled: Retain"] {
        assert!(manifests.contains(kept), "{kept}");
    }
    let job = rendered(
        &["drainJob.claim=spool-livebridge-2"],
        &["-s", "templates/drain-job.yaml"],
    );
    for said in [
        "claimName: spool-livebridge-2",
        // After a change to ack: kafka the settings name no place any more.
        "args: [\"drain\", \"--spool-dir\", \"/var/lib/livebridge/spool\"",
        "mountPath: /var/lib/livebridge }",
    ] {
        assert!(job.contains(said), "{said}\n{job}");
    }
    assert!(!manifests.contains("kind: Job"));
}

#[test]
fn without_a_disk_it_is_a_deployment_that_asks_for_no_volume() {
    let manifests = rendered(&["ack=kafka", "replicas=3"], &[]);
    for said in [
        "kind: Deployment\n",
        "replicas: 3\n",
        "ack = \"kafka\"\n",
        // Never fewer than asked for: who is replaced still answers while it is.
        "maxUnavailable: 0 }",
        "readOnlyRootFilesystem: true",
    ] {
        assert!(manifests.contains(said), "{said}\n{manifests}");
    }
    for said in [
        "StatefulSet",
        "volumeClaimTemplates",
        "persistentVolumeClaim",
        "/var/lib/livebridge",
        "spool",
    ] {
        assert!(!manifests.contains(said), "{said}\n{manifests}");
    }
    let job = template(&["ack=kafka", "drainJob.claim=spool-livebridge-0"], &[]);
    assert!(!job.status.success());
    assert!(text(&job).contains("render it with ack: spool"));
}

#[test]
fn the_rules_come_with_addresses_that_lead_somewhere() {
    let url = "prometheusRule.docsUrl=https://docs.example.com/livebridge/";
    let rules = rendered(
        &["prometheusRule.enabled=true", url],
        &["-s", "templates/monitoring.yaml"],
    );
    let alerts = rules.matches("- alert: ").count();
    let addresses = rules
        .matches("runbook_url: https://docs.example.com/livebridge/runbook.md#livebridge")
        .count();
    assert!(alerts > 15);
    assert_eq!(alerts, addresses);
}

#[test]
fn values_that_are_wrong_are_refused() {
    for wrong in [
        "replica=2",
        "replicas=many",
        "ack=disk",
        "spool.sizes=1Gi",
        "spool.size=lots",
        "keys.secret=",
        "networkPolicy.kafkaPorts={0}",
        "drain.delaySeconds=-1",
        "settings.drain.publish=60s",
        "kafka.valuesFrom.sasl\\.password=secret",
        "kafka.filesFrom.ssl\\.ca\\.location.item=../ca",
        "podSecurity.runAsUser=0",
        "traces.endpoint=https://otel",
        "traces.sample=2",
    ] {
        assert!(
            !template(&[wrong], &[]).status.success(),
            "{wrong} was taken"
        );
    }
    let both = template(&["ack=kafka", "delivery=exactly-once"], &[]);
    assert!(
        text(&both).contains("exactly-once needs ack: spool"),
        "{}",
        text(&both)
    );
}

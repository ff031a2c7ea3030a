# Sourced by ./dev: the tools that the tests of deploy/ need, in target/tools, each fetched once and pinned.
#
# Go programs come through Go's module proxy and its checksum database, Prometheus from the Debian package, which is only
# unpacked: installing it would start its service.

helm_version=v3.22.0
kubeconform_version=v0.8.0
kube_score_version=v1.20.0
prometheus_operator_version=v0.85.0
kubernetes_validate_version=1.37.0
pyyaml_version=6.0.3
kwok_version=v0.8.0

tools="$PWD/target/tools"

# made <name> <version>: whether this version was made before
made() { [ "$(cat "$tools/$1.made" 2>/dev/null)" = "$2" ]; }
note_made() { echo "$2" >"$tools/$1.made"; }

go_tool() {
    local name=$1 package=$2 version=$3 ldflags=${4:-}
    made "$name" "$version$ldflags" && return 0
    echo "dev: building $name $version into target/tools, once" >&2
    GOBIN="$tools/bin" GOFLAGS= go install -ldflags "$ldflags" "$package@$version"
    note_made "$name" "$version$ldflags"
}

tool_prometheus() {
    [ -x "$tools/bin/prometheus" ] && [ -x "$tools/bin/promtool" ] && return 0
    if command -v prometheus >/dev/null && command -v promtool >/dev/null; then
        ln -sf "$(command -v prometheus)" "$(command -v promtool)" "$tools/bin/"
        return 0
    fi
    local dir="$tools/prometheus-package"
    mkdir -p "$dir" "$tools/bin"
    echo "dev: unpacking Debian's prometheus into target/tools, once" >&2
    (
        cd "$dir"
        # apt's own sandbox user can't write here.
        apt-get download -qq -o APT::Sandbox::User= prometheus 2>/dev/null || {
            $as_root apt-get update -qq
            apt-get download -qq -o APT::Sandbox::User= prometheus
        }
        dpkg-deb -x prometheus_*.deb .
        mv usr/bin/prometheus usr/bin/promtool "$tools/bin/"
    )
    rm -rf "$dir"
}

# The schemas of Kubernetes' and Prometheus Operator's kinds, for validation without a cluster.
tool_schemas() {
    # They refer to each other by their whole paths: in a checkout that was moved they are made again.
    local version="$kubernetes_validate_version $prometheus_operator_version $pyyaml_version in $tools"
    made schemas "$version" && return 0
    echo "dev: fetching the schemas of Kubernetes, once" >&2
    local dir="$tools/schemas-sources"
    rm -rf "$dir" "$tools/schemas"
    mkdir -p "$dir"
    python3 -m venv "$dir/venv"
    "$dir/venv/bin/pip" install -q "pyyaml==$pyyaml_version"
    "$dir/venv/bin/pip" download -q --no-deps -d "$dir" "kubernetes-validate==$kubernetes_validate_version"
    local operator
    operator="$(module_sources "github.com/prometheus-operator/prometheus-operator@$prometheus_operator_version")"
    "$dir/venv/bin/python" .ci/schemas.py "$dir"/kubernetes_validate-*.whl \
        "$operator/example/prometheus-operator-crd" "$tools/schemas"
    rm -rf "$dir"
    note_made schemas "$version"
}

tools_of_deploy() {
    mkdir -p "$tools/bin"
    tool_prometheus
    if ! command -v go >/dev/null; then
        echo "dev: Go is needed to build helm, kubeconform and kube-score: see https://go.dev/doc/install" >&2
        exit 1
    fi
    go_tool kubeconform github.com/yannh/kubeconform/cmd/kubeconform "$kubeconform_version"
    go_tool kube-score github.com/zegl/kube-score/cmd/kube-score "$kube_score_version"
    # As its releases are built; unset, `helm template` renders for a Kubernetes of 2020.
    local of=helm.sh/helm/v3/pkg/chartutil.k8sVersion
    go_tool helm helm.sh/helm/v3/cmd/helm "$helm_version" "-X ${of}Major=1 -X ${of}Minor=37"
    tool_schemas
}

# A real API server with scheduler and controllers, and kwok, which plays the nodes: for the rehearsal of the chart in
# ./dev soak. Some 20 minutes of two cores when cold.
tools_of_kubernetes() {
    local module=tests/support/kubernetes version package name
    version="$(sha256sum "$module/go.mod" | cut -c 1-16)"
    if ! made kubernetes "$version"; then
        for package in go.etcd.io/etcd/server/v3 k8s.io/kubernetes/cmd/{kube-apiserver,kube-controller-manager,kube-scheduler,kubectl}; do
            name="${package##*/}"
            [ "$name" != v3 ] || name=etcd
            echo "dev: building $name into target/tools, once" >&2
            (
                cd "$module"
                GOFLAGS=-mod=readonly nice go build -buildvcs=false -trimpath \
                    -ldflags "-s -w $(kubernetes_version)" -o "$tools/bin/$name" "$package"
            )
        done
        note_made kubernetes "$version"
    fi
    go_tool kwok sigs.k8s.io/kwok/cmd/kwok "$kwok_version"
    tool_stages
    tool_crds
}

# What the parts say they are, and compare with each other; unset it is v0.0.0.
kubernetes_version() {
    local version
    version="$(sed -n 's/^\tk8s.io\/kubernetes v\([0-9.]*\).*/\1/p' go.mod)"
    IFS=. read -r major minor _ <<<"$version"
    echo "-X k8s.io/component-base/version.gitVersion=v$version" \
        "-X k8s.io/component-base/version.gitMajor=$major -X k8s.io/component-base/version.gitMinor=$minor"
}

# Prometheus Operator's kinds, as a cluster takes them.
tool_crds() {
    made crds "$prometheus_operator_version" && return 0
    local operator
    operator="$(module_sources "github.com/prometheus-operator/prometheus-operator@$prometheus_operator_version")"
    mkdir -p "$tools/crds"
    cp "$operator"/example/prometheus-operator-crd/monitoring.coreos.com_{podmonitors,servicemonitors,prometheusrules}.yaml "$tools/crds"
    chmod u+w "$tools"/crds/*
    note_made crds "$prometheus_operator_version"
}

# What kwok lets a node and its pods go through: at once, and a Job's pod to its end.
tool_stages() {
    made stages "$kwok_version" && return 0
    local stages stage
    stages="$(module_sources "sigs.k8s.io/kwok@$kwok_version")/kustomize/stage"
    for stage in node/fast/node-initialize node/heartbeat-with-lease/node-heartbeat-with-lease pod/fast/pod-{ready,complete,delete}; do
        echo "---"
        cat "$stages/$stage.yaml"
    done >"$tools/stages.yaml"
    note_made stages "$kwok_version"
}

# module_sources <module@version>: where Go keeps them
module_sources() {
    cd "$tools"
    go mod download -json "$1" | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p'
}

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

tools="$PWD/target/tools"

# made <name> <version>: whether this version was made before
made() { [ "$(cat "$tools/$1.made" 2>/dev/null)" = "$2" ]; }
note_made() { echo "$2" >"$tools/$1.made"; }

go_tool() {
    local name=$1 package=$2 version=$3
    made "$name" "$version" && return 0
    echo "dev: building $name $version into target/tools, once" >&2
    GOBIN="$tools/bin" GOFLAGS= go install "$package@$version"
    note_made "$name" "$version"
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
    local version="$kubernetes_validate_version $prometheus_operator_version $pyyaml_version"
    made schemas "$version" && return 0
    echo "dev: fetching the schemas of Kubernetes, once" >&2
    local dir="$tools/schemas-sources"
    rm -rf "$dir" "$tools/schemas"
    mkdir -p "$dir"
    python3 -m venv "$dir/venv"
    "$dir/venv/bin/pip" install -q "pyyaml==$pyyaml_version"
    "$dir/venv/bin/pip" download -q --no-deps -d "$dir" "kubernetes-validate==$kubernetes_validate_version"
    local operator
    operator="$(cd "$dir" && go mod download -json "github.com/prometheus-operator/prometheus-operator@$prometheus_operator_version" |
        sed -n 's/^\t"Dir": "\(.*\)",$/\1/p')"
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
    go_tool helm helm.sh/helm/v3/cmd/helm "$helm_version"
    tool_schemas
}

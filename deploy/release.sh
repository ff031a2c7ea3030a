#!/usr/bin/env bash
# Builds the release binary twice: the first one notes, under a load, which way its code goes; the compiler then arranges the second
# one accordingly (profile-guided optimisation). docs/performance.md says what that gains. Nothing has to be there but the toolchain:
# the Kafka of the training is the one inside of `livebridge demo`.
#
#     deploy/release.sh [cargo's options, such as --features oidc]     target/release-profiled/livebridge
#
# llvm-tools are added to the toolchain, by rustup, if they aren't there. CARGO_BUILD is what builds, both times: "cargo build" unless it
# says something else, such as "cargo auditable build". RUSTFLAGS are added to; flags of a Cargo configuration don't count beside them.
set -euo pipefail
cd "$(dirname "$0")/.."
case "${1:-}" in -h | --help)
    sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0"
    exit
    ;;
esac
# What is set here for a relay of one's own would go before the settings of the training's.
unset RUST_LOG ${!LIVEBRIDGE_@}
dir="$PWD/target/release-profiled"
data="$dir/profiles"
host=$(rustc -vV | sed -n 's/^host: //p')
# Flags for a named target aren't for build scripts and macros, which would note their own ways, too.
options=(--locked --release --bin livebridge --target "$host" --target-dir "$dir" "$@")
binary="$dir/$host/release/livebridge"
work=""

fail() {
    echo "release: $*" >&2
    exit 1
}

# The toolchain's own: profiles are in the format of its LLVM.
llvm_tools() {
    local found
    found="$(rustc --print sysroot)/lib/rustlib/$host/bin"
    if [ ! -x "$found/llvm-profdata" ] && command -v rustup >/dev/null; then
        rustup --quiet component add llvm-tools >&2
    fi
    [ -x "$found/llvm-profdata" ] || fail "llvm-profdata is missing: add llvm-tools to the Rust toolchain (rustup component add llvm-tools)"
    echo "$found"
}

# build <flag>: from nothing, since Cargo wouldn't see that a profile is another one.
build() {
    rm -rf "${dir:?}/$host"
    RUSTFLAGS="${RUSTFLAGS:-} $1" ${CARGO_BUILD:-cargo build} "${options[@]}"
}

end_all() {
    # Those that still run, and no other process that has got a number of theirs meanwhile. By the shell's own kill: a minimal Debian
    # has no other.
    local pid
    for pid in $(jobs -pr); do
        kill -9 "$pid" 2>/dev/null || true
    done
    wait 2>/dev/null || true
    [ -z "$work" ] || rm -rf "$work"
}

# wait_for <what> <command>: at most a minute, and not for what has ended. Of the process that was started last.
wait_for() {
    local end=$((SECONDS + 60))
    until eval "$2"; do
        { kill -0 $! 2>/dev/null && ((SECONDS < end)); } || fail "$1 doesn't come; it said: $(tail -n 5 "$work"/*.log)"
        sleep 0.1
    done
}

# Reads what the demo prints: where its Kafka is, once it has shown its samples. It would stop at anything else that came out of that
# Kafka before.
where_kafka_is() {
    local word rest kafka=""
    while read -r word rest; do
        case "$word" in
        kafka) kafka=${rest%% *} ;;
        Try)
            echo "$kafka" >"$work/kafka"
            exec cat >/dev/null
            ;;
        esac
    done
}

# Its own relay has nothing to do, and its profile is not kept.
start_kafka() {
    TMPDIR="$work" LLVM_PROFILE_FILE=/dev/null "$binary" demo > >(where_kafka_is) 2>"$work/demo.log" &
    wait_for "the demo's Kafka" '[ -s "$work/kafka" ]'
}

# serve <name of its profile> [options]
serve() {
    LLVM_PROFILE_FILE="$data/$1.profraw" "$binary" serve --config "$work/livebridge.toml" --spool-dir "$work/spool" --log-format json \
        "${@:2}" >"$work/$1.log" 2>&1 &
    relay=$!
    wait_for "$1" 'grep -qs "\"listening\"" "$work/$1.log"'
    door=$(sed -n 's/.*"http":"\([^"]*\)".*/\1/p' "$work/$1.log")
}

# send <event> <count> [options]: 64 at a time, over as many streams as a busy day has.
send() {
    LLVM_PROFILE_FILE=/dev/null "$binary" send --url "http://$door/callbacks/tencent" --key training --event "$1" --count "$2" \
        --concurrency 64 --streams 5000 "${@:3}" >"$work/send.log" 2>&1 || fail "not all of $2 $1 were answered 200: $(cat "$work/send.log")"
}

# stop <name of its profile>
stop() {
    kill -TERM "$relay"
    wait "$relay" || fail "the relay didn't stop well: $(tail -n 5 "$work"/*.log)"
    [ -s "$data/$1.profraw" ] || fail "nothing was noted of what the relay did"
    # Else publishing wasn't trained.
    grep -q "nothing is left to publish" "$work/$1.log" || fail "not everything was published: $(tail -n 5 "$work"/*.log)"
}

# Recordings are most of it, every other event is met, and duplicates are. Then a start after a kill, with what gathered without a Kafka,
# and what holds callbacks in memory.
train() {
    work=$(mktemp -d)
    trap end_all EXIT
    start_kafka
    cat >"$work/livebridge.toml" <<END
http.listen = "127.0.0.1:0"
admin.listen = "127.0.0.1:0"
drain.delay = "0s"
drain.publish = "60s"
sources.tencent.keys = ["training"]
kafka.bootstrap_servers = "$(cat "$work/kafka")"
END
    serve spool
    send recording.file 150000
    local event events
    events=$(LLVM_PROFILE_FILE=/dev/null "$binary" schema | sed -n 's/^    "\([a-z.-]*\)": {$/\1/p')
    [ -n "$events" ] || fail "no event names are found in what 'livebridge schema' prints"
    for event in $events; do
        send "$event" 2000
    done
    send recording.file 2000 --same
    stop spool
    serve killed --bootstrap-servers 127.0.0.1:1
    send recording.file 50000
    kill -9 "$relay"
    wait "$relay" 2>/dev/null || true
    rm -f "$data/killed.profraw"
    serve recovered
    send recording.file 30000
    LLVM_PROFILE_FILE="$data/verify.profraw" "$binary" spool verify --spool-dir "$work/spool" >"$work/verify.log" ||
        fail "the spool is not well: $(cat "$work/verify.log")"
    stop recovered
    serve memory --ack kafka
    send recording.file 30000
    stop memory
    end_all
    trap - EXIT
}

# Profiles are looked up by the names of functions, which depend on how they were built. Where none fits, nobody complains.
check_that_it_was_used() {
    local learnt
    learnt=$("$tools/llvm-profdata" show --topn=50 "$data/merged.profdata" | { grep -o '_ZN10livebridge[A-Za-z0-9_$.]*E' || true; })
    [ -n "$learnt" ] || fail "the training noted nothing of livebridge's own code"
    # Objects of dependencies are in there, too, of which it may not know what to say.
    { "$tools/llvm-nm" "$dir/$host/release/deps/"liblivebridge-*.rlib 2>/dev/null || true; } | grep -qFf <(echo "$learnt") ||
        fail "the second build names its functions otherwise than the first one, so that what was learnt isn't used"
}

[ -z "${CARGO_ENCODED_RUSTFLAGS:-}" ] || fail "CARGO_ENCODED_RUSTFLAGS is set and would go before the flags that this is about: unset it"
[[ "$data" != *[[:space:]]* ]] || fail "RUSTFLAGS can't name a directory with a space in it: $data"
mkdir -p "$dir"
exec 9>"$dir/lock"
flock -n 9 || fail "another one is building in $dir"
tools=$(llvm_tools)
rm -rf "$data"
mkdir -p "$data"
echo "release: building what is trained" >&2
build "-Cprofile-generate=$data"
echo "release: training it" >&2
train
"$tools/llvm-profdata" merge -o "$data/merged.profdata" "$data"/*.profraw
echo "release: building with what was learnt" >&2
build "-Cprofile-use=$data/merged.profdata"
check_that_it_was_used
install -m 755 "$binary" "$dir/livebridge"
echo "release: $dir/livebridge" >&2

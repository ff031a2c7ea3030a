#!/usr/bin/env bash
# Builds the image of deploy/Dockerfile without a container daemon and without pulling a base image: the builder is a Debian
# of the same release with the toolchain of this machine, under the name that the Dockerfile is given. As root; half an hour.
#
#     deploy/rehearse-image.sh NAME
#
# Images are kept in target/image, apart from the machine's own.
set -euo pipefail
cd "$(dirname "$0")/.."
name=$1
builder=localhost/livebridge-builder:profiled
work="$PWD/target/image"
# chroot: no namespaces of its own are needed, so that it works inside of containers, too.
export BUILDAH_ISOLATION=chroot
mkdir -p "$work"
buildah() {
    command buildah --storage-driver vfs --root "$work/store" --runroot "$work/run" "$@"
}

if ! buildah inspect --type image "$builder" >/dev/null 2>&1; then
    # deploy/release.sh wants it, and there is no rustup in there.
    [ -x "$(rustc --print target-libdir)/../bin/llvm-profdata" ] || rustup component add llvm-tools
    echo "image: making a builder from Debian bookworm and $(rustc --version)" >&2
    if [ ! -s "$work/debian.tar" ]; then
        # Cut off, it leaves nothing that the next time would take for a whole one.
        mmdebstrap --quiet --variant=minbase --format=tar \
            --include=gcc,g++,make,perl,ca-certificates bookworm "$work/debian.part"
        mv "$work/debian.part" "$work/debian.tar"
    fi
    container=$(buildah from scratch)
    buildah add -q "$container" "$work/debian.tar" /
    buildah add -q "$container" "$(rustc --print sysroot)/bin" /usr/local/bin
    buildah add -q "$container" "$(rustc --print sysroot)/lib" /usr/local/lib
    buildah add -q "$container" /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
    buildah commit -q "$container" "$builder"
    buildah rm "$container" >/dev/null
fi
echo "image: building" >&2
# In Docker's format, as docker build makes it: the other one has no HEALTHCHECK.
buildah bud --quiet --format docker --pull-never --network host --build-arg "BUILD_IMAGE=$builder" \
    -f deploy/Dockerfile -t "$name" .

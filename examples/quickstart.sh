#!/usr/bin/env bash
# Shows what trunkline is for, on a fresh Debian 12 machine with Rust, as root: a trunk, a Docker engine, three networks
# on three VLANs of that trunk (one of them untagged), and containers that reach their VLAN and no other.
#
# Nothing of this machine's own networking or Docker is touched: trunk, engine and driver live in namespaces that end
# with this script. Where the kernel has no 802.1Q, all of it happens in the lab's virtual machine instead.
set -euo pipefail

top=$(cd "$(dirname "$0")/.." && pwd)
say() { printf '\n# %s\n' "$*"; }
# shellcheck source=tests/lab/prepare.sh
. "$top/tests/lab/prepare.sh"
# shellcheck source=tests/lab/vm.sh
. "$top/tests/lab/vm.sh"

# run COMMAND...: shows a command, then runs it.
run() {
  printf '$ %s\n' "$*"
  "$@"
}

kernel_has_vlans() {
  unshare -n sh -c 'ip link add a type veth peer name b && ip link add link a name a.1 type vlan id 1' 2>/dev/null
}

# ---- outside: install, build, and choose where it happens

outside() {
  [ "$(id -u)" = 0 ] || { echo "quickstart: must be root" >&2; exit 2; }
  mkdir -p "$lab_cache"
  work=$(mktemp -d "$lab_cache/quickstart.XXXXXX")
  lab_log=$work/prepare.log
  trap 'rm -rf "$work"' EXIT
  install_packages gcc libc6-dev util-linux "${guest_packages[@]}"
  say "building trunkline"
  run cargo build --release --locked --quiet --manifest-path "$top/Cargo.toml"
  mkdir -p "$work/shared/examples" "$work/shared/tests"
  cp "${CARGO_TARGET_DIR:-$top/target}/release/trunkline" "$work/shared/"
  cp "$top/examples/quickstart.sh" "$work/shared/examples/"
  cp -r "$top/tests/lab" "$work/shared/tests/"
  local inside=(unshare --mount --net --pid --fork --kill-child --mount-proc --propagation private
    bash "$work/shared/examples/quickstart.sh" --inside "$work/shared/trunkline")
  if kernel_has_vlans; then
    "${inside[@]}"
  else
    say "this kernel ($(uname -r)) has no 802.1Q: booting a virtual machine that has it (about half a minute)"
    install_packages "${host_packages[@]}"
    install_virtme
    boot_vm / "$work/shared" "${inside[@]}" "$work/shared/done"
    # The machine's own exit status does not come through the console; the file does.
    [ -e "$work/shared/done" ] || { echo "quickstart: it did not come to its end" >&2; exit 1; }
  fi
  say "all of it is gone again: trunk, networks, containers, engine, driver"
}

# ---- inside: namespaces of our own

# wait_for SECONDS COMMAND...
wait_for() {
  local tries=$(($1 * 5))
  shift
  until "$@" >/dev/null 2>&1; do
    tries=$((tries - 1))
    [ "$tries" -gt 0 ] || { echo "waited in vain for: $*" >&2; cat /run/*.log >&2; exit 1; }
    sleep 0.2
  done
}

start_engine_and_driver() {
  mount -t tmpfs -o mode=755 tmpfs /run
  mkdir /run/docker-data
  ip link set lo up
  dockerd --bridge=none --iptables=false --ip6tables=false --storage-driver=vfs --data-root /run/docker-data \
    --exec-opt native.cgroupdriver=cgroupfs >/run/dockerd.log 2>&1 &
  "$1" serve --state-dir /run/trunkline-state >/run/trunkline.log 2>&1 &
  wait_for 20 test -S /run/docker/plugins/trunkline.sock
  wait_for 90 docker version
  mkdir -p /run/image/bin
  cp "$(command -v busybox)" /run/image/bin/busybox
  ln -s busybox /run/image/bin/sh
  tar -C /run/image -c . | docker import - busybox >/dev/null
}

# reach CONTAINER ADDRESS: it answers one of three pings.
reach() { run docker exec "$1" busybox ping -c 3 -W 2 "$2"; }

inside() {
  export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root
  # It would lead to a directory under the /run that is hidden from here.
  unset XDG_RUNTIME_DIR
  # shellcheck source=tests/lab/trunk.sh
  . "$top/tests/lab/trunk.sh"
  start_engine_and_driver "$1"
  make_trunk
  local before
  before=$(ip -br link | awk '{ print $1 }' | sort)
  say "the trunk: $trunk here; its far end has VLAN 10 (10.10.0.1), VLAN 20 (10.20.0.1) and untagged 10.1.0.1"
  run ip -br link show "$trunk"
  say "three networks at once on one trunk; the VLAN devices are made on demand"
  run docker network create -d trunkline -o host_iface="$trunk.10" --subnet 10.10.0.0/24 --gateway 10.10.0.1 vlan10
  run docker network create -d trunkline -o host_iface="$trunk" -o vlan=20 --subnet 10.20.0.0/24 --gateway 10.20.0.1 vlan20
  run docker network create -d trunkline -o host_iface="$trunk" --subnet 10.1.0.0/24 --gateway 10.1.0.1 untagged
  run ip -br link show type vlan
  say "a container on each"
  local network
  for network in vlan10 vlan20 untagged; do
    run docker run -d --stop-timeout 0 --cap-add NET_ADMIN --name "$network" --network "$network" busybox busybox sleep 100000
  done
  say "each reaches its own VLAN"
  reach vlan10 10.10.0.1
  reach vlan20 10.20.0.1
  reach untagged 10.1.0.1
  say "and no other, not even with an address of it"
  run docker exec vlan10 busybox ip addr add 10.20.0.77/24 dev eth0
  printf '$ docker exec vlan10 busybox ping -c 1 -W 2 10.20.0.1\n'
  if docker exec vlan10 busybox ping -c 1 -W 2 10.20.0.1; then
    echo "VLAN 10 reached VLAN 20" >&2
    exit 1
  fi
  say "what is wrong is said, and nothing is made"
  printf '$ docker network create -d trunkline -o host_iface=%s -o vlam=30 --subnet 10.30.0.0/24 lab\n' "$trunk"
  if docker network create -d trunkline -o host_iface="$trunk" -o vlam=30 --subnet 10.30.0.0/24 lab; then
    echo "a mistyped option was not refused" >&2
    exit 1
  fi
  say "cleaning up: the VLAN devices go with their last network"
  run docker rm -f vlan10 vlan20 untagged
  run docker network rm vlan10 vlan20 untagged
  [ "$before" = "$(ip -br link | awk '{ print $1 }' | sort)" ] || { echo "links were left behind" >&2; exit 1; }
  remove_trunk
  [ -z "${2:-}" ] || touch "$2"
}

if [ "${1:-}" = --inside ]; then
  shift
  inside "$@"
else
  outside
fi

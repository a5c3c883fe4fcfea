# Installs what the lab needs and builds the root of an engine. Sourced by tests/lab/run.
# shellcheck shell=bash

# Where downloads and roots stay between runs, outside the tree.
lab_cache=${TRUNKLINE_LAB_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/trunkline-lab}

# What a machine needs to boot the lab's VM.
host_packages=(qemu-system-x86 busybox-static iproute2 kmod python3-venv util-linux)
# What a guest needs to run an engine and the scenarios.
guest_packages=(linux-image-amd64 docker.io containerd runc busybox-static iptables iproute2 kmod procps tcpdump)
# What a root of another suite needs beside these.
root_packages=(docker-cli udev iputils-ping)

# install_packages NAME...: installs those that are missing.
install_packages() {
  local package missing=()
  for package in "$@"; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  say "installing ${missing[*]}"
  apt-get update -q >>"$lab_log" 2>&1
  # policy-rc.d: the packages' own daemons must not start on this machine; the lab starts its own, in its VM.
  local policy=/usr/sbin/policy-rc.d ours=
  if [ ! -e "$policy" ]; then
    ours=yes
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
  fi
  local outcome=0
  DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${missing[@]}" \
    >>"$lab_log" 2>&1 || outcome=$?
  [ -z "$ours" ] || rm -f "$policy"
  if [ "$outcome" != 0 ]; then
    tail -n 20 "$lab_log" >&2
    return "$outcome"
  fi
}

# install_virtme: virtme-ng, which boots a directory as a machine, in a virtual environment of its own.
install_virtme() {
  local venv=$lab_cache/virtme-ng
  if [ ! -x "$venv/bin/vng" ]; then
    say "installing virtme-ng"
    rm -rf "$venv" "$venv.new"
    { python3 -m venv "$venv" && "$venv/bin/pip" install --quiet virtme-ng==1.42; } >>"$lab_log" 2>&1 || {
      rm -rf "$venv"
      tail -n 20 "$lab_log" >&2
      return 1
    }
  fi
  # vng calls its helpers by name.
  PATH=$venv/bin:$PATH
}

# engine_row ENGINE: its suite, and what happens when that cannot be built.
engine_row() {
  awk -v e="$1" '$1 == e { print $2, $3; found = 1 } END { exit !found }' \
    "$(dirname "${BASH_SOURCE[0]}")/engines" || { echo "lab: no engine $1 in tests/lab/engines" >&2; return 2; }
}

# build_roots ENGINE...: the roots of those that need one. One process at a time; a root that is there is kept.
build_roots() {
  local engine suite unbuildable outcome=0
  for engine in "$@"; do
    read -r suite unbuildable < <(engine_row "$engine")
    [ "$suite" = host ] || ( flock 9; build_root "$suite" ) 9>"$lab_cache/lock-$suite" || outcome=1
  done
  return "$outcome"
}

# build_root SUITE: a Debian of that suite with an engine and a kernel, once, in $lab_cache/root-SUITE.
build_root() {
  local suite=$1 root=$lab_cache/root-$1
  [ ! -e "$root/.complete" ] || return 0
  say "building the $suite root (some minutes, once)"
  local packages new=$root.new
  packages=$(IFS=,; echo "${guest_packages[*]},${root_packages[*]}")
  rm -rf "$new"
  debootstrap --variant=minbase --include="$packages" "$suite" "$new" >>"$lab_log" 2>&1 || {
    tail -n 5 "$lab_log" >&2
    rm -rf "$new"
    return 1
  }
  rm -rf "$new"/var/cache/apt/archives/*.deb "$root"
  mkdir -p "$new/lab"
  touch "$new/.complete"
  mv "$new" "$root"
}

# install_for ENGINE...: all that their machines need from packages.
install_for() {
  local engine suite unbuildable packages=("${host_packages[@]}")
  for engine in "$@"; do
    read -r suite unbuildable < <(engine_row "$engine")
    if [ "$suite" = host ]; then packages+=("${guest_packages[@]}"); else packages+=(debootstrap); fi
  done
  install_packages "${packages[@]}"
}

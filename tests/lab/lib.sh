# What scenarios say: engine and plugin, networks and containers, refusals, captures, and what may not be left behind.
# Sourced by tests/lab/guest. Scenarios run under `set -e`: a command that fails ends the scenario.
# shellcheck shell=bash

lab=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/lab/trunk.sh
. "$lab/trunk.sh"

engine_log=/tmp/dockerd.log
engine_config=/tmp/dockerd.json
plugin_log=/tmp/trunkline.log
plugin_socket=/run/docker/plugins/trunkline.sock
engine_marked=0 plugin_marked=0

uptime_s() { cut -d. -f1 /proc/uptime; }

# note TEXT: a line that is shown with the scenario's result.
note() { echo "# $*"; }

# until_true SECONDS COMMAND...: waits for a condition, with a bound.
until_true() {
  local end=$(($(uptime_s) + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    [ "$(uptime_s)" -lt "$end" ] || { echo "waited in vain for: $*" >&2; return 1; }
    sleep 0.1
  done
}

# ---- engine and plugin

launch_engine() {
  mkdir -p /tmp/docker
  [ -e "$engine_config" ] || echo '{}' >"$engine_config"
  # A shell in between, which ends at once: or this one would report the daemon's end when a scenario kills it.
  (
    dockerd --bridge=none --iptables=false --ip6tables=false --storage-driver=vfs --data-root /tmp/docker \
      --config-file "$engine_config" "$@" >>"$engine_log" 2>&1 &
    echo $! >/tmp/dockerd.id
  )
}
start_engine() {
  launch_engine "$@"
  until_true 300 engine_serves "$@"
}
# On a busy machine the engine may give up on its containerd, which it leaves 15 s to start. Then it is started again,
# as an init system would.
engine_serves() {
  [ -d "/proc/$(cat /tmp/dockerd.id)" ] || launch_engine "$@"
  docker version
}

# stop_process FILE SIGNAL: ends the process whose id is in FILE, and waits until it is gone.
stop_process() {
  local id
  id=$(cat "$1")
  kill "-$2" "$id" 2>/dev/null || true
  until_true 120 not test -d "/proc/$id"
  rm -f "$1"
}

stop_engine() { stop_process /tmp/dockerd.id "${1:-TERM}"; }

start_plugin() {
  (
    "$lab/trunkline" serve --debug "$@" >>"$plugin_log" 2>&1 &
    echo $! >/tmp/trunkline.id
  )
  until_true 180 plugin_listens
}
# A killed one leaves its socket.
plugin_listens() { perl -MIO::Socket::UNIX -e 'exit !IO::Socket::UNIX->new(Peer => shift)' "$plugin_socket"; }

stop_plugin() { stop_process /tmp/trunkline.id TERM; }

# kill_plugin: as a crash would. The socket's file stays, so the next start must replace it.
kill_plugin() { stop_process /tmp/trunkline.id KILL; }

import_image() {
  mkdir -p /tmp/image/bin
  cp "$(command -v busybox)" /tmp/image/bin/busybox
  local applet
  for applet in sh sleep ping ip cat grep nslookup true; do ln -sf busybox "/tmp/image/bin/$applet"; done
  tar -C /tmp/image -c . | docker import - bb >/dev/null
}

mark_logs() {
  engine_marked=$(wc -l <"$engine_log")
  plugin_marked=$(wc -l <"$plugin_log")
}

# logged TEXT: how many lines of trunkline's log have it since the scenario began.
logged() { tail -n "+$((plugin_marked + 1))" "$plugin_log" | sed 's/\x1b\[[0-9;]*m//g' | grep -cF -- "$1" || true; }

show_logs() {
  echo "--- trunkline"
  tail -n "+$((plugin_marked + 1))" "$plugin_log" | tail -n 60
  echo "--- dockerd"
  tail -n "+$((engine_marked + 1))" "$engine_log" | grep -vE 'level=(debug|info)' | tail -n 20 || true
}

# begin_swarm, end_swarm: a swarm of this one node. The engine makes and removes networks of its own for it, in its own time.
begin_swarm() {
  docker swarm init --advertise-addr 127.0.0.1 >/dev/null
  until_true 120 ip link show dev docker_gwbridge
  until_true 120 docker network inspect ingress
}
end_swarm() {
  docker swarm leave --force >/dev/null
  until_true 120 not docker network inspect ingress
  docker network rm docker_gwbridge >/dev/null 2>&1 || true
  until_true 180 no_veths
}
no_veths() { [ -z "$(ip -br link show type veth | awk -v t="$trunk" '$1 !~ "^" t')" ]; }

# ---- networks and containers

# network NAME [ARGUMENT...]: makes a trunkline network.
network() {
  local name=$1
  shift
  docker network create -d trunkline "$@" "$name" >/dev/null
}

# container NAME NETWORK [ARGUMENT...]: starts one that waits. It may change its own addresses, to try to get out.
container() {
  local name=$1 network=$2
  shift 2
  docker run -d --init=false --stop-timeout 0 --cap-add NET_ADMIN --name "$name" --network "$network" "$@" bb sleep 100000 \
    >/dev/null
}

remove_containers() { docker rm -f "$@" >/dev/null; }

remove_networks() { docker network rm "$@" >/dev/null; }

# make_home: two containers that live as long as the machine, on an internal network of their own. Starting a container
# is what costs most here; connecting one that runs costs a tenth, so most scenarios connect these.
make_home() {
  network home --internal --subnet 10.254.0.0/24
  container h1 home
  container h2 home
}

retire_home() {
  docker network inspect home >/dev/null 2>&1 || return 0
  remove_containers h1 h2
  remove_networks home
}

# connect CONTAINER NETWORK [ARGUMENT...], disconnect CONTAINER NETWORK
connect() {
  local name=$1 network=$2
  shift 2
  docker network connect "$@" "$network" "$name"
}
disconnect() { docker network disconnect "$2" "$1"; }

# pid_of CONTAINER: the process that it runs.
pid_of() {
  local file=/tmp/pids/$1 pid
  mkdir -p /tmp/pids
  if ! pid=$(cat "$file" 2>/dev/null) || [ ! -d "/proc/$pid" ]; then
    pid=$(docker inspect --format '{{.State.Pid}}' "$1")
    echo "$pid" >"$file"
  fi
  echo "$pid"
}

# in_container CONTAINER COMMAND...: as docker exec would, at a tenth of its cost here.
in_container() {
  local pid
  pid=$(pid_of "$1")
  shift
  nsenter --target "$pid" --net --mount --root --wd -- "$@"
}

# netns CONTAINER COMMAND...: a command of this machine in the container's network namespace.
netns() {
  local pid
  pid=$(pid_of "$1")
  shift
  nsenter --target "$pid" --net -- "$@"
}

# shows PATTERN COMMAND...: what it prints matches. shows_not PATTERN COMMAND...: no line of it does.
shows() {
  local pattern=$1 said
  shift
  said=$("$@")
  grep -qE -- "$pattern" <<<"$said" || { printf '%s\n  shows: %s\n  and not: %s\n' "$*" "$said" "$pattern"; return 1; }
}
shows_not() {
  local pattern=$1 said
  shift
  said=$("$@")
  ! grep -E -- "$pattern" <<<"$said" || { printf '%s\n  shows: %s\n' "$*" "$said"; return 1; }
}

# pings CONTAINER ADDRESS: one of ten gets through. On a busy machine the first ones may be late.
pings() {
  in_container "$1" sh -c "for try in 1 2 3 4 5 6 7 8 9 10; do ping -c 1 -W 2 $2 >/dev/null && exit 0; done; exit 1" ||
    { echo "$1 does not reach $2"; return 1; }
}

# pings_not CONTAINER ADDRESS
pings_not() { not in_container "$1" ping -c 1 -W 1 "$2" >/dev/null; }

# newest CONTAINER: its newest interface. Some engines never give a number a second time: after eth1 comes eth2.
newest() { netns "$1" ip -o link | sed -n 's/^[0-9]*: \([^:@]*\)[:@].*/\1/p' | tail -n 1; }

# mac_of CONTAINER, address_of CONTAINER: of its newest interface; the first IPv4 address.
mac_of() { in_container "$1" cat "/sys/class/net/$(newest "$1")/address"; }
address_of() { in_container "$1" ip -4 addr show dev "$(newest "$1")" | sed -n 's/.*inet \([0-9.]*\).*/\1/p' | head -n 1; }

# ---- saying what must hold

not() { ! "$@"; }

# same WHAT EXPECTED ACTUAL
same() {
  [ "$2" = "$3" ] || { printf '%s differ:\n  expected: %s\n  actual:   %s\n' "$1" "$2" "$3"; return 1; }
}

# expect_refused PATTERN COMMAND...: it fails, and says so in words that match.
expect_refused() {
  local pattern=$1 said
  shift
  if said=$("$@" 2>&1); then
    echo "not refused: $*"
    return 1
  fi
  grep -qE -- "$pattern" <<<"$said" || { printf 'refused in other words: %s\n  expected: %s\n' "$said" "$pattern"; return 1; }
  note "refused: ${said#*: }"
}

# has_link NAME [NAMESPACE]
has_link() {
  if [ $# = 2 ]; then ip -n "$2" link show dev "$1" >/dev/null 2>&1; else ip link show dev "$1" >/dev/null 2>&1; fi
}

# links: every link of the host and of every named namespace. A veth end is shown without the number of the other one.
links() {
  local namespace
  ip -br link | awk '{ sub("@if[0-9]+$", "", $1); print "host", $1 }' | sort
  for namespace in $(ip netns list | awk '{ print $1 }' | sort); do
    ip -n "$namespace" -br link | awk -v n="$namespace" '{ sub("@if[0-9]+$", "", $1); print n, $1 }' | sort
  done
}

# everything: what a scenario must leave as it found it.
everything() {
  links
  perl "$lab/engine.pl"
  # Directories that do not exist hold nothing.
  { find /var/lib/trunkline/networks /run/trunkline/endpoints -type f 2>/dev/null || true; } | sort
}

# ---- frames on the trunk's far end

# start_capture: every frame that passes the far end's untagged port, with its tag if it has one.
start_capture() {
  rm -f /tmp/capture.txt
  ip netns exec "$switch" tcpdump -i "$port" -e -n -l --immediate-mode >/tmp/capture.txt 2>/tmp/capture.err &
  echo $! >/tmp/capture.id
  until_true 180 grep -q 'listening on' /tmp/capture.err
}

# stop_capture: ends it when all frames until now are written: those that the kernel still holds would be lost. The far
# end's question for an address that nobody has is the last of them.
stop_capture() {
  until_true 180 last_frame_is_captured
  stop_process /tmp/capture.id INT
}
last_frame_is_captured() {
  ip netns exec "$switch" bash -c 'echo >/dev/udp/10.1.0.254/9'
  grep -q 'who-has 10.1.0.254 ' /tmp/capture.txt
}

# frames_of MAC: the captured frames that it sent, a line each.
frames_of() { grep -E "^[0-9:.]+ $1 > " /tmp/capture.txt || true; }

# only_tagged MAC ID: it sent frames, and each has this tag; no ID: none has a tag.
only_tagged() {
  local all tagged
  all=$(frames_of "$1" | wc -l)
  if [ -n "$2" ]; then
    tagged=$(frames_of "$1" | grep -c "vlan $2, " || true)
  else
    tagged=$(frames_of "$1" | grep -vc 'vlan ' || true)
  fi
  [ "$all" -gt 0 ] || { echo "no frame of $1 was seen"; return 1; }
  same "frames of $1 with tag '${2:-none}'" "$all" "$tagged"
  note "$all frames of $1 on the trunk, all of them ${2:+tagged }${2:-untagged}"
}

# ---- the end of a scenario

# end_scenario: runs when a scenario ends, however.
end_scenario() {
  local status=$?
  [ ! -e /tmp/capture.id ] || stop_process /tmp/capture.id INT || true
  [ ! -e /tmp/dns.id ] || stop_process /tmp/dns.id TERM || true
  remove_trunk
  clean_up
  exit "$status"
}

# clean_up: what a scenario made beside the trunk; it says so by defining it anew.
clean_up() { :; }

# reset_host: takes away what a scenario that broke off left, so that the next one starts clean.
reset_host() {
  [ -e /tmp/trunkline.id ] && [ -d "/proc/$(cat /tmp/trunkline.id)" ] || start_plugin
  [ -e /tmp/dockerd.id ] && [ -d "/proc/$(cat /tmp/dockerd.id)" ] || start_engine
  local leftover
  until_true 300 engine_serves
  leftover=$(docker ps -a --format '{{.Names}}' | grep -vE '^h[12]$' || true)
  # shellcheck disable=SC2086
  [ -z "$leftover" ] || docker rm -f $leftover >/dev/null
  leftover=$(docker network ls --filter type=custom --format '{{.Name}}' | grep -vx home || true)
  local name
  for name in $leftover; do
    docker network disconnect -f "$name" h1 2>/dev/null || true
    docker network disconnect -f "$name" h2 2>/dev/null || true
  done
  # shellcheck disable=SC2086
  [ -z "$leftover" ] || docker network rm $leftover >/dev/null
  remove_trunk
}

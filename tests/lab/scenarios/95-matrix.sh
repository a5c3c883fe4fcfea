# The restart matrix: engine and plugin stopped, killed, and booted anew, with live-restore and without, while four
# containers run on one trunk, one for each sort of parent. Their names start with "matrix_": the home containers are
# away, and without a scenario's name only those in matrix_by_default are run.
# shellcheck shell=bash

# What stands for the others where time is short: the traffic over the death of plugin and engine, and a boot at which
# the parent is late.
# shellcheck disable=SC2034 # read by guest
matrix_by_default=(both_killed_live_restore reboot_with_a_late_parent)

# macvlan on the trunk itself, ipvlan on a VLAN device, macvlan on a VLAN device of trunkline's and on one made by hand.
kinds=(macvlan ipvlan owned foreign)
containers=(on-macvlan on-ipvlan on-owned on-foreign)
networks=(net-macvlan net-ipvlan net-owned net-foreign)
declare -A far=([macvlan]=10.1.0.1 [ipvlan]=10.30.0.1 [owned]=10.20.0.1 [foreign]=10.10.0.1)

# The VLAN device made by hand; and two links that are named like trunkline's, and are not: a sweep goes by the group.
byhand=byhand10
strange_dummy=tl0123456789ab
strange_child=tlba9876543210

# ---- the machine

# make_host: what the machine's own configuration makes at every boot.
make_host() {
  ip link add "$strange_dummy" type dummy
  ip addr add 192.0.2.1/24 dev "$strange_dummy"
  ip link set "$strange_dummy" up
  make_trunk
  add_far_vlan 30 10.30.0.1/24
  ip link add link "$trunk" name "$strange_child" type macvlan mode bridge
  ip link add link "$trunk" name "$byhand" type vlan id 10
  ip addr add 10.10.0.9/24 dev "$byhand"
  ip link set "$byhand" mtu 1400 up
  strange=$(strangers)
}

# strangers: all of it, with index and settings, as far as the kernel does not change them in its own time.
strangers() {
  local name
  for name in "$trunk" "$byhand" "$strange_dummy" "$strange_child"; do
    ip -d -o link show dev "$name" | sed -E 's/ <[^>]*>//; s/ (state|qdisc) [A-Za-z_]+//g'
    cat "/sys/class/net/$name/flags"
    ip -4 -o addr show dev "$name"
  done
}

# lights_out: what a reboot takes: every process of the engine, the plugin and the containers, every link, and /run.
lights_out() {
  local name id ids=()
  for name in "${containers[@]}"; do
    id=$(pid_of "$name")
    # The container, and the shim that holds it.
    ids+=("$id" "$(awk '$1 == "PPid:" { print $2 }' "/proc/$id/status")")
  done
  # The engine's containerd.
  mapfile -t -O ${#ids[@]} ids < <(pgrep -P "$(cat /tmp/dockerd.id)")
  stop_engine KILL
  kill_plugin
  kill -KILL "${ids[@]}" 2>/dev/null || true
  for id in "${ids[@]}"; do until_true 180 not test -d "/proc/$id"; done
  awk '$2 ~ "^/(run|tmp)/docker/" { print $2 }' /proc/mounts | sort -r | while read -r name; do umount -l "$name"; done
  rm -rf /run/docker /run/docker.pid /run/docker.sock /run/containerd /run/trunkline
  remove_trunk
  ip link del "$strange_dummy"
  same "links of trunkline's after the end of everything" "" "$(links_of_ours)"
}

# live_restore true|false: sets it on the engine that runs, and for its later starts.
live_restore() {
  echo "{ \"live-restore\": $1 }" >"$engine_config"
  kill -HUP "$(cat /tmp/dockerd.id)"
  until_true 180 is_live_restore "$1"
}
is_live_restore() { [ "$(docker info --format '{{.LiveRestoreEnabled}}')" = "$1" ]; }

# ---- what must hold

# links_of_ours: the names of trunkline's links in every network namespace of this machine.
links_of_ours() {
  local path
  # A container's namespace may be without a process, and one without a name may have processes.
  { stat -L -c '%d:%i %n' /proc/[0-9]*/ns/net /run/docker/netns/* /run/netns/* 2>/dev/null || true; } |
    awk '!seen[$1]++ { print $2 }' |
    while read -r path; do nsenter --net="$path" ip -br link show group 8021 2>/dev/null || true; done |
    awk '{ sub("@.*", "", $1); print $1 }' | sort | xargs
}

# on_record: the networks and endpoints that trunkline keeps; that_the_engine_has: what it should keep.
on_record() {
  { find /var/lib/trunkline/networks /run/trunkline/endpoints -type f 2>/dev/null || true; } |
    sed 's,.*/,,; s,\.json$,,' | sort
}
that_the_engine_has() {
  {
    docker network ls --quiet --no-trunc --filter driver=trunkline
    docker inspect --format '{{range .NetworkSettings.Networks}}{{.EndpointID}}{{end}}' "${containers[@]}"
  } | sort
}
is_on_record() { same "records" "$(that_the_engine_has)" "$(on_record)"; }

are_running() {
  same "running" "true true true true" "$(docker inspect --format '{{.State.Running}}' "${containers[@]}" | xargs)"
}

# all_ping: each container reaches the far end of its network.
all_ping() {
  local kind
  for kind in "${kinds[@]}"; do pings "on-$kind" "${far[$kind]}"; done
}

# lost_pings FILE: how many of the pings in a log got no answer.
lost_pings() { awk '/packets transmitted/ { print $1 - $4 }' "$1"; }

# start_traffic, end_traffic: a ping every 100 ms from each container, of which at most one is lost.
start_traffic() {
  local kind
  for kind in "${kinds[@]}"; do
    nsenter --target "$(pid_of "on-$kind")" --net --mount --root --wd -- ping -i 0.1 "${far[$kind]}" \
      >"/tmp/traffic-$kind.txt" &
    echo $! >"/tmp/traffic-$kind.id"
  done
}
end_traffic() {
  local kind sent lost
  # On a fast machine it was over before many pings were sent; and what an end broke may show after the start.
  sleep 3
  for kind in "${kinds[@]}"; do
    stop_process "/tmp/traffic-$kind.id" INT
    lost=$(lost_pings "/tmp/traffic-$kind.txt")
    sent=$(awk '/packets transmitted/ { print $1 }' "/tmp/traffic-$kind.txt")
    note "$kind: $sent pings, $lost lost"
    [ "$lost" -le 1 ]
    [ "$sent" -ge 20 ]
  done
}

# takes_endpoints: on each network a container that runs is connected, reaches the far end, and is disconnected.
takes_endpoints() {
  local kind guest=on-macvlan
  for kind in "${kinds[@]}"; do
    [ "$kind" != macvlan ] || guest=on-owned
    connect "$guest" "net-$kind"
    pings "$guest" "${far[$kind]}"
    disconnect "$guest" "net-$kind"
    guest=on-macvlan
  done
}

# ---- one field of the matrix

# disrupt HOW: takes down what it says, and brings it up again.
disrupt() {
  case $1 in
    engine_stopped) stop_engine; start_engine ;;
    engine_killed) stop_engine KILL; start_engine ;;
    plugin_stopped) stop_plugin; start_plugin ;;
    plugin_killed) kill_plugin; start_plugin ;;
    both_killed)
      stop_engine KILL
      kill_plugin
      # The engine is first, as nobody has ordered them: it asks again until the plugin is there.
      (sleep 3; start_plugin) &
      start_engine
      wait $!
      ;;
    reboot)
      lights_out
      make_host
      start_plugin
      start_engine
      ;;
    reboot_with_a_late_parent)
      lights_out
      start_plugin
      local due=$(($(uptime_s) + 20))
      start_engine
      expect_refused "waits for its parent" docker start on-owned
      while [ "$(uptime_s)" -lt "$due" ]; do sleep 0.5; done
      make_host
      until_true 180 has_link "$trunk.20"
      until_true 180 has_link "$trunk.30"
      # An engine does not try again by itself.
      docker start "${containers[@]}" >/dev/null
      ;;
  esac
}

clean_up_matrix() {
  local file
  for file in /tmp/traffic-*.id; do [ ! -e "$file" ] || stop_process "$file" KILL; done
  ip link del "$strange_dummy" 2>/dev/null || true
  # With its links gone, a scenario that broke off may have no engine.
  live_restore false || true
}

# matrix HOW LIVE_RESTORE: the four containers and what becomes of them.
matrix() {
  clean_up() { clean_up_matrix; }
  local how=$1 live=$2 kept='' pids kind id starting=() begun
  live_restore "$live"
  make_host
  network net-macvlan --subnet 10.1.0.0/24 --gateway 10.1.0.1 -o host_iface="$trunk"
  network net-ipvlan --subnet 10.30.0.0/24 --gateway 10.30.0.1 -o host_iface="$trunk" -o vlan=30 -o mode=l2
  network net-owned --subnet 10.20.0.0/24 --gateway 10.20.0.1 -o host_iface="$trunk.20"
  network net-foreign --subnet 10.10.0.0/24 --gateway 10.10.0.1 -o host_iface="$byhand"
  for kind in "${kinds[@]}"; do container "on-$kind" "net-$kind" --restart always & starting+=($!); done
  for id in "${starting[@]}"; do wait "$id"; done
  all_ping
  pids=$(docker inspect --format '{{.State.Pid}}' "${containers[@]}")
  case $how-$live in plugin_*-* | engine_*-true | both_*-true) kept=yes ;; esac

  [ -z "$kept" ] || start_traffic
  disrupt "$how"
  if [ -n "$kept" ]; then
    end_traffic
    same "processes of the containers" "$pids" "$(docker inspect --format '{{.State.Pid}}' "${containers[@]}")"
    takes_endpoints
  else
    until_true 180 are_running
    rm -f /tmp/pids/on-*
  fi
  all_ping
  begun=$(uptime_s)
  # The endpoints of an engine that was killed go when they were seen without a container twice, a minute apart.
  until_true 300 is_on_record || is_on_record
  note "no stale record after $(($(uptime_s) - begun)) s"
  same "links of trunkline's" "eth0 eth0 eth0 eth0 $trunk.20 $trunk.30" "$(links_of_ours)"

  remove_containers "${containers[@]}"
  remove_networks "${networks[@]}"
  same "links of trunkline's afterwards" "" "$(links_of_ours)"
  same "records afterwards" "" "$(on_record)"
  same "what is not trunkline's" "$strange" "$(strangers)"
}

scenario_matrix_engine_stopped() { matrix engine_stopped false; }
scenario_matrix_engine_stopped_live_restore() { matrix engine_stopped true; }
scenario_matrix_engine_killed() { matrix engine_killed false; }
scenario_matrix_engine_killed_live_restore() { matrix engine_killed true; }
scenario_matrix_plugin_stopped() { matrix plugin_stopped false; }
scenario_matrix_plugin_stopped_live_restore() { matrix plugin_stopped true; }
scenario_matrix_plugin_killed() { matrix plugin_killed false; }
scenario_matrix_plugin_killed_live_restore() { matrix plugin_killed true; }
scenario_matrix_both_killed() { matrix both_killed false; }
scenario_matrix_both_killed_live_restore() { matrix both_killed true; }
scenario_matrix_reboot() { matrix reboot false; }
scenario_matrix_reboot_live_restore() { matrix reboot true; }
scenario_matrix_reboot_with_a_late_parent() { matrix reboot_with_a_late_parent false; }
scenario_matrix_reboot_with_a_late_parent_live_restore() { matrix reboot_with_a_late_parent true; }

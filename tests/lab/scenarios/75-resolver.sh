# Names: those of containers, and those of the world, which the engine asks for in the host's name.
# shellcheck shell=bash

scenario_names_resolve() {
  make_trunk
  perl "$lab/dns.pl" &
  echo $! >/tmp/dns.id
  network lab --subnet 10.20.0.0/24 --gateway 10.20.0.1 -o host_iface="$trunk.20"
  connect h1 lab
  connect h2 lab
  pings h1 h2
  until_true 180 resolves h1
  disconnect h1 lab
  disconnect h2 lab
  if [[ "$LAB_ENGINE" != 20.* ]]; then
    # Now it is on an internal network only. 20.10 asks the world all the same.
    not resolves h1
    note "an internal network asks nobody outside"
  fi
  remove_networks lab
  stop_process /tmp/dns.id TERM
}

resolves() { in_container "$1" nslookup test.example | grep -q 192.0.2.53; }

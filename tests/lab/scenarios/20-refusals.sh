# What is refused, in words that help, and without leaving anything.
# shellcheck shell=bash

scenario_refusals() {
  make_trunk
  local before
  before=$(links)
  network one --subnet 10.10.0.0/24 -o host_iface="$trunk.10"
  expect_refused "$trunk.10 is in use in mode bridge by network .*use mode=bridge or another parent" \
    network two --subnet 10.11.0.0/24 -o host_iface="$trunk" -o vlan=10 -o mode=private
  expect_refused 'option vlam is not known: did you mean vlan' \
    network two --subnet 10.11.0.0/24 -o host_iface="$trunk" -o vlam=20
  expect_refused 'no interface named nosuch0 on this host' \
    network two --subnet 10.11.0.0/24 -o host_iface=nosuch0
  expect_refused 'no interface named nosuch0.20 on this host .nor nosuch0 to put VLAN 20 on' \
    network two --subnet 10.11.0.0/24 -o host_iface=nosuch0.20
  expect_refused 'no parent: say -o host_iface' \
    network two --subnet 10.11.0.0/24
  expect_refused '"4095" is not a VLAN id' \
    network two --subnet 10.11.0.0/24 -o host_iface="$trunk" -o vlan=4095
  expect_refused 'already says VLAN 20, and vlan=21 says another' \
    network two --subnet 10.11.0.0/24 -o host_iface="$trunk.20" -o vlan=21
  expect_refused 'mtu=9000 is more than the 1500 of the parent' \
    network two --subnet 10.11.0.0/24 -o host_iface="$trunk" -o vlan=21 -o mtu=9000
  expect_refused 'lo is the loopback device' \
    network two --subnet 10.11.0.0/24 -o host_iface=lo
  docker network rm one >/dev/null
  same "links" "$before" "$(links)"
}

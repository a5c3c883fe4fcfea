# Disks that are full, and that cannot be written.
# shellcheck shell=bash

# small_disk DIRECTORY: puts a small file system over it, with what is in it. restore_disk: takes it away again.
small_disk() {
  local held
  held=$(mktemp -d)
  cp -a "$1/." "$held/"
  mount -t tmpfs -o size=64k,mode=700 tmpfs "$1"
  cp -a "$held/." "$1/"
  rm -rf "$held"
}
restore_disk() { umount "$1"; }

# fill DIRECTORY, make_room DIRECTORY
fill() {
  not dd if=/dev/zero of="$1/filler" bs=4k count=1000 2>/dev/null
  # What does not fill it would prove nothing.
  not sh -c 'echo more >"$1/more"' sh "$1" 2>/dev/null
  rm "$1/more"
}
make_room() { rm "$1/filler"; }

# What stands beside it is served meanwhile: a network that exists takes a container, and lets it go.
serves_meanwhile() {
  pings h2 "$(netns h1 ip -4 -o addr show dev eth0 | sed -n 's,.*inet \([0-9.]*\)/.*,\1,p')"
  connect h1 vlan20
  pings h1 10.20.0.1
  disconnect h1 vlan20
}

scenario_a_full_or_read_only_disk_refuses_the_create() {
  local before on_disk vlan10
  # Not local: at the scenario's end this function has ended.
  disk=/var/lib/trunkline/networks
  clean_up() { while mountpoint -q "$disk"; do umount -l "$disk"; done; }
  make_trunk
  network vlan20 --subnet 10.20.0.0/24 --gateway 10.20.0.1 -o host_iface="$trunk" -o vlan=20
  small_disk "$disk"
  before=$(links) on_disk=$(ls "$disk")

  fill "$disk"
  expect_refused 'cannot write .*: No space left on device .*: make room there' \
    network vlan10 --subnet 10.10.0.0/24 --gateway 10.10.0.1 -o host_iface="$trunk" -o vlan=10
  same "links after a full disk" "$before" "$(links)"
  serves_meanwhile
  make_room "$disk"
  same "records after a full disk" "$on_disk" "$(ls "$disk")"
  network vlan10 --subnet 10.10.0.0/24 --gateway 10.10.0.1 -o host_iface="$trunk" -o vlan=10
  vlan10=$(docker network inspect --format '{{.Id}}' vlan10)
  test -e "$disk/$vlan10.json"
  connect h2 vlan10
  pings h2 10.10.0.1
  disconnect h2 vlan10

  mount -o remount,ro "$disk"
  expect_refused 'cannot write .*: Read-only file system .*: make it writable' \
    network vlan30 --subnet 10.30.0.0/24 -o host_iface="$trunk" -o vlan=30
  not has_link "$trunk.30"
  serves_meanwhile
  # The engine forgets a network whatever its driver says; so its device goes, and its record when the disk lets it.
  remove_networks vlan10
  same "links after a read-only disk" "$before" "$(links)"
  mount -o remount,rw "$disk"
  until_true 180 not test -e "$disk/$vlan10.json"
  network vlan30 --subnet 10.30.0.0/24 -o host_iface="$trunk" -o vlan=30
  has_link "$trunk.30"
  remove_networks vlan30
  same "records at the end" "$on_disk" "$(ls "$disk")"
  restore_disk "$disk"
  remove_networks vlan20
}

scenario_a_full_run_directory_refuses_the_container() {
  local on_disk before
  # Not local: as above.
  disk=/run/trunkline/endpoints
  clean_up() { while mountpoint -q "$disk"; do umount -l "$disk"; done; }
  make_trunk
  network vlan20 --subnet 10.20.0.0/24 --gateway 10.20.0.1 -o host_iface="$trunk" -o vlan=20
  small_disk "$disk"
  on_disk=$(ls "$disk") before=$(links)
  fill "$disk"
  expect_refused 'cannot write .*: No space left on device .*: make room there' container c1 vlan20
  expect_refused 'cannot write .*: No space left on device .*: make room there' connect h1 vlan20
  same "links after a full run directory" "$before" "$(links)"
  pings h1 "$(netns h2 ip -4 -o addr show dev eth0 | sed -n 's,.*inet \([0-9.]*\)/.*,\1,p')"
  make_room "$disk"
  same "records" "$on_disk" "$(ls "$disk")"
  docker start c1 >/dev/null
  pings c1 10.20.0.1
  connect h1 vlan20
  pings h1 10.20.0.1
  disconnect h1 vlan20
  remove_containers c1
  same "records afterwards" "$on_disk" "$(ls "$disk")"
  restore_disk "$disk"
  remove_networks vlan20
}

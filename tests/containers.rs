//! Running containers whose parent goes and comes back, on the real kernel: a second namespace is the container, and
//! `ip` does there what an engine does. And what `trunkline status` says of it.

#![allow(clippy::expect_used, clippy::unwrap_used)] // a test that cannot go on says why and ends

mod common;

use std::process::Command;

use common::{Daemon, Namespace, skip, wait_for};
use serde_json::{Value, json};

const E1: &str = "15d75b4f4f6ba94568126c6c057911016a2bc3879dcb77fe2d0f16c1a88f5d02";
const LINK: &str = "tl15d75b4f4f6b";

/// A host with a daemon, and a container on an untagged network of its eth1.
struct Rig {
    container: Namespace,
    daemon: Daemon,
    host: Namespace,
}

fn rig(test: &str) -> Option<Rig> {
    let host = Namespace::new().map_err(|reason| skip(test, &reason)).ok()?;
    let container = Namespace::new().map_err(|reason| skip(test, &reason)).ok()?;
    for far in ["eth1", "eth2"] {
        container.ip(&format!("link del {far}"));
    }
    // As an engine leaves a container without IPv6.
    let off = "echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6; echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6";
    assert!(container.command("sh").args(["-c", off]).status().unwrap().success());
    let daemon = Daemon::start(&host, &["-d"]);
    daemon.create_network("n1", &json!({"host_iface": "eth1", "mode": "private"}));
    let rig = Rig { container, daemon, host };
    rig.join(&rig.container.path());
    Some(rig)
}

impl Rig {
    fn join(&self, sandbox: &str) {
        let interface = json!({"Address": "10.0.0.2/24", "AddressIPv6": "fd00::2/64", "MacAddress": ""});
        let endpoint = json!({"NetworkID": "n1", "EndpointID": E1, "Interface": interface, "Options": {}});
        self.daemon.accepted("NetworkDriver.CreateEndpoint", &endpoint);
        let join = json!({"NetworkID": "n1", "EndpointID": E1, "SandboxKey": sandbox, "Options": {}});
        self.daemon.accepted("NetworkDriver.Join", &join);
    }

    /// The engine fetches the link and configures it.
    fn fetch(&self) {
        let holder = self.container.path().split('/').nth(2).unwrap().to_owned();
        self.host.ip(&format!("link set {LINK} netns {holder}"));
        self.container.ip(&format!("link set {LINK} name lan5"));
        let on = "echo 0 >/proc/sys/net/ipv6/conf/lan5/disable_ipv6";
        assert!(self.container.command("sh").args(["-c", on]).status().unwrap().success());
        for line in [
            "addr add 10.0.0.2/24 brd 10.0.0.255 dev lan5",
            "addr add fd00::2/64 dev lan5 nodad",
            "link set lan5 up",
            "route add default via 10.0.0.1 dev lan5",
            "-6 route add default via fd00::1 dev lan5",
            // And the container makes some of its own.
            "addr add 10.7.0.1/32 dev lan5",
            "route add 10.9.0.0/16 dev lan5 scope link metric 7 src 10.7.0.1",
            "route add 10.8.0.0/16 via 10.9.0.1 dev lan5",
            "route add 10.6.0.0/16 via 10.0.0.9 dev lan5 table 100 proto static",
            "route add 10.5.0.0/16 via 172.31.0.1 dev lan5 onlink",
        ] {
            self.container.ip(line);
        }
    }

    /// All that the container has, as `ip` prints it, without the kernel's numbers.
    fn interface(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for line in [
            "-o addr show dev lan5",
            "-o link show dev lan5",
            "route show table all dev lan5",
            "-6 route show table all dev lan5",
        ] {
            let output = self.container.command("ip").args(line.split(' ')).output().unwrap();
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            let without_number = |line: &str| {
                let line =
                    line.split_once(": ").filter(|(n, _)| n.parse::<u32>().is_ok()).map_or(line, |(_, l)| l);
                let (name, rest) = line.split_once(": ").unwrap_or(("", line));
                // lan5@if7: the parent's number.
                format!("{} {rest}", name.split('@').next().unwrap())
            };
            let is_steady = |line: &&str| !line.contains("fe80:") && !line.contains("ff00::/8");
            lines.extend(text.lines().filter(is_steady).map(without_number));
        }
        lines.sort();
        lines
    }

    fn status(&self) -> Value {
        let line =
            ["status", "--json", "--socket", self.daemon.socket().to_str().unwrap()].map(str::to_owned);
        let output = Command::new(env!("CARGO_BIN_EXE_trunkline")).args(line).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    fn record(&self) -> String {
        let file = format!("run/endpoints/{E1}.json");
        std::fs::read_to_string(self.daemon.directory.path().join(file)).unwrap_or_default()
    }

    fn unplug(&self) {
        self.host.ip("link del eth1");
        wait_for("the network to wait", || self.status()["networks"][0]["waiting"].is_string());
    }

    fn plug(&self) {
        self.host.ip("link add eth1 type veth peer name far1");
        self.host.ip("link set eth1 up");
        self.host.ip("link set far1 up");
    }
}

#[test]
fn a_running_container_gets_its_interface_back() {
    let Some(rig) = rig("a_running_container_gets_its_interface_back") else { return };
    rig.fetch();
    wait_for("the interface to be remembered", || rig.record().contains("172.31.0.1"));
    let before = rig.interface();
    assert!(before.len() >= 10, "{before:#?}");
    rig.unplug();
    assert_eq!(rig.container.links(), ["lo"]);
    let missing = rig.status()["missing_interfaces"].clone();
    assert_eq!(missing[0]["reason"], "its network waits for its parent", "{missing}");
    rig.plug();
    wait_for("the interface", || rig.interface() == before);
    wait_for("the status to be clean", || rig.status()["missing_interfaces"] == json!([]));
    assert!(!rig.host.links().contains(&LINK.to_owned()), "nothing of it is on the host");
    // An engine that does not find its interface any more, and one that brings it back: both end with nothing left.
    rig.daemon.accepted("NetworkDriver.Leave", &json!({"NetworkID": "n1", "EndpointID": E1}));
    rig.daemon.accepted("NetworkDriver.DeleteEndpoint", &json!({"NetworkID": "n1", "EndpointID": E1}));
    assert_eq!(rig.container.links(), ["lo"]);
    rig.daemon.accepted("NetworkDriver.DeleteNetwork", &json!({"NetworkID": "n1"}));
    assert_eq!(rig.host.links(), ["eth1", "eth2", "far1", "far2", "lo"]);
}

#[test]
fn one_that_cannot_be_reached_is_told_by_status() {
    let Some(mut rig) = rig("one_that_cannot_be_reached_is_told_by_status") else { return };
    rig.fetch();
    // Its namespace is the daemon's own to look at: that is no container. Nor is a file that is no namespace.
    rig.daemon.accepted("NetworkDriver.DeleteEndpoint", &json!({"NetworkID": "n1", "EndpointID": E1}));
    let file = rig.daemon.directory.path().join("no-namespace");
    std::fs::write(&file, "").unwrap();
    for sandbox in [rig.host.path(), file.display().to_string(), "/nowhere/at/all".to_owned()] {
        rig.join(&sandbox);
        rig.unplug();
        rig.plug();
        wait_for("a reason", || {
            rig.status()["missing_interfaces"][0]["reason"]
                .as_str()
                .is_some_and(|reason| reason.starts_with("the container cannot be reached from here"))
        });
        assert_eq!(rig.host.links().iter().filter(|name| name.starts_with("tl")).count(), 0);
        rig.daemon.accepted("NetworkDriver.DeleteEndpoint", &json!({"NetworkID": "n1", "EndpointID": E1}));
        assert_eq!(rig.status()["missing_interfaces"], json!([]));
    }
    // A record that was cut: set aside, and said.
    let record = rig.daemon.directory.path().join("state/networks/n1.json");
    let text = std::fs::read_to_string(&record).unwrap();
    std::fs::write(&record, &text[..text.len() / 2]).unwrap();
    rig.daemon = rig.daemon.killed_and_restarted(&rig.host, &[]);
    let status = rig.status();
    assert_eq!(status["networks"], json!([]));
    let path = status["unreadable_records"][0]["path"].as_str().unwrap();
    assert!(path.ends_with("n1.json.corrupt"), "{status}");
    rig.daemon.accepted("NetworkDriver.DeleteNetwork", &json!({"NetworkID": "n1"}));
    assert_eq!(rig.status()["unreadable_records"], json!([]));
}

#[test]
fn status_without_a_daemon_has_its_own_exit_status() {
    let temp = tempfile::tempdir().unwrap();
    let socket = temp.path().join("none.sock");
    let output =
        Command::new(env!("CARGO_BIN_EXE_trunkline")).arg("status").arg("--socket").arg(&socket).output();
    let output = output.unwrap();
    assert_eq!(output.status.code(), Some(3));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.starts_with("trunkline: no trunkline daemon answers on "), "{said}");
}

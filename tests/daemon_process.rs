//! The daemon as a process: how it starts, what its flags do, how it stops.

#![allow(clippy::expect_used, clippy::unwrap_used)] // a test that cannot go on says why and ends

mod common;

use std::io::Read;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::{Duration, Instant};

use common::{Connection, Daemon, Namespace, daemon_command, network, skip, wait_for};
use serde_json::json;

/// A stop is bounded by five seconds.
const STOP: Duration = Duration::from_secs(5);

fn namespace(test: &str) -> Option<Namespace> {
    Namespace::new().map_err(|reason| skip(test, &reason)).ok()
}

/// Runs a daemon that must not start; its exit status and what it said.
fn fails_to_start(
    namespace: &Namespace,
    directory: &std::path::Path,
    arguments: &[&str],
) -> (Option<i32>, String) {
    let output = daemon_command(namespace, directory, arguments).output().expect("it runs");
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn it_serves_with_and_without_the_word() {
    let Some(namespace) = namespace("it_serves_with_and_without_the_word") else { return };
    for line in [&[][..], &["serve"], &["-d", "--host-interface=eth1", "--mode=bridge"]] {
        let mut daemon = Daemon::start(&namespace, line);
        let answer = daemon.post("Plugin.Activate", b"").1;
        assert_eq!(answer, json!({"Implements": ["NetworkDriver"]}));
        let mode = |path| std::fs::metadata(path).expect("it is there").permissions().mode() & 0o777;
        assert_eq!(mode(daemon.socket()), 0o600);
        assert_eq!(mode(daemon.directory.path().join("plugins")), 0o700);
        assert_eq!(mode(daemon.directory.path().join("state/networks")), 0o700);
        daemon.signal("TERM");
        assert_eq!(daemon.wait(STOP), Some(0));
        assert!(!daemon.socket().exists());
    }
}

#[test]
fn a_group_is_let_at_the_socket_and_at_nothing_else() {
    let Some(namespace) = namespace("a_group_is_let_at_the_socket_and_at_nothing_else") else { return };
    // "daemon" is number 1 on Debian; the other number has no name there.
    for group in ["daemon", "54321"] {
        let daemon = Daemon::start(&namespace, &["--socket-group", group]);
        let of = |path: &str| {
            let metadata = std::fs::metadata(daemon.directory.path().join(path)).expect("it is there");
            (metadata.permissions().mode() & 0o7777, metadata.uid(), metadata.gid())
        };
        let gid = if group == "daemon" { 1 } else { 54_321 };
        assert_eq!(of("plugins/trunkline.sock"), (0o660, 0, gid));
        assert_eq!(of("plugins"), (0o710, 0, gid));
        assert_eq!(of("state"), (0o700, 0, 0));
        assert_eq!(of("run/endpoints"), (0o700, 0, 0));
        // The directory of the test is root's alone; a member of the group must come past it to be tried.
        std::fs::set_permissions(daemon.directory.path(), std::fs::Permissions::from_mode(0o711))
            .expect("mode");
        let answers = |gid: u32| {
            let script = "use IO::Socket::UNIX; exit(IO::Socket::UNIX->new(Peer => $ARGV[0]) ? 0 : 3)";
            let mut client = Command::new("perl");
            client.args(["-e", script]).arg(daemon.socket()).uid(65_534).gid(gid);
            client.status().expect("perl runs").code()
        };
        assert_eq!(answers(gid), Some(0), "a member of the group");
        assert_eq!(answers(65_534), Some(3), "somebody else");
    }
}

#[test]
fn flags_and_variables_have_their_effect() {
    let Some(namespace) = namespace("flags_and_variables_have_their_effect") else { return };
    let line = [
        "--host-interface=eth1",
        "--mode=private",
        "--mtu=1400",
        "--link-group=77",
        "--log-format=json",
        "-d",
    ];
    let daemon = Daemon::start(&namespace, &line);
    assert_eq!(daemon.create_network("n1", &json!({})), json!({}));
    daemon.attach("n1", "0123456789abcdef", "10.0.0.2/24");
    let link = namespace.link("tl0123456789ab");
    assert_eq!(link["linkinfo"]["info_data"]["mode"], "private");
    assert_eq!((link["mtu"].as_u64(), link["group"].as_str()), (Some(1400), Some("77")));
    assert_eq!(link["link"], "eth1");
    let log = daemon.log();
    let lines: Vec<serde_json::Value> = log.lines().map(|l| serde_json::from_str(l).expect("JSON")).collect();
    assert!(lines.iter().any(|line| line["span"]["method"] == "NetworkDriver.Join"), "{log}");
    drop(daemon);
    namespace.ip("link del tl0123456789ab");

    let directory = tempfile::tempdir().expect("a directory");
    let mut command = daemon_command(&namespace, directory.path(), &[]);
    command
        .env("TRUNKLINE_HOST_INTERFACE", "eth1")
        .env("TRUNKLINE_MODE", "vepa")
        .env("TRUNKLINE_MTU", "")
        .env("TRUNKLINE_LINK_GROUP", "78")
        .env("TRUNKLINE_DEBUG", "1");
    let child = command.stderr(std::process::Stdio::null()).spawn().expect("it starts");
    let mut guard = ChildGuard(child);
    let socket = directory.path().join("plugins/trunkline.sock");
    wait_for("it to listen", || std::os::unix::net::UnixStream::connect(&socket).is_ok());
    let mut connection = Connection::open(&socket);
    for (path, body) in [
        ("/NetworkDriver.CreateNetwork", network("n1", &json!({}))),
        ("/NetworkDriver.CreateEndpoint", json!({"NetworkID": "n1", "EndpointID": "0123456789abcdef"})),
        ("/NetworkDriver.Join", json!({"NetworkID": "n1", "EndpointID": "0123456789abcdef"})),
    ] {
        connection.request("POST", path, body.to_string().as_bytes());
        let (status, answer) = connection.answer();
        assert!(status == 200 && answer.get("Err").is_none(), "{path}: {answer}");
    }
    let link = namespace.link("tl0123456789ab");
    assert_eq!(link["linkinfo"]["info_data"]["mode"], "vepa");
    assert_eq!((link["mtu"].as_u64(), link["group"].as_str()), (Some(1500), Some("78")));
    guard.0.kill().expect("it is killed");
}

#[test]
fn a_variable_that_is_set_to_nothing_counts_as_not_given() {
    let Some(namespace) = namespace("a_variable_that_is_set_to_nothing_counts_as_not_given") else { return };
    let directory = tempfile::tempdir().expect("a directory");
    let mut command = daemon_command(&namespace, directory.path(), &["serve"]);
    for name in ["HOST_INTERFACE", "MODE", "MTU", "LINK_GROUP", "LOG_FORMAT", "DEBUG", "SOCKET_GROUP"] {
        command.env(format!("TRUNKLINE_{name}"), "");
    }
    let socket = directory.path().join("plugins/trunkline.sock");
    let mut guard = ChildGuard(command.stderr(std::process::Stdio::null()).spawn().expect("it starts"));
    wait_for("it to listen", || std::os::unix::net::UnixStream::connect(&socket).is_ok());
    guard.0.kill().expect("it is killed");
}

struct ChildGuard(std::process::Child);

impl Drop for ChildGuard {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn wrong_flags_are_bad_usage() {
    let Some(namespace) = namespace("wrong_flags_are_bad_usage") else { return };
    for (flag, sentence) in [
        ("--mode=brigde", "--mode: \"brigde\" is not a mode"),
        ("--mtu=12", "--mtu: \"12\" is not an MTU"),
        ("--host-interface=a b", "--host-interface: \"a b\" is not an interface name"),
        ("--link-group=0", "--link-group"),
        ("--log-format=xml", "--log-format"),
        ("--socket-group=no-such-group", "--socket-group: \"no-such-group\" is not a group of this host"),
        ("--no-such-flag", "--no-such-flag"),
    ] {
        let directory = tempfile::tempdir().expect("a directory");
        let (status, said) = fails_to_start(&namespace, directory.path(), &[flag]);
        assert_eq!(status, Some(2), "{flag}: {said}");
        assert!(said.contains(sentence), "{flag}: {said}");
        assert_eq!(
            std::fs::read_dir(directory.path()).expect("it is there").count(),
            0,
            "{flag} changed something"
        );
    }
}

#[test]
fn a_live_socket_is_refused_and_a_stale_one_replaced() {
    let Some(namespace) = namespace("a_live_socket_is_refused_and_a_stale_one_replaced") else { return };
    let daemon = Daemon::start(&namespace, &[]);
    let (status, said) = fails_to_start(&namespace, daemon.directory.path(), &[]);
    assert_eq!(status, Some(1), "{said}");
    assert!(said.contains("another daemon listens on") && said.contains("trunkline.sock"), "{said}");
    assert_eq!(daemon.post("Plugin.Activate", b"").0, 200);
    let other = tempfile::tempdir().expect("a directory");
    let state = daemon.directory.path().join("state");
    let (status, said) =
        fails_to_start(&namespace, other.path(), &["--state-dir", state.to_str().expect("a path")]);
    assert_eq!(status, Some(1), "{said}");
    assert!(said.contains("another trunkline daemon uses this directory"), "{said}");
    let daemon = daemon.killed_and_restarted(&namespace, &[]);
    assert_eq!(daemon.post("Plugin.Activate", b"").0, 200);
}

#[test]
fn a_stop_is_bounded_whatever_is_open() {
    let Some(namespace) = namespace("a_stop_is_bounded_whatever_is_open") else { return };
    for signal in ["TERM", "INT"] {
        let mut daemon = Daemon::start(&namespace, &[]);
        let _idle = Connection::open(&daemon.socket());
        let mut kept = Connection::open(&daemon.socket());
        kept.request("POST", "/Plugin.Activate", b"");
        assert_eq!(kept.answer().0, 200);
        let mut half_head = Connection::open(&daemon.socket());
        half_head.send(b"POST /NetworkDriver.Join HTTP/1.1\r\nHost:");
        let mut half_body = Connection::open(&daemon.socket());
        half_body.send(b"POST /NetworkDriver.Join HTTP/1.1\r\nHost: \r\nContent-Length: 50\r\n\r\n{\"Netw");
        let begun = Instant::now();
        daemon.signal(signal);
        assert_eq!(daemon.wait(STOP), Some(0));
        assert!(begun.elapsed() < STOP);
        assert!(!daemon.socket().exists());
    }
}

#[test]
fn a_slow_sender_is_dropped_and_holds_up_nobody() {
    let Some(namespace) = namespace("a_slow_sender_is_dropped_and_holds_up_nobody") else { return };
    let daemon = Daemon::start(&namespace, &[]);
    let mut idle = Connection::open(&daemon.socket());
    idle.request("POST", "/Plugin.Activate", b"");
    assert_eq!(idle.answer().0, 200);
    let begun = Instant::now();
    let mut slow = Connection::open(&daemon.socket());
    slow.send(b"POST /NetworkDriver.Join HTTP/1.1\r\nHost: \r\nContent-Length: 50\r\n\r\n{");
    assert_eq!(daemon.post("Plugin.Activate", b"").0, 200);
    let mut rest = Vec::new();
    let _ = slow.stream.read_to_end(&mut rest);
    let took = begun.elapsed();
    assert!(took > Duration::from_secs(9) && took < Duration::from_secs(13), "dropped after {took:?}");
    idle.request("POST", "/Plugin.Activate", b"");
    assert_eq!(idle.answer().0, 200, "a connection that is merely idle stays");
}

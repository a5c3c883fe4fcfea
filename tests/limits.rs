//! What senders can cost the daemon: connections, and memory that stays as it is whatever they send.

#![allow(clippy::expect_used, clippy::unwrap_used)] // a test that cannot go on says why and ends

mod common;

use std::io::Read;
use std::time::Duration;

use common::{Connection, Daemon, Namespace, network, skip, wait_for};
use serde_json::json;

const MAX_CONNECTIONS: usize = 256;
const MAX_BODY: usize = 1024 * 1024;

/// Rounds of load after which the memory has come to its size, and rounds after which it must still have it.
const WARM_UP: usize = 3;
const ROUNDS: usize = 9;
/// How much larger it may be then, in KiB: less than a hundredth of what comes in meanwhile.
const GROWTH_KIB: usize = 2 * 1024;
/// Most that it ever takes, in KiB. Without a bound on large bodies it is more: what all connections had sent would be held.
const PEAK_KIB: usize = 64 * 1024;

fn start(test: &str) -> Option<(Namespace, Daemon)> {
    let namespace = Namespace::new().map_err(|reason| skip(test, &reason)).ok()?;
    let daemon = Daemon::start(&namespace, &[]);
    Some((namespace, daemon))
}

/// How many sockets the daemon has open.
fn sockets(daemon: &Daemon) -> usize {
    let descriptors = std::fs::read_dir(format!("/proc/{}/fd", daemon.id())).expect("it runs");
    let targets = descriptors.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
    targets.filter(|target| target.to_string_lossy().starts_with("socket:")).count()
}

/// A line of the daemon's `/proc/PID/status`.
fn status(daemon: &Daemon, field: &str) -> usize {
    let text = std::fs::read_to_string(format!("/proc/{}/status", daemon.id())).expect("it runs");
    let line = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':')).expect(field);
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

fn ask(connection: &mut Connection) {
    connection.request("POST", "/Plugin.Activate", b"");
}

#[test]
fn at_most_256_connections_are_served_and_further_ones_wait() {
    let Some((_namespace, daemon)) = start("at_most_256_connections_are_served_and_further_ones_wait") else {
        return;
    };
    wait_for("the probe of the start to be gone", || daemon.post("Plugin.Activate", b"").0 == 200);
    let open = |count: usize| (0..count).map(|_| Connection::open(&daemon.socket())).collect::<Vec<_>>();
    let mut served = open(MAX_CONNECTIONS);
    for connection in &mut served {
        ask(connection);
        assert_eq!(connection.answer().0, 200);
    }
    let full = sockets(&daemon);
    let mut waiting = open(20);
    waiting.iter_mut().for_each(ask);
    // Those that are served are as quick as ever, and nothing comes of those that wait.
    ask(&mut served[0]);
    assert_eq!(served[0].answer().0, 200);
    let first = waiting[0].stream.get_mut();
    first.set_read_timeout(Some(Duration::from_millis(300))).expect("a timeout");
    let error = first.read(&mut [0]).expect_err("it waits");
    assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock);
    first.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
    assert_eq!(sockets(&daemon), full, "none was taken that is not served");
    // One goes, one comes.
    served.pop();
    assert_eq!(waiting[0].answer().0, 200);
    assert_eq!(sockets(&daemon), full);
    drop(served);
    for connection in &mut waiting[1..] {
        assert_eq!(connection.answer().0, 200);
    }
}

/// One round of everything that is not what an engine sends, and of what it does send.
fn load(daemon: &Daemon, round: usize) {
    let socket = daemon.socket();
    let each = |count: usize, send: &dyn Fn(&mut Connection)| {
        let mut connections: Vec<_> = (0..count).map(|_| Connection::open(&socket)).collect();
        connections.iter_mut().for_each(send);
        connections
    };
    drop(each(100, &|_| {}));
    drop(each(100, &|connection| connection.send(b"POST /NetworkDriver.Join HT")));
    drop(each(50, &|connection| connection.send(&[b'x'; 10_000])));
    drop(each(50, &|connection| {
        connection.send(b"POST /Plugin.Activate HTTP/1.1\r\nContent-Length: 9\r\n\r\n{")
    }));
    // More than may be, announced and not.
    for mut connection in
        each(10, &|connection| connection.request("POST", "/NetworkDriver.Join", &[b' '; MAX_BODY + 1]))
    {
        assert_eq!(connection.answer().0, 413);
    }
    let chunk = [b"10000\r\n".as_slice(), &[b' '; 0x10000], b"\r\n"].concat();
    for mut connection in each(3, &|connection| {
        connection.send(b"POST /NetworkDriver.Join HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n");
        (0..17).for_each(|_| connection.send(&chunk));
    }) {
        assert_eq!(connection.answer().0, 413);
    }
    // As much as may be, of what is dear to decode.
    let keys: String = (0..60_000).map(|key| format!("\"{key}\":{{}},")).collect();
    let large = format!(r#"{{"Options":{{{keys}"x":0}}}}"#);
    let deep = format!(r#"{{"Options":{}"#, "[".repeat(500_000));
    let mut connection = Connection::open(&socket);
    for body in [large.as_str(), &deep, "{", "", "null", "[]", "\u{0}"].iter().cycle().take(70) {
        connection.request("POST", "/NetworkDriver.Join", body.as_bytes());
        assert_eq!(connection.answer().0, 400);
    }
    // All at once, and none of them ends.
    let unfinished = format!("POST /NetworkDriver.Join HTTP/1.1\r\nContent-Length: {MAX_BODY}\r\n\r\n");
    drop(each(MAX_CONNECTIONS, &|connection| {
        connection.send(unfinished.as_bytes());
        connection.stream.get_mut().set_nonblocking(true).expect("a socket");
        // Until the daemon takes no more of it.
        connection.send(&vec![b' '; MAX_BODY - 1]);
    }));
    for number in 0..20 {
        let id = format!("r{round}n{number}");
        assert_eq!(daemon.create_network(&id, &json!({"host_iface": "eth1"})), json!({}));
        let endpoint = format!("{round:06}{number:06}");
        daemon.attach(&id, &endpoint, "10.0.0.2/24");
        daemon.accepted("NetworkDriver.DeleteEndpoint", &json!({"NetworkID": id, "EndpointID": endpoint}));
        daemon.accepted("NetworkDriver.DeleteNetwork", &network(&id, &json!({})));
    }
}

#[test]
fn memory_stays_as_it_is_whatever_is_sent() {
    let Some((namespace, daemon)) = start("memory_stays_as_it_is_whatever_is_sent") else { return };
    let links = namespace.links();
    let at_first = status(&daemon, "VmRSS");
    let mut resident = Vec::new();
    for round in 0..WARM_UP + ROUNDS {
        load(&daemon, round);
        resident.push(status(&daemon, "VmRSS"));
    }
    let (warm, after) = resident.split_at(WARM_UP);
    let (warm, after) = (*warm.iter().max().expect("rounds"), *after.last().expect("rounds"));
    let peak = status(&daemon, "VmHWM");
    println!(
        "resident: {at_first} KiB at first, then {resident:?}, at the most {peak}; {} threads",
        status(&daemon, "Threads")
    );
    assert!(after <= warm + GROWTH_KIB, "from {warm} KiB to {after}: {resident:?}");
    assert!(peak <= PEAK_KIB, "{peak} KiB at the most: {resident:?}");
    assert_eq!(namespace.links(), links);
    wait_for("the connections to be gone", || sockets(&daemon) < 20);
    assert_eq!(daemon.post("Plugin.Activate", b"").0, 200);
}

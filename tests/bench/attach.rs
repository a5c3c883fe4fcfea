//! What a container's attachment costs beside what the kernel takes for it, measured in one run:
//!
//! ```text
//! cargo bench --bench attach [-- ROUNDS]
//! ```
//!
//! A private network namespace, the daemon as a process in it, and in turns: one RTM_NEWLINK for a macvlan link, sent
//! straight to the kernel, and CreateEndpoint + Join over the daemon's socket, which send the same message. Also the
//! time from exec to listening, the resident memory when idle, and the size of the binary. Needs root.

#![allow(clippy::expect_used, clippy::unwrap_used)] // a measurement that cannot go on says why and ends

#[path = "../common/mod.rs"]
mod common;

use std::fs::File;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use common::{Connection, Daemon, Namespace};
use rtnetlink::packet_route::link::MacVlanMode;
use rtnetlink::{Handle, LinkMacVlan};
use serde_json::json;

/// How many pairs are measured, and how many before them are not.
const ROUNDS: usize = 300;
const WARM_UP: usize = 20;
const STARTS: usize = 20;

fn main() {
    // cargo bench hands on `--bench`.
    let asked = std::env::args().skip(1).find_map(|word| word.parse().ok());
    let rounds: usize = asked.unwrap_or(ROUNDS);
    let namespace = match Namespace::new() {
        Ok(namespace) => namespace,
        Err(reason) => return eprintln!("SKIP attach: {reason}"),
    };
    println!("binary: {} KiB", file_size(env!("CARGO_BIN_EXE_trunkline")) / 1024);
    starts(&namespace);
    // Where /run is: in memory.
    let directory = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a directory");
    let daemon = Daemon::start_in(&namespace, &[], directory);
    println!("resident memory, idle: {} KiB", resident_kib(&daemon));
    nix::sched::setns(
        File::open(namespace.path()).expect("the namespace"),
        nix::sched::CloneFlags::CLONE_NEWNET,
    )
    .expect("to enter the namespace");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(attachments(&daemon, rounds));
}

fn file_size(path: &str) -> u64 {
    std::fs::metadata(path).expect("it is built").len()
}

fn resident_kib(daemon: &Daemon) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", daemon.id())).expect("it runs");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("a line");
    line.split_whitespace().nth(1).and_then(|kib| kib.parse().ok()).expect("a number")
}

/// From exec to the first connection that is taken. The waiting loop asks every tenth of a millisecond.
fn starts(namespace: &Namespace) {
    let mut times: Vec<Duration> = Vec::new();
    for _ in 0..STARTS {
        let directory = tempfile::tempdir().expect("a directory");
        let socket = directory.path().join("plugins/trunkline.sock");
        let mut command = common::daemon_command(namespace, directory.path(), &[]);
        command.stderr(std::process::Stdio::null());
        let begun = Instant::now();
        let mut child = command.spawn().expect("it starts");
        while UnixStream::connect(&socket).is_err() {
            assert!(begun.elapsed() < Duration::from_secs(10), "it does not listen");
            std::thread::sleep(Duration::from_micros(100));
        }
        times.push(begun.elapsed());
        child.kill().expect("it is killed");
        child.wait().expect("it ended");
    }
    println!("exec (through nsenter) to listening: median {:.2} ms of {STARTS}", ms(median(&mut times)));
}

async fn attachments(daemon: &Daemon, rounds: usize) {
    let (connection, handle, _) = rtnetlink::new_connection().expect("netlink");
    tokio::spawn(connection);
    let mut engine = Connection::open(&daemon.socket());
    daemon.create_network("bench", &json!({"host_iface": "eth1"}));
    let parent = index_of(&handle, "eth1").await;
    let (mut raw, mut calls) = (Vec::new(), Vec::new());
    for round in 0..rounds + WARM_UP {
        let begun = Instant::now();
        let mac = [2, 0xbe, 0, 0, (round >> 8) as u8, round as u8];
        let message =
            LinkMacVlan::new("tlraw", parent, MacVlanMode::Bridge).link_group(8021).address(mac.to_vec());
        handle.link().add(message.build()).execute().await.expect("a macvlan link");
        let raw_took = begun.elapsed();
        let index = index_of(&handle, "tlraw").await;
        handle.link().del(index).execute().await.expect("it is removed");

        let endpoint = format!("{round:064x}");
        let address = format!("10.0.{}.{}/16", round >> 8, round & 255);
        let interface = json!({"Address": address, "AddressIPv6": "", "MacAddress": ""});
        let create =
            json!({"NetworkID": "bench", "EndpointID": endpoint, "Interface": interface, "Options": {}})
                .to_string();
        let join =
            json!({"NetworkID": "bench", "EndpointID": endpoint, "SandboxKey": "/nowhere", "Options": {}})
                .to_string();
        let begun = Instant::now();
        ask(&mut engine, "CreateEndpoint", &create);
        ask(&mut engine, "Join", &join);
        let calls_took = begun.elapsed();
        ask(&mut engine, "Leave", &join);
        ask(&mut engine, "DeleteEndpoint", &join);
        if round >= WARM_UP {
            raw.push(raw_took);
            calls.push(calls_took);
        }
    }
    let (raw, calls) = (median(&mut raw), median(&mut calls));
    println!("one RTM_NEWLINK: median {:.3} ms of {rounds}", ms(raw));
    println!("CreateEndpoint + Join: median {:.3} ms of {rounds}", ms(calls));
    println!("ratio: {:.2}", calls.as_secs_f64() / raw.as_secs_f64());
    let budget = raw.mul_f64(1.5) + Duration::from_micros(200);
    println!("of the budget of 1.5 RTM_NEWLINK + 0.2 ms: {:.2}", calls.as_secs_f64() / budget.as_secs_f64());
}

fn ask(engine: &mut Connection, method: &str, body: &str) {
    engine.request("POST", &format!("/NetworkDriver.{method}"), body.as_bytes());
    let (status, answer) = engine.answer();
    assert!(status == 200 && answer.get("Err").is_none(), "{method}: {answer}");
}

async fn index_of(handle: &Handle, name: &str) -> u32 {
    use futures_util::TryStreamExt as _;
    let mut found = handle.link().get().match_name(name.to_owned()).execute();
    found.try_next().await.expect("an answer").expect("the link").header.index
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

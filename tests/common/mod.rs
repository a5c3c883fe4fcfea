//! A private network namespace with a trunk in it, the daemon as a process there, and an engine's end of the socket.
//! All of it goes away with its value, and the namespace with all links in it.

#![allow(dead_code, unused_imports)] // each test program uses another part

mod skip;

pub use skip::skip;

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// Longest wait for a condition.
const PATIENCE: Duration = Duration::from_secs(20);

/// Waits for a condition, with a bound.
pub fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < end, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A network namespace, held by a process that does nothing, or by the thread that made it.
pub struct Namespace {
    holder: Option<Child>,
}

impl Drop for Namespace {
    fn drop(&mut self) {
        if let Some(holder) = &mut self.holder {
            let _ = holder.kill();
            let _ = holder.wait();
        }
    }
}

impl Namespace {
    /// A namespace with `eth1` and `eth2`, each with a far end, or the reason why there is none.
    pub fn new() -> Result<Self, String> {
        let mut holder = Command::new("unshare")
            // It waits for input that never comes, and ends with this process, whose end closes the pipe.
            .args(["--net", "sh", "-c", "echo ready; exec cat"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("unshare: {error}"))?;
        let mut line = String::new();
        let output = holder.stdout.take().expect("piped");
        let read = BufReader::new(output).read_line(&mut line);
        let namespace = Self { holder: Some(holder) };
        if read.is_err() || line.trim() != "ready" {
            return Err("no network namespace can be made (not root?)".to_owned());
        }
        namespace.add_devices();
        Ok(namespace)
    }

    /// The same for this thread, which leaves the namespace that it was in: its commands start in it, and need no help of
    /// another program. It is gone when the thread is, or makes another.
    pub fn of_this_thread() -> Result<Self, String> {
        nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET)
            .map_err(|errno| format!("no network namespace can be made ({errno})"))?;
        let namespace = Self { holder: None };
        namespace.add_devices();
        Ok(namespace)
    }

    fn add_devices(&self) {
        for pair in ["link add eth1 type veth peer name far1", "link add eth2 type veth peer name far2"] {
            self.ip(pair);
        }
        self.ip("link set far1 up");
        self.ip("link set far2 up");
        self.ip("link set eth1 up");
    }

    /// The file that stands for the namespace.
    pub fn path(&self) -> String {
        format!("{}/ns/net", self.proc())
    }

    /// The process that holds it.
    pub fn holder(&self) -> u32 {
        self.holder.as_ref().expect("it has one").id()
    }

    /// Where /proc tells of it.
    fn proc(&self) -> String {
        self.holder.as_ref().map_or("/proc/thread-self".to_owned(), |holder| format!("/proc/{}", holder.id()))
    }

    /// The names of all links, without starting a program.
    pub fn link_names(&self) -> BTreeSet<String> {
        let listed = std::fs::read_to_string(format!("{}/net/dev", self.proc())).expect("a list");
        let names = listed.lines().filter_map(|line| line.split_once(':'));
        names.map(|(name, _)| name.trim().to_owned()).collect()
    }

    /// A command that will run in the namespace.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        if self.holder.is_none() {
            return Command::new(program);
        }
        let mut command = Command::new("nsenter");
        command.arg(format!("--net={}", self.path())).arg(program.as_ref());
        command
    }

    /// Runs `ip` and says whether it went well.
    pub fn try_ip(&self, arguments: &str) -> bool {
        let output: Output = self.command("ip").args(arguments.split(' ')).output().expect("ip runs");
        output.status.success()
    }

    /// Runs `ip`, which must go well.
    pub fn ip(&self, arguments: &str) {
        assert!(self.try_ip(arguments), "ip {arguments}");
    }

    /// What `ip -json` prints.
    pub fn ip_json(&self, arguments: &str) -> Value {
        let output =
            self.command("ip").args(["-json", "-details"]).args(arguments.split(' ')).output().expect("ip");
        serde_json::from_slice(&output.stdout).unwrap_or(Value::Null)
    }

    /// The names of all links.
    pub fn links(&self) -> Vec<String> {
        let listed = self.ip_json("link show");
        let names = listed.as_array().into_iter().flatten();
        let mut names: Vec<_> = names.filter_map(|link| link["ifname"].as_str().map(str::to_owned)).collect();
        names.sort();
        names
    }

    /// One link, with all the kernel says.
    pub fn link(&self, name: &str) -> Value {
        self.ip_json(&format!("link show dev {name}"))[0].clone()
    }

    /// Whether the kernel has a kind of link.
    pub fn has_kind(&self, arguments: &str) -> bool {
        let made = self.try_ip(&format!("link add kindtest {arguments}"));
        if made {
            self.ip("link del kindtest");
        }
        made
    }
}

/// The daemon, and the directories it was given.
pub struct Daemon {
    child: Child,
    pub directory: tempfile::TempDir,
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A command line of the daemon with paths in `directory`. In the lab's machines the daemon is not where it was built.
pub fn daemon_command(namespace: &Namespace, directory: &Path, arguments: &[&str]) -> Command {
    let elsewhere = std::env::var_os("TRUNKLINE_TEST_DAEMON");
    let mut command = namespace.command(elsewhere.unwrap_or_else(|| env!("CARGO_BIN_EXE_trunkline").into()));
    command
        .args(arguments)
        .env("TRUNKLINE_SOCKET", directory.join("plugins/trunkline.sock"))
        .env("TRUNKLINE_STATE_DIR", directory.join("state"))
        .env("TRUNKLINE_RUN_DIR", directory.join("run"));
    command
}

impl Daemon {
    /// Starts one with fresh directories and waits until it listens.
    pub fn start(namespace: &Namespace, arguments: &[&str]) -> Self {
        Self::start_in(namespace, arguments, tempfile::tempdir().expect("a directory"))
    }

    /// Starts one on the directories of another.
    pub fn start_in(namespace: &Namespace, arguments: &[&str], directory: tempfile::TempDir) -> Self {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(directory.path().join("log"));
        let child = daemon_command(namespace, directory.path(), arguments)
            .stderr(log.expect("a log"))
            .spawn()
            .expect("it starts");
        let mut daemon = Self { child, directory };
        wait_for("the daemon to listen", || {
            let ended = daemon.child.try_wait().expect("a child");
            assert!(ended.is_none(), "it ended: {ended:?}\n{}", daemon.log());
            UnixStream::connect(daemon.socket()).is_ok()
        });
        daemon
    }

    pub fn socket(&self) -> PathBuf {
        self.directory.path().join("plugins/trunkline.sock")
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal by its name.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([format!("-{name}"), self.id().to_string()]).status();
        assert!(sent.expect("kill runs").success());
    }

    /// Waits for its end and returns the exit status, at most `limit` later.
    pub fn wait(&mut self, limit: Duration) -> Option<i32> {
        let end = Instant::now() + limit;
        loop {
            if let Some(status) = self.child.try_wait().expect("a child") {
                return status.code();
            }
            assert!(Instant::now() < end, "it did not end within {limit:?}\n{}", self.log());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Kills it as a crash would, and starts another on its directories.
    pub fn killed_and_restarted(mut self, namespace: &Namespace, arguments: &[&str]) -> Self {
        self.child.kill().expect("it is killed");
        self.child.wait().expect("it ended");
        let fresh = tempfile::tempdir().expect("a directory");
        let directory = std::mem::replace(&mut self.directory, fresh);
        Self::start_in(namespace, arguments, directory)
    }

    /// One call on a connection of its own.
    pub fn call(&self, method: &str, body: &Value) -> Value {
        let (status, answer) = self.post(method, body.to_string().as_bytes());
        assert_eq!(status, 200, "{method}: {answer}");
        answer
    }

    /// A call that must be refused; its sentence.
    pub fn refused(&self, method: &str, body: &Value) -> String {
        let answer = self.call(method, body);
        answer["Err"].as_str().unwrap_or_else(|| panic!("{method} was not refused: {answer}")).to_owned()
    }

    /// A call that must go well.
    pub fn accepted(&self, method: &str, body: &Value) -> Value {
        let answer = self.call(method, body);
        assert!(answer.get("Err").is_none(), "{method}: {answer}\n{}", self.log());
        answer
    }

    pub fn post(&self, method: &str, body: &[u8]) -> (u16, Value) {
        let mut connection = Connection::open(&self.socket());
        connection.request("POST", &format!("/{method}"), body);
        connection.answer()
    }

    pub fn create_network(&self, id: &str, options: &Value) -> Value {
        self.call("NetworkDriver.CreateNetwork", &network(id, options))
    }

    /// Creates an endpoint and joins it; the answer of CreateEndpoint and that of Join.
    pub fn attach(&self, network: &str, endpoint: &str, address: &str) -> (Value, Value) {
        let interface = json!({"Address": address, "AddressIPv6": "", "MacAddress": ""});
        let ids =
            json!({"NetworkID": network, "EndpointID": endpoint, "Interface": interface, "Options": {}});
        let created = self.accepted("NetworkDriver.CreateEndpoint", &ids);
        let ids =
            json!({"NetworkID": network, "EndpointID": endpoint, "SandboxKey": "/nowhere", "Options": {}});
        (created, self.accepted("NetworkDriver.Join", &ids))
    }
}

/// The body of CreateNetwork.
pub fn network(id: &str, options: &Value) -> Value {
    json!({
        "NetworkID": id,
        "Options": {"com.docker.network.enable_ipv6": false, "com.docker.network.generic": options},
        "IPv4Data": [{"AddressSpace": "LocalDefault", "Gateway": "10.0.0.1/24", "Pool": "10.0.0.0/24"}],
        "IPv6Data": [],
    })
}

/// An engine's end of the socket: one connection, kept alive.
pub struct Connection {
    pub stream: BufReader<UnixStream>,
}

impl Connection {
    pub fn open(socket: &Path) -> Self {
        Self::on(UnixStream::connect(socket).expect("it listens"), PATIENCE)
    }

    /// On a stream, with the longest wait for an answer.
    pub fn on(stream: UnixStream, patience: Duration) -> Self {
        stream.set_read_timeout(Some(patience)).expect("a timeout");
        Self { stream: BufReader::new(stream) }
    }

    pub fn send(&mut self, bytes: &[u8]) {
        // A server that refuses early closes while we still send; the answer says what it thinks.
        let _ = self.stream.get_mut().write_all(bytes);
    }

    /// Sends what an engine sends: no Content-Type, a Content-Length, an empty Host.
    pub fn request(&mut self, verb: &str, path: &str, body: &[u8]) {
        let head = format!(
            "{verb} {path} HTTP/1.1\r\nHost: \r\nAccept: application/vnd.docker.plugins.v1.2+json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        self.send(head.as_bytes());
        self.send(body);
    }

    pub fn answer(&mut self) -> (u16, Value) {
        self.try_answer().expect("an answer")
    }

    /// The answer, or how the connection ended without one.
    pub fn try_answer(&mut self) -> std::io::Result<(u16, Value)> {
        let cut_off = || Err(ErrorKind::UnexpectedEof.into());
        let mut line = String::new();
        if self.stream.read_line(&mut line)? == 0 {
            return cut_off();
        }
        let status =
            line.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or_else(|| panic!("{line:?}"));
        let mut length = 0;
        loop {
            let mut header = String::new();
            if self.stream.read_line(&mut header)? == 0 {
                return cut_off();
            }
            if header.trim().is_empty() {
                break;
            }
            if let Some((name, value)) = header.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().expect("a length");
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body)?;
        Ok((status, serde_json::from_slice(&body).unwrap_or_else(|error| panic!("{error}: {body:?}"))))
    }
}

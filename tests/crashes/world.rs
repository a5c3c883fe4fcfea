//! A namespace, a daemon that dies, and what is there afterwards.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::common::{Connection, Namespace, daemon_command};

/// Longest wait for a condition; the emulated machines of the lab are slow.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Looks for a condition until it holds.
pub fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < end, "waited in vain for {what}");
        std::thread::sleep(Duration::from_micros(500));
    }
}

/// Does work on a thread of its own, which takes the namespace of its world along when it ends.
pub fn on_a_thread<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    let ended = std::thread::scope(|scope| scope.spawn(work).join());
    ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// What came of a call.
#[derive(Debug, PartialEq)]
pub enum Outcome {
    /// Nobody listened.
    NotSent,
    /// The daemon died before it answered.
    Lost,
    /// It answered.
    Answered(Value),
}

/// One call on a connection of its own.
pub fn call(socket: &Path, method: &str, body: &Value) -> Outcome {
    let Ok(stream) = UnixStream::connect(socket) else { return Outcome::NotSent };
    let mut connection = Connection::on(stream, PATIENCE);
    connection.request("POST", &format!("/NetworkDriver.{method}"), body.to_string().as_bytes());
    match connection.try_answer() {
        Ok((200, answer)) => Outcome::Answered(answer),
        Ok((status, answer)) => panic!("{method} {body}: {status} {answer}"),
        Err(error) if error.kind() == ErrorKind::WouldBlock => panic!("{method} {body}: no answer"),
        Err(_) => Outcome::Lost,
    }
}

/// A namespace with a daemon in it, and the daemon's directories.
pub struct World {
    pub namespace: Namespace,
    /// A container's, where the case has one.
    pub container: Option<Namespace>,
    directory: tempfile::TempDir,
    daemon: Option<Child>,
}

impl Drop for World {
    fn drop(&mut self) {
        self.kill();
    }
}

impl World {
    /// A world of this thread, which leaves the one it was in.
    pub fn new() -> Result<Self, String> {
        let namespace = Namespace::of_this_thread()?;
        namespace.ip("link set eth2 up");
        // The same in every namespace, so that states can be compared.
        for (number, name) in ["eth1", "eth2", "far1", "far2"].iter().enumerate() {
            namespace.ip(&format!("link set {name} address 02:00:00:00:00:0{number}"));
        }
        let directory = tempfile::tempdir().expect("a directory");
        Ok(Self { namespace, container: None, directory, daemon: None })
    }

    /// A container, which has nothing yet.
    pub fn add_container(&mut self) {
        let container = Namespace::new().expect("another namespace");
        for device in ["eth1", "eth2"] {
            container.ip(&format!("link del {device}"));
        }
        self.container = Some(container);
    }

    pub fn path(&self, relative: &str) -> PathBuf {
        self.directory.path().join(relative)
    }

    pub fn socket(&self) -> PathBuf {
        self.path("plugins/trunkline.sock")
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    /// Starts a daemon on the directories, and does not wait for it.
    pub fn spawn(&mut self) {
        assert!(self.daemon.is_none(), "one is enough");
        let log = fs::OpenOptions::new().create(true).append(true).open(self.path("log"));
        let mut command = daemon_command(&self.namespace, self.directory.path(), &["serve"]);
        command.env("TRUNKLINE_FAILPOINTS", self.path("countdown"));
        command.stdin(Stdio::null()).stderr(log.expect("a log"));
        self.daemon = Some(command.spawn().expect("it starts"));
    }

    /// Waits until the daemon answers, and says whether it does; if not, it was killed.
    pub fn listens(&mut self) -> bool {
        let socket = self.socket();
        let mut listens = false;
        wait_for("the daemon to listen or to die", || {
            // There are points between the moment at which it can be connected to and the end of its start.
            listens = matches!(call(&socket, "GetCapabilities", &Value::Null), Outcome::Answered(_));
            listens || self.is_dead()
        });
        if !listens {
            self.reap();
        }
        listens
    }

    /// Whether there is no daemon, or one that died.
    pub fn is_dead(&mut self) -> bool {
        self.daemon.as_mut().is_none_or(|daemon| daemon.try_wait().expect("a child").is_some())
    }

    /// Starts a daemon that is to live.
    pub fn start(&mut self) {
        self.spawn();
        assert!(self.listens(), "it does not start:\n{}", self.log());
    }

    /// Kills the daemon, if there is one.
    pub fn kill(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            // One that is dead already is as good.
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
    }

    /// Waits for the end of a daemon that died by a kill.
    pub fn reap(&mut self) {
        let Some(mut daemon) = self.daemon.take() else { return };
        let mut status = None;
        wait_for("the daemon's end", || {
            status = daemon.try_wait().expect("a child");
            status.is_some()
        });
        let signal = status.and_then(|status| status.signal());
        assert_eq!(signal, Some(9), "it ended by itself ({status:?}):\n{}", self.log());
    }

    /// The daemon is to die at the `nth` point that it comes to from now on, of those whose names begin so.
    pub fn arm(&self, nth: usize, names: &str) {
        fs::write(self.path("countdown"), format!("{nth} {names}")).expect("written");
    }

    /// The point at which the armed daemon, which is gone now, died.
    pub fn disarm(&self) -> Option<String> {
        assert!(self.daemon.is_none(), "it would count on");
        let left = fs::read_to_string(self.path("countdown")).expect("it was armed");
        fs::remove_file(self.path("countdown")).expect("removed");
        // It is empty when the daemon was killed from here while it counted.
        (!left.is_empty() && !left.contains(' ')).then_some(left)
    }

    /// A call that is answered.
    pub fn answered(&self, method: &str, body: &Value) -> Value {
        match call(&self.socket(), method, body) {
            Outcome::Answered(answer) => answer,
            other => panic!("{method} {body}: {other:?}\n{}", self.log()),
        }
    }

    /// A call that goes well.
    pub fn accepted(&self, method: &str, body: &Value) -> Value {
        let answer = self.answered(method, body);
        assert!(answer.get("Err").is_none(), "{method} {body}: {answer}\n{}", self.log());
        answer
    }

    /// Everything that is there: links with their properties, files, and what the endpoints' records say, less the
    /// parent's number, and the interface as it was seen now or then. The records of networks hold the time of their
    /// creation, so only their names count.
    pub fn state(&self) -> Vec<String> {
        let mut state = describe_links("", &self.namespace);
        state.extend(self.container.iter().flat_map(|it| describe_links("container's ", it)));
        for file in self.files() {
            let name = self.relative(&file);
            let mut says = Value::Null;
            if name.contains("/endpoints/") && name.ends_with(".json") {
                let text = fs::read_to_string(&file).expect("text");
                says = serde_json::from_str::<Value>(&text).expect("JSON")["record"].take();
                for key in ["parent", "interface"] {
                    says.as_object_mut().expect("a record").remove(key);
                }
            }
            state.push(format!("{name} {says}"));
        }
        state.sort();
        state
    }

    /// The names of all links and files: less than the state, and quick.
    pub fn names(&self) -> Vec<String> {
        let files = self.files().into_iter().map(|path| self.relative(&path));
        let of_container = self.container.iter().flat_map(Namespace::link_names);
        self.namespace.link_names().into_iter().chain(of_container).chain(files).collect()
    }

    fn relative(&self, file: &Path) -> String {
        file.strip_prefix(self.directory.path()).expect("below").display().to_string()
    }

    /// The daemon's files.
    pub fn files(&self) -> Vec<PathBuf> {
        fn walk(directory: &Path, found: &mut Vec<PathBuf>) {
            for entry in fs::read_dir(directory).expect("a directory") {
                let path = entry.expect("an entry").path();
                if path.is_dir() { walk(&path, found) } else { found.push(path) }
            }
        }
        let mut found = Vec::new();
        walk(self.directory.path(), &mut found);
        let ours = [self.path("log"), self.path("countdown")];
        found.retain(|path| !ours.contains(path));
        found.sort();
        found
    }
}

fn describe_links(whose: &str, namespace: &Namespace) -> Vec<String> {
    let listed = namespace.ip_json("addr show");
    let links = listed.as_array().expect("a list of links").iter();
    links.map(|link| format!("{whose}{}", describe_link(link))).collect()
}

/// A link by what a user can see of it; not by its index, and not by whether there is a carrier, which comes late.
fn describe_link(link: &Value) -> String {
    let up = link["flags"].as_array().is_some_and(|flags| flags.iter().any(|flag| flag == "UP"));
    let is_given = |address: &&Value| address["scope"] != "link";
    let addresses: Vec<_> =
        link["addr_info"].as_array().into_iter().flatten().filter(is_given).map(|it| &it["local"]).collect();
    let kind = &link["linkinfo"];
    // The kernel gives every new dummy a MAC by chance.
    let is_chance = |key: &str| key == "address" && kind["info_kind"] == "dummy";
    let value = |key: &str| link.get(key).filter(|_| !is_chance(key));
    let part = |key: &str| value(key).map(|value| format!(" {key} {value}")).unwrap_or_default();
    let parts: String = ["link", "address", "mtu", "group", "master", "altnames"].map(part).concat();
    format!(
        "link {} up {up}{parts} addresses {addresses:?} kind {} {}",
        link["ifname"], kind["info_kind"], kind["info_data"]
    )
}

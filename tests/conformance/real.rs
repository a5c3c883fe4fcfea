//! The real kernel: each script in a network namespace of its own, which ends with the thread that made it.

use std::process::{Child, Command, Stdio};

use nix::sched::{CloneFlags, unshare};
use trunkline::kernel::netlink::NetlinkKernel;

use super::script::{Admin, run};

/// The kinds of links a row may need, and how `ip` makes one.
const KINDS: [(&str, &str); 4] = [
    ("macvlan", "link add kindtest link veth0 type macvlan"),
    ("ipvlan", "link add kindtest link veth0 type ipvlan"),
    ("vlan", "link add kindtest link veth0 type vlan id 1"),
    ("dummy", "link add kindtest type dummy"),
];

/// Runs `work` on a thread with a network namespace of its own. Commands it starts are in it too.
fn in_namespace<T: Send>(work: impl FnOnce() -> T + Send) -> Result<T, String> {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            unshare(CloneFlags::CLONE_NEWNET)
                .map_err(|errno| format!("no network namespace can be made ({errno})"))?;
            Ok(work())
        });
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

fn try_ip(arguments: &str) -> bool {
    let status = Command::new("ip").args(arguments.split(' ')).stderr(Stdio::null()).status();
    status.expect("ip runs").success()
}

fn ip(arguments: &str) {
    assert!(try_ip(arguments), "ip {arguments}");
}

/// Several commands of `ip` in one process: starting one is what costs.
fn ip_all(lines: &[String]) {
    use std::io::Write as _;
    let mut child = Command::new("ip").args(["-batch", "-"]).stdin(Stdio::piped()).spawn().expect("ip runs");
    let text = lines.join("\n") + "\n";
    child.stdin.take().expect("piped").write_all(text.as_bytes()).expect("it reads");
    assert!(child.wait().expect("it ends").success(), "ip {lines:?}");
}

/// The kinds of links that this kernel has.
pub fn kinds() -> Result<Vec<&'static str>, String> {
    in_namespace(|| {
        ip("link add veth0 type veth peer name far0");
        let works = |(kind, arguments): &(&'static str, &str)| {
            let works = try_ip(arguments);
            if works {
                ip("link del kindtest");
            }
            works.then_some(*kind)
        };
        KINDS.iter().filter_map(works).collect()
    })
}

/// Runs a script on the real kernel.
pub fn run_in_namespace(script: &str) -> Result<String, String> {
    in_namespace(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let admin = RealAdmin { container: needs_container(script).then(Container::new) };
        runtime.block_on(async { run(&NetlinkKernel::open().expect("netlink"), &admin, script).await })
    })
}

fn needs_container(script: &str) -> bool {
    script.contains("hide") || script.contains("; in ")
}

/// A process with a network namespace of its own, for links to be moved into.
struct Container(Child);

impl Container {
    fn new() -> Self {
        use std::io::Read as _;
        let mut child = Command::new("unshare")
            .args(["--net", "sh", "-c", "echo; exec sleep 60"])
            .stdout(Stdio::piped())
            .spawn()
            .expect("unshare runs");
        let mut line = [0];
        child.stdout.take().expect("piped").read_exact(&mut line).expect("it is ready");
        Self(child)
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

struct RealAdmin {
    container: Option<Container>,
}

impl RealAdmin {
    fn process(&self) -> u32 {
        self.container.as_ref().expect("a script that needs a container has one").0.id()
    }
}

impl Admin for RealAdmin {
    fn device(&self, name: &str) {
        ip_all(&[
            format!("link add name {name} type veth peer name far-{name}"),
            format!("link set dev {name} up"),
            format!("link set dev far-{name} up"),
        ]);
    }
    fn bridge(&self, name: &str) {
        ip_all(&[format!("link add name {name} type bridge"), format!("link set dev {name} up")]);
    }
    fn port(&self, name: &str, bridge: &str) {
        ip(&format!("link set dev {name} master {bridge}"));
    }
    fn down(&self, name: &str) {
        ip(&format!("link set dev {name} down"));
    }
    fn mtu(&self, name: &str, mtu: u32) {
        ip(&format!("link set dev {name} mtu {mtu}"));
    }
    fn address(&self, name: &str, address: &str) {
        ip(&format!("addr add {address} dev {name}"));
    }
    fn hide(&self, name: &str) {
        ip(&format!("link set dev {name} netns {}", self.process()));
    }
    fn container(&self) -> String {
        format!("/proc/{}/ns/net", self.process())
    }
}

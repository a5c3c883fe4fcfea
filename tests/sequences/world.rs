//! A host with a daemon on it, less the socket; the steps that happen to it; and what must hold after each.

use std::collections::BTreeSet;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};
use tokio::task::JoinHandle;
use trunkline::driver::{Driver, DriverSettings};
use trunkline::kernel::fake::{FakeKernel, Fault};
use trunkline::model::link_name::LinkName;
use trunkline::model::network::NetworkDefaults;
use trunkline::server::in_process::{InProcess, http};
use trunkline::store::Store;

use crate::model::Model;
use crate::step::{Act, Connection, PARENTS, SPECS, Step};

/// As long as anything takes that happens in the background.
const A_WHILE: Duration = Duration::from_secs(40);

/// What a step or a check found wrong.
pub type Wrong = String;

struct Daemon {
    driver: Arc<Driver<FakeKernel>>,
    server: InProcess<FakeKernel>,
    background: JoinHandle<()>,
}

impl Daemon {
    async fn start(kernel: &FakeKernel, directory: &Path) -> Self {
        let store = Store::open(&directory.join("state"), &directory.join("run")).expect("it opens");
        let settings = DriverSettings { defaults: NetworkDefaults::default(), link_group: 8021 };
        let driver = Arc::new(Driver::new(kernel.clone(), store, settings));
        driver.recover().await.expect("the records are read");
        let tending = Arc::clone(&driver);
        let background = tokio::spawn(async move {
            tokio::join!(tending.tend(), tending.watch_parents());
        });
        Self { server: InProcess::new(Arc::clone(&driver)), driver, background }
    }

    /// Ends without a word to anybody.
    async fn die(self) {
        self.background.abort();
        // It was cancelled, and says so.
        let _ = self.background.await;
    }
}

pub struct World {
    kernel: FakeKernel,
    daemon: Option<Daemon>,
    directory: tempfile::TempDir,
    model: Model,
    /// An answer of the kernel may be lost: a call may fail that should not.
    is_faulty: bool,
    links_at_first: BTreeSet<String>,
}

fn network_name(network: usize) -> String {
    format!("n{network}")
}

fn endpoint_name(endpoint: usize) -> String {
    format!("{endpoint:064x}").replacen("0000", &format!("e{endpoint}ab"), 1)
}

fn create_body(network: usize, spec: usize) -> Value {
    let (parent, vlan, mode) = SPECS[spec];
    let mut options = json!({"host_iface": PARENTS[parent], "mode": mode});
    if !vlan.is_empty() {
        options["vlan"] = json!(vlan);
    }
    json!({
        "NetworkID": network_name(network),
        "Options": {"com.docker.network.generic": options},
        "IPv4Data": [{"AddressSpace": "LocalDefault", "Pool": "10.0.0.0/16", "Gateway": "10.0.0.1/16"}],
    })
}

impl World {
    pub async fn new() -> Self {
        let kernel = FakeKernel::new();
        for parent in PARENTS {
            kernel.add_device(parent);
        }
        let directory = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a place");
        let daemon = Some(Daemon::start(&kernel, directory.path()).await);
        let mut world = Self {
            kernel,
            daemon,
            directory,
            model: Model::new(),
            is_faulty: false,
            links_at_first: BTreeSet::new(),
        };
        world.links_at_first = world.links();
        world
    }

    fn daemon(&self) -> &Daemon {
        self.daemon.as_ref().expect("a daemon is only away while another starts")
    }

    fn links(&self) -> BTreeSet<String> {
        self.kernel.dump().lines().map(str::to_owned).collect()
    }

    fn records(&self, directory: &str) -> Vec<(String, Vec<u8>)> {
        let entries = std::fs::read_dir(self.directory.path().join(directory)).expect("it is there");
        let paths = entries.map(|entry| entry.expect("an entry").path());
        let mut records: Vec<_> = paths
            .map(|path| {
                let name = path.file_name().and_then(|name| name.to_str()).expect("text");
                (name.trim_end_matches(".json").to_owned(), std::fs::read(&path).expect("a record"))
            })
            .collect();
        records.sort();
        records
    }

    /// All that a call could change.
    fn everything(&self) -> impl PartialEq + std::fmt::Debug + use<> {
        let counts = (self.daemon().driver.network_count(), self.daemon().driver.endpoint_count());
        (self.links(), self.records("state/networks"), self.records("run/endpoints"), counts)
    }

    fn request(method: &str, body: Vec<u8>) -> http::Request<Vec<u8>> {
        http::Request::post(format!("/NetworkDriver.{method}")).body(body).expect("a request")
    }

    /// Whether a call went well, by its answer; anything but one JSON object with an engine's status is wrong.
    fn outcome(method: &str, answer: &http::Response<Vec<u8>>) -> Result<(u16, Option<String>), Wrong> {
        let status = answer.status().as_u16();
        let wrong =
            |what: &str| format!("{method}: {what}: {status} {:?}", String::from_utf8_lossy(answer.body()));
        let object: Map<String, Value> =
            serde_json::from_slice(answer.body()).map_err(|_| wrong("not one JSON object"))?;
        match object.get("Err") {
            None if status == 200 => Ok((status, None)),
            Some(Value::String(sentence)) if (status == 200 || status == 400) && !sentence.is_empty() => {
                Ok((status, Some(sentence.clone())))
            }
            _ => Err(wrong("neither accepted nor refused")),
        }
    }

    /// A call on a connection that holds.
    async fn call(&self, method: &str, body: &Value) -> Result<Option<String>, Wrong> {
        let answer = self.daemon().server.answer(Self::request(method, body.to_string().into_bytes())).await;
        let (status, refusal) = Self::outcome(method, &answer)?;
        if status == 200 { Ok(refusal) } else { Err(format!("{method} {body}: {status} {refusal:?}")) }
    }

    /// What an engine sends when the connection of a call broke. It must be refused.
    async fn repeat_without_body(&self, method: &str) -> Result<(), Wrong> {
        let answer = self.daemon().server.answer(Self::request(method, Vec::new())).await;
        match Self::outcome(method, &answer)? {
            (400, Some(sentence)) if sentence.contains("no body") => Ok(()),
            other => Err(format!("{method} without a body: {other:?}")),
        }
    }

    /// A call of an engine. When it failed because an answer of the kernel was lost, or nobody knows how it ended, it is
    /// made again, as a person would. The sentence of the refusal, if it was one.
    async fn tell(
        &self,
        method: &str,
        body: &Value,
        connection: Connection,
    ) -> Result<Option<String>, Wrong> {
        let first = match connection {
            Connection::Holds => self.call(method, body).await?,
            Connection::BreaksAfter => {
                let outcome = self.call(method, body).await?;
                let before = self.everything();
                self.repeat_without_body(method).await?;
                if before != self.everything() {
                    return Err(format!(
                        "{method} without a body changed\n{before:?}\nto\n{:?}",
                        self.everything()
                    ));
                }
                outcome
            }
            Connection::BreaksDuring { turns } => {
                {
                    let request = Self::request(method, body.to_string().into_bytes());
                    let mut answer = pin!(self.daemon().server.answer(request));
                    // Dropped at the end of this block as when a client hangs up.
                    let _ = futures_util::poll!(answer.as_mut());
                }
                for _ in 0..turns {
                    tokio::task::yield_now().await;
                }
                self.repeat_without_body(method).await?;
                self.daemon().server.settled().await;
                self.call(method, body).await?
            }
        };
        if first.is_some() && self.is_faulty { self.call(method, body).await } else { Ok(first) }
    }

    async fn expect(&self, method: &str, body: &Value, step: &Step, expected: bool) -> Result<bool, Wrong> {
        let refusal = self.tell(method, body, step.connection).await?;
        match refusal.is_none() == expected {
            true => Ok(expected),
            false => Err(format!("{method} {body}: {refusal:?}, expected success: {expected}")),
        }
    }

    /// Does a step on the host and in the model.
    ///
    /// # Errors
    /// What they disagree about.
    pub async fn take(&mut self, step: &Step) -> Result<(), Wrong> {
        match step.act {
            Act::Create { network, spec } => {
                let expected = self.model.can_create(network, spec);
                if self.expect("CreateNetwork", &create_body(network, spec), step, expected).await? {
                    self.model.networks.insert(network, spec);
                }
            }
            Act::Delete { network } => {
                let body = json!({"NetworkID": network_name(network)});
                self.tell("DeleteNetwork", &body, step.connection).await?;
                self.model.delete_network(network);
            }
            Act::Endpoint { endpoint, network } => {
                let expected = self.model.can_create_endpoint(endpoint, network);
                let address = format!("10.0.{network}.{}/16", endpoint + 2);
                let body = json!({
                    "NetworkID": network_name(network),
                    "EndpointID": endpoint_name(endpoint),
                    "Interface": {"Address": address, "AddressIPv6": "", "MacAddress": ""},
                });
                if self.expect("CreateEndpoint", &body, step, expected).await? {
                    self.model.endpoints.insert(endpoint, network);
                }
            }
            Act::Join { endpoint } => {
                let network = self.model.endpoints.get(&endpoint).copied().unwrap_or(0);
                let body = json!({
                    "NetworkID": network_name(network),
                    "EndpointID": endpoint_name(endpoint),
                    "SandboxKey": "/run/docker/netns/x",
                });
                if self.expect("Join", &body, step, self.model.can_join(endpoint)).await? {
                    let name = LinkName::of_endpoint(&endpoint_name(endpoint).parse().expect("an id"));
                    if !self.links().iter().any(|line| line.starts_with(&format!("{name} "))) {
                        return Err(format!("joined, and {name} is not there:\n{}", self.kernel.dump()));
                    }
                }
            }
            Act::Leave { endpoint } | Act::DeleteEndpoint { endpoint } | Act::Ask { endpoint, .. } => {
                let network = self.model.endpoints.get(&endpoint).copied().unwrap_or(0);
                let ids = json!({"NetworkID": network_name(network), "EndpointID": endpoint_name(endpoint)});
                let method = match step.act {
                    Act::Leave { .. } => "Leave",
                    Act::Ask { method, .. } => method,
                    _ => "DeleteEndpoint",
                };
                self.tell(method, &ids, step.connection).await?;
                if method == "DeleteEndpoint" {
                    self.model.endpoints.remove(&endpoint);
                }
            }
            Act::Restart => {
                if let Some(daemon) = self.daemon.take() {
                    daemon.die().await;
                }
                self.daemon = Some(Daemon::start(&self.kernel, self.directory.path()).await);
            }
            Act::Unplug { parent } => {
                self.model.plugged.remove(&parent);
                self.kernel.unplug(PARENTS[parent]);
            }
            Act::Plug { parent } => {
                if self.model.plugged.insert(parent) {
                    self.kernel.add_device(PARENTS[parent]);
                }
            }
            Act::LoseKernelAnswer { nth } => {
                self.kernel.fail_at(nth, Fault::SilentAfter);
                self.is_faulty = true;
            }
        }
        Ok(())
    }

    /// Lets what happens in the background happen, then compares what is there with what should be.
    ///
    /// # Errors
    /// The first difference.
    pub async fn check(&mut self) -> Result<(), Wrong> {
        self.kernel.clear_fault();
        self.is_faulty = false;
        tokio::time::sleep(A_WHILE).await;
        let same = |what: &str, expected: &BTreeSet<String>, actual: &BTreeSet<String>| {
            let dump = self.kernel.dump();
            let differ = format!("{what}\n  expected {expected:?}\n  actual   {actual:?}\n{dump}");
            if expected == actual { Ok(()) } else { Err(differ) }
        };
        let lines = self.links();
        let named = |wanted: &dyn Fn(&str) -> bool| -> BTreeSet<String> {
            let lines = lines.iter().filter(|line| wanted(line));
            lines.filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
        };
        let (wanted, devices) = (self.model.devices(), named(&|line| line.contains(" vlan ")));
        // While a network waits, no device is removed that could be its own.
        if self.model.networks.keys().any(|network| self.model.is_waiting(*network)) {
            same(
                "devices that are missing",
                &BTreeSet::new(),
                &wanted.difference(&devices).cloned().collect(),
            )?;
        } else {
            same("devices", &wanted, &devices)?;
        }
        let id = |endpoint: &usize| endpoint_name(*endpoint);
        let link = |id: String| LinkName::of_endpoint(&id.parse().expect("an id")).to_string();
        let links: BTreeSet<String> = self.model.endpoints.keys().map(id).map(link).collect();
        let strays = named(&|line| line.starts_with("tl")).difference(&links).cloned().collect();
        same("links without an endpoint", &BTreeSet::new(), &strays)?;
        let networks = self.model.networks.keys().map(|network| network_name(*network)).collect();
        let endpoints = self.model.endpoints.keys().map(id).collect();
        let stored = |directory| self.records(directory).into_iter().map(|(name, _)| name).collect();
        same("records of networks", &networks, &stored("state/networks"))?;
        same("records of endpoints", &endpoints, &stored("run/endpoints"))?;
        let driver = &self.daemon().driver;
        match (driver.network_count(), driver.endpoint_count()) {
            counts if counts == (networks.len(), endpoints.len()) => Ok(()),
            counts => {
                Err(format!("{counts:?} networks and endpoints, records of {networks:?} {endpoints:?}"))
            }
        }
    }

    /// Everything is taken away: nothing may be left, and each parent may be had in each mode, which a claim without a
    /// network would forbid.
    ///
    /// # Errors
    /// What is left.
    pub async fn end(&mut self) -> Result<(), Wrong> {
        let holds = |act| Step { act, connection: Connection::Holds };
        for parent in 0..PARENTS.len() {
            self.take(&holds(Act::Plug { parent })).await?;
        }
        self.check().await?;
        for network in self.model.networks.keys().copied().collect::<Vec<_>>() {
            self.take(&holds(Act::Delete { network })).await?;
        }
        for spec in 0..SPECS.len() {
            self.take(&holds(Act::Create { network: 0, spec })).await?;
            self.take(&holds(Act::Delete { network: 0 })).await?;
        }
        self.check().await?;
        match self.links() == self.links_at_first {
            true => Ok(()),
            false => Err(format!("links are left:\n{}", self.kernel.dump())),
        }
    }
}

/// Takes the steps one after the other in virtual time.
///
/// # Errors
/// What was wrong, and after which step.
pub fn run(steps: &[Step]) -> Result<(), Wrong> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    runtime.expect("a runtime").block_on(async {
        let mut world = World::new().await;
        for (number, step) in steps.iter().enumerate() {
            let wrong = |wrong: Wrong| format!("step {number} {step:?}: {wrong}");
            world.take(step).await.map_err(wrong)?;
            // The next call is the one that loses an answer.
            if !matches!(step.act, Act::LoseKernelAnswer { .. }) {
                world.check().await.map_err(wrong)?;
            }
        }
        world.end().await.map_err(|wrong| format!("at the end: {wrong}"))
    })
}

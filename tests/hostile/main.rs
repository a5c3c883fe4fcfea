//! A million bodies that no engine sends: the recorded ones of three engines, broken in every way that `mutation` knows,
//! through the daemon's routes, driver and store, on the fake kernel. Each must be answered with one JSON object, no
//! call may panic, and what the accepted ones made must go away again with the calls that take it away.

#![allow(clippy::expect_used, clippy::unwrap_used)] // a test that cannot go on says why and ends

mod mutation;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use mutation::Mutator;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use trunkline::driver::{Driver, DriverSettings};
use trunkline::kernel::fake::FakeKernel;
use trunkline::model::network::NetworkDefaults;
use trunkline::server::in_process::{InProcess, http};
use trunkline::store::Store;

/// How many bodies are tried, all threads together.
const BODIES: usize = 1_000_000;
/// One thread a processor; more than this many would only compete for the memory.
const MOST_THREADS: usize = 4;
/// After this many bodies everything that they made is removed, and nothing may be left.
const ROUND: usize = 1_000;
/// How many broken bodies there are to one that is as it was recorded, and how far from it in the recordings they are
/// taken.
const BROKEN_TO_ONE_WHOLE: usize = 4;
const NEAR: usize = 8;

const RECORDINGS: [&str; 3] = [
    include_str!("../fixtures/wire/docker-20.10.24.jsonl"),
    include_str!("../fixtures/wire/docker-26.1.5.jsonl"),
    include_str!("../fixtures/wire/docker-28.5.2.jsonl"),
];

/// Options of which the recordings have none, on the parent that the recordings use and on another.
const FURTHER_OPTIONS: [&str; 4] = [
    r#"{"parent":"par0.30","mode":"bridge","mtu":"1400","mac":"random","iface_prefix":"lan"}"#,
    r#"{"host_iface":"par1","vlan":"100.20","mode":"l2","ipvlan_flag":"private","vlan_protocol":"802.1ad"}"#,
    r#"{"host_iface":"par1","vlan":"7","gvrp":"true","mvrp":"false","loose_binding":"true","reorder_hdr":"true"}"#,
    r#"{"host_iface":"par1","vlan":"8","ingress_qos":"0:1,5:6","egress_qos":"1:2","bcqueuelen":"1000"}"#,
];

#[derive(Deserialize)]
struct Recorded {
    path: String,
    body: String,
}

fn bodies() -> Vec<(String, Vec<u8>)> {
    let lines = RECORDINGS.iter().flat_map(|text| text.lines());
    let recorded = lines.map(|line| serde_json::from_str::<Recorded>(line).expect("a fixture's line"));
    let mut bodies: Vec<_> = recorded.map(|request| (request.path, request.body.into_bytes())).collect();
    for (number, options) in FURTHER_OPTIONS.iter().enumerate() {
        let options: Value = serde_json::from_str(options).expect("JSON");
        let body = json!({
            "NetworkID": format!("further{number}"),
            "Options": {"com.docker.network.generic": options},
            "IPv4Data": [{"Pool": "10.0.0.0/24", "Gateway": "10.0.0.1/24"}, {"Pool": "10.1.0.0/24"}],
            "IPv6Data": [{"Pool": "fd00::/64"}],
        });
        for _ in 0..20 {
            bodies.push(("/NetworkDriver.CreateNetwork".to_owned(), body.to_string().into_bytes()));
        }
    }
    assert!(bodies.len() > 900, "only {} bodies", bodies.len());
    bodies
}

/// Shows what was being tried when a test panics.
struct Shown<'a>(&'a str, &'a [u8]);

impl Drop for Shown<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("it was {} {:?}", self.0, String::from_utf8_lossy(self.1));
        }
    }
}

/// The daemon less its socket, with its records in memory.
struct Rig {
    kernel: FakeKernel,
    driver: Arc<Driver<FakeKernel>>,
    server: InProcess<FakeKernel>,
    directory: tempfile::TempDir,
}

impl Rig {
    fn new() -> Self {
        let kernel = FakeKernel::new();
        kernel.add_device("par0");
        kernel.add_device("par1");
        let directory = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a place");
        let store =
            Store::open(&directory.path().join("state"), &directory.path().join("run")).expect("it opens");
        let settings = DriverSettings { defaults: NetworkDefaults::default(), link_group: 8021 };
        let driver = Arc::new(Driver::new(kernel.clone(), store, settings));
        Self { kernel, server: InProcess::new(Arc::clone(&driver)), driver, directory }
    }

    /// Sends a body and checks the form of the answer; the status, and the answer.
    async fn post(&self, path: &str, body: &[u8]) -> (u16, Map<String, Value>) {
        let _shown = Shown(path, body);
        let request = http::Request::post(path).body(body.to_vec()).expect("a request");
        let answer = self.server.answer(request).await;
        let shown = || format!("answered {answer:?}");
        let content_type = answer.headers().get("content-type").and_then(|value| value.to_str().ok());
        assert_eq!(content_type, Some("application/vnd.docker.plugins.v1.2+json"), "{}", shown());
        let object = serde_json::from_slice(answer.body())
            .unwrap_or_else(|error| panic!("not one JSON object: {error}: {}", shown()));
        let status = answer.status().as_u16();
        assert!(status == 200 || status == 400, "{}", shown());
        (status, object)
    }

    /// The ids that have records.
    fn recorded(&self, directory: &str) -> Vec<String> {
        let files: PathBuf = Path::new(self.directory.path()).join(directory);
        let files = std::fs::read_dir(files).expect("it is there");
        files
            .map(|file| {
                file.expect("an entry")
                    .file_name()
                    .to_str()
                    .expect("text")
                    .trim_end_matches(".json")
                    .to_owned()
            })
            .collect()
    }

    /// Deletes what there is with the calls that an engine would make, after which nothing may be left.
    async fn clear(&self, links: &str) {
        for endpoint in self.recorded("run/endpoints") {
            let answer = self
                .post("/NetworkDriver.DeleteEndpoint", json!({"EndpointID": endpoint}).to_string().as_bytes())
                .await;
            assert_eq!(answer, (200, Map::new()), "endpoint {endpoint}");
        }
        for network in self.recorded("state/networks") {
            let answer = self
                .post("/NetworkDriver.DeleteNetwork", json!({"NetworkID": network}).to_string().as_bytes())
                .await;
            assert_eq!(answer, (200, Map::new()), "network {network}");
        }
        assert_eq!((self.driver.network_count(), self.driver.endpoint_count()), (0, 0));
        assert_eq!(self.kernel.dump(), links, "links are left");
        assert_eq!(self.recorded("state/networks").len() + self.recorded("run/endpoints").len(), 0);
    }
}

/// What became of the bodies: by path, how many were accepted and how many refused.
type Outcomes = BTreeMap<String, [usize; 2]>;

/// Tries `count` broken bodies, which the seed decides. In between comes what engines were recorded sending, in their
/// order and whole, so that the networks and endpoints of which the broken bodies speak are often there.
async fn try_bodies(seed: u64, count: usize) -> Outcomes {
    let bodies = bodies();
    let rig = Rig::new();
    let links = rig.kernel.dump();
    let mut mutator = Mutator::new(seed);
    let mut outcomes = Outcomes::new();
    let mut whole = mutator.below(bodies.len());
    for number in 1..=count {
        if number % BROKEN_TO_ONE_WHOLE == 0 {
            whole = (whole + 1) % bodies.len();
            rig.post(&bodies[whole].0, &bodies[whole].1).await;
        }
        let near = (whole + NEAR + bodies.len() - mutator.below(2 * NEAR)) % bodies.len();
        let (path, body) = &bodies[near];
        let (_, other) = mutator.pick(&bodies);
        let body = mutator.mutate(body, other);
        let (status, answer) = rig.post(path, &body).await;
        let sentence = answer.get("Err").map(|sentence| sentence.as_str().unwrap_or_default());
        assert!(sentence.is_some() || status == 200, "{path}: {status} without a sentence");
        let is_line = |sentence: &str| !sentence.is_empty() && !sentence.contains(char::is_control);
        assert!(sentence.is_none_or(is_line), "{path}: refused without a sentence: {answer:?}");
        outcomes.entry(path.clone()).or_default()[usize::from(sentence.is_some())] += 1;
        if number % ROUND == 0 {
            rig.clear(&links).await;
        }
    }
    outcomes
}

#[test]
fn a_million_broken_bodies_are_answered_each_with_one_object() {
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(MOST_THREADS);
    let share = BODIES.div_ceil(threads);
    let outcomes = std::thread::scope(|scope| {
        let run = |seed| {
            scope.spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                runtime.expect("a runtime").block_on(try_bodies(seed, share))
            })
        };
        let running: Vec<_> = (0..threads as u64).map(run).collect();
        let mut outcomes = Outcomes::new();
        for (seed, thread) in running.into_iter().enumerate() {
            let outcome = thread.join().unwrap_or_else(|_| panic!("seed {seed} failed"));
            for (path, [accepted, refused]) in outcome {
                let entry = outcomes.entry(path).or_default();
                *entry = [entry[0] + accepted, entry[1] + refused];
            }
        }
        outcomes
    });
    println!("accepted and refused: {outcomes:#?}");
    assert_eq!(outcomes.values().flatten().sum::<usize>(), share * threads);
    // Bodies that are all refused at the first byte would try nothing.
    for method in
        ["CreateNetwork", "CreateEndpoint", "Join", "DeleteNetwork", "DeleteEndpoint", "GwAllocCheck"]
    {
        let [accepted, refused] = outcomes[&format!("/NetworkDriver.{method}")];
        let all = accepted + refused;
        assert!(
            accepted > all / 50 && refused > all / 50,
            "{method}: {accepted} accepted, {refused} refused"
        );
    }
}

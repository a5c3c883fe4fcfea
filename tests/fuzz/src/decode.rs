//! Any bytes as the body of any method: one JSON object is answered, and what was made can be taken away again.

use std::sync::{Arc, LazyLock};

use serde_json::{Map, Value, json};
use tokio::runtime::Runtime;
use trunkline::driver::{Driver, DriverSettings};
use trunkline::kernel::fake::FakeKernel;
use trunkline::model::network::NetworkDefaults;
use trunkline::server::in_process::{InProcess, http};
use trunkline::store::Store;

/// The first byte of an input says which. The corpus depends on the order: new ones go to the end.
const METHODS: [&str; 16] = [
    "NetworkDriver.CreateNetwork",
    "NetworkDriver.CreateEndpoint",
    "NetworkDriver.Join",
    "NetworkDriver.DeleteNetwork",
    "NetworkDriver.DeleteEndpoint",
    "NetworkDriver.Leave",
    "NetworkDriver.GwAllocCheck",
    "NetworkDriver.EndpointOperInfo",
    "NetworkDriver.ProgramExternalConnectivity",
    "NetworkDriver.RevokeExternalConnectivity",
    "NetworkDriver.DiscoverNew",
    "NetworkDriver.DiscoverDelete",
    "NetworkDriver.AllocateNetwork",
    "NetworkDriver.FreeNetwork",
    "NetworkDriver.GetCapabilities",
    "Plugin.Activate",
];

/// A network that is there before the first input and after the last: endpoints can be made on it.
const NETWORK: &str = r#"{"NetworkID":"n","Options":{"com.docker.network.generic":{"host_iface":"par0"}}}"#;

struct Host {
    kernel: FakeKernel,
    driver: Arc<Driver<FakeKernel>>,
    server: InProcess<FakeKernel>,
    runtime: Runtime,
    directory: tempfile::TempDir,
    links: String,
}

static HOST: LazyLock<Host> = LazyLock::new(|| {
    let kernel = FakeKernel::new();
    kernel.add_device("par0");
    let directory = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a place");
    let store = Store::open(&directory.path().join("state"), &directory.path().join("run")).expect("a store");
    let settings = DriverSettings { defaults: NetworkDefaults::default(), link_group: 8021 };
    let driver = Arc::new(Driver::new(kernel.clone(), store, settings));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    let links = kernel.dump();
    let host =
        Host { kernel, server: InProcess::new(Arc::clone(&driver)), driver, runtime, directory, links };
    host.post(METHODS[0], NETWORK.as_bytes());
    assert_eq!(host.driver.network_count(), 1);
    host
});

impl Host {
    fn post(&self, method: &str, body: &[u8]) -> Map<String, Value> {
        let request = http::Request::post(format!("/{method}")).body(body.to_vec()).expect("a request");
        let answer = self.runtime.block_on(self.server.answer(request));
        let object: Map<String, Value> = serde_json::from_slice(answer.body()).expect("one JSON object");
        if let Some(sentence) = object.get("Err") {
            let sentence = sentence.as_str().expect("a text");
            // 1,000 characters; a control character is shown as up to ten.
            assert!(!sentence.is_empty() && sentence.len() <= 10_010, "{sentence}");
            assert!(!sentence.contains(char::is_control), "{sentence:?}");
        }
        match answer.status().as_u16() {
            200 => {}
            400 => assert!(object.contains_key("Err"), "{answer:?}"),
            other => panic!("{other} {answer:?}"),
        }
        object
    }

    fn ids(&self, directory: &str) -> Vec<String> {
        let files = std::fs::read_dir(self.directory.path().join(directory)).expect("it is there");
        let names = files.map(|file| file.expect("an entry").file_name().into_string().expect("text"));
        names.map(|name| name.trim_end_matches(".json").to_owned()).collect()
    }

    /// Takes away what the input made, so that the next one finds the same host.
    fn clear(&self) {
        for endpoint in self.ids("run/endpoints") {
            self.post(METHODS[4], json!({"EndpointID": endpoint}).to_string().as_bytes());
        }
        for network in self.ids("state/networks").iter().filter(|id| *id != "n") {
            self.post(METHODS[3], json!({"NetworkID": network}).to_string().as_bytes());
        }
        if self.driver.network_count() == 0 {
            self.post(METHODS[0], NETWORK.as_bytes());
        }
        assert_eq!((self.driver.network_count(), self.driver.endpoint_count()), (1, 0));
        assert_eq!(self.kernel.dump(), self.links);
    }
}

/// Tries one input.
pub fn decode(input: &[u8]) {
    let Some((method, body)) = input.split_first() else { return };
    let method = METHODS[usize::from(*method) % METHODS.len()];
    let before = (HOST.driver.network_count(), HOST.driver.endpoint_count());
    HOST.post(method, body);
    // An endpoint can be joined as it was made.
    if method == METHODS[1] && HOST.driver.endpoint_count() > before.1 {
        HOST.post(METHODS[2], body);
    }
    if (HOST.driver.network_count(), HOST.driver.endpoint_count()) != before {
        HOST.clear();
    }
}

//! The driver on the fake kernel: what each call does to links and registry, and what is left when things go wrong.

mod attachments;
mod contention;
mod endpoints;
mod faults;
mod interfaces;
mod parents;
mod restarts;
mod sequences;

use std::collections::BTreeMap;
use std::sync::Arc;

use super::*;
use crate::kernel::fake::FakeKernel;
use crate::model::address::{AddressPool, AddressPools};
use crate::model::options::NetworkOptions;

const GROUP: u32 = 8021;

/// A driver, its kernel and its directories.
struct Rig {
    kernel: FakeKernel,
    driver: Arc<Driver<FakeKernel>>,
    directory: tempfile::TempDir,
}

impl Rig {
    /// A host with `eth1` and `eth2`.
    async fn new() -> Self {
        let kernel = FakeKernel::new();
        kernel.add_device("eth1");
        kernel.add_device("eth2");
        let directory = tempfile::tempdir().unwrap();
        let driver = start(&kernel, &directory).await;
        Self { kernel, driver, directory }
    }

    /// The same with its directories in memory, for tests that write a lot.
    async fn in_memory() -> Self {
        let mut rig = Self::new().await;
        if let Ok(directory) = tempfile::tempdir_in("/dev/shm") {
            rig.driver = start(&rig.kernel, &directory).await;
            rig.directory = directory;
        }
        rig
    }

    /// The daemon dies and another starts; the kernel and the disk stay.
    async fn restart(self) -> Self {
        let Self { kernel, driver, directory } = self;
        drop(driver);
        let driver = start(&kernel, &directory).await;
        Self { kernel, driver, directory }
    }

    async fn create(&self, id: &str, given: &[(&str, &str)]) -> Result<(), String> {
        let created = self.driver.create_network(network(id, given, false)).await;
        created.map(|_| ()).map_err(|error| error.to_string())
    }

    async fn delete(&self, id: &str) -> Result<(), String> {
        self.driver.delete_network(&id.parse().unwrap()).await.map_err(|error| error.to_string())
    }

    async fn endpoint(&self, id: &str, network: &str, address: &str) -> Result<Option<String>, String> {
        let mac = self.driver.create_endpoint(endpoint(id, network, address)).await;
        mac.map(|chosen| chosen.mac.map(|mac| mac.to_string())).map_err(|error| error.to_string())
    }

    async fn join(&self, id: &str, network: &str) -> Result<Joined, String> {
        self.join_in(id, network, "/run/docker/netns/x").await
    }

    async fn join_in(&self, id: &str, network: &str, sandbox: &str) -> Result<Joined, String> {
        let sandbox = Some(sandbox.to_owned());
        let joined = self.driver.join(&network.parse().unwrap(), &id.parse().unwrap(), sandbox).await;
        joined.map_err(|error| error.to_string())
    }

    async fn delete_endpoint(&self, id: &str) -> Result<(), String> {
        self.driver.delete_endpoint(&id.parse().unwrap()).await.map_err(|error| error.to_string())
    }

    /// The links, less those every host has.
    fn links(&self) -> Vec<String> {
        self.kernel.dump().lines().filter(|line| !line.contains("loopback")).map(str::to_owned).collect()
    }
}

async fn start(kernel: &FakeKernel, directory: &tempfile::TempDir) -> Arc<Driver<FakeKernel>> {
    let store = Store::open(&directory.path().join("state"), &directory.path().join("run")).unwrap();
    let settings = DriverSettings { defaults: NetworkDefaults::default(), link_group: GROUP };
    let driver = Arc::new(Driver::new(kernel.clone(), store, settings));
    driver.recover().await.unwrap();
    driver
}

fn network(id: &str, given: &[(&str, &str)], internal: bool) -> NewNetwork {
    let given: BTreeMap<_, _> = given.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    let pool = AddressPool { subnet: "10.0.0.0/24".parse().unwrap(), gateway: "10.0.0.1".parse().ok() };
    NewNetwork {
        id: id.parse().unwrap(),
        options: NetworkOptions::parse(&given).unwrap(),
        internal,
        pools: AddressPools::from_iter([pool]),
    }
}

fn endpoint(id: &str, network: &str, address: &str) -> NewEndpoint {
    NewEndpoint {
        id: id.parse().unwrap(),
        network: network.parse().unwrap(),
        address: address.parse().ok(),
        address_v6: None,
        mac: None,
        ifname: None,
    }
}

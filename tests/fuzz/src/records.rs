//! Any bytes as the file of a record, also with a checksum that fits: it is read or set aside, takes no other record down,
//! and the daemon starts with it and lets it be removed.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::LazyLock;

use sha2::Digest;
use tokio::runtime::Runtime;
use trunkline::driver::{Driver, DriverSettings};
use trunkline::kernel::fake::FakeKernel;
use trunkline::model::network::NetworkDefaults;
use trunkline::server::call::{Call, Method};
use trunkline::store::Store;

/// The id of the record that the input is, and of the one that is in order.
const FUZZED: &str = "fuzzed";
const GOOD: &str = "good";

static DIRECTORY: LazyLock<tempfile::TempDir> = LazyLock::new(|| {
    let directory = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a place");
    let body = format!(
        r#"{{"NetworkID":"{GOOD}","Options":{{"com.docker.network.generic":{{"host_iface":"par1","vlan":"7"}}}}}}"#
    );
    let Some(Ok(Call::CreateNetwork(new))) =
        Method::of_path("/NetworkDriver.CreateNetwork").map(|method| method.parse(body.as_bytes()))
    else {
        panic!("the good network is none");
    };
    runtime().block_on(async {
        driver(directory.path()).create_network(new).await.expect("the good network is made");
    });
    // A target that makes records which nobody would read tries nothing.
    let good = std::fs::read(directory.path().join("state/networks/good.json")).expect("its record");
    let text = String::from_utf8(good.clone()).expect("text");
    let record = text.split_once("\"record\":").expect("a record in it").1.trim_end_matches('}');
    let record = format!("{record}{}", "}".repeat(text.len() - text.trim_end_matches('}').len() - 1));
    assert_eq!(sealed(record.as_bytes()), good, "the form of records has changed: change `sealed` too");
    directory
});

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime")
}

fn driver(directory: &Path) -> Driver<FakeKernel> {
    let kernel = FakeKernel::new();
    kernel.add_device("par0");
    kernel.add_device("par1");
    let store = Store::open(&directory.join("state"), &directory.join("run")).expect("a store");
    Driver::new(kernel, store, DriverSettings { defaults: NetworkDefaults::default(), link_group: 8021 })
}

/// The file of a record with a checksum that fits (src/store/record_file.rs).
fn sealed(record: &[u8]) -> Vec<u8> {
    let mut hasher = sha2::Sha256::new();
    for part in [b"1", record] {
        hasher.update(part);
        hasher.update([0]);
    }
    let mut hex = String::new();
    for byte in hasher.finalize() {
        let _ = write!(hex, "{byte:02x}");
    }
    let mut file = format!(r#"{{"version":1,"sha256":"{hex}","record":"#).into_bytes();
    file.extend_from_slice(record);
    file.push(b'}');
    file
}

/// Tries one input.
pub fn records(input: &[u8]) {
    let Some((kind, text)) = input.split_first() else { return };
    let directory = DIRECTORY.path();
    let file = if kind & 1 == 0 { text.to_vec() } else { sealed(text) };
    let is_network = kind & 2 == 0;
    let sort = if is_network { "state/networks" } else { "run/endpoints" };
    let path = directory.join(sort).join(format!("{FUZZED}.json"));
    std::fs::write(&path, file).expect("the input is written");
    runtime().block_on(async {
        let driver = driver(directory);
        driver.recover().await.expect("the daemon starts whatever is in a record");
        assert!((1..=2).contains(&driver.network_count()), "the good network is there");
        // As often as an engine may say it.
        for _ in 0..2 {
            let outcome = if is_network {
                driver.delete_network(&FUZZED.parse().expect("an id")).await
            } else {
                driver.delete_endpoint(&FUZZED.parse().expect("an id")).await
            };
            outcome.expect("it can be removed");
        }
        assert_eq!((driver.network_count(), driver.endpoint_count()), (1, 0));
    });
    let left: Vec<_> = std::fs::read_dir(directory.join(sort))
        .expect("it is there")
        .map(|file| file.expect("an entry").file_name().into_string().expect("text"))
        .filter(|name| name.starts_with(FUZZED))
        .collect();
    // A newer trunkline's record is left as it is.
    let is_newer = left == [format!("{FUZZED}.json")] && kind & 1 == 0;
    assert!(left.is_empty() || is_newer, "{left:?}");
    for name in left {
        std::fs::remove_file(directory.join(sort).join(name)).expect("it is there");
    }
}

//! docs/options.md and the parser say the same: each option of the one is in the other, and each refusal that the page
//! shows is what trunkline answers, word by word, on the host that the page describes.

#![allow(clippy::expect_used, clippy::unwrap_used)] // a test that cannot go on says why and ends

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;
use trunkline::driver::{Driver, DriverError, DriverSettings, NewNetwork};
use trunkline::kernel::fake::FakeKernel;
use trunkline::kernel::{Kernel, LinkIndex, NewLink, NewLinkKind};
use trunkline::model::mode::{IpvlanFlag, IpvlanMode, MacvlanMode};
use trunkline::model::network::{NetworkDefaults, SpecError};
use trunkline::model::option_table::OPTIONS;
use trunkline::model::vlan::{VlanId, VlanProtocol, VlanSettings, VlanTag};
use trunkline::server::call::{Call, CallError, Method};
use trunkline::store::Store;

const PAGE: &str = include_str!("../docs/options.md");

/// Refusals that a page of options cannot show: of the kernel and the disk, and of calls that are not for networks.
const NOT_OF_OPTIONS: [&str; 3] = ["Kernel", "Store", "Unsteady"];

/// One section of the page: the option's keys, its values and default, its refusals.
#[derive(Debug, Default)]
struct Section {
    keys: Vec<String>,
    value: String,
    default: String,
    examples: Vec<String>,
}

fn sections() -> Vec<Section> {
    let mut sections: Vec<Section> = Vec::new();
    for line in PAGE.lines() {
        if let Some(heading) = line.strip_prefix("## `") {
            let keys = heading.trim_end_matches('`').split("`, `").map(str::to_owned).collect();
            sections.push(Section { keys, ..Section::default() });
        }
        let Some(section) = sections.last_mut() else { continue };
        if let Some(value) = line.strip_prefix("Value: ") {
            value.trim_end_matches("  ").trim_end_matches('.').clone_into(&mut section.value);
        }
        if let Some(default) = line.strip_prefix("Default: ") {
            default.trim_end_matches('.').clone_into(&mut section.default);
        }
        if line.starts_with("docker network create") {
            section.examples.push(line.to_owned());
        }
    }
    sections
}

/// The rows of the page's tables of refusals: what is given, and the sentence.
fn refusals() -> Vec<(String, String)> {
    let rows = PAGE.lines().filter(|line| line.starts_with("| `-") || line.starts_with("| nothing"));
    rows.map(|row| {
        let (given, sentence) = row.trim_matches(['|', ' ']).split_once(" | ").expect("two cells");
        (given.trim_matches('`').to_owned(), sentence.trim_matches('`').to_owned())
    })
    .collect()
}

/// The options of a command line, and whether the network is internal.
fn given(line: &str) -> (BTreeMap<String, String>, bool) {
    let mut options = BTreeMap::new();
    let mut words = line.split(' ');
    let mut internal = false;
    while let Some(word) = words.next() {
        match word {
            "-o" => {
                let (key, value) = words.next().and_then(|pair| pair.split_once('=')).expect("key=value");
                options.insert(key.to_owned(), value.to_owned());
            }
            "--internal" => internal = true,
            _ => {}
        }
    }
    (options, internal)
}

/// The host of the page.
struct Host {
    driver: Driver<FakeKernel>,
    _directory: tempfile::TempDir,
}

impl Host {
    async fn new() -> Self {
        let kernel = FakeKernel::new();
        let mut index = BTreeMap::new();
        for name in [
            "eth1", "eth2", "eth3", "eth4", "eth5", "eth6", "eth7", "eth8", "eth9", "wlan0", "tun0", "br0",
            "bond0",
        ] {
            index.insert(name, kernel.add_device(name));
        }
        let member = |name: &str, of: &str, kind: &'static str| {
            let controller = index[of];
            kernel.update(index[name], |link| {
                link.controller = Some(controller);
                link.controller_kind = Some(kind.to_owned());
            });
        };
        member("eth4", "br0", "bridge");
        member("eth5", "bond0", "bond");
        kernel.update(index["wlan0"], |link| link.is_wifi = true);
        kernel.update(index["tun0"], |link| link.is_ethernet = false);
        let host = Self::on(kernel.clone());
        host.add("blue", vlan(index["eth1"], 30, Some(true))).await;
        host.add("eth1.99", vlan(index["eth3"], 99, None)).await;
        host.add("mac0", macvlan(index["eth3"], MacvlanMode::Bridge)).await;
        let ipvlan =
            NewLinkKind::Ipvlan { parent: index["eth6"], mode: IpvlanMode::L2, flag: IpvlanFlag::Bridge };
        host.add("ipv0", ipvlan).await;
        host.add("far7", macvlan(index["eth7"], MacvlanMode::Bridge)).await;
        host.add("far8", macvlan(index["eth8"], MacvlanMode::Passthru)).await;
        let ipvlan =
            NewLinkKind::Ipvlan { parent: index["eth9"], mode: IpvlanMode::L3, flag: IpvlanFlag::Bridge };
        host.add("far9", ipvlan).await;
        for name in ["far7", "far8", "far9"] {
            kernel.set_elsewhere(name, true);
        }
        for (id, options) in [
            ("1f0c2d3e4b5a", &[("host_iface", "eth2")][..]),
            ("2a9b8c7d6e5f", &[("host_iface", "eth2.40"), ("mode", "passthru")]),
        ] {
            let options = options.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
            host.create(id, &options, false).await.expect("it is free");
        }
        host
    }

    fn on(kernel: FakeKernel) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let store =
            Store::open(&directory.path().join("state"), &directory.path().join("run")).expect("a store");
        let settings = DriverSettings { defaults: NetworkDefaults::default(), link_group: 8021 };
        Self { driver: Driver::new(kernel, store, settings), _directory: directory }
    }

    async fn add(&self, name: &str, kind: NewLinkKind) {
        let new = NewLink { name: name.parse().unwrap(), group: 0, mtu: None, mac: None, up: true, kind };
        self.driver.kernel().add_link(&new).await.unwrap_or_else(|error| panic!("{name}: {error}"));
    }

    /// CreateNetwork, from the bytes on. A refusal's sentence and the name of its variant.
    async fn create(
        &self,
        id: &str,
        options: &BTreeMap<String, String>,
        internal: bool,
    ) -> Result<(), (String, String)> {
        let body = json!({
            "NetworkID": id,
            "Options": {"com.docker.network.generic": options, "com.docker.network.internal": internal},
            "IPv4Data": [{"Pool": "10.0.0.0/24"}],
        });
        let new: NewNetwork = match Method::of_path("/NetworkDriver.CreateNetwork")
            .expect("the method")
            .parse(body.to_string().as_bytes())
        {
            Ok(Call::CreateNetwork(new)) => new,
            Ok(other) => panic!("{other:?}"),
            Err(CallError::Options(error)) => return Err((error.to_string(), variant(&error))),
            Err(other) => panic!("{other}"),
        };
        self.driver.create_network(new).await.map(|_| ()).map_err(|error| {
            let name = match &error {
                DriverError::Spec(SpecError::Option(error)) => variant(error),
                DriverError::Spec(error) => variant(error),
                DriverError::Parent(error) => variant(error),
                other => variant(other),
            };
            (error.to_string(), name)
        })
    }
}

fn vlan(base: LinkIndex, id: u16, gvrp: Option<bool>) -> NewLinkKind {
    let tag = VlanTag { protocol: VlanProtocol::Dot1q, id: VlanId::new(id).unwrap() };
    NewLinkKind::Vlan { base, tag, settings: VlanSettings { gvrp, ..Default::default() } }
}

fn macvlan(parent: LinkIndex, mode: MacvlanMode) -> NewLinkKind {
    NewLinkKind::Macvlan { parent, mode, bcqueuelen: None }
}

/// The name of an error's variant, from its debug form.
fn variant(error: &impl std::fmt::Debug) -> String {
    let text = format!("{error:?}");
    text.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default().to_owned()
}

/// The variants of the errors that options can lead to, read off the source.
fn variants() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (source, start) in [
        (include_str!("../src/model/options.rs"), "pub enum OptionError {"),
        (include_str!("../src/driver/parent_error.rs"), "pub enum ParentError {"),
        (include_str!("../src/model/network.rs"), "pub enum SpecError {"),
    ] {
        let body = source.split_once(start).expect(start).1.split_once("\n}").expect("an end").0;
        let is_variant = |line: &&str| {
            line.strip_prefix("    ").is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_uppercase()))
        };
        let name = |line: &str| line.trim().split(['(', '{', ' ', ',']).next().unwrap_or_default().to_owned();
        found.extend(body.lines().filter(is_variant).map(name));
    }
    // They only pass another error on.
    found.remove("Option");
    found
}

#[test]
fn the_page_has_every_option_and_no_other() {
    let page: Vec<_> = sections().into_iter().map(|s| (s.keys, s.value, s.default)).collect();
    let table: Vec<_> = OPTIONS
        .iter()
        .map(|row| {
            let keys = std::iter::once(&row.key).chain(row.aliases).map(|key| (*key).to_owned()).collect();
            (keys, row.values.to_owned(), row.default.to_owned())
        })
        .collect::<Vec<(Vec<String>, String, String)>>();
    assert_eq!(page, table);
}

#[tokio::test(start_paused = true)]
async fn every_example_of_the_page_is_accepted() {
    for section in sections() {
        assert!(!section.examples.is_empty(), "{:?} has no example", section.keys);
        for example in section.examples {
            let host = Host::new().await;
            let (options, internal) = given(&example);
            assert!(section.keys.iter().any(|key| options.contains_key(key)), "{example}");
            host.create("3c4d5e6f7a8b", &options, internal)
                .await
                .unwrap_or_else(|(said, _)| panic!("{example}: {said}"));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn every_refusal_on_the_page_is_word_for_word_and_none_is_missing() {
    let mut seen = BTreeSet::new();
    let mut wrong = Vec::new();
    for (line, sentence) in refusals() {
        let host = Host::new().await;
        let before = host.driver.kernel().dump();
        let (options, internal) = given(&line);
        match host.create("3c4d5e6f7a8b", &options, internal).await {
            Ok(()) => wrong.push(format!("{line}\n  is accepted")),
            Err((said, variant)) => {
                seen.insert(variant);
                if said != sentence {
                    wrong.push(format!("{line}\n  page: {sentence}\n  said: {said}"));
                }
            }
        }
        assert_eq!(host.driver.kernel().dump(), before, "{line} changed something");
    }
    assert!(wrong.is_empty(), "{} rows differ:\n{}", wrong.len(), wrong.join("\n"));
    let missing: Vec<_> = variants()
        .into_iter()
        .filter(|name| !seen.contains(name) && !NOT_OF_OPTIONS.contains(&name.as_str()))
        .collect();
    assert!(missing.is_empty(), "refusals that the page does not show: {missing:?}");
    assert!(seen.contains("Claim"), "{seen:?}");
}

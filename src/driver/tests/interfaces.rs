//! Interfaces of running containers: remembered, lost with their parent, and given back.

use std::time::Duration;

use nix::errno::Errno;

use super::*;
use crate::kernel::fake::Fault;
use crate::model::interface::{InterfaceAddress, InterfaceRoute};

const E1: &str = "15d75b4f4f6ba94568126c6c057911016a2bc3879dcb77fe2d0f16c1a88f5d02";
const SANDBOX: &str = "/run/docker/netns/x";

fn addresses(of: &[&str]) -> Vec<InterfaceAddress> {
    of.iter().map(|text| InterfaceAddress::as_given(text.parse().unwrap())).collect()
}

fn routes(of: &[(&str, Option<&str>)]) -> Vec<InterfaceRoute> {
    let gateway = |text: &str| text.parse().unwrap();
    of.iter().map(|(to, via)| InterfaceRoute::as_given(to.parse().unwrap(), via.map(gateway))).collect()
}

/// A container runs on VLAN 20 of eth1, and has an address and a route of its own making.
async fn running(given: &[(&str, &str)]) -> Rig {
    let rig = Rig::new().await;
    rig.kernel.set_namespace(SANDBOX, true);
    rig.create("n1", given).await.unwrap();
    rig.endpoint(E1, "n1", "10.0.0.2/24").await.unwrap();
    rig.join(E1, "n1").await.unwrap();
    let link = "tl15d75b4f4f6b".parse().unwrap();
    let own = addresses(&["10.0.0.2/24", "10.7.0.1/16"]);
    let out = routes(&[("0.0.0.0/0", Some("10.9.0.1")), ("10.9.0.0/16", None)]);
    rig.kernel.fetch(&link, SANDBOX, "lan3", &own, &out);
    rig
}

async fn observed(given: &[(&str, &str)]) -> Rig {
    let rig = running(given).await;
    rig.driver.observe_interface(&E1.parse().unwrap()).await;
    rig
}

const VLAN_20: &[(&str, &str)] = &[("host_iface", "eth1.20")];

/// What a line of a container says, in any order. A MAC of the kernel's choice is left out: a new device has a new one.
fn sorted(line: &str) -> Vec<String> {
    let words = line.split(' ').filter(|word| !word.starts_with("02:fa:ce"));
    let mut words: Vec<_> = words.map(str::to_owned).collect();
    words.sort();
    words
}

impl Rig {
    /// The parent is unplugged and plugged back, and the driver takes note each time.
    async fn replug(&self) {
        self.kernel.unplug("eth1");
        self.driver.look_at_parents().await.unwrap();
        self.kernel.add_device("eth1");
        self.driver.look_at_parents().await.unwrap();
    }

    fn container(&self) -> Vec<String> {
        self.kernel.dump_container(SANDBOX)
    }
}

#[tokio::test(start_paused = true)]
async fn an_interface_comes_back_as_it_was() {
    for given in [
        VLAN_20,
        &[("host_iface", "eth1"), ("mode", "private")],
        &[("host_iface", "eth1"), ("mode", "passthru")],
    ] {
        let rig = observed(given).await;
        let before = rig.container();
        assert!(before[0].starts_with("lan3 "), "{before:?}");
        rig.replug().await;
        assert!(rig.container().is_empty());
        rig.driver.restore_interfaces().await;
        assert_eq!(sorted(&rig.container()[0]), sorted(&before[0]));
        let once = rig.container();
        rig.driver.restore_interfaces().await;
        assert_eq!(rig.container(), once, "and once only");
        assert!(!rig.kernel.dump().contains(" tl"), "nothing is left on the host");
    }
}

#[tokio::test(start_paused = true)]
async fn it_comes_back_by_itself_and_over_a_restart_of_the_daemon() {
    let rig = running(VLAN_20).await;
    let watch = |rig: &Rig| {
        let driver = Arc::clone(&rig.driver);
        tokio::spawn(async move { tokio::join!(driver.watch_parents(), driver.watch_interfaces()) })
    };
    let watching = watch(&rig);
    rig.driver.interfaces.will_come(&E1.parse().unwrap());
    tokio::time::sleep(Duration::from_secs(20)).await;
    rig.kernel.unplug("eth1");
    tokio::time::sleep(Duration::from_secs(5)).await;
    watching.abort();
    let _ = watching.await;
    let rig = rig.restart().await;
    let watching = watch(&rig);
    tokio::time::sleep(Duration::from_secs(5)).await;
    rig.kernel.add_device("eth1");
    tokio::time::sleep(Duration::from_secs(1)).await;
    let back = rig.container();
    assert!(
        back.len() == 1 && back[0].contains("10.7.0.1/16") && back[0].contains("via 10.9.0.1"),
        "{back:?}"
    );
    watching.abort();
    let _ = watching.await;
}

#[tokio::test(start_paused = true)]
async fn one_that_was_never_seen_comes_back_as_the_engine_was_told() {
    let rig = running(VLAN_20).await;
    rig.replug().await;
    rig.driver.restore_interfaces().await;
    let back = rig.container();
    assert!(back[0].starts_with("eth0 "), "{back:?}");
    assert!(back[0].ends_with(" up 10.0.0.2/24 0.0.0.0/0 via 10.0.0.1"), "{back:?}");
}

#[tokio::test(start_paused = true)]
async fn what_a_container_or_an_engine_removed_stays_removed() {
    let rig = observed(VLAN_20).await;
    let link = "tl15d75b4f4f6b".parse().unwrap();
    rig.kernel.bring_back(SANDBOX, "lan3", &link);
    rig.kernel.unplug("tl15d75b4f4f6b");
    rig.driver.look_at_parents().await.unwrap();
    rig.driver.restore_interfaces().await;
    assert!(rig.container().is_empty(), "its parent never went");
    let rig = observed(VLAN_20).await;
    rig.driver.leave(&E1.parse().unwrap()).await;
    rig.replug().await;
    rig.driver.restore_interfaces().await;
    assert!(rig.container().is_empty(), "the container let go of it");
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_missed_the_return_leaves_nothing_in_the_container() {
    let rig = observed(VLAN_20).await;
    rig.replug().await;
    rig.driver.restore_interfaces().await;
    assert_eq!(rig.container().len(), 1);
    rig.delete_endpoint(E1).await.unwrap();
    assert!(rig.container().is_empty());
    // And one that did not miss it brings it back as always.
    let rig = observed(VLAN_20).await;
    rig.replug().await;
    rig.driver.restore_interfaces().await;
    rig.driver.leave(&E1.parse().unwrap()).await;
    rig.kernel.bring_back(SANDBOX, "lan3", &"tl15d75b4f4f6b".parse().unwrap());
    rig.delete_endpoint(E1).await.unwrap();
    assert!(!rig.kernel.dump().contains("macvlan"));
}

#[tokio::test(start_paused = true)]
async fn a_mac_of_its_own_choice_comes_back_unless_it_is_anothers() {
    let own: crate::model::mac::MacAddress = "02:00:00:00:00:77".parse().unwrap();
    for is_anothers in [false, true] {
        let rig = running(VLAN_20).await;
        if is_anothers {
            let other = NewEndpoint { mac: Some(own), ..endpoint("e2", "n1", "10.0.0.3/24") };
            rig.driver.create_endpoint(other).await.unwrap();
        }
        let given = rig.container()[0].split(' ').nth(1).unwrap().to_owned();
        let inside = rig.kernel.inside(SANDBOX, "lan3").unwrap();
        rig.kernel.update(inside, |link| link.mac = Some(own));
        rig.driver.observe_interface(&E1.parse().unwrap()).await;
        rig.replug().await;
        rig.driver.restore_interfaces().await;
        let expected = if is_anothers { given } else { own.to_string() };
        assert_eq!(rig.container()[0].split(' ').nth(1), Some(expected.as_str()));
    }
}

#[tokio::test(start_paused = true)]
async fn why_one_is_missing_is_said_and_it_is_tried_again() {
    let rig = observed(VLAN_20).await;
    rig.kernel.set_namespace(SANDBOX, false);
    rig.replug().await;
    rig.driver.restore_interfaces().await;
    let reason = rig.driver.interfaces.reason(&E1.parse().unwrap()).unwrap();
    assert!(reason.starts_with("the container cannot be reached from here: "), "{reason}");
    rig.kernel.set_namespace(SANDBOX, true);
    rig.driver.restore_interfaces().await;
    assert_eq!(rig.driver.interfaces.reason(&E1.parse().unwrap()), None);
    assert_eq!(rig.container().len(), 1);
    // A device of the host has it: that is nobody's affair in the container.
    let rig = observed(VLAN_20).await;
    rig.kernel.add_device("lan3");
    rig.replug().await;
    rig.driver.restore_interfaces().await;
    assert!(rig.container()[0].starts_with("lan3 "), "{:?}", rig.container());
    // Another interface of the container has the name, on another parent or on the same.
    for parent in ["eth2", "eth1.20"] {
        let rig = observed(VLAN_20).await;
        rig.create("n2", &[("host_iface", parent)]).await.unwrap();
        rig.endpoint("e2", "n2", "10.0.0.9/24").await.unwrap();
        rig.replug().await;
        let joined = rig.join("e2", "n2").await.unwrap();
        rig.kernel.fetch(&joined.link, SANDBOX, "lan3", &[], &[]);
        let others = rig.container();
        rig.driver.restore_interfaces().await;
        let reason = rig.driver.interfaces.reason(&E1.parse().unwrap()).unwrap();
        assert!(reason.starts_with("its name lan3 is another interface's"), "{reason}");
        assert_eq!(rig.container(), others, "nothing half made is left, and the other is as it was");
        rig.driver.observe_interface(&E1.parse().unwrap()).await;
        rig.delete_endpoint(E1).await.unwrap();
        assert_eq!(rig.container(), others, "which stays");
    }
}

#[tokio::test(start_paused = true)]
async fn what_can_never_be_had_is_said_and_does_not_keep_the_interface_from_its_container() {
    let rig = observed(VLAN_20).await;
    let id = E1.parse().unwrap();
    let mut record = rig.driver.endpoints.get(&id).unwrap();
    // As a container has it whose own address came by DHCP and is not remembered.
    record.interface.as_mut().unwrap().routes = routes(&[("0.0.0.0/0", Some("172.31.0.1"))]);
    rig.driver.endpoints.insert(record);
    rig.replug().await;
    rig.driver.restore_interfaces().await;
    let reason = rig.driver.interfaces.reason(&id).unwrap();
    assert!(reason.starts_with("it is there, but not whole: "), "{reason}");
    assert!(rig.driver.status().missing_interfaces[0].reason.starts_with("it is there"));
    let inside = rig.kernel.inside(SANDBOX, "lan3").unwrap();
    rig.kernel.update(inside, |link| link.up = false);
    let own = rig.container();
    rig.driver.restore_interfaces().await;
    assert_eq!(rig.container(), own, "what the container does with it is its own affair");
}

#[tokio::test(start_paused = true)]
async fn an_interface_that_never_went_is_not_made_twice() {
    let rig = observed(&[("host_iface", "eth1")]).await;
    let before = rig.container();
    let eth1 = rig.kernel.link_by_name(&"eth1".parse().unwrap()).await.unwrap().unwrap().index;
    rig.kernel.update(eth1, |link| link.name = "old1".to_owned());
    rig.kernel.add_device("eth1");
    let rig = rig.restart().await;
    rig.driver.restore_interfaces().await;
    assert_eq!(rig.container(), before);
    let reason = rig.driver.interfaces.reason(&E1.parse().unwrap()).unwrap();
    assert!(reason.starts_with("it is still on a device that was eth1 before"), "{reason}");
}

#[tokio::test(start_paused = true)]
async fn whatever_goes_wrong_on_the_way_it_is_whole_the_next_time() {
    const FAULTS: [Fault; 4] = [
        Fault::RefusedBefore(Errno::ENOMEM),
        Fault::RefusedAfter(Errno::ENOMEM),
        Fault::SilentBefore,
        Fault::SilentAfter,
    ];
    let rig = observed(VLAN_20).await;
    rig.replug().await;
    let before = rig.kernel.operations();
    rig.driver.restore_interfaces().await;
    let whole = rig.container();
    let operations = rig.kernel.operations() - before;
    assert!(operations >= 8, "{operations}");
    for nth in 1..=operations {
        for fault in FAULTS {
            let rig = observed(VLAN_20).await;
            rig.replug().await;
            rig.kernel.fail_at(nth, fault);
            rig.driver.restore_interfaces().await;
            assert!(!rig.kernel.clear_fault(), "there is an operation {nth}");
            let rig = if nth % 2 == 0 { rig.restart().await } else { rig };
            rig.driver.restore_interfaces().await;
            assert_eq!(rig.container().len(), 1, "{nth} {fault:?}");
            assert_eq!(sorted(&rig.container()[0]), sorted(&whole[0]), "{nth} {fault:?}");
            assert_eq!(rig.driver.interfaces.reason(&E1.parse().unwrap()), None);
            rig.delete_endpoint(E1).await.unwrap();
            assert!(rig.container().is_empty(), "{nth} {fault:?}");
        }
    }
}

//! Parents that go and come back, wait, clash, and are shared while they do.

use std::time::Duration;

use super::*;
use crate::kernel::NewLink;

const E1: &str = "15d75b4f4f6ba94568126c6c057911016a2bc3879dcb77fe2d0f16c1a88f5d02";

impl Rig {
    /// The driver follows links from now on, until the test ends.
    fn watched(self) -> Self {
        let driver = Arc::clone(&self.driver);
        tokio::spawn(async move { tokio::join!(driver.tend(), driver.watch_parents()) });
        self
    }

    /// Waits until a network is attached, or not any more.
    async fn until_attached(&self, id: &str, attached: bool) {
        let network = self.driver.network(&id.parse().unwrap()).unwrap();
        for _ in 0..600 {
            if network.attachment().is_some() == attached {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("{id}: {:?}", network.place());
    }

    fn has(&self, line: &str) -> bool {
        self.links().iter().any(|link| link == line)
    }
}

#[tokio::test(start_paused = true)]
async fn a_network_waits_for_its_parent_and_is_attached_when_it_appears() {
    let rig = Rig::new().await;
    rig.create("n1", &[("host_iface", "eth1.20"), ("gvrp", "true")]).await.unwrap();
    rig.kernel.unplug("eth1");
    let rig = rig.restart().await.watched();
    rig.endpoint(E1, "n1", "10.0.0.2/24").await.unwrap();
    let error = rig.join(E1, "n1").await.unwrap_err();
    assert!(error.starts_with("network n1 waits for its parent"), "{error}");
    assert!(error.contains("no interface named eth1.20 on this host (nor eth1"), "{error}");
    // Under another of its names.
    let wan = rig.kernel.add_device("wan0");
    rig.kernel.update(wan, |link| link.alternative_names.push("eth1".to_owned()));
    rig.until_attached("n1", true).await;
    assert!(rig.kernel.dump().contains("vlan 802.1q 20 up mtu 1500 group 8021 on wan0"));
    rig.join(E1, "n1").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_parent_that_is_plugged_back_gets_its_vlans_with_the_same_options() {
    let rig = Rig::new().await.watched();
    rig.create("n1", &[("host_iface", "eth1.20")]).await.unwrap();
    rig.create("n2", &[("host_iface", "eth1.30"), ("egress_qos", "1:2")]).await.unwrap();
    rig.kernel.unplug("eth1");
    rig.until_attached("n1", false).await;
    rig.until_attached("n2", false).await;
    rig.kernel.add_device("eth1");
    rig.until_attached("n1", true).await;
    rig.until_attached("n2", true).await;
    assert!(rig.has("eth1.20 vlan 802.1q 20 up mtu 1500 group 8021 on eth1"));
    let again = rig.kernel.link_by_name(&"eth1.30".parse().unwrap()).await.unwrap().unwrap();
    assert!(
        matches!(again.kind, crate::kernel::LinkKind::Vlan { egress_qos, .. } if egress_qos.to_string() == "1:2")
    );
    // Nobody said so this time.
    rig.kernel.lose_events();
    for id in ["n1", "n2"] {
        rig.delete(id).await.unwrap();
    }
    assert_eq!(rig.links().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn of_two_waiting_networks_that_clash_the_older_has_the_parent() {
    let rig = Rig::new().await;
    // By two names that come to be one device.
    rig.create("older", &[("host_iface", "eth1"), ("mode", "vepa")]).await.unwrap();
    tokio::time::sleep(Duration::from_millis(5)).await;
    std::thread::sleep(Duration::from_millis(5));
    rig.create("younger", &[("host_iface", "eth2"), ("mode", "private")]).await.unwrap();
    rig.kernel.unplug("eth1");
    rig.kernel.unplug("eth2");
    let rig = rig.restart().await.watched();
    let one = rig.kernel.add_device("eth1");
    rig.kernel.update(one, |link| link.alternative_names.push("eth2".to_owned()));
    rig.until_attached("older", true).await;
    rig.endpoint(E1, "younger", "10.0.0.2/24").await.unwrap();
    let error = rig.join(E1, "younger").await.unwrap_err();
    assert!(error.contains("eth1 is in use in mode vepa by network older"), "{error}");
    // What is in the way goes without an event: it is tried again all the same.
    rig.delete("older").await.unwrap();
    rig.until_attached("younger", true).await;
}

#[tokio::test(start_paused = true)]
async fn a_waiting_network_keeps_others_of_another_mode_from_its_parent() {
    let rig = Rig::new().await;
    rig.create("n1", &[("host_iface", "eth1.20"), ("mtu", "1500")]).await.unwrap();
    let eth1 = rig.kernel.link_by_name(&"eth1".parse().unwrap()).await.unwrap().unwrap().index;
    rig.kernel.set_mtu(eth1, 1400);
    let rig = rig.restart().await;
    let error = rig.create("n2", &[("host_iface", "eth1.20"), ("mode", "private")]).await.unwrap_err();
    assert!(error.contains("is in use in mode bridge by network n1"), "{error}");
    rig.kernel.set_mtu(eth1, 1500);
    rig.kernel.unplug("eth1.20");
    rig.create("n3", &[("host_iface", "eth1.20")]).await.unwrap();
    rig.until_attached("n1", true).await;
}

#[tokio::test(start_paused = true)]
async fn a_kernel_that_is_silent_for_a_moment_costs_no_claim() {
    use crate::kernel::fake::Fault;
    let rig = Rig::new().await;
    rig.create("n1", &[("host_iface", "eth1.20")]).await.unwrap();
    rig.kernel.unplug("eth1.20");
    rig.endpoint(E1, "n1", "10.0.0.2/24").await.unwrap();
    let network = rig.driver.network(&"n1".parse().unwrap()).unwrap();
    let claim = network.claim();
    // The look at the old index is answered, that at the parent's name is not.
    rig.kernel.fail_at(2, Fault::SilentBefore);
    assert!(rig.driver.reattach(&network).await.is_err());
    assert_eq!((network.claim(), network.is_waiting()), (claim, true));
    rig.join(E1, "n1").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_vlans_of_a_waiting_network_are_not_taken_away() {
    let rig = Rig::new().await;
    rig.create("inner", &[("host_iface", "eth1.100.30"), ("mtu", "1500")]).await.unwrap();
    rig.create("other", &[("host_iface", "eth1.100.20")]).await.unwrap();
    rig.endpoint(E1, "inner", "10.0.0.2/24").await.unwrap();
    rig.join(E1, "inner").await.unwrap();
    rig.kernel.set_elsewhere("tl15d75b4f4f6b", true);
    let eth1 = rig.kernel.link_by_name(&"eth1".parse().unwrap()).await.unwrap().unwrap().index;
    rig.kernel.set_mtu(eth1, 1400);
    let rig = rig.restart().await;
    rig.delete("other").await.unwrap();
    assert!(rig.kernel.dump().contains("tl15d75b4f4f6b macvlan bridge"), "{}", rig.kernel.dump());
    assert!(rig.has("eth1.100 vlan 802.1ad 100 up mtu 1400 group 8021 on eth1"));
    // Once it is gone as well, nothing is left.
    let rig = rig.watched();
    rig.kernel.set_elsewhere("tl15d75b4f4f6b", false);
    rig.delete("inner").await.unwrap();
    for _ in 0..600 {
        if rig.links().len() == 2 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("{:?}", rig.links());
}

#[tokio::test(start_paused = true)]
async fn a_remade_device_is_as_all_of_its_networks_ask() {
    let rig = Rig::new().await;
    rig.create("n1", &[("host_iface", "eth1.20"), ("gvrp", "true")]).await.unwrap();
    rig.create("n2", &[("host_iface", "eth1.20")]).await.unwrap();
    rig.kernel.unplug("eth1.20");
    rig.endpoint(E1, "n2", "10.0.0.2/24").await.unwrap();
    rig.join(E1, "n2").await.unwrap();
    rig.endpoint("e2", "n1", "10.0.0.3/24").await.unwrap();
    rig.join("e2", "n1").await.unwrap();
    rig.kernel.unplug("eth1.20");
    let rig = rig.restart().await;
    for id in ["n1", "n2"] {
        rig.until_attached(id, true).await;
        rig.delete(id).await.unwrap();
    }
    assert_eq!(rig.links().len(), 2, "whoever held an old index: {:?}", rig.links());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_vlan_named_by_its_device_is_looked_up_again_behind_the_gate() {
    let rig = Arc::new(Rig::new().await);
    let tasks: Vec<_> = (0..32)
        .map(|number| {
            let rig = Arc::clone(&rig);
            tokio::spawn(async move {
                let id = format!("n{number}");
                let host_iface = ["eth1.20", "eth1.20", "eth1.100.7", "eth2.20"][number % 4];
                for _ in 0..10 {
                    rig.create(&id, &[("host_iface", host_iface)]).await.unwrap();
                    rig.delete(&id).await.unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(rig.links().len(), 2, "{:?}", rig.links());
}

#[tokio::test(start_paused = true)]
async fn a_link_that_its_container_marked_otherwise_is_removed_all_the_same() {
    let rig = Rig::new().await;
    rig.create("n1", &[("host_iface", "eth1")]).await.unwrap();
    rig.endpoint(E1, "n1", "10.0.0.2/24").await.unwrap();
    rig.join(E1, "n1").await.unwrap();
    let link = rig.kernel.link_by_name(&"tl15d75b4f4f6b".parse().unwrap()).await.unwrap().unwrap();
    rig.kernel.update(link.index, |link| link.group = 0);
    rig.delete_endpoint(E1).await.unwrap();
    assert_eq!(rig.links().len(), 2, "{:?}", rig.links());
}

#[tokio::test(start_paused = true)]
async fn an_ipvlan_child_does_not_change_the_mode_of_others() {
    use crate::kernel::NewLinkKind;
    use crate::model::mode::{IpvlanFlag, IpvlanMode};
    let rig = Rig::new().await;
    rig.create("n1", &[("host_iface", "eth1"), ("mode", "l3")]).await.unwrap();
    let parent = rig.kernel.link_by_name(&"eth1".parse().unwrap()).await.unwrap().unwrap().index;
    let kind = NewLinkKind::Ipvlan { parent, mode: IpvlanMode::L2, flag: IpvlanFlag::Bridge };
    let new = NewLink { name: "native0".parse().unwrap(), group: 0, mtu: None, mac: None, up: true, kind };
    rig.kernel.add_link(&new).await.unwrap();
    rig.kernel.set_elsewhere("native0", true);
    rig.endpoint(E1, "n1", "10.0.0.2/24").await.unwrap();
    let error = rig.join(E1, "n1").await.unwrap_err();
    assert!(error.starts_with("eth1 is in use by ipvlan interfaces"), "{error}");
    assert!(rig.kernel.dump().contains("native0 ipvlan l2 bridge"));
}

#[tokio::test(start_paused = true)]
async fn a_network_whose_record_cannot_be_removed_is_gone_all_the_same() {
    let rig = Rig::new().await.watched();
    rig.create("n1", &[("host_iface", "eth1.20")]).await.unwrap();
    // The record's place is taken by what a file's removal does not remove.
    let record = rig.directory.path().join("state/networks/n1.json");
    std::fs::remove_file(&record).unwrap();
    std::fs::create_dir(&record).unwrap();
    assert!(rig.delete("n1").await.is_err());
    assert_eq!(rig.links().len(), 2);
    rig.create("n2", &[("host_iface", "eth1.20"), ("mode", "private")]).await.unwrap();
    std::fs::remove_dir(&record).unwrap();
    std::fs::write(&record, "{}").unwrap();
    for _ in 0..600 {
        if !record.exists() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    panic!("the record is never removed");
}

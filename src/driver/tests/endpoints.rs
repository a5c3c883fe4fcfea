//! The links of containers: made in one message, found again, and never mixed up.

use std::time::Duration;

use super::*;
use crate::kernel::{NewLink, NewLinkKind};
use crate::model::mac::MacAddress;

const E1: &str = "15d75b4f4f6ba94568126c6c057911016a2bc3879dcb77fe2d0f16c1a88f5d02";
const LINK: &str = "tl15d75b4f4f6b macvlan bridge down mtu 1500 group 8021 on eth1";

async fn rig_with_network(given: &[(&str, &str)]) -> Rig {
    let rig = Rig::new().await;
    rig.create("n1", &[&[("host_iface", "eth1")], given].concat()).await.unwrap();
    rig
}

fn children(rig: &Rig) -> Vec<String> {
    rig.links().into_iter().filter(|line| line.starts_with("tl")).collect()
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_costs_one_kernel_operation() {
    let rig = rig_with_network(&[]).await;
    let before = rig.kernel.operations();
    let mac = rig.endpoint(E1, "n1", "10.0.0.2/24").await.unwrap().unwrap();
    assert_eq!(rig.endpoint(E1, "n1", "10.0.0.2/24").await.unwrap().unwrap(), mac);
    let joined = rig.join(E1, "n1").await.unwrap();
    assert_eq!(rig.kernel.operations() - before, 1);
    assert_eq!(children(&rig), [LINK]);
    assert_eq!((joined.link.as_str(), joined.prefix.as_str()), ("tl15d75b4f4f6b", "eth"));
    assert_eq!(joined.gateway, "10.0.0.1".parse().ok());
    assert_eq!(rig.join(E1, "n1").await.unwrap(), joined);
    rig.delete_endpoint(E1).await.unwrap();
    rig.delete_endpoint(E1).await.unwrap();
    assert!(children(&rig).is_empty());
    assert!(rig.join(E1, "n1").await.unwrap_err().contains("is not known to trunkline"));
}

#[tokio::test(start_paused = true)]
async fn a_mac_that_was_given_is_not_answered() {
    let rig = rig_with_network(&[]).await;
    let given: MacAddress = "02:00:00:00:00:01".parse().unwrap();
    let new = NewEndpoint { mac: Some(given), ..endpoint(E1, "n1", "10.0.0.2/24") };
    let first = rig.driver.create_endpoint(new.clone()).await.unwrap();
    assert_eq!((first.mac, first.creation), (None, Creation::New));
    let again = rig.driver.create_endpoint(new).await.unwrap();
    assert_eq!((again.mac, again.creation), (None, Creation::Repeated));
    rig.join(E1, "n1").await.unwrap();
    let link = rig.kernel.link_by_name(&"tl15d75b4f4f6b".parse().unwrap()).await.unwrap().unwrap();
    assert_eq!(link.mac, Some(given));
}

#[tokio::test(start_paused = true)]
async fn ipvlan_has_no_mac_to_give() {
    let rig = rig_with_network(&[("mode", "l3")]).await;
    assert_eq!(rig.endpoint(E1, "n1", "10.0.0.2/24").await.unwrap(), None);
    let joined = rig.join(E1, "n1").await.unwrap();
    assert_eq!((joined.gateway, joined.routed.len()), (None, 1));
    let given = NewEndpoint { mac: "02:00:00:00:00:01".parse().ok(), ..endpoint("e2", "n1", "10.0.0.3/24") };
    let error = rig.driver.create_endpoint(given).await.unwrap_err().to_string();
    assert!(error.contains("in mode l3 a container has its parent's"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn ids_that_start_alike_have_links_of_their_own() {
    let rig = rig_with_network(&[]).await;
    let (first, second) = (format!("{}a", &E1[..63]), format!("{}b", &E1[..63]));
    for (id, address) in [(&first, "10.0.0.2/24"), (&second, "10.0.0.3/24")] {
        rig.endpoint(id, "n1", address).await.unwrap();
        rig.join(id, "n1").await.unwrap();
    }
    assert_eq!(children(&rig).len(), 2);
    rig.delete_endpoint(&second).await.unwrap();
    assert_eq!(children(&rig), [LINK]);
    rig.delete_endpoint(&format!("{}c", &E1[..63])).await.unwrap();
    assert_eq!(children(&rig), [LINK], "an unknown id must not take a known endpoint's link");
}

#[tokio::test(start_paused = true)]
async fn a_leftover_that_differs_is_replaced_and_a_strangers_device_is_not() {
    let rig = rig_with_network(&[]).await;
    let eth2 = rig.kernel.link_by_name(&"eth2".parse().unwrap()).await.unwrap().unwrap().index;
    let mode = crate::model::mode::MacvlanMode::Bridge;
    let leftover = |group| NewLink {
        name: "tl15d75b4f4f6b".parse().unwrap(),
        group,
        mtu: None,
        mac: None,
        up: false,
        kind: NewLinkKind::Macvlan { parent: eth2, mode, bcqueuelen: None },
    };
    rig.kernel.add_link(&leftover(GROUP)).await.unwrap();
    rig.endpoint(E1, "n1", "10.0.0.2/24").await.unwrap();
    rig.join(E1, "n1").await.unwrap();
    assert_eq!(children(&rig), [LINK]);
    rig.delete_endpoint(E1).await.unwrap();
    rig.kernel.add_link(&leftover(0)).await.unwrap();
    rig.endpoint(E1, "n1", "10.0.0.2/24").await.unwrap();
    let error = rig.join(E1, "n1").await.unwrap_err();
    assert!(error.contains("another device is named tl15d75b4f4f6b"), "{error}");
    rig.delete_endpoint(E1).await.unwrap();
    assert_eq!(children(&rig).len(), 1, "the stranger's device stays");
}

#[tokio::test(start_paused = true)]
async fn a_strangers_device_of_the_same_name_on_the_same_parent_stays() {
    let rig = rig_with_network(&[]).await;
    let eth1 = rig.kernel.link_by_name(&"eth1".parse().unwrap()).await.unwrap().unwrap().index;
    let mode = crate::model::mode::MacvlanMode::Bridge;
    let kind = NewLinkKind::Macvlan { parent: eth1, mode, bcqueuelen: None };
    let name = "tl15d75b4f4f6b".parse().unwrap();
    rig.kernel.add_link(&NewLink { name, group: 0, mtu: None, mac: None, up: false, kind }).await.unwrap();
    rig.endpoint(E1, "n1", "10.0.0.2/24").await.unwrap();
    assert!(rig.join(E1, "n1").await.is_err());
    let rig = rig.restart().await;
    rig.delete_endpoint(E1).await.unwrap();
    assert_eq!(children(&rig).len(), 1, "it is not ours to remove");
}

#[tokio::test(start_paused = true)]
async fn a_crash_at_any_moment_of_a_join_makes_no_strangers_device_ours() {
    for moment in (0..4000).step_by(250) {
        let rig = rig_with_network(&[]).await;
        let eth1 = rig.kernel.link_by_name(&"eth1".parse().unwrap()).await.unwrap().unwrap().index;
        let mode = crate::model::mode::MacvlanMode::Bridge;
        let kind = NewLinkKind::Macvlan { parent: eth1, mode, bcqueuelen: None };
        let name = "tl15d75b4f4f6b".parse().unwrap();
        rig.kernel
            .add_link(&NewLink { name, group: 0, mtu: None, mac: None, up: false, kind })
            .await
            .unwrap();
        rig.endpoint(E1, "n1", "10.0.0.2/24").await.unwrap();
        rig.kernel.set_latency(Duration::from_secs(1));
        let _ = tokio::time::timeout(Duration::from_millis(moment), rig.join(E1, "n1")).await;
        rig.kernel.set_latency(Duration::ZERO);
        let rig = rig.restart().await;
        rig.delete_endpoint(E1).await.unwrap();
        assert_eq!(children(&rig).len(), 1, "after {moment} ms: it is not ours to remove");
    }
}

#[tokio::test(start_paused = true)]
async fn a_vanished_vlan_is_made_again_at_join() {
    let rig = Rig::new().await;
    rig.create("n1", &[("host_iface", "eth1.20")]).await.unwrap();
    rig.kernel.unplug("eth1.20");
    rig.endpoint(E1, "n1", "10.0.0.2/24").await.unwrap();
    rig.join(E1, "n1").await.unwrap();
    assert!(rig.kernel.dump().contains("eth1.20 vlan 802.1q 20 up mtu 1500 group 8021 on eth1"));
    rig.kernel.unplug("eth1");
    rig.endpoint("e2", "n1", "10.0.0.3/24").await.unwrap();
    let error = rig.join("e2", "n1").await.unwrap_err();
    assert!(error.contains("no interface named eth1.20"), "{error}");
    rig.kernel.add_device("eth1");
    rig.join("e2", "n1").await.unwrap();
    rig.delete("n1").await.unwrap();
    assert_eq!(rig.links().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_removed_network_takes_its_endpoints_links_along() {
    let rig = rig_with_network(&[]).await;
    rig.endpoint(E1, "n1", "10.0.0.2/24").await.unwrap();
    rig.join(E1, "n1").await.unwrap();
    rig.delete("n1").await.unwrap();
    assert!(children(&rig).is_empty());
    assert_eq!(rig.driver.endpoint_count(), 0);
}

#[tokio::test(start_paused = true)]
async fn one_mac_is_not_given_twice_on_one_parent() {
    let rig = Rig::new().await;
    for (id, given) in [("n1", "eth1.20"), ("n2", "eth1.20"), ("n3", "eth1.30")] {
        rig.create(id, &[("host_iface", given)]).await.unwrap();
    }
    let with_mac = |id: &str, network: &str| NewEndpoint {
        mac: "02:00:00:00:00:01".parse().ok(),
        ..endpoint(id, network, "10.0.0.2/24")
    };
    rig.driver.create_endpoint(with_mac(E1, "n1")).await.unwrap();
    rig.join(E1, "n1").await.unwrap();
    rig.driver.create_endpoint(with_mac("e3", "n3")).await.unwrap();
    let error = rig.driver.create_endpoint(with_mac("e2", "n2")).await.unwrap_err().to_string();
    let sentence =
        "the MAC address 02:00:00:00:00:01 is in use on eth1.20 by endpoint 15d75b4f4f6b of network n1";
    assert!(error.starts_with(sentence), "{error}");
    // The container runs: its link is in it.
    rig.kernel.set_namespace("/run/docker/netns/x", true);
    rig.kernel.set_elsewhere("tl15d75b4f4f6b", true);
    assert!(rig.driver.create_endpoint(with_mac("e2", "n2")).await.is_err());
    // The engine was killed, and its containers ended: nobody ever deletes the endpoint.
    rig.kernel.set_namespace("/run/docker/netns/x", false);
    rig.driver.create_endpoint(with_mac("e2", "n2")).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn endpoints_that_nobody_deletes_are_collected_when_their_container_is_gone() {
    let rig = rig_with_network(&[]).await;
    let driver = Arc::clone(&rig.driver);
    let collecting = tokio::spawn(async move { driver.collect_endpoints().await });
    rig.kernel.set_namespace("/run/docker/netns/x", true);
    rig.endpoint(E1, "n1", "10.0.0.2/24").await.unwrap();
    rig.join(E1, "n1").await.unwrap();
    rig.endpoint("e2", "n1", "10.0.0.3/24").await.unwrap();
    let elsewhere = Some("/out/of/sight/x".to_owned());
    rig.driver.join(&"n1".parse().unwrap(), &"e2".parse().unwrap(), elsewhere).await.unwrap();
    let after = async |seconds| {
        tokio::time::sleep(std::time::Duration::from_secs(seconds)).await;
        tokio::task::yield_now().await;
        rig.driver.endpoint_count()
    };
    assert_eq!(after(24 * 3600).await, 2, "age proves nothing");
    rig.kernel.set_namespace("/run/docker/netns/x", false);
    assert_eq!(after(61).await, 2, "seen once");
    assert_eq!(after(60).await, 1);
    assert_eq!(children(&rig).len(), 1, "with the link that was never fetched: {:?}", rig.links());
    assert_eq!(after(24 * 3600).await, 1, "what cannot be seen is left");
    collecting.abort();
    assert!(collecting.await.unwrap_err().is_cancelled());
    let rig = rig.restart().await;
    assert_eq!(rig.driver.endpoint_count(), 1);
}

#[tokio::test(start_paused = true)]
async fn passthru_has_one_endpoint() {
    let rig = rig_with_network(&[("mode", "passthru")]).await;
    rig.endpoint(E1, "n1", "10.0.0.2/24").await.unwrap();
    rig.join(E1, "n1").await.unwrap();
    let error = rig.endpoint("e2", "n1", "10.0.0.3/24").await.unwrap_err();
    assert!(error.starts_with("eth1 is taken by endpoint 15d75b4f4f6b"), "{error}");
    rig.driver.leave(&E1.parse().unwrap()).await;
    rig.endpoint("e2", "n1", "10.0.0.3/24").await.unwrap();
    rig.delete_endpoint(E1).await.unwrap();
    rig.join("e2", "n1").await.unwrap();
    let error = rig.create("n2", &[("host_iface", "eth1"), ("mode", "passthru")]).await.unwrap_err();
    assert!(error.contains("one network alone"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_parent_whose_mtu_was_lowered_is_named_at_join() {
    for mode in ["bridge", "passthru", "l2"] {
        let rig = rig_with_network(&[("mtu", "1500"), ("mode", mode)]).await;
        rig.endpoint(E1, "n1", "10.0.0.2/24").await.unwrap();
        let eth1 = rig.kernel.link_by_name(&"eth1".parse().unwrap()).await.unwrap().unwrap().index;
        rig.kernel.set_mtu(eth1, 1400);
        let error = rig.join(E1, "n1").await.unwrap_err();
        assert!(error.starts_with("mtu=1500 is more than the 1400 of the parent eth1"), "{mode}: {error}");
        assert!(children(&rig).is_empty());
        rig.kernel.set_mtu(eth1, 1500);
        rig.join(E1, "n1").await.unwrap();
    }
}

//! Which device a network ends up on, who may share it, and what is left when networks go.

use super::*;
use crate::kernel::{Link, LinkAddress, NewLink, NewLinkKind};
use crate::model::mode::MacvlanMode;
use crate::model::vlan::{VlanId, VlanProtocol, VlanSettings, VlanTag};

const BARE: [&str; 2] = ["eth1 device up mtu 1500 group 0", "eth2 device up mtu 1500 group 0"];

fn with(lines: &[&str]) -> Vec<String> {
    BARE.iter().chain(lines).map(|line| (*line).to_owned()).collect()
}

/// A VLAN device that an administrator made.
async fn foreign_vlan(rig: &Rig, name: &str, id: u16, settings: VlanSettings) {
    let base = rig.kernel.link_by_name(&"eth1".parse().unwrap()).await.unwrap().unwrap().index;
    let tag = VlanTag { protocol: VlanProtocol::Dot1q, id: VlanId::new(id).unwrap() };
    let kind = NewLinkKind::Vlan { base, tag, settings };
    let new = NewLink { name: name.parse().unwrap(), group: 0, mtu: None, mac: None, up: true, kind };
    rig.kernel.add_link(&new).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn both_spellings_of_a_vlan_are_one_device() {
    let rig = Rig::new().await;
    rig.create("n1", &[("host_iface", "eth1.20")]).await.unwrap();
    rig.create("n2", &[("host_iface", "eth1"), ("vlan", "20")]).await.unwrap();
    rig.create("n3", &[("host_iface", "eth1.20"), ("vlan", "20")]).await.unwrap();
    assert_eq!(rig.links(), with(&["eth1.20 vlan 802.1q 20 up mtu 1500 group 8021 on eth1"]));
    rig.delete("n1").await.unwrap();
    rig.delete("n3").await.unwrap();
    assert_eq!(rig.links().len(), 3);
    rig.delete("n2").await.unwrap();
    assert_eq!(rig.links(), with(&[]));
    rig.delete("n2").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn both_spellings_of_two_tags_are_one_device() {
    let rig = Rig::new().await;
    rig.create("n1", &[("host_iface", "eth1.100.20")]).await.unwrap();
    rig.create("n2", &[("host_iface", "eth1"), ("vlan", "100.20")]).await.unwrap();
    rig.create("n3", &[("host_iface", "eth1"), ("vlan", "100"), ("vlan_protocol", "802.1ad")]).await.unwrap();
    let both = with(&[
        "eth1.100 vlan 802.1ad 100 up mtu 1500 group 8021 on eth1",
        "eth1.100.20 vlan 802.1q 20 up mtu 1500 group 8021 on eth1.100",
    ]);
    assert_eq!(rig.links(), both);
    let error = rig.create("n4", &[("host_iface", "eth1"), ("vlan", "100")]).await.unwrap_err();
    assert!(error.contains("another device is named eth1.100"), "{error}");
    rig.delete("n1").await.unwrap();
    rig.delete("n2").await.unwrap();
    assert_eq!(rig.links(), both[..3]);
    rig.delete("n3").await.unwrap();
    assert_eq!(rig.links(), with(&[]));
}

#[tokio::test(start_paused = true)]
async fn a_foreign_vlan_device_is_used_and_kept() {
    let rig = Rig::new().await;
    foreign_vlan(&rig, "blue", 30, VlanSettings::default()).await;
    let before = rig.links();
    rig.create("n1", &[("host_iface", "eth1"), ("vlan", "30")]).await.unwrap();
    rig.create("n2", &[("host_iface", "blue")]).await.unwrap();
    rig.create("n3", &[("host_iface", "eth1.30")]).await.unwrap();
    let error = rig.create("n4", &[("host_iface", "blue"), ("mode", "private")]).await.unwrap_err();
    assert!(error.starts_with("blue is in use in mode bridge by network n"), "{error}");
    assert_eq!(rig.links(), before);
    for id in ["n1", "n2", "n3"] {
        rig.delete(id).await.unwrap();
    }
    assert_eq!(rig.links(), before);
}

#[tokio::test(start_paused = true)]
async fn a_device_that_is_made_otherwise_is_refused() {
    let rig = Rig::new().await;
    foreign_vlan(&rig, "eth1.30", 30, VlanSettings { gvrp: Some(true), ..Default::default() }).await;
    let before = rig.links();
    for (key, value) in
        [("gvrp", "false"), ("mvrp", "true"), ("egress_qos", "1:2"), ("vlan_protocol", "802.1ad")]
    {
        let by_name = rig.create("n1", &[("host_iface", "eth1.30"), (key, value)]).await.unwrap_err();
        assert!(by_name.contains("eth1.30 exists with"), "{by_name}");
        let by_id =
            rig.create("n1", &[("host_iface", "eth1"), ("vlan", "30"), (key, value)]).await.unwrap_err();
        assert!(by_id.contains("eth1.30"), "{by_id}");
    }
    rig.create("n1", &[("host_iface", "eth1.30"), ("gvrp", "true")]).await.unwrap();
    assert_eq!(rig.links(), before);
}

#[tokio::test(start_paused = true)]
async fn names_that_contradict_each_other_are_refused() {
    let rig = Rig::new().await;
    for (host_iface, vlan, sentence) in [
        ("eth1.20", "30", "host_iface=eth1.20 already says VLAN 20, and vlan=30 says another"),
        ("eth1.100", "100.20", "for two tags say host_iface=eth1 and vlan=OUTER.INNER"),
        ("eth9", "20", "no interface named eth9 on this host: create it"),
        ("eth9.20", "20", "no interface named eth9.20 on this host (nor eth9 to put VLAN 20 on)"),
        ("lo", "20", "lo is the loopback device"),
    ] {
        let error = rig.create("n1", &[("host_iface", host_iface), ("vlan", vlan)]).await.unwrap_err();
        assert!(error.contains(sentence), "{error}");
    }
    let error = rig.create("n1", &[("host_iface", "eth1.1.2.3")]).await.unwrap_err();
    assert!(error.contains("eth1.1.2.3 would have 3 VLAN tags"), "{error}");
    let error = rig.create("n1", &[("host_iface", "eth1"), ("loose_binding", "true")]).await.unwrap_err();
    assert!(error.contains("loose_binding is for VLAN devices"), "{error}");
    assert_eq!(rig.links(), with(&[]));
}

#[tokio::test(start_paused = true)]
async fn alternative_names_and_renamed_devices_are_the_same_parent() {
    let rig = Rig::new().await;
    let eth1 = rig.kernel.link_by_name(&"eth1".parse().unwrap()).await.unwrap().unwrap().index;
    rig.kernel.update(eth1, |link| link.alternative_names.push("uplink-of-the-third-floor".to_owned()));
    rig.create("n1", &[("host_iface", "eth1")]).await.unwrap();
    let given = [("host_iface", "uplink-of-the-third-floor"), ("mode", "vepa")];
    let error = rig.create("n2", &given).await.unwrap_err();
    assert!(error.starts_with("eth1 is in use in mode bridge by network n1"), "{error}");
    rig.kernel.update(eth1, |link| link.name = "wan0".to_owned());
    assert!(rig.create("n2", &[("host_iface", "wan0"), ("mode", "vepa")]).await.is_err());
    rig.endpoint("0123456789abcdef", "n1", "10.0.0.2/24").await.unwrap();
    rig.join("0123456789abcdef", "n1").await.unwrap();
    rig.delete("n1").await.unwrap();
    rig.create("n2", &[("host_iface", "wan0"), ("mode", "vepa")]).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn long_bases_get_devices_of_their_own() {
    let rig = Rig::new().await;
    rig.kernel.add_device("enp130s0f1np1");
    rig.kernel.add_device("enp130s0f1np2");
    rig.create("n1", &[("host_iface", "enp130s0f1np1"), ("vlan", "4094")]).await.unwrap();
    rig.create("n2", &[("host_iface", "enp130s0f1np2.4094"), ("mode", "private")]).await.unwrap();
    assert_eq!(rig.links().len(), 6);
    let error =
        rig.create("n3", &[("host_iface", "enp130s0f1np1.4094"), ("mode", "vepa")]).await.unwrap_err();
    assert!(error.contains("by network n1"), "{error}");
    rig.delete("n1").await.unwrap();
    rig.delete("n2").await.unwrap();
    assert_eq!(rig.links().len(), 4);
}

#[tokio::test(start_paused = true)]
async fn unfit_parents_are_refused_at_create() {
    let rig = Rig::new().await;
    let index = |name: &str| {
        let (kernel, name) = (rig.kernel.clone(), name.parse().unwrap());
        async move { kernel.link_by_name(&name).await.unwrap().unwrap().index }
    };
    let bridge = rig.kernel.add_device("br0");
    let port_of = |controller_kind: &'static str| {
        move |link: &mut Link| {
            link.controller = Some(bridge);
            link.controller_kind = Some(controller_kind.to_owned());
        }
    };
    let eth1 = index("eth1").await;
    let eth2 = index("eth2").await;
    rig.kernel.update(eth1, port_of("bridge"));
    let error = rig.create("n1", &[("host_iface", "eth1")]).await.unwrap_err();
    assert_eq!(error, "eth1 is a port of br0, which takes all its frames: use br0 as the parent");
    rig.create("n1", &[("host_iface", "eth1"), ("vlan", "20")]).await.unwrap();
    rig.kernel.update(eth2, port_of("bond"));
    for vlan in [&[][..], &[("vlan", "20")][..]] {
        let given = [&[("host_iface", "eth2")], vlan].concat();
        let error = rig.create("n2", &given).await.unwrap_err();
        assert_eq!(error, "eth2 is a member of br0, which takes all its frames: use br0 as the parent");
    }
    let wlan = rig.kernel.add_device("wlan0");
    rig.kernel.update(wlan, |link| link.is_wifi = true);
    let error = rig.create("n2", &[("host_iface", "wlan0")]).await.unwrap_err();
    assert!(error.contains("Wi-Fi") && error.contains("mode=l2"), "{error}");
    rig.create("n2", &[("host_iface", "wlan0"), ("mode", "l2")]).await.unwrap();
    let error =
        rig.create("n3", &[("host_iface", "eth1"), ("vlan", "21"), ("mtu", "1501")]).await.unwrap_err();
    assert!(error.starts_with("mtu=1501 is more than the 1500 of the parent eth1.21"), "{error}");
    assert!(!rig.kernel.dump().contains("eth1.21"));
}

async fn foreign_child(rig: &Rig, name: &str, kind: impl Fn(LinkIndex) -> NewLinkKind) {
    let parent = rig.kernel.link_by_name(&"eth1".parse().unwrap()).await.unwrap().unwrap().index;
    let new =
        NewLink { name: name.parse().unwrap(), group: 0, mtu: None, mac: None, up: true, kind: kind(parent) };
    rig.kernel.add_link(&new).await.unwrap();
    rig.kernel.set_elsewhere(name, true);
}

#[tokio::test(start_paused = true)]
async fn what_hides_in_containers_is_found() {
    use crate::model::mode::{IpvlanFlag, IpvlanMode};
    let macvlan = |mode| move |parent| NewLinkKind::Macvlan { parent, mode, bcqueuelen: None };
    let ipvlan = |parent| NewLinkKind::Ipvlan { parent, mode: IpvlanMode::L3, flag: IpvlanFlag::Bridge };

    let rig = Rig::new().await;
    foreign_child(&rig, "native0", ipvlan).await;
    let before = rig.links();
    for mode in ["bridge", "passthru", "l2", "l3"] {
        let error = rig.create("n1", &[("host_iface", "eth1"), ("mode", mode)]).await.unwrap_err();
        assert!(error.starts_with("eth1 is in use by ipvlan interfaces"), "{error}");
    }
    assert_eq!(rig.links(), before);

    let rig = Rig::new().await;
    foreign_child(&rig, "native0", macvlan(MacvlanMode::Bridge)).await;
    for mode in ["passthru", "l2"] {
        let error = rig.create("n1", &[("host_iface", "eth1"), ("mode", mode)]).await.unwrap_err();
        assert!(error.starts_with("eth1 is in use by macvlan interfaces"), "{error}");
    }
    rig.create("n1", &[("host_iface", "eth1"), ("mode", "bridge")]).await.unwrap();

    let rig = Rig::new().await;
    foreign_child(&rig, "native0", macvlan(MacvlanMode::Passthru)).await;
    let error = rig.create("n1", &[("host_iface", "eth1")]).await.unwrap_err();
    assert!(error.starts_with("eth1 is in use by a macvlan interface in mode passthru"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_device_on_which_others_stand_is_left_and_given_up() {
    for stand in ["address", "automatic", "child", "hidden", "port"] {
        let rig = Rig::new().await;
        rig.create("n1", &[("host_iface", "eth1"), ("vlan", "20")]).await.unwrap();
        let vlan = rig.kernel.link_by_name(&"eth1.20".parse().unwrap()).await.unwrap().unwrap().index;
        let address = |automatic| LinkAddress { address: "192.0.2.1".parse().unwrap(), automatic };
        let kind = NewLinkKind::Macvlan { parent: vlan, mode: MacvlanMode::Bridge, bcqueuelen: None };
        let child =
            NewLink { name: "user0".parse().unwrap(), group: 0, mtu: None, mac: None, up: true, kind };
        match stand {
            "address" => rig.kernel.add_address(vlan, address(false)),
            "automatic" => rig.kernel.add_address(vlan, address(true)),
            "port" => rig.kernel.update(vlan, |link| link.controller = Some(LinkIndex(1))),
            _ => rig.kernel.add_link(&child).await.unwrap(),
        }
        rig.kernel.set_elsewhere("user0", stand == "hidden");
        rig.delete("n1").await.unwrap();
        let left = rig.links().into_iter().find(|line| line.starts_with("eth1.20"));
        match stand {
            "automatic" => assert_eq!(left, None),
            _ => assert_eq!(left.unwrap(), "eth1.20 vlan 802.1q 20 up mtu 1500 group 0 on eth1", "{stand}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_base_that_is_down_is_brought_up() {
    let rig = Rig::new().await;
    let eth1 = rig.kernel.link_by_name(&"eth1".parse().unwrap()).await.unwrap().unwrap().index;
    rig.kernel.update(eth1, |link| link.up = false);
    rig.create("n1", &[("host_iface", "eth1.20")]).await.unwrap();
    assert_eq!(rig.links(), with(&["eth1.20 vlan 802.1q 20 up mtu 1500 group 8021 on eth1"]));
}

#[tokio::test(start_paused = true)]
async fn internal_networks_get_a_dummy_of_their_own() {
    let rig = Rig::new().await;
    rig.driver.create_network(network("n1", &[], true)).await.unwrap();
    rig.driver.create_network(network("n1", &[], true)).await.unwrap();
    rig.driver.create_network(network("n2", &[("mode", "private")], true)).await.unwrap();
    assert_eq!(rig.links().iter().filter(|line| line.contains("dummy up mtu 1500 group 8021")).count(), 2);
    rig.delete("n1").await.unwrap();
    rig.delete("n2").await.unwrap();
    assert_eq!(rig.links(), with(&[]));
}

#[tokio::test(start_paused = true)]
async fn the_same_network_twice_is_one_and_another_content_is_refused() {
    let rig = Rig::new().await;
    rig.create("n1", &[("host_iface", "eth1.20")]).await.unwrap();
    rig.create("n1", &[("host_iface", "eth1.20")]).await.unwrap();
    let error = rig.create("n1", &[("host_iface", "eth1.21")]).await.unwrap_err();
    assert!(error.contains("exists already with other options"), "{error}");
    assert_eq!(rig.links(), with(&["eth1.20 vlan 802.1q 20 up mtu 1500 group 8021 on eth1"]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_networks_come_and_go_at_once() {
    let rig = Arc::new(Rig::new().await);
    let tasks: Vec<_> = (0..64)
        .map(|number| {
            let rig = Arc::clone(&rig);
            tokio::spawn(async move {
                let id = format!("n{number}");
                let vlan = (number % 8 + 1).to_string();
                let host_iface = if number % 2 == 0 { "eth1" } else { "eth2" };
                for _ in 0..5 {
                    rig.create(&id, &[("host_iface", host_iface), ("vlan", &vlan)]).await.unwrap();
                    rig.delete(&id).await.unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(rig.links(), with(&[]));
}

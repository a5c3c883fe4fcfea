//! The daemon dies between any two calls; the next one knows what it must and sweeps what nobody wants.

use super::*;
use crate::kernel::{NewLink, NewLinkKind};

const E1: &str = "15d75b4f4f6ba94568126c6c057911016a2bc3879dcb77fe2d0f16c1a88f5d02";

#[tokio::test(start_paused = true)]
async fn networks_and_endpoints_are_known_after_a_restart() {
    let rig = Rig::new().await;
    rig.create("n1", &[("host_iface", "eth1"), ("vlan", "20")]).await.unwrap();
    rig.create("n2", &[("host_iface", "eth1"), ("vlan", "30"), ("mode", "private")]).await.unwrap();
    let mac = rig.endpoint(E1, "n1", "10.0.0.2/24").await.unwrap();
    rig.kernel.unplug("eth1.30");
    let rig = rig.restart().await;
    assert!(rig.kernel.dump().contains("eth1.30 vlan 802.1q 30 up mtu 1500 group 8021 on eth1"));
    let error = rig.create("n3", &[("host_iface", "eth1.20"), ("mode", "vepa")]).await.unwrap_err();
    assert!(error.contains("in use in mode bridge by network n1"), "{error}");
    assert_eq!(rig.endpoint(E1, "n1", "10.0.0.2/24").await.unwrap(), mac);
    rig.join(E1, "n1").await.unwrap();
    rig.delete("n1").await.unwrap();
    rig.delete("n2").await.unwrap();
    assert_eq!(rig.links().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_foreign_vlan_is_still_foreign_after_a_restart() {
    let rig = Rig::new().await;
    rig.create("n1", &[("host_iface", "eth1.20")]).await.unwrap();
    let vlan = rig.kernel.link_by_name(&"eth1.20".parse().unwrap()).await.unwrap().unwrap().index;
    rig.kernel.update(vlan, |link| link.group = 0);
    let rig = rig.restart().await;
    rig.delete("n1").await.unwrap();
    assert!(rig.kernel.dump().contains("eth1.20"));
}

#[tokio::test(start_paused = true)]
async fn orphans_are_swept_and_others_are_left() {
    let rig = Rig::new().await;
    rig.create("n1", &[("host_iface", "eth1.100.20")]).await.unwrap();
    rig.endpoint(E1, "n1", "10.0.0.2/24").await.unwrap();
    rig.join(E1, "n1").await.unwrap();
    let eth2 = rig.kernel.link_by_name(&"eth2".parse().unwrap()).await.unwrap().unwrap().index;
    let tag = crate::model::vlan::VlanTag {
        protocol: crate::model::vlan::VlanProtocol::Dot1q,
        id: crate::model::vlan::VlanId::new(7).unwrap(),
    };
    let kinds = [
        NewLinkKind::Vlan { base: eth2, tag, settings: Default::default() },
        NewLinkKind::Macvlan {
            parent: eth2,
            mode: crate::model::mode::MacvlanMode::Bridge,
            bcqueuelen: None,
        },
        NewLinkKind::Dummy,
    ];
    for (number, kind) in kinds.into_iter().enumerate() {
        for (prefix, group) in [("orphan", GROUP), ("user", 0)] {
            let is_second_vlan = group == 0 && matches!(kind, NewLinkKind::Vlan { .. });
            if is_second_vlan {
                continue;
            }
            let name = format!("{prefix}{number}").parse().unwrap();
            let new = NewLink { name, group, mtu: None, mac: None, up: false, kind: kind.clone() };
            rig.kernel.add_link(&new).await.unwrap();
        }
    }
    let rig = rig.restart().await;
    let dump = rig.kernel.dump();
    assert!(!dump.contains("orphan"), "{dump}");
    for kept in ["user1", "user2", "eth1.100 ", "eth1.100.20 ", "tl15d75b4f4f6b "] {
        assert!(dump.contains(kept), "{kept} in\n{dump}");
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_swept_while_some_network_is_not_known() {
    let rig = Rig::new().await;
    rig.create("n1", &[("host_iface", "eth1.20")]).await.unwrap();
    rig.create("n2", &[("host_iface", "eth2.20")]).await.unwrap();
    let record = rig.directory.path().join("state/networks/n1.json");
    std::fs::write(&record, "{").unwrap();
    let rig = rig.restart().await;
    assert_eq!(rig.driver.network_count(), 1);
    assert!(
        rig.kernel.dump().contains("eth1.20"),
        "the device of the damaged record may have containers on it"
    );
}

#[tokio::test(start_paused = true)]
async fn a_network_whose_parent_is_away_waits() {
    let rig = Rig::new().await;
    rig.create("n1", &[("host_iface", "eth1.20")]).await.unwrap();
    rig.create("n2", &[("host_iface", "eth2")]).await.unwrap();
    rig.kernel.unplug("eth1");
    let rig = rig.restart().await;
    assert_eq!(rig.driver.network_count(), 2);
    rig.endpoint(E1, "n1", "10.0.0.2/24").await.unwrap();
    assert!(rig.join(E1, "n1").await.unwrap_err().contains("no interface named eth1.20"));
    rig.kernel.add_device("eth1");
    rig.join(E1, "n1").await.unwrap();
    rig.delete("n1").await.unwrap();
    assert_eq!(rig.links().len(), 2);
}

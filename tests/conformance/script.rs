//! The steps of a row, run on any kernel.
//!
//! A script is steps joined by `;`. Some are what an administrator or an engine does ([`Admin`]); the others are the
//! operations of [`Kernel`], and each of those says how it came out: `ok`, an errno, or what was seen.
//!
//! ```text
//! device p                     a physical device that is up
//! bridge b; port p b           a bridge; p becomes a port of it
//! down p; mtu p 1400           as with ip link set
//! address p 192.0.2.1/24       gives it an address
//! hide c                       moves it into a container
//! macvlan c p bridge [mtu=N] [mac=M] [group=N] [up]
//! ipvlan c p l2[,private] ..., vlan v p 20 [802.1ad] [gvrp=true] [egress=1:2] ..., dummy d ...
//! up c, delete c, group c 5, altname c long-name, look c, addresses c
//! in macvlan c p bridge ...    makes it right in a container
//! in name c d, in address c 192.0.2.2/24, in up c, in route c 0.0.0.0/0 [192.0.2.1], in delete c, in look c
//! ```

use std::collections::BTreeMap;

use trunkline::kernel::{
    Kernel, KernelError, Link, LinkIndex, LinkKind, NewLink, NewLinkKind, Refusal, Sandbox as _,
};
use trunkline::model::interface::{InterfaceAddress, InterfaceRoute};
use trunkline::model::mode::Mode;
use trunkline::model::qos::QosMap;
use trunkline::model::vlan::{VlanProtocol, VlanSettings, VlanTag};

/// What an administrator or an engine does to the links.
pub trait Admin {
    /// Makes a physical device that is up.
    fn device(&self, name: &str);
    /// Makes a bridge.
    fn bridge(&self, name: &str);
    /// Makes a device a port of a bridge.
    fn port(&self, name: &str, bridge: &str);
    /// Takes a link down.
    fn down(&self, name: &str);
    /// Sets an MTU.
    fn mtu(&self, name: &str, mtu: u32);
    /// Gives a link an address.
    fn address(&self, name: &str, address: &str);
    /// Moves a link into a container.
    fn hide(&self, name: &str);
    /// The path of a container's network namespace.
    fn container(&self) -> String;
}

/// Runs the steps of `script` and says how they came out.
pub async fn run<K: Kernel>(kernel: &K, admin: &impl Admin, script: &str) -> String {
    let mut run = Run { kernel, indices: BTreeMap::new() };
    run.remember("lo").await;
    let mut outcomes = Vec::new();
    for step in script.split(';') {
        let words: Vec<&str> = step.split_whitespace().collect();
        let outcome = match words[..] {
            ["device", name] => {
                admin.device(name);
                run.remember(name).await;
                continue;
            }
            ["bridge", name] => {
                admin.bridge(name);
                run.remember(name).await;
                continue;
            }
            ["port", name, bridge] => {
                admin.port(name, bridge);
                continue;
            }
            ["down", name] => {
                admin.down(name);
                continue;
            }
            ["mtu", name, mtu] => {
                admin.mtu(name, mtu.parse().expect("a number"));
                continue;
            }
            ["address", name, address] => {
                admin.address(name, address);
                continue;
            }
            ["hide", name] => {
                admin.hide(name);
                continue;
            }
            ["in", ref words @ ..] => run.inside(&admin.container(), words).await,
            ["up", name] => said(kernel.set_up(run.index(name)).await),
            ["delete", name] => said(kernel.delete_link(run.index(name)).await),
            ["group", name, group] => {
                said(kernel.set_group(run.index(name), group.parse().expect("a number")).await)
            }
            ["altname", name, other] => {
                let other = other.parse().expect("a name");
                said(kernel.add_alternative_name(run.index(name), &other).await)
            }
            ["addresses", name] => run.addresses(name).await,
            ["look", name] => run.look(name).await,
            ["macvlan" | "ipvlan" | "vlan" | "dummy", name, ..] => {
                let outcome = said(kernel.add_link(&run.new_link(&words)).await);
                if outcome == "ok" {
                    run.remember(name).await;
                }
                outcome
            }
            _ => panic!("no such step: {step}"),
        };
        outcomes.push(outcome);
    }
    outcomes.join("; ")
}

fn said(outcome: Result<(), KernelError>) -> String {
    match outcome {
        Ok(()) => "ok".to_owned(),
        Err(KernelError { refusal: Refusal::Errno(errno), .. }) => format!("{errno:?}"),
        Err(error) => error.to_string(),
    }
}

struct Run<'a, K> {
    kernel: &'a K,
    indices: BTreeMap<String, LinkIndex>,
}

impl<K: Kernel> Run<'_, K> {
    async fn find(&self, name: &str) -> Option<Link> {
        self.kernel.link_by_name(&name.parse().expect("a name")).await.expect("a look-up")
    }

    async fn remember(&mut self, name: &str) {
        let link = self.find(name).await.unwrap_or_else(|| panic!("{name} was not made"));
        self.indices.insert(name.to_owned(), link.index);
    }

    /// The index of a link that was made in this script; one that no link has for any other name.
    fn index(&self, name: &str) -> LinkIndex {
        self.indices.get(name).copied().unwrap_or(LinkIndex(999_999))
    }

    async fn addresses(&self, name: &str) -> String {
        let mut found: Vec<String> = self
            .kernel
            .addresses(self.index(name))
            .await
            .expect("addresses")
            .iter()
            .filter(|found| !found.automatic)
            .map(|found| found.address.to_string())
            .collect();
        found.sort();
        if found.is_empty() { "none".to_owned() } else { found.join(",") }
    }

    async fn look(&self, name: &str) -> String {
        let Some(link) = self.find(name).await else { return "none".to_owned() };
        let by_index = self.kernel.link_by_index(link.index).await.expect("a look-up");
        assert_eq!(by_index.as_ref(), Some(&link), "by name and by index are one");
        let listed = self.kernel.links().await.expect("a list");
        let same = listed.iter().find(|listed| listed.index == link.index).expect("it is listed");
        assert_eq!((&same.name, &same.kind, same.lower), (&link.name, &link.kind, link.lower));
        let on = link.lower.and_then(|lower| listed.iter().find(|listed| listed.index == lower));
        let on = on.map(|on| format!(" on {}", on.name)).unwrap_or_default();
        let up = if link.up { "up" } else { "down" };
        let kind = kind_text(&link);
        let port = if link.controller.is_some() { " port" } else { "" };
        format!("{} {kind} {up} {} group {}{on}{port}", link.name, link.mtu, link.group)
    }

    fn new_link(&self, words: &[&str]) -> NewLink {
        let setting = |key: &str| words.iter().find_map(|word| word.strip_prefix(key)?.strip_prefix('='));
        let parent = self.index(words.get(2).copied().unwrap_or_default());
        let kind = match words[0] {
            "dummy" => NewLinkKind::Dummy,
            "vlan" => NewLinkKind::Vlan {
                base: parent,
                tag: VlanTag {
                    protocol: match words.contains(&"802.1ad") {
                        true => VlanProtocol::Dot1ad,
                        false => VlanProtocol::Dot1q,
                    },
                    id: words[3].parse().expect("a VLAN id"),
                },
                settings: VlanSettings {
                    protocol: None,
                    gvrp: setting("gvrp").map(|value| value == "true"),
                    mvrp: setting("mvrp").map(|value| value == "true"),
                    loose_binding: setting("loose").map(|value| value == "true"),
                    reorder_hdr: setting("reorder").map(|value| value == "true"),
                    ingress_qos: setting("ingress").map(qos).unwrap_or_default(),
                    egress_qos: setting("egress").map(qos).unwrap_or_default(),
                },
            },
            _ => {
                let (word, flag) = words[3].split_once(',').unwrap_or((words[3], "bridge"));
                match word.parse().expect("a mode") {
                    Mode::Macvlan { mode } => NewLinkKind::Macvlan { parent, mode, bcqueuelen: None },
                    Mode::Ipvlan { mode, .. } => NewLinkKind::Ipvlan {
                        parent,
                        mode,
                        flag: trunkline::model::mode::lookup(
                            &trunkline::model::mode::IPVLAN_FLAG_WORDS,
                            flag,
                        )
                        .expect("a flag"),
                    },
                }
            }
        };
        NewLink {
            name: words[1].parse().expect("a name"),
            group: setting("group").map_or(8021, |group| group.parse().expect("a number")),
            mtu: setting("mtu").map(|mtu| mtu.parse().expect("an MTU")),
            mac: setting("mac").map(|mac| mac.parse().expect("a MAC")),
            up: words.contains(&"up"),
            kind,
        }
    }
}

impl<K: Kernel> Run<'_, K> {
    /// A step in a container.
    async fn inside(&self, path: &str, words: &[&str]) -> String {
        let sandbox = self.kernel.enter(path).await.expect("a container");
        if let ["macvlan" | "ipvlan", ..] = words {
            return said(self.kernel.add_link_in(&sandbox, &self.new_link(words)).await);
        }
        let view = sandbox.look().await.expect("a look");
        let found = words.get(1).and_then(|name| view.links.iter().find(|link| link.name == *name));
        let Some(link) = found else { return "none".to_owned() };
        match words {
            ["address", _, address] => {
                let address = InterfaceAddress::as_given(address.parse().expect("an address"));
                said(sandbox.add_address(link.index, &address).await)
            }
            ["up", _] => said(sandbox.set_up(link.index).await),
            ["route", _, to, via @ ..] => {
                let via = via.first().map(|via| via.parse().expect("an address"));
                let route = InterfaceRoute::as_given(to.parse().expect("a destination"), via);
                said(sandbox.add_route(link.index, &route).await)
            }
            ["name", _, name] => said(sandbox.rename(link.index, &name.parse().expect("a name")).await),
            ["delete", _] => said(sandbox.delete_link(link.index).await),
            ["look", name] => {
                let on = link.parent.and_then(|on| self.indices.iter().find(|(_, index)| **index == on));
                let mut said = vec![(*name).to_owned(), if link.up { "up" } else { "down" }.to_owned()];
                said.extend(on.map(|(on, _)| format!("on {on}")));
                said.extend(link.addresses.iter().map(|address| address.address.to_string()));
                for route in &link.routes {
                    let via = route.gateway.map(|via| format!(" via {via}")).unwrap_or_default();
                    said.push(format!("to {}{via}", route.destination));
                }
                said.join(" ")
            }
            _ => panic!("no such step: in {words:?}"),
        }
    }
}

fn qos(text: &str) -> QosMap {
    text.parse().expect("a map")
}

fn kind_text(link: &Link) -> String {
    match &link.kind {
        LinkKind::Macvlan(Some(mode)) => format!("macvlan {}", Mode::Macvlan { mode: *mode }),
        LinkKind::Ipvlan(Some((mode, flag))) => {
            format!("ipvlan {}", Mode::Ipvlan { mode: *mode, flag: *flag }).replace("ipvlan_flag=", "")
        }
        LinkKind::Vlan { tag, flags, ingress_qos, egress_qos } => {
            let mut text = format!("vlan {} {}", tag.protocol, tag.id);
            for (word, on) in [
                ("gvrp", flags.gvrp),
                ("mvrp", flags.mvrp),
                ("loose", flags.loose_binding),
                ("reorder", flags.reorder_hdr),
            ] {
                if on {
                    text = format!("{text} {word}");
                }
            }
            for (word, map) in [("ingress", ingress_qos), ("egress", egress_qos)] {
                if !map.is_empty() {
                    text = format!("{text} {word}={map}");
                }
            }
            text
        }
        LinkKind::Dummy => "dummy".to_owned(),
        LinkKind::Loopback => "loopback".to_owned(),
        // Physical devices are veth ends in the tests on the real kernel.
        _ => "device".to_owned(),
    }
}

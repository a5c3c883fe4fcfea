//! What engine and administrator do, as words: `create n1 host_iface=eth1 vlan=20; endpoint e1 n1; join e1 n1`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use serde_json::{Map, Value, json};

use super::common::network;
use super::world::{Outcome, World, call, wait_for};

/// The id of an endpoint, whose link is then named `tl` and its first twelve digits.
pub fn endpoint_id(name: &str) -> String {
    name.repeat(64 / name.len())
}

/// The name of an endpoint's link.
pub fn link_name(name: &str) -> String {
    format!("tl{}", &endpoint_id(name)[..12])
}

/// The body of CreateNetwork, with `key=value` options.
pub fn network_body(id: &str, options: &[&str]) -> Value {
    let pairs = options.iter().map(|option| option.split_once('=').expect("key=value"));
    let options: Map<String, Value> = pairs.map(|(key, value)| (key.to_owned(), value.into())).collect();
    network(id, &options.into())
}

/// The body of CreateEndpoint, which serves for the other calls of an endpoint as well.
pub fn endpoint_body(id: &str, network: &str, address: &str) -> Value {
    let interface = json!({"Address": address, "AddressIPv6": "", "MacAddress": ""});
    json!({"NetworkID": network, "EndpointID": id, "Interface": interface, "SandboxKey": "/nowhere", "Options": {}})
}

/// Takes a step. `fetch EP` moves a link into the world's container, as an engine does; `unplug` takes eth1
/// away, `plug` brings it back and waits for what follows. `create NET KEY=VALUE...`, `internal NET`, `delete NET`, `endpoint EP NET`, `join EP NET`,
/// `leave EP NET`, `unjoin EP NET` (DeleteEndpoint) are calls. `ip ...` is the administrator's. `stop` kills the daemon,
/// `start` starts one (and kills that which is there), `forget` removes its directories; `cut NET` damages a record and
/// `begin NET` leaves one half-written, as a power failure could.
pub fn take(world: &mut World, step: &str) -> Outcome {
    let done = Outcome::Answered(json!({}));
    let words: Vec<&str> = step.split(' ').collect();
    let (method, body) = match words[..] {
        ["create", id, ref options @ ..] => ("CreateNetwork", network_body(id, options)),
        ["internal", id] => {
            let mut body = network_body(id, &[]);
            body["Options"]["com.docker.network.internal"] = true.into();
            ("CreateNetwork", body)
        }
        ["delete", id] => ("DeleteNetwork", json!({"NetworkID": id})),
        [verb, name, network] if verb != "ip" => {
            let method = match verb {
                "endpoint" => "CreateEndpoint",
                "join" => "Join",
                "leave" => "Leave",
                "unjoin" => "DeleteEndpoint",
                _ => panic!("{step}"),
            };
            let host = 1 + name[1..].parse::<u8>().expect("a letter and a digit");
            let mut body = endpoint_body(&endpoint_id(name), network, &format!("10.0.0.{host}/24"));
            if let Some(container) = &world.container {
                body["SandboxKey"] = container.path().into();
            }
            (method, body)
        }
        ["fetch", name] => {
            let container = world.container.as_ref().expect("a container");
            let link = link_name(name);
            world.namespace.ip(&format!("link set {link} netns {} name eth0", container.holder()));
            for line in
                ["addr add 10.0.0.2/24 dev eth0", "link set eth0 up", "route add default via 10.0.0.1"]
            {
                container.ip(line);
            }
            return done;
        }
        ["unplug"] => {
            world.namespace.ip("link del eth1");
            return done;
        }
        ["plug"] => return plug(world),
        ["ip", ..] => {
            world.namespace.ip(&step[3..]);
            return done;
        }
        ["stop"] => {
            world.kill();
            return done;
        }
        ["start"] => {
            world.kill();
            world.spawn();
            return if world.listens() { done } else { Outcome::Lost };
        }
        ["forget"] => {
            for directory in ["state", "run", "plugins"] {
                fs::remove_dir_all(world.path(directory)).expect("removed");
            }
            return done;
        }
        ["cut", id] => {
            fs::write(world.path(&format!("state/networks/{id}.json")), "{\"vers").expect("written");
            return done;
        }
        ["begin", id] => {
            fs::write(world.path(&format!("state/networks/{id}.tmp")), "{\"vers").expect("written");
            return done;
        }
        _ => panic!("{step}"),
    };
    call(&world.socket(), method, &body)
}

/// The parent comes back, if it is not there; done when the container has its interface back, and that is on record.
fn plug(world: &mut World) -> Outcome {
    if world.namespace.try_ip("link add eth1 address 02:00:00:00:00:00 type veth peer name far1") {
        world.namespace.ip("link set far1 address 02:00:00:00:00:02 up");
        world.namespace.ip("link set eth1 up");
    }
    let parent = world.namespace.link("eth1")["ifindex"].to_string();
    let record = world.path(&format!("run/endpoints/{}.json", endpoint_id("e1")));
    let mut died = false;
    wait_for("the interface to come back", || {
        died = world.is_dead();
        let is_recorded = || {
            let text = fs::read_to_string(&record).unwrap_or_default();
            text.contains(&format!("\"parent\":{parent},")) && text.contains("\"restored\":true")
        };
        died || is_recorded()
    });
    if died { Outcome::Lost } else { Outcome::Answered(json!({})) }
}

/// What an engine was told is there.
#[derive(Debug, Default)]
pub struct Acknowledged {
    /// Networks, and the step that made each.
    pub networks: BTreeMap<String, String>,
    pub endpoints: BTreeSet<String>,
    /// Those whose link is in the host, as the engine has not fetched it.
    pub joined: BTreeSet<String>,
}

impl Acknowledged {
    /// By these steps, which were all answered.
    pub fn by(steps: &[&str]) -> Self {
        let mut all = Self::default();
        for step in steps {
            let words: Vec<&str> = step.split(' ').collect();
            match words[..] {
                ["create" | "internal", id, ..] => {
                    all.networks.insert(id.to_owned(), (*step).to_owned());
                }
                ["delete" | "cut", id] => all.without_network(id),
                ["endpoint", name, _] => {
                    all.endpoints.insert(name.to_owned());
                }
                ["join", name, _] => {
                    all.joined.insert(name.to_owned());
                }
                ["unjoin", name, _] => all.without_endpoint(name),
                ["fetch", name] => {
                    all.joined.remove(name);
                }
                ["forget"] => all = Self::default(),
                _ => {}
            }
        }
        all
    }

    /// Less what a step that was not answered may have taken away already.
    pub fn during(mut self, step: &str) -> Self {
        match step.split(' ').collect::<Vec<_>>()[..] {
            ["delete", id] => {
                self.without_network(id);
                // The endpoints go before their network.
                self.endpoints.clear();
                self.joined.clear();
            }
            ["unjoin", name, _] => self.without_endpoint(name),
            _ => {}
        }
        self
    }

    fn without_network(&mut self, id: &str) {
        self.networks.remove(id);
    }

    fn without_endpoint(&mut self, name: &str) {
        self.endpoints.remove(name);
        self.joined.remove(name);
    }
}

//! From a path and a body to one call, checked; everything behind this file deals in checked values.

use std::collections::BTreeMap;

use ipnetwork::IpNetwork;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use thiserror::Error;

use super::wire;
use crate::driver::{NewEndpoint, NewNetwork};
use crate::model::address::{AddressPool, AddressPools};
use crate::model::ids::{EndpointId, IdError, NetworkId};
use crate::model::link_name::{LinkName, LinkNameError};
use crate::model::mac::{MacAddress, MacError};
use crate::model::options::{NetworkOptions, OptionError};

/// Where the engine puts what the user said with `-o`.
const GENERIC: &str = "com.docker.network.generic";
/// Whether the network is cut off from the outside.
const INTERNAL: &str = "com.docker.network.internal";
/// The name the user wants for the interface in the container.
const IFNAME: &str = "com.docker.network.endpoint.ifname";

/// Everything an engine can ask.
#[derive(Debug, Clone, PartialEq)]
pub enum Call {
    /// Which plugin interfaces there are.
    Activate,
    /// What the driver can do.
    GetCapabilities,
    /// Whether the engine is to invent gateways.
    GwAllocCheck,
    /// A network comes.
    CreateNetwork(NewNetwork),
    /// A network goes.
    DeleteNetwork(NetworkId),
    /// An endpoint comes.
    CreateEndpoint(NewEndpoint),
    /// An endpoint goes.
    DeleteEndpoint(EndpointId),
    /// What there is to say about an endpoint.
    EndpointOperInfo,
    /// A container is about to have its interface.
    Join {
        /// On this network.
        network: NetworkId,
        /// By this endpoint.
        endpoint: EndpointId,
        /// The path of its network namespace.
        sandbox: Option<String>,
    },
    /// A container is about to lose its interface.
    Leave(EndpointId),
    /// Ports are to be published, or not any more: macvlan and ipvlan have none to publish.
    ExternalConnectivity,
    /// A swarm node came or went.
    Discovery,
    /// Only for drivers of global scope.
    AllocateNetwork,
    /// Only for drivers of global scope.
    FreeNetwork,
    /// How things are: asked by `trunkline status`, not by an engine.
    Status,
}

/// The name of a call, as it stands in the path.
#[derive(Debug, Clone, Copy)]
pub struct Method {
    /// `NetworkDriver.Join`.
    pub name: &'static str,
    parse: fn(&[u8]) -> Result<Call, CallError>,
}

/// Every method there is.
const METHODS: &[Method] = &[
    Method { name: "Plugin.Activate", parse: |_| Ok(Call::Activate) },
    Method { name: "NetworkDriver.GetCapabilities", parse: |_| Ok(Call::GetCapabilities) },
    Method { name: "NetworkDriver.GwAllocCheck", parse: gw_alloc_check },
    Method { name: "NetworkDriver.CreateNetwork", parse: create_network },
    Method { name: "NetworkDriver.DeleteNetwork", parse: |body| network_id(body).map(Call::DeleteNetwork) },
    Method { name: "NetworkDriver.CreateEndpoint", parse: create_endpoint },
    Method {
        name: "NetworkDriver.DeleteEndpoint",
        parse: |body| endpoint_id(body).map(Call::DeleteEndpoint),
    },
    Method {
        name: "NetworkDriver.EndpointOperInfo",
        parse: |body| endpoint_id(body).map(|_| Call::EndpointOperInfo),
    },
    Method { name: "NetworkDriver.Join", parse: join },
    Method { name: "NetworkDriver.Leave", parse: |body| endpoint_id(body).map(Call::Leave) },
    Method { name: "NetworkDriver.ProgramExternalConnectivity", parse: external },
    Method { name: "NetworkDriver.RevokeExternalConnectivity", parse: external },
    Method { name: "NetworkDriver.DiscoverNew", parse: discovery },
    Method { name: "NetworkDriver.DiscoverDelete", parse: discovery },
    Method {
        name: "NetworkDriver.AllocateNetwork",
        parse: |body| object(body).map(|_| Call::AllocateNetwork),
    },
    Method { name: "NetworkDriver.FreeNetwork", parse: |body| object(body).map(|_| Call::FreeNetwork) },
    Method { name: "Trunkline.Status", parse: |_| Ok(Call::Status) },
];

/// Why a body is not the call that its path says.
#[derive(Debug, Error)]
pub enum CallError {
    /// Nothing was sent, as an engine does when it repeats a call whose connection broke.
    #[error("the request has no body: if a connection broke, repeat the command")]
    EmptyBody,
    /// Not JSON, or not of the right shape.
    #[error("the request's body cannot be read: {0}")]
    Json(serde_json::Error),
    /// An id that is none.
    #[error("{field}: {source}")]
    Id {
        /// The field.
        field: &'static str,
        /// What is wrong with it.
        source: IdError,
    },
    /// An address or subnet that is none.
    #[error("{field}: {text:?} is not an address with a prefix length")]
    Address {
        /// The field.
        field: &'static str,
        /// What was sent.
        text: String,
    },
    /// A MAC that is none.
    #[error(transparent)]
    Mac(#[from] MacError),
    /// A name for the interface that is none.
    #[error("{IFNAME}: {0}")]
    IfName(LinkNameError),
    /// What the user said is refused.
    #[error(transparent)]
    Options(#[from] OptionError),
    /// `-o` values are strings.
    #[error("option {key} has a value that is not a text")]
    OptionType {
        /// The key.
        key: String,
    },
}

impl Method {
    /// The method that a path names.
    pub fn of_path(path: &str) -> Option<Self> {
        let name = path.strip_prefix('/')?;
        METHODS.iter().copied().find(|method| method.name == name)
    }

    /// Reads the body.
    ///
    /// # Errors
    /// When it is empty where it must not be, not JSON, or holds something that is not what it should be.
    pub fn parse(&self, body: &[u8]) -> Result<Call, CallError> {
        (self.parse)(body)
    }
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, CallError> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Err(CallError::EmptyBody);
    }
    serde_json::from_slice(body).map_err(CallError::Json)
}

fn object(body: &[u8]) -> Result<Map<String, Value>, CallError> {
    read(body)
}

fn network_id(body: &[u8]) -> Result<NetworkId, CallError> {
    let request: wire::NetworkRequest = read(body)?;
    request.network_id.parse().map_err(|source| CallError::Id { field: "NetworkID", source })
}

fn endpoint_id(body: &[u8]) -> Result<EndpointId, CallError> {
    let request: wire::EndpointRequest = read(body)?;
    request.endpoint_id.parse().map_err(|source| CallError::Id { field: "EndpointID", source })
}

fn discovery(body: &[u8]) -> Result<Call, CallError> {
    read::<wire::DiscoveryRequest>(body).map(|_| Call::Discovery)
}

fn external(body: &[u8]) -> Result<Call, CallError> {
    endpoint_id(body).map(|_| Call::ExternalConnectivity)
}

fn gw_alloc_check(body: &[u8]) -> Result<Call, CallError> {
    read::<wire::GwAllocCheckRequest>(body).map(|_| Call::GwAllocCheck)
}

fn join(body: &[u8]) -> Result<Call, CallError> {
    let request: wire::EndpointRequest = read(body)?;
    Ok(Call::Join {
        network: request.network_id.parse().map_err(|source| CallError::Id { field: "NetworkID", source })?,
        endpoint: request
            .endpoint_id
            .parse()
            .map_err(|source| CallError::Id { field: "EndpointID", source })?,
        sandbox: Some(request.sandbox_key).filter(|path| !path.is_empty()),
    })
}

fn create_network(body: &[u8]) -> Result<Call, CallError> {
    let request: wire::CreateNetworkRequest = read(body)?;
    let id = request.network_id.parse().map_err(|source| CallError::Id { field: "NetworkID", source })?;
    let pools = request.ipv4_data.iter().chain(&request.ipv6_data).map(pool);
    let pools: AddressPools = pools.collect::<Result<Vec<_>, _>>()?.into_iter().collect();
    let options = NetworkOptions::parse(&generic_options(&request.options)?)?;
    Ok(Call::CreateNetwork(NewNetwork {
        id,
        options,
        internal: is_true(request.options.get(INTERNAL)),
        pools,
    }))
}

/// What the user said, as strings. Engines send strings; a client that sends a bare number or boolean means the same.
fn generic_options(options: &Map<String, Value>) -> Result<BTreeMap<String, String>, CallError> {
    let said = match options.get(GENERIC) {
        None | Some(Value::Null) => return Ok(BTreeMap::new()),
        Some(Value::Object(said)) => said,
        Some(_) => return Err(CallError::OptionType { key: GENERIC.to_owned() }),
    };
    let text = |(key, value): (&String, &Value)| match value {
        Value::String(text) => Ok((key.clone(), text.clone())),
        Value::Number(_) | Value::Bool(_) => Ok((key.clone(), value.to_string())),
        _ => Err(CallError::OptionType { key: key.clone() }),
    };
    said.iter().map(text).collect()
}

fn is_true(value: Option<&Value>) -> bool {
    match value {
        Some(Value::Bool(flag)) => *flag,
        Some(Value::String(text)) => text == "true",
        _ => false,
    }
}

fn pool(data: &wire::IpamData) -> Result<AddressPool, CallError> {
    Ok(AddressPool {
        subnet: cidr("Pool", &data.pool)?,
        gateway: optional_cidr("Gateway", &data.gateway)?.map(|gateway| gateway.ip()),
    })
}

fn cidr(field: &'static str, text: &str) -> Result<IpNetwork, CallError> {
    text.parse().map_err(|_| CallError::Address { field, text: text.chars().take(80).collect() })
}

fn optional_cidr(field: &'static str, text: &str) -> Result<Option<IpNetwork>, CallError> {
    if text.is_empty() { Ok(None) } else { cidr(field, text).map(Some) }
}

fn create_endpoint(body: &[u8]) -> Result<Call, CallError> {
    let request: wire::CreateEndpointRequest = read(body)?;
    let interface = request.interface;
    let mac = Some(interface.mac_address).filter(|text| !text.is_empty());
    let ifname = match request.options.get(IFNAME) {
        Some(Value::String(name)) if !name.is_empty() => {
            Some(name.parse::<LinkName>().map_err(CallError::IfName)?)
        }
        _ => None,
    };
    Ok(Call::CreateEndpoint(NewEndpoint {
        id: request.endpoint_id.parse().map_err(|source| CallError::Id { field: "EndpointID", source })?,
        network: request.network_id.parse().map_err(|source| CallError::Id { field: "NetworkID", source })?,
        address: optional_cidr("Address", &interface.address)?,
        address_v6: optional_cidr("AddressIPv6", &interface.address_ipv6)?,
        mac: mac.map(|text| text.parse::<MacAddress>()).transpose()?,
        ifname,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(method: &str, body: &str) -> Result<Call, CallError> {
        Method::of_path(&format!("/NetworkDriver.{method}")).unwrap().parse(body.as_bytes())
    }

    #[test]
    fn nothing_null_and_empty_are_the_same() {
        let whole =
            r#"{"NetworkID":"n1","Options":{"com.docker.network.generic":{}},"IPv4Data":[],"IPv6Data":[]}"#;
        let nulls = r#"{"NetworkID":"n1","Options":{"com.docker.network.generic":null},"IPv4Data":null,"IPv6Data":null}"#;
        let calls: Vec<_> =
            [whole, nulls, r#"{"NetworkID":"n1","Options":null}"#, r#"{"NetworkID":"n1","New":1}"#]
                .iter()
                .map(|body| parse("CreateNetwork", body).unwrap())
                .collect();
        assert!(calls.windows(2).all(|pair| pair[0] == pair[1]));
    }

    #[test]
    fn what_cannot_be_read_is_said() {
        for (method, body, sentence) in [
            ("Join", "", "the request has no body"),
            ("Join", " \n", "the request has no body"),
            ("Join", "{", "cannot be read"),
            ("Join", "[]", "EndpointID"),
            ("Join", "{}", "NetworkID"),
            ("DeleteNetwork", r#"{"NetworkID":"../x"}"#, "is not an id"),
            ("CreateNetwork", r#"{"NetworkID":"n","IPv4Data":[{"Pool":"x"}]}"#, "Pool: \"x\""),
            (
                "CreateNetwork",
                r#"{"NetworkID":"n","Options":{"com.docker.network.generic":{"vlan":[]}}}"#,
                "option vlan",
            ),
            (
                "CreateNetwork",
                r#"{"NetworkID":"n","Options":{"com.docker.network.generic":{"vlam":"1"}}}"#,
                "did you mean vlan",
            ),
            (
                "CreateEndpoint",
                r#"{"NetworkID":"n","EndpointID":"e","Interface":{"MacAddress":"01:00:00:00:00:00"}}"#,
                "multicast",
            ),
        ] {
            let error = parse(method, body).unwrap_err().to_string();
            assert!(error.contains(sentence) || method == "Join" && body == "[]", "{method} {body}: {error}");
        }
    }

    #[test]
    fn every_method_of_the_protocol_is_there() {
        for name in
            ["Plugin.Activate", "NetworkDriver.RevokeExternalConnectivity", "NetworkDriver.DiscoverDelete"]
        {
            assert!(Method::of_path(&format!("/{name}")).is_some());
        }
        for wrong in [
            "",
            "/",
            "NetworkDriver.Join",
            "/NetworkDriver.join",
            "/NetworkDriver.Join/",
            "/Plugin.Deactivate",
        ] {
            assert!(Method::of_path(wrong).is_none(), "{wrong}");
        }
    }
}

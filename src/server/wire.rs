//! The JSON bodies of the plugin protocol, as engines send and expect them (moby's
//! daemon/libnetwork/drivers/remote/api, and what shared recordings show).
//!
//! Dumb on purpose: strings stay strings, and what they mean is checked in [`super::call`]. Lenient, because a program
//! sent them: unknown fields are passed over, and null, absent and empty mean the same (Go's nil).

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

/// Reads null as the type's empty value.
fn nullable<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(from: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or_default())
}

/// The body of CreateNetwork.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct CreateNetworkRequest {
    /// The engine's id.
    #[serde(rename = "NetworkID", deserialize_with = "nullable")]
    pub network_id: String,
    /// Flags of the engine, and under `com.docker.network.generic` what the user said with `-o`.
    #[serde(deserialize_with = "nullable")]
    pub options: Map<String, Value>,
    /// IPv4 subnets.
    #[serde(rename = "IPv4Data", deserialize_with = "nullable")]
    pub ipv4_data: Vec<IpamData>,
    /// IPv6 subnets.
    #[serde(rename = "IPv6Data", deserialize_with = "nullable")]
    pub ipv6_data: Vec<IpamData>,
}

/// One subnet.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct IpamData {
    /// Whose subnet it is; `null` for null IPAM.
    #[serde(deserialize_with = "nullable")]
    pub address_space: String,
    /// The subnet, as a CIDR.
    #[serde(deserialize_with = "nullable")]
    pub pool: String,
    /// The gateway, as a CIDR; empty when there is none.
    #[serde(deserialize_with = "nullable", skip_serializing_if = "String::is_empty")]
    pub gateway: String,
    /// Addresses that are taken, by the user's names for them.
    #[serde(deserialize_with = "nullable", skip_serializing_if = "BTreeMap::is_empty")]
    pub aux_addresses: BTreeMap<String, String>,
}

/// The body of GwAllocCheck (v28 on): the options of a network that may come.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct GwAllocCheckRequest {
    /// As in CreateNetwork.
    #[serde(deserialize_with = "nullable")]
    pub options: Map<String, Value>,
}

/// The body of DeleteNetwork and FreeNetwork.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct NetworkRequest {
    /// The engine's id.
    #[serde(rename = "NetworkID", deserialize_with = "nullable")]
    pub network_id: String,
}

/// The addresses of an endpoint, in the request and in the answer.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct EndpointInterface {
    /// IPv4, as a CIDR.
    #[serde(deserialize_with = "nullable", skip_serializing_if = "String::is_empty")]
    pub address: String,
    /// IPv6, as a CIDR.
    #[serde(rename = "AddressIPv6", deserialize_with = "nullable", skip_serializing_if = "String::is_empty")]
    pub address_ipv6: String,
    /// The MAC.
    #[serde(deserialize_with = "nullable", skip_serializing_if = "String::is_empty")]
    pub mac_address: String,
}

/// The body of CreateEndpoint.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct CreateEndpointRequest {
    /// The network's id.
    #[serde(rename = "NetworkID", deserialize_with = "nullable")]
    pub network_id: String,
    /// The endpoint's id.
    #[serde(rename = "EndpointID", deserialize_with = "nullable")]
    pub endpoint_id: String,
    /// What it is to have.
    #[serde(deserialize_with = "nullable")]
    pub interface: EndpointInterface,
    /// Ports, and the user's `--driver-opt`s, in one flat map.
    #[serde(deserialize_with = "nullable")]
    pub options: Map<String, Value>,
}

/// The body of Join and, without the sandbox, of Program- and RevokeExternalConnectivity, Leave, DeleteEndpoint and
/// EndpointOperInfo.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct EndpointRequest {
    /// The network's id.
    #[serde(rename = "NetworkID", deserialize_with = "nullable")]
    pub network_id: String,
    /// The endpoint's id.
    #[serde(rename = "EndpointID", deserialize_with = "nullable")]
    pub endpoint_id: String,
    /// The path of the container's network namespace.
    #[serde(deserialize_with = "nullable", skip_serializing_if = "String::is_empty")]
    pub sandbox_key: String,
    /// Ports and the engine's flags.
    #[serde(deserialize_with = "nullable", skip_serializing_if = "Map::is_empty")]
    pub options: Map<String, Value>,
}

/// The body of DiscoverNew and DiscoverDelete: another node of a swarm.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct DiscoveryRequest {
    /// 1 for a node.
    #[serde(deserialize_with = "nullable")]
    pub discovery_type: i64,
    /// What is known of it.
    #[serde(deserialize_with = "nullable")]
    pub discovery_data: Value,
}

/// The answer of Plugin.Activate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ActivateResponse {
    /// `NetworkDriver`.
    pub implements: Vec<String>,
}

/// The answer of GetCapabilities.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct CapabilitiesResponse {
    /// `local`: the networks of this host are this host's own.
    pub scope: String,
    /// `global`: containers are reached from other hosts.
    pub connectivity_scope: String,
    /// Whether GwAllocCheck is understood.
    pub gw_alloc_checker: bool,
}

/// The answer of GwAllocCheck.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GwAllocCheckResponse {
    /// Whether the engine is to invent no IPv4 gateway.
    #[serde(rename = "SkipIPv4")]
    pub skip_ipv4: bool,
    /// Whether the engine is to invent no IPv6 gateway.
    #[serde(rename = "SkipIPv6")]
    pub skip_ipv6: bool,
}

/// The answer of CreateEndpoint.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct CreateEndpointResponse {
    /// What was chosen. A field that the request had must stay empty here, even with the same value.
    pub interface: EndpointInterface,
}

/// The answer of EndpointOperInfo.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct OperInfoResponse {
    /// Nothing: engines do not show it.
    pub value: Map<String, Value>,
}

/// The names of the container's interface.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct InterfaceName {
    /// In the host, where the engine fetches it.
    pub src_name: String,
    /// The start of its name in the container.
    pub dst_prefix: String,
    /// Its whole name in the container; engines before 29.7 drop it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub dst_name: String,
}

/// A route for the container.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct StaticRoute {
    /// As a CIDR.
    pub destination: String,
    /// 0: by way of the next hop; 1: straight out of the interface.
    pub route_type: u8,
    /// The next hop's address; empty for type 1.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub next_hop: String,
}

/// The answer of Join.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct JoinResponse {
    /// The names of the interface.
    pub interface_name: InterfaceName,
    /// A bare address; the engine takes a CIDR for an error.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub gateway: String,
    /// A bare address.
    #[serde(rename = "GatewayIPv6", skip_serializing_if = "String::is_empty")]
    pub gateway_ipv6: String,
    /// Further routes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub static_routes: Vec<StaticRoute>,
    /// Always true: false gives a container without gateway a second interface on a bridge of the engine's.
    pub disable_gateway_service: bool,
}

/// Any refusal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ErrorResponse {
    /// The sentence that the user sees.
    pub err: String,
}

/// The answer that says nothing but that it went well.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct EmptyResponse {}

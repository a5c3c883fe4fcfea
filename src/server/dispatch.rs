//! One call, one method of the driver, one answer.

use std::sync::Arc;

use ipnetwork::IpNetwork;
use serde_json::Value;

use super::call::Call;
use super::wire;
use crate::driver::{Creation, Driver, DriverError, Joined};
use crate::kernel::Kernel;

/// The type of a route straight out of the interface (`types.CONNECTED`, moby's daemon/libnetwork/types).
const CONNECTED: u8 = 1;

/// An answer's body. Every answer type is a plain struct, so this does not fail; if it ever did, the engine would
/// rather see an empty object than nothing.
fn body(answer: impl serde::Serialize) -> Value {
    serde_json::to_value(answer).unwrap_or_else(|_| Value::Object(serde_json::Map::new()))
}

/// What a call came to.
#[derive(Debug)]
pub(super) struct Done {
    /// The answer's body.
    pub(super) answer: Value,
    /// The call that takes back what this one made, for when the answer comes too late for the engine to know of it.
    pub(super) undo: Option<Call>,
}

/// Does what the call asks. An error is the sentence for the user.
pub(super) async fn dispatch<K: Kernel>(driver: &Arc<Driver<K>>, call: Call) -> Result<Done, String> {
    let empty = || body(wire::EmptyResponse {});
    let sentence = |error: DriverError| error.to_string();
    let mut undo = None;
    let answer = match call {
        Call::Activate => body(wire::ActivateResponse { implements: vec!["NetworkDriver".to_owned()] }),
        Call::GetCapabilities => body(wire::CapabilitiesResponse {
            scope: "local".to_owned(),
            connectivity_scope: "global".to_owned(),
            gw_alloc_checker: true,
        }),
        // The engine keeps a gateway that the user gave; one that nobody asked for would take an address that may be
        // in use on the VLAN, and lead nowhere.
        Call::GwAllocCheck => body(wire::GwAllocCheckResponse { skip_ipv4: true, skip_ipv6: true }),
        Call::CreateNetwork(new) => {
            let id = new.id.clone();
            let creation = driver.create_network(new).await.map_err(sentence)?;
            undo = (creation == Creation::New).then_some(Call::DeleteNetwork(id));
            empty()
        }
        Call::DeleteNetwork(id) => driver.delete_network(&id).await.map(|()| empty()).map_err(sentence)?,
        Call::CreateEndpoint(new) => {
            let id = new.id.clone();
            let chosen = driver.create_endpoint(new).await.map_err(sentence)?;
            undo = (chosen.creation == Creation::New).then_some(Call::DeleteEndpoint(id));
            let mac_address = chosen.mac.map(|mac| mac.to_string()).unwrap_or_default();
            let interface = wire::EndpointInterface { mac_address, ..Default::default() };
            body(wire::CreateEndpointResponse { interface })
        }
        Call::DeleteEndpoint(id) => driver.delete_endpoint(&id).await.map(|()| empty()).map_err(sentence)?,
        Call::EndpointOperInfo => body(wire::OperInfoResponse::default()),
        Call::Join { network, endpoint, sandbox } => {
            body(join_response(driver.join(&network, &endpoint, sandbox).await.map_err(sentence)?))
        }
        Call::Leave(id) => {
            driver.leave(&id).await;
            empty()
        }
        Call::ExternalConnectivity | Call::Discovery | Call::FreeNetwork => empty(),
        Call::Status => body(driver.status()),
        Call::AllocateNetwork => {
            return Err(
                "trunkline's networks are of local scope: create them on each node with --scope local"
                    .to_owned(),
            );
        }
    };
    Ok(Done { answer, undo })
}

fn join_response(joined: Joined) -> wire::JoinResponse {
    let text = |address: Option<std::net::IpAddr>| address.map(|a| a.to_string()).unwrap_or_default();
    let route = |destination: &IpNetwork| wire::StaticRoute {
        destination: destination.to_string(),
        route_type: CONNECTED,
        next_hop: String::new(),
    };
    wire::JoinResponse {
        interface_name: wire::InterfaceName {
            src_name: joined.link.to_string(),
            dst_prefix: joined.prefix.to_string(),
            dst_name: joined.ifname.map(|name| name.to_string()).unwrap_or_default(),
        },
        gateway: text(joined.gateway),
        gateway_ipv6: text(joined.gateway_v6),
        static_routes: joined.routed.iter().map(route).collect(),
        disable_gateway_service: true,
    }
}

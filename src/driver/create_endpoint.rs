//! CreateEndpoint: remember what the container will have. The kernel is not touched before Join.

use ipnetwork::IpNetwork;

use super::{Creation, Driver, DriverError};
use crate::failpoint;
use crate::kernel::Kernel;
use crate::model::endpoint::{EndpointRecord, choose_mac};
use crate::model::ids::{EndpointId, NetworkId};
use crate::model::link_name::LinkName;
use crate::model::mac::MacAddress;

/// What the engine asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEndpoint {
    /// The engine's id.
    pub id: EndpointId,
    /// The network it is on.
    pub network: NetworkId,
    /// Its IPv4 address; none with null IPAM.
    pub address: Option<IpNetwork>,
    /// Its IPv6 address.
    pub address_v6: Option<IpNetwork>,
    /// The MAC the user gave.
    pub mac: Option<MacAddress>,
    /// The name the user wants in the container.
    pub ifname: Option<LinkName>,
}

/// What was chosen for an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chosen {
    /// Its MAC; none when the user gave one, or the mode has no choice.
    pub mac: Option<MacAddress>,
    /// Whether this call made the endpoint.
    pub creation: Creation,
}

impl<K: Kernel> Driver<K> {
    /// Creates an endpoint. Returns the MAC that was chosen for it, or none when the user gave one (the engine takes
    /// an answer to a given field for an error) or the mode has no choice. The same call again gets the same answer.
    ///
    /// # Errors
    /// When the network is unknown, the endpoint exists with other content, the mode does not allow the MAC, or the
    /// record cannot be written.
    pub async fn create_endpoint(&self, new: NewEndpoint) -> Result<Chosen, DriverError> {
        let _alone = self.endpoint_gates.enter(&new.id).await;
        let network = self.network(&new.network)?;
        let spec = &network.record.spec;
        if let Some(mac) = new.mac.filter(|_| !spec.mode.chooses_mac()) {
            return Err(DriverError::MacNotPossible { mac: mac.to_string(), mode: spec.mode });
        }
        if let Some(existing) = self.endpoints.get(&new.id) {
            let same = existing.network == new.network
                && (existing.address, existing.address_v6) == (new.address, new.address_v6)
                && new.mac.is_none_or(|mac| existing.mac == Some(mac));
            return match same {
                true => {
                    let mac = existing.mac.filter(|_| new.mac.is_none());
                    Ok(Chosen { mac, creation: Creation::Repeated })
                }
                false => Err(DriverError::EndpointDiffers(new.id)),
            };
        }
        let ip = new.address.or(new.address_v6).map(|address| address.ip());
        let chosen = match new.mac {
            Some(_) => None,
            None => choose_mac(&new.network, spec, &new.id, ip, random_bytes),
        };
        let record = EndpointRecord {
            link: self.free_link_name(&new.id),
            id: new.id,
            network: new.network,
            mac: new.mac.or(chosen),
            address: new.address,
            address_v6: new.address_v6,
            ifname: new.ifname,
            sandbox: None,
            parent: None,
            interface: None,
            left: false,
            restored: false,
        };
        self.check_conflicts(&network, &record).await?;
        self.store.save_endpoint(&record).await?;
        failpoint::reached("create_endpoint.recorded");
        self.endpoints.insert(record);
        Ok(Chosen { mac: chosen, creation: Creation::New })
    }

    /// The link name of an endpoint, unless an endpoint whose id starts alike has it.
    fn free_link_name(&self, id: &EndpointId) -> LinkName {
        let name = LinkName::of_endpoint(id);
        if self.endpoints.has_link(&name) { LinkName::of_endpoint_hashed(id) } else { name }
    }
}

fn random_bytes() -> [u8; 6] {
    let mut bytes = [0; 6];
    if getrandom::fill(&mut bytes).is_err() {
        // No entropy this early at boot: the hasher's keys are the next best thing, and a duplicate is found later.
        use std::hash::{BuildHasher, RandomState};
        let [.., a, b, c, d, e, f] = RandomState::new().hash_one(0).to_be_bytes();
        return [a, b, c, d, e, f];
    }
    bytes
}

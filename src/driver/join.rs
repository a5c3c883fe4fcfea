//! Join: the container's link, ready for the engine to fetch, and what it needs to know about it.

use std::net::IpAddr;
use std::sync::Arc;

use ipnetwork::IpNetwork;

use super::children::ChildError;
use super::{Attachment, Driver, DriverError, Network, ParentError};
use crate::failpoint;
use crate::kernel::Kernel;
use crate::model::endpoint::EndpointRecord;
use crate::model::ids::{EndpointId, NetworkId};
use crate::model::link_name::{InterfacePrefix, LinkName};
use crate::store::Begun;

/// What the engine is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Joined {
    /// The link to fetch.
    pub link: LinkName,
    /// The prefix of its name in the container.
    pub prefix: InterfacePrefix,
    /// Its whole name in the container, where the user asked for one.
    pub ifname: Option<LinkName>,
    /// The IPv4 gateway.
    pub gateway: Option<IpAddr>,
    /// The IPv6 gateway.
    pub gateway_v6: Option<IpAddr>,
    /// The destinations that are reached straight out of the interface.
    pub routed: Vec<IpNetwork>,
}

impl<K: Kernel> Driver<K> {
    /// Makes the endpoint's link on its network's parent. When the parent's device has vanished, it is looked for and
    /// made again first. The same call again finds the link and answers the same.
    ///
    /// # Errors
    /// When network or endpoint are unknown, or the parent, the kernel or the disk are in the way; then there is no
    /// link.
    pub async fn join(
        &self,
        network_id: &NetworkId,
        endpoint_id: &EndpointId,
        sandbox: Option<String>,
    ) -> Result<Joined, DriverError> {
        let _alone = self.endpoint_gates.enter(endpoint_id).await;
        let network = self.network(network_id)?;
        let known = self.endpoints.get(endpoint_id).filter(|endpoint| endpoint.network == *network_id);
        let before = known.ok_or_else(|| DriverError::UnknownEndpoint(endpoint_id.clone()))?;
        let mut endpoint = before.clone();
        endpoint.sandbox = sandbox.or(endpoint.sandbox);
        endpoint.left = false;
        let attachment = self.attachment_of(&network).await?;
        endpoint.parent = Some(attachment.index.0);
        self.check_conflicts(&network, &endpoint).await?;
        self.check_port_is_ours(&network, &attachment, &endpoint.id).await?;
        self.make_recorded_child(&network, &attachment, &mut endpoint, &before).await?;
        failpoint::reached("join.made_and_recorded");
        self.endpoints.insert(endpoint.clone());
        self.interfaces.will_come(&endpoint.id);
        let spec = &network.record.spec;
        let (gateway, gateway_v6) = endpoint.gateways(spec);
        let routed = endpoint.connected_routes(spec);
        let prefix = spec.iface_prefix.clone();
        Ok(Joined { link: endpoint.link, prefix, ifname: endpoint.ifname, gateway, gateway_v6, routed })
    }

    /// Makes the link. If its record says anything new, that is written while the kernel works, and takes the old one's
    /// place when the link is there: a record with a sandbox makes the link of that name ours.
    async fn make_recorded_child(
        &self,
        network: &Arc<Network>,
        attachment: &Attachment,
        endpoint: &mut EndpointRecord,
        before: &EndpointRecord,
    ) -> Result<(), DriverError> {
        let new = &*endpoint;
        let begin =
            async { if new == before { Ok(None) } else { self.store.begin_endpoint(new).await.map(Some) } };
        let (made, begun) = tokio::join!(self.make_child(network, attachment, new), begin);
        let begun = match made {
            Ok(()) => begun,
            Err(ChildError::Refused(error)) => return Err(error),
            Err(ChildError::ParentGone) => {
                drop(begun);
                let attachment = self.reattach(network).await?;
                endpoint.parent = Some(attachment.index.0);
                let begun = self.store.begin_endpoint(endpoint).await?;
                self.make_child(network, &attachment, endpoint).await.map_err(|error| match error {
                    ChildError::Refused(error) => error,
                    ChildError::ParentGone => ParentError::Unsteady { asked: attachment.name }.into(),
                })?;
                Ok(Some(begun))
            }
        };
        if let Err(error) = begun.and_then(|begun| begun.map_or(Ok(()), Begun::finish)) {
            self.remove_child(&endpoint.link, None).await?;
            return Err(error.into());
        }
        Ok(())
    }

    async fn attachment_of(&self, network: &Arc<Network>) -> Result<Attachment, DriverError> {
        match network.attachment() {
            Some(attachment) => Ok(attachment),
            None => self.reattach(network).await,
        }
    }
}

//! `trunkline status`: what a running daemon has.

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::Args;

use crate::model::status::Status;
use crate::server::client::{AskError, ask};

/// What to ask, and whom.
#[derive(Debug, Clone, Args)]
pub struct StatusArgs {
    /// The daemon's socket.
    #[arg(
        long,
        value_name = "PATH",
        env = "TRUNKLINE_SOCKET",
        default_value = "/run/docker/plugins/trunkline.sock"
    )]
    socket: PathBuf,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

impl StatusArgs {
    /// Asks the daemon, and says what it answered.
    ///
    /// # Errors
    /// When no daemon answers.
    pub async fn run(&self) -> Result<String, AskError> {
        let status: Status = ask(&self.socket, "Trunkline.Status").await?;
        // A plain struct of texts and numbers; if it ever did not become JSON, the table says the same.
        let json = serde_json::to_string_pretty(&status).ok().filter(|_| self.json);
        Ok(json.map_or_else(|| table(&status), |json| json + "\n"))
    }
}

/// How many characters of an id are shown, as the engine shows them.
const SHORT_ID: usize = 12;

fn short(id: &str) -> &str {
    id.get(..SHORT_ID).unwrap_or(id)
}

fn table(status: &Status) -> String {
    let mut rows = vec![["NETWORK", "PARENT", "MODE", "ENDPOINTS", "STATE"].map(str::to_owned)];
    for network in &status.networks {
        let asked = match (&network.host_iface, &network.vlan) {
            (Some(parent), Some(vlan)) => format!("{parent} vlan {vlan}"),
            (Some(parent), None) => parent.clone(),
            (None, _) => "its own".to_owned(),
        };
        rows.push([
            short(&network.id).to_owned(),
            network.parent.clone().unwrap_or(asked),
            network.mode.clone(),
            network.endpoints.to_string(),
            network.waiting.as_ref().map_or("attached".to_owned(), |reason| format!("waits: {reason}")),
        ]);
    }
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
    let widths: Vec<usize> = (0..4).map(width).collect();
    let mut text = String::new();
    for [id, parent, mode, endpoints, state] in &rows {
        let [a, b, c, d] = [widths[0], widths[1], widths[2], widths[3]];
        // Writing to a String does not fail.
        let _ = writeln!(text, "{id:a$}  {parent:b$}  {mode:c$}  {endpoints:d$}  {state}");
    }
    for missing in &status.missing_interfaces {
        let (endpoint, network) = (short(&missing.endpoint), short(&missing.network));
        let _ = writeln!(
            text,
            "endpoint {endpoint} of network {network} ({}) lacks its interface: {}",
            missing.sandbox, missing.reason
        );
    }
    for record in &status.unreadable_records {
        let _ = writeln!(text, "record {} is out of use: {}", record.path, record.reason);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::status::{MissingInterface, NetworkStatus, UnreadableRecord};

    #[test]
    fn the_table_says_what_is_wrong() {
        let network = |id: &str, parent: Option<&str>, waiting: Option<&str>| NetworkStatus {
            id: id.repeat(64),
            host_iface: Some("eth1".to_owned()),
            vlan: Some("20".to_owned()),
            mode: "bridge".to_owned(),
            parent: parent.map(str::to_owned),
            waiting: waiting.map(str::to_owned),
            endpoints: 3,
        };
        let status = Status {
            version: "0".to_owned(),
            networks: vec![
                network("a", Some("eth1.20"), None),
                network("b", None, Some("no interface named eth1")),
            ],
            missing_interfaces: vec![MissingInterface {
                endpoint: "e1".to_owned(),
                network: "a".repeat(64),
                sandbox: "/run/x".to_owned(),
                reason: "gone".to_owned(),
            }],
            unreadable_records: vec![UnreadableRecord { path: "/p".to_owned(), reason: "cut".to_owned() }],
        };
        let expected = "\
NETWORK       PARENT        MODE    ENDPOINTS  STATE
aaaaaaaaaaaa  eth1.20       bridge  3          attached
bbbbbbbbbbbb  eth1 vlan 20  bridge  3          waits: no interface named eth1
endpoint e1 of network aaaaaaaaaaaa (/run/x) lacks its interface: gone
record /p is out of use: cut
";
        assert_eq!(table(&status), expected);
    }
}

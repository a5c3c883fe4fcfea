//! The whole protocol as bytes on the socket: right, empty, broken, too large, and in every order.

#![allow(clippy::expect_used, clippy::unwrap_used)] // a test that cannot go on says why and ends

mod common;

use common::{Connection, Daemon, Namespace, network, skip};
use serde_json::{Value, json};

const METHODS: [&str; 16] = [
    "Plugin.Activate",
    "NetworkDriver.GetCapabilities",
    "NetworkDriver.GwAllocCheck",
    "NetworkDriver.AllocateNetwork",
    "NetworkDriver.FreeNetwork",
    "NetworkDriver.CreateNetwork",
    "NetworkDriver.DeleteNetwork",
    "NetworkDriver.CreateEndpoint",
    "NetworkDriver.DeleteEndpoint",
    "NetworkDriver.EndpointOperInfo",
    "NetworkDriver.Join",
    "NetworkDriver.Leave",
    "NetworkDriver.ProgramExternalConnectivity",
    "NetworkDriver.RevokeExternalConnectivity",
    "NetworkDriver.DiscoverNew",
    "NetworkDriver.DiscoverDelete",
];

fn start(test: &str) -> Option<(Namespace, Daemon)> {
    let namespace = Namespace::new().map_err(|reason| skip(test, &reason)).ok()?;
    let daemon = Daemon::start(&namespace, &["-d"]);
    Some((namespace, daemon))
}

#[test]
fn every_method_answers_json_to_everything() {
    let Some((namespace, daemon)) = start("every_method_answers_json_to_everything") else { return };
    let links = namespace.links();
    for method in METHODS {
        let (status, answer) = daemon.post(method, b"");
        let needs_body = !matches!(method, "Plugin.Activate" | "NetworkDriver.GetCapabilities");
        assert_eq!(
            (status, answer.get("Err").is_some()),
            if needs_body { (400, true) } else { (200, false) }
        );
        for garbage in [&b"{"[..], b"null", b"[]", b"\"x\"", b"\xff\xfe", b"{\"NetworkID\":5}", b"{}", b"0"] {
            let (status, answer) = daemon.post(method, garbage);
            assert!(
                (status == 200 || status == 400) && answer.is_object(),
                "{method} {garbage:?}: {status} {answer}"
            );
        }
        let mut connection = Connection::open(&daemon.socket());
        connection.request("GET", &format!("/{method}"), b"");
        let (status, answer) = connection.answer();
        assert_eq!(status, 405, "{method}: {answer}");
        assert!(answer["Err"].as_str().is_some_and(|sentence| sentence.contains("POST")), "{answer}");
    }
    let (status, answer) = daemon.post("NetworkDriver.NoSuchMethod", b"{}");
    assert_eq!(status, 404);
    assert!(answer["Err"].as_str().is_some_and(|sentence| sentence.contains("NoSuchMethod")), "{answer}");
    assert_eq!(namespace.links(), links);
}

#[test]
fn bodies_of_more_than_a_mebibyte_are_refused() {
    let Some((_namespace, daemon)) = start("bodies_of_more_than_a_mebibyte_are_refused") else { return };
    let (status, answer) = daemon.post("NetworkDriver.Join", &vec![b' '; 1024 * 1024 + 1]);
    assert_eq!(status, 413, "{answer}");
    assert!(answer["Err"].is_string());
    let (status, _) = daemon.post("NetworkDriver.Join", &vec![b' '; 1024 * 1024]);
    assert_eq!(status, 400, "just within the bound it is only empty");
    let mut chunked = Connection::open(&daemon.socket());
    chunked.send(b"POST /NetworkDriver.Join HTTP/1.1\r\nHost: \r\nTransfer-Encoding: chunked\r\n\r\n");
    for _ in 0..17 {
        chunked.send(b"10000\r\n");
        chunked.send(&vec![b' '; 0x10000]);
        chunked.send(b"\r\n");
    }
    assert_eq!(chunked.answer().0, 413);
    assert_eq!(daemon.post("Plugin.Activate", b"").0, 200);
}

#[test]
fn bytes_are_taken_however_they_come() {
    let Some((_namespace, daemon)) = start("bytes_are_taken_however_they_come") else { return };
    let body = json!({"Options": {"com.docker.network.generic": {}}}).to_string();
    let answer = json!({"SkipIPv4": true, "SkipIPv6": true});
    for content_type in ["", "Content-Type: text/plain\r\n", "Content-Type: application/json\r\n"] {
        let mut connection = Connection::open(&daemon.socket());
        let length = body.len();
        let request = format!(
            "POST /NetworkDriver.GwAllocCheck HTTP/1.1\r\nHost: plugin.moby.localhost\r\n{content_type}Content-Length: {length}\r\n\r\n{body}"
        );
        connection.send(request.as_bytes());
        assert_eq!(connection.answer(), (200, answer.clone()));
    }
    let mut connection = Connection::open(&daemon.socket());
    connection
        .send(b"POST /NetworkDriver.GwAllocCheck HTTP/1.1\r\nHost: \r\nTransfer-Encoding: chunked\r\n\r\n");
    for byte in body.bytes() {
        connection.send(format!("1\r\n{}\r\n", byte as char).as_bytes());
    }
    connection.send(b"0\r\n\r\n");
    assert_eq!(connection.answer(), (200, answer.clone()));
    // Pipelined, on the same connection.
    for _ in 0..3 {
        connection.request("POST", "/NetworkDriver.GwAllocCheck", body.as_bytes());
    }
    for _ in 0..3 {
        assert_eq!(connection.answer(), (200, answer.clone()));
    }
}

#[test]
fn a_client_that_hangs_up_changes_nothing() {
    let Some((namespace, daemon)) = start("a_client_that_hangs_up_changes_nothing") else { return };
    let body = network("n1", &json!({"host_iface": "eth1"})).to_string();
    for _ in 0..20 {
        let mut connection = Connection::open(&daemon.socket());
        connection.request("POST", "/NetworkDriver.CreateNetwork", body.as_bytes());
        drop(connection);
    }
    assert_eq!(daemon.create_network("n1", &json!({"host_iface": "eth1"})), json!({}));
    daemon.accepted("NetworkDriver.DeleteNetwork", &json!({"NetworkID": "n1"}));
    assert!(namespace.links().iter().all(|name| !name.starts_with("tl")), "{:?}", namespace.links());
}

#[test]
fn a_container_s_life_as_an_engine_tells_it() {
    let Some((namespace, daemon)) = start("a_container_s_life_as_an_engine_tells_it") else { return };
    let links = namespace.links();
    let ids = json!({"NetworkID": "n1", "EndpointID": "0123456789abcdef", "Options": {}});
    assert_eq!(daemon.create_network("n1", &json!({"host_iface": "eth1", "iface_prefix": "lan"})), json!({}));
    let (created, joined) = daemon.attach("n1", "0123456789abcdef", "10.0.0.2/24");
    let mac = created["Interface"]["MacAddress"].as_str().expect("a MAC").to_owned();
    assert!(created["Interface"].get("Address").is_none(), "an answered address is an error to the engine");
    let expected = json!({
        "InterfaceName": {"SrcName": "tl0123456789ab", "DstPrefix": "lan"},
        "Gateway": "10.0.0.1",
        "DisableGatewayService": true,
    });
    assert_eq!(joined, expected);
    let named = json!({
        "NetworkID": "n1", "EndpointID": "fedcba9876543210",
        "Interface": {"Address": "10.0.0.3/24", "AddressIPv6": "", "MacAddress": ""},
        "Options": {"com.docker.network.endpoint.ifname": "lab0"},
    });
    daemon.accepted("NetworkDriver.CreateEndpoint", &named);
    let joined = daemon.accepted("NetworkDriver.Join", &named);
    assert_eq!(joined["InterfaceName"]["DstName"], "lab0");
    daemon.accepted("NetworkDriver.DeleteEndpoint", &named);
    let link = namespace.link("tl0123456789ab");
    assert_eq!((link["address"].as_str(), link["group"].as_str()), (Some(mac.as_str()), Some("8021")));
    assert_eq!(link["linkinfo"]["info_kind"], "macvlan");
    for method in ["ProgramExternalConnectivity", "RevokeExternalConnectivity", "Leave", "DeleteEndpoint"] {
        assert_eq!(daemon.accepted(&format!("NetworkDriver.{method}"), &ids), json!({}), "{method}");
    }
    assert_eq!(daemon.accepted("NetworkDriver.EndpointOperInfo", &ids), json!({"Value": {}}));
    assert_eq!(daemon.accepted("NetworkDriver.DeleteNetwork", &ids), json!({}));
    assert_eq!(namespace.links(), links);
    let discovery: Value =
        json!({"DiscoveryType": 1, "DiscoveryData": {"Address": "127.0.0.1", "Self": true}});
    assert_eq!(daemon.accepted("NetworkDriver.DiscoverNew", &discovery), json!({}));
    assert!(daemon.refused("NetworkDriver.AllocateNetwork", &ids).contains("local scope"));
    let capabilities = json!({"Scope": "local", "ConnectivityScope": "global", "GwAllocChecker": true});
    assert_eq!(daemon.post("NetworkDriver.GetCapabilities", b"").1, capabilities);
}

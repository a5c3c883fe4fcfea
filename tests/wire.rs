//! Every request that three real engines were recorded sending decodes, and what is decoded says the same again.

#![allow(clippy::expect_used, clippy::unwrap_used)] // a test that cannot go on says why and ends

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use trunkline::server::call::{Call, CallError, Method};
use trunkline::server::wire;

#[derive(Deserialize)]
struct Recorded {
    file: String,
    path: String,
    body: String,
}

const ENGINES: [(&str, &str, usize); 3] = [
    ("20.10.24", include_str!("fixtures/wire/docker-20.10.24.jsonl"), 279),
    ("26.1.5", include_str!("fixtures/wire/docker-26.1.5.jsonl"), 279),
    ("28.5.2", include_str!("fixtures/wire/docker-28.5.2.jsonl"), 294),
];

fn recordings() -> impl Iterator<Item = Recorded> {
    let lines = ENGINES.iter().flat_map(|(_, text, _)| text.lines());
    lines.map(|line| serde_json::from_str(line).expect("a fixture is a JSON object a line"))
}

/// Options that the recordings use and trunkline does not know: what a user mistyped is refused.
const UNKNOWN_OPTIONS: [&str; 4] = ["foo", "empty", "flag", "q"];

fn has_unknown_option(body: &str) -> bool {
    let body: Value = serde_json::from_str(body).unwrap_or_default();
    let given = &body["Options"]["com.docker.network.generic"];
    UNKNOWN_OPTIONS.iter().any(|key| given.get(key).is_some())
}

#[test]
fn all_recordings_are_there() {
    for (engine, text, count) in ENGINES {
        assert_eq!(text.lines().count(), count, "{engine}");
    }
}

#[test]
fn every_recorded_request_becomes_a_call() {
    let mut calls: BTreeMap<String, usize> = BTreeMap::new();
    let mut refused = 0;
    for Recorded { file, path, body } in recordings() {
        let method = Method::of_path(&path).unwrap_or_else(|| panic!("{file}: no method {path}"));
        match method.parse(body.as_bytes()) {
            Ok(_) => *calls.entry(path).or_default() += 1,
            Err(CallError::EmptyBody) if body.is_empty() => refused += 1,
            Err(CallError::Options(error)) if has_unknown_option(&body) => {
                assert!(error.to_string().contains("is not known"), "{file}: {error}");
                refused += 1;
            }
            Err(error) => panic!("{file}: {error}"),
        }
    }
    assert!(calls.len() >= 13, "{calls:?}");
    assert!(calls["/NetworkDriver.CreateNetwork"] >= 100, "{calls:?}");
    assert!(calls["/NetworkDriver.Join"] >= 81, "{calls:?}");
    assert!(refused >= 6, "{refused} refused");
}

#[test]
fn what_was_recorded_is_understood() {
    let created = |wanted: &str| {
        let found = recordings().find(|r| r.file.starts_with(wanted)).expect(wanted);
        match Method::of_path(&found.path).unwrap().parse(found.body.as_bytes()) {
            Ok(Call::CreateNetwork(new)) => new,
            other => panic!("{wanted}: {other:?}"),
        }
    };
    let dual = created("docker-28.5.2/04-create-ipv6-dual-two-subnets-aux-iprange/0004");
    assert_eq!(dual.options.host_iface.as_ref().unwrap().as_str(), "par0");
    assert_eq!(dual.options.vlan.unwrap().to_string(), "20");
    let gateway = |address: &str| dual.pools.gateway_of(address.parse().unwrap()).map(|g| g.to_string());
    assert_eq!(gateway("fd00:44::5").as_deref(), Some("fd00:44::1"));
    assert_eq!(gateway("fd00:45::5"), None);
    assert_eq!(gateway("198.18.0.5").as_deref(), Some("198.18.0.1"));
    let internal = recordings()
        .filter(|r| r.file.contains("03-create-internal") && r.path.ends_with("CreateNetwork"))
        .map(|r| Method::of_path(&r.path).unwrap().parse(r.body.as_bytes()))
        .filter(|call| matches!(call, Ok(Call::CreateNetwork(new)) if new.internal))
        .count();
    assert!(internal >= 3, "{internal} internal networks");
}

/// The value without what says nothing: null, empty and absent mean the same to a Go program.
fn meaning(value: Value) -> Value {
    let says_nothing = |value: &Value| match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        _ => false,
    };
    match value {
        Value::Object(fields) => {
            let fields = fields.into_iter().map(|(key, value)| (key, meaning(value)));
            Value::Object(fields.filter(|(_, value)| !says_nothing(value)).collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(meaning).collect()),
        other => other,
    }
}

fn again<T: DeserializeOwned + Serialize>(body: &str) -> Value {
    serde_json::to_value(serde_json::from_str::<T>(body).expect("it decodes")).expect("it encodes")
}

#[test]
fn every_recorded_body_says_the_same_again() {
    let mut compared = 0;
    for Recorded { file, path, body } in recordings().filter(|recorded| !recorded.body.is_empty()) {
        let again = match path.trim_start_matches("/NetworkDriver.") {
            "CreateNetwork" => again::<wire::CreateNetworkRequest>(&body),
            "GwAllocCheck" => again::<wire::GwAllocCheckRequest>(&body),
            "DeleteNetwork" => again::<wire::NetworkRequest>(&body),
            "CreateEndpoint" => again::<wire::CreateEndpointRequest>(&body),
            "DiscoverNew" | "DiscoverDelete" => again::<wire::DiscoveryRequest>(&body),
            _ => again::<wire::EndpointRequest>(&body),
        };
        let recorded: Value = serde_json::from_str(&body).expect("a recorded body is JSON");
        assert_eq!(meaning(again), meaning(recorded), "{file}");
        compared += 1;
    }
    assert!(compared > 800, "only {compared} bodies were compared");
}

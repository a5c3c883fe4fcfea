//! Any `key=value` lines as the options of a network: refused with a sentence, or a network whose record says the same
//! again.

use std::collections::BTreeMap;

use trunkline::model::address::AddressPools;
use trunkline::model::network::{NetworkDefaults, NetworkSpec};
use trunkline::model::options::NetworkOptions;

fn check_sentence(error: &dyn std::error::Error) {
    assert!(!error.to_string().is_empty(), "{error:?}");
}

/// Tries one input.
pub fn options(input: &str) {
    let pairs = input.lines().filter_map(|line| line.split_once('='));
    let given: BTreeMap<String, String> = pairs.map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
    let options = match NetworkOptions::parse(&given) {
        Ok(options) => options,
        Err(error) => return check_sentence(&error),
    };
    for internal in [false, true] {
        let defaults = NetworkDefaults::default();
        match NetworkSpec::new(options.clone(), internal, AddressPools::default(), &defaults) {
            Err(error) => check_sentence(&error),
            Ok(spec) => {
                let text = serde_json::to_string(&spec).expect("a spec can be written");
                let again: NetworkSpec = serde_json::from_str(&text).expect("what was written can be read");
                assert_eq!(spec, again);
            }
        }
    }
}

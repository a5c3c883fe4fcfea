//! Long sequences of calls against a small model of what they should come to, with crashes, lost answers, and parents that
//! go and come back in between. After each step what is there must be what is wanted, no more and no less.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use proptest::test_runner::{TestRunner, contextualize_config};

use super::*;
use crate::kernel::fake::Fault;

/// Sequences, and calls in each at the most.
const SEQUENCES: u32 = 10_000;
const CALLS: usize = 50;
const THREADS: u32 = 4;

const ENDPOINTS: usize = 4;
const PARENTS: [&str; 2] = ["eth1", "eth2"];
const SPECS: [(usize, &str, &str); 7] = [
    (0, "", "bridge"),
    (0, "20", "bridge"),
    (0, "20", "private"),
    (0, "100.20", "bridge"),
    (0, "100.30", "l2"),
    (1, "20", "vepa"),
    (1, "", "l3"),
];

#[derive(Debug, Clone)]
enum Step {
    Create {
        network: usize,
        spec: usize,
    },
    Delete {
        network: usize,
    },
    Endpoint {
        endpoint: usize,
        network: usize,
    },
    Join {
        endpoint: usize,
    },
    Leave {
        endpoint: usize,
    },
    DeleteEndpoint {
        endpoint: usize,
    },
    Restart,
    Unplug {
        parent: usize,
    },
    Plug {
        parent: usize,
    },
    /// The kernel does the nth operation from now on, and its answer is lost.
    LoseAnswer {
        nth: usize,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let network = 0..4_usize;
    let endpoint = 0..ENDPOINTS;
    let parent = 0..PARENTS.len();
    prop_oneof![
        6 => (network.clone(), 0..SPECS.len()).prop_map(|(network, spec)| Step::Create { network, spec }),
        4 => network.clone().prop_map(|network| Step::Delete { network }),
        5 => (endpoint.clone(), network).prop_map(|(endpoint, network)| Step::Endpoint { endpoint, network }),
        5 => endpoint.clone().prop_map(|endpoint| Step::Join { endpoint }),
        2 => endpoint.clone().prop_map(|endpoint| Step::Leave { endpoint }),
        4 => endpoint.prop_map(|endpoint| Step::DeleteEndpoint { endpoint }),
        1 => Just(Step::Restart),
        1 => parent.clone().prop_map(|parent| Step::Unplug { parent }),
        2 => parent.prop_map(|parent| Step::Plug { parent }),
        2 => (1..6_usize).prop_map(|nth| Step::LoseAnswer { nth }),
    ]
}

/// What should be: networks by their specs, endpoints by their networks, and the parents that are plugged in.
#[derive(Debug, Default)]
struct Model {
    networks: BTreeMap<usize, usize>,
    endpoints: BTreeMap<usize, usize>,
    /// Endpoints whose links are in a container, or were until their parents went.
    running: BTreeSet<usize>,
    plugged: BTreeSet<usize>,
    answers_may_be_lost: bool,
}

impl Model {
    /// Whether a network that is new can be created.
    fn fits(&self, spec: usize) -> bool {
        let (parent, vlan, mode) = SPECS[spec];
        let shares = |other: &&usize| (SPECS[**other].0, SPECS[**other].1) == (parent, vlan);
        self.plugged.contains(&parent)
            && self.networks.values().filter(shares).all(|other| SPECS[*other].2 == mode)
    }

    fn has_parent(&self, network: usize) -> bool {
        self.networks.get(&network).is_some_and(|spec| self.plugged.contains(&SPECS[*spec].0))
    }

    /// The VLAN devices that should be there, by their names.
    fn devices(&self) -> BTreeSet<String> {
        let mut devices = BTreeSet::new();
        for (parent, vlan, _) in self.networks.values().map(|spec| SPECS[*spec]) {
            if self.plugged.contains(&parent) && !vlan.is_empty() {
                let (outer, inner) = vlan.split_once('.').unwrap_or((vlan, ""));
                devices.insert(format!("{}.{outer}", PARENTS[parent]));
                if !inner.is_empty() {
                    devices.insert(format!("{}.{vlan}", PARENTS[parent]));
                }
            }
        }
        devices
    }
}

fn network_name(network: usize) -> String {
    format!("n{network}")
}

/// Where the endpoint's container is.
fn sandbox_of(endpoint: usize) -> String {
    format!("/run/docker/netns/{endpoint}")
}

/// The engine brings the endpoint's interface back to the host, if it is in its container.
fn bring_back(rig: &Rig, endpoint: usize) {
    let link = LinkName::of_endpoint(&endpoint_name(endpoint).parse().unwrap());
    rig.kernel.bring_back(&sandbox_of(endpoint), "eth0", &link);
}

fn endpoint_name(endpoint: usize) -> String {
    format!("{endpoint:064x}").replacen("0000", &format!("e{endpoint}ab"), 1)
}

/// Does a step on the driver and on the model, and says what they disagree about.
async fn take(rig: Rig, model: &mut Model, step: &Step) -> (Rig, Result<(), String>) {
    let expect = |what: &str, outcome: Result<(), String>, expected: bool| match (&outcome, expected) {
        (Ok(()), true) | (Err(_), false) => Ok(outcome.is_ok()),
        _ => Err(format!("{what}: {outcome:?}, expected success: {expected}")),
    };
    // A call whose answer was lost is repeated, as a person would.
    macro_rules! repeated {
        ($call:expr) => {{
            let first = $call.await.map(|_| ());
            if first.is_err() && model.answers_may_be_lost { $call.await.map(|_| ()) } else { first }
        }};
    }
    let outcome = match *step {
        Step::Create { network, spec } => {
            let (parent, vlan, mode) = SPECS[spec];
            let mut given = vec![("host_iface", PARENTS[parent]), ("mode", mode)];
            if !vlan.is_empty() {
                given.push(("vlan", vlan));
            }
            let id = network_name(network);
            let expected = match model.networks.get(&network) {
                Some(existing) => *existing == spec,
                None => model.fits(spec),
            };
            let made = expect("create", repeated!(rig.create(&id, &given)), expected);
            made.map(|made| {
                if made {
                    model.networks.insert(network, spec);
                }
            })
        }
        Step::Delete { network } => {
            model.networks.remove(&network);
            // An engine deletes no network that containers are on: their interfaces are brought back before.
            for endpoint in
                model.endpoints.iter().filter(|(_, on)| **on == network).map(|(endpoint, _)| endpoint)
            {
                bring_back(&rig, *endpoint);
            }
            model.endpoints.retain(|_, on| *on != network);
            model.running.retain(|endpoint| model.endpoints.contains_key(endpoint));
            let _ = repeated!(rig.delete(&network_name(network)));
            Ok(())
        }
        Step::Endpoint { endpoint, network } => {
            let expected = model.networks.contains_key(&network)
                && model.endpoints.get(&endpoint).is_none_or(|on| *on == network);
            let (id, on) = (endpoint_name(endpoint), network_name(network));
            let address = format!("10.0.{network}.{}/16", endpoint + 2);
            let made = expect("endpoint", repeated!(rig.endpoint(&id, &on, &address)), expected);
            made.map(|made| {
                if made {
                    model.endpoints.insert(endpoint, network);
                }
            })
        }
        Step::Join { endpoint } => {
            let network = model.endpoints.get(&endpoint).copied();
            let expected = network.is_some_and(|network| model.has_parent(network));
            let (id, on) = (endpoint_name(endpoint), network_name(network.unwrap_or(0)));
            if model.running.contains(&endpoint) {
                // No engine joins what it has joined.
                return (rig, Ok(()));
            }
            let sandbox = sandbox_of(endpoint);
            rig.kernel.set_namespace(&sandbox, true);
            let joined = expect("join", repeated!(rig.join_in(&id, &on, &sandbox)), expected);
            joined.map(|joined| {
                if joined {
                    let link = LinkName::of_endpoint(&id.parse().unwrap());
                    rig.kernel.fetch(&link, &sandbox, "eth0", &[], &[]);
                    model.running.insert(endpoint);
                }
            })
        }
        Step::Leave { endpoint } => {
            let id = endpoint_name(endpoint).parse().unwrap();
            rig.driver.leave(&id).await;
            bring_back(&rig, endpoint);
            model.running.remove(&endpoint);
            Ok(())
        }
        Step::DeleteEndpoint { endpoint } => {
            // An engine lets go first, but one that was killed never does.
            model.running.remove(&endpoint);
            bring_back(&rig, endpoint);
            model.endpoints.remove(&endpoint);
            let _ = repeated!(rig.delete_endpoint(&endpoint_name(endpoint)));
            Ok(())
        }
        Step::Restart => return (rig.restart().await, Ok(())),
        Step::Unplug { parent } => {
            model.plugged.remove(&parent);
            rig.kernel.unplug(PARENTS[parent]);
            Ok(())
        }
        Step::Plug { parent } => {
            if model.plugged.insert(parent) {
                rig.kernel.add_device(PARENTS[parent]);
            }
            Ok(())
        }
        Step::LoseAnswer { nth } => {
            rig.kernel.fail_at(nth, Fault::SilentAfter);
            model.answers_may_be_lost = true;
            return (rig, Ok(()));
        }
    };
    (rig, outcome)
}

/// Lets what happens in the background happen, then compares what is there with what should be.
async fn check(rig: &Rig, model: &mut Model) -> Result<(), String> {
    rig.kernel.clear_fault();
    model.answers_may_be_lost = false;
    rig.driver.look_at_parents().await.map_err(|error| error.to_string())?;
    rig.driver.restore_interfaces().await;
    rig.driver.sweep().await;
    drop(rig.driver.begin_change().await);
    let same = |what: &str, expected: String, actual: String| match expected == actual {
        true => Ok(()),
        false => Err(format!("{what}\n  expected {expected}\n  actual   {actual}\n{}", rig.kernel.dump())),
    };
    let lines = rig.links();
    let is_waiting = |network: &usize| !model.has_parent(*network);
    let devices: BTreeSet<String> = lines
        .iter()
        .filter(|line| line.contains(" vlan ") || line.contains(" dummy "))
        .map(|line| line.split(' ').next().unwrap_or_default().to_owned())
        .collect();
    if !model.networks.keys().any(is_waiting) {
        same("devices", format!("{:?}", model.devices()), format!("{devices:?}"))?;
    } else if !model.devices().is_subset(&devices) {
        return Err(format!("devices are missing: {:?} of {devices:?}", model.devices()));
    }
    let links: BTreeSet<String> = model
        .endpoints
        .keys()
        .map(|e| LinkName::of_endpoint(&endpoint_name(*e).parse().unwrap()).to_string())
        .collect();
    for line in lines.iter().filter(|line| line.starts_with("tl")) {
        let name = line.split(' ').next().unwrap_or_default();
        if !links.contains(name) {
            return Err(format!("a link without an endpoint: {line}"));
        }
    }
    for endpoint in 0..ENDPOINTS {
        let has = rig.kernel.dump_container(&sandbox_of(endpoint)).len();
        let runs = model.running.contains(&endpoint);
        let should_have = usize::from(runs && model.has_parent(model.endpoints[&endpoint]));
        same(&format!("interfaces of endpoint {endpoint}"), should_have.to_string(), has.to_string())?;
    }
    let known: BTreeSet<String> =
        rig.driver.networks.iter().map(|network| network.key().to_string()).collect();
    let wanted: BTreeSet<String> = model.networks.keys().map(|network| network_name(*network)).collect();
    same("networks", format!("{wanted:?}"), format!("{known:?}"))?;
    let stored = |directory: &str| -> BTreeSet<String> {
        let entries = std::fs::read_dir(rig.directory.path().join(directory)).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap().replace(".json", "")).collect()
    };
    same("records of networks", format!("{wanted:?}"), format!("{:?}", stored("state/networks")))?;
    let endpoints: BTreeSet<String> =
        model.endpoints.keys().map(|endpoint| endpoint_name(*endpoint)).collect();
    same("records of endpoints", format!("{endpoints:?}"), format!("{:?}", stored("run/endpoints")))?;
    let mut claims: Vec<(String, String)> = Vec::new();
    let mut users: Vec<(String, String)> = Vec::new();
    for (id, network) in rig.driver.parents.all() {
        claims.push((format!("{id:?}"), network.to_string()));
    }
    for network in &rig.driver.networks {
        if let Some(claim) = network.claim() {
            users.push((format!("{claim:?}"), network.key().to_string()));
        }
        let should_be = model.has_parent(network.key().as_str()[1..].parse().unwrap());
        if network.attachment().is_some() != should_be {
            return Err(format!(
                "{} is {:?}, its parent is there: {should_be}",
                network.key(),
                network.place()
            ));
        }
    }
    claims.sort();
    users.sort();
    same("claims and users", format!("{claims:?}"), format!("{users:?}"))
}

fn run(steps: &[Step]) -> Result<(), String> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let mut rig = Rig::in_memory().await;
        let mut model = Model { plugged: BTreeSet::from([0, 1]), ..Model::default() };
        for (number, step) in steps.iter().enumerate() {
            let loses = matches!(step, Step::LoseAnswer { .. });
            let (next, outcome) = take(rig, &mut model, step).await;
            rig = next;
            outcome.map_err(|wrong| format!("step {number} {step:?}: {wrong}"))?;
            if !loses {
                let checked = check(&rig, &mut model).await;
                checked.map_err(|wrong| format!("after step {number} {step:?}: {wrong}"))?;
            }
        }
        Ok(())
    })
}

#[test]
fn whatever_happens_what_is_there_is_what_is_wanted() {
    let config = ProptestConfig { cases: SEQUENCES, failure_persistence: None, ..ProptestConfig::default() };
    let mut config = contextualize_config(config);
    // A sequence mostly waits for the disk, so they are run side by side.
    config.cases = config.cases.div_ceil(THREADS);
    let steps = || proptest::collection::vec(step(), 1..=CALLS);
    let runner =
        || TestRunner::new(config.clone()).run(&steps(), |steps| run(&steps).map_err(TestCaseError::fail));
    std::thread::scope(|scope| {
        let running: Vec<_> = (0..THREADS).map(|_| scope.spawn(runner)).collect();
        for thread in running {
            let outcome = thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            outcome.unwrap_or_else(|failure| panic!("{failure}"));
        }
    });
}

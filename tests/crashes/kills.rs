//! `kill -9` at random moments, over and over, while clients make and delete networks and endpoints. After each restart
//! what was acknowledged is there, and no link and no record is there that nobody asked for.
//!
//! `TRUNKLINE_KILLS` is how often, 1,000 unless it says otherwise.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher, RandomState};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, RwLock};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::common::skip;
use super::steps::{endpoint_body, network_body};
use super::world::{Outcome, PATIENCE, World, call, on_a_thread};

/// A number below `bound`, at random.
fn random(bound: usize) -> usize {
    // Each state has keys of its own.
    (RandomState::new().hash_one(bound) % bound as u64) as usize
}

/// How sure a client is of something it asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sure {
    /// It was asked for, and is acknowledged no more than that: it may be there.
    Maybe,
    /// It was acknowledged.
    There,
}

#[derive(Debug, Clone)]
struct Endpoint {
    network: String,
    record: Sure,
    /// None before Join was asked for.
    link: Option<Sure>,
}

/// What one client asked for and was told.
#[derive(Debug, Clone, Default)]
struct Book {
    networks: BTreeMap<String, Sure>,
    endpoints: BTreeMap<String, Endpoint>,
}

/// What all clients and the one that kills share.
struct Load {
    socket: PathBuf,
    /// Read by a client while it calls, written while what is there is compared with the books.
    turn: RwLock<()>,
    books: Vec<Mutex<Book>>,
    is_over: AtomicBool,
    answered: AtomicUsize,
    cut_off: AtomicUsize,
}

impl Load {
    /// Asks until it is answered, as an engine does. Nothing that is asked here may be refused.
    fn ask(&self, method: &str, body: &Value) {
        let end = Instant::now() + PATIENCE;
        loop {
            {
                let _turn = self.turn.read().expect("nobody panicked");
                match call(&self.socket, method, body) {
                    Outcome::Answered(answer) => {
                        assert!(answer.get("Err").is_none(), "{method} {body}: {answer}");
                        self.answered.fetch_add(1, Ordering::Relaxed);
                        return;
                    }
                    Outcome::Lost => {
                        self.cut_off.fetch_add(1, Ordering::Relaxed);
                    }
                    Outcome::NotSent => {}
                }
            }
            assert!(Instant::now() < end, "{method} {body}: nobody answers");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn book(&self, client: usize) -> std::sync::MutexGuard<'_, Book> {
        self.books[client].lock().expect("nobody panicked")
    }

    /// What is there, beside what was there before the daemon, against the books. The daemon listens, and no call is under
    /// way. `devices` are those that each client's networks need.
    fn check(&self, world: &World, others: &BTreeSet<String>, devices: &[Vec<String>]) {
        let (mut needed, mut allowed) = (BTreeSet::new(), BTreeSet::new());
        let directory = |path: &str, id: &str| world.path(&format!("{path}/{id}.json"));
        let (mut records, mut may_be_records) = (Vec::new(), BTreeSet::new());
        for (client, devices) in devices.iter().enumerate() {
            let book = self.book(client).clone();
            for (id, sure) in &book.networks {
                let record = directory("state/networks", id);
                if *sure == Sure::There {
                    records.push(record.clone());
                    needed.extend(devices.iter().cloned());
                    let probe = endpoint_body(&format!("f{client}").repeat(32), id, "10.0.0.254/24");
                    world.accepted("CreateEndpoint", &probe);
                    world.accepted("DeleteEndpoint", &probe);
                }
                may_be_records.insert(record);
                allowed.extend(devices.iter().cloned());
            }
            for (id, endpoint) in &book.endpoints {
                let record = directory("run/endpoints", id);
                if endpoint.record == Sure::There {
                    records.push(record.clone());
                }
                may_be_records.insert(record);
                let link = format!("tl{}", &id[..12]);
                if endpoint.link == Some(Sure::There) {
                    needed.insert(link.clone());
                }
                allowed.extend(endpoint.link.map(|_| link));
            }
        }
        let links = &world.namespace.link_names() - others;
        assert!(needed.is_subset(&links), "lost: {:?}\n{}", &needed - &links, world.log());
        assert!(links.is_subset(&allowed), "left behind: {:?}\n{}", &links - &allowed, world.log());
        for record in records {
            assert!(record.exists(), "lost: {}\n{}", record.display(), world.log());
        }
        let fixed = ["state/lock", "run/lock", "plugins/trunkline.sock"].map(|path| world.path(path));
        let found: BTreeSet<_> = world.files().into_iter().filter(|path| !fixed.contains(path)).collect();
        assert!(found.is_subset(&may_be_records), "left behind: {:?}", &found - &may_be_records);
    }
}

/// A client, which makes networks with its options, and endpoints on them.
struct Client<'a> {
    load: &'a Load,
    number: usize,
    options: &'a [&'a str],
    serial: usize,
}

impl Client<'_> {
    fn run(&mut self) {
        while !self.load.is_over.load(Ordering::Acquire) {
            let book = self.load.book(self.number).clone();
            let networks: Vec<_> = book.networks.keys().collect();
            let endpoints: Vec<_> = book.endpoints.iter().collect();
            match random(6) {
                0 | 1 if networks.len() < 3 => self.create_network(),
                2 | 3 if !networks.is_empty() && endpoints.len() < 4 => {
                    self.create_endpoint(networks[random(networks.len())]);
                }
                4 if !endpoints.is_empty() => {
                    let (id, endpoint) = endpoints[random(endpoints.len())];
                    if endpoint.link.is_none() { self.join(id, endpoint) } else { self.unjoin(id, endpoint) }
                }
                5 if networks.len() > 1 || endpoints.len() > 2 => {
                    self.delete_network(networks[random(networks.len())]);
                }
                _ => {}
            }
        }
        let networks = self.load.book(self.number).clone().networks;
        networks.keys().for_each(|id| self.delete_network(id));
    }

    fn next_id(&mut self) -> String {
        self.serial += 1;
        format!("{:04x}{:08x}", self.number, self.serial).repeat(6)[..64].to_owned()
    }

    fn create_network(&mut self) {
        let id = self.next_id();
        self.load.book(self.number).networks.insert(id.clone(), Sure::Maybe);
        self.load.ask("CreateNetwork", &network_body(&id, self.options));
        self.load.book(self.number).networks.insert(id, Sure::There);
    }

    fn create_endpoint(&mut self, network: &str) {
        let id = self.next_id();
        let endpoint = Endpoint { network: network.to_owned(), record: Sure::Maybe, link: None };
        let body = self.body(&id, &endpoint);
        self.load.book(self.number).endpoints.insert(id.clone(), endpoint);
        self.load.ask("CreateEndpoint", &body);
        self.change(&id, |endpoint| endpoint.record = Sure::There);
    }

    fn join(&self, id: &str, endpoint: &Endpoint) {
        self.change(id, |endpoint| endpoint.link = Some(Sure::Maybe));
        self.load.ask("Join", &self.body(id, endpoint));
        self.change(id, |endpoint| endpoint.link = Some(Sure::There));
    }

    fn unjoin(&self, id: &str, endpoint: &Endpoint) {
        self.change(id, |endpoint| {
            endpoint.record = Sure::Maybe;
            endpoint.link = endpoint.link.map(|_| Sure::Maybe);
        });
        self.load.ask("Leave", &self.body(id, endpoint));
        self.load.ask("DeleteEndpoint", &self.body(id, endpoint));
        self.load.book(self.number).endpoints.remove(id);
    }

    fn delete_network(&self, id: &str) {
        let endpoints = self.load.book(self.number).clone().endpoints;
        for (endpoint_id, endpoint) in endpoints.iter().filter(|(_, endpoint)| endpoint.network == id) {
            self.unjoin(endpoint_id, endpoint);
        }
        self.load.book(self.number).networks.insert(id.to_owned(), Sure::Maybe);
        self.load.ask("DeleteNetwork", &json!({"NetworkID": id}));
        self.load.book(self.number).networks.remove(id);
    }

    /// The body of an endpoint's calls: always the same for the same endpoint.
    fn body(&self, id: &str, endpoint: &Endpoint) -> Value {
        let serial = usize::from_str_radix(&id[4..12], 16).expect("hexadecimal");
        endpoint_body(id, &endpoint.network, &format!("10.0.0.{}/24", 2 + serial % 250))
    }

    fn change(&self, id: &str, how: impl FnOnce(&mut Endpoint)) {
        how(self.load.book(self.number).endpoints.get_mut(id).expect("it is in the book"));
    }
}

/// The options of each client's networks, and the devices that are made for them.
type Wishes = &'static [(&'static [&'static str], &'static [&'static str])];

const PLAIN: Wishes = &[
    (&["host_iface=eth1"], &[]),
    (&["host_iface=eth1"], &[]),
    (&["host_iface=eth2", "mode=private"], &[]),
    (&["host_iface=eth2", "mode=private"], &[]),
];

/// Two share a VLAN device, one has two tags, one is of the other kind.
const TAGGED: Wishes = &[
    (&["host_iface=eth1.20"], &["eth1.20"]),
    (&["host_iface=eth1", "vlan=20"], &["eth1.20"]),
    (&["host_iface=eth1.100.20"], &["eth1.100", "eth1.100.20"]),
    (&["host_iface=eth2.30", "mode=l2"], &["eth2.30"]),
];

#[test]
fn the_daemon_is_killed_at_random_moments_under_load() {
    on_a_thread(kill_under_load);
}

fn kill_under_load() {
    let test = "the_daemon_is_killed_at_random_moments_under_load";
    let mut world = match World::new() {
        Ok(world) => world,
        Err(reason) => return skip(test, &reason),
    };
    let kills = std::env::var("TRUNKLINE_KILLS").map_or(1000, |text| text.parse().expect("a number"));
    let has_all =
        ["link eth1 type vlan id 1", "link eth2 type ipvlan"].iter().all(|how| world.namespace.has_kind(how));
    let wishes = if has_all { TAGGED } else { PLAIN };
    if !has_all {
        skip(test, "its networks are without VLANs, because this kernel lacks VLANs or ipvlan");
    }
    let devices: Vec<Vec<String>> =
        wishes.iter().map(|(_, devices)| devices.iter().map(|name| (*name).to_owned()).collect()).collect();
    world.start();
    let (untouched, others) = (world.state(), world.namespace.link_names());
    let load = Load {
        socket: world.socket(),
        turn: RwLock::default(),
        books: wishes.iter().map(|_| Mutex::default()).collect(),
        is_over: AtomicBool::new(false),
        answered: AtomicUsize::new(0),
        cut_off: AtomicUsize::new(0),
    };
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for (number, (options, _)) in wishes.iter().enumerate() {
            let load = &load;
            scope.spawn(move || Client { load, number, options, serial: 0 }.run());
        }
        // Also when this thread panics, or the clients would go on for ever.
        let _over = Over(&load.is_over);
        for kill in 0..kills {
            // The moment is random by intent; nothing is waited for by it.
            if kill % 8 == 0 {
                // While it starts.
                std::thread::sleep(Duration::from_micros(random(5_000) as u64));
            } else {
                assert!(world.listens(), "it died by itself:\n{}", world.log());
                {
                    let _turn = load.turn.write().expect("nobody panicked");
                    load.check(&world, &others, &devices);
                }
                std::thread::sleep(Duration::from_micros(random(30_000) as u64));
            }
            world.kill();
            world.spawn();
        }
        assert!(world.listens(), "it died by itself:\n{}", world.log());
    });
    let (answered, cut_off) = (load.answered.into_inner(), load.cut_off.into_inner());
    println!(
        "crashes: {kills} kills in {:.1?}; {answered} calls answered, {cut_off} cut off",
        begun.elapsed()
    );
    assert_eq!(untouched, world.state(), "something is left behind:\n{}", world.log());
    assert!(!world.log().contains("panicked"), "{}", world.log());
    assert!(cut_off > kills / 4, "the kills cut off only {cut_off} calls");
}

/// Tells the clients to end.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

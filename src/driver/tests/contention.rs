//! Many callers at once on many parents, with a kernel that takes its time: of two modes on one parent one has it at any
//! moment, nobody waits for ever, and nothing is left.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use super::*;

const CALLERS: usize = 64;
const PARENTS: usize = 32;
const ROUNDS: usize = 20;
/// How long all of it may take: a deadlock shows as more.
const WATCHDOG: Duration = Duration::from_secs(120);

/// The mode in which each parent is held, and by how many: between the answer to a create and the call of its delete.
type Held = Mutex<HashMap<usize, (&'static str, usize)>>;

fn hold(held: &Held, parent: usize, mode: &'static str) {
    let mut held = held.lock().unwrap();
    let (now, count) = held.entry(parent).or_insert((mode, 0));
    assert!(*count == 0 || *now == mode, "parent {parent} is held in {now} and in {mode}");
    (*now, *count) = (mode, *count + 1);
}

fn let_go(held: &Held, parent: usize) {
    held.lock().unwrap().get_mut(&parent).unwrap().1 -= 1;
}

async fn caller(rig: Arc<Rig>, held: Arc<Held>, number: usize) -> usize {
    let mut held_for_a_while = 0;
    for round in 0..ROUNDS {
        let parent = (number / 2 + round * 7) % PARENTS;
        let mode = ["bridge", "private", "l2"][(number + round) % 3];
        let vlan = (parent / 2 + 1).to_string();
        let host_iface = ["eth1", "eth2"][parent % 2];
        let id = format!("n{number}");
        match rig.create(&id, &[("host_iface", host_iface), ("vlan", &vlan), ("mode", mode)]).await {
            Ok(()) => hold(&held, parent, mode),
            Err(error) => {
                assert!(error.contains("is in use in mode"), "{error}");
                continue;
            }
        }
        let endpoint = format!("{number:04x}{round:060x}");
        rig.endpoint(&endpoint, &id, &format!("10.{number}.{round}.2/8")).await.unwrap();
        rig.join(&endpoint, &id).await.unwrap();
        rig.delete_endpoint(&endpoint).await.unwrap();
        let_go(&held, parent);
        rig.delete(&id).await.unwrap();
        held_for_a_while += 1;
    }
    held_for_a_while
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_callers_each_parent_obeys_one_mode() {
    let rig = Arc::new(Rig::new().await);
    rig.kernel.set_jitter(Duration::from_micros(300));
    let held = Arc::new(Held::default());
    let callers: Vec<_> = (0..CALLERS)
        .map(|number| tokio::spawn(caller(Arc::clone(&rig), Arc::clone(&held), number)))
        .collect();
    let all = async {
        let mut held_for_a_while = 0;
        for caller in callers {
            held_for_a_while += caller.await.unwrap();
        }
        held_for_a_while
    };
    let held_for_a_while = tokio::time::timeout(WATCHDOG, all).await.expect("a deadlock");
    assert!(held_for_a_while > CALLERS, "only {held_for_a_while} networks came about");
    rig.driver.sweep().await;
    assert_eq!(rig.links().len(), 2, "{:?}", rig.links());
    assert_eq!((rig.driver.network_count(), rig.driver.endpoint_count()), (0, 0));
    assert!(rig.driver.parents.all().is_empty());
}

//! Every call, every kernel operation in it, every way it can go wrong: then the call is repeated. The repeat must
//! succeed and lead to the very state that an undisturbed call leads to, and when all is deleted nothing is left.

use nix::errno::Errno;

use super::*;
use crate::kernel::fake::Fault;

const FAULTS: [Fault; 6] = [
    Fault::RefusedBefore(Errno::ENOMEM),
    Fault::RefusedAfter(Errno::ENOMEM),
    Fault::RefusedBefore(Errno::EBUSY),
    Fault::RefusedAfter(Errno::EINVAL),
    Fault::SilentBefore,
    Fault::SilentAfter,
];

const E1: &str = "15d75b4f4f6ba94568126c6c057911016a2bc3879dcb77fe2d0f16c1a88f5d02";

#[derive(Debug, Clone, Copy)]
enum Step {
    Create(&'static str, &'static [(&'static str, &'static str)]),
    CreateInternal(&'static str),
    Delete(&'static str),
    Endpoint,
    Join,
    DeleteEndpoint,
    Unplug(&'static str),
    Down(&'static str),
}

const VLAN_20: Step = Step::Create("n1", &[("host_iface", "eth1"), ("vlan", "20")]);
const SAME_VLAN: Step = Step::Create("n2", &[("host_iface", "eth1.20")]);
const TWO_TAGS: Step = Step::Create("n1", &[("host_iface", "eth1.100.20"), ("gvrp", "true")]);
const UNTAGGED: Step = Step::Create("n1", &[("host_iface", "eth1")]);
const IPVLAN: Step = Step::Create("n1", &[("host_iface", "eth1"), ("mode", "l3")]);
const PASSTHRU: Step = Step::Create("n1", &[("host_iface", "eth1"), ("mode", "passthru")]);

/// What comes before, and the call that goes wrong.
const CASES: &[(&[Step], Step)] = &[
    (&[], VLAN_20),
    (&[Step::Down("eth1")], VLAN_20),
    (&[VLAN_20], SAME_VLAN),
    (&[], TWO_TAGS),
    (&[], UNTAGGED),
    (&[Step::Down("eth1")], UNTAGGED),
    (&[], IPVLAN),
    (&[], PASSTHRU),
    (&[], Step::CreateInternal("n1")),
    (&[VLAN_20], Step::Delete("n1")),
    (&[VLAN_20, SAME_VLAN], Step::Delete("n1")),
    (&[TWO_TAGS], Step::Delete("n1")),
    (&[Step::CreateInternal("n1")], Step::Delete("n1")),
    (&[VLAN_20, Step::Endpoint, Step::Join], Step::Delete("n1")),
    (&[VLAN_20], Step::Endpoint),
    (&[VLAN_20, Step::Endpoint], Step::Join),
    (&[PASSTHRU, Step::Endpoint], Step::Join),
    (&[IPVLAN, Step::Endpoint], Step::Join),
    (&[VLAN_20, Step::Endpoint, Step::Unplug("eth1.20")], Step::Join),
    (&[TWO_TAGS, Step::Endpoint, Step::Unplug("eth1.100")], Step::Join),
    (&[VLAN_20, Step::Endpoint, Step::Join], Step::DeleteEndpoint),
];

async fn take(rig: &Rig, step: Step) -> Result<(), String> {
    match step {
        Step::Create(id, given) => rig.create(id, given).await,
        Step::CreateInternal(id) => rig
            .driver
            .create_network(network(id, &[], true))
            .await
            .map(|_| ())
            .map_err(|error| error.to_string()),
        Step::Delete(id) => rig.delete(id).await,
        Step::Endpoint => rig.endpoint(E1, "n1", "10.0.0.2/24").await.map(drop),
        Step::Join => rig.join(E1, "n1").await.map(drop),
        Step::DeleteEndpoint => rig.delete_endpoint(E1).await,
        Step::Unplug(name) => {
            rig.kernel.unplug(name);
            Ok(())
        }
        Step::Down(name) => {
            let link = rig.kernel.link_by_name(&name.parse().unwrap()).await.unwrap().unwrap();
            rig.kernel.update(link.index, |link| link.up = false);
            Ok(())
        }
    }
}

async fn prepared(before: &[Step]) -> Rig {
    let rig = Rig::new().await;
    for step in before {
        take(&rig, *step).await.unwrap();
    }
    rig
}

/// Two host devices, up, and nothing else.
const NOTHING_LEFT: usize = 2;

#[tokio::test(start_paused = true)]
async fn whatever_fails_is_undone_or_repeated() {
    let mut disturbed = 0;
    for (before, step) in CASES {
        let undisturbed = prepared(before).await;
        let operations = undisturbed.kernel.operations();
        take(&undisturbed, *step).await.unwrap();
        let operations = undisturbed.kernel.operations() - operations;
        for fault in FAULTS {
            // A fault can make a call longer, so the later operations of a disturbed call are disturbed too.
            for nth in 1..=operations + 4 {
                let rig = prepared(before).await;
                rig.kernel.fail_at(nth, fault);
                let first = take(&rig, *step).await;
                if rig.kernel.clear_fault() {
                    continue;
                }
                disturbed += 1;
                let context = format!("{before:?} {step:?} {fault:?} at {nth}, first answer {first:?}");
                take(&rig, *step).await.unwrap_or_else(|error| panic!("{context}: repeat: {error}"));
                rig.driver.sweep().await;
                assert_eq!(rig.links(), undisturbed.links(), "{context}");
                for step in [Step::DeleteEndpoint, Step::Delete("n1"), Step::Delete("n2")] {
                    take(&rig, step).await.unwrap_or_else(|error| panic!("{context}: {step:?}: {error}"));
                }
                assert_eq!(rig.links().len(), NOTHING_LEFT, "{context}: {:?}", rig.links());
                assert_eq!(rig.driver.endpoint_count() + rig.driver.network_count(), 0, "{context}");
            }
        }
    }
    assert!(disturbed > 500, "only {disturbed} calls were disturbed");
}

#[tokio::test(start_paused = true)]
async fn a_create_that_fails_leaves_nothing_even_without_a_repeat() {
    for (before, step) in
        CASES.iter().filter(|(_, step)| matches!(step, Step::Create(..) | Step::CreateInternal(_)))
    {
        for fault in FAULTS {
            for nth in 1..20 {
                let rig = prepared(before).await;
                let links = rig.links();
                rig.kernel.fail_at(nth, fault);
                let first = take(&rig, *step).await;
                if rig.kernel.clear_fault() || first.is_ok() {
                    continue;
                }
                rig.driver.sweep().await;
                let now: Vec<_> = rig.links().iter().map(|line| line.replace(" up ", " ")).collect();
                let then: Vec<_> =
                    links.iter().map(|line| line.replace(" up ", " ").replace(" down ", " ")).collect();
                let now: Vec<_> = now.iter().map(|line| line.replace(" down ", " ")).collect();
                assert_eq!(now, then, "{step:?} {fault:?} at {nth}: {first:?}");
            }
        }
    }
}

//! One table of cases, run on the model of the kernel and on the real one: what the fault tests prove on the model
//! holds on Linux as far as the two agree here.
//!
//! On the real kernel each row has a network namespace of its own. A row that needs a kind of link which this kernel
//! does not have says SKIP; in the lab, whose kernel has all of them, a skip is a failure.

#![allow(clippy::expect_used, clippy::unwrap_used)] // a test that cannot go on says why and ends

#[path = "../common/skip.rs"]
mod skip;

mod container_rows;
mod real;
mod rows;
mod script;

use std::net::IpAddr;

use rows::Row;
use script::{Admin, run};
use trunkline::kernel::fake::FakeKernel;
use trunkline::kernel::{Kernel, LinkAddress, LinkIndex};

/// The model, seen by an administrator.
struct FakeAdmin(FakeKernel);

impl FakeAdmin {
    fn index(&self, name: &str) -> LinkIndex {
        let found = at_once(self.0.link_by_name(&name.parse().expect("a name")));
        found.expect("a look-up").unwrap_or_else(|| panic!("no {name}")).index
    }
}

/// The model's answers are ready at once.
fn at_once<T>(future: impl Future<Output = T>) -> T {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match std::pin::pin!(future).poll(&mut context) {
        std::task::Poll::Ready(value) => value,
        std::task::Poll::Pending => panic!("the model waits"),
    }
}

impl Admin for FakeAdmin {
    fn device(&self, name: &str) {
        self.0.add_device(name);
    }
    fn bridge(&self, name: &str) {
        self.0.add_device(name);
    }
    fn port(&self, name: &str, bridge: &str) {
        let bridge = self.index(bridge);
        self.0.update(self.index(name), |link| {
            link.controller = Some(bridge);
            link.controller_kind = Some("bridge".to_owned());
        });
    }
    fn down(&self, name: &str) {
        self.0.take_down(self.index(name));
    }
    fn mtu(&self, name: &str, mtu: u32) {
        self.0.set_mtu(self.index(name), mtu);
    }
    fn address(&self, name: &str, address: &str) {
        let (address, _) = address.split_once('/').expect("a prefix length");
        let address: IpAddr = address.parse().expect("an address");
        self.0.add_address(self.index(name), LinkAddress { address, automatic: false });
    }
    fn hide(&self, name: &str) {
        self.0.set_elsewhere(name, true);
    }
    fn container(&self) -> String {
        let path = "/run/docker/netns/x";
        self.0.set_namespace(path, true);
        path.to_owned()
    }
}

/// Whether the outcome is one of those that a row allows, which are joined by `|` where kernels differ.
fn agrees(expected: &str, outcome: &str) -> bool {
    let (expected, outcome): (Vec<_>, Vec<_>) =
        (expected.split("; ").collect(), outcome.split("; ").collect());
    expected.len() == outcome.len()
        && expected.iter().zip(&outcome).all(|(allowed, said)| allowed.split('|').any(|one| one == *said))
}

fn check(row: &Row, where_: &str, outcome: &str, wrong: &mut Vec<String>) {
    if !agrees(row.outcome, outcome) {
        wrong.push(format!(
            "{} ({where_})\n  {}\n  expected {}\n  said     {outcome}",
            row.name, row.script, row.outcome
        ));
    }
}

/// The whole table.
fn table() -> Vec<&'static Row> {
    rows::ROWS.iter().chain(container_rows::ROWS).collect()
}

#[test]
fn the_table_is_a_table() {
    let table = table();
    assert!(table.len() >= 60, "{} rows", table.len());
    let mut names: Vec<_> = table.iter().map(|row| row.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), table.len(), "two rows have one name");
}

#[tokio::test]
async fn the_model_does_as_the_table_says() {
    let mut wrong = Vec::new();
    for row in table() {
        let kernel = FakeKernel::new();
        let outcome = run(&kernel, &FakeAdmin(kernel.clone()), row.script).await;
        check(row, "the model", &outcome, &mut wrong);
    }
    assert!(wrong.is_empty(), "{} rows differ:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn the_kernel_does_as_the_table_says() {
    let test = "the_kernel_does_as_the_table_says";
    let kinds = match real::kinds() {
        Ok(kinds) => kinds,
        Err(reason) => return skip::skip(test, &reason),
    };
    let mut wrong = Vec::new();
    let mut ran = 0;
    let mut missing: Vec<&str> = Vec::new();
    for row in table() {
        let lacks = row.needs.iter().find(|kind| !kinds.contains(kind));
        if let Some(kind) = lacks {
            missing.push(kind);
            continue;
        }
        let outcome =
            real::run_in_namespace(row.script).unwrap_or_else(|reason| panic!("{}: {reason}", row.name));
        check(row, "the kernel", &outcome, &mut wrong);
        ran += 1;
    }
    let skipped = missing.len();
    missing.sort_unstable();
    missing.dedup();
    if skipped > 0 {
        skip::skip(
            test,
            &format!(
                "{skipped} of {} rows need link kinds that this kernel lacks: {}",
                table().len(),
                missing.join(", ")
            ),
        );
    }
    println!("conformance: {ran} rows agree with the kernel, {skipped} skipped");
    assert!(ran > 0, "no row ran");
    assert!(wrong.is_empty(), "{} rows differ:\n{}", wrong.len(), wrong.join("\n"));
}

//! Sequences of calls through the routes, with connections that break and engines that then repeat the call with an empty
//! body. The driver's own sequences (src/driver/tests/sequences.rs) know its inside and no HTTP; these know what an engine
//! and the disk see. The steps, the model and the host serve the fuzz target `calls` as well.

#![allow(clippy::expect_used, clippy::unwrap_used)] // a test that cannot go on says why and ends

mod model;
mod step;
mod world;

use proptest::prelude::*;
use step::{Act, Connection, Step};

/// Sequences, and steps in each at the most.
const SEQUENCES: u32 = 1_000;
const STEPS: usize = 40;

proptest! {
    #![proptest_config(ProptestConfig { cases: SEQUENCES, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn connections_that_break_change_nothing(steps in proptest::collection::vec(any::<[u8; 4]>(), 1..=STEPS)) {
        let steps: Vec<Step> = steps.into_iter().map(Step::of_bytes).collect();
        world::run(&steps).map_err(|wrong| TestCaseError::fail(format!("{wrong}\n{steps:#?}")))?;
    }
}

#[test]
fn the_bytes_reach_every_act_and_every_end_of_a_connection() {
    let all: Vec<Step> = (0..=u8::MAX).map(|byte| Step::of_bytes([byte, byte / 2, byte / 3, byte])).collect();
    let names: std::collections::BTreeSet<String> = all
        .iter()
        .map(|step| format!("{:?}", step.act).split(' ').next().unwrap_or_default().to_owned())
        .collect();
    assert_eq!(names.len(), 11, "{names:?}");
    assert!(all.iter().any(|step| step.connection == Connection::BreaksAfter));
    assert!(all.iter().any(|step| matches!(step.connection, Connection::BreaksDuring { turns: 1.. })));
    assert!(all.contains(&Step { act: Act::Restart, connection: Connection::Holds }));
}

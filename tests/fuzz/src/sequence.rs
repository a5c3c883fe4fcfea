//! Any bytes as a sequence of calls, lost answers, crashes and unplugged parents: the steps and what must hold after each
//! are those of tests/sequences.

use crate::step::Step;
use crate::world;

/// Steps of one sequence at the most.
const STEPS: usize = 60;

/// Tries one input.
pub fn calls(input: &[u8]) {
    let bytes = input.as_chunks().0.iter().take(STEPS);
    let steps: Vec<Step> = bytes.copied().map(Step::of_bytes).collect();
    if let Err(wrong) = world::run(&steps) {
        panic!("{wrong}\n{steps:#?}");
    }
}

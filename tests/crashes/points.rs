//! Every call is cut off at every point it comes to: the daemon dies there, another starts, and the engine repeats the
//! call. What had been acknowledged must be there, the repeat must lead to the very answer and state that the undisturbed
//! call leads to, and when all is deleted everything is as it was.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;

use super::cases::{CASES, Case};
use super::common::skip;
use super::steps::{Acknowledged, endpoint_body, endpoint_id, link_name, network_body, take};
use super::world::{Outcome, World, on_a_thread};

/// More points than any call comes to.
const MOST: usize = 60;

/// How many cases are run at once.
const WORKERS: usize = 4;

/// The kinds of links a case may need, and how `ip` makes one.
const KINDS: [(&str, &str); 4] = [
    ("macvlan", "link eth1 type macvlan"),
    ("vlan", "link eth1 type vlan id 1"),
    ("dummy", "type dummy"),
    ("ipvlan", "link eth2 type ipvlan"),
];

/// The points in the source.
fn points() -> BTreeSet<String> {
    fn walk(directory: &Path, found: &mut Vec<String>) {
        for entry in fs::read_dir(directory).expect("the source is here") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                walk(&path, found);
            } else {
                let text = fs::read_to_string(path).expect("text");
                let calls = text.split("failpoint::reached(").skip(1);
                found.extend(calls.map(|call| call.split('"').nth(1).expect("a name").to_owned()));
            }
        }
    }
    let mut found = Vec::new();
    // In the lab's machines the source is not where this was built.
    let elsewhere = std::env::var_os("TRUNKLINE_TEST_SOURCE").map(PathBuf::from);
    walk(&elsewhere.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("src")), &mut found);
    let names: BTreeSet<_> = found.iter().cloned().collect();
    assert_eq!(names.len(), found.len(), "two points have one name: {found:?}");
    names
}

fn steps(text: &'static str) -> Vec<&'static str> {
    text.split("; ").filter(|step| !step.is_empty()).collect()
}

/// A case under way.
struct Run {
    case: &'static Case,
    world: World,
}

impl Run {
    fn new(case: &'static Case) -> Self {
        let mut world = World::new().expect("another namespace");
        if case.before.contains("fetch") {
            world.add_container();
        }
        world.start();
        Self { case, world }
    }

    fn prepare(&mut self) {
        for step in steps(self.case.before) {
            let outcome = take(&mut self.world, step);
            let Outcome::Answered(answer) = outcome else { panic!("{step}: {outcome:?}") };
            assert!(answer.get("Err").is_none(), "{step}: {answer}");
        }
    }

    /// Deletes every network and endpoint that the case names.
    fn clean_up(&mut self) {
        let text = format!("{}; {}", self.case.before, self.case.call);
        let words: BTreeSet<&str> = text.split([' ', ';']).collect();
        for name in ["e1", "e2"].into_iter().filter(|name| words.contains(name)) {
            self.world.accepted("DeleteEndpoint", &endpoint_body(&endpoint_id(name), "n1", ""));
        }
        for id in ["n1", "n2", "n3"].into_iter().filter(|id| words.contains(id)) {
            self.world.accepted("DeleteNetwork", &serde_json::json!({"NetworkID": id}));
        }
        for step in steps(self.case.after) {
            take(&mut self.world, step);
        }
    }

    /// What was acknowledged is there, and serves.
    fn check(&self, acknowledged: &Acknowledged) {
        for (id, step) in &acknowledged.networks {
            // Another network of that id is refused, if there is one.
            let answer =
                self.world.answered("CreateNetwork", &network_body(id, &["host_iface=eth1", "mtu=68"]));
            let sentence = answer["Err"].as_str().unwrap_or_default();
            assert!(sentence.contains("exists already with other"), "network {id} is lost: {answer}");
            if step.contains("passthru") {
                continue; // it takes one container, which the case needs
            }
            let probe = endpoint_body(&endpoint_id("f9"), id, "10.0.0.200/24");
            for method in ["CreateEndpoint", "Join", "DeleteEndpoint"] {
                self.world.accepted(method, &probe);
            }
        }
        for name in &acknowledged.endpoints {
            let record = self.world.path(&format!("run/endpoints/{}.json", endpoint_id(name)));
            assert!(record.exists(), "endpoint {name} is lost");
        }
        let links = self.world.namespace.link_names();
        for name in &acknowledged.joined {
            assert!(links.contains(&link_name(name)), "the link of {name} is lost: {links:?}");
        }
    }

    /// The case without a death.
    fn undisturbed(&mut self) -> Traces {
        self.prepare();
        let outcome = take(&mut self.world, self.case.call);
        let Outcome::Answered(answer) = outcome else { panic!("{outcome:?}") };
        let then = self.world.state();
        self.clean_up();
        Traces { answer, then, end: self.world.names() }
    }

    /// The daemon dies at the `nth` point that the call comes to, or if there are fewer, after it has answered. The point
    /// it died at, and what there is after the repeat.
    fn killed_at(&mut self, nth: usize) -> (Option<String>, Traces) {
        self.prepare();
        // What a container gets back it gets in the background, where other things go on as well.
        self.world.arm(nth, if self.case.call == "plug" { "restore." } else { "" });
        let first = take(&mut self.world, self.case.call);
        match first {
            Outcome::Answered(_) => self.world.kill(),
            _ => self.world.reap(),
        }
        let died_at = self.world.disarm();
        assert!(died_at.is_some() || matches!(first, Outcome::Answered(_)), "{first:?}, and it did not die");
        self.world.start();
        let before = steps(self.case.before);
        self.check(&Acknowledged::by(&before).during(self.case.call));
        let repeat = take(&mut self.world, self.case.call);
        let Outcome::Answered(answer) = repeat else { panic!("the repeat: {repeat:?}") };
        if let Outcome::Answered(first) = first {
            assert_eq!(first, answer, "the repeated call is answered otherwise");
        }
        let then = self.world.state();
        self.clean_up();
        (died_at, Traces { answer, then, end: self.world.names() })
    }
}

/// What a case leaves.
struct Traces {
    answer: Value,
    /// The state after the call.
    then: Vec<String>,
    /// The names of what there is when all was deleted.
    end: Vec<String>,
}

fn differences(expected: &[String], actual: &[String]) -> String {
    let only = |these: &[String], those: &[String], sign: char| -> String {
        these.iter().filter(|line| !those.contains(line)).map(|line| format!("\n  {sign} {line}")).collect()
    };
    only(expected, actual, '-') + &only(actual, expected, '+')
}

/// Runs a case to its end and returns the points at which the daemon died.
fn run(case: &'static Case, wrong: &mut Vec<String>) -> Vec<String> {
    let mut run = Run::new(case);
    let untouched = run.world.state();
    let expected = run.undisturbed();
    let title = format!("{} | {}", case.before, case.call);
    assert_eq!(untouched, run.world.state(), "{title}: undisturbed it leaves something");
    let mut died_at = Vec::new();
    for nth in 1..MOST {
        let (point, found) = run.killed_at(nth);
        let answers = [[expected.answer.to_string()], [found.answer.to_string()]];
        for (what, difference) in [
            ("the repeat's answer", differences(&answers[0], &answers[1])),
            ("the state after the repeat", differences(&expected.then, &found.then)),
            ("what is left", differences(&expected.end, &found.end)),
        ] {
            if !difference.is_empty() {
                let point = point.as_deref().unwrap_or("the end");
                wrong.push(format!("{title}: died at {point} ({nth}): {what}:{difference}"));
                // The next death is to find what this one found.
                run = Run::new(case);
            }
        }
        let Some(point) = point else {
            // Nor is anything else than it was.
            let difference = differences(&untouched, &run.world.state());
            if !difference.is_empty() {
                wrong.push(format!("{title}: after all deaths:{difference}"));
            }
            return died_at;
        };
        died_at.push(point);
    }
    panic!("{title}: more than {MOST} points");
}

/// Runs cases, several at once, each in a namespace of its own: most of their time goes by in waiting for the kernel.
fn run_all(cases: &[&'static Case]) -> (Vec<String>, Vec<String>) {
    let (next, found) = (AtomicUsize::new(0), Mutex::new((Vec::new(), Vec::new())));
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let mut wrong = Vec::new();
                    let died_at = run(case, &mut wrong);
                    println!("{} deaths: {} | {}", died_at.len(), case.before, case.call);
                    let mut found = found.lock().expect("nobody panicked");
                    found.0.extend(wrong);
                    found.1.extend(died_at);
                }
            });
        }
    });
    found.into_inner().expect("nobody panicked")
}

/// The kinds of links that this kernel has not.
fn lacking() -> Result<Vec<&'static str>, String> {
    let world = World::new()?;
    Ok(KINDS.iter().filter(|(_, how)| !world.namespace.has_kind(how)).map(|(kind, _)| *kind).collect())
}

#[test]
fn the_daemon_dies_at_every_point() {
    let test = "the_daemon_dies_at_every_point";
    let lacks = match on_a_thread(lacking) {
        Ok(lacks) => lacks,
        Err(reason) => return skip(test, &reason),
    };
    if lacks.contains(&"macvlan") {
        return skip(test, "this kernel has no macvlan");
    }
    let can_run = |case: &&Case| !case.needs.iter().any(|kind| lacks.contains(kind));
    let cases: Vec<_> = CASES.iter().filter(can_run).collect();
    let (wrong, died_at) = run_all(&cases);
    let (deaths, visited) = (died_at.len(), died_at.into_iter().collect::<BTreeSet<_>>());
    let skipped = CASES.len() - cases.len();
    if skipped > 0 {
        let of = CASES.len();
        skip(
            test,
            &format!("{skipped} of {of} calls need link kinds that this kernel lacks: {}", lacks.join(", ")),
        );
    }
    println!("crashes: died {deaths} times at {} points in {} calls", visited.len(), cases.len());
    assert!(wrong.is_empty(), "{} deaths had consequences:\n{}", wrong.len(), wrong.join("\n"));
    // Those of devices are come to only where such devices can be made.
    let can_be = |point: &&String| lacks.is_empty() || !point.starts_with("device.");
    let expected: BTreeSet<_> = points().into_iter().filter(|point| can_be(&point)).collect();
    assert_eq!(visited, expected, "the points that were visited, and those in the source");
}

//! trunkline: a Docker network driver for VLAN trunks.
//!
//! A request travels in one direction: [`server`] takes it from the engine's socket and turns bytes into words,
//! [`driver`] decides and acts, [`kernel`] and [`store`] are what it acts on, and [`model`] holds the words all of them
//! use. [`cli`] is what a person types. docs/architecture.md draws the map and lists the invariants.

pub mod cli;
pub mod driver;
mod failpoint;
pub mod kernel;
pub mod model;
pub mod server;
pub mod store;

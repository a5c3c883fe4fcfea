//! The daemon dies: at every named point between an effect and the next step (`points`), and at random moments under load
//! (`kills`). Each time another is started on what is there, and nothing that was acknowledged may be lost, nothing left
//! behind.

#![allow(clippy::expect_used, clippy::unwrap_used)] // a test that cannot go on says why and ends

#[path = "../common/mod.rs"]
mod common;

mod cases;
mod kills;
mod points;
mod steps;
mod world;

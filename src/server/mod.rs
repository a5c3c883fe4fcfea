//! The edge to the engine: a Unix socket, HTTP on it, and JSON in that.
//!
//! A request passes through four files: [`listener`] (connections and their limits), `routes` (path and body to a
//! [`call::Call`], and the answer back to bytes), [`wire`] (the shapes of the bodies), and `dispatch` (one call, one
//! method of the driver). The only module that names warp.

pub mod call;
pub mod client;
mod dispatch;
pub mod in_process;
pub mod listener;
mod patience;
mod routes;
pub mod socket;
pub mod socket_group;
pub mod wire;

//! The gateway from inside its house: the rooms together, and the house itself.
//!
//! One binary for all, because each further one costs a link.

// Linked for embassy-time, whose clock it is: a binary that names the node's code alone would
// be without one.
use line_time as _;

mod models;
mod node_tls;
mod numbered;
mod tidy;

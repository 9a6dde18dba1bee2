//! The gateway from inside its house: the rooms together, and the house itself.
//!
//! One binary for all, because each further one costs a link.

mod models;
mod tidy;

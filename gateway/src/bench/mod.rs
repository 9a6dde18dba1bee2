//! What the figures in the READMEs are made with: each bench is one command, `gengfu bench`.
//!
//! In: sizes, and addresses of other servers to measure in the same run. Out: a [`Sheet`]
//! of figures, each with its unit and, where we promised one, its target.
//!
//! Machines are noisy, and a rate by the clock on the wall moves by a factor of two with
//! what else they do. So work is counted in CPU-seconds (all threads, user and system),
//! and what is compared is compared in one run, turn by turn, as a ratio.
//!
//! Every bench is deterministic in what it feeds: no random number but of a fixed seed.
//!
//! Not here: the rooms that are measured. A bench stands on top of all of them, as the
//! demo does, and none of them knows of it.

mod book;
pub mod crash;
pub mod findings;
pub mod fleet;
pub mod gauge;
pub mod ingest;
mod line;
pub mod nodes;
pub mod query;
pub mod run;
pub mod server;
pub mod sheet;
pub mod store;

pub use sheet::Sheet;

/// Tells who waits how far a bench is.
pub type Progress<'a> = &'a dyn Fn(&str);

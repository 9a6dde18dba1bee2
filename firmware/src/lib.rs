//! The node: it reads the meters of one bus and publishes what they say.
//!
//! ```text
//! meters ──► bus ──► poll ──► outbox ──► uplink ──► broker or gateway
//!                     ▲                    │
//!                     └─── schedule ◄─── plan (retained)
//! ```
//!
//! No std, no heap, no panic: the same code runs on a microcontroller and as a Linux
//! process. A host brings a port or a bus, a way to dial its gateway, a clock, and an
//! `embassy-time` driver for the short times of the line; it calls [`Node::run`].
//!
//! Reading order:
//!
//! - [`bus`]: what can be asked of the meters' line, and how it can fail;
//! - [`rtu`]: Modbus RTU on any stream of bytes;
//! - [`planner`]: a register map becomes few requests;
//! - [`load`]: how busy a plan keeps its bus;
//! - [`poll`]: one meter is read once;
//! - [`schedule`]: which meter next, and when;
//! - [`outbox`]: what was read and is not yet acknowledged; [`compact`]: how it lies there;
//! - [`flash`]: an outbox that outlives a power cut;
//! - [`host`]: what a host brings and is told;
//! - [`replay`]: which pack goes next;
//! - [`uplink`]: the outbox empties into a broker, the plan arrives;
//! - `orders`: what a node is asked to do, once;
//! - [`node`]: all of it together.
//!
//! Afterwards, always: a pack leaves the outbox only when its publication was acknowledged
//! or the outbox was full, and then it is counted; a plan that is no good never replaces
//! one that is; nothing is ever written on a bus but a coil that the plan names, once.
#![no_std]
#![warn(missing_docs)]
// A test that indexes beyond its table fails, as it should; a node would reboot.
#![cfg_attr(not(test), warn(clippy::indexing_slicing, clippy::arithmetic_side_effects))]
#![expect(async_fn_in_trait, reason = "a node's futures are joined, whoever spawns them has one")]

#[cfg(test)]
extern crate std;

// What the tests wait by.
#[cfg(test)]
use line_time as _;

pub mod bus;
pub mod compact;
pub mod flash;
pub mod host;
pub mod load;
pub mod node;
mod orders;
pub mod outbox;
pub mod planner;
pub mod poll;
pub mod replay;
pub mod rtu;
pub mod schedule;
pub mod update;
pub mod uplink;

pub use bus::{Bus, Pace, PollError, Request};
pub use flash::{FlashFault, FlashOutbox};
pub use host::{Clock, Dialer, Event, Host};
pub use node::{Identity, Node, VERSION};
pub use outbox::{Outbox, RamOutbox};
pub use update::NoUpdates;
pub use uplink::{Login, UplinkBuffers};

//! Every byte that crosses a cable, and nothing that moves it.
//!
//! The node in a ceiling cannot be re-flashed as easily as a service is restarted,
//! so the contract between the two lives here, with the party that can change least.
//! No std, no allocation, no cargo features: what the gateway compiles is what the
//! microcontroller compiles.
//!
//! Reading order:
//!
//! - [`name`]: identifiers of sites, nodes and meters;
//! - [`check`]: the check sum;
//! - [`list`]: a list with a bound, for messages without a heap;
//! - [`quantity`]: what a number means, its unit, its sign;
//! - [`reading`]: a value, or the reason why there is none;
//! - [`modbus`]: register maps and how registers become values (no frames, no sockets);
//! - [`address`]: what a meter speaks, and what it is called on its line;
//! - [`models`]: the meter models we know, each with its data sheet;
//! - [`topic`]: MQTT topics;
//! - [`message`]: MQTT payloads;
//! - [`papers`]: what a board carries with it to prove who it is.
#![no_std]
#![warn(missing_docs)]
// A test that indexes beyond its table fails, as it should; a node would reboot.
#![cfg_attr(not(test), warn(clippy::indexing_slicing))]

#[cfg(test)]
extern crate std;

pub mod address;
pub mod check;
pub mod list;
pub mod message;
pub mod modbus;
pub mod models;
pub mod name;
pub mod papers;
pub mod quantity;
pub mod reading;
pub mod topic;

pub use address::{Address, Protocol};
pub use list::List;
pub use name::Name;
pub use papers::Papers;
pub use quantity::{Quantity, Unit};
pub use reading::{Absence, Reading, Value};

//! What boards share: the way to the broker, the time of the site, the chip of the outbox, a
//! lamp, and what brings a stuck node back.
//!
//! In: a network stack of `embassy-net`, pins and ports of `embedded-hal`. Out: what the
//! library `firmware` asks of its host. With the feature `tls` the way to the broker is a
//! protected one, and there is no other.
#![no_std]
#![warn(missing_docs)]

mod arguments;
#[cfg(feature = "update")]
pub mod boot;
mod clock;
mod lamp;
#[cfg(feature = "update")]
pub mod loader;
mod net;
mod nor;
mod reason;
#[cfg(feature = "sntp")]
pub mod sntp;
#[cfg(feature = "tls")]
pub mod tls;
pub mod watch;

pub use arguments::Arguments;
pub use clock::SiteClock;
pub use lamp::Lamp;
pub use net::{Broker, Client, ClientState};
pub use nor::{Nor, NorFault};
pub use reason::Reason;

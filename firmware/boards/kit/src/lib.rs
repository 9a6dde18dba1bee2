//! What every board shares: the way to the broker, and the time of the site.
//!
//! In: a network stack of `embassy-net`, somebody who tells the time. Out: what the library
//! `firmware` asks of its host.
#![no_std]
#![warn(missing_docs)]

mod arguments;
mod clock;
mod net;

pub use arguments::Arguments;
pub use clock::SiteClock;
pub use net::{Broker, Client, ClientState};

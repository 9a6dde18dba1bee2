//! A whole node on an RS-485 line, in virtual time: what the line's time is spent on, what
//! dead meters cost the others, and what noise does.
//!
//! The line is the test's: it takes for each character what the baud rate says, and the
//! meters think before they answer. So do the node's clock and its flash. All of it stands
//! still while anybody can go on, so a figure is the same on each machine.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test outside a #[test] function")]

mod bench;
mod figures;
mod noise;

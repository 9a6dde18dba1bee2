//! The world around the product, for stories a customer would tell.
//!
//! A story owns a folder and starts the finished binary, a real broker, a real mail
//! server and a real browser in it. It knows only the outside: ports, files, mails,
//! pages. If it fails, the folder stays and its path is the last line printed.
//!
//! - [`world`]: the folder, the clock that all processes share, processes and their logs;
//! - [`gateway`]: the service and its HTTP API;
//! - [`field`]: simulated meters and the nodes that read them;
//! - [`board`]: a microcontroller in the emulator; [`cable`]: the line to its meters, with
//!   faults; [`tap`]: a listener that knows every pack that came;
//! - [`device`]: somebody else's device, which speaks as it likes;
//! - [`publisher`]: a node of the story's own, which knows what was acknowledged;
//! - [`plug`]: a network cable between two of them, to be pulled out or held;
//! - [`broker`], [`mailbox`], [`browser`]: mosquitto, aiosmtpd, Chromium.

pub mod board;
pub mod broker;
pub mod browser;
pub mod cable;
pub mod device;
pub mod field;
pub mod gateway;
pub mod mailbox;
pub mod plug;
pub mod publisher;
pub mod tap;
pub mod world;

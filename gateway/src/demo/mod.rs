//! A simulated campus, its nodes and the gateway in one process.

pub mod mail_sink;

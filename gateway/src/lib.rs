//! The gateway: it does the I/O, and nothing that could be worked out without it.
//!
//! Modules in reading order, bottom to top; each uses only what stands above it
//! (the tidy test in `tests/it` holds the table):

pub mod alert;
pub mod authority;
pub mod bench;
pub mod clock;
pub mod commands;
pub mod config;
pub mod courier;
pub mod demo;
pub mod document;
pub mod events;
pub mod health;
#[cfg(feature = "influx")]
pub mod influx;
pub mod ingest;
pub mod keep;
pub mod ledger;
pub mod letter;
pub mod live;
pub mod mail;
pub mod node;
pub mod plan;
pub mod record;
pub mod report;
pub mod run;
pub mod site_book;
pub mod store;
pub mod tls;
pub mod watch;
pub mod web;
pub mod words;

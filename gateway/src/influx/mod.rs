//! For those who outgrow one box: the readings of this gateway also go to an InfluxDB 2,
//! and the sites that write there are read back as one portfolio.
//!
//! In: what the store has and a target has not; the sums of days, from whoever knows them.
//! Out: rows in the InfluxDB; a position in the store; notices; the portfolio.
//!
//! Reading order: `line` (what a row looks like), `bridge` and `client` (one request, and
//! what its answer means), `deliver` (which lines are at fault), `feed` (what goes when),
//! `export` (everything again, by hand), `history` (reading back).
//!
//! Afterwards the store stays the point of truth: no reading waits for the InfluxDB, none
//! is left out, and what it refuses is kept aside with the reason.
//!
//! Not here: last values and today, which pages read from the store.

mod bridge;
mod client;
mod deliver;
mod export;
mod feed;
mod history;
mod line;

pub use client::{Client, ClientError, TIMEOUT};
pub use export::{ExportError, Exported, export};
pub use feed::{DaySums, Feed, LabelsNow, target_name};
pub use history::{History, HistoryError};
pub use line::Labels;

#[cfg(test)]
mod tests;

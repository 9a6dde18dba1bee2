//! From readings to consumption, findings, cost and report figures.
//!
//! In: accepted readings, events, the site book, calendars. Out: the same answer for
//! the same input, for ever: nothing here reads a file, a socket or a clock, and
//! nothing here logs. Bad data is a quality or a gap, never an `Err`.
//!
//! Numbers are integers in thousandths of the quantity's unit (mWh, mW, mL), instants
//! are seconds since 1970 in UTC, money is counted as [`money`] says.
//!
//! Reading order:
//!
//! - [`site`]: areas, meters, people: what the site book says; [`model`]: of meter models;
//! - [`calendar`]: working days and holidays; whether an area is open;
//! - [`interval`]: counter readings become an amount per quarter hour;
//! - [`track`]: amounts at equal steps, for what looks at a load's shape;
//! - [`profile`]: the typical day, base load, demand;
//! - [`pace`]: how a day goes so far;
//! - [`baseline`]: what a meter would have used; energy avoided;
//! - [`forecast`]: the next day by hours, the month by its end;
//! - [`money`] and [`tariff`]: what an amount came to; [`carbon`]: in carbon dioxide;
//! - [`robust`]: medians, quantiles, spreads;
//! - [`finding`] and [`detect`]: what was found, on what evidence, at what waste;
//! - [`figures`]: the numbers of a month, before any ink.
#![warn(missing_docs)]

pub mod site;

pub mod baseline;
pub mod calendar;
pub mod carbon;
pub mod detect;
pub mod figures;
pub mod finding;
pub mod forecast;
pub mod interval;
mod least_squares;
pub mod model;
pub mod money;
pub mod pace;
pub mod profile;
pub mod robust;
pub mod tariff;
pub mod track;

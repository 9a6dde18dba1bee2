//! A small campus of meters that replay real measurements.
//!
//! In: hourly measurements of real buildings (`data/`, see its `SOURCES.md`), a list of
//! meters, and what a test or a demo switches. Out: registers of real meter models, served
//! over RTU over TCP and Modbus TCP, and on the former also meters of DL/T 645 and CJ/T 188.
//!
//! What a meter shows is a pure function of the instant and of what was switched. History
//! that is computed at once and registers that are polled live therefore agree to the last
//! digit, and so do two runs.
//!
//! Reading order:
//!
//! - [`mod@column`]: the measurements, by name;
//! - `replay`: from an instant to the amount and rate of one column;
//! - [`script`]: what is switched or broken, and from which instant on;
//! - `electrical`: voltage, phases and power factor around a power;
//! - [`campus`]: meters, their counters and their registers at any instant;
//! - [`demo`]: the campus that `gengfu demo` shows;
//! - [`mod@serve`]: the buses, answered by tokio-modbus;
//! - [`relay`]: coils that switch lights;
//! - `national`: meters that speak DL/T 645 or CJ/T 188;
//! - `line`: faults on the cable, byte by byte;
//! - [`bank`]: registers without a meter, for load;
//! - [`control`]: the address at which a test switches lights and breaks meters.
#![warn(missing_docs)]

pub mod bank;
pub mod campus;
pub mod column;
pub mod control;
pub mod demo;
mod electrical;
mod line;
mod national;
pub mod relay;
mod replay;
pub mod script;
pub mod serve;

pub use campus::{Campus, CampusError, MeterReadings, MeterSpec, Source};
pub use column::Column;
pub use demo::demo_campus;
pub use replay::{Calendar, SITE_OFFSET_S};
pub use script::{ScriptError, ScriptedEvent, Set};
pub use serve::{BusAddress, BusKind, Now, serve};

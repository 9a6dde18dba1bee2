//! What the API answers and what it takes, field by field.
//!
//! These types are the contract with the pages: the OpenAPI document is made from them, and
//! the pages' own types from that. Nothing inside the gateway uses them; the handlers in
//! [`super::api`] fill them from what the store, the ledger and `analysis` say.
//!
//! All of them:
//!
//! - a field that may be empty is there and `null`, never left out;
//! - amounts are thousandths of the unit named beside them, money is 1/10000 yuan;
//! - times are RFC 3339 with the offset of the site, dates are `YYYY-MM-DD`.

pub mod command;
pub mod detector;
pub mod event;
pub mod finding;
pub mod live;
pub mod mail;
pub mod meter;
pub mod month;
pub mod node;
pub mod patrol;
pub mod place;
pub mod portfolio;
pub mod preview;
pub mod problem;
pub mod savings;
pub mod session;
pub mod status;
pub mod today;
pub mod trust;
pub mod why;

//! What is to come: the next day by hours, the month by its end.
//!
//! In: the days that are over. Out: the most likely amounts, each with a range that the
//! meter's own misses have earned.

mod day_ahead;

pub use day_ahead::{DayAhead, HOURS, Hours, Told};

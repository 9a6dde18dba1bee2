//! What is to come: the next day by hours, the month by its end.
//!
//! In: the days that are over. Out: the most likely amounts, each with a range that the
//! meter's own misses have earned.

mod day_ahead;
mod month_end;

pub use day_ahead::{DayAhead, HOURS, Hours, Told};
pub use month_end::{HISTORY_DAYS, MonthEnd, PastDay, month_end, weekday};

//! Working days and holidays; when an area is open.
//!
//! In China a holiday moves working days: the Sunday before may be worked. The notice
//! that says so comes in November of the year before, so no program can know it earlier.
//! A year we have no notice for is [`Day::Guessed`], and the caller sees that it is.
//!
//! Not here: how people permit overtime (the journal); it arrives as [`Exception`]s.

mod hours;

use jiff::civil::{Date, Weekday};

pub(crate) use hours::local_time;
pub use hours::{Exception, Holidays, Opening, OpeningHours, Spans};

/// What kind of day a local day is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DayType {
    /// Monday to Friday, worked as usual.
    Working,
    /// Saturday or Sunday, off as usual.
    Weekend,
    /// Off by the holiday notice.
    Holiday,
    /// A Saturday or Sunday that is worked in exchange for a day off (调休).
    MakeUp,
}

impl DayType {
    /// Returns whether people come to work.
    #[must_use]
    pub const fn is_worked(self) -> bool {
        matches!(self, Self::Working | Self::MakeUp)
    }

    /// Returns the word that stands for this type in the API.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Working => "working",
            Self::Weekend => "weekend",
            Self::Holiday => "holiday",
            Self::MakeUp => "make_up",
        }
    }
}

/// What the calendar says about a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[must_use]
pub enum Day {
    /// The calendar knows this day's year.
    Known(DayType),
    /// It does not; this is what the weekday alone says.
    Guessed(DayType),
}

impl Day {
    /// Returns the type, from the weekday alone where the calendar does not know better.
    #[must_use]
    pub const fn or_weekday(self) -> DayType {
        match self {
            Self::Known(day_type) | Self::Guessed(day_type) => day_type,
        }
    }

    /// Returns whether the calendar knows this day's year.
    #[must_use]
    pub const fn is_known(self) -> bool {
        matches!(self, Self::Known(_))
    }

    /// Returns the word that stands for this day in the API: its type, or `unknown`.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Known(day_type) => day_type.code(),
            Self::Guessed(_) => "unknown",
        }
    }
}

/// Days off and make-up working days, year by year.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HolidayCalendar {
    // Both sorted, for `binary_search`.
    days: Vec<(Date, DayType)>,
    years: Vec<(i16, String)>,
    every_year_known: bool,
}

/// A line of a calendar file that says nothing we understand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CalendarError {
    /// The line, counted from 1.
    pub line: usize,
    /// What is wrong with it.
    pub kind: CalendarErrorKind,
}

/// What is wrong with a line of a calendar file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CalendarErrorKind {
    /// Not a day `YYYY-MM-DD` nor `first..last`.
    NoDay,
    /// The last day lies before the first, or more than 60 days after it.
    Backwards,
    /// Neither `off` nor `work` behind the day.
    NoVerdict,
    /// A day of a year that no `year` line opened.
    YearNotOpened,
    /// A day that an earlier line spoke of already.
    Twice,
    /// A `year` line without a year.
    NoYear,
}

impl std::fmt::Display for CalendarError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let what = match self.kind {
            CalendarErrorKind::NoDay => "expected a day `2026-10-01` or `2026-10-01..2026-10-07`",
            CalendarErrorKind::Backwards => "the last day is not within 60 days after the first",
            CalendarErrorKind::NoVerdict => "expected `off` or `work` after the day",
            CalendarErrorKind::YearNotOpened => "no line `year` opens the year of this day",
            CalendarErrorKind::Twice => "an earlier line spoke of this day already",
            CalendarErrorKind::NoYear => "expected `year 2026` and the notice it was taken from",
        };
        write!(f, "line {}: {what}", self.line)
    }
}

impl std::error::Error for CalendarError {}

impl HolidayCalendar {
    /// Returns the calendar of mainland China for the years whose notice we carry.
    ///
    /// # Source
    ///
    /// The notices of the General Office of the State Council named in
    /// `data/holidays-cn.txt`.
    #[must_use]
    pub fn china() -> Self {
        Self::parse(include_str!("../../data/holidays-cn.txt")).unwrap_or_else(|_| Self::empty())
    }

    /// Returns a calendar without holidays that knows every year: Saturday and Sunday
    /// are off. For sites where no notice applies.
    #[must_use]
    pub fn weekdays() -> Self {
        Self { every_year_known: true, ..Self::empty() }
    }

    const fn empty() -> Self {
        Self { days: Vec::new(), years: Vec::new(), every_year_known: false }
    }

    /// Reads a calendar; `data/holidays-cn.txt` shows and explains the form.
    ///
    /// # Errors
    ///
    /// Every line that is not understood, in order.
    pub fn parse(text: &str) -> Result<Self, Vec<CalendarError>> {
        let mut calendar = Self::empty();
        let mut errors = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if let Err(kind) = calendar.read_line(line) {
                errors.push(CalendarError { line: index + 1, kind });
            }
        }
        calendar.days.sort_unstable();
        calendar.years.sort();
        if errors.is_empty() { Ok(calendar) } else { Err(errors) }
    }

    fn read_line(&mut self, line: &str) -> Result<(), CalendarErrorKind> {
        let (first, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        if first == "year" {
            let (year, notice) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
            let year = year.parse().map_err(|_| CalendarErrorKind::NoYear)?;
            self.years.push((year, notice.trim().to_owned()));
            return Ok(());
        }
        let (from, to) = first.split_once("..").unwrap_or((first, first));
        let from: Date = from.parse().map_err(|_| CalendarErrorKind::NoDay)?;
        let to: Date = to.parse().map_err(|_| CalendarErrorKind::NoDay)?;
        if to < from || 60 < from.duration_until(to).as_hours() / 24 {
            return Err(CalendarErrorKind::Backwards);
        }
        let day_type = match rest.split_whitespace().next() {
            Some("off") => DayType::Holiday,
            Some("work") => DayType::MakeUp,
            _ => return Err(CalendarErrorKind::NoVerdict),
        };
        let mut day = from;
        loop {
            if !self.knows(day.year()) {
                return Err(CalendarErrorKind::YearNotOpened);
            }
            if self.days.iter().any(|&(known, _)| known == day) {
                return Err(CalendarErrorKind::Twice);
            }
            // A working Wednesday stays a working day, whatever a file calls it.
            let worked = day_type == DayType::MakeUp && !is_weekend(day);
            self.days.push((day, if worked { DayType::Working } else { day_type }));
            match day.tomorrow() {
                Ok(tomorrow) if tomorrow <= to => day = tomorrow,
                _ => return Ok(()),
            }
        }
    }

    /// Returns this calendar with the years of another one added; where both know a
    /// year, the other one's word counts.
    #[must_use]
    pub fn with(mut self, newer: &Self) -> Self {
        self.days.retain(|(day, _)| !newer.knows(day.year()));
        self.years.retain(|(year, _)| !newer.knows(*year));
        self.days.extend_from_slice(&newer.days);
        self.years.extend_from_slice(&newer.years);
        self.days.sort_unstable();
        self.years.sort();
        self.every_year_known |= newer.every_year_known;
        self
    }

    /// Returns whether the calendar has the notice of a year.
    #[must_use]
    pub fn knows(&self, year: i16) -> bool {
        self.every_year_known || self.years.iter().any(|(known, _)| *known == year)
    }

    /// Returns the notice that a year was taken from.
    #[must_use]
    pub fn notice(&self, year: i16) -> Option<&str> {
        let (_, notice) = self.years.iter().find(|(known, _)| *known == year)?;
        Some(notice)
    }

    /// Returns what the calendar says about a day.
    pub fn day(&self, date: Date) -> Day {
        if let Ok(found) = self.days.binary_search_by_key(&date, |&(day, _)| day) {
            return Day::Known(self.days[found].1);
        }
        let day_type = if is_weekend(date) { DayType::Weekend } else { DayType::Working };
        if self.knows(date.year()) { Day::Known(day_type) } else { Day::Guessed(day_type) }
    }

    /// Returns the year whose notice somebody ought to enter now, if there is one: this
    /// year, and from 1 November, when the notice is due, the next.
    #[must_use]
    pub fn year_missing(&self, today: Date) -> Option<i16> {
        let this = today.year();
        if !self.knows(this) {
            return Some(this);
        }
        let next = this + 1;
        (11 <= today.month() && !self.knows(next)).then_some(next)
    }
}

fn is_weekend(date: Date) -> bool {
    matches!(date.weekday(), Weekday::Saturday | Weekday::Sunday)
}

#[cfg(test)]
mod tests;

//! When an area is meant to be in use.

use jiff::{
    Timestamp,
    civil::{Date, DateTime, Time},
    tz::TimeZone,
};
use wire::Name;

use super::{DayType, HolidayCalendar};
use crate::{
    interval::{INTERVAL_S, interval_start},
    site::Text,
};

/// Spans of one day, `[from, to)`, by the clock on the wall. `to` at or before `from`
/// is on the next day: 22:00 to 06:00 is a night, 00:00 to 00:00 the whole day.
pub type Spans = Vec<(Time, Time)>;

/// When areas are meant to be in use, by weekday.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpeningHours {
    /// Its identifier.
    pub id: Name,
    /// What people call it.
    pub name: Text,
    /// Open spans, Monday first.
    pub week: [Spans; 7],
    /// What holidays do to them.
    pub holidays: Holidays,
}

/// What holidays do to opening hours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Holidays {
    /// Closed on a holiday; on a make-up day open as on that weekday if it has spans,
    /// else as on Monday.
    #[default]
    FollowCalendar,
    /// The week counts, whatever the calendar says: a hospital, a museum.
    Ignore,
    /// Open day and night all year: a guard's room, a server room.
    AlwaysOpen,
}

impl Holidays {
    /// Returns the word that stands for this in the site book.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::FollowCalendar => "follow_calendar",
            Self::Ignore => "ignore",
            Self::AlwaysOpen => "always_open",
        }
    }

    /// Returns what a word stands for, if anything.
    #[must_use]
    pub fn from_code(code: &str) -> Option<Self> {
        [Self::FollowCalendar, Self::Ignore, Self::AlwaysOpen]
            .into_iter()
            .find(|holidays| holidays.code() == code)
    }
}

/// A permit that makes an area open when it would be closed: overtime.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Exception {
    /// The area.
    pub area: Name,
    /// The first instant of the permit.
    pub from: i64,
    /// The first instant that is no longer permitted.
    pub until: i64,
}

/// Everything that decides whether one area is open.
#[derive(Clone, Copy, Debug)]
pub struct Opening<'a> {
    /// The area; only its exceptions count.
    pub area: &'a Name,
    /// Its opening hours.
    pub hours: &'a OpeningHours,
    /// The calendar they may follow.
    pub calendar: &'a HolidayCalendar,
    /// The site's zone.
    pub zone: &'a TimeZone,
    /// Permits of this and other areas, in any order.
    pub exceptions: &'a [Exception],
}

impl Opening<'_> {
    /// Returns whether the area is meant to be in use at an instant. A year that the
    /// calendar does not know is taken by its weekdays; [`HolidayCalendar::year_missing`]
    /// is how a person hears of it.
    #[must_use]
    pub fn is_open(&self, instant: i64) -> bool {
        self.is_excepted(instant) || self.is_open_by_hours(instant)
    }

    /// Returns whether a permit covers an instant.
    #[must_use]
    pub fn is_excepted(&self, instant: i64) -> bool {
        self.exception_at(instant).is_some()
    }

    /// Returns the permit that covers an instant and lasts longest.
    #[must_use]
    pub fn exception_at(&self, instant: i64) -> Option<&Exception> {
        self.exceptions
            .iter()
            .filter(|exception| {
                exception.area == *self.area
                    && exception.from <= instant
                    && instant < exception.until
            })
            .max_by_key(|exception| exception.until)
    }

    /// Returns whether the area is open at an instant, permits left aside.
    #[must_use]
    pub fn is_open_by_hours(&self, instant: i64) -> bool {
        let Some(local) = local_time(self.zone, instant) else { return false };
        self.hours.is_open(local, self.calendar)
    }

    /// Returns the next quarter hour after an instant at which the area turns open or
    /// closed, permits included; `None` if it does not within `within_s`.
    #[must_use]
    pub fn next_change(&self, instant: i64, within_s: i64) -> Option<i64> {
        let open = self.is_open(instant);
        let first = interval_start(instant) + INTERVAL_S;
        (0..within_s / INTERVAL_S)
            .map(|step| first + step * INTERVAL_S)
            .find(|&start| self.is_open(start) != open)
    }

    /// Returns since when the area has been closed: the quarter hour at which it closed
    /// last, looked for as far back as `within_s`; `None` if it is open.
    #[must_use]
    pub fn closed_since(&self, instant: i64, within_s: i64) -> Option<i64> {
        let last = interval_start(instant);
        if self.is_open(instant) {
            return None;
        }
        let steps = within_s / INTERVAL_S;
        let open = (1..=steps).find(|step| self.is_open(last - step * INTERVAL_S));
        Some(last - (open.unwrap_or(steps + 1) - 1) * INTERVAL_S)
    }
}

impl OpeningHours {
    /// Returns whether areas with these hours are open at a local time.
    #[must_use]
    pub fn is_open(&self, local: DateTime, calendar: &HolidayCalendar) -> bool {
        if self.holidays == Holidays::AlwaysOpen {
            return true;
        }
        let (date, time) = (local.date(), local.time());
        let today = self
            .spans(date, calendar)
            .iter()
            .any(|&(from, to)| from <= time && (time < to || to <= from));
        today
            || date.yesterday().is_ok_and(|yesterday| {
                self.spans(yesterday, calendar).iter().any(|&(from, to)| to <= from && time < to)
            })
    }

    /// Returns the spans that begin on a day.
    #[must_use]
    pub fn spans(&self, date: Date, calendar: &HolidayCalendar) -> &[(Time, Time)] {
        let by_weekday = |date: Date| {
            let day = usize::try_from(date.weekday().to_monday_zero_offset()).unwrap_or_default();
            self.week[day].as_slice()
        };
        if self.holidays != Holidays::FollowCalendar {
            return by_weekday(date);
        }
        match calendar.day(date).or_weekday() {
            DayType::Working | DayType::Weekend => by_weekday(date),
            DayType::Holiday => &[],
            DayType::MakeUp => {
                let own = by_weekday(date);
                if own.is_empty() { &self.week[0] } else { own }
            }
        }
    }
}

/// Returns what the clocks at the site show at an instant; `None` beyond the years that
/// have four digits.
pub(crate) fn local_time(zone: &TimeZone, instant: i64) -> Option<DateTime> {
    Some(zone.to_datetime(Timestamp::from_second(instant).ok()?))
}

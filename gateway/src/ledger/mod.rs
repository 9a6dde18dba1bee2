//! Readings → what people ask for: a day, a year, a month, how the site does now.
//!
//! In: the store's readings and decisions, the site book. Out: consumption, typical days
//! and figures, all of them worked out by `analysis`; here they are only fetched, put
//! together and remembered.
//!
//! All methods may block; callers are on a thread where that is fine.
//!
//! Not here: what a page or a sheet looks like.

mod balance;
mod blocks;
mod buildings;
mod check;
mod dates;
mod day;
mod detectors;
mod events;
mod intervals;
mod loads;
mod savings;
mod supply;
mod tail;
mod truth;
mod weather;
mod why;
mod window;

use std::sync::{Arc, PoisonError, RwLock};

use analysis::calendar::HolidayCalendar;
use analysis::interval::combine::{Term, combine};
use analysis::interval::{IntervalAmount, Span};
use analysis::site::{Meter, Site};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::clock::Clock;
use crate::site_book::{self, SiteBook};
use crate::store::{Store, StoreError};
pub use balance::Balance;
pub(crate) use balance::is_leaf;
pub use buildings::BuildingSum;
pub use check::{EventFault, FACTOR_MAX, check};
pub use dates::Aside;
pub use day::{DayView, YearDay};
pub use detectors::detectors_of;
use intervals::{Days, Intervals};
pub use loads::{LEARNING_S, Raised, Risen, is_worth};
pub use savings::{Savings, SavingsFigure, SavingsModel};
pub use supply::QuarterNow;
pub use weather::{HourlyWeather, put_weather};
pub use why::{Preview, Source, WhyFigure, summed};

/// Consumption and figures of a site. Cheap to clone; all clones share what they remember.
#[derive(Clone)]
pub struct Ledger(Arc<Inner>);

struct Inner {
    store: Store,
    clock: Clock,
    calendar: HolidayCalendar,
    intervals: Intervals,
    book: RwLock<Option<Book>>,
}

/// A site book and its version.
#[derive(Clone)]
pub struct Book {
    /// Its version in the journal.
    pub version: i64,
    /// The book.
    pub book: Arc<SiteBook>,
    site: Arc<Site>,
}

impl Ledger {
    /// Returns a ledger over a store; the site book is taken up by [`Ledger::reload`].
    #[must_use]
    pub fn new(store: &Store, clock: &Clock) -> Self {
        Self(Arc::new(Inner {
            store: store.clone(),
            clock: clock.clone(),
            calendar: HolidayCalendar::china(),
            intervals: Intervals::new(store.clone()),
            book: RwLock::default(),
        }))
    }

    /// Returns the same ledger with nothing remembered.
    #[cfg(test)]
    fn anew(&self) -> Self {
        let Inner { store, clock, calendar, .. } = &*self.0;
        Self(Arc::new(Inner {
            store: store.clone(),
            clock: clock.clone(),
            calendar: calendar.clone(),
            intervals: Intervals::new(store.clone()),
            book: RwLock::new(self.book()),
        }))
    }

    /// Takes up the newest site book of the journal; returns whether it is another one.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the journal cannot be read. A book that an older program took in
    /// and this one refuses is left where it is, and the one before stays in use.
    pub fn reload(&self) -> Result<bool, StoreError> {
        let newest = self.0.store.journal().view(|journal| journal.site_book())?;
        let Some(newest) = newest else { return Ok(false) };
        if self.book().is_some_and(|book| book.version == newest.version) {
            return Ok(false);
        }
        let Ok(book) = site_book::parse(&newest.text) else { return Ok(false) };
        let site = Arc::new(book.site.clone());
        let book = Book { version: newest.version, book: Arc::new(book), site };
        *self.0.book.write().unwrap_or_else(PoisonError::into_inner) = Some(book);
        Ok(true)
    }

    /// Returns the site book in use, if there is one.
    #[must_use]
    pub fn book(&self) -> Option<Book> {
        self.0.book.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns the site that the site book describes, if there is one.
    #[must_use]
    pub fn site(&self) -> Option<Arc<Site>> {
        self.book().map(|book| book.site)
    }

    /// Returns how many readings were judged so far, each as often as it was.
    #[must_use]
    pub fn readings_judged(&self) -> u64 {
        self.0.intervals.judged()
    }

    /// Returns the calendar of holidays and make-up working days.
    #[must_use]
    pub fn calendar(&self) -> &HolidayCalendar {
        &self.0.calendar
    }

    /// Returns the site's local day at an instant; `None` without a site book.
    #[must_use]
    pub fn today(&self, now: i64) -> Option<Date> {
        let instant = Timestamp::from_second(now).ok()?;
        Some(instant.to_zoned(self.site()?.zone.clone()).date())
    }

    /// Returns what went through a meter in each quarter hour of a span; of a formula, what
    /// its terms come to.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if readings cannot be read.
    pub fn intervals(&self, meter: &Meter, span: Span) -> Result<Vec<IntervalAmount>, StoreError> {
        let site = self.site();
        if let (Some(formula), Some(site)) = (&meter.formula, &site) {
            // Terms stand above the formula in the site book, so this ends.
            let mut terms = Vec::new();
            for term in &formula.terms {
                let Some(own) = site.meter(&term.meter) else {
                    return Ok(span.starts().map(IntervalAmount::missing).collect());
                };
                terms.push((term.factor_milli, self.intervals(own, span)?));
            }
            let terms: Vec<Term<'_>> = terms
                .iter()
                .map(|(factor_milli, intervals)| Term { factor_milli: *factor_milli, intervals })
                .collect();
            return Ok(combine(&terms, span).intervals);
        }
        let zone = site.map_or(TimeZone::UTC, |site| site.zone.clone());
        let days = Days { zone: &zone, calendar: &self.0.calendar };
        self.0.intervals.of(meter, span, days)
    }
}

#[cfg(test)]
pub(crate) mod house;
#[cfg(test)]
mod tail_tests;
#[cfg(test)]
mod tests;

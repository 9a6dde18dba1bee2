//! The outdoor temperature of the site, hour by hour, as it was taken in.
//!
//! It lies in the journal, a setting for each month of UTC, `weather/2026-11`: for each of
//! its hours the mean temperature in thousandths of a degree Celsius, with a comma between
//! them and nothing where nobody knows. A month that is taken in again lies over the one
//! before, hour by hour; the audit log says who did.

use std::collections::BTreeMap;

use analysis::interval::Span;
use analysis::track::Track;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};

use super::Ledger;
use crate::store::StoreError;
use crate::store::journal::{JournalTx, NewAudit};

const HOUR_S: i64 = 3600;

/// Temperatures by the start of their hour, thousandths of °C.
pub type HourlyWeather = BTreeMap<i64, i64>;

impl Ledger {
    /// Returns the outdoor temperature of each hour that a span touches.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the journal cannot be read.
    pub fn weather(&self, span: Span) -> Result<Track, StoreError> {
        let start = span.from.div_euclid(HOUR_S) * HOUR_S;
        let hours = usize::try_from((span.to - start + HOUR_S - 1) / HOUR_S).unwrap_or(0);
        let mut amounts = vec![None; hours];
        let mut month = month_of(start);
        while let Some(first) = month.filter(|it| *it < span.to) {
            let key = key(first);
            let text = self.0.store.journal().view(|journal| journal.setting(&key))?;
            for (hour, degrees) in decoded(first, text.as_deref().unwrap_or_default()) {
                let place = usize::try_from((hour - start) / HOUR_S).ok().filter(|_| start <= hour);
                if let Some(amount) = place.and_then(|at| amounts.get_mut(at)) {
                    *amount = Some(degrees);
                }
            }
            month = next_month(first);
        }
        Ok(Track { start, step_s: HOUR_S, amounts })
    }
}

/// Takes temperatures into the journal, over those that are there.
///
/// # Errors
///
/// [`StoreError`] if the journal cannot be written.
pub fn put_weather(
    journal: &mut JournalTx<'_>,
    weather: &HourlyWeather,
    author: &str,
    now: i64,
) -> Result<(), StoreError> {
    let mut months: BTreeMap<i64, HourlyWeather> = BTreeMap::new();
    for (&hour, &degrees) in weather {
        if let Some(first) = month_of(hour) {
            months.entry(first).or_default().insert(hour, degrees);
        }
    }
    for (first, hours) in months {
        let key = key(first);
        let before = journal.setting(&key)?;
        let mut whole: HourlyWeather =
            decoded(first, before.as_deref().unwrap_or_default()).collect();
        whole.extend(hours);
        journal.set_setting(&key, &encoded(first, &whole))?;
        journal.append_audit(&NewAudit {
            at: now,
            author: author.to_owned(),
            action: "put_weather".to_owned(),
            subject: key,
            details: serde_json::json!({ "hours": whole.len() }).to_string(),
        })?;
    }
    Ok(())
}

fn encoded(first: i64, hours: &HourlyWeather) -> String {
    let last = hours.keys().next_back().copied().unwrap_or(first);
    let mut text = String::new();
    let mut hour = first;
    while hour <= last {
        if hour != first {
            text.push(',');
        }
        if let Some(degrees) = hours.get(&hour) {
            text.push_str(&degrees.to_string());
        }
        hour += HOUR_S;
    }
    text
}

fn decoded(first: i64, text: &str) -> impl Iterator<Item = (i64, i64)> {
    (0..)
        .zip(text.split(','))
        .filter_map(move |(at, cell): (i64, &str)| Some((first + at * HOUR_S, cell.parse().ok()?)))
}

fn key(first: i64) -> String {
    let date = date_of(first).unwrap_or(Date::ZERO);
    format!("weather/{:04}-{:02}", date.year(), date.month())
}

fn date_of(instant: i64) -> Option<Date> {
    Some(Timestamp::from_second(instant).ok()?.to_zoned(TimeZone::UTC).date())
}

fn month_of(instant: i64) -> Option<i64> {
    let first = date_of(instant)?.first_of_month().to_zoned(TimeZone::UTC).ok()?;
    Some(first.timestamp().as_second())
}

fn next_month(first: i64) -> Option<i64> {
    let next = date_of(first)?.checked_add(1.month()).ok()?;
    Some(next.to_zoned(TimeZone::UTC).ok()?.timestamp().as_second())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::store::Store;

    // 2026-10-31 22:00 UTC.
    const START: i64 = 1_793_484_000;

    #[test]
    fn what_is_taken_in_later_lies_over_what_was_there() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let ledger = Ledger::new(&store, &Clock::manual(START));
        let take_in = |hours: &[(i64, i64)]| {
            let weather =
                hours.iter().map(|(hour, degrees)| (START + hour * HOUR_S, *degrees)).collect();
            store.journal().commit(|tx| put_weather(tx, &weather, "test", START)).unwrap();
        };

        take_in(&[(0, 7_100), (1, 6_900), (3, -400)]);
        take_in(&[(1, 6_800), (4, 0)]);

        let span = Span { from: START - HOUR_S, to: START + 6 * HOUR_S };
        let track = ledger.weather(span).unwrap();
        assert_eq!((track.start, track.step_s), (START - HOUR_S, HOUR_S));
        let known = [None, Some(7_100), Some(6_800), None, Some(-400), Some(0), None];
        assert_eq!(track.amounts, known);
        let audit = store.journal().view(|journal| journal.audit(None, 10)).unwrap();
        assert_eq!(audit.len(), 4, "{audit:?}");
    }
}

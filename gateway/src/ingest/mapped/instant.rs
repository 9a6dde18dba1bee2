//! From what a device writes as a time to an instant.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::json::Found;
use super::number::Decimal;
use crate::site_book::mapping::TimeFormat;

/// From here on a number counts milliseconds: as seconds it would be the year 5138.
const MILLISECONDS_FROM: i64 = 100_000_000_000;

/// Returns the instant, Unix seconds, rounded down; `None` if it is no time.
///
/// A date and time without an offset is one of the site's zone; one that its clocks show
/// twice is the first of both.
#[must_use]
pub(super) fn read(found: &Found<'_>, format: TimeFormat, zone: &TimeZone) -> Option<i64> {
    match found {
        Found::Number(text) => number(text, format, zone),
        Found::Text(text) => {
            let text = text.trim();
            number(text, format, zone).or_else(|| written(text, zone))
        }
        Found::Truth(_) | Found::Null | Found::Nested => None,
    }
}

fn number(text: &str, format: TimeFormat, zone: &TimeZone) -> Option<i64> {
    let number = Decimal::parse(text)?;
    let whole = number.floor()?;
    match format {
        TimeFormat::UnixS => Some(whole),
        // 20260504080000: digits only, as many DTUs write it.
        TimeFormat::Auto if text.len() == 14 && text.starts_with("20") => {
            local(DateTime::strptime("%Y%m%d%H%M%S", text).ok()?, zone)
        }
        TimeFormat::Auto if whole < MILLISECONDS_FROM => Some(whole),
        TimeFormat::Auto | TimeFormat::UnixMs => Some(whole.div_euclid(1_000)),
    }
}

fn written(text: &str, zone: &TimeZone) -> Option<i64> {
    if let Ok(instant) = text.parse::<Timestamp>() {
        return Some(floor(instant));
    }
    let civil =
        text.parse::<DateTime>().or_else(|_| DateTime::strptime("%Y/%m/%d %H:%M:%S", text)).ok()?;
    local(civil, zone)
}

fn local(civil: DateTime, zone: &TimeZone) -> Option<i64> {
    Some(floor(civil.to_zoned(zone.clone()).ok()?.timestamp()))
}

fn floor(instant: Timestamp) -> i64 {
    instant.as_millisecond().div_euclid(1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-05-04 08:00:00 in Shanghai.
    const AT: i64 = 1_777_852_800;

    fn check(text: &str, format: TimeFormat) -> Option<i64> {
        let zone = TimeZone::get("Asia/Shanghai").unwrap();
        let found = if text.starts_with(|c: char| c.is_ascii_digit()) && text.parse::<f64>().is_ok()
        {
            Found::Number(text)
        } else {
            Found::Text(text.into())
        };
        read(&found, format, &zone)
    }

    #[test]
    fn a_time_is_found_however_it_is_written() {
        for text in [
            "1777852800",
            "1777852800.999",
            "1777852800123",
            "20260504080000",
            "2026-05-04T08:00:00",
            "2026-05-04 08:00:00",
            "2026/05/04 08:00:00",
            "2026-05-04T08:00:00.5",
            "2026-05-04T00:00:00Z",
            "2026-05-04T02:00:00+02:00",
        ] {
            assert_eq!(check(text, TimeFormat::Auto), Some(AT), "{text}");
        }
    }

    #[test]
    fn a_format_that_is_named_is_not_guessed() {
        assert_eq!(check("1777852800000", TimeFormat::UnixMs), Some(AT));
        assert_eq!(check("5000", TimeFormat::UnixMs), Some(5));
        assert_eq!(check("1777852800", TimeFormat::UnixS), Some(AT));
    }

    #[test]
    fn what_is_no_time_is_none() {
        for text in ["", "soon", "2026-13-04T08:00:00", "99999999999999999999", "1T00:00:20"] {
            assert_eq!(check(text, TimeFormat::Auto), None, "{text}");
        }
        assert_eq!(read(&Found::Null, TimeFormat::Auto, &TimeZone::UTC), None);
    }

    #[test]
    fn an_hour_that_clocks_show_twice_is_the_first_of_both() {
        let zone = TimeZone::get("Europe/Berlin").unwrap();

        let instant = written("2026-10-25T02:30:00", &zone);

        assert_eq!(instant, written("2026-10-25T02:30:00+02:00", &zone));
    }
}

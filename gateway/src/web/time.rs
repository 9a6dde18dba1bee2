//! Instants and dates as the API writes and reads them.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

/// Returns an instant (Unix seconds) as RFC 3339 with the offset of a zone.
pub(crate) fn written(instant: i64, zone: &TimeZone) -> String {
    // Instants outside years -9999 to 9999 come from a broken clock; the end will do.
    let timestamp = Timestamp::from_second(instant).unwrap_or(Timestamp::MAX);
    timestamp.to_zoned(zone.clone()).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
}

/// Returns the instant (Unix seconds) that an RFC 3339 text with an offset says.
pub(crate) fn read(text: &str) -> Option<i64> {
    text.parse::<Timestamp>().ok().map(Timestamp::as_second)
}

/// Returns the local day of an instant (Unix seconds).
pub(crate) fn day_of(instant: i64, zone: &TimeZone) -> Date {
    Timestamp::from_second(instant).unwrap_or(Timestamp::MAX).to_zoned(zone.clone()).date()
}

/// Returns the first instant (Unix seconds) of a local day.
pub(crate) fn start_of(day: Date, zone: &TimeZone) -> i64 {
    // Fails only at the edge of what a calendar can carry.
    day.to_zoned(zone.clone()).map_or(i64::MAX, |start| start.timestamp().as_second())
}

/// Returns the day that `YYYY-MM-DD` says.
pub(crate) fn read_day(text: &str) -> Option<Date> {
    // By itself jiff would take a time behind it, too.
    if text.len() == 10 { text.parse().ok() } else { None }
}

/// Returns the first day of the month that `YYYY-MM` says.
pub(crate) fn read_month(text: &str) -> Option<Date> {
    // By itself jiff would take `2026-1`, too; one month has one address.
    if text.len() != 7 {
        return None;
    }
    format!("{text}-01").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_is_written_with_the_offset_of_the_site() {
        let zone = TimeZone::get("Asia/Shanghai").unwrap();

        let text = written(1_795_445_100, &zone);

        assert_eq!(text, "2026-11-23T22:45:00+08:00");
        assert_eq!(read(&text), Some(1_795_445_100));
    }

    #[test]
    fn a_time_without_an_offset_is_no_instant() {
        assert_eq!(read("2026-11-23T22:45:00"), None);
        assert_eq!(read("2026-11-23T22:45:00Z"), Some(1_795_473_900));
    }

    #[test]
    fn a_month_has_one_address() {
        assert_eq!(read_month("2026-11"), Some(jiff::civil::date(2026, 11, 1)));
        assert_eq!(read_month("2026-13"), None);
        assert_eq!(read_month("2026-1"), None);
        assert_eq!(read_month("2026-11-01"), None);
    }
}

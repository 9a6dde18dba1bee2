//! `weather`: the outdoor temperature, from a table of a weather service or a logger.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::say;
use crate::clock::Clock;
use crate::config::Config;
use crate::ledger::{HourlyWeather, put_weather};
use crate::site_book;
use crate::store::Store;

const HOUR_S: i64 = 3600;

/// What a thermometer outdoors shows on this earth, °C.
const COLDEST: f64 = -70.0;
const HOTTEST: f64 = 60.0;

/// Mistakes that are told; a file with the wrong columns has one in each line.
const MISTAKES_MAX: usize = 20;

/// Takes hourly temperatures into the journal, over those that are there.
pub(super) fn take_in(config: &Path, path: &Path, author: &str, clock: &Clock) -> Result<()> {
    let config = Config::load(config)?;
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("cannot read `{}`", path.display()))?;
    let store = Store::open(&config.data_dir)?;
    let book = store.journal().view(|journal| journal.site_book())?;
    let book = book.context("there is no site book yet; `gengfu import` takes one in")?;
    let Ok(book) = site_book::parse(&book.text) else {
        bail!("the site book has mistakes; `gengfu check` names them")
    };
    let weather = read(&text, &book.site.zone)
        .map_err(|mistakes| anyhow::anyhow!(mistakes))
        .with_context(|| format!("`{}` was not taken in", path.display()))?;
    let (Some((&first, _)), Some((&last, _))) =
        (weather.first_key_value(), weather.last_key_value())
    else {
        bail!("`{}` has no temperature", path.display())
    };
    store.journal().commit(|journal| put_weather(journal, &weather, author, clock.now()))?;
    let hours = usize::try_from((last - first) / HOUR_S + 1).unwrap_or(usize::MAX);
    let local = |instant| {
        Timestamp::from_second(instant)
            .map(|it| it.to_zoned(book.site.zone.clone()).strftime("%Y-%m-%d %H:%M").to_string())
    };
    say(format!(
        "{} hours of outdoor temperature, {} to {}",
        weather.len(),
        local(first)?,
        local(last)?
    ));
    if weather.len() < hours {
        say(format!("warning: {} hours between them are missing", hours - weather.len()));
    }
    Ok(())
}

/// Reads `time,temperature` lines, the first of which may be a heading: the mean of each
/// hour, in thousandths of °C. A time without an offset is by the site's clock.
fn read(text: &str, zone: &TimeZone) -> Result<HourlyWeather, String> {
    let mut sums: BTreeMap<i64, (f64, f64)> = BTreeMap::new();
    let mut mistakes = Vec::new();
    for (number, line) in (1..).zip(text.trim_start_matches('\u{feff}').lines()) {
        if line.trim().is_empty() {
            continue;
        }
        match read_line(line, zone) {
            Ok(Some((instant, degrees))) => {
                let sum = sums.entry(instant.div_euclid(HOUR_S) * HOUR_S).or_default();
                *sum = (sum.0 + degrees, sum.1 + 1.0);
            }
            Ok(None) => {}
            Err(_) if number == 1 => {}
            Err(error) => mistakes.push(format!("  line {number}: {error}")),
        }
    }
    if !mistakes.is_empty() {
        let count = mistakes.len();
        mistakes.truncate(MISTAKES_MAX);
        return Err(format!("{count} mistake(s):\n{}", mistakes.join("\n")));
    }
    #[expect(clippy::cast_possible_truncation, reason = "a temperature of this earth")]
    let mean = |(sum, count): (f64, f64)| (sum / count * 1000.0).round() as i64;
    Ok(sums.into_iter().map(|(hour, sum)| (hour, mean(sum))).collect())
}

/// Reads a line; `None` where the temperature is empty.
fn read_line(line: &str, zone: &TimeZone) -> Result<Option<(i64, f64)>> {
    let (time, degrees) =
        line.split_once([',', ';', '\t']).context("expected `time,temperature`")?;
    let (time, degrees) = (time.trim().trim_matches('"'), degrees.trim().trim_matches('"'));
    if degrees.is_empty() {
        return Ok(None);
    }
    let degrees = degrees.split([',', ';', '\t']).next().unwrap_or_default().trim();
    let degrees: f64 = degrees.parse().with_context(|| format!("`{degrees}` is no temperature"))?;
    ensure!(
        (COLDEST..=HOTTEST).contains(&degrees),
        "{degrees} °C is no outdoor temperature; is the column in °C?"
    );
    if let Ok(instant) = time.parse::<Timestamp>() {
        return Ok(Some((instant.as_second(), degrees)));
    }
    let local: DateTime = time.parse().with_context(|| format!("`{time}` is no time"))?;
    let instant = local.to_zoned(zone.clone()).context("a time that no clock shows")?;
    Ok(Some((instant.timestamp().as_second(), degrees)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shanghai() -> TimeZone {
        TimeZone::get("Asia/Shanghai").unwrap()
    }

    #[test]
    fn times_are_the_sites_or_bear_their_offset() {
        let text =
            "time,temp\n2026-11-24 08:00,7.1\n\"2026-11-24T01:00:00Z\",8\n2026-11-24 10:00,\n";

        let weather = read(text, &shanghai()).unwrap();

        let midnight_utc = 1_795_478_400;
        assert_eq!(
            weather.into_iter().collect::<Vec<_>>(),
            [(midnight_utc, 7_100), (midnight_utc + HOUR_S, 8_000)]
        );
    }

    #[test]
    fn a_table_is_taken_in_as_a_whole_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = dir.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let config =
            file("gengfu.toml", "data_dir = \"data\"\n[mqtt.listen]\naddress = \"0.0.0.0:1883\"\n");
        let right = file("right.csv", "time,temp\n2026-11-24 08:00,7.1\n2026-11-24 10:00,8\n");
        let wrong = file("wrong.csv", "time,temp\n2026-11-24 09:00,7.5\n2026-11-24 10:00,cold\n");
        let book = "[site]\nid = \"school\"\nname = \"小学\"\nzone = \"Asia/Shanghai\"\ncurrency = \"CNY\"\n";
        let clock = Clock::manual(1_795_478_400);
        let open = || Store::open(&dir.path().join("data")).unwrap();
        let before_book = take_in(&config, &right, "test", &clock);
        super::super::book::put(&open(), book, "test", "", clock.now()).unwrap();

        take_in(&config, &right, "test", &clock).unwrap();
        let refused = take_in(&config, &wrong, "test", &clock);

        assert!(format!("{:#}", before_book.unwrap_err()).contains("no site book"));
        assert!(format!("{:#}", refused.unwrap_err()).contains("line 3: `cold`"));
        let span = analysis::interval::Span { from: 1_795_478_400, to: 1_795_478_400 + 3 * HOUR_S };
        let track = crate::ledger::Ledger::new(&open(), &clock).weather(span).unwrap();
        assert_eq!(track.amounts, [Some(7_100), None, Some(8_000)]);
    }

    #[test]
    fn several_temperatures_of_an_hour_are_their_mean() {
        let text = "2026-11-24 08:00;-1.0;x\n2026-11-24 08:10;2.0;x\n";

        let weather = read(text, &shanghai()).unwrap();

        assert_eq!(weather.into_values().collect::<Vec<_>>(), [500]);
    }

    #[test]
    fn what_is_no_temperature_is_named_with_its_line() {
        let text = "time,temp\n2026-11-24 08:00,451\nyesterday,3\n2026-11-24 09:00,cold\n";

        let mistakes = read(text, &shanghai()).unwrap_err();

        assert!(mistakes.contains("3 mistake(s)"), "{mistakes}");
        for part in ["line 2: 451 °C is no outdoor", "line 3: `yesterday`", "line 4: `cold`"] {
            assert!(mistakes.contains(part), "{mistakes}");
        }
    }
}

//! How long answers take: the last values of all, a meter's year, a month by building.
//!
//! Stores are filled with the quarter-hour fleet and opened anew. The last values are asked
//! of the store; the others of a gateway that serves its API on a port, as JSON, first and
//! once more: what the ledger remembers makes the second quicker.
//!
//! Measured: milliseconds on the wall, from the request to its last byte. Not measured: a
//! cold disk; the kernel still holds the files that were just written.

use std::io::{Read, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use wire::Value;

use super::fleet::{BEGIN, Fleet, Pattern, QUARTER_S};
use super::gauge;
use super::sheet::{Sheet, Target};
use super::{Progress, book};
use crate::clock::Clock;
use crate::config::{Config, ListenConfig, LogFormat, MqttConfig, StoreConfig, WebConfig};
use crate::run::House;
use crate::store::Store;

const DAY_S: i64 = 86_400;

/// Days from the beginning of a fleet to 2026-01-30 and to 2026-03-03: a February of China
/// with a day before and after.
const FEBRUARY_DAYS: (i64, i64) = (29, 61);

/// What is asked.
#[derive(Clone, Debug)]
pub struct Options {
    /// Meters whose last values are asked for; each has eight.
    pub last_meters: u32,
    /// Meters whose month is summed up.
    pub month_meters: u32,
    /// Days that the meter of the year has readings of.
    pub year_days: u32,
    /// Where the data lie while it runs.
    pub folder: PathBuf,
}

/// Fills the stores, asks, and returns how long it took.
///
/// # Errors
///
/// If a folder or a port fails, or an answer is none.
pub fn run(options: &Options, progress: Progress<'_>) -> Result<Sheet> {
    let mut sheet = Sheet::new(format!(
        "query: last values of {} meters, a month of {} meters, a meter's year",
        options.last_meters, options.month_meters
    ));
    progress("last values");
    let folder = options.folder.join("last");
    fill(&folder, options.last_meters, 0, 2 * QUARTER_S)?;
    let began = gauge::start();
    let store = Store::open(&folder)?;
    let opened_ms = began.elapsed().as_secs_f64() * 1e3;
    let (mut found, mut values, mut sum) = (0_usize, 0_usize, 0_i64);
    store.series().each_last(|newest| {
        found += 1;
        for reading in newest.pack.readings.iter() {
            if let Value::Measured(value) = reading.value {
                values += 1;
                sum = sum.wrapping_add(value);
            }
        }
    })?;
    let last_ms = began.elapsed().as_secs_f64() * 1e3;
    // A pack in a thousand is never sent: of many meters, one has none of two.
    let least = usize::try_from(options.last_meters)?.saturating_mul(999) / 1_000;
    ensure!(least <= found, "{found} meters have a last value");
    ensure!(values == found * 8 && sum != 0, "{values} values of {found} meters");
    drop(store);
    sheet.add("open", opened_ms, "ms");
    sheet.add_with("open_and_last_values", last_ms, "ms", Target::AtMost(50.0));

    progress("a month by building");
    let (from, to) = FEBRUARY_DAYS;
    let folder = options.folder.join("month");
    fill(&folder, options.month_meters, from * DAY_S, to * DAY_S)?;
    let path = "/api/v1/months/2026-02/buildings";
    let (first, again) = ask_twice(&folder, options.month_meters, BEGIN + to * DAY_S, path)?;
    sheet.add_with("month_by_building", first, "ms", Target::AtMost(100.0));
    sheet.add("month_by_building_again", again, "ms");

    progress("a meter's year");
    let folder = options.folder.join("year");
    let days = i64::from(options.year_days);
    fill(&folder, 20, 0, days * DAY_S)?;
    let path = "/api/v1/meters/meter-00000/year?to=2026-12-31";
    let (first, again) = ask_twice(&folder, 20, BEGIN + days * DAY_S, path)?;
    sheet.add_with("meter_year", first, "ms", Target::AtMost(50.0));
    sheet.add("meter_year_again", again, "ms");
    Ok(sheet)
}

/// Records a fleet from one second after its beginning to another, and tends the store.
fn fill(folder: &Path, meters: u32, from_s: i64, to_s: i64) -> Result<()> {
    let store = Store::open(folder)?;
    let mut fleet = Fleet::new(Pattern::Quarter, meters)?;
    fleet.skip_to(BEGIN + from_s);
    let mut batch = Vec::new();
    let mut tended = BEGIN + from_s;
    loop {
        fleet.next_until(BEGIN + to_s, 5_000, &mut batch);
        let Some(newest) = batch.last() else { break };
        store.series().record(&batch)?;
        if tended + DAY_S < newest.received {
            tended = newest.received;
            store.series().maintain(tended)?;
        }
    }
    store.series().maintain(BEGIN + to_s + DAY_S + QUARTER_S * 5)?;
    let text = book::of_mains(meters);
    crate::commands::put_site_book(&store, &text, "bench", "", BEGIN)?;
    Ok(())
}

/// Serves a folder, asks it twice; returns how long each answer took, ms.
fn ask_twice(folder: &Path, meters: u32, now: i64, path: &str) -> Result<(f64, f64)> {
    let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    // The recorder lives as long as there is a door; nobody knocks.
    let door = ListenConfig { address: listen, login: None, tls: None };
    let config = Config {
        data_dir: folder.to_path_buf(),
        web: WebConfig { listen, base_url: "http://127.0.0.1".to_owned(), open_reading: true },
        mqtt: MqttConfig { listen: Some(door), broker: None, sparkplug_host: None },
        mail: None,
        influx: None,
        store: StoreConfig::default(),
        backup: None,
        log: LogFormat::Text,
    };
    let runtime = tokio::runtime::Runtime::new().context("cannot start")?;
    runtime.block_on(async {
        let house = House::open(config, Clock::manual(now)).await?;
        let address = house.pages();
        let (path, mut times) = (path.to_owned(), None);
        let end = async {
            let asked = tokio::task::spawn_blocking(move || {
                anyhow::Ok((ask(address, &path)?, ask(address, &path)?))
            });
            times = Some(asked.await??);
            Ok(())
        };
        house.live(end).await?;
        times.with_context(|| format!("nothing was answered about {meters} meters"))
    })
}

/// Asks a gateway that lets anyone read; returns how long the answer took, ms.
pub(super) fn ask(address: SocketAddr, path: &str) -> Result<f64> {
    let began = gauge::start();
    let mut socket = TcpStream::connect(address)?;
    write!(socket, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer)?;
    let took_ms = began.elapsed().as_secs_f64() * 1e3;
    let answer = String::from_utf8_lossy(&answer);
    let (head, _) = answer.split_once("\r\n").unwrap_or_default();
    ensure!(head.contains(" 200 "), "{path} was answered with `{head}`");
    Ok(took_ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_fleet_is_asked_all_three() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().to_path_buf();

        let sheet =
            run(&Options { last_meters: 30, month_meters: 3, year_days: 5, folder }, &|_| {})
                .unwrap();

        let json = sheet.to_json();
        for key in ["open_and_last_values", "month_by_building", "meter_year"] {
            assert!(0.0 < json["figures"][key]["value"].as_f64().unwrap(), "{key}");
        }
    }
}

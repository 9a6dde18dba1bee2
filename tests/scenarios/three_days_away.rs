//! A node was cut off for three days and comes back with all it read meanwhile.

use std::time::Duration;

use anyhow::{Context, Result};
use e2e::gateway::{Gateway, instant};
use e2e::publisher::Publisher;
use e2e::world::story;
use serde_json::Value as Json;
use wire::message::{Clock, Pack};
use wire::{List, Quantity, Reading, Value};

/// 2026-11-17, 00:00 in Shanghai; the readings begin here, one a minute.
const FIRST: i64 = 1_794_844_800;
const DAY: i64 = 86_400;
const MINUTE: usize = 60;
/// The cable is cut at 10:00 and mended 72 hours later.
const CUT: i64 = FIRST + 10 * 3_600;
const BACK: i64 = CUT + 3 * DAY;

const AWAY: [(&str, i64); 4] = [
    ("office-main", 21_234),
    ("light-1f-hall", 1_234),
    ("light-2f-east", 977),
    ("office-plug", 8_311),
];
/// A meter of another node, which was there all the time.
const PRESENT: (&str, i64) = ("library-power", 9_876);

/// What a counter shows at an instant, mWh: uneven, so that digits matter.
fn shown(each: i64, instant: i64) -> i64 {
    let minutes = (instant - FIRST) / 60;
    1_000_000_000 + minutes * each + minutes * minutes % 1_009
}

#[test]
fn three_days_of_readings_come_back_at_their_own_times_and_delay_nothing() {
    story("three-days-away", |world| {
        world.at("2026-11-20T10:00:00+08:00", 5)?;
        Gateway::configure(world, "[mqtt.listen]\naddress = \"127.0.0.1:0\"\n")?;
        let gateway = Gateway::start(world)?;
        gateway.set_up()?;
        let mut away = Publisher::new("node-office")?;
        owe(&mut away, FIRST, CUT)?;
        away.publish(gateway.listener()?, Duration::from_secs(60))?;
        assert_eq!(away.owed(), 0);

        owe(&mut away, CUT, BACK)?;
        let backlog = away.owed();
        let back_at = gateway.now()?;
        let address = gateway.listener()?.to_owned();
        let sending = std::thread::spawn(move || {
            away.publish(&address, Duration::from_secs(80)).map(|()| away.owed())
        });
        let mut slowest = 0;
        let mut seq = 0;
        while !sending.is_finished() || seq == 0 {
            slowest = slowest.max(live(&gateway, seq)?);
            seq += 1;
        }
        let left = sending.join().map_err(|_| anyhow::anyhow!("the node panicked"))??;
        assert_eq!(left, 0, "of {backlog} some were not acknowledged");

        gateway.wait("the newest reading on the page", "/api/v1/meters/office-main", |meter| {
            (instant(&meter["last_at"]).ok()? == BACK - 60).then_some(())
        })?;
        let caught_up = gateway.now()? - back_at;
        println!(
            "{backlog} readings of 72 h in {caught_up} s of campus time; {seq} live readings \
             meanwhile, the slowest on the page after {slowest} s of campus time"
        );
        assert!(slowest <= 60, "a live reading took {slowest} s of campus time");
        for (meter, each) in AWAY {
            every_interval_is_what_the_meter_says(&gateway, meter, each)?;
            let counts = gateway.get(&format!("/api/v1/meters/{meter}"))?["counts"].clone();
            let today = (BACK - FIRST - 3 * DAY) / 60;
            assert_eq!(counts["received"], today, "{meter}: {counts}");
            assert_eq!((&counts["lost"], &counts["duplicate"]), (&0.into(), &0.into()), "{counts}");
            assert!(counts["late"].as_i64().is_some_and(|late| today - 20 <= late), "{counts}");
        }
        Ok(())
    });
}

/// Gives a node a reading a minute of each of its meters, in order of time.
fn owe(node: &mut Publisher, from: i64, to: i64) -> Result<()> {
    for instant in (from..to).step_by(MINUTE) {
        for (meter, each) in AWAY {
            node.owe(pack(meter, each, instant, u32::try_from((instant - FIRST) / 60)?)?);
        }
    }
    Ok(())
}

fn pack(meter: &str, each: i64, instant: i64, seq: u32) -> Result<Pack> {
    let mut readings = List::new();
    let value = Value::Measured(shown(each, instant));
    readings
        .push(Reading { quantity: Quantity::ActiveEnergyImport, value })
        .ok()
        .context("room for a reading")?;
    Ok(Pack { meter: meter.parse()?, instant, boot: 3, seq, clock: Clock::Synced, readings })
}

/// Publishes a reading of now; returns after how many seconds of campus time it is shown.
fn live(gateway: &Gateway, seq: u32) -> Result<i64> {
    let (meter, each) = PRESENT;
    let now = gateway.now()?;
    let mut node = Publisher::new("node-campus")?;
    node.owe(pack(meter, each, now, seq)?);
    node.publish(gateway.listener()?, Duration::from_secs(60))?;
    gateway.wait("the live reading", &format!("/api/v1/meters/{meter}"), |meter| {
        (now <= instant(&meter["last_at"]).ok()?).then_some(())
    })?;
    Ok(gateway.now()? - now)
}

/// No quarter hour has more than its own two readings say, those after the return neither.
fn every_interval_is_what_the_meter_says(gateway: &Gateway, meter: &str, each: i64) -> Result<()> {
    for (day, date) in (0..).zip(["2026-11-17", "2026-11-18", "2026-11-19", "2026-11-20"]) {
        let answer = gateway.get(&format!("/api/v1/meters/{meter}/day?date={date}"))?;
        let amounts = answer["amount"].as_array().context("amounts")?;
        let starts = (FIRST + day * DAY..).step_by(15 * MINUTE);
        for (start, amount) in starts.zip(amounts) {
            let end = start + 900;
            // The last reading is of 09:59.
            if end <= BACK - 60 {
                let wanted = shown(each, end) - shown(each, start);
                assert_eq!(amount, &Json::from(wanted), "{meter} at {start}");
            } else {
                let most = shown(each, BACK - 60) - shown(each, start.min(BACK - 60));
                let amount = amount.as_i64().unwrap_or(0);
                assert!(amount <= most, "{meter} at {start}: {amount} of {most}");
            }
        }
    }
    Ok(())
}

//! What was saved, and what the month will come to.

use std::collections::BTreeMap;

use super::*;
use crate::ledger::put_weather;

const HOUR_S: i64 = 3600;
/// 2025-10-24 00:00 in Shanghai, 396 days before the day of [`NOW`].
const FIRST: i64 = NOW - 22 * HOUR_S - 45 * 60 - 395 * 86_400;

/// A season and a day, thousandths of °C.
fn degrees(hour: i64) -> i64 {
    let season = (hour / 24 - 182).abs() * 90;
    26_000 - season + ((hour % 24 - 12).abs() - 6) * -500
}

impl House {
    fn with_weather(&self) {
        let weather: BTreeMap<i64, i64> =
            (0..396 * 24).map(|hour| (FIRST + hour * HOUR_S, degrees(hour))).collect();
        let journal = self.web.store.journal();
        journal.commit(|tx| put_weather(tx, &weather, "test", NOW)).expect("weather");
    }

    /// A counter each quarter hour of 395 days; from day 365 on it uses `percent` of what it
    /// used.
    fn with_counter(&self, meter: &str, percent: i64) {
        let mut counter = 0;
        let mut arrivals = Vec::new();
        for quarter in 0..=395 * 96_i64 {
            let instant = FIRST + quarter * 900;
            let reading = Reading {
                quantity: Quantity::ActiveEnergyImport,
                value: wire::Value::Measured(counter),
            };
            let pack = Pack {
                meter: name(meter),
                instant,
                boot: 1,
                seq: u32::try_from(quarter).unwrap(),
                clock: message::Clock::Synced,
                readings: List::from_slice(&[reading]).expect("one reading"),
            };
            arrivals.push(Arrival { node: name("node-1"), received: instant + 1, pack });
            let (day, hour) = (quarter / 96, quarter / 4 % 24);
            let share = if day < 365 { 100 } else { percent };
            let noise = (quarter * 7919) % 401 - 200;
            let used = if (8..18).contains(&hour) { 500_000 } else { 100_000 };
            counter += (used + noise * 50) * share / 100;
        }
        for chunk in arrivals.chunks(5_000) {
            self.web.store.series().record(chunk).expect("stored packs");
        }
    }
}

#[tokio::test]
async fn a_saving_is_told_with_how_far_it_may_be_off() {
    let house = House::furnished();
    house.with_weather();
    house.with_counter("light-east", 70);
    let cookie = house.log_in("leader").await;

    let answer = house.get("/api/v1/savings?meter=light-east&from=2026-10-24", &cookie).await;

    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    let saving = answer.json();
    let figure = &saving["figure"];
    let number = |key: &str| figure[key].as_i64().unwrap();
    assert_eq!(saving["refusal"], Value::Null, "{}", answer.text);
    assert_eq!(number("avoided"), number("expected") - number("measured"));
    let per_cent = number("avoided") * 100 / number("expected");
    assert!((28..=32).contains(&per_cent), "{per_cent}: {}", answer.text);
    assert!(number("uncertainty") * 2 < number("avoided"), "{}", answer.text);
    // 0.5306 kg a kWh of 2023, the newest that is published.
    let grams = number("avoided") as i128 * 5306 / 10_000_000;
    assert_eq!(i128::from(number("co2_g")), grams);
    assert_eq!(figure["co2_factor"]["year"], 2023);
    assert_eq!(saving["model"]["method"], "hourly");
    assert_eq!(
        (&saving["training_from"], &saving["to"]),
        (&"2025-10-24".into(), &"2026-11-22".into())
    );
}

#[tokio::test]
async fn a_saving_that_cannot_be_told_says_why_in_the_readers_language() {
    let house = House::furnished();
    let cookie = house.log_in("leader").await;
    let refusal = async |path: &str| {
        let answer = house.get(path, &cookie).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
        assert_eq!(answer.json()["figure"], Value::Null, "{}", answer.text);
        let refusal = answer.json()["refusal"].clone();
        assert!(!refusal["message"].as_str().unwrap().contains("savings."), "{refusal}");
        refusal["code"].as_str().unwrap().to_owned()
    };
    let path = "/api/v1/savings?meter=light-east&from=2026-10-24";

    let without_weather = refusal(path).await;
    house.with_weather();
    let without_readings = refusal(path).await;
    house.with_counter("light-east", 97);
    let without_certainty = refusal(path).await;

    assert_eq!(
        [without_weather, without_readings, without_certainty],
        ["no_weather", "no_data", "uncertain"]
    );
}

#[tokio::test]
async fn a_saving_is_asked_for_of_days_that_are_over() {
    let house = House::furnished();
    let cookie = house.log_in("leader").await;

    for asked in ["from=2026-11-20&to=2026-11-19", "from=2026-11-20&to=2026-11-23", "from=soon"] {
        let answer = house.get(&format!("/api/v1/savings?meter=light-east&{asked}"), &cookie).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{asked}: {}", answer.text);
    }
}

#[tokio::test]
async fn a_months_end_is_told_with_a_range_and_an_overrun_early() {
    let house = House::furnished();
    house.with_counter("light-east", 150);
    let cookie = house.log_in("leader").await;
    let forecast = async |asked: &str| {
        let answer =
            house.get(&format!("/api/v1/meters/light-east/forecast{asked}"), &cookie).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
        answer.json()
    };

    let told = forecast("").await;
    let below = forecast("?limit=1000000000000").await;

    // A day: 10 hours of 2 kWh and 14 of 0.4 kWh, half more since 24 October.
    let month = 30 * 25_600_000 * 3 / 2;
    let number = |key: &str| told[key].as_i64().unwrap_or_else(|| panic!("{key}: {told}"));
    assert_eq!((number("days_left"), &told["month"]), (8, &"2026-11".into()));
    assert!((number("expected") - month).abs() < month / 50, "{told}");
    assert!(number("low") <= number("expected") && number("expected") <= number("high"), "{told}");
    assert_eq!(number("limit"), told["limit"].as_i64().unwrap());
    assert_eq!((&told["will_exceed"], &below["will_exceed"]), (&true.into(), &false.into()));
}

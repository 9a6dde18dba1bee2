//! What a detector would have said.

use super::*;
use crate::store::journal::SiteBookRow;

/// Midnight of 2026-09-07, a Monday, in Shanghai; the house's now is eleven weeks later.
const MONDAY: i64 = 1_788_710_400;

/// A house whose hall was lit through the night of Tuesday, 17 November.
pub(super) fn with_history() -> House {
    with_late(|_| 1)
}

/// The same; `late_s` says how long after its date a day's readings came.
fn with_late(late_s: impl Fn(i64) -> i64) -> House {
    let house = House::furnished();
    let book = SiteBookRow {
        version: 0,
        made: NOW,
        author: "test".to_owned(),
        note: String::new(),
        text: BOOK.replace("interval_s = 60", "interval_s = 900"),
    };
    house.web.store.journal().commit(|tx| tx.add_site_book(&book)).unwrap();
    house.web.ledger.reload().unwrap();
    let mut value = 0;
    let mut arrivals = Vec::new();
    for quarter in 0..77 * 96 {
        let instant = MONDAY + quarter * 900;
        let reading =
            Reading { quantity: Quantity::ActiveEnergyImport, value: wire::Value::Measured(value) };
        let pack = Pack {
            meter: name("light-hall"),
            instant,
            boot: 1,
            seq: u32::try_from(quarter).unwrap(),
            clock: message::Clock::Synced,
            readings: List::from_slice(&[reading]).unwrap(),
        };
        let received = instant + late_s(quarter / 96);
        arrivals.push(Arrival { node: name("node-1"), received, pack });
        let (day, hour) = (quarter / 96, quarter % 96 / 4);
        let is_work = day % 7 < 5 && (8..18).contains(&hour);
        let ran = (20..29).contains(&((day - 71) * 24 + hour));
        value += if is_work { 1_000_000 } else { 250_000 } + i64::from(ran) * 500_000;
    }
    house.web.store.series().record(&arrivals).unwrap();
    house
}

#[tokio::test]
async fn an_engineer_sees_what_a_detector_would_have_said_and_nothing_is_written() {
    let house = with_history();
    let cookie = house.log_in("engineer").await;
    let path = |detector: &str| {
        format!(
            "/api/v1/preview?detector={detector}&meter=light-hall&from=2026-11-01&to=2026-11-22"
        )
    };

    let nights = house.get(&path("after_hours_load"), &cookie).await.json();
    let lights = house.get(&path("lights_left_on"), &cookie).await.json();
    let rising = house.get(&path("high_base_load"), &cookie).await.json();

    assert_eq!(nights["rows"].as_array().unwrap().len(), 1, "{nights}");
    assert_eq!(nights["rows"][0]["opened_at"], "2026-11-17T20:00:00+08:00");
    assert_eq!(nights["rows"][0]["said_at"], "2026-11-18T08:00:00+08:00");
    assert_eq!((&nights["raised_milli"], &nights["learning_until"]), (&0.into(), &Value::Null));
    assert_eq!(lights["rows"].as_array().unwrap().len(), 1, "{lights}");
    assert_eq!(rising["rows"].as_array().unwrap().len(), 0, "{rising}");
    let found = house.get("/api/v1/findings", &cookie).await.json();
    assert_eq!(found["findings"].as_array().unwrap().len(), 0);
}

#[tokio::test]
async fn a_clock_that_was_wrong_for_two_days_is_seen_and_one_that_is_right_is_not() {
    let wrong = with_late(|day| if (65..67).contains(&day) { 8 * 3_600 } else { 1 });
    let right = with_history();
    let path =
        "/api/v1/preview?detector=clock_wrong&meter=light-hall&from=2026-11-01&to=2026-11-22";
    let (engineer, other) = (wrong.log_in("engineer").await, right.log_in("engineer").await);

    let found = wrong.get(path, &engineer).await.json();
    let none = right.get(path, &other).await.json();

    assert_eq!(found["rows"].as_array().unwrap().len(), 1, "{found}");
    // The eleventh of November's first reading came eight hours after its date.
    assert_eq!(found["rows"][0]["opened_at"], "2026-11-11T08:00:00+08:00");
    assert_eq!(none["rows"].as_array().unwrap().len(), 0, "{none}");
}

#[tokio::test]
async fn a_preview_is_for_engineers_and_for_a_quarter_of_a_year_at_most() {
    let house = House::furnished();
    let engineer = house.log_in("engineer").await;
    let caretaker = house.log_in("caretaker").await;
    let path = |from: &str, to: &str, meter: &str| {
        format!("/api/v1/preview?detector=weekend_running&meter={meter}&from={from}&to={to}")
    };
    let good = path("2026-11-01", "2026-11-20", "light-hall");

    assert_eq!(house.get(&good, "").await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(house.get(&good, &caretaker).await.status, StatusCode::FORBIDDEN);
    assert_eq!(house.get(&good, &engineer).await.status, StatusCode::OK);
    for bad in [
        path("2026-11-20", "2026-11-01", "light-hall"),
        path("2026-01-01", "2026-11-01", "light-hall"),
        path("2026-11-01", "soon", "light-hall"),
    ] {
        assert_eq!(house.get(&bad, &engineer).await.code(), "malformed", "{bad}");
    }
    let nobody = path("2026-11-01", "2026-11-20", "nobody");
    assert_eq!(house.get(&nobody, &engineer).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_meter_without_history_is_said_to_be_learnt_from() {
    let house = House::furnished();
    let cookie = house.log_in("engineer").await;
    let path =
        "/api/v1/preview?detector=after_hours_load&meter=light-hall&from=2026-11-01&to=2026-11-20";

    let preview = house.get(path, &cookie).await.json();

    assert!(preview["learning_until"].is_string(), "{preview}");
    assert_eq!(preview["rows"].as_array().unwrap().len(), 0);
}

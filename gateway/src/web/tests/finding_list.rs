//! Findings in a list, and the days that prove one.

use super::preview::with_history;
use super::*;

const DAY_S: i64 = 86_400;

impl House {
    /// Writes a finding of a kind that began some days ago; returns its number.
    fn found(&self, kind: FindingKind, meter: &str, days: i64, cost_e4: i64, open: bool) -> i64 {
        let opened = NOW - days * DAY_S;
        let draft = FindingDraft {
            cause: format!("{}/{meter}/{opened}", kind.code()),
            kind: kind.code().to_owned(),
            meter: name(meter),
            area: name("hall"),
            opened,
            closed: (!open).then_some(opened + DAY_S),
            waste: 1_000_000,
            cost_e4,
            evidence: "[]".to_owned(),
        };
        let journal = self.web.store.journal();
        journal.commit(|tx| tx.put_finding(&draft, NOW)).expect("a finding").0
    }
}

fn ids(findings: &Value) -> Vec<i64> {
    let rows = findings["findings"].as_array().unwrap();
    rows.iter().map(|row| row["id"].as_i64().unwrap()).collect()
}

#[tokio::test]
async fn what_costs_most_a_day_stands_first_and_what_is_over_last() {
    let house = House::furnished();
    let cookie = house.log_in("caretaker").await;
    let slow = house.found(FindingKind::HighBaseLoad, "light-hall", 10, 100_000, true);
    let fast = house.found(FindingKind::AfterHoursLoad, "light-hall", 2, 40_000, true);
    let fault = house.found(FindingKind::Stuck, "light-east", 1, 0, true);
    let over = house.found(FindingKind::WeekendRunning, "light-hall", 4, 900_000, false);

    let list = house.get("/api/v1/findings?order=money", &cookie).await.json();
    let newest = house.get("/api/v1/findings", &cookie).await.json();
    let of_east = house.get("/api/v1/findings?meter=light-east", &cookie).await.json();

    assert_eq!(ids(&list), [fast, slow, fault, over]);
    let per_day: Vec<_> =
        (0..3).map(|at| list["findings"][at]["cost_e4_per_day"].clone()).collect();
    assert_eq!(per_day, [20_000.into(), 10_000.into(), Value::Null]);
    assert_eq!(list["cost_e4_per_day"], 30_000);
    assert_eq!(ids(&newest), [fault, fast, over, slow]);
    assert_eq!(ids(&of_east), [fault]);
}

#[tokio::test]
async fn a_finding_of_an_hour_is_not_said_to_cost_a_day() {
    let house = House::furnished();
    let cookie = house.log_in("caretaker").await;
    house.left_on("light-east", "east");

    let list = house.get("/api/v1/findings?order=money", &cookie).await.json();

    // Four and a half hours so far: nobody knows whether it goes on.
    assert_eq!(list["findings"][0]["cost_e4_per_day"], 33_600);
}

#[tokio::test]
async fn today_says_how_much_else_is_open_and_false_alarms_are_not_counted() {
    let house = House::furnished();
    let cookie = house.log_in("caretaker").await;
    house.left_on("light-east", "east");
    house.found(FindingKind::AfterHoursLoad, "light-hall", 2, 40_000, true);
    let wrong = house.found(FindingKind::HighBaseLoad, "light-hall", 10, 100_000, true);
    let mark = r#"{"kind":"false_alarm","note":"新机房"}"#;
    house.post(&format!("/api/v1/findings/{wrong}/mark"), &cookie, mark).await;

    let today = house.get("/api/v1/today", &cookie).await.json();

    assert_eq!(today["left_on"].as_array().unwrap().len(), 1);
    assert_eq!(today["others"], serde_json::json!({ "count": 1, "cost_e4_per_day": 20_000 }));
}

#[tokio::test]
async fn a_finding_says_what_it_means_and_what_to_do_in_words_that_the_catalogue_has() {
    let house = House::furnished();
    let cookie = house.log_in("caretaker").await;
    let catalogue: Value =
        serde_json::from_str(include_str!("../../../../dashboards/locales/zh-CN.json")).unwrap();

    for kind in FindingKind::ALL {
        let id = house.found(kind, "light-hall", 3, 0, true);
        let finding = house.get(&format!("/api/v1/findings/{id}"), &cookie).await.json();

        let mut codes = vec![&finding["meaning_text_code"], &finding["detector_text_code"]];
        codes.extend(finding["todo_text_codes"].as_array().unwrap());
        assert_eq!(codes.len(), 5);
        for code in codes {
            assert!(catalogue[code.as_str().unwrap()].is_string(), "{code} of {kind:?}");
        }
        assert!(catalogue[format!("kind.{}", kind.code())].is_string(), "{kind:?}");
    }
}

#[tokio::test]
async fn what_is_done_is_said_and_can_be_taken_back() {
    let house = House::furnished();
    let cookie = house.log_in("caretaker").await;
    let id = house.found(FindingKind::Stuck, "light-hall", 1, 0, true);
    let path = format!("/api/v1/findings/{id}/mark");

    let done = house.post(&path, &cookie, r#"{"kind":"done"}"#).await.json();
    let back = house.delete(&path, &cookie).await.json();

    assert_eq!((&done["mark"]["kind"], &done["state"]), (&"done".into(), &"open".into()));
    assert_eq!(back["mark"], Value::Null);
}

#[tokio::test]
async fn the_days_of_a_finding_show_what_was_usual_before_it_began() {
    let house = with_history();
    let cookie = house.log_in("caretaker").await;
    // The night of 17 November, 20:00 to 05:00.
    let opened = NOW - (5 * 24 + 26) * 3600 - 45 * 60;
    let draft = FindingDraft {
        cause: "after_hours_load/light-hall/1".to_owned(),
        kind: FindingKind::AfterHoursLoad.code().to_owned(),
        meter: name("light-hall"),
        area: name("hall"),
        opened,
        closed: Some(opened + 9 * 3600),
        waste: 18_000_000,
        cost_e4: 0,
        evidence: "[]".to_owned(),
    };
    let journal = house.web.store.journal();
    let (id, _) = journal.commit(|tx| tx.put_finding(&draft, NOW)).unwrap();

    let days = house.get(&format!("/api/v1/findings/{id}/days"), &cookie).await.json();

    let starts = days["start_at"].as_array().unwrap();
    assert_eq!(days["step_s"], 900);
    // Two days before it, its own and the one on which it ended.
    assert_eq!((starts.len(), &starts[0]), (4 * 96, &"2026-11-15T00:00:00+08:00".into()));
    let (from, to) = (days["flagged_from"].as_u64().unwrap(), days["flagged_to"].as_u64().unwrap());
    assert_eq!(starts[usize::try_from(from).unwrap()], "2026-11-17T20:00:00+08:00");
    assert_eq!(to - from, 9 * 4);
    assert_eq!((&days["amount_mean"], &days["typical_mean"]), (&750_000.into(), &250_000.into()));
    assert_eq!(days["days_left_out"], 0);
}

#[tokio::test]
async fn a_long_finding_shows_its_beginning_by_the_hour_and_says_what_is_left_out() {
    let house = with_history();
    let cookie = house.log_in("caretaker").await;
    let id = house.found(FindingKind::HighBaseLoad, "light-hall", 40, 0, true);

    let days = house.get(&format!("/api/v1/findings/{id}/days"), &cookie).await.json();

    assert_eq!(days["step_s"], 3_600);
    assert_eq!(days["start_at"].as_array().unwrap().len(), 28 * 24);
    // From 12 October to 23 November are 43 days with both ends; 28 are shown.
    assert_eq!(days["days_left_out"], 15);
    assert_eq!((&days["flagged_to"], &days["over"]), (&(28 * 24).into(), &(28 * 24).into()));
}

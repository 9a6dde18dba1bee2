use analysis::figures::{Figure, SiteDay};
use analysis::site::{Medium, Text};
use axum::http::StatusCode;
use jiff::civil::date;

use super::*;

fn day(site: &str, date: jiff::civil::Date, medium: Medium, amount: i64) -> SiteDay {
    let zone = jiff::tz::TimeZone::get("Asia/Shanghai").unwrap();
    SiteDay {
        site: name(site),
        name: Text::new("学校", "School"),
        currency: "CNY".to_owned(),
        date,
        start: date.to_zoned(zone).unwrap().timestamp().as_second(),
        medium,
        figure: Figure { amount, cost_e4: amount / 100, measured_s: 86_400, ..Figure::default() },
    }
}

fn house(portfolio: Option<Box<super::super::Portfolio>>) -> House {
    House::empty_with(Options { open_reading: true, ..Options::default() }, portfolio)
}

#[tokio::test]
async fn several_sites_are_one_answer_whose_rows_equal_its_totals() {
    let all = [
        day("b", date(2026, 11, 1), Medium::Electricity, 5_000_001),
        day("b", date(2026, 11, 30), Medium::Electricity, 7_000_002),
        day("b", date(2026, 11, 2), Medium::Water, 3_000),
        day("a", date(2026, 11, 1), Medium::Electricity, 1_000),
        day("a", date(2026, 10, 31), Medium::Electricity, 99),
        day("a", date(2026, 12, 1), Medium::Electricity, 99),
    ];
    let read = move |from, to| {
        Ok(all.iter().filter(|day| from <= day.start && day.start < to).cloned().collect())
    };
    let house = house(Some(Box::new(read)));

    let answer = house.get("/api/v1/portfolio?month=2026-11", "").await;

    let json = answer.json();
    assert_eq!((answer.status, json["state"].as_str()), (StatusCode::OK, Some("ready")));
    let sites = json["sites"].as_array().unwrap();
    assert_eq!(sites.len(), 2);
    assert_eq!((&sites[0]["id"], &sites[0]["totals"][0]["amount"]), (&"a".into(), &1_000.into()));
    let total = &sites[1]["totals"][0];
    assert_eq!((&total["medium"], &total["amount"]), (&"electricity".into(), &12_000_003.into()));
    assert_eq!(sites[1]["totals"][1]["amount"], 3_000);
    assert_eq!(sites[1]["days"].as_array().unwrap().len(), 3);
    let now = house.get("/api/v1/portfolio", "").await.json();
    assert_eq!(now, json, "it is November");
}

#[tokio::test]
async fn what_cannot_be_read_is_a_state_and_no_empty_list() {
    let off = house(None).get("/api/v1/portfolio", "").await.json();
    let failing = house(Some(Box::new(|_, _| Err("nobody there".into()))));
    let failing = failing.get("/api/v1/portfolio", "").await.json();

    assert_eq!((&off["state"], &off["reason"]), (&"off".into(), &Value::Null));
    assert_eq!(
        (&failing["state"], &failing["reason"]),
        (&"failing".into(), &"nobody there".into())
    );
    let wrong = house(None).get("/api/v1/portfolio?month=2026-13", "").await;
    assert_eq!(wrong.status, StatusCode::BAD_REQUEST);
}

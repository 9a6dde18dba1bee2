//! Findings, marks, the evening round, and how today begins.

use super::*;

#[tokio::test]
async fn the_round_goes_in_walking_order_and_says_what_is_on() {
    let house = House::furnished();
    let cookie = house.log_in("caretaker").await;
    house.read("light-east", 1_000_000);
    house.read("light-hall", 0);
    let id = house.left_on("light-east", "east");

    let patrol = house.get("/api/v1/patrol", &cookie).await.json();

    let areas = patrol["areas"].as_array().unwrap();
    let told: Vec<_> = areas
        .iter()
        .map(|it| (it["area"]["id"].clone(), it["state"].clone(), it["power_mw"].clone()))
        .collect();
    assert_eq!(
        told,
        [("hall".into(), "off".into(), 0.into()), ("east".into(), "on".into(), 1_000_000.into())]
    );
    assert_eq!(areas[1]["findings"][0]["id"], id);
    assert_eq!(
        (&patrol["done"], &patrol["open"], &patrol["marked"]),
        (&false.into(), &1.into(), &0.into())
    );
}

#[tokio::test]
async fn a_finding_is_told_with_its_place_its_limit_and_its_evidence() {
    let house = House::furnished();
    let cookie = house.log_in("leader").await;
    let id = house.left_on("light-east", "east");

    let finding = house.get(&format!("/api/v1/findings/{id}"), &cookie).await.json();

    assert_eq!(finding["area"]["name"]["zh"], "二楼东");
    assert_eq!(finding["building"]["name"]["en"], "Teaching block");
    assert_eq!(finding["opened_at"], "2026-11-23T18:15:00+08:00");
    assert_eq!((&finding["waste"], &finding["unit"]), (&4_200_000.into(), &"Wh".into()));
    // 25 Wh in a quarter hour are 100 W.
    assert_eq!(finding["limit_mw"], 100_000);
    assert_eq!(finding["evidence"][0]["amount"], 250_000);
    assert_eq!(finding["power_mw"], Value::Null);
}

#[tokio::test]
async fn a_finding_names_the_events_that_its_figures_rest_on() {
    let house = House::furnished();
    let (engineer, caretaker) = (house.log_in("engineer").await, house.log_in("caretaker").await);
    let events = "/api/v1/meters/light-east/events";
    let swap = r#"{"kind":"swap","from":"2026-11-20T10:00:00+08:00","last":5000,"first":0,"reason":"坏了"}"#;
    let made = house.post(events, &caretaker, swap).await.json();
    let id = house.left_on("light-east", "east");
    let journal = house.web.store.journal();
    let row = journal.view(|view| view.finding(id)).unwrap().unwrap();
    let evidence = format!(r#"{{"intervals":{},"events":[{}]}}"#, row.draft.evidence, made["id"]);
    let draft = FindingDraft { evidence, ..row.draft };
    journal.commit(|tx| tx.put_finding(&draft, NOW)).unwrap();

    let finding = house.get(&format!("/api/v1/findings/{id}"), &engineer).await.json();
    house.delete(&format!("{events}/{}", made["id"]), &engineer).await;
    let after = house.get(&format!("/api/v1/findings/{id}"), &engineer).await.json();

    assert_eq!(finding["evidence"][0]["amount"], 250_000);
    assert_eq!(finding["limit_mw"], 100_000);
    assert_eq!(
        (&finding["events"][0]["id"], &finding["events"][0]["kind"]),
        (&made["id"], &"swap".into())
    );
    assert_eq!(finding["events"][0]["undone_by"], Value::Null);
    assert_eq!(after["events"][0]["undone_by"], "engineer");
}

#[tokio::test]
async fn an_unknown_finding_is_not_found() {
    let house = House::furnished();
    let cookie = house.log_in("caretaker").await;

    for path in ["/api/v1/findings/999", "/api/v1/findings/x", "/api/v1/meters/nobody"] {
        assert_eq!(house.get(path, &cookie).await.status, StatusCode::NOT_FOUND, "{path}");
    }
    let mark = r#"{"kind":"false_alarm"}"#;
    let answer = house.post("/api/v1/findings/999/mark", &cookie, mark).await;
    assert_eq!((answer.status, answer.code()), (StatusCode::NOT_FOUND, "not_found".into()));
}

#[tokio::test]
async fn overtime_permits_its_area_until_it_is_taken_back() {
    let house = House::furnished();
    let cookie = house.log_in("caretaker").await;
    let id = house.left_on("light-east", "east");
    let path = format!("/api/v1/findings/{id}/mark");
    let permits = || {
        let journal = house.web.store.journal();
        journal.view(|view| view.exceptions(NOW, NOW + 86_400)).unwrap()
    };

    let body = r#"{"kind":"overtime","until":"2026-11-24T00:30:00+08:00","note":" 期末阅卷 "}"#;
    let marked = house.post(&path, &cookie, body).await;
    let permit = permits();
    let area = house.get("/api/v1/patrol", &cookie).await.json()["areas"][1].clone();
    let undone = house.delete(&path, &cookie).await;

    assert_eq!(marked.status, StatusCode::OK, "{}", marked.text);
    let mark = &marked.json()["mark"];
    assert_eq!((&mark["by"], &mark["note"]), (&"caretaker".into(), &"期末阅卷".into()));
    assert_eq!(mark["until"], "2026-11-24T00:30:00+08:00");
    assert_eq!(permit.len(), 1);
    assert_eq!((permit[0].exception.area, permit[0].exception.until), (name("east"), NOW + 6_300));
    assert_eq!((&area["state"], &area["overtime_until"]), (&"overtime".into(), &mark["until"]));
    assert_eq!(undone.json()["mark"], Value::Null);
    assert_eq!(permits(), []);
}

#[tokio::test]
async fn another_mark_takes_the_place_of_the_first_and_of_its_permit() {
    let house = House::furnished();
    let cookie = house.log_in("caretaker").await;
    let id = house.left_on("light-east", "east");
    let path = format!("/api/v1/findings/{id}/mark");
    let overtime = r#"{"kind":"overtime","until":"2026-11-24T00:30:00+08:00"}"#;

    house.post(&path, &cookie, overtime).await;
    house.post(&path, &cookie, r#"{"kind":"switched_off"}"#).await;
    // The phone heard nothing and sends it again.
    let again = house.post(&path, &cookie, r#"{"kind":"switched_off"}"#).await;

    assert_eq!(again.json()["mark"]["kind"], "switched_off");
    let journal = house.web.store.journal();
    let (marks, permits, audit) = journal
        .view(|view| {
            let audit = view.audit(Some(&format!("finding/{id}")), 10)?;
            Ok((view.marks(id)?, view.exceptions(NOW, NOW + 86_400)?, audit))
        })
        .unwrap();
    assert_eq!(marks.len(), 2);
    assert_eq!(permits, []);
    assert_eq!(audit.len(), 2);
}

#[tokio::test]
async fn a_permit_ends_in_the_future_and_within_a_week() {
    let house = House::furnished();
    let cookie = house.log_in("caretaker").await;
    let id = house.left_on("light-east", "east");

    for until in ["2026-11-23T22:45:00+08:00", "2026-12-01T00:00:00+08:00", "2026-11-24 01:00"] {
        let body = format!(r#"{{"kind":"overtime","until":"{until}"}}"#);
        let answer = house.post(&format!("/api/v1/findings/{id}/mark"), &cookie, &body).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{until}");
    }
}

#[tokio::test]
async fn the_round_is_done_once_each_place_was_seen_to() {
    let house = House::furnished();
    let cookie = house.log_in("caretaker").await;
    house.read("light-east", 1_000_000);
    house.read("light-hall", 0);
    let id = house.left_on("light-east", "east");

    let body = r#"{"kind":"switched_off"}"#;
    house.post(&format!("/api/v1/findings/{id}/mark"), &cookie, body).await;

    let patrol = house.get("/api/v1/patrol", &cookie).await.json();
    assert_eq!(
        (&patrol["done"], &patrol["open"], &patrol["marked"]),
        (&true.into(), &0.into(), &1.into())
    );
    assert_eq!(patrol["done_since_at"], "2026-11-23T22:45:00+08:00");
}

#[tokio::test]
async fn too_much_is_what_lies_above_the_base_load() {
    let house = House::furnished();
    let cookie = house.log_in("leader").await;
    house.read("light-east", 1_000_000);
    house.read("light-hall", 0);
    let id = house.left_on("light-east", "east");
    // 250 Wh in a quarter hour, 225 of them wasted: 25 Wh, so 100 W, never go away.
    let journal = house.web.store.journal();
    let row = journal.view(|view| view.finding(id)).unwrap().expect("the finding");
    let draft = FindingDraft { waste: 225_000, ..row.draft };
    journal.commit(|tx| tx.put_finding(&draft, NOW)).unwrap();

    let today = house.get("/api/v1/today", &cookie).await.json();

    let row = &today["left_on"][0];
    assert_eq!((&row["power_mw"], &row["above_mw"]), (&1_000_000.into(), &900_000.into()));
    assert_eq!(today["judgement"]["params"]["power_mw"], 900_000);
}

#[tokio::test]
async fn a_place_that_is_open_or_has_just_closed_is_not_called_off() {
    let house = House::furnished();
    let cookie = house.log_in("caretaker").await;
    let told = async |hour: i64, minute: i64| {
        let now = NOW - 81_900 + hour * 3_600 + minute * 60;
        house.web.clock.set(now);
        house.poll("light-hall", wire::Value::Measured(900_000), now - 10);
        house.poll("light-east", wire::Value::Measured(0), now - 10);
        let patrol = house.get("/api/v1/patrol", &cookie).await.json();
        (patrol["areas"][0].clone(), patrol["areas"][1]["state"].clone(), patrol["done"].clone())
    };

    let (noon, _, noon_done) = told(12, 0).await;
    let (closing, _, closing_done) = told(18, 40).await;
    let (evening, unlearnt, evening_done) = told(19, 0).await;

    assert_eq!((&noon["state"], noon_done), (&"open_hours".into(), false.into()));
    assert_eq!((&closing["state"], closing_done), (&"just_closed".into(), false.into()));
    assert_eq!(closing["judged_from_at"], "2026-11-23T19:00:00+08:00");
    assert_eq!((&evening["state"], &evening["judged_from_at"]), (&"off".into(), &Value::Null));
    // Nothing is known of the other circuit: neither what it usually draws, nor its floor.
    assert_eq!((unlearnt, evening_done), ("learning".into(), false.into()));
}

#[tokio::test]
async fn a_site_without_history_says_that_it_is_learning() {
    let house = House::furnished();
    let cookie = house.log_in("leader").await;
    house.read("light-east", 1_000_000);
    house.read("light-hall", 0);

    let today = house.get("/api/v1/today", &cookie).await.json();

    let judgement = &today["judgement"];
    assert_eq!((&judgement["code"], &judgement["level"]), (&"learning".into(), &"unknown".into()));
    let params = &judgement["params"];
    assert_eq!((&params["days_known"], &params["days_needed"]), (&0.into(), &3.into()));
}

#[tokio::test]
async fn today_begins_with_what_is_on_and_should_be_off() {
    let house = House::furnished();
    let cookie = house.log_in("leader").await;
    house.read("light-east", 1_000_000);
    house.read("light-hall", 0);
    house.left_on("light-east", "east");

    let today = house.get("/api/v1/today", &cookie).await.json();

    let judgement = &today["judgement"];
    assert_eq!((&judgement["code"], &judgement["level"]), (&"left_on".into(), &"bad".into()));
    assert_eq!(judgement["params"]["places"], 1);
    assert_eq!(judgement["params"]["power_mw"], 1_000_000);
    let keys: Vec<_> =
        today["tiles"].as_array().unwrap().iter().map(|it| it["key"].clone()).collect();
    assert_eq!(keys, ["power_now", "energy_today", "cost_today", "completeness"]);
    assert_eq!(today["tiles"][0]["value"], 1_000_000);
    assert_eq!(today["left_on"].as_array().unwrap().len(), 1);
    assert_eq!(today["profile"]["amount"].as_array().unwrap().len(), 96);
}

#[tokio::test]
async fn a_meter_whose_polls_fail_is_not_live() {
    let house = House::furnished();
    let cookie = house.log_in("leader").await;
    house.read("light-east", 1_000_000);
    house.read("light-hall", 0);
    house.web.clock.set(NOW + 170);
    house.poll("light-hall", wire::Value::Measured(0), NOW + 160);
    house.poll("light-east", wire::Value::Absent(wire::Absence::Timeout), NOW + 160);

    let meters = house.get("/api/v1/meters", &cookie).await.json();
    house.web.clock.set(NOW + 171);
    let later = house.get("/api/v1/meters/light-east", &cookie).await.json();

    let told: Vec<_> = meters["meters"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| (it["id"].clone(), it["state"].clone(), it["power_mw"].clone()))
        .collect();
    assert_eq!(
        told,
        [
            ("light-east".into(), "late".into(), Value::Null),
            ("light-hall".into(), "live".into(), 0.into())
        ]
    );
    assert_eq!(
        (&later["state"], &later["last_at"]),
        (&"silent".into(), &"2026-11-23T22:44:50+08:00".into())
    );
    assert_eq!(later["last_values"][0]["absence"], "timeout");
}

#[tokio::test]
async fn a_number_of_today_is_the_sum_of_its_meters() {
    let house = House::furnished();
    let cookie = house.log_in("leader").await;
    house.read("light-east", 1_000_000);
    house.read("light-hall", 250_000);

    let power = house.get("/api/v1/today/rows?tile=power_now", &cookie).await.json();
    let complete = house.get("/api/v1/today/rows?tile=completeness", &cookie).await.json();
    let tiles = house.get("/api/v1/today", &cookie).await.json()["tiles"].clone();

    let value = |answer: &Value, at: usize| answer["rows"][at]["value"].clone();
    assert_eq!((value(&power, 0), value(&power, 1)), (1_000_000.into(), 250_000.into()));
    assert_eq!((&power["value"], &tiles[0]["value"]), (&1_250_000.into(), &1_250_000.into()));
    assert_eq!((value(&complete, 0), value(&complete, 1)), (100_000.into(), 100_000.into()));
    assert_eq!((&complete["value"], &tiles[3]["value"]), (&100_000.into(), &100_000.into()));
}

#[tokio::test]
async fn a_meter_that_nothing_came_from_makes_the_day_incomplete() {
    let house = House::furnished();
    let cookie = house.log_in("leader").await;
    house.read("light-hall", 250_000);

    let complete = house.get("/api/v1/today/rows?tile=completeness", &cookie).await.json();
    let tiles = house.get("/api/v1/today", &cookie).await.json()["tiles"].clone();

    // 22 hours and 45 minutes are 1,365 polls; the newest may be under way.
    let worst = &complete["rows"][0];
    assert_eq!((&worst["meter"]["id"], &worst["value"]), (&"light-east".into(), &0.into()));
    assert_eq!(
        (&worst["counts"]["received"], &worst["counts"]["unknown"]),
        (&0.into(), &1_364.into())
    );
    assert_eq!(complete["rows"][1]["value"], 100_000);
    assert_eq!((&complete["value"], &tiles[3]["value"]), (&73.into(), &73.into()));
    assert_eq!(tiles[3]["level"], "bad");
}

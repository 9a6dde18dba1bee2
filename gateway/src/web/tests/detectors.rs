//! What looks at a meter: what it still learns, and what people's words made of its limits.

use super::preview::with_history;
use super::*;

fn of<'a>(answer: &'a Value, kind: &str) -> &'a Value {
    let detectors = answer["detectors"].as_array().unwrap();
    detectors.iter().find(|it| it["kind"] == kind).expect("a detector")
}

#[tokio::test]
async fn a_false_alarm_raises_the_limit_of_lights_in_sight_and_back() {
    let house = with_history();
    let cookie = house.log_in("caretaker").await;
    let path = "/api/v1/meters/light-hall/detectors";
    let id = house.left_on("light-hall", "hall");
    let mark = r#"{"kind":"false_alarm","note":"夜班保洁"}"#;

    let before = house.get(path, &cookie).await.json();
    house.post(&format!("/api/v1/findings/{id}/mark"), &cookie, mark).await;
    let after = house.get(path, &cookie).await.json();
    house.delete(&format!("/api/v1/findings/{id}/mark"), &cookie).await;
    let back = house.get(path, &cookie).await.json();

    let limit = |answer: &Value| of(answer, "lights_left_on")["limit_mw"].as_i64().unwrap();
    assert_eq!(of(&before, "lights_left_on")["raised_milli"], 0);
    let raised = of(&after, "lights_left_on");
    assert_eq!(raised["raised_milli"], 250);
    assert_eq!(
        (&raised["raised_by"][0]["by"], &raised["raised_by"][0]["note"]),
        (&"caretaker".into(), &"夜班保洁".into())
    );
    assert!(limit(&before) < limit(&after), "{before} {after}");
    assert_eq!(limit(&back), limit(&before));
}

#[tokio::test]
async fn a_meter_says_for_how_many_days_it_is_still_learnt_from() {
    let house = House::furnished();
    let cookie = house.log_in("leader").await;

    let answer = house.get("/api/v1/meters/light-hall/detectors", &cookie).await.json();

    assert_eq!(of(&answer, "high_base_load")["learning_days"], 35);
    assert_eq!(of(&answer, "stuck")["learning_days"], 14);
    assert_eq!(of(&answer, "silent_meter")["learning_days"], Value::Null);
}

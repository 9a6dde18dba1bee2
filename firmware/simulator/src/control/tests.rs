use super::*;
use crate::demo::demo_campus;

const NOW: i64 = 1_789_516_800;

fn campus() -> Campus {
    Campus::load(&demo_campus()).unwrap()
}

fn ask(campus: &Campus, line: &str) -> Value {
    answer(campus, line.as_bytes(), NOW)
}

#[track_caller]
fn check(line: &str, expected: &str) {
    let answer = ask(&campus(), line);
    assert_eq!(answer, json!({ "ok": false, "error": expected }));
}

#[test]
fn lights_that_are_set_on_are_counted_from_now_on() {
    let campus = campus();
    let meter = Name::new("light-2f-east").unwrap();
    let before = campus.power_at(&meter, NOW).unwrap();

    let line = r#"{"set":"lights","meter":"light-2f-east","on":true,"watts":2500}"#;
    assert_eq!(ask(&campus, line), json!({ "ok": true, "at": NOW }));

    assert_eq!(campus.power_at(&meter, NOW), Some(before + 2_500_000));
    let later =
        ask(&campus, &format!(r#"{{"get":"counter","meter":"{meter}","at":{}}}"#, NOW + 60));
    assert_eq!(later["counter_mwh"].as_i64(), campus.counter_at(&meter, NOW + 60));
    assert_eq!(later["quantity"], "ActiveEnergyImport");
}

#[test]
fn every_fault_that_the_head_names_is_taken() {
    let campus = campus();
    for (line, expected) in [
        (r#"{"set":"silent","meter":"office-plug","on":true}"#, "silent: true"),
        (r#"{"set":"bad_crc","meter":"office-plug","on":true}"#, "bad_crc: true"),
        (r#"{"set":"nonsense","meter":"office-plug","on":true}"#, "nonsense: true"),
        (r#"{"set":"delay_ms","meter":"office-plug","ms":700}"#, "delay_ms: 700"),
    ] {
        assert_eq!(ask(&campus, line), json!({ "ok": true, "at": NOW }));
        let office = Name::new("office").unwrap();
        let faults = campus.faults_at(campus.on_bus(&office, 6).unwrap(), NOW);
        assert!(format!("{faults:?}").contains(expected), "{faults:?}");
    }
}

#[test]
fn meters_are_listed_with_where_they_are() {
    let answer = ask(&campus(), r#"{"get":"meters"}"#);
    let meters = answer["meters"].as_array().unwrap();
    assert_eq!(meters.len(), demo_campus().len());
    let light = json!({
        "meter": "light-1f-hall", "parent": "office-main", "model": "eastron-sdm630",
        "bus": "office", "unit_id": 2,
    });
    assert_eq!(meters[1], light);
}

#[test]
fn a_mistake_is_answered_with_what_is_allowed() {
    check(
        "{}",
        "the line has neither `set` (lights, silent, bad_crc, nonsense, delay_ms, wrong_address, split, noise, leads) \
         nor `get` (meters, counter, coil)",
    );
    check(r#"{"get":"lights"}"#, "`get` is `lights`, allowed are meters, counter, coil");
    check(r#"{"set":"silent","on":true}"#, "`meter` is missing or no text");
    check(r#"{"set":"silent","meter":"NO","on":true}"#, "no meter `NO` on this campus");
    check(r#"{"set":"silent","meter":"no","on":true}"#, "no meter `no` on this campus");
    check(
        r#"{"set":"silent","meter":"light-3f"}"#,
        "cannot `set`: missing field `on`; \
         allowed are lights, silent, bad_crc, nonsense, delay_ms",
    );
    check(
        r#"{"set":"lights","meter":"light-3f","on":true,"watts":2000000}"#,
        "`watts` is 2000000, allowed is 0 to 1000000",
    );
    check(
        r#"{"set":"lights","meter":"library-gas","on":true}"#,
        "meter `library-gas` counts no electricity, so no lights can be switched on it",
    );
    check(r#"{"get":"meters","at":"noon"}"#, "`at` is no whole number of Unix seconds");
}

#[test]
fn a_line_that_is_no_object_is_answered_too() {
    for line in ["", "lights on", "[]", "\u{0}", "{\"set\":\"silent\""] {
        let answer = ask(&campus(), line);
        assert_eq!(answer["ok"], false);
        assert!(answer["error"].as_str().unwrap().starts_with("the line is no JSON object"));
    }
}

#[tokio::test]
async fn the_address_answers_line_by_line_and_ends_on_an_endless_line() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = watch::channel(false);
    let listening = tokio::spawn(listen(Arc::new(campus()), listener, Arc::new(|| NOW), stopped));
    let (from, mut to) = TcpStream::connect(address).await.unwrap().into_split();
    let mut lines = BufReader::new(from).lines();

    to.write_all(b"{\"get\":\"meters\"}\nrubbish\n").await.unwrap();
    let first: Value = serde_json::from_str(&lines.next_line().await.unwrap().unwrap()).unwrap();
    let second: Value = serde_json::from_str(&lines.next_line().await.unwrap().unwrap()).unwrap();
    to.write_all(&[b'x'; 4_096]).await.unwrap();
    let third: Value = serde_json::from_str(&lines.next_line().await.unwrap().unwrap()).unwrap();
    let end = lines.next_line().await.unwrap();

    assert_eq!((&first["ok"], &second["ok"]), (&json!(true), &json!(false)));
    assert_eq!(third["error"], "a line has at most 4096 bytes");
    assert_eq!(end, None);
    stop.send(true).unwrap();
    listening.await.unwrap();
}

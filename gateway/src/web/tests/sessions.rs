//! The first user, logging in and out, and what a cookie is worth.

use data_encoding::HEXLOWER;

use super::*;

const SETUP: &str = r#"{"name":"wang","password":"lantern and clapper"}"#;

#[tokio::test]
async fn the_first_user_is_made_once_and_is_logged_in() {
    let house = House::empty(Options::default());

    let before = house.get("/api/v1/status", "").await.json();
    let first = house.post("/api/v1/setup", "", SETUP).await;
    let second = house.post("/api/v1/setup", "", SETUP).await;

    assert_eq!(
        (before["setup_needed"].clone(), before["user"].clone()),
        (true.into(), Value::Null)
    );
    assert_eq!(first.status, StatusCode::CREATED);
    assert_eq!((second.status, second.code()), (StatusCode::CONFLICT, "setup_done".into()));
    let after = house.get("/api/v1/status", &first.cookie()).await.json();
    assert_eq!(after["setup_needed"], false);
    assert_eq!(after["user"], serde_json::json!({ "name": "wang", "role": "engineer" }));
}

#[tokio::test]
async fn two_first_users_at_the_same_time_are_one() {
    let house = House::empty(Options::default());

    let li = SETUP.replace("wang", "li");
    let (one, two) =
        tokio::join!(house.post("/api/v1/setup", "", SETUP), house.post("/api/v1/setup", "", &li));

    let mut statuses = [one.status, two.status];
    statuses.sort();
    assert_eq!(statuses, [StatusCode::CREATED, StatusCode::CONFLICT]);
}

#[tokio::test]
async fn a_short_password_makes_no_user() {
    let house = House::empty(Options::default());

    let answer = house.post("/api/v1/setup", "", r#"{"name":"wang","password":"short"}"#).await;

    assert_eq!(
        (answer.status, answer.code()),
        (StatusCode::BAD_REQUEST, "password_too_short".into())
    );
    assert_eq!(house.get("/api/v1/status", "").await.json()["setup_needed"], true);
}

#[tokio::test]
async fn wrong_passwords_are_refused_and_soon_not_even_looked_at() {
    let house = House::furnished();
    let wrong = r#"{"name":"caretaker","password":"not the password"}"#;
    let right = format!(r#"{{"name":"caretaker","password":"{PASSWORD}"}}"#);

    let mut codes = Vec::new();
    for _ in 0..6 {
        codes.push(house.post("/api/v1/session", "", wrong).await.status.as_u16());
    }
    let too_late = house.post("/api/v1/session", "", &right).await;
    house.web.clock.set(NOW + 301);
    let later = house.post("/api/v1/session", "", &right).await;

    assert_eq!(codes, [401, 401, 401, 401, 401, 429]);
    assert_eq!(too_late.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(too_late.headers[header::RETRY_AFTER], "300");
    assert_eq!(later.status, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn no_script_and_no_other_site_can_use_the_cookie() {
    let house = House::furnished_with(Options { https: true, ..Options::default() });
    let body = format!(r#"{{"name":"leader","password":"{PASSWORD}"}}"#);

    let answer = house.post("/api/v1/session", "", &body).await;

    let cookie = answer.headers[header::SET_COOKIE].to_str().unwrap();
    let (pair, flags) = cookie.split_once("; ").unwrap();
    assert_eq!(flags, "Path=/; Max-Age=2592000; HttpOnly; SameSite=Strict; Secure");
    assert_eq!(pair.len(), "gengfu_session=".len() + 64);
}

#[tokio::test]
async fn a_session_ends_with_logging_out() {
    let house = House::furnished();
    let cookie = house.log_in("leader").await;

    let before = house.get("/api/v1/patrol", &cookie).await;
    let out = house.delete("/api/v1/session", &cookie).await;
    let after = house.get("/api/v1/patrol", &cookie).await;

    assert_eq!(before.status, StatusCode::OK, "{}", before.text);
    assert!(out.headers[header::SET_COOKIE].to_str().unwrap().contains("Max-Age=0"));
    assert_eq!(after.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_session_lives_on_as_long_as_the_page_is_opened_within_a_month() {
    const DAY: i64 = 86_400;
    let house = House::furnished();
    let cookie = house.log_in("leader").await;

    house.web.clock.set(NOW + 29 * DAY);
    let renewed = house.get("/api/v1/status", &cookie).await;
    house.web.clock.set(NOW + 58 * DAY);
    let alive = house.get("/api/v1/patrol", &cookie).await;
    house.web.clock.set(NOW + 60 * DAY);
    let expired = house.get("/api/v1/patrol", &cookie).await;

    assert_eq!(renewed.cookie(), cookie);
    assert_eq!(alive.status, StatusCode::OK, "{}", alive.text);
    assert_eq!(expired.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn the_journal_holds_no_cookie_and_no_password() {
    let house = House::furnished();
    let cookie = house.log_in("leader").await;
    let token = cookie.trim_start_matches("gengfu_session=").to_owned();

    let mut bytes = Vec::new();
    for entry in std::fs::read_dir(house._dir.path()).unwrap() {
        let path = entry.unwrap().path();
        bytes.extend(std::fs::read(path).unwrap_or_default());
    }

    let holds = |text: &[u8]| bytes.windows(text.len()).any(|window| window == text);
    let raw = HEXLOWER.decode(token.as_bytes()).unwrap();
    assert!(holds(b"$argon2id$v=19$m=19456,t=2,p=1$"));
    assert!(!holds(PASSWORD.as_bytes()) && !holds(token.as_bytes()) && !holds(&raw));
}

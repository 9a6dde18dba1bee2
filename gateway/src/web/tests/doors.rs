//! Who may come in by which door, and what every answer carries.

use super::*;
use crate::store::journal::NewMail;

#[tokio::test]
async fn who_is_not_logged_in_reads_only_where_the_site_says_so() {
    let shut = House::furnished();
    let open = House::furnished_with(Options { open_reading: true, ..Options::default() });

    for path in ["/api/v1/patrol", "/api/v1/findings", "/api/v1/meters", "/api/v1/today"] {
        assert_eq!(shut.get(path, "").await.status, StatusCode::UNAUTHORIZED, "{path}");
        assert_eq!(open.get(path, "").await.status, StatusCode::OK, "{path}");
    }
}

#[tokio::test]
async fn a_role_that_may_only_read_writes_nothing() {
    let house = House::furnished_with(Options { open_reading: true, ..Options::default() });
    let id = house.left_on("light-east", "east");
    let mark = format!("/api/v1/findings/{id}/mark");
    let (leader, caretaker) = (house.log_in("leader").await, house.log_in("caretaker").await);

    let nobody = house.post(&mark, "", r#"{"kind":"switched_off"}"#).await;
    let reader = house.post(&mark, &leader, r#"{"kind":"switched_off"}"#).await;
    let book = house.send(request(Method::PUT, "/api/v1/site-book", &caretaker, BOOK)).await;
    let mails = house.get("/api/v1/mails", &caretaker).await;

    assert_eq!((nobody.status, nobody.code()), (StatusCode::UNAUTHORIZED, "login_needed".into()));
    assert_eq!((reader.status, reader.code()), (StatusCode::FORBIDDEN, "forbidden".into()));
    assert_eq!((book.status, book.code()), (StatusCode::FORBIDDEN, "forbidden".into()));
    assert_eq!(mails.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_write_without_our_header_comes_from_a_foreign_page() {
    let house = House::furnished();
    let cookie = house.log_in("engineer").await;
    let id = house.left_on("light-east", "east");
    let body = r#"{"kind":"switched_off"}"#;
    let mut foreign = request(Method::POST, &format!("/api/v1/findings/{id}/mark"), &cookie, body);
    foreign.headers_mut().remove("x-gengfu");

    let answer = house.send(foreign).await;

    assert_eq!((answer.status, answer.code()), (StatusCode::FORBIDDEN, "foreign_page".into()));
}

#[tokio::test]
async fn every_answer_says_what_a_browser_may_do_with_it() {
    let house = House::furnished();

    for path in ["/", "/patrol", "/api/v1/status", "/api/v1/patrol", "/api/v1/nothing"] {
        let headers = house.get(path, "").await.headers;

        let policy = headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(policy.starts_with("default-src 'self'; style-src 'self'; "), "{path}");
        assert!(policy.ends_with("frame-ancestors 'none'"), "{path}");
        assert_eq!(headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff", "{path}");
        if path.starts_with("/api/") {
            assert_eq!(headers[header::CACHE_CONTROL], "no-store", "{path}");
        }
    }
}

#[tokio::test]
async fn a_machine_hears_whether_the_gateway_lives_is_ready_and_what_it_counted() {
    let house = House::empty(Options::default());

    let health = house.get("/healthz", "").await;
    let ready = house.get("/readyz", "").await;
    let metrics = house.get("/metrics", "").await;

    assert_eq!((health.status, ready.status), (StatusCode::OK, StatusCode::OK));
    assert_eq!(metrics.headers[header::CONTENT_TYPE], "text/plain; version=0.0.4");
    assert!(metrics.text.contains("# TYPE gengfu_logins_failed_total counter\n"));
}

#[tokio::test]
async fn without_a_site_book_the_page_hears_so() {
    let house = House::empty(Options { open_reading: true, ..Options::default() });

    let status = house.get("/api/v1/status", "").await;
    let today = house.get("/api/v1/today", "").await;

    assert_eq!((status.status, status.json()["site"].clone()), (StatusCode::OK, Value::Null));
    assert_eq!(
        (today.status, today.code()),
        (StatusCode::SERVICE_UNAVAILABLE, "site_book_missing".into())
    );
}

#[tokio::test]
async fn mails_are_shown_to_engineers_and_in_a_demo_to_everyone() {
    let demo = House::furnished_with(Options { demo: true, ..Options::default() });
    let house = House::furnished();
    for house in [&demo, &house] {
        let mail = NewMail {
            dedupe: "opened/1".to_owned(),
            to: vec!["wang@school.example".to_owned(), "li@school.example".to_owned()],
            subject: "二楼东 照明未关".to_owned(),
            text: "自 18:15 起".to_owned(),
            html: None,
            attachments: Vec::new(),
            finding: None,
            created: NOW,
        };
        let journal = house.web.store.journal();
        journal.commit(|tx| tx.enqueue(&mail)).unwrap();
    }

    let shown = demo.get("/api/v1/mails", "").await.json();
    let refused = house.get("/api/v1/mails", "").await;
    let asked = house.get("/api/v1/mails?limit=1", &house.log_in("engineer").await).await.json();

    assert_eq!(shown["mails"][0]["to"], "wang@school.example, li@school.example");
    assert_eq!(shown["mails"][0]["state"], "waiting");
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
    assert_eq!(asked, shown);
}

#[tokio::test]
async fn a_month_comes_as_figures_and_as_a_workbook() {
    let house = House::furnished();
    let (leader, engineer) = (house.log_in("leader").await, house.log_in("engineer").await);
    let to = r#"{"to":["head@school.example"]}"#;

    let month = house.get("/api/v1/months/2026-11", &leader).await.json();
    let sheet = house.get("/api/v1/reports/2026-11.xlsx", &leader).await;
    let refused = house.post("/api/v1/reports/2026-11/send", &leader, to).await;
    let sent = house.post("/api/v1/reports/2026-11/send", &engineer, to).await;

    assert_eq!(
        (&month["month"], &month["site"]["en"]),
        (&"2026-11".into(), &"Primary school".into())
    );
    let meter = &month["meters"][0];
    assert_eq!((&meter["id"], &meter["missing_milli"]), (&"light-east".into(), &1000.into()));
    assert_eq!(month["factors"][0]["kind"], "site_book");
    assert_eq!(sheet.text, "workbook");
    let name = sheet.headers[header::CONTENT_DISPOSITION].to_str().unwrap();
    assert_eq!(name, "attachment; filename=\"energy-report-2026-11.xlsx\"");
    assert_eq!((refused.status, sent.status), (StatusCode::FORBIDDEN, StatusCode::ACCEPTED));
}

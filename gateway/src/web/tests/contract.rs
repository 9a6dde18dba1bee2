//! The contract: the document, the routes, and refusals in one form.

use std::path::Path;

use super::*;
use crate::web::api;
use crate::words::{self, Language};

#[test]
fn the_contract_is_the_one_that_the_pages_were_built_from() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/web/openapi.json");
    let written = std::fs::read_to_string(&golden).unwrap_or_default();

    let document = api::document();

    if written != document {
        let new = std::env::temp_dir().join("gengfu-openapi.json");
        std::fs::write(&new, document).unwrap();
        panic!("the contract has changed; if that is meant: cp {new:?} {golden:?}");
    }
}

#[tokio::test]
async fn every_route_of_the_contract_is_there() {
    let house = House::empty(Options::default());
    let document: Value = serde_json::from_str(&api::document()).unwrap();

    for (path, operations) in document["paths"].as_object().unwrap() {
        for method in operations.as_object().unwrap().keys() {
            let path = path.replace("{id}", "1").replace("{month}", "2026-11");
            let method: Method = method.to_uppercase().parse().unwrap();

            let answer = house.send(request(method.clone(), &path, "", "{}")).await;

            // Without a login and a site book most refuse, but none is unknown.
            let gone = [StatusCode::NOT_FOUND, StatusCode::METHOD_NOT_ALLOWED];
            assert!(!gone.contains(&answer.status), "{method} {path}: {}", answer.status);
        }
    }
}

#[tokio::test]
async fn a_refusal_is_worded_in_the_language_of_the_client() {
    let house = House::furnished();
    let mut chinese = request(Method::GET, "/api/v1/patrol", "", "");
    chinese.headers_mut().insert(header::ACCEPT_LANGUAGE, "zh-CN,zh;q=0.9,en".parse().unwrap());

    let english = house.get("/api/v1/patrol", "").await;
    let chinese = house.send(chinese).await;

    assert_eq!(english.status, StatusCode::UNAUTHORIZED);
    assert_eq!(english.json()["message"], "Please log in first.");
    assert_eq!(chinese.json()["message"], "请先登录。");
    assert_eq!((chinese.code(), chinese.json()["status"].clone()), (english.code(), 401.into()));
}

#[tokio::test]
async fn what_cannot_be_understood_is_refused_in_our_form() {
    let house = House::furnished();
    let cookie = house.log_in("engineer").await;
    let id = house.left_on("light-east", "east");

    for (method, path, body) in [
        (Method::POST, "/api/v1/session".to_owned(), "{"),
        (Method::POST, format!("/api/v1/findings/{id}/mark"), r#"{"kind":"shrug"}"#),
        (Method::POST, format!("/api/v1/findings/{id}/mark"), r#"{"kind":"overtime"}"#),
        (Method::GET, "/api/v1/findings?state=perhaps".to_owned(), ""),
        (Method::GET, "/api/v1/findings?from=yesterday".to_owned(), ""),
        (Method::GET, "/api/v1/meters/light-east/day?date=2026-02-30".to_owned(), ""),
        (Method::GET, "/api/v1/months/2026-13".to_owned(), ""),
        (Method::POST, "/api/v1/reports/2026-11/send".to_owned(), r#"{"to":["nobody"]}"#),
    ] {
        let answer = house.send(request(method, &path, &cookie, body)).await;

        assert_eq!(
            (answer.status, answer.code()),
            (StatusCode::BAD_REQUEST, "malformed".into()),
            "{path}"
        );
    }
}

#[tokio::test]
async fn a_site_book_is_refused_with_all_its_mistakes_or_taken_up_at_once() {
    let house = House::furnished();
    let cookie = house.log_in("engineer").await;
    let broken = BOOK.replace("building = \"main\"", "building = \"nowhere\"");
    let renamed = BOOK.replace("Primary school", "Middle school");

    let refused = house.send(request(Method::PUT, "/api/v1/site-book", &cookie, &broken)).await;
    let taken = house.send(request(Method::PUT, "/api/v1/site-book", &cookie, &renamed)).await;

    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    let mistakes = refused.json()["mistakes"].as_array().unwrap().clone();
    let keys: Vec<_> = mistakes.iter().map(|it| it["key"].as_str().unwrap()).collect();
    assert_eq!(keys, ["area[1].building", "area[2].building"]);
    assert_eq!(taken.status, StatusCode::NO_CONTENT);
    let status = house.get("/api/v1/status", "").await.json();
    assert_eq!(status["site"]["name"]["en"], "Middle school");
    assert_eq!(house.get("/api/v1/site-book", &cookie).await.text, renamed);
}

#[test]
fn every_code_that_a_page_words_has_its_words() {
    let document: Value = serde_json::from_str(&api::document()).unwrap();
    let codes = |schema: &str| -> Vec<String> {
        let codes = document["components"]["schemas"][schema]["enum"].as_array().unwrap();
        codes.iter().map(|code| code.as_str().unwrap().to_owned()).collect()
    };

    let notices = codes("NoticeCode").into_iter().map(|code| format!("page.notice.{code}"));
    let kinds = codes("FindingKind")
        .into_iter()
        .flat_map(|code| [format!("kind.{code}"), format!("kind.{code}.about")]);

    let steps = codes("WhyCode").into_iter().map(|code| format!("why.{code}"));

    for key in notices.chain(kinds).chain(steps) {
        for language in [Language::Zh, Language::En] {
            assert_ne!(words::text(language, &key, &[]), key);
        }
    }
}

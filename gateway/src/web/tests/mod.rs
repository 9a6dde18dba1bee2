//! The front door, knocked at: a real store in a folder of its own, no mocks.

use std::sync::Arc;

use analysis::finding::FindingKind;
use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::watch;
use tower::ServiceExt as _;
use wire::message::{self, Pack};
use wire::{List, Name, Quantity, Reading};

use super::{Options, Rooms, WebState, router};
use crate::clock::Clock;
use crate::health::Health;
use crate::ledger::Ledger;
use crate::live::Live;
use crate::store::journal::{FindingDraft, NewUser, SiteBookRow};
use crate::store::{Arrival, Store};

mod commands;
mod contract;
mod detectors;
mod doors;
mod finding_list;
mod findings;
mod live;
mod nodes;
mod portfolio;
mod preview;
mod savings;
mod sessions;
mod why;

/// 2026-11-23 22:45 in Shanghai, a Monday.
const NOW: i64 = 1_795_445_100;
const PASSWORD: &str = "lantern and clapper";

const BOOK: &str = r#"
[site]
id = "school"
name = "实验小学"
name_en = "Primary school"
zone = "Asia/Shanghai"
currency = "CNY"

[[building]]
id = "main"
name = "教学楼"
name_en = "Teaching block"

[[hours]]
id = "lessons"
name = "上课"
name_en = "Lessons"
weekdays = ["07:00-18:00"]

[[area]]
id = "east"
name = "二楼东"
name_en = "Second floor east"
building = "main"
floor = "2F"
hours = "lessons"
walk_order = 20

[[area]]
id = "hall"
name = "大厅"
name_en = "Hall"
building = "main"
floor = "1F"
hours = "lessons"
walk_order = 10
floor_area_m2 = 100

[[node]]
id = "node-1"
name = "配电间"
name_en = "Cabinet"
interval_s = 60

[[meter]]
id = "light-east"
name = "二楼东照明"
name_en = "Lights, second floor east"
model = "eastron-sdm630"
medium = "electricity"
load = "lighting"
area = "east"
node = "node-1"
unit_id = 1

[[meter]]
id = "light-hall"
name = "大厅照明"
name_en = "Lights, hall"
model = "eastron-sdm630"
medium = "electricity"
load = "lighting"
area = "hall"
node = "node-1"
unit_id = 2
"#;

/// A house with a front door.
struct House {
    web: WebState,
    router: Router,
    stop: watch::Sender<bool>,
    _dir: TempDir,
}

/// What came back.
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    text: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).expect("an answer in JSON")
    }

    fn code(&self) -> String {
        self.json()["code"].as_str().expect("a refusal has a code").to_owned()
    }

    /// The cookie as the browser would send it back.
    fn cookie(&self) -> String {
        let set = self.headers[header::SET_COOKIE].to_str().unwrap();
        set.split(';').next().unwrap().to_owned()
    }
}

fn name(text: &str) -> Name {
    Name::new(text).expect("a name")
}

impl House {
    /// A house without a site book and without users.
    fn empty(options: Options) -> Self {
        Self::empty_with(options, None)
    }

    /// The same, with somebody who knows other sites.
    fn empty_with(options: Options, portfolio: Option<Box<super::Portfolio>>) -> Self {
        Self::empty_among(options, |rooms| rooms.portfolio = portfolio)
    }

    /// The same, among other rooms.
    fn empty_among(options: Options, change: impl FnOnce(&mut Rooms)) -> Self {
        let dir = TempDir::new().expect("a folder");
        let store = Store::open(dir.path()).expect("a store");
        let clock = Clock::manual(NOW);
        let mut rooms = Rooms {
            ledger: Ledger::new(&store, &clock),
            store,
            clock,
            health: Health::default(),
            live: Live::default(),
            workbook: Box::new(|_, _| Ok(b"workbook".to_vec())),
            send_report: Box::new(|_, _, _, _| Ok(())),
            portfolio: None,
            nodes: Box::new(Vec::new),
            bell: Arc::default(),
            options,
        };
        change(&mut rooms);
        let web = WebState::new(rooms);
        let stop = watch::Sender::new(false);
        let router = router(web.clone(), stop.subscribe());
        Self { web, router, stop, _dir: dir }
    }

    /// A house with the site book above, and three users named like their roles.
    fn furnished() -> Self {
        Self::furnished_with(Options::default())
    }

    fn furnished_with(options: Options) -> Self {
        Self::empty(options).furnish()
    }

    /// The same, with nodes that have told this of themselves.
    fn with_nodes(told: Vec<super::NodeTold>) -> Self {
        let nodes = move || told.clone();
        Self::empty_among(Options::default(), |rooms| rooms.nodes = Box::new(nodes)).furnish()
    }

    fn furnish(self) -> Self {
        let house = self;
        // Hashed once: it takes its time on purpose.
        let password_hash = super::hash_password(PASSWORD).expect("a hash");
        let journal = house.web.store.journal();
        let book = SiteBookRow {
            version: 0,
            made: NOW,
            author: "test".to_owned(),
            note: String::new(),
            text: BOOK.to_owned(),
        };
        journal
            .commit(|tx| {
                tx.add_site_book(&book)?;
                for role in ["caretaker", "engineer", "leader"] {
                    tx.add_user(&NewUser {
                        name: role.to_owned(),
                        role: role.to_owned(),
                        language: "zh-CN".to_owned(),
                        email: None,
                        password_hash: password_hash.clone(),
                        created: NOW,
                    })?;
                }
                Ok(())
            })
            .expect("a furnished house");
        assert!(house.web.ledger.reload().expect("a journal"), "the site book has mistakes");
        house
    }

    /// Writes that the lights of an area have been on since 18:15; returns the finding.
    fn left_on(&self, meter: &str, area: &str) -> i64 {
        let draft = FindingDraft {
            cause: format!("lights_left_on/{meter}/{}", NOW - 16_200),
            kind: FindingKind::LightsLeftOn.code().to_owned(),
            meter: name(meter),
            area: name(area),
            opened: NOW - 16_200,
            closed: None,
            waste: 4_200_000,
            cost_e4: 33_600,
            evidence: format!(r#"[{{"start":{},"amount":250000,"limit":25000}}]"#, NOW - 16_200),
        };
        let journal = self.web.store.journal();
        journal.commit(|tx| tx.put_finding(&draft, NOW)).expect("a finding").0
    }

    /// Stores that a meter told its power ten seconds ago.
    fn read(&self, meter: &str, power_mw: i64) -> Pack {
        self.poll(meter, wire::Value::Measured(power_mw), NOW - 10)
    }

    /// Stores what a poll came to.
    fn poll(&self, meter: &str, value: wire::Value, instant: i64) -> Pack {
        let reading = Reading { quantity: Quantity::ActivePower, value };
        let pack = Pack {
            meter: name(meter),
            instant,
            boot: 1,
            seq: 0,
            clock: message::Clock::Synced,
            readings: List::from_slice(&[reading]).expect("one reading"),
        };
        let arrival = Arrival { node: name("node-1"), received: instant + 1, pack };
        self.web.store.series().record(&[arrival]).expect("a stored pack");
        pack
    }

    async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.expect("an answer");
        let (parts, body) = response.into_parts();
        let bytes = axum::body::to_bytes(body, 10_000_000).await.expect("a body");
        let text = String::from_utf8_lossy(&bytes).into_owned();
        Answer { status: parts.status, headers: parts.headers, text }
    }

    async fn get(&self, path: &str, cookie: &str) -> Answer {
        self.send(request(Method::GET, path, cookie, "")).await
    }

    async fn post(&self, path: &str, cookie: &str, body: &str) -> Answer {
        self.send(request(Method::POST, path, cookie, body)).await
    }

    async fn delete(&self, path: &str, cookie: &str) -> Answer {
        self.send(request(Method::DELETE, path, cookie, "")).await
    }

    /// Logs in and returns the cookie.
    async fn log_in(&self, user: &str) -> String {
        let body = format!(r#"{{"name":"{user}","password":"{PASSWORD}"}}"#);
        let answer = self.post("/api/v1/session", "", &body).await;
        assert_eq!(answer.status, StatusCode::NO_CONTENT, "{}", answer.text);
        answer.cookie()
    }
}

/// A request as our own pages send it.
fn request(method: Method, path: &str, cookie: &str, body: &str) -> Request<Body> {
    Request::builder()
        .method(method)
        .uri(path)
        .header("x-gengfu", "1")
        .header(header::COOKIE, cookie)
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::ACCEPT_LANGUAGE, "en")
        .body(Body::from(body.to_owned()))
        .expect("a request")
}

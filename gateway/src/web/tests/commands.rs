//! Commands to nodes: who may give them, and what is told of them.

use wire::message::{Action, Command, CommandResult, Outcome, Task};

use super::*;
use crate::store::journal::CommandRow;

const PATH: &str = "/api/v1/nodes/node-1/commands";
const IDENTIFY: &str = r#"{"task":{"kind":"identify"}}"#;
const REBOOT: &str = r#"{"task":{"kind":"reboot"},"within_s":30}"#;

impl House {
    fn commands(&self) -> Vec<CommandRow> {
        self.web.store.journal().view(|view| view.open_commands()).unwrap()
    }

    /// What the newest command of the node is told as.
    async fn newest(&self, cookie: &str) -> Value {
        self.get(PATH, cookie).await.json()["commands"][0].clone()
    }
}

#[tokio::test]
async fn an_engineer_gives_a_command_and_it_is_on_record_before_it_leaves() {
    let house = House::furnished();
    let cookie = house.log_in("engineer").await;
    let mut live = house.web.live.listen();

    let given = house.post(PATH, &cookie, REBOOT).await;

    assert_eq!(given.status, StatusCode::ACCEPTED, "{}", given.text);
    let told = given.json();
    assert_eq!((&told["kind"], &told["state"]), (&"reboot".into(), &"waiting".into()));
    assert_eq!(
        (&told["by"], &told["until"]),
        (&"engineer".into(), &"2026-11-23T22:45:30+08:00".into())
    );
    let row = house.commands().remove(0);
    assert_eq!(i64::from(row.new.id), NOW, "numbers grow by the clock");
    let command = Command { id: row.new.id, until: NOW + 30, task: Task::Act(Action::Reboot) };
    assert_eq!(Command::decode(&row.new.command), Ok(command));
    let journal = house.web.store.journal();
    let audit = journal.view(|view| view.audit(Some("node/node-1"), 10)).unwrap();
    let details: Value = serde_json::from_str(&audit[0].entry.details).unwrap();
    assert_eq!((audit.len(), audit[0].entry.author.as_str()), (1, "engineer"));
    assert_eq!(details, serde_json::json!({ "command": row.new.id, "kind": "reboot" }));
    // The courier heard the bell, open pages the news.
    let rung = tokio::time::timeout(std::time::Duration::from_secs(10), house.web.bell.notified());
    rung.await.unwrap();
    let happening = live.try_recv().unwrap();
    let expected = crate::live::Happening::Command { id: row.new.id, node: name("node-1") };
    assert_eq!(happening, expected);
}

#[tokio::test]
async fn nobody_else_commands_a_node() {
    let house = House::furnished();
    let foreign = Request::builder()
        .method(Method::POST)
        .uri(PATH)
        .header(header::COOKIE, house.log_in("engineer").await)
        .header(header::CONTENT_TYPE, "application/json")
        .body(Body::from(IDENTIFY))
        .unwrap();

    assert_eq!(house.post(PATH, "", IDENTIFY).await.status, StatusCode::UNAUTHORIZED);
    for role in ["caretaker", "leader"] {
        let cookie = house.log_in(role).await;
        let answer = house.post(PATH, &cookie, IDENTIFY).await;
        assert_eq!((answer.status, answer.code()), (StatusCode::FORBIDDEN, "forbidden".into()));
    }
    assert_eq!(house.send(foreign).await.code(), "foreign_page");
    assert_eq!(house.commands(), []);
}

#[tokio::test]
async fn what_makes_no_sense_is_refused() {
    let house = House::furnished();
    let cookie = house.log_in("engineer").await;
    let refused = async |path: &str, body: &str| {
        let answer = house.post(path, &cookie, body).await;
        (answer.status.as_u16(), answer.code())
    };

    let nowhere = refused("/api/v1/nodes/nobody/commands", IDENTIFY).await;
    assert_eq!(nowhere, (404, "not_found".to_owned()));
    for body in [
        "{}",
        r#"{"task":{"kind":"dance"}}"#,
        r#"{"task":{"kind":"reboot"},"within_s":9}"#,
        r#"{"task":{"kind":"reboot"},"within_s":601}"#,
        r#"{"task":{"kind":"reboot"},"when":"now"}"#,
    ] {
        assert_eq!(refused(PATH, body).await, (400, "malformed".to_owned()), "{body}");
    }
    assert_eq!(house.commands(), []);
}

#[tokio::test]
async fn the_same_command_again_while_it_is_open_is_the_first() {
    let house = House::furnished();
    let cookie = house.log_in("engineer").await;

    let first = house.post(PATH, &cookie, REBOOT).await.json();
    let again = house.post(PATH, &cookie, REBOOT).await.json();
    let other = house.post(PATH, &cookie, IDENTIFY).await.json();

    assert_eq!(first["id"], again["id"]);
    assert_eq!(other["id"], first["id"].as_i64().unwrap() + 1);
    assert_eq!(house.commands().len(), 2);
}

#[tokio::test]
async fn a_command_is_told_as_far_as_it_has_come_and_no_further() {
    let house = House::furnished();
    let (engineer, leader) = (house.log_in("engineer").await, house.log_in("leader").await);
    let journal = house.web.store.journal();
    let node = name("node-1");
    let mut told = Vec::new();
    for (outcome, closes) in [
        (Some(Outcome::Done), false),
        (Some(Outcome::Failed), false),
        (Some(Outcome::Refused), false),
        (Some(Outcome::Expired), false),
        (Some(Outcome::Repeated), true),
        (None, true),
    ] {
        house.post(PATH, &engineer, IDENTIFY).await;
        let id = house.commands()[0].new.id;
        journal.commit(|tx| tx.command_sent(id, 7, NOW + 1)).unwrap();
        assert_eq!(house.newest(&leader).await["state"], "sent");
        if let Some(outcome) = outcome {
            let mut bytes = [0; CommandResult::BYTES_MAX];
            let len = CommandResult::of(id, outcome).encode(&mut bytes).unwrap();
            let answer = (outcome.code(), Some(&bytes[..len]));
            let provisional = outcome == Outcome::Repeated;
            journal
                .commit(|tx| tx.command_answered(id, &node, answer, provisional, NOW + 2))
                .unwrap();
        }
        if closes {
            journal.commit(|tx| tx.close_command(id, NOW + 71)).unwrap();
        }
        told.push(house.newest(&leader).await["state"].clone());
    }
    house.post(PATH, &engineer, IDENTIFY).await;
    journal.commit(|tx| tx.close_command(house.commands()[0].new.id, NOW + 61)).unwrap();
    told.push(house.newest(&leader).await["state"].clone());

    let states = ["done", "failed", "refused", "expired", "repeated", "unanswered", "undelivered"];
    assert_eq!(told, states);
    let list = house.get(PATH, &leader).await.json();
    assert_eq!(list["commands"].as_array().unwrap().len(), states.len());
    assert_eq!(list["commands"][6]["answered_at"], "2026-11-23T22:45:02+08:00");
}

/// The site book of the other tests, with two switches more: the hall's, which caretakers may
/// switch, and that of the second floor.
fn switched() -> House {
    let house = House::furnished();
    let switch = |id: &str, coil: u8, more: &str| {
        format!(
            "\n[[switch]]\nid = \"{id}\"\nname = \"灯\"\nname_en = \"Lights\"\nnode = \"node-1\"\n\
             unit_id = 20\ncoil = {coil}\nmeters = [\"light-{id}\"]\n{more}\n"
        )
    };
    let caretakers = "areas = [\"east\"]\nwho = \"caretaker\"";
    let text = format!("{BOOK}{}{}", switch("hall", 0, caretakers), switch("east", 1, ""));
    let (made, author, note) = (NOW, "test".to_owned(), String::new());
    let book = SiteBookRow { version: 0, made, author, note, text };
    house.web.store.journal().commit(|tx| tx.add_site_book(&book)).unwrap();
    assert!(house.web.ledger.reload().unwrap(), "the site book has mistakes");
    house
}

fn off(circuit: &str) -> String {
    format!(r#"{{"task":{{"kind":"switch","circuit":"{circuit}","on":false}}}}"#)
}

#[tokio::test]
async fn a_book_without_switches_never_switches() {
    let house = House::furnished();
    let cookie = house.log_in("engineer").await;

    let list = house.get("/api/v1/switches", &cookie).await.json();
    let answer = house.post(PATH, &cookie, &off("light-east")).await;

    assert_eq!(list["switches"], serde_json::json!([]));
    assert_eq!((answer.status, answer.code()), (StatusCode::NOT_FOUND, "not_found".into()));
    assert_eq!(house.commands(), []);
}

#[tokio::test]
async fn only_whom_the_book_trusts_switches_a_circuit() {
    let house = switched();
    let status = async |role: &str, circuit: &str| {
        let cookie = house.log_in(role).await;
        house.post(PATH, &cookie, &off(circuit)).await.status.as_u16()
    };

    assert_eq!((status("leader", "hall").await, status("leader", "east").await), (403, 403));
    assert_eq!(status("caretaker", "east").await, 403);
    assert_eq!(house.commands(), []);
    assert_eq!((status("caretaker", "hall").await, status("engineer", "east").await), (202, 202));
    let tasks: Vec<_> = house
        .commands()
        .iter()
        .map(|row| (row.new.author.clone(), Command::decode(&row.new.command).unwrap()))
        .map(|(author, command)| (author, command.task, command.until))
        .collect();
    let task = |circuit| Task::Switch { circuit: name(circuit), on: false };
    assert_eq!(
        tasks,
        [
            ("caretaker".to_owned(), task("hall"), NOW + 60),
            ("engineer".to_owned(), task("east"), NOW + 60)
        ]
    );
    let journal = house.web.store.journal();
    let audit = journal.view(|view| view.audit(Some("node/node-1"), 10)).unwrap();
    let details: Value = serde_json::from_str(&audit[1].entry.details).unwrap();
    assert_eq!((&details["circuit"], &details["on"]), (&"hall".into(), &false.into()));
}

#[tokio::test]
async fn a_switch_is_told_with_all_that_goes_dark_and_what_was_read_back() {
    let house = switched();
    let caretaker = house.log_in("caretaker").await;
    let list = async || house.get("/api/v1/switches", &caretaker).await.json()["switches"].clone();
    let before = list().await;

    house.post(PATH, &caretaker, &off("hall")).await;
    let id = house.commands()[0].new.id;
    let waiting = list().await[0]["last"].clone();
    let mut result = CommandResult::of(id, Outcome::Failed);
    result.data.push(1).unwrap();
    let mut bytes = [0; CommandResult::BYTES_MAX];
    let len = result.encode(&mut bytes).unwrap();
    let journal = house.web.store.journal();
    let answered = journal.commit(|tx| {
        tx.command_sent(id, 7, NOW + 1)?;
        let answer = (result.outcome.code(), Some(&bytes[..len]));
        tx.command_answered(id, &name("node-1"), answer, false, NOW + 2)
    });
    assert!(answered.unwrap());
    let after = list().await;

    assert_eq!((&before[0]["may"], &before[1]["may"]), (&true.into(), &false.into()));
    assert_eq!(before[0]["last"], Value::Null);
    let areas: Vec<_> = (0..2).map(|at| before[0]["areas"][at]["id"].clone()).collect();
    assert_eq!(areas, ["east", "hall"]);
    assert_eq!(before[0]["meters"][0]["name"]["en"], "Lights, hall");
    assert_eq!((&waiting["state"], &waiting["read_back"]), (&"waiting".into(), &Value::Null));
    let last = &after[0]["last"];
    assert_eq!((&last["state"], &last["on"]), (&"failed".into(), &false.into()));
    assert_eq!(last["read_back"], true, "the relay is still on");
    assert_eq!(after[1]["last"], Value::Null);
}

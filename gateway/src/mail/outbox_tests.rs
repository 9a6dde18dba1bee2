use super::*;
use crate::config::{MailConfig, MailSecurity};
use crate::health::Notice;
use crate::mail::sink::{self, Act, Script, Sink};
use crate::store::Store;
use crate::store::journal::NewMail;

const START: i64 = 1_795_518_600;

/// A gateway's outbox with a store of its own, a clock that stands, and a mail server.
struct World {
    outbox: Outbox,
    journal: Journal,
    clock: Clock,
    health: Health,
    sink: Sink,
    // Asked before each mail; dropped, it would read as "go on".
    stop: watch::Sender<bool>,
    _dir: tempfile::TempDir,
}

async fn world(script: Script) -> World {
    let dir = tempfile::tempdir().unwrap();
    let journal = Store::open(dir.path()).unwrap().journal().clone();
    let (clock, health) = (Clock::manual(START), Health::default());
    let sink = sink::start(script, None).await;
    let config = MailConfig {
        host: "127.0.0.1".to_owned(),
        port: sink.address.port(),
        security: MailSecurity::None,
        login: None,
        from: "watch@school.example".to_owned(),
    };
    let server = Server::new(&config, Duration::from_secs(10)).unwrap();
    let outbox = Outbox::new(journal.clone(), Some(server), clock.clone(), health.clone());
    World { outbox, journal, clock, health, sink, stop: watch::Sender::new(false), _dir: dir }
}

impl World {
    fn write(&self, dedupe: &str, to: &str) -> i64 {
        let mail = NewMail {
            dedupe: dedupe.to_owned(),
            to: vec![to.to_owned()],
            subject: "二层东侧 灯未关".to_owned(),
            text: "灯还亮着。\n".to_owned(),
            html: Some("<p>灯还亮着。</p>".to_owned()),
            attachments: Vec::new(),
            finding: None,
            created: self.clock.now(),
        };
        self.journal.commit(|tx| tx.enqueue(&mail)).unwrap().unwrap()
    }

    async fn round_at(&mut self, after_s: i64) {
        self.clock.set(START + after_s);
        self.outbox.round(&self.stop.subscribe()).await.unwrap();
    }

    fn row(&self, id: i64) -> MailRow {
        self.journal.view(|view| view.mail(id)).unwrap().unwrap()
    }

    fn notice(&self) -> Option<Notice> {
        self.health.all().into_iter().find(|notice| notice.code == Code::MailFailing)
    }
}

fn busy(line: &str) -> Act {
    if line.starts_with("RCPT") { Act::Say("451 greylisted") } else { Act::Usual }
}

#[tokio::test]
async fn a_mail_is_sent_once() {
    let mut world = world(|_| Act::Usual).await;
    let id = world.write("a", "wang@school.example");

    world.round_at(0).await;
    world.round_at(100_000).await;

    assert_eq!(world.row(id).sent, Some(START));
    assert!(world.sink.taken.recv().await.unwrap().contains("Auto-Submitted: auto-generated"));
    assert!(world.sink.taken.try_recv().is_err());
    assert_eq!(world.notice(), None);
}

#[tokio::test]
async fn a_busy_server_is_asked_again_after_1_5_15_60_minutes_then_every_6_hours_for_two_days() {
    let mut world = world(busy).await;
    let id = world.write("a", "wang@school.example");
    let mut tries = Vec::new();

    world.round_at(0).await;
    while let Some(next) = world.row(id).next_at {
        tries.push((next - world.clock.now()) / 60);
        world.round_at(next - START).await;
    }

    assert_eq!(tries, [1, 5, 15, 60, 360, 360, 360, 360, 360, 360, 360]);
    let row = world.row(id);
    assert_eq!(row.sent, None);
    assert!(row.last_error.unwrap().contains("451 greylisted"));
    assert_eq!(world.notice().unwrap().params["class"], "later");
}

#[tokio::test]
async fn a_mail_that_is_refused_does_not_hold_up_the_next() {
    let mut world = world(|line| {
        if line.starts_with("RCPT TO:<gone@") { Act::Say("550 no such user") } else { Act::Usual }
    })
    .await;
    let refused = world.write("a", "gone@school.example");
    let sent = world.write("b", "wang@school.example");

    world.round_at(0).await;

    let row = world.row(refused);
    assert_eq!((row.sent, row.next_at), (None, None));
    assert!(row.last_error.unwrap().contains("550 no such user"));
    assert_eq!(world.row(sent).sent, Some(START));
}

#[tokio::test]
async fn wrong_settings_hold_the_queue_and_lose_no_mail() {
    let mut world = world(|line| {
        if line.starts_with("MAIL") { Act::Say("530 authentication required") } else { Act::Usual }
    })
    .await;
    let first = world.write("a", "wang@school.example");
    let second = world.write("b", "zhao@school.example");

    world.round_at(0).await;
    world.round_at(60).await;

    let tries = |world: &World| (world.row(first).tries, world.row(second).tries);
    assert_eq!(tries(&world), (1, 0));
    let notice = world.notice().unwrap();
    assert_eq!((notice.level, notice.params["class"].as_str()), (Level::Error, "log_in"));

    world.round_at(HOLD_S).await;
    assert_eq!(tries(&world), (1, 1));
    assert!(world.row(first).next_at.is_some());
    assert!(world.row(second).next_at.is_some());
}

#[tokio::test]
async fn a_notice_is_cleared_when_the_server_takes_a_mail_again() {
    let mut world = world(|line| {
        if line.starts_with("RCPT TO:<gone@") { Act::Say("550 no such user") } else { Act::Usual }
    })
    .await;
    world.write("a", "gone@school.example");
    world.round_at(0).await;
    assert!(world.notice().is_some());

    world.write("b", "wang@school.example");
    world.round_at(10).await;

    assert_eq!(world.notice(), None);
}

#[tokio::test]
async fn a_first_try_that_is_turned_away_is_no_trouble() {
    let mut world = world(busy).await;
    world.write("a", "wang@school.example");

    world.round_at(0).await;
    assert_eq!(world.notice(), None);

    world.round_at(60).await;
    assert_eq!(world.notice().unwrap().params["class"], "later");
}

#[tokio::test]
async fn the_notice_of_a_mail_that_was_given_up_stands_for_a_day() {
    let mut world = world(|_| Act::Usual).await;
    world.write("a", "the caretaker");
    world.round_at(0).await;

    world.round_at(NOTICE_S - 1).await;
    assert_eq!(world.notice().unwrap().params["class"], "broken");

    world.round_at(NOTICE_S).await;
    assert_eq!(world.notice(), None);
}

#[tokio::test]
async fn without_a_mail_server_mails_wait_and_the_notice_says_so() {
    let mut world = world(|_| Act::Usual).await;
    world.outbox.server = None;
    let id = world.write("a", "wang@school.example");

    world.round_at(0).await;

    assert_eq!(world.row(id).tries, 0);
    assert_eq!(world.notice().unwrap().params["class"], "not_configured");
}

#[tokio::test]
async fn a_recipient_that_is_no_address_is_given_up_at_once() {
    let mut world = world(|_| Act::Usual).await;
    let id = world.write("a", "the caretaker");

    world.round_at(0).await;

    let row = world.row(id);
    assert_eq!(row.next_at, None);
    assert!(row.last_error.unwrap().contains("`the caretaker` is not a mail address"));
}

#[tokio::test]
async fn the_sender_stops_when_it_is_told_to() {
    let World { outbox, stop, .. } = world(|_| Act::Usual).await;
    let running = tokio::spawn(outbox.run(stop.subscribe()));

    stop.send(true).unwrap();

    tokio::time::timeout(Duration::from_secs(10), running).await.unwrap().unwrap();
}

#[test]
fn news_of_a_finding_is_not_sent_days_later() {
    let row = MailRow {
        id: 1,
        mail: NewMail {
            dedupe: "a".to_owned(),
            to: vec!["wang@school.example".to_owned()],
            subject: String::new(),
            text: String::new(),
            html: None,
            attachments: Vec::new(),
            finding: Some(1),
            created: START,
        },
        tries: 0,
        next_at: Some(START),
        last_error: None,
        sent: None,
    };
    let report = MailRow { mail: NewMail { finding: None, ..row.mail.clone() }, ..row.clone() };

    assert!(!is_stale(&row, START + WORTH_TRYING_S));
    assert!(is_stale(&row, START + WORTH_TRYING_S + 1));
    assert!(!is_stale(&report, START + 10 * WORTH_TRYING_S));
}

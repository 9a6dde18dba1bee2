use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use analysis::figures::SiteDay;
use tempfile::TempDir;
use wire::Quantity;

use super::server::{Does, Server, answers};
use crate::clock::Clock;
use crate::health::{Code, Health, Level};
use crate::influx::line::tests::{arrival, labels, measured, site_day};
use crate::influx::{Client, ExportError, Feed, export};
use crate::store::{Arrival, Store};

const NOW: i64 = 1_760_025_600;
const TIMEOUT: Duration = Duration::from_secs(5);

struct World {
    _dir: TempDir,
    store: Store,
    clock: Clock,
    health: Health,
    server: Server,
    /// The status that the server answers with.
    status: Arc<AtomicU16>,
    feed: Feed,
}

impl World {
    async fn new(days: Vec<SiteDay>) -> Self {
        let status = Arc::new(AtomicU16::new(204));
        let says = Arc::clone(&status);
        let server = Server::start(move |_, request| match says.load(Ordering::Relaxed) {
            // One line is always refused.
            204 if request.body.contains(" 13\n") => {
                Does::Answers(422, "", "{\"message\":\"bad\"}".to_owned())
            }
            503 => Does::Answers(503, "Retry-After: 1000\r\n", String::new()),
            status => answers(status),
        })
        .await;
        let dir = TempDir::new().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let (clock, health) = (Clock::manual(NOW), Health::default());
        let client = Client::open(&server.config(), TIMEOUT).await.unwrap();
        let labels = Arc::new(labels());
        let labels = Box::new(move || Some(Arc::clone(&labels)));
        let sums = Arc::new(move || Ok(days.clone()));
        let feed = Feed::new("t".to_owned(), client, (&store, &clock, &health), labels, sums);
        Self { _dir: dir, store, clock, health, server, status, feed }
    }

    fn says(&self, status: u16) {
        self.status.store(status, Ordering::Relaxed);
    }

    fn record(&self, instants: std::ops::Range<i64>) {
        let batch: Vec<Arrival> = instants
            .map(|n| arrival("office-main", n, &[measured(Quantity::ActivePower, n)]))
            .collect();
        self.store.series().record(&batch).unwrap();
    }

    /// Goes on until there is nothing more to do at once.
    async fn settle(&mut self) {
        while self.feed.round().await.unwrap() {}
    }

    /// The instants that the server took.
    fn taken(&self) -> BTreeSet<i64> {
        let asked = self.server.asked();
        let lines = asked.iter().flat_map(|request| request.body.lines());
        lines
            .filter(|line| !line.starts_with("site_day"))
            .map(|line| line.rsplit_once(' ').unwrap().1.parse().unwrap())
            .collect()
    }

    fn notices(&self) -> Vec<(Code, Level)> {
        self.health.all().iter().map(|notice| (notice.code, notice.level)).collect()
    }
}

#[tokio::test]
async fn what_is_recorded_arrives_and_nothing_is_sent_twice_in_peace() {
    let mut world = World::new(vec![site_day()]).await;
    world.record(100..110);
    world.settle().await;
    world.record(110..120);
    world.settle().await;
    world.settle().await;

    assert_eq!(world.taken(), (100..120).collect());
    assert_eq!(world.server.asked().len(), 3, "two of readings, one of days");
    assert_eq!(world.store.targets().progress("t").unwrap().lines, 20);
    assert_eq!(world.notices(), []);
}

#[tokio::test]
async fn a_target_that_is_away_costs_nothing_but_time() {
    let mut world = World::new(vec![]).await;
    world.record(100..110);
    world.says(500);
    world.settle().await;
    let asked = world.server.asked().len();

    world.settle().await;
    assert_eq!(world.server.asked().len(), asked, "it waits before the next try");
    assert_eq!(world.notices(), [(Code::InfluxAway, Level::Warn)]);
    let params = world.health.all()[0].params.clone();
    assert_eq!(params["readings"], "10");
    assert_eq!(params["seconds"], (NOW - 102).to_string());

    // Days go by: what waits becomes blocks, then a sealed month.
    world.store.series().maintain(NOW).unwrap();
    world.record(NOW..NOW + 5);
    world.clock.set(NOW + 3_600);
    world.says(204);
    world.settle().await;

    assert_eq!(world.taken(), (100..110).chain(NOW..NOW + 5).collect());
    assert_eq!(world.notices(), []);
    let progress = world.store.targets().progress("t").unwrap();
    assert_eq!(progress.position.owed, None);
}

#[tokio::test]
async fn a_wait_that_the_server_asks_for_is_kept() {
    let mut world = World::new(vec![]).await;
    world.record(100..110);
    world.says(503);
    world.settle().await;
    world.says(204);

    world.clock.set(NOW + 999);
    world.settle().await;
    assert_eq!(world.server.asked().len(), 1);
    world.clock.set(NOW + 1_000);
    world.settle().await;

    assert_eq!(world.server.asked().len(), 2);
    assert_eq!(world.notices(), []);
}

#[tokio::test]
async fn a_target_that_turns_us_away_is_an_error_until_somebody_helps() {
    let mut world = World::new(vec![]).await;
    world.record(100..110);
    for status in [401, 403, 404] {
        world.says(status);
        world.clock.set(world.clock.now() + 400);
        world.settle().await;

        assert_eq!(world.notices(), [(Code::InfluxRefuses, Level::Error)]);
        assert_eq!(world.health.all()[0].params["status"], status.to_string());
    }
    world.says(204);
    world.clock.set(world.clock.now() + 400);
    world.settle().await;

    assert_eq!(world.taken(), (100..110).collect());
    assert_eq!(world.notices(), []);
}

#[tokio::test]
async fn a_refused_line_is_kept_aside_and_told_for_a_day() {
    let mut world = World::new(vec![]).await;
    world.record(10..20);
    world.settle().await;

    let refused = world.store.targets().refused("t", 10).unwrap();
    assert_eq!(refused.len(), 1);
    assert!(refused[0].line.ends_with(" 13"), "{refused:?}");
    assert_eq!(world.store.targets().progress("t").unwrap().lines, 9);
    assert_eq!(world.notices(), [(Code::InfluxLinesRefused, Level::Warn)]);
    world.clock.set(NOW + 86_400);
    world.settle().await;
    assert_eq!(world.notices(), []);
}

#[tokio::test]
async fn sums_of_days_are_sent_once_and_again_when_they_change() {
    let sums = Arc::new(std::sync::Mutex::new(vec![site_day()]));
    let mut world = World::new(vec![]).await;
    let told = Arc::clone(&sums);
    world.feed = {
        let client = Client::open(&world.server.config(), TIMEOUT).await.unwrap();
        let labels = Arc::new(labels());
        let labels = Box::new(move || Some(Arc::clone(&labels)));
        let rooms = (&world.store, &world.clock, &world.health);
        let sums = Arc::new(move || Ok(told.lock().unwrap().clone()));
        Feed::new("t".to_owned(), client, rooms, labels, sums)
    };
    for round in 0..4 {
        world.clock.set(NOW + round * 900);
        world.settle().await;
        if round == 1 {
            sums.lock().unwrap()[0].figure.amount += 1;
        }
    }

    let asked = world.server.asked();
    assert_eq!(asked.len(), 2);
    assert!(asked[0].body.contains("amount=5120000i") && asked[1].body.contains("amount=5120001i"));
}

#[tokio::test]
async fn without_a_site_book_nothing_is_sent() {
    let mut world = World::new(vec![]).await;
    let client = Client::open(&world.server.config(), TIMEOUT).await.unwrap();
    let labels = Box::new(|| None);
    let rooms = (&world.store, &world.clock, &world.health);
    world.feed = Feed::new("t".to_owned(), client, rooms, labels, Arc::new(|| Ok(vec![])));
    world.record(1..5);

    world.settle().await;

    assert_eq!(world.server.asked().len(), 0);
}

#[tokio::test]
async fn an_export_sends_all_there_is_and_goes_on_where_it_was_interrupted() {
    let world = World::new(vec![]).await;
    for day in 0..40 {
        world.record(NOW + day * 86_400..NOW + day * 86_400 + 10);
    }
    world.store.series().maintain(NOW + 42 * 86_400).unwrap();
    world.record(NOW + 43 * 86_400..NOW + 43 * 86_400 + 10);
    let client = Client::open(&world.server.config(), TIMEOUT).await.unwrap();
    let (labels, days) = (Arc::new(labels()), [site_day()]);
    let run = || {
        let rooms = (&world.store, &world.clock);
        let mut said = 0;
        let (client, labels, days) = (&client, &labels, &days);
        async move {
            let done = export(rooms, client, "t", labels, days, |done| said = done.lines).await;
            (done, said)
        }
    };

    world.says(401);
    let (done, _) = run().await;
    assert!(matches!(done, Err(ExportError::Stopped { status: 401, .. })), "{done:?}");
    world.says(204);
    let (done, said) = run().await;

    let done = done.unwrap();
    assert_eq!((done.lines, done.refused), (41 * 10 + 1, 0));
    assert_eq!(said, done.lines);
    assert_eq!(world.taken().len(), 41 * 10);
    let progress = world.store.targets().progress("t").unwrap();
    assert_eq!(progress, Default::default(), "the running gateway's position is its own");
    assert_eq!(run().await.0.unwrap(), done, "the next export sends all of it again");
}

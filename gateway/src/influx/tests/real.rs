//! Against InfluxDB 1.6 (Debian's `influxdb`), which knows lines and InfluxQL as version 2
//! does but not its write path, and VictoriaMetrics, which knows that path and takes every
//! line. Together they answer for what no InfluxDB 2 is at hand to say.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use analysis::figures::SiteDay;
use serde_json::Value;
use tempfile::TempDir;
use wire::{Name, Quantity};

use super::server::{Does, Server, config};
use crate::clock::Clock;
use crate::config::Address;
use crate::health::Health;
use crate::influx::client::Verdict;
use crate::influx::line::tests::{arrival, labels, measured, site_day};
use crate::influx::{Client, Feed, History};
use crate::store::Store;

/// 2025-10-10T00:00:00+08:00.
const NOW: i64 = 1_760_025_600;
const TIMEOUT: Duration = Duration::from_secs(20);

/// A server of the system, ended with this.
struct Real {
    child: Child,
    port: u16,
    _dir: TempDir,
}

impl Drop for Real {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

impl Real {
    fn address(&self) -> Address {
        let host = "127.0.0.1".to_owned();
        Address { tls: false, host, port: self.port, path: String::new() }
    }

    /// Sends a request; returns status and body.
    fn ask(&self, method: &str, path: &str, body: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        let head = format!(
            "{method} {path} HTTP/1.0\r\nHost: db\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(head.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    }

    /// Asks a question in InfluxQL; returns the series of the answer.
    fn query(&self, question: &str) -> Vec<Value> {
        let path = format!("/query?db=gengfu&epoch=s&q={}", encoded(question));
        let (status, body) = self.ask("POST", &path, "");
        let json: Value = serde_json::from_str(&body).unwrap();
        let result = &json["results"][0];
        assert!(status == 200 && result["error"].is_null(), "{question}: {body}");
        result["series"].as_array().cloned().unwrap_or_default()
    }
}

fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// Starts InfluxDB on a port of its own choice, which it tells in its log.
fn influxd() -> Real {
    let dir = TempDir::new().unwrap();
    let at = dir.path().display();
    let conf = format!(
        "reporting-disabled = true\nbind-address = \"127.0.0.1:0\"\n[meta]\ndir = \"{at}/meta\"\n\
         [data]\ndir = \"{at}/data\"\nwal-dir = \"{at}/wal\"\n[monitor]\nstore-enabled = false\n\
         [http]\nbind-address = \"127.0.0.1:0\"\nlog-enabled = false\n"
    );
    let path = dir.path().join("influxdb.conf");
    std::fs::write(&path, conf).unwrap();
    let mut child = Command::new("influxd")
        .arg("run")
        .arg("-config")
        .arg(path)
        .stderr(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("influxd is needed: apt-get install influxdb");
    let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
    let listening = |line: &String| line.contains("Listening on HTTP");
    let line = log.by_ref().map_while(Result::ok).find(listening).expect("it listens");
    let port = line.split("addr=127.0.0.1:").nth(1).unwrap().split(' ').next().unwrap();
    let port = port.parse().unwrap();
    // A pipe that nobody reads would stop it.
    std::thread::spawn(move || log.for_each(drop));
    let real = Real { child, port, _dir: dir };
    real.ask("POST", &format!("/query?q={}", encoded("CREATE DATABASE gengfu")), "");
    real
}

/// A server that speaks version 2 to us and hands what we write to version 1, which judges
/// lines as version 2 does.
async fn in_front_of(real: &Arc<Real>) -> Server {
    let real = Arc::clone(real);
    Server::start(move |_, request| {
        assert!(request.path().starts_with("/api/v2/write?bucket=gengfu&"));
        match real.ask("POST", "/write?db=gengfu&precision=s", &request.body) {
            (204, _) => Does::Answers(204, "", String::new()),
            (status, body) => Does::Answers(status, "", body),
        }
    })
    .await
}

struct World {
    _dir: TempDir,
    store: Store,
    feed: Feed,
}

async fn world(server: &Server, days: Vec<SiteDay>) -> World {
    let dir = TempDir::new().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let client = Client::open(&server.config(), TIMEOUT).await.unwrap();
    let labels = Arc::new(labels());
    let labels = Box::new(move || Some(Arc::clone(&labels)));
    let (clock, health) = (Clock::manual(NOW + 86_400), Health::default());
    let sums = Arc::new(move || Ok(days.clone()));
    let feed = Feed::new("t".to_owned(), client, (&store, &clock, &health), labels, sums);
    World { _dir: dir, store, feed }
}

impl World {
    async fn settle(&mut self) {
        while self.feed.round().await.unwrap() {}
    }
}

/// Two hours of every meter of the demo campus, each minute, with all that it measures.
fn two_hours(store: &Store) -> usize {
    let book = crate::site_book::parse(include_str!("../../demo/site.toml")).unwrap();
    let mut count = 0;
    for meter in &book.site.meters {
        let model = wire::models::MODELS.iter().find(|model| model.id == meter.model).unwrap();
        let mut quantities: Vec<Quantity> =
            model.map.entries.iter().map(|entry| entry.quantity).collect();
        quantities.sort();
        quantities.dedup();
        let packs: Vec<_> = (0..120)
            .map(|minute: i64| {
                let readings: Vec<_> = quantities
                    .iter()
                    .map(|quantity| measured(*quantity, 1_000_123 + minute * 1_000))
                    .collect();
                arrival(meter.id.as_str(), NOW + minute * 60, &readings)
            })
            .collect();
        count += packs.len();
        store.series().record(&packs).unwrap();
    }
    count
}

#[tokio::test(flavor = "multi_thread")]
async fn influxd_takes_every_line_and_tells_it_back() {
    let real = Arc::new(influxd());
    let server = in_front_of(&real).await;
    let second = SiteDay {
        site: Name::new("library").unwrap(),
        date: jiff::civil::date(2025, 10, 11),
        start: NOW + 86_400,
        ..site_day()
    };
    let mut world = world(&server, vec![site_day(), second.clone()]).await;
    let sent = two_hours(&world.store);
    world.settle().await;

    let mut found = 0;
    for series in real.query("SELECT count(*) FROM /.*/ GROUP BY meter, area, site") {
        if series["name"] == "site_day" {
            continue;
        }
        assert_eq!(series["tags"]["site"], "demo-campus");
        assert_ne!(series["tags"]["area"], "");
        // A meter has not every field of its medium; of those it has, each is in every line.
        let counts = series["values"][0].as_array().unwrap().iter().skip(1);
        let lines = counts.filter_map(Value::as_u64).max().unwrap();
        found += usize::try_from(lines).unwrap();
    }
    assert_eq!(found, sent);
    let exact = real.query(
        "SELECT first(\"ActivePower\") FROM \"electricity\" WHERE \"meter\" = 'office-main'",
    );
    assert_eq!(exact[0]["values"][0], serde_json::json!([NOW, 1_000.123]));
    let history = History::open(&config(real.address())).await.unwrap();
    let days = history.site_days(NOW - 86_400, NOW + 2 * 86_400).await.unwrap();
    // A line end cannot be kept in a line.
    let mut told = site_day();
    told.name.zh = told.name.zh.replace('\n', " ");
    let second = SiteDay { name: told.name.clone(), ..second };
    assert_eq!(days, [second, told]);
    assert_eq!(history.site_days(NOW + 1, NOW + 2).await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_that_influxd_refuses_are_put_aside_and_the_others_are_there() {
    let real = Arc::new(influxd());
    // An integer stands where our numbers are decimals: those of this week conflict.
    let line = format!("electricity,meter=x Frequency=5i {NOW}");
    assert_eq!(real.ask("POST", "/write?db=gengfu&precision=s", &line).0, 204);
    let server = in_front_of(&real).await;
    let mut world = world(&server, vec![]).await;
    let packs: Vec<_> = (0..200)
        .map(|n| {
            let quantity = if n % 50 == 7 { Quantity::Frequency } else { Quantity::ActivePower };
            arrival("office-main", NOW + n, &[measured(quantity, 50_000 + n)])
        })
        .collect();
    world.store.series().record(&packs).unwrap();
    world.settle().await;

    let refused = world.store.targets().refused("t", 100).unwrap();
    assert_eq!(refused.len(), 4);
    assert!(refused.iter().all(|it| it.line.contains(" Frequency=")), "{refused:?}");
    assert!(refused[0].reason.contains("field type conflict"), "{refused:?}");
    let count = real.query("SELECT count(\"ActivePower\") FROM \"electricity\"");
    assert_eq!(count[0]["values"][0][1], 196);
}

#[tokio::test(flavor = "multi_thread")]
async fn influxd_itself_turns_the_write_path_of_version_2_away() {
    let real = influxd();
    let client = Client::open(&config(real.address()), TIMEOUT).await.unwrap();

    let verdict = client.write("m a=1 1\n", NOW).await;

    assert!(matches!(verdict, Verdict::Stopped { status: 404, .. }), "{verdict:?}");
    let history = History::open(&config(real.address())).await.unwrap();
    assert_eq!(history.site_days(0, NOW).await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_of_version_2_arrives_at_victoria_metrics() {
    let dir = TempDir::new().unwrap();
    // It does not tell a port that it chose itself.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let child = Command::new("victoria-metrics")
        .arg(format!("-httpListenAddr=127.0.0.1:{port}"))
        .arg(format!("-storageDataPath={}", dir.path().display()))
        .args(["-retentionPeriod=100y", "-search.latencyOffset=0s"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("victoria-metrics is needed: apt-get install victoria-metrics");
    let real = Real { child, port, _dir: dir };
    let mut server = Server::start(|_, _| unreachable!("it is only asked for its form")).await;
    server.address = real.address();
    let mut world = world(&server, vec![site_day()]).await;
    world
        .store
        .series()
        .record(&[arrival(
            "office-main",
            NOW,
            &[measured(Quantity::ActivePower, 12_345), measured(Quantity::Frequency, 50_010)],
        )])
        .unwrap();
    let deadline = Clock::system().now() + 20;
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(Clock::system().now() < deadline, "VictoriaMetrics does not start");
        tokio::task::yield_now().await;
    }
    world.settle().await;
    assert_eq!(world.store.targets().progress("t").unwrap().lines, 1);

    let flushed = real.ask("GET", "/internal/force_flush", "");
    assert_eq!(flushed.0, 200);
    let path = format!(
        "/api/v1/export?start={}&end={}&match[]={}",
        NOW - 1,
        NOW + 1,
        encoded("{meter=\"office-main\"}")
    );
    let (_, exported) = real.ask("GET", &path, "");
    let mut values: Vec<(String, f64)> = exported
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .map(|row| {
            let name = row["metric"]["__name__"].as_str().unwrap().to_owned();
            assert_eq!(row["timestamps"][0], NOW * 1_000);
            (name, row["values"][0].as_f64().unwrap())
        })
        .collect();
    values.sort_by(|a, b| a.0.cmp(&b.0));
    assert_eq!(
        values,
        [
            ("electricity_ActivePower".to_owned(), 12.345),
            ("electricity_Frequency".to_owned(), 50.01)
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn every_question_of_the_dashboards_is_answered_by_influxd() {
    let real = Arc::new(influxd());
    let server = in_front_of(&real).await;
    let days = vec![
        SiteDay { site: Name::new("demo-campus").unwrap(), ..site_day() },
        SiteDay {
            site: Name::new("demo-campus").unwrap(),
            medium: analysis::site::Medium::Water,
            ..site_day()
        },
        SiteDay {
            site: Name::new("demo-campus").unwrap(),
            medium: analysis::site::Medium::Gas,
            ..site_day()
        },
    ];
    let mut world = world(&server, days).await;
    two_hours(&world.store);
    world.settle().await;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../dashboards/grafana/dashboards");
    let fill = |question: &str, meter: &str| {
        question
            .replace("$timeFilter", &format!("time >= {}s AND time < {}s", NOW - 60, NOW + 7_200))
            .replace("$__interval", "5m")
            .replace("$site", "demo-campus")
            .replace("$meter", meter)
    };

    let mut asked = 0;
    for name in ["site.json", "meter.json"] {
        let text = std::fs::read_to_string(folder.join(name)).unwrap();
        let board: Value = serde_json::from_str(&text).unwrap();
        for variable in board["templating"]["list"].as_array().unwrap() {
            let question = variable["query"].as_str().unwrap();
            let found = real.query(&fill(question, ""));
            assert!(!found.is_empty(), "{name}: {question}");
            asked += 1;
        }
        for panel in board["panels"].as_array().unwrap() {
            for target in panel["targets"].as_array().unwrap() {
                let question = target["query"].as_str().unwrap();
                assert_eq!(target["rawQuery"], true, "{name}: {question}");
                // A meter of each medium answers one of the questions.
                let answered = ["office-main", "canteen-water", "library-gas"]
                    .into_iter()
                    .any(|meter| !real.query(&fill(question, meter)).is_empty());
                assert!(answered, "{name}: {}: nothing comes of {question}", panel["title"]);
                asked += 1;
            }
        }
    }
    assert!(12 <= asked, "{asked} questions");
}

//! The live stream: a snapshot first, and an end when the process stops.

use std::time::Duration;

use axum::body::BodyDataStream;
use futures_util::StreamExt as _;

use super::*;
use crate::health::{Code, Level};
use crate::live::{Happening, Newest};

/// An open page.
struct Page {
    stream: BodyDataStream,
    text: String,
}

impl Page {
    async fn open(house: &House) -> Self {
        let request = request(Method::GET, "/api/v1/live", "", "");
        let response = house.router.clone().oneshot(request).await.unwrap();
        assert_eq!(response.headers()[header::CONTENT_TYPE], "text/event-stream");
        Self { stream: response.into_body().into_data_stream(), text: String::new() }
    }

    /// Returns the next event as its name and what it says; `None` at the end.
    async fn next(&mut self) -> Option<(String, Value)> {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let field = |name| event.lines().find_map(|line| line.strip_prefix(name));
                let told = field("event: ").zip(field("data: ")).map(|(name, data)| {
                    (name.to_owned(), serde_json::from_str(data).expect("data in JSON"))
                });
                self.text = rest.to_owned();
                if told.is_some() {
                    return told;
                }
                continue;
            }
            let chunk = tokio::time::timeout(Duration::from_secs(10), self.stream.next());
            let bytes = chunk.await.expect("an event, or the end, in time")?.expect("bytes");
            self.text.push_str(std::str::from_utf8(&bytes).expect("text"));
        }
    }
}

fn open_house() -> House {
    House::furnished_with(Options { open_reading: true, ..Options::default() })
}

#[tokio::test]
async fn a_page_hears_how_things_stand_and_then_what_happens() {
    let house = open_house();
    house.read("light-hall", 0);
    let id = house.left_on("light-east", "east");
    let mut page = Page::open(&house).await;

    let first = page.next().await.unwrap();
    let pack = house.read("light-east", 1_000_000);
    house.web.live.tell(Happening::Reading(Newest::of(&pack)));
    let second = page.next().await.unwrap();
    house.web.live.tell(Happening::Finding { id, kind: FindingKind::LightsLeftOn, open: false });
    let third = page.next().await.unwrap();
    house.web.health.raise(Code::DiskFull, "", Level::Error, []);
    let fourth = page.next().await.unwrap();

    assert_eq!((first.0.as_str(), &first.1["open_findings"]), ("snapshot", &1.into()));
    assert_eq!(first.1["latest"][0]["meter"], "light-hall");
    assert_eq!((second.0.as_str(), &second.1["power_mw"]), ("reading", &1_000_000.into()));
    assert_eq!(second.1["at"], "2026-11-23T22:44:50+08:00");
    assert_eq!((third.0.as_str(), &third.1["state"]), ("finding", &"closed".into()));
    assert_eq!(
        (fourth.0.as_str(), &fourth.1["notices"][0]["code"]),
        ("notice", &"disk_full".into())
    );
}

#[tokio::test]
async fn a_page_that_cannot_follow_holds_up_nobody_and_is_told_to_start_anew() {
    let house = open_house();
    let pack = house.read("light-hall", 0);
    let mut page = Page::open(&house).await;
    let first = page.next().await.unwrap();

    (0..10_000).for_each(|_| house.web.live.tell(Happening::Reading(Newest::of(&pack))));

    let second = page.next().await.unwrap();
    assert_eq!((first.0.as_str(), second.0.as_str()), ("snapshot", "resync"));
}

#[tokio::test]
async fn streams_end_when_the_process_stops() {
    let house = open_house();
    let mut page = Page::open(&house).await;
    page.next().await.unwrap();

    house.stop.send_replace(true);

    assert_eq!(page.next().await, None);
}

#[tokio::test]
async fn the_server_stops_although_a_page_is_open() {
    let house = open_house();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server =
        tokio::spawn(crate::web::serve(listener, house.web.clone(), house.stop.subscribe()));
    let mut page = tokio::net::TcpStream::connect(address).await.unwrap();
    let ask = b"GET /api/v1/live HTTP/1.1\r\nhost: gengfu\r\n\r\n";
    tokio::io::AsyncWriteExt::write_all(&mut page, ask).await.unwrap();
    let mut head = [0; 15];
    tokio::io::AsyncReadExt::read_exact(&mut page, &mut head).await.unwrap();

    house.stop.send_replace(true);
    let ended = tokio::time::timeout(Duration::from_secs(4), server).await;

    assert_eq!(&head, b"HTTP/1.1 200 OK");
    ended.expect("an end before the deadline for requests").unwrap().unwrap();
}

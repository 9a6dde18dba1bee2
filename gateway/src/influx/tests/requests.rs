use std::time::Duration;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use wire::Quantity;

use super::server::{Does, Request, Server, answers, config};
use crate::clock::Clock;
use crate::config::Address;
use crate::influx::client::{Client, Verdict};
use crate::influx::deliver::{Trouble, deliver};
use crate::influx::history::{History, HistoryError};
use crate::influx::line::Lines;
use crate::influx::line::tests::{arrival, labels, measured};

const NOW: i64 = 1_760_025_600;
const SOON: Duration = Duration::from_millis(400);

async fn verdict(does: Does) -> Verdict {
    let server = Server::start(move |_, _| does.clone()).await;
    let client = Client::open(&server.config(), SOON).await.unwrap();
    client.write("m a=1 1\n", NOW).await
}

fn later(class: &'static str, after: Option<i64>) -> impl Fn(&Verdict) -> bool {
    move |verdict| {
        matches!(verdict, Verdict::Later { class: found, after_s, .. }
            if *found == class && *after_s == after)
    }
}

#[track_caller]
fn check(verdict: &Verdict, is: impl Fn(&Verdict) -> bool) {
    assert!(is(verdict), "{verdict:?}");
}

#[tokio::test]
async fn a_write_arrives_whole_and_says_who_and_where() {
    let server = Server::start(|_, _| answers(204)).await;
    let mut config = server.config();
    config.address.path = "/behind/a/proxy".to_owned();
    let client = Client::open(&config, SOON).await.unwrap();

    let verdict = client.write("electricity,meter=m a=1 1760025600\n", NOW).await;

    assert_eq!(verdict, Verdict::Taken);
    let asked = server.asked();
    assert_eq!(asked.len(), 1);
    assert_eq!(
        asked[0].path(),
        "/behind/a/proxy/api/v2/write?bucket=gengfu&org=a+school&precision=s"
    );
    assert_eq!(asked[0].header("authorization"), Some("Token s3cret=="));
    assert_eq!(asked[0].header("content-encoding"), Some("gzip"));
    assert_eq!(asked[0].header("host"), Some(server.address.authority().as_str()));
    assert_eq!(asked[0].body, "electricity,meter=m a=1 1760025600\n");
}

#[tokio::test]
async fn each_documented_answer_says_what_to_do_next() {
    let json = |message: &str| format!("{{\"code\":\"x\",\"message\":\"{message}\"}}");

    assert_eq!(verdict(answers(204)).await, Verdict::Taken);
    assert_eq!(verdict(answers(200)).await, Verdict::Taken);
    assert_eq!(verdict(answers(413)).await, Verdict::TooLarge);
    for status in [400, 422] {
        let partial = json("partial write: field type conflict dropped=1");
        let reason = "partial write: field type conflict dropped=1".to_owned();
        assert_eq!(verdict(Does::Answers(status, "", partial)).await, Verdict::Refused { reason });
    }
    for status in [401, 403, 404, 405, 301] {
        let reason = "no".to_owned();
        assert_eq!(
            verdict(Does::Answers(status, "", json("no"))).await,
            Verdict::Stopped { status, reason }
        );
    }
    let asked = |status| Does::Answers(status, "Retry-After: 17\r\n", json("slow down"));
    check(&verdict(asked(429)).await, later("busy", Some(17)));
    check(&verdict(asked(503)).await, later("server", Some(17)));
    check(&verdict(answers(429)).await, later("busy", None));
    check(&verdict(answers(500)).await, later("server", None));
}

#[tokio::test]
async fn a_retry_after_is_not_kept_for_the_next_answer() {
    let server = Server::start(|number, _| match number {
        0 => Does::Answers(503, "Retry-After: 17\r\n", String::new()),
        _ => answers(503),
    })
    .await;
    let client = Client::open(&server.config(), SOON).await.unwrap();

    check(&client.write("m a=1 1\n", NOW).await, later("server", Some(17)));
    check(&client.write("m a=1 1\n", NOW).await, later("server", None));
}

#[tokio::test]
async fn what_goes_wrong_on_the_way_is_told_apart_and_has_an_end() {
    check(&verdict(Does::IsSilent).await, later("timeout", None));
    check(&verdict(Does::Stalls("HTTP/1.1 204 No")).await, later("timeout", None));
    let slow = "HTTP/1.1 503 Slow\r\nContent-Length: 90\r\n\r\nwait";
    check(&verdict(Does::Stalls(slow)).await, later("timeout", None));
    check(&verdict(Does::Cuts).await, later("unreachable", None));
}

#[tokio::test]
async fn a_server_that_is_away_is_named_with_the_reason() {
    // A port that nobody listens on: bound once, and closed again.
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let address = Address { tls: false, host: "127.0.0.1".to_owned(), port, path: String::new() };
    let client = Client::open(&config(address), SOON).await.unwrap();

    let Verdict::Later { class, reason, .. } = client.write("m a=1 1\n", NOW).await else {
        panic!("it must come later")
    };

    assert_eq!(class, "unreachable");
    assert!(reason.starts_with(&format!("cannot reach 127.0.0.1:{port}: ")), "{reason}");
    assert!(client.greet().await.unwrap_err().contains("cannot reach"));
}

#[tokio::test]
async fn a_server_that_answers_before_it_has_read_all_is_heard() {
    let server = Server::start(|_, _| Does::AnswersEarly(413)).await;
    let client = Client::open(&server.config(), SOON).await.unwrap();
    // Beyond what the kernel takes without a reader, also when compressed.
    let mut random = 1_u64;
    let long: String = (0..6_000_000)
        .map(|_| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            char::from(b'a' + u8::try_from(random >> 33 & 15).unwrap())
        })
        .collect();

    let verdict = client.write(&long, NOW).await;

    // A reset can overtake the answer; then the same lines come again.
    let heard = verdict == Verdict::TooLarge;
    assert!(heard || later("unreachable", None)(&verdict), "{verdict:?}");
}

#[tokio::test]
async fn a_server_tells_its_version_or_nothing() {
    let script = |_: usize, request: &Request| match request.path() {
        "/health" => {
            let body = r#"{"name":"influxdb","message":"ready","status":"pass","checks":[],"version":"v2.7.11","commit":"x"}"#;
            Does::Answers(200, "Content-Type: application/json\r\n", body.to_owned())
        }
        _ => answers(404),
    };
    let server = Server::start(script).await;
    let client = Client::open(&server.config(), SOON).await.unwrap();
    assert_eq!(client.greet().await, Ok("influxdb v2.7.11".to_owned()));

    let plain = Server::start(|_, _| Does::Answers(200, "", "OK".to_owned())).await;
    let client = Client::open(&plain.config(), SOON).await.unwrap();
    assert_eq!(client.greet().await, Ok(String::new()));
}

fn hundred_lines() -> Lines {
    let mut lines = Lines::default();
    for n in 0..100 {
        let pack = arrival("office-main", n, &[measured(Quantity::ActivePower, n * 1_000)]);
        lines.push(&pack, &labels());
    }
    lines
}

#[tokio::test]
async fn bad_lines_are_put_aside_alone_and_the_others_arrive() {
    let bad = |line: &str| line.ends_with(" 17") || line.ends_with(" 18") || line.ends_with(" 99");
    let server =
        Server::start(move |_, request| match request.lines().into_iter().find(|line| bad(line)) {
            Some(line) => Does::Answers(422, "", format!("{{\"message\":\"bad {line}\"}}")),
            None => answers(204),
        })
        .await;
    let client = Client::open(&server.config(), SOON).await.unwrap();

    let delivered = deliver(&client, &hundred_lines(), &Clock::manual(NOW)).await.unwrap();

    assert_eq!(delivered.lines, 97);
    let refused: Vec<&str> = delivered.refused.iter().map(|it| it.line.as_str()).collect();
    assert_eq!(refused.len(), 3);
    assert!(refused.iter().all(|line| bad(line)), "{refused:?}");
    assert!(delivered.refused[0].reason.starts_with("bad "));
    let taken: std::collections::BTreeSet<String> = server
        .asked()
        .iter()
        .filter(|request| !request.lines().into_iter().any(bad))
        .flat_map(|request| request.lines().into_iter().map(str::to_owned).collect::<Vec<_>>())
        .collect();
    assert_eq!(taken.len(), 97);
    assert!(server.asked().len() < 60, "{} requests", server.asked().len());
}

#[tokio::test]
async fn what_is_too_much_at_once_is_halved() {
    let server =
        Server::start(|_, request| answers(if request.lines().len() <= 30 { 204 } else { 413 }))
            .await;
    let client = Client::open(&server.config(), SOON).await.unwrap();

    let delivered = deliver(&client, &hundred_lines(), &Clock::manual(NOW)).await.unwrap();

    assert_eq!((delivered.lines, delivered.refused.len()), (100, 0));
    // 100, 50, 25, 25, 50, 25, 25.
    assert_eq!(server.asked().len(), 7);
}

#[tokio::test]
async fn trouble_in_the_middle_leaves_all_to_be_sent_again() {
    let server = Server::start(|number, _| match number {
        0 => answers(413),
        1 => answers(204),
        _ => Does::Answers(429, "Retry-After: 5\r\n", "later".to_owned()),
    })
    .await;
    let client = Client::open(&server.config(), SOON).await.unwrap();

    let trouble = deliver(&client, &hundred_lines(), &Clock::manual(NOW)).await.unwrap_err();

    let reason = "later".to_owned();
    assert_eq!(trouble, Trouble::Later { class: "busy", reason, after_s: Some(5) });
}

fn pem(der: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in der.chunks(3) {
        let bits = (0..3).fold(0, |bits, at| bits << 8 | usize::from(*three.get(at).unwrap_or(&0)));
        for at in 0..4 {
            let digit = char::from(DIGITS[bits >> (18 - 6 * at) & 63]);
            text.push(if at <= three.len() { digit } else { '=' });
        }
    }
    format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n")
}

/// A server behind TLS with a certificate of its own, that takes every write once.
async fn tls_server() -> (u16, String) {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let pem = pem(cert.der());
    let key =
        tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer::from(signing_key.serialize_der());
    let provider = std::sync::Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let config = tokio_rustls::rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key.into())
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(std::sync::Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let mut head = vec![0; 4_096];
            if 0 < stream.read(&mut head).await.unwrap_or(0) {
                stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
                stream.shutdown().await.ok();
            }
        }
    });
    (port, pem)
}

#[tokio::test]
async fn https_is_spoken_to_whom_the_authority_vouches_for_and_to_nobody_else() {
    let (port, pem) = tls_server().await;
    let dir = TempDir::new().unwrap();
    std::fs::write(dir.path().join("ca.pem"), pem).unwrap();
    let address = Address { tls: true, host: "localhost".to_owned(), port, path: String::new() };
    let timeout = Duration::from_secs(5);

    let stranger = Client::open(&config(address.clone()), timeout).await.unwrap();
    let mut known = config(address);
    known.ca = Some(dir.path().join("ca.pem"));
    let known = Client::open(&known, timeout).await.unwrap();

    let Verdict::Later { reason, .. } = stranger.write("m a=1 1\n", NOW).await else {
        panic!("a stranger must not be spoken to")
    };
    assert!(reason.contains("certificate"), "{reason}");
    assert_eq!(known.write("m a=1 1\n", NOW).await, Verdict::Taken);
}

#[tokio::test]
async fn a_history_that_breaks_off_is_an_error_and_never_a_shorter_history() {
    let series = r#"{"name":"site_day","tags":{"site":"school","medium":"water"},"columns":["time","day","amount","estimated","cost_e4","unpriced","measured_s","estimated_s","missing_s","currency","name_zh","name_en"],"values":[[1760025600,"2025-10-10",5,0,1,0,2,0,0,"CNY","校","School"],[1760112000,"2025-10-11",null,0,1,0,2,0,0,"CNY","校","School"]]}"#;
    let chunk = format!("{{\"results\":[{{\"statement_id\":0,\"series\":[{series}]}}]}}\n");
    let ask = |does: Does| async move {
        let server = Server::start(move |_, _| does.clone()).await;
        let history = History::with_timeout(&server.config(), SOON).await.unwrap();
        history.site_days(0, 2_000_000_000).await
    };

    let whole = ask(Does::Answers(200, "", chunk.repeat(2))).await.unwrap();
    assert_eq!(whole.len(), 2, "a row that lacks a number is no row of ours");
    assert_eq!((whole[0].figure.amount, whole[0].name.zh.as_str()), (5, "校"));
    for broken in [
        Does::CutsAnswer(chunk.clone()),
        Does::Cuts,
        Does::IsSilent,
        Does::Stalls("HTTP/1.1 200 OK\r\nContent-Length: 90\r\n\r\n{"),
    ] {
        let error = ask(broken.clone()).await.unwrap_err();
        assert!(matches!(error, HistoryError::Away(_)), "{broken:?}: {error:?}");
    }
    let refused = |status, body: &str| ask(Does::Answers(status, "", body.to_owned()));
    for (status, body) in [
        (401, "{\"error\":\"unauthorized\"}"),
        (404, "{\"code\":\"not found\",\"message\":\"no mapping\"}"),
        (200, "{\"results\":[{\"statement_id\":0,\"error\":\"database not found\"}]}"),
        (200, "{\"error\":\"no\"}"),
    ] {
        let error = refused(status, body).await.unwrap_err();
        assert!(matches!(error, HistoryError::Refused { .. }), "{body}: {error:?}");
    }
    let error = refused(200, "<html>").await.unwrap_err();
    assert!(matches!(error, HistoryError::Unreadable(_)), "{error:?}");
}

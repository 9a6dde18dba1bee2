use std::sync::Arc;

use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

use super::*;
use crate::config::{Login, Secret};
use crate::mail::sink::{self, Act, Script, Sink};

const MAIL: &str = "Subject: lights\r\n\r\nThey are on.\r\n.. and on.";

fn server(sink: &Sink, security: MailSecurity, timeout_ms: u64) -> Server {
    let config = MailConfig {
        host: "127.0.0.1".to_owned(),
        port: sink.address.port(),
        security,
        login: Some(Login { user: "watch".to_owned(), password: Secret::new("sesame".to_owned()) }),
        from: "更夫 <watch@school.example>".to_owned(),
    };
    Server::new(&config, Duration::from_millis(timeout_ms)).unwrap()
}

/// Delivers one mail to a server that follows the script; returns the class and the reason.
async fn check(script: Script) -> Result<(), (&'static str, String)> {
    let sink = sink::start(script, None).await;
    deliver(&server(&sink, MailSecurity::None, 10_000)).await
}

/// The same for a server that stalls, with a time-out that a test can wait for.
async fn check_stalled(script: Script) -> Result<(), (&'static str, String)> {
    let sink = sink::start(script, None).await;
    deliver(&server(&sink, MailSecurity::None, 200)).await
}

async fn deliver(server: &Server) -> Result<(), (&'static str, String)> {
    let to = ["zhang@school.example".parse().unwrap()];
    server.deliver(&to, MAIL.as_bytes()).await.map_err(|error| (error.class(), error.to_string()))
}

#[tokio::test]
async fn a_mail_that_the_server_took_is_delivered_whole() {
    let mut sink = sink::start(|_| Act::Usual, None).await;

    let outcome = deliver(&server(&sink, MailSecurity::None, 10_000)).await;

    assert_eq!(outcome, Ok(()));
    let taken = sink.taken.recv().await.unwrap();
    // A line that begins with a dot crosses the wire with one more (RFC 5321, 4.5.2).
    assert_eq!(taken.replace("\r\n...", "\r\n.."), format!("{MAIL}\r\n"));
}

#[tokio::test]
async fn a_server_that_never_greets_is_tried_later() {
    let outcome = check_stalled(|line| match line {
        "GREETING" => Act::Stall,
        _ => Act::Usual,
    });

    let (class, reason) = outcome.await.unwrap_err();

    assert_eq!(class, "later");
    assert!(reason.contains("no answer within"), "{reason}");
}

#[tokio::test]
async fn a_server_that_stalls_after_the_content_is_tried_later() {
    let outcome = check_stalled(|line| match line {
        "." => Act::Stall,
        _ => Act::Usual,
    });

    assert_eq!(outcome.await.unwrap_err().0, "later");
}

#[tokio::test]
async fn a_server_that_took_the_mail_need_not_say_goodbye() {
    let outcome = check_stalled(|line| match line {
        "QUIT" => Act::Stall,
        _ => Act::Usual,
    });

    assert_eq!(outcome.await, Ok(()));
}

#[tokio::test]
async fn a_server_that_is_not_there_is_tried_later() {
    let sink = sink::start(|_| Act::Usual, None).await;
    let server = server(&sink, MailSecurity::None, 10_000);
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let server = Server { port: closed.port(), ..server };

    let (class, reason) = deliver(&server).await.unwrap_err();

    assert_eq!(class, "later");
    assert!(reason.contains("refused"), "{reason}");
}

#[tokio::test]
async fn a_busy_server_is_tried_later() {
    let outcome = check(|line| match line.get(..4) {
        Some("RCPT") => Act::Say("451 4.7.1 greylisted, come back"),
        _ => Act::Usual,
    });

    let (class, reason) = outcome.await.unwrap_err();

    assert_eq!(class, "later");
    assert!(reason.contains("451 4.7.1 greylisted"), "{reason}");
}

#[tokio::test]
async fn a_server_that_hangs_up_in_the_content_is_tried_later() {
    let outcome = check(|line| match line {
        "CONTENT" => Act::Drop,
        _ => Act::Usual,
    });

    assert_eq!(outcome.await.unwrap_err().0, "later");
}

#[tokio::test]
async fn a_server_that_is_closed_for_everyone_is_tried_later() {
    let outcome = check(|line| match line {
        "GREETING" => Act::Say("554 no service here"),
        _ => Act::Usual,
    });

    assert_eq!(outcome.await.unwrap_err().0, "later");
}

#[tokio::test]
async fn an_unknown_recipient_stops_this_mail() {
    let outcome = check(|line| match line.get(..4) {
        Some("RCPT") => Act::Say("550 5.1.1 no such user"),
        _ => Act::Usual,
    });

    let (class, reason) = outcome.await.unwrap_err();

    assert_eq!(class, "refused");
    assert!(reason.contains("550 5.1.1 no such user"), "{reason}");
}

#[tokio::test]
async fn a_wrong_password_holds_the_queue() {
    let outcome = check(|line| match line.get(..4) {
        Some("AUTH") => Act::Say("535 5.7.8 authentication failed"),
        _ => Act::Usual,
    });

    assert_eq!(outcome.await.unwrap_err().0, "log_in");
}

#[tokio::test]
async fn a_server_that_wants_a_log_in_holds_the_queue() {
    let outcome = check(|line| match line.get(..4) {
        Some("RCPT") => Act::Say("530 5.7.0 authentication required"),
        _ => Act::Usual,
    });

    assert_eq!(outcome.await.unwrap_err().0, "log_in");
}

#[tokio::test]
async fn a_sender_that_is_not_the_account_holds_the_queue() {
    let outcome = check(|line| match line.get(..4) {
        Some("MAIL") => Act::Say("553 Mail from must equal authorized user"),
        _ => Act::Usual,
    });

    assert_eq!(outcome.await.unwrap_err().0, "sender");
}

#[tokio::test]
async fn a_server_without_starttls_holds_the_queue_and_gets_no_password() {
    fn script(line: &str) -> Act {
        assert!(!line.starts_with("AUTH"), "the password was sent in the open");
        Act::Usual
    }
    let sink = sink::start(script, None).await;

    let (class, reason) =
        deliver(&server(&sink, MailSecurity::StartTls, 10_000)).await.unwrap_err();

    assert_eq!(class, "tls");
    assert!(reason.contains("does not offer STARTTLS"), "{reason}");
}

fn self_signed() -> TlsAcceptor {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

#[tokio::test]
async fn a_refused_starttls_holds_the_queue() {
    let script: Script = |line| match line {
        "STARTTLS" => Act::Say("502 not today"),
        _ => Act::Usual,
    };
    let sink = sink::start(script, Some(self_signed())).await;

    assert_eq!(deliver(&server(&sink, MailSecurity::StartTls, 10_000)).await.unwrap_err().0, "tls");
}

#[tokio::test]
async fn a_certificate_nobody_vouches_for_holds_the_queue() {
    let sink = sink::start(|_| Act::Usual, Some(self_signed())).await;

    let (class, reason) =
        deliver(&server(&sink, MailSecurity::StartTls, 10_000)).await.unwrap_err();

    assert_eq!(class, "tls");
    assert!(reason.contains("certificate"), "{reason}");
}

//! A small honest mail server for the demo: it takes every mail and keeps none.
//!
//! So the demo's mails go the whole way, through the outbox and over SMTP; the page shows
//! them from the journal. It listens on loopback only, delivers nothing to anyone, and
//! bounds everything a client may send.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};

const SIZE_MAX: usize = 20 * 1024 * 1024;
// RFC 5321, 4.5.3.1.6, with room for what some clients add.
const LINE_MAX: u64 = 4_096;
const CLIENTS_MAX: usize = 8;
const PATIENCE: Duration = Duration::from_secs(60);

/// Takes mails until told to stop, and counts them.
///
/// # Errors
///
/// An error of `accept` that waiting would not cure.
pub async fn serve(
    listener: TcpListener,
    taken: Arc<AtomicU64>,
    mut shutdown: watch::Receiver<bool>,
) -> std::io::Result<()> {
    let places = Arc::new(Semaphore::new(CLIENTS_MAX));
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => accepted?.0,
            // An error means that whoever could stop us is gone.
            _ = shutdown.wait_for(|stop| *stop) => return Ok(()),
        };
        // Full: the client is hung up on, and its queue tries again.
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else { continue };
        let taken = Arc::clone(&taken);
        tokio::spawn(async move {
            // A client that hangs up or falls silent needs no answer.
            tokio::time::timeout(PATIENCE, talk(stream, &taken)).await.ok();
            drop(place);
        });
    }
}

async fn talk(stream: TcpStream, taken: &AtomicU64) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    say(&mut stream, "220 gengfu-demo takes mails and keeps none").await?;
    let (mut sender, mut recipients) = (false, false);
    loop {
        let Some(line) = line(&mut stream).await? else { return Ok(()) };
        let line = String::from_utf8_lossy(&line).trim_end().to_ascii_uppercase();
        let answer = match line.split([' ', ':']).next().unwrap_or_default() {
            "EHLO" => &format!("250-gengfu-demo\r\n250-8BITMIME\r\n250 SIZE {SIZE_MAX}"),
            "HELO" | "NOOP" => "250 ok",
            "RSET" => {
                (sender, recipients) = (false, false);
                "250 ok"
            }
            "MAIL" => {
                (sender, recipients) = (true, false);
                "250 ok"
            }
            "RCPT" if sender => {
                recipients = true;
                "250 ok"
            }
            "DATA" if recipients => {
                say(&mut stream, "354 end with a dot").await?;
                let Some(fits) = content(&mut stream).await? else { return Ok(()) };
                (sender, recipients) = (false, false);
                if fits {
                    taken.fetch_add(1, Ordering::Relaxed);
                    "250 taken"
                } else {
                    "552 too large"
                }
            }
            "RCPT" | "DATA" => "503 out of order",
            "QUIT" => return say(&mut stream, "221 bye").await,
            _ => "502 not known here",
        };
        say(&mut stream, answer).await?;
    }
}

/// Reads a mail to its dot; returns whether it was small enough, or nothing if the client
/// hung up.
async fn content(stream: &mut BufReader<TcpStream>) -> std::io::Result<Option<bool>> {
    let mut size = 0_usize;
    let mut whole_line = true;
    loop {
        let Some(piece) = line(stream).await? else { return Ok(None) };
        if whole_line && piece == b".\r\n" {
            return Ok(Some(size <= SIZE_MAX));
        }
        whole_line = piece.ends_with(b"\n");
        size = size.saturating_add(piece.len());
    }
}

/// Reads a line, or the first piece of one that is too long.
async fn line(stream: &mut BufReader<TcpStream>) -> std::io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    let read = (&mut *stream).take(LINE_MAX).read_until(b'\n', &mut line).await?;
    Ok((0 < read).then_some(line))
}

async fn say(stream: &mut BufReader<TcpStream>, answer: &str) -> std::io::Result<()> {
    stream.get_mut().write_all(format!("{answer}\r\n").as_bytes()).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{MailConfig, MailSecurity};
    use crate::mail::Server;

    #[tokio::test]
    async fn a_mail_of_ours_is_taken_and_counted() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let taken = Arc::new(AtomicU64::new(0));
        let stop = watch::Sender::new(false);
        let sink = tokio::spawn(serve(listener, Arc::clone(&taken), stop.subscribe()));
        let config = MailConfig {
            host: "127.0.0.1".to_owned(),
            port,
            security: MailSecurity::None,
            login: None,
            from: "watch@demo.example".to_owned(),
        };
        let server = Server::new(&config, Duration::from_secs(10)).unwrap();

        let to = ["wang@demo.example".parse().unwrap()];
        server.deliver(&to, b"Subject: a\r\n\r\n.dotted\r\n").await.unwrap();
        server.deliver(&to, b"Subject: b\r\n\r\nplain\r\n").await.unwrap();

        assert_eq!(taken.load(Ordering::Relaxed), 2);
        stop.send(true).unwrap();
        sink.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn a_command_out_of_order_is_refused() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = watch::Sender::new(false);
        tokio::spawn(serve(listener, Arc::default(), stop.subscribe()));

        let mut client = BufReader::new(TcpStream::connect(address).await.unwrap());
        client.get_mut().write_all(b"EHLO me\r\nDATA\r\nQUIT\r\n").await.unwrap();
        let mut answers = String::new();
        client.read_to_string(&mut answers).await.unwrap();

        assert!(answers.contains("\r\n503 out of order\r\n"), "{answers}");
    }
}

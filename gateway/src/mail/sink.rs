//! A mail server for tests that misbehaves on demand.
//!
//! It speaks just enough SMTP, and asks a script before each answer.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;

/// What the server does instead of its usual answer.
#[derive(Clone, Copy)]
pub(super) enum Act {
    /// Answers as a good server would.
    Usual,
    /// Answers this.
    Say(&'static str),
    /// Says nothing for ever.
    Stall,
    /// Closes the connection.
    Drop,
}

/// Decides by what came in: `GREETING`, a command line, `CONTENT` for the first line of
/// a mail, or `.` for its end.
pub(super) type Script = fn(&str) -> Act;

/// A server that runs until it is dropped.
pub(super) struct Sink {
    pub(super) address: SocketAddr,
    /// The mails it took, whole.
    pub(super) taken: mpsc::Receiver<String>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.task.abort();
    }
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Starts a server on a free port; with a TLS acceptor it offers STARTTLS.
pub(super) async fn start(script: Script, tls: Option<TlsAcceptor>) -> Sink {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (give, taken) = mpsc::channel(16);
    let tls = tls.map(Arc::new);
    let task = tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let (give, tls) = (give.clone(), tls.clone());
            // A client that hangs up is part of what is tested.
            tokio::spawn(async move { talk(Box::new(stream), script, tls, give).await.ok() });
        }
    });
    Sink { address, taken, task }
}

async fn talk(
    stream: Box<dyn Stream>,
    script: Script,
    mut tls: Option<Arc<TlsAcceptor>>,
    give: mpsc::Sender<String>,
) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    if !answer(&mut stream, script("GREETING"), "220 sink.example").await? {
        return Ok(());
    }
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        let line = line.trim_end();
        let verb = line.split(' ').next().unwrap_or_default();
        let usual = match verb {
            "EHLO" if tls.is_some() => "250-sink.example\r\n250-STARTTLS\r\n250 8BITMIME",
            "EHLO" => "250-sink.example\r\n250-AUTH PLAIN LOGIN\r\n250 8BITMIME",
            "AUTH" => "235 welcome",
            "DATA" => "354 go on",
            "QUIT" => "221 bye",
            "STARTTLS" => "220 go on",
            _ => "250 ok",
        };
        if !answer(&mut stream, script(line), usual).await? {
            return Ok(());
        }
        match verb {
            "DATA" => {
                let Some(mail) = content(&mut stream, script).await? else { return Ok(()) };
                if !answer(&mut stream, script("."), "250 taken").await? {
                    return Ok(());
                }
                give.send(mail).await.ok();
            }
            "STARTTLS" => {
                let Some(acceptor) = tls.take() else { return Ok(()) };
                let plain = stream.into_inner();
                let protected: Box<dyn Stream> = Box::new(acceptor.accept(plain).await?);
                stream = BufReader::new(protected);
            }
            "QUIT" => return Ok(()),
            _ => {}
        }
    }
}

async fn content(
    stream: &mut BufReader<Box<dyn Stream>>,
    script: Script,
) -> std::io::Result<Option<String>> {
    let mut mail = String::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 || matches!(script("CONTENT"), Act::Drop) {
            return Ok(None);
        }
        if line == ".\r\n" {
            return Ok(Some(mail));
        }
        mail.push_str(&line);
    }
}

/// Answers; returns whether the conversation goes on.
async fn answer(
    stream: &mut BufReader<Box<dyn Stream>>,
    act: Act,
    usual: &str,
) -> std::io::Result<bool> {
    let words = match act {
        Act::Usual => usual,
        Act::Say(words) => words,
        Act::Stall => std::future::pending().await,
        Act::Drop => return Ok(false),
    };
    stream.get_mut().write_all(format!("{words}\r\n").as_bytes()).await?;
    stream.get_mut().flush().await?;
    Ok(!words.starts_with("421"))
}

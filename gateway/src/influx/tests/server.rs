//! A server of ours that answers what its script says, and remembers what it was asked.

use std::io::Read;
use std::sync::{Arc, Mutex};

use flate2::read::GzDecoder;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::config::{Address, InfluxConfig, Secret};

/// A request as the server got it.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) head: String,
    /// Decompressed.
    pub(super) body: String,
}

impl Request {
    pub(super) fn path(&self) -> &str {
        self.head.split(' ').nth(1).unwrap()
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    pub(super) fn lines(&self) -> Vec<&str> {
        self.body.lines().collect()
    }
}

/// What the server does with a request.
#[derive(Clone, Debug)]
pub(super) enum Does {
    /// Answers with a status, headers (each with its line end) and a body.
    Answers(u16, &'static str, String),
    /// Answers before it has read the body, and closes.
    AnswersEarly(u16),
    /// Closes the connection without a word.
    Cuts,
    /// Announces more than it says, then closes.
    CutsAnswer(String),
    /// Begins an answer and never ends it.
    Stalls(&'static str),
    /// Reads and says nothing.
    IsSilent,
}

pub(super) fn answers(status: u16) -> Does {
    Does::Answers(status, "", String::new())
}

type Script = dyn Fn(usize, &Request) -> Does + Send + Sync;

pub(super) struct Server {
    pub(super) address: Address,
    asked: Arc<Mutex<Vec<Request>>>,
    _tasks: JoinSet<()>,
}

impl Server {
    /// Starts a server; its script gets the number of the request, from 0.
    pub(super) async fn start(
        script: impl Fn(usize, &Request) -> Does + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::<Mutex<Vec<Request>>>::default();
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, Arc::clone(&asked), Arc::new(script)));
        let address =
            Address { tls: false, host: "127.0.0.1".to_owned(), port, path: String::new() };
        Self { address, asked, _tasks: tasks }
    }

    pub(super) fn asked(&self) -> Vec<Request> {
        self.asked.lock().unwrap().clone()
    }

    pub(super) fn config(&self) -> InfluxConfig {
        config(self.address.clone())
    }
}

pub(super) fn config(address: Address) -> InfluxConfig {
    InfluxConfig {
        address,
        org: "a school".to_owned(),
        bucket: "gengfu".to_owned(),
        token: Some(Secret::new("s3cret==".to_owned())),
        ca: None,
        read: false,
    }
}

async fn accept(listener: TcpListener, asked: Arc<Mutex<Vec<Request>>>, script: Arc<Script>) {
    let mut tasks = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let (asked, script) = (Arc::clone(&asked), Arc::clone(&script));
        tasks.spawn(async move {
            // A client that goes away is part of some tests.
            serve(stream, &asked, &*script).await.ok();
        });
    }
}

async fn serve(
    mut stream: TcpStream,
    asked: &Mutex<Vec<Request>>,
    script: &Script,
) -> std::io::Result<()> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break at + 4;
        }
        if stream.read_buf(&mut bytes).await? == 0 {
            return Ok(());
        }
    };
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let mut request = Request { head, body: String::new() };
    let number = asked.lock().unwrap().len();
    if let Does::AnswersEarly(status) = script(number, &request) {
        asked.lock().unwrap().push(request);
        let head = format!("HTTP/1.1 {status} Early\r\nContent-Length: 0\r\n\r\n");
        stream.write_all(head.as_bytes()).await?;
        return stream.shutdown().await;
    }
    let length: usize = request.header("content-length").map_or(0, |it| it.parse().unwrap());
    while bytes.len() < end + length {
        if stream.read_buf(&mut bytes).await? == 0 {
            return Ok(());
        }
    }
    let body = &bytes[end..end + length];
    if request.header("content-encoding") == Some("gzip") && 0 < length {
        GzDecoder::new(body).read_to_string(&mut request.body).unwrap();
    } else {
        request.body = String::from_utf8(body.to_vec()).unwrap();
    }
    let does = script(number, &request);
    asked.lock().unwrap().push(request);
    match does {
        Does::Answers(status, headers, body) => {
            let length = body.len();
            let head =
                format!("HTTP/1.1 {status} Said\r\n{headers}Content-Length: {length}\r\n\r\n");
            stream.write_all(head.as_bytes()).await?;
            stream.write_all(body.as_bytes()).await?;
            stream.flush().await?;
            // As many servers do, it leaves the end of the connection to the client.
            stream.read_to_end(&mut Vec::new()).await?;
        }
        Does::AnswersEarly(_) | Does::Cuts => {}
        Does::CutsAnswer(body) => {
            let length = body.len() + 100;
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}");
            stream.write_all(head.as_bytes()).await?;
        }
        Does::Stalls(begun) => {
            stream.write_all(begun.as_bytes()).await?;
            stream.read_to_end(&mut Vec::new()).await?;
        }
        Does::IsSilent => {
            stream.read_to_end(&mut Vec::new()).await?;
        }
    }
    Ok(())
}

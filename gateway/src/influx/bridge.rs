//! A door on the loopback that leads to one HTTP server and nowhere else.
//!
//! In: requests of the crate `influxdb2`, which can only speak plain HTTP to the root of a
//! server. Out: the same requests at the server, through TLS if its address says `https`,
//! below its base path, with its name as host.
//!
//! Why: the TLS that influxdb2 0.5.2 can be built with has open advisories (its reqwest 0.11
//! pulls in rustls-webpki 0.101); it drops the base path of a server behind a reverse proxy;
//! of a refused request it keeps status and text, but not `Retry-After`. All three pass
//! through here, and so does the TLS that the mails use already.
//!
//! Afterwards:
//! - one connection carries one request; a server that answers before it has read all is
//!   heard;
//! - heads and answers have bounds; whoever waits for them sets the time;
//! - a server that cannot be reached is a `502` whose text says why.
//!
//! Not here: who may in. The door adds no secret, so that it is of no use to others.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::config::Address;

/// The longest head of a request or an answer, in bytes.
const HEAD_MAX: usize = 16 * 1024;
/// The longest answer, in bytes: rows come in chunks of far less.
const ANSWER_MAX: u64 = 64 * 1024 * 1024;
/// How long the server may take to let us in, TLS included.
const CONNECT: Duration = Duration::from_secs(10);
/// Connections at the same time; there is one request at a time.
const CONNECTIONS_MAX: usize = 8;

/// Why the door cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum BridgeError {
    /// The loopback has no port for us.
    #[error("cannot listen on the loopback")]
    Listen(#[source] std::io::Error),
    /// The certificate authority cannot be read.
    #[error("cannot read the certificates in `{path}`")]
    Authority {
        /// Which file.
        path: String,
        /// Why.
        #[source]
        source: tokio_rustls::rustls::pki_types::pem::Error,
    },
    /// TLS cannot be set up.
    #[error("cannot set up TLS")]
    Tls(#[source] tokio_rustls::rustls::Error),
}

/// The door, open as long as this lives.
#[derive(Debug)]
pub(super) struct Bridge {
    at: SocketAddr,
    retry_after: Arc<Mutex<Option<String>>>,
    // Ends with this.
    _doors: JoinSet<()>,
}

/// What lies behind the door.
struct Behind {
    address: Address,
    tls: Option<TlsConnector>,
    retry_after: Arc<Mutex<Option<String>>>,
}

impl Bridge {
    /// Opens a door to a server; `ca` holds certificate authorities beside the system's.
    ///
    /// # Errors
    ///
    /// [`BridgeError`] by what is missing on this machine; the server may be away.
    pub(super) async fn open(address: &Address, ca: Option<&Path>) -> Result<Self, BridgeError> {
        let tls = if address.tls { Some(connector(ca)?) } else { None };
        let loopback = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let listener = TcpListener::bind(loopback).await.map_err(BridgeError::Listen)?;
        let at = listener.local_addr().map_err(BridgeError::Listen)?;
        let retry_after = Arc::<Mutex<Option<String>>>::default();
        let behind =
            Behind { address: address.clone(), tls, retry_after: Arc::clone(&retry_after) };
        let mut doors = JoinSet::new();
        doors.spawn(accept(listener, Arc::new(behind)));
        Ok(Self { at, retry_after, _doors: doors })
    }

    /// Returns the address to speak to instead of the server's.
    #[must_use]
    pub(super) fn url(&self) -> String {
        format!("http://{}", self.at)
    }

    /// Returns the `Retry-After` of the last answer.
    #[must_use]
    pub(super) fn retry_after(&self) -> Option<String> {
        self.retry_after.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn connector(ca: Option<&Path>) -> Result<TlsConnector, BridgeError> {
    let mut roots = RootCertStore::empty();
    // A system without certificates can still know the authority of the file.
    for certificate in rustls_native_certs::load_native_certs().certs {
        roots.add(certificate).ok();
    }
    if let Some(path) = ca {
        let unreadable =
            |source| BridgeError::Authority { path: path.display().to_string(), source };
        for certificate in CertificateDer::pem_file_iter(path).map_err(unreadable)? {
            roots.add(certificate.map_err(unreadable)?).map_err(BridgeError::Tls)?;
        }
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(BridgeError::Tls)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

async fn accept(listener: TcpListener, behind: Arc<Behind>) {
    let mut passing = JoinSet::new();
    loop {
        while CONNECTIONS_MAX <= passing.len() {
            passing.join_next().await;
        }
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((inside, _)) => {
                    let behind = Arc::clone(&behind);
                    // A connection that breaks is told by the request that it carried.
                    passing.spawn(async move { pass(inside, &behind).await.unwrap_or_default() });
                }
                // Out of file descriptors: others close theirs meanwhile.
                Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            },
            Some(_) = passing.join_next() => {}
        }
    }
}

/// Carries one request to the server and its answer back.
async fn pass(mut inside: TcpStream, behind: &Behind) -> std::io::Result<()> {
    let Some((head, body)) = read_head(&mut inside, Vec::new()).await? else { return Ok(()) };
    *behind.retry_after.lock().unwrap_or_else(PoisonError::into_inner) = None;
    let Some(request) = Request::parse(&head) else {
        return answer(&mut inside, "400 Bad Request", "not a request").await;
    };
    let head = request.written(&behind.address);
    match tokio::time::timeout(CONNECT, connect(behind)).await {
        Ok(Ok(Outside::Plain(outside))) => {
            carry(inside, outside, &head, &body, &request, behind).await
        }
        Ok(Ok(Outside::Tls(outside))) => {
            carry(inside, *outside, &head, &body, &request, behind).await
        }
        Ok(Err(error)) => {
            let text = format!("cannot reach {}: {error}", behind.address.authority());
            answer(&mut inside, "502 Bad Gateway", &text).await
        }
        Err(_) => {
            let text = format!("{} did not let us in in time", behind.address.authority());
            answer(&mut inside, "502 Bad Gateway", &text).await
        }
    }
}

enum Outside {
    Plain(TcpStream),
    Tls(Box<tokio_rustls::client::TlsStream<TcpStream>>),
}

async fn connect(behind: &Behind) -> std::io::Result<Outside> {
    let Address { host, port, .. } = &behind.address;
    let stream = TcpStream::connect((host.as_str(), *port)).await?;
    stream.set_nodelay(true)?;
    let Some(tls) = &behind.tls else { return Ok(Outside::Plain(stream)) };
    let name = ServerName::try_from(host.clone()).map_err(std::io::Error::other)?;
    Ok(Outside::Tls(Box::new(tls.connect(name, stream).await?)))
}

async fn carry(
    inside: TcpStream,
    outside: impl AsyncRead + AsyncWrite + Unpin,
    head: &str,
    begun: &[u8],
    request: &Request<'_>,
    behind: &Behind,
) -> std::io::Result<()> {
    let (mut from_inside, mut to_inside) = inside.into_split();
    let (mut from_outside, mut to_outside) = tokio::io::split(outside);
    let up = async {
        let rest = request.body_len.saturating_sub(begun.len() as u64);
        let send = async {
            to_outside.write_all(head.as_bytes()).await?;
            to_outside.write_all(begun).await?;
            tokio::io::copy(&mut (&mut from_inside).take(rest), &mut to_outside).await?;
            to_outside.flush().await
        };
        // A server that has heard enough closes its ear and still answers.
        send.await.unwrap_or_default();
        // Whoever asked and goes away wants no answer.
        tokio::io::copy(&mut from_inside, &mut tokio::io::sink()).await
    };
    let down = async {
        let mut begun = Vec::new();
        let head = loop {
            let Some((head, rest)) = read_head(&mut from_outside, begun).await? else {
                return Ok(());
            };
            begun = rest;
            // 100 Continue and the like announce the answer.
            if !head.get(8..).is_some_and(|status| status.trim_start().starts_with('1')) {
                break head;
            }
        };
        let retry_after = header(&head, "retry-after").map(str::to_owned);
        *behind.retry_after.lock().unwrap_or_else(PoisonError::into_inner) = retry_after;
        to_inside.write_all(closing(&head).as_bytes()).await?;
        to_inside.write_all(&begun).await?;
        tokio::io::copy(&mut from_outside.take(ANSWER_MAX), &mut to_inside).await?;
        to_inside.shutdown().await
    };
    tokio::select! {
        done = down => done,
        _ = up => Ok(()),
    }
}

async fn answer(inside: &mut TcpStream, status: &str, text: &str) -> std::io::Result<()> {
    let length = text.len();
    let head =
        format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
    inside.write_all(head.as_bytes()).await?;
    inside.write_all(text.as_bytes()).await?;
    // What was not read would make the end of the connection a reset, which takes the answer
    // with it.
    inside.shutdown().await?;
    tokio::io::copy(inside, &mut tokio::io::sink()).await?;
    Ok(())
}

/// Reads up to the empty line, after the bytes that came already; returns the head with it,
/// and what came after it. `None` if the connection ends before it, or if it does not end.
async fn read_head(
    from: &mut (impl AsyncRead + Unpin),
    mut bytes: Vec<u8>,
) -> std::io::Result<Option<(String, Vec<u8>)>> {
    loop {
        if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let rest = bytes.split_off(at + 4);
            return Ok(String::from_utf8(bytes).ok().map(|head| (head, rest)));
        }
        if HEAD_MAX <= bytes.len() || from.read_buf(&mut bytes).await? == 0 {
            return Ok(None);
        }
    }
}

/// A request of our own client, as far as it changes on its way.
struct Request<'a> {
    method: &'a str,
    path: &'a str,
    headers: Vec<&'a str>,
    body_len: u64,
}

impl<'a> Request<'a> {
    fn parse(head: &'a str) -> Option<Self> {
        let mut lines = head.trim_end().split("\r\n");
        let mut first = lines.next()?.split(' ');
        let (method, path) = (first.next()?, first.next()?);
        // The length of a body must be known before it comes.
        if header(head, "transfer-encoding").is_some() {
            return None;
        }
        let body_len = match header(head, "content-length") {
            Some(length) => length.parse().ok()?,
            None => 0,
        };
        Some(Self { method, path, headers: lines.collect(), body_len })
    }

    /// Returns the head as the server gets it.
    fn written(&self, address: &Address) -> String {
        let Self { method, path, .. } = self;
        let usual = if address.tls { 443 } else { 80 };
        let host = address.authority();
        let host = if address.port == usual {
            host.trim_end_matches(&format!(":{usual}")).to_owned()
        } else {
            host
        };
        let mut out = format!("{method} {}{path} HTTP/1.1\r\nHost: {host}\r\n", address.path);
        for line in self.headers.iter().filter(|line| !is_of(line, &["host", "connection"])) {
            out.push_str(line);
            out.push_str("\r\n");
        }
        out.push_str("Connection: close\r\n\r\n");
        out
    }
}

/// Returns the head of an answer, with the end of the connection told.
fn closing(head: &str) -> String {
    let mut out = String::with_capacity(head.len() + 20);
    for line in head.trim_end().split("\r\n") {
        if !is_of(line, &["connection", "keep-alive"]) {
            out.push_str(line);
            out.push_str("\r\n");
        }
    }
    out.push_str("Connection: close\r\n\r\n");
    out
}

fn is_of(line: &str, names: &[&str]) -> bool {
    let name = line.split_once(':').map_or("", |(name, _)| name.trim());
    names.iter().any(|known| name.eq_ignore_ascii_case(known))
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let line = head.split("\r\n").skip(1).find(|line| is_of(line, &[name]))?;
    line.split_once(':').map(|(_, value)| value.trim())
}

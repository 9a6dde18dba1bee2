//! Another store, fed with the same readings over HTTP as line protocol.
//!
//! One connection that is kept alive, one request at a time, as a careful client sends.
//! Measured is the server's process, from outside: its CPU (with HTTP and with reading the
//! lines, which ours has not when its input is decoded), its memory, what it wrote, and
//! what its folder takes once it rests. The client's own work counts for nobody.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use super::gauge::{self, Process};
use super::line::put_line;
use crate::store::Arrival;

/// How long a server may take for an answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server rests when it used less than this share of a core for [`QUIET_TURNS`]: seven
/// seconds, since VictoriaMetrics writes what it has acknowledged only every five.
const QUIET_SHARE: f64 = 0.03;
const QUIET_TURNS: u32 = 14;
const TURN: Duration = Duration::from_millis(500);
const TURNS_MAX: u32 = 120;

fn open(address: SocketAddr) -> Result<BufReader<TcpStream>> {
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(BufReader::new(stream))
}

/// A server that takes line protocol.
pub struct Server {
    /// How it is called in figures: by its program, as `influxd`.
    pub name: String,
    /// Its process.
    pub process: Process,
    /// Where its data lie, if that was told.
    pub folder: Option<PathBuf>,
    host: String,
    path: String,
    address: SocketAddr,
    connection: BufReader<TcpStream>,
    body: String,
}

impl Server {
    /// Connects to `http://HOST:PORT/PATH`, which must take seconds: for VictoriaMetrics
    /// `/write?precision=s`, for InfluxDB 1 `/write?db=NAME&precision=s`.
    ///
    /// # Errors
    ///
    /// If the address is none, nothing listens there, or its process cannot be found.
    pub fn connect(url: &str, process: Option<u32>, folder: Option<PathBuf>) -> Result<Self> {
        let rest = url.strip_prefix("http://").context("only http:// is spoken here")?;
        let (host, path) = rest.split_once('/').context("an address with a path, as /write")?;
        let cannot = || format!("cannot reach {host}");
        let address: SocketAddr =
            host.to_socket_addrs().with_context(cannot)?.next().with_context(cannot)?;
        let connection = open(address).with_context(cannot)?;
        let process = match process {
            Some(pid) => Process(pid),
            None => Process::listening_on(address)?,
        };
        Ok(Self {
            name: process.name()?,
            process,
            folder,
            host: host.to_owned(),
            path: format!("/{path}"),
            address,
            connection,
            body: String::new(),
        })
    }

    /// Connects anew: while others have their turn, a server gives a connection up.
    ///
    /// # Errors
    ///
    /// If it no longer listens.
    pub fn connect_again(&mut self) -> Result<()> {
        let cannot = || format!("cannot reach {}", self.host);
        self.connection = open(self.address).with_context(cannot)?;
        Ok(())
    }

    /// Sends a batch as one request.
    ///
    /// # Errors
    ///
    /// If it is refused, with what the server says.
    pub fn write(&mut self, batch: &[Arrival]) -> Result<()> {
        self.body.clear();
        for arrival in batch {
            put_line(&mut self.body, arrival);
        }
        let head = format!(
            "POST {} HTTP/1.1\r\nHost: {}\r\nContent-Length: {}\r\n\r\n",
            self.path,
            self.host,
            self.body.len()
        );
        let socket = self.connection.get_mut();
        socket.write_all(head.as_bytes())?;
        socket.write_all(self.body.as_bytes())?;
        let (status, answer) = self.answer()?;
        ensure!(status == 200 || status == 204, "{} answered {status}: {answer}", self.name);
        Ok(())
    }

    fn answer(&mut self) -> Result<(u16, String)> {
        let mut line = String::new();
        self.connection.read_line(&mut line)?;
        let status = line.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.with_context(|| format!("no answer of HTTP: `{}`", line.trim()))?;
        let mut length = 0;
        loop {
            line.clear();
            self.connection.read_line(&mut line)?;
            let Some((name, value)) = line.trim().split_once(':') else { break };
            if name.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse()?;
            } else if name.eq_ignore_ascii_case("transfer-encoding") {
                bail!("{} answers in chunks, which is not spoken here", self.name);
            }
        }
        let mut body = vec![0; length];
        self.connection.read_exact(&mut body)?;
        Ok((status, String::from_utf8_lossy(&body).into_owned()))
    }

    /// Waits until the server has nothing more to do: what it puts off is its work too.
    ///
    /// # Errors
    ///
    /// If its process has ended.
    pub fn settle(&self) -> Result<()> {
        let mut quiet = 0;
        for _ in 0..TURNS_MAX {
            let before = self.process.cpu_s()?;
            gauge::rest(TURN);
            let used = self.process.cpu_s()? - before;
            quiet = if used < QUIET_SHARE * TURN.as_secs_f64() { quiet + 1 } else { 0 };
            if quiet == QUIET_TURNS {
                break;
            }
        }
        Ok(())
    }
}
